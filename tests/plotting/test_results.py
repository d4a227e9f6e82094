"""What is drawn of a result, whatever its axes are: the data of the artists, not their pixels."""

import numpy as np
import pytest
from matplotlib.contour import ContourSet

from cocycle import Archive, Grid
from cocycle.plotting import result_figure
from cocycle.sweeps import Status, refine
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
    """On a symmetric scale, or, where one side is more than four times as long, on two that are both said."""
    figure = result_figure(np.add.outer(Y, X) - 0.7, {"y": Y, "x": X}, "exponent (1/step)")
    ax, colours = figure.axes
    norm = mesh(ax).norm
    assert norm.vmin == -norm.vmax
    np.testing.assert_allclose(norm(-0.2) + norm(0.2), 1.0)  # as far from white as each other
    assert colours.get_ylabel() == "exponent (1/step)"
    ax, colours = result_figure(np.add.outer(Y, X) - 1.8, {"y": Y, "x": X}, "exponent (1/step)").axes
    assert mesh(ax).norm.vcenter == 0
    assert colours.get_ylabel() == "exponent (1/step)\nscales differ: blue −1.7 to 0, red 0 to 0.2"


def test_missing_points_are_left_white():
    values = np.add.outer(Y, X)
    values[1, 2] = np.nan
    figure = result_figure(values, {"y": Y, "x": X}, "height")
    assert mesh(figure.axes[0]).get_array().reshape(4, 5).mask.sum() == 1
    nothing = result_figure(np.full((4, 5), np.nan), {"y": Y, "x": X}, "height")
    assert mesh(nothing.axes[0]).get_array().mask.all()


def refined(level=0.35, stride=4, count=33):
    """A plane x - level, of which every fourth point is known, and all points in the coarse cells that contain zero."""
    axis = np.linspace(0, 1, count)
    values = np.tile(axis - level, (count, 1))
    known = np.zeros(values.shape, bool)
    known[::stride, ::stride] = True
    first = int(level * (count - 1)) // stride * stride
    known[:, first : first + stride + 1] = True
    return axis, np.where(known, values, np.nan)


def test_a_refined_plane_is_covered_by_cells():
    """No hole: each point that was left out has the colour of the nearest known one, and no known one changes."""
    axis, values = refined()
    figure = result_figure(values, {"y": axis, "x": axis}, "height", scattered=True)
    drawn = mesh(figure.axes[0]).get_array().reshape(values.shape)
    assert not np.ma.getmaskarray(drawn).any()
    known = ~np.isnan(values)
    np.testing.assert_array_equal(drawn[known], values[known])
    assert (abs(drawn - (axis - 0.35)) <= 2 / 32 + 1e-12).all()  # half a coarse cell away at most


def test_every_pixel_of_a_refined_plane_has_a_colour():
    axis, values = refined()
    figure = result_figure(values, {"y": axis, "x": axis}, "height", scattered=True)
    ax = figure.axes[0]
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[::-1]
    box = ax.get_window_extent()
    inside = pixels[int(box.y0) + 3 : int(box.y1) - 3, int(box.x0) + 3 : int(box.x1) - 3, :3]
    assert inside.size
    assert not (inside == 255).all(-1).any()


def test_the_zero_line_of_a_refined_plane_is_one_line():
    axis, values = refined()
    ax = result_figure(values, {"y": axis, "x": axis}, "height", scattered=True).axes[0]
    (line,) = [part for part in ax.collections if isinstance(part, ContourSet)]
    (path,) = line.get_paths()
    assert (path.codes == path.MOVETO).sum() == 1  # no loops
    np.testing.assert_allclose(path.vertices[:, 0], 0.35, atol=1e-12)


def test_a_point_of_a_refined_plane_that_failed_stays_white(tmp_path):
    archive = Archive.create(tmp_path / "coarse.h5", Grid({"y": X, "x": X}), outputs={"height": ()}, seed=1)
    with archive.writer() as writer:
        writer.commit(Records.done(np.arange(25), {"height": (X[None] - 0.4 + 0 * X[:, None]).ravel()}))
    fine = refine(archive, tmp_path / "fine.h5", "height", level=0.0, factor=2)
    failed = np.flatnonzero(fine.status.ravel() == Status.TO_DO)[:1]
    with fine.writer() as writer:
        writer.commit(Records.without_result(failed, Status.FAILED, "no", {"height": ()}))
    drawn = np.ma.getmaskarray(mesh(fine.plot().axes[0]).get_array()).ravel()
    assert drawn[failed].all()
    assert not drawn[fine.status.ravel() == Status.DONE].any()


def leaking(tmp_path):
    axes = {"leak": np.array([0.1, 0.5]), "y": Y, "x": X, "realisation": np.arange(3)}
    archive = Archive.create(tmp_path / "run.h5", Grid(axes), outputs={"lambda1": {"start": 2}}, seed=1,
                             units={"lambda1": "1/step"})  # fmt: skip
    values = np.arange(240.0).reshape(120, 2)
    with archive.writer() as writer:
        writer.commit(Records.done(np.arange(120), {"lambda1": values}))
    return archive, values.reshape(2, 4, 5, 3, 2)


def test_a_slice_with_a_chosen_average_says_both(tmp_path):
    archive, values = leaking(tmp_path)
    ax, colours = archive.plot("lambda1", leak=0.5, over="realisation").axes
    np.testing.assert_allclose(mesh(ax).get_array().reshape(4, 5), values[1].mean((-1, -2)))
    assert ax.get_title() == "mean of 3 × realisation, 2 × start;\nleak rate α = 0.5"
    assert colours.get_ylabel() == "maximal exponent λ₁ (per step)"


def test_fixed_coordinates_leave_a_line_and_its_axes(tmp_path):
    archive, values = leaking(tmp_path)
    (ax,) = archive.plot("lambda1", leak=0.1, y=Y[2], realisation=1, start=0).axes
    np.testing.assert_allclose(ax.lines[0].get_ydata(), values[0, 2, :, 1, 0])
    assert ax.get_title() == f"leak rate α = 0.1, y = {Y[2]:.3g}, realisation = 1, start = 0"
    assert ax.get_legend() is None
    panels = archive.plot("lambda1", leak=0.1, over=()).axes
    assert [ax.get_title() for ax in panels[:3]] == [f"realisation = {i}" for i in range(3)]


def test_what_cannot_be_fixed_or_averaged(tmp_path):
    archive, _ = leaking(tmp_path)
    with pytest.raises(ValueError, match="axes must be of leak, y, x, realisation, start; got loak"):
        archive.plot("lambda1", loak=0.5)
    with pytest.raises(ValueError, match="got leak twice"):
        archive.plot("lambda1", leak=0.5, over="leak")
    with pytest.raises(ValueError, match="leak"):
        archive.plot("lambda1", leak=0.3)


def test_facets_are_aligned():
    """Panels of one row have one height, those of one column one left edge; outer panels have the labels."""
    kinds = np.array([f"k{i}" for i in range(5)])
    figure = result_figure(np.add.outer(np.zeros(5), np.add.outer(Y, X)), {"kind": kinds, "y": Y, "x": X}, "height")
    figure.canvas.draw()
    panels = figure.axes[:5]
    boxes = [ax.get_position() for ax in panels]
    for row in (boxes[:3], boxes[3:]):
        assert np.ptp([box.y0 for box in row]) < 1e-9
        assert np.ptp([box.y1 for box in row]) < 1e-9
    for column in (boxes[0::3], boxes[1::3]):
        assert np.ptp([box.x0 for box in column]) < 1e-9
        assert np.ptp([box.width for box in column]) < 1e-9
    assert [ax.get_xlabel() for ax in panels] == ["", "", "x", "x", "x"]
    assert [ax.get_ylabel() for ax in panels] == ["y", "", "", "y", ""]
    assert any(label.get_visible() and label.get_text() for label in panels[2].get_xticklabels())


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


def test_the_table_of_a_notebook_has_no_marks_of_mathematical_text(tmp_path):
    table = Archive.table(tmp_path / "t.h5", {"weight_std": float}, capacity=2, outputs={"threshold_std": ()}, seed=1)
    text = table._repr_html_()
    assert "<td>coordinate</td><td>weight scale σ_W</td>" in text
    assert "<td>output</td><td>threshold scale σ_θ</td>" in text


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
