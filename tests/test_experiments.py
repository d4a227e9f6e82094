"""The study of reservoir constraints runs from nothing to its figures: here at a tiny size, for its code."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from cocycle import experiments, run
from cocycle.sweeps import Status

FOLDER = Path(__file__).parents[1] / "experiments" / "reservoir_constraints"
TINY = {"rows": 3, "columns": 3, "realisations": 2, "starts": 3, "size": 40, "horizon": 2.0, "steps": 700}


def module(name):
    spec = importlib.util.spec_from_file_location(f"constraints_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """Every part of the tiny study, its measures called here and not in workers."""
    sweep, folder = module("sweep"), tmp_path_factory.mktemp("constraints")
    sweep.SIZES["tiny"] = TINY
    from concurrent.futures import Executor, Future

    class Here(Executor):
        def submit(self, call, /, *arguments):
            done = Future()
            done.set_result(call(*arguments))
            return done

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiments, "run", lambda measure, archive, **_: run(measure, archive, Here(), progress=False))
        sweep.main(["--size", "tiny", "--output", str(folder)])
    return sweep, folder


def test_every_part_is_computed(archives):
    sweep, folder = archives
    assert {path.stem for path in folder.glob("*.h5")} == set(sweep.PARTS)
    for name in sweep.PARTS:
        archive = sweep.Archive.open(folder / f"{name}.h5")
        assert (archive.status == Status.DONE).all(), archive.messages()


def test_the_parts_differ_in_what_they_say(archives):
    """More biases and taps are other networks; the closed loop has its exponents in order of time, not of steps."""
    sweep, folder = archives
    bias, delays, spectra = (sweep.Archive.open(folder / f"{name}.h5") for name in ("bias", "delays", "spectra"))
    without, with_bias = bias["field_variance"][..., 0, 0]  # where the input and the weights add next to nothing
    assert (with_bias > without + 0.1).all()
    np.testing.assert_allclose(delays["drive_variance"][1] / delays["drive_variance"][0], 6, rtol=0.3)  # six inputs
    measured = spectra["exponent"]
    assert measured.min() < -20  # per unit of time: dt is 0.02


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value", "ignore:All-NaN")
def test_figures_are_drawn_from_the_archives_alone(archives, tmp_path, capsys):
    _, folder = archives
    figures = module("figures")
    figures.main(["--input", str(folder), "--output", str(tmp_path)])
    for name in figures.FIGURES:
        assert (tmp_path / f"{name}.png").stat().st_size > 5000
    said = capsys.readouterr().out
    for claim in ("(a)", "(b, c)", "(d)", "(e)", "(f)", "(g)", "(h)", "(i)"):
        assert claim in said


@pytest.mark.parametrize(("script", "word"), [("sweep", "PART must be of"), ("figures", "FIGURE must be of")])
def test_unknown_parts_are_refused_before_anything_runs(script, word, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        module(script).main(["nothing"])
    assert word in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
