"""Each study runs from nothing to its figures: here at a tiny size, for its code."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from cocycle import Archive, run
from cocycle.networks.data import circle, digits
from cocycle.studies import commands, network_ftle
from cocycle.sweeps import Status
from here import Here

FOLDER = Path(__file__).parents[1] / "experiments"
TINY = {
    "reservoir_constraints": {
        "rows": 2,
        "columns": 2,
        "realisations": 2,
        "starts": 3,
        "size": 40,
        "horizon": 2.0,
        "steps": 700,
        "training": 1000,
    },
    "network_ftle": {
        "widths": [10, 20],
        "depths": [1, 2],
        "fields": [5],
        "frozen": [5, 10],
        "readers": [5, 10],
        "realisations": 2,
        "epochs": 3,
        "members": 2,
        "mixtures": 50,
        "rounds": 1,
    },
}
CLAIMS = {"reservoir_constraints": "abdefghi", "network_ftle": "abcdefgh"}


def module(study, name):
    sys.modules.pop(name, None)
    spec = importlib.util.spec_from_file_location(f"{study}_{name}", FOLDER / study / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture(scope="module", params=TINY)
def archives(request, tmp_path_factory):
    """Every part of a tiny study."""
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER / request.param)
        sweep = module(request.param, "sweep")
        sweep.SIZES["tiny"] = TINY[request.param]
        patch.setattr(commands, "run", lambda measure, archive, **_: run(measure, archive, Here(), progress=False))
        few = {"circle": lambda rng: circle(rng, samples=300), "digits": digits}
        patch.setattr(network_ftle, "dataset_named", lambda name, rng: few[name](rng))
        sweep.main(["--size", "tiny", "--output", str(folder)])
    return request.param, sweep.PARTS, folder


def test_every_part_is_computed(archives):
    _, parts, folder = archives
    assert {path.stem for path in folder.glob("*.h5")} == set(parts)
    for name in parts:
        archive = Archive.open(folder / f"{name}.h5")
        assert (archive.status == Status.DONE).all(), archive.messages()


def test_the_parts_differ_in_what_they_say(archives):
    study, _, folder = archives
    if study == "network_ftle":
        frozen, scales = (Archive.open(folder / f"{name}.h5") for name in ("frozen", "scales"))
        assert (frozen["movement"][0] > 0).all()
        assert (frozen["movement"][1] == 0).all()
        before = scales["initial_exponent"][..., 2].mean(axis=(1, 2))
        assert (np.diff(before) > 0).all()  # larger weights stretch more
        return
    # more biases and taps are other networks; the closed loop has its exponents in order of time, not of steps
    bias, delays, spectra = (Archive.open(folder / f"{name}.h5") for name in ("bias", "delays", "spectra"))
    without, with_bias = bias["field_variance"][..., 0, 0]  # where the input and the weights add next to nothing
    assert (with_bias > without + 0.1).all()
    np.testing.assert_allclose(delays["drive_variance"][1] / delays["drive_variance"][0], 6, rtol=0.3)  # six inputs
    measured = spectra["exponent"]
    assert measured.min() < -20  # per unit of time: dt is 0.02


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value", "ignore:All-NaN")
@pytest.mark.filterwarnings("ignore:Degrees of freedom", "ignore:An input array is constant", "ignore:Polyfit")
def test_figures_are_drawn_from_the_archives_alone(archives, tmp_path, capsys, monkeypatch):
    study, _, folder = archives
    monkeypatch.syspath_prepend(FOLDER / study)
    figures = module(study, "figures")
    figures.main(["--input", str(folder), "--output", str(tmp_path)])
    for name in figures.FIGURES:
        assert (tmp_path / f"{name}.png").stat().st_size > 5000
    said = capsys.readouterr().out
    for claim in CLAIMS[study]:
        assert f"({claim}" in said or f", {claim})" in said, claim


@pytest.mark.parametrize("study", TINY)
@pytest.mark.parametrize(("script", "word"), [("sweep", "PART must be of"), ("figures", "FIGURE must be of")])
def test_unknown_parts_are_refused_before_anything_runs(study, script, word, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(FOLDER / study)
    with pytest.raises(SystemExit):
        module(study, script).main(["nothing"])
    assert word in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
