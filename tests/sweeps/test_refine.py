"""Refinement finds where a result crosses a level, with few points, and keeps what is known."""

from concurrent.futures import ThreadPoolExecutor

import measures
import numpy as np
import pytest

from cocycle import Archive, Grid, run
from cocycle.sweeps import Status, crossings, refine

COARSE = np.linspace(-2, 2, 21)
SPACING = COARSE[1] - COARSE[0]


def circle(path, grid=None, **settings):
    grid = grid or Grid({"x": COARSE, "y": COARSE})
    return Archive.create(path, grid, outputs={"height": ()}, seed=3, units={"height": "1"}, **settings)


def done(archive, measure=measures.height):
    with ThreadPoolExecutor(1) as threads:
        return run(measure, archive, threads, progress=False)


@pytest.fixture(scope="module")
def coarse(tmp_path_factory):
    return done(circle(tmp_path_factory.mktemp("coarse") / "coarse.h5"))


def test_the_zero_line_is_found_to_a_tenth_with_a_quarter_of_the_points(tmp_path, coarse):
    """A circle of radius 1.3, known to a tenth of the coarse spacing all around."""
    fine = done(refine(coarse, tmp_path / "fine.h5", "height", level=0.0))
    computed = (fine.status == Status.DONE).sum()
    assert computed <= 0.25 * (len(COARSE) * 10) ** 2
    assert computed + (fine.status == Status.LEFT_OUT).sum() == len(fine.grid)
    # no interpolation: a cell of the fine grid, with corners of both signs, on every ray
    height, x, y = fine["height"], fine.grid.axes["x"], fine.grid.axes["y"]
    signs = np.stack([height[:-1, :-1], height[1:, :-1], height[:-1, 1:], height[1:, 1:]])
    cells = np.argwhere((signs.min(axis=0) < 0) & (signs.max(axis=0) >= 0))
    for angle in np.linspace(0, 2 * np.pi, 50):
        place = 1.3 * np.array([np.cos(angle), np.sin(angle)])
        distance = abs(np.stack([x[cells[:, 0]], y[cells[:, 1]]], axis=-1) + SPACING / 20 - place).max(axis=1)
        assert distance.min() <= SPACING / 20 + 1e-9
    found = crossings(fine, "height")
    assert len(found) > 100
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.3, atol=(SPACING / 10) ** 2 / 8 / 1.3 * 2)


def test_what_was_known_stays(tmp_path, coarse):
    fine = refine(coarse, tmp_path / "fine.h5", "height", level=0.0, factor=4)
    np.testing.assert_array_equal(fine["height"][::4, ::4], coarse["height"])
    np.testing.assert_array_equal(fine.grid.axes["x"][::4], COARSE)
    assert fine.contents.parent["file"] == str(coarse.path)
    assert fine.contents.parent["digest"] == coarse.contents.digest()
    assert (fine.contents.parent["output"], fine.contents.parent["level"]) == ("height", 0.0)


def test_it_opens_as_it_was_made_and_can_be_refined_again(tmp_path, coarse):
    fine = done(refine(coarse, tmp_path / "fine.h5", "height", level=0.0, factor=3))
    again = Archive.open(fine.path)
    assert again.grid == fine.grid
    finer = done(refine(again, tmp_path / "finer.h5", "height", level=0.0, factor=3))
    np.testing.assert_array_equal(finer["height"][::3, ::3], fine["height"])
    radius = np.linalg.norm(crossings(finer, "height"), axis=1)
    np.testing.assert_allclose(radius, 1.3, atol=(SPACING / 9) ** 2)
    assert (finer.status == Status.DONE).sum() < (len(COARSE) * 9) ** 2 / 5


def test_replicas_are_averaged_and_strings_are_kept_apart(tmp_path):
    grid = Grid({"kind": ["small", "large"], "replica": np.arange(3), "x": COARSE, "y": COARSE[::2]})
    coarse = done(circle(tmp_path / "coarse.h5", grid), measures.noisy_height)
    fine = refine(coarse, tmp_path / "fine.h5", "height", level=0.0, factor=4)
    wanted = fine.status != Status.LEFT_OUT
    assert (wanted == wanted[:, :1]).all()  # the same for every replica
    assert (wanted[0] != wanted[1]).any()
    done(fine, measures.noisy_height)
    for kind, radius in ((0, 0.7), (1, 1.3)):
        zero = np.argwhere(wanted[kind, 0]).mean(axis=0)
        np.testing.assert_allclose(zero, [40, 20], atol=2)  # about the middle
        height = fine["height"][kind].mean(axis=0)
        crossing = (height[:-1] < 0) & (height[1:] >= 0)
        x, y = np.nonzero(crossing)
        found = np.hypot(fine.grid.axes["x"][x], fine.grid.axes["y"][y])
        assert abs(found - radius).max() < SPACING / 4 + 0.05


def test_without_a_level_it_goes_where_the_result_changes_fastest(tmp_path):
    archive = done(circle(tmp_path / "coarse.h5"), measures.cliff)
    fine = refine(archive, tmp_path / "fine.h5", "height", factor=2)
    x = fine.grid.axes["x"][np.nonzero((fine.status == Status.TO_DO).any(axis=1))]
    assert abs(x - 0.5).min() < 1e-9
    assert abs(x - 0.5).max() < 2 * SPACING  # a tenth of twenty columns is two; the second is a tie of neighbours


def test_geometric_axes_are_refined_geometrically(tmp_path):
    grid = Grid({"x": np.geomspace(0.01, 10, 13)})
    archive = done(circle(tmp_path / "coarse.h5", grid, fixed={"y": 0.0}))
    fine = done(refine(archive, tmp_path / "fine.h5", "height", level=0.0))
    np.testing.assert_allclose(np.diff(np.log(fine.grid.axes["x"])), np.log(1000) / 120, rtol=1e-9)
    assert (fine.status == Status.DONE).sum() == 13 + 9
    np.testing.assert_allclose(crossings(fine, "height"), [[1.3]], rtol=1e-3)


def test_what_cannot_be_refined(tmp_path, coarse):
    path = tmp_path / "fine.h5"
    with pytest.raises(ValueError, match="no cell in which height crosses 99"):
        refine(coarse, path, "height", level=99.0)
    with pytest.raises(ValueError, match=r"along must name axes of numbers among x, y, each once; got \['z'\]"):
        refine(coarse, path, "height", along=["z"])
    with pytest.raises(ValueError, match="factor must be an integer of at least 2; got 1"):
        refine(coarse, path, "height", level=0.0, factor=1)
    with pytest.raises(KeyError, match="no output 'depth'"):
        refine(coarse, path, "depth", level=0.0)
    new = circle(tmp_path / "new.h5")
    with pytest.raises(ValueError, match="nothing to refine"):
        refine(new, path, "height", level=0.0)
    assert not path.exists()


@pytest.mark.parametrize(
    ("values", "place"), [((-np.inf, 1.0, 2.0), 0.5), ((3.0, 1.0, -np.inf), 1.5), ((-1, 1, 2), 0.5)]
)
def test_an_infinite_result_is_crossed_and_refined_too(tmp_path, values, place):
    """An exponent of -inf, of a projection, lies below zero; half way is the best that is known."""
    archive = Archive.create(tmp_path / "a.h5", Grid({"x": [0.0, 1.0, 2.0]}), outputs={"exponent": ()}, seed=1)
    done(archive, lambda point, rng: {"exponent": values[int(point["x"])]})
    np.testing.assert_allclose(crossings(archive, "exponent"), [[place]])
    for level in (0.0, None):  # without a level it is where the result changes most
        fine = refine(archive, tmp_path / f"fine-{level}.h5", "exponent", level=level, factor=2)
        assert fine.status[int(2 * place)] == Status.TO_DO


def test_an_infinite_replica_makes_the_mean_infinite(tmp_path):
    grid = Grid({"x": [0.0, 1.0], "replica": [0, 1]})
    archive = Archive.create(tmp_path / "a.h5", grid, outputs={"exponent": ()}, seed=1)
    done(archive, lambda point, rng: {"exponent": -np.inf if (point["x"], point["replica"]) == (0, 1) else 1.0})
    np.testing.assert_allclose(crossings(archive, "exponent"), [[0.5]])
