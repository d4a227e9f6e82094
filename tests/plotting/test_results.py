"""What is drawn of a result, whatever its axes are: the data of the artists, not their pixels."""

import numpy as np
import pytest

from cocycle import Archive, Grid
from cocycle.plotting import result_figure
from cocycle.sweeps import Status
from cocycle.sweeps.records import Records

X, Y = np.linspace(0.1, 1.0, 5), np.geomspace(0.01, 1, 4)


def mesh(ax):
    return ax.collections[0]


def test_a_line_with_the_spread_of_replicas():
    values = X[:, None] + np.array([-0.1, 0.0, 0.1])
    figure = result_figure(values, {"x": X, "replica": np.arange(3)}, "height (m)", {"x": "place (m)"})
    (ax,) = figure.axes
    np.testing.assert_allclose(ax.lines[0].get_xydata(), np.stack([X, X], axis=-1))
    band = ax.collections[0].get_paths()[0].get_extents()
    np.testing.assert_allclose([band.y0, band.y1], [0.1 - np.std([-0.1, 0, 0.1]), 1.0 + np.std([-0.1, 0, 0.1])])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("place (m)", "height (m)")


def test_a_line_of_both_signs_has_its_zero():
    (ax,) = result_figure(X - 0.5, {"x": X}, "height").axes
    assert any(np.all(np.asarray(line.get_ydata()) == 0) for line in ax.lines)


def test_planes_of_strings_side_by_side():
    values = np.stack([np.add.outer(Y, X), np.add.outer(Y, X) + 1])
    figure = result_figure(values, {"kind": np.array(["a", "b"]), "y": Y, "x": X}, "height")
    first, second, colours = figure.axes
    assert (first.get_title(), second.get_title()) == ("kind = a", "kind = b")
    np.testing.assert_allclose(mesh(first).get_array().reshape(4, 5), values[0])
    np.testing.assert_allclose(mesh(second).get_array().reshape(4, 5), values[1])
    assert mesh(first).norm.vmin == values.min()
    assert mesh(first).norm.vmax == values.max()
    assert first.get_yscale() == "log"
    assert first.get_xscale() == "linear"
    assert (first.get_xlabel(), first.get_ylabel(), colours.get_ylabel()) == ("x", "y", "height")


def test_the_event_and_replicas_are_averaged():
    values = np.add.outer(np.add.outer(Y, X), np.zeros((2, 3)))
    values[..., 1, 0] += 6.0
    figure = result_figure(values, {"y": Y, "x": X, "replica": np.arange(2)}, "height")
    np.testing.assert_allclose(mesh(figure.axes[0]).get_array().reshape(4, 5), np.add.outer(Y, X) + 1.0)


def test_results_of_both_signs_turn_at_zero():
    figure = result_figure(np.add.outer(Y, X) - 0.7, {"y": Y, "x": X}, "exponent (1/step)")
    ax, colours = figure.axes
    assert mesh(ax).norm.vcenter == 0
    assert "scales above and below zero differ" in colours.get_ylabel()


def test_missing_points_are_left_white():
    values = np.add.outer(Y, X)
    values[1, 2] = np.nan
    figure = result_figure(values, {"y": Y, "x": X}, "height")
    assert mesh(figure.axes[0]).get_array().reshape(4, 5).mask.sum() == 1
    nothing = result_figure(np.full((4, 5), np.nan), {"y": Y, "x": X}, "height")
    assert mesh(nothing.axes[0]).get_array().mask.all()


def test_scattered_points_are_drawn_on_triangles():
    values = np.full((9, 9), np.nan)
    values[::2, ::2] = 1.0
    values[3:6, 3:6] = -1.0
    axes = {"y": np.linspace(0, 1, 9), "x": np.linspace(0, 1, 9)}
    figure = result_figure(values, axes, "height", scattered=True)
    triangles = mesh(figure.axes[0])
    assert len(triangles.get_array()) > 30
    assert set(np.sign(triangles.get_array())) >= {-1.0, 1.0}


def test_what_cannot_be_drawn():
    with pytest.raises(ValueError, match="axes must have one of at least two values; got none: height is 3"):
        result_figure(np.array([3.0]), {"x": np.array([1.0])}, "height")
    kinds = np.array([f"k{i}" for i in range(13)])
    with pytest.raises(ValueError, match="kind must give at most 12 panels; got 13: draw a part"):
        result_figure(np.zeros((13, 5)), {"kind": kinds, "x": X}, "height")


def test_an_archive_draws_itself_with_units_and_long_names(tmp_path):
    archive = Archive.create(tmp_path / "run.h5", Grid({"y": Y, "x": X}), outputs={"height": (), "depth": ()}, seed=1,
                             units={"height": "m", "x": "s"}, long_names={"height": "height at sea"})  # fmt: skip
    values = np.arange(20.0)
    with archive.writer() as writer:
        writer.commit(Records.done(np.arange(20), {"height": values, "depth": -values}))
    ax, colours = archive.plot().axes
    assert (ax.get_xlabel(), ax.get_ylabel(), colours.get_ylabel()) == ("x (s)", "y", "height at sea (m)")
    np.testing.assert_allclose(mesh(ax).get_array().ravel(), values)
    assert (archive.plot("depth").axes[1].get_ylabel()) == "depth"
    assert (archive.status == Status.DONE).all()


def test_in_a_notebook_an_archive_is_a_table(tmp_path):
    archive = Archive.create(tmp_path / "a.h5", Grid({"<w>": np.arange(3.0)}), outputs={"exponent": ()}, seed=1)
    text = archive._repr_html_()
    assert "<td>axis &lt;w&gt;</td><td>3 values [0., 1., 2.]</td>" in text
    assert "<td>to do</td><td>3</td>" in text


def test_infinite_results_are_shown():
    """On a line as triangles at the edge, on planes as the last colour, with a pointed colour bar."""
    (ax,) = result_figure(np.where(X < 0.2, -np.inf, X), {"x": X}, "exponent").axes
    (below,) = [line for line in ax.lines if line.get_marker() == "v"]
    np.testing.assert_allclose(below.get_xdata(), X[X < 0.2])
    values = np.add.outer(Y, X)
    values[0, 0], values[3, 4] = -np.inf, np.inf
    for scattered in (False, True):
        figure = result_figure(values, {"y": Y, "x": X}, "exponent", scattered=scattered)
        assert mesh(figure.axes[0]).norm.vmax == values[np.isfinite(values)].max()
        assert figure.axes[-1]._colorbar.extend == "both"
    shown = mesh(result_figure(values, {"y": Y, "x": X}, "exponent").axes[0]).get_array().reshape(4, 5)
    assert shown[0, 0] < values[np.isfinite(values)].min()
    assert shown[3, 4] > values[np.isfinite(values)].max()


def test_a_replica_that_is_infinite_is_not_left_out_of_the_mean():
    values = np.zeros((5, 4, 2))
    values[1, 2, 1] = -np.inf
    shown = mesh(result_figure(values, {"x": X, "y": Y, "replica": np.arange(2)}, "exponent").axes[0]).get_array()
    assert (shown.reshape(5, 4) < 0).sum() == 1
