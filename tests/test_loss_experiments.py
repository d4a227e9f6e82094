"""The studies of losses run from nothing to their figures: here at a tiny size, for their code."""

import json

import numpy as np
import pytest

from test_experiments import FOLDER, module

TINY = {
    "gradient_flossing": {"delays": [2], "realisations": 2, "directions": 3, "flossing": 2, "training": 21, "every": 10}
    | {"bout": 1},
    "early_stretching": {"realisations": 2, "epochs": 1, "samples": 100, "tasks": ["moons"], "attack_steps": 2},
}


@pytest.mark.parametrize("study", TINY)
def test_from_nothing_to_the_figure(study, tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(FOLDER / study)
    sweep = module(study, "sweep")
    monkeypatch.setitem(__import__("sys").modules, "sweep", sweep)
    places = {"file": str(tmp_path / "flossing.h5")} if study == "gradient_flossing" else {"folder": str(tmp_path)}
    settings = sweep.SETTINGS | TINY[study] | places
    sweep.main(settings)
    module(study, "figures").main(settings, tmp_path)
    found = json.loads((tmp_path / "results.json").read_text())
    values = found["loss"] if study == "gradient_flossing" else found["moons"]["accuracy"]
    assert np.isfinite(values).all()
    assert len(list(tmp_path.glob("*.png"))) == 1
    assert capsys.readouterr().out
