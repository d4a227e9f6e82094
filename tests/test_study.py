"""The built-in study shows what is known of it, resumes, and says and draws what came out."""

import numpy as np
import pytest

from cocycle import Grid, Reservoir, cli, frame, lyapunov_spectrum, run, train
from cocycle.cli import commands
from cocycle.reservoir import Design, ridge_readout
from cocycle.studies import reservoir_constraints, summary
from cocycle.sweeps import Status
from cocycle.sweeps.records import Records
from cocycle.systems import Lorenz63

TINY = {"resolution": (3, 3), "realisations": 2, "starts": 2, "size": 40, "training": 600, "horizon": 2.0}


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setitem(reservoir_constraints.SIZES, "tiny", TINY)


def measured(observed, weight_std, input_std):
    """The study's outputs at a block of points, over two networks: exponents (2, B), valid times (2, B, 8)."""
    fixed = reservoir_constraints.SETTINGS | {"size": 250, "training": 6000, "starts": 8, "horizon": 6.0}
    point = {"observed": observed, "weight_std": np.array(weight_std), "input_std": np.array(input_std)}
    results = [reservoir_constraints.measure(fixed | point, [np.random.default_rng(seed)]) for seed in (1, 2)]
    exponent, times = (np.stack([result[name] for result in results]) for name in ("exponent", "valid_time"))
    return exponent, times[..., 0, :]


def test_full_and_partial_observation_differ_where_there_is_no_memory():
    """weight_std 0.01: all three components predict well over one Lyapunov time, one alone does not reach 0.4."""
    exponent, full = measured("full", [0.01, 0.01], [0.02, 0.0447])
    assert (exponent < 0).all()
    assert (full.mean(axis=(0, 2)) > 1.2).all(), full.mean(axis=(0, 2))
    exponent, second = measured("second", [0.01] * 4, [0.01, 0.02, 0.0447, 0.2])
    assert (exponent < 0).all()
    assert (second.mean(axis=(0, 2)) < 0.4).all(), second.mean(axis=(0, 2))


@pytest.mark.parametrize("observed", ["full", "second"])
def test_no_success_where_the_exponent_is_clearly_positive(observed):
    exponent, times = measured(observed, [1.6, 2.0, 2.0], [0.001, 0.001, 0.01])
    assert (exponent > 0.02).all()
    assert (times.mean(axis=-1) < 0.2).all()


def test_training_with_the_exponent_is_training_and_the_exponent():
    u = Lorenz63().series(900)
    reservoir = Reservoir.gaussian(50, 3, rng=1)
    together, moments, _ = reservoir_constraints.train_with_exponent(reservoir, u, 100, 5)
    r = reservoir.rest()
    apart = lyapunov_spectrum(reservoir.driven(u[:-1]), r, frame(r, 1, 5), transient=100)
    np.testing.assert_array_equal(together.exponents, apart.exponents)
    expected = train(reservoir, u, ridge=1e-3, washout=100, normalise=False, design=Design(constant=False))
    # rounding of the moments times the condition number: eps * 800 * 50 / 1e-3
    expected = expected.readout.weight
    np.testing.assert_allclose(ridge_readout(moments, 1e-3), expected, rtol=0, atol=1e-8 * abs(expected).max())


def test_command_from_nothing_to_figure(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["sweep", "--size", "tiny", "--workers", "2"]) == 0
    said = capsys.readouterr().out
    assert "36 of 36 points to compute" in said
    assert "a negative exponent is necessary, not sufficient" in said
    assert (tmp_path / "lorenz-tiny.png").stat().st_size > 10_000
    assert (reservoir_constraints.archive("lorenz-tiny.h5", "tiny").status == Status.DONE).all()
    assert cli.main(["sweep", "--size", "tiny"]) == 0
    assert "0 of 36 points to compute" in capsys.readouterr().out


def test_command_resumes_after_interruption_with_the_same_values(tiny, tmp_path, capsys, monkeypatch):
    whole = run(
        reservoir_constraints.measure,
        reservoir_constraints.archive(tmp_path / "whole.h5", "tiny"),
        workers=1,
        progress=False,
    )

    def interrupted(measure, archive, executor, **options):
        commit_some(archive, whole)
        raise KeyboardInterrupt

    path = tmp_path / "part.h5"
    with monkeypatch.context() as patch:
        patch.setattr(commands, "run", interrupted)
        assert cli.main(["sweep", "--size", "tiny", "--output", str(path)]) == 130
    assert "4 of 36 points are in" in capsys.readouterr().out
    assert cli.main(["sweep", "--size", "tiny", "--output", str(path)]) == 0
    part = reservoir_constraints.archive(path, "tiny")
    for name in part.outputs:
        np.testing.assert_array_equal(part[name], whole[name])


def commit_some(archive, source):
    with archive.writer() as writer:
        writer.commit(source.records(np.array([0, 1, 2, 35])))


def test_outputs_of_a_block_against_their_definitions():
    """The exponent's error, the variance of the drive and the threshold, each from the pieces of the study."""
    fixed = reservoir_constraints.SETTINGS | {"size": 60, "training": 900, "starts": 3, "horizon": 2.0}
    point = {"observed": "full", "weight_std": np.array([0.5, 0.9]), "input_std": np.array([0.02, 0.05])}
    found = reservoir_constraints.measure(fixed | point, [np.random.default_rng(5)])
    series = Lorenz63().series(900, rng=np.random.default_rng(5))
    variance = point["input_std"] ** 2 * (series**2).sum(-1).mean()
    np.testing.assert_allclose(found["drive_variance"], variance, rtol=0.2)  # another stretch of the attractor
    assert (found["exponent_error"] > 0).all()
    assert (found["exponent_error"] < 0.1 * abs(found["exponent"])).all()
    strict = reservoir_constraints.measure(fixed | point | {"threshold": 0.01}, [np.random.default_rng(5)])
    assert reservoir_constraints.SETTINGS["threshold"] == 0.3
    assert strict["valid_time"].mean() < found["valid_time"].mean()


class Results:
    """An archive with given values: two networks, two by two scales, one observation."""

    def __init__(self, exponent, times):
        axes = {"observed": np.array(["full"]), "realisation": np.arange(2)}
        self.grid = Grid(axes | {"weight_std": [0.1, 0.2], "input_std": [0.01, 0.02]})
        self.values = {
            "exponent": exponent,
            "exponent_error": np.full(exponent.shape, 0.1),
            "valid_time": times[..., None, :],
        }

    def __getitem__(self, name):
        return self.values[name]


def test_infinite_results_are_in_words_and_planes():
    exponent = np.array([[[[-1.0, -np.inf], [0.1, 1.0]], [[-1.0, 1.0], [np.nan, 1.0]]]])
    times = np.zeros((1, 2, 2, 2, 3))
    times[0, :, 1, 0] = np.inf
    ((mean, median),) = summary.planes(Results(exponent, times)).values()
    np.testing.assert_array_equal(mean, [[-1.0, -np.inf], [0.1, 1.0]])
    np.testing.assert_array_equal(median, [[0.0, 0.0], [np.inf, 0.0]])
    assert "inf at weight_std 0.2, input_std 0.01" in summary.in_words(Results(exponent, times))


def test_words_and_planes_say_what_is_in_the_archive():
    exponent = np.array([[[[-1.0, -1.0], [0.1, 1.0]], [[-1.0, 1.0], [0.1, 1.0]]]])
    times = np.zeros((1, 2, 2, 2, 3))
    times[0, 0, 0, 0] = [0.5, 2.0, 9.0]  # median 2
    times[0, 1, 0, 0] = [1.5, 1.5, 1.5]
    times[0, :, 1, 1] = [0.5, 0.6, 9.0]  # positive exponent, median 0.6
    results = Results(exponent, times)
    ((mean, median),) = summary.planes(results).values()
    np.testing.assert_allclose(mean, [[-1.0, 0.0], [0.1, 1.0]])
    np.testing.assert_allclose(median, [[1.5, 0.0], [0.0, 0.6]])  # over networks and starts: not the largest
    said = summary.in_words(results)
    row = said.splitlines()[1].split("   ")
    assert [cell.strip() for cell in row if cell.strip()][:4] == ["full", "4", "1", "1"]
    assert "clearly positive (by two standard errors): 3, of which 0 (0.0%; 0.0% to 70.8% with 95" in said
    assert "clearly negative: 3, of which 2 (66.7%; 9.4% to 99.2% with 95 % confidence) do" in said
    results.grid = Grid(results.grid.axes, common=reservoir_constraints.COMMON)
    said = summary.in_words(results)
    assert "clearly positive (by two standard errors): 3, of which 0 predict" in said
    assert said.endswith("not sufficient. They are 2 independent draws of a network, rescaled.")


def test_command_says_that_points_failed(tiny, tmp_path, monkeypatch, capsys):
    def broken(point, rng):
        raise RuntimeError("no")

    monkeypatch.setattr(reservoir_constraints, "measure", broken)
    assert cli.main(["sweep", "--size", "tiny", "--output", str(tmp_path / "run.h5"), "--workers", "1"]) == 1
    assert "36 points failed" in capsys.readouterr().err
    assert cli.main(["sweep", "--size", "tiny", "--output", str(tmp_path / "new.h5"), "--seed", "-1"]) == 2
    assert cli.main(["sweep", "--size", "tiny", "--output", str(tmp_path / "run.png")]) == 2
    assert "--output names the archive" in capsys.readouterr().err
    path = tmp_path / "none.h5"
    assert cli.main(["sweep", "--size", "tiny", "--output", str(path), "--workers", "0"]) == 2
    assert "--workers must be at least 1; got 0" in capsys.readouterr().err
    assert not path.exists()
    assert cli.main(["validate", "Tent", "--scale", "0"]) == 2
    assert "scale must be a positive number; got 0" in capsys.readouterr().err
    assert cli.main(["validate", "Tent", "--output", str(tmp_path / "no" / "table.md")]) == 2
    assert "there is no" in capsys.readouterr().err


def test_command_refuses_another_sweep_and_other_files(tiny, tmp_path, capsys):
    path = tmp_path / "run.h5"
    other = reservoir_constraints.archive(path, "tiny", seed=3)
    with other.writer() as writer:
        writer.commit(Records.without_result(np.array([0]), Status.FAILED, "no luck", other.outputs))
    assert cli.main(["sweep", "--size", "tiny", "--output", str(path)]) == 2
    assert "seed: 3 against 1" in capsys.readouterr().err
    path.write_text("not an archive")
    assert cli.main(["sweep", "--size", "tiny", "--output", str(path)]) == 2
    assert "is not an HDF5 file" in capsys.readouterr().err


def test_planes_of_a_sweep_that_has_just_begun(tiny, tmp_path):
    archive = reservoir_constraints.archive(tmp_path / "run.h5", "tiny")
    for exponent, times in summary.planes(archive).values():
        assert np.isnan(exponent).all()
        assert np.isnan(times).all()
    words = [line.split() for line in summary.in_words(archive).splitlines()]
    assert ["full", "0", "0", "0", "-"] in words
    assert ["second", "0", "0", "0", "-"] in words
    assert commands.draw(archive, tmp_path / "run.png").exists()


def test_validate_prints_and_writes_its_table(tmp_path, capsys):
    path = tmp_path / "table.md"
    assert cli.main(["validate", "Tent", "ToralAutomorphism", "--scale", "0.2", "--output", str(path)]) == 0
    assert capsys.readouterr().out.partition("\n\nTable:")[0].strip() in path.read_text()
    assert path.read_text().endswith("\n\n- 2 of 2 with exact values\n")
    assert "cocycle validate --scale 0.2 --seed 1" in path.read_text()
    assert cli.main(["validate", "tent", "--scale", "0.2"]) == 0  # names in any spelling
    assert cli.main(["validate", "Nothing"]) == 2
