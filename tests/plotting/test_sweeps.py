"""What is drawn is what was measured: values in their cells, colours about zero, the line where the sign changes."""

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.contour import ContourSet

from cocycle.plotting import colour_bar, exponent_plane, prediction_figure, signed_ticks, valid_time_plane, zero_line

X = np.geomspace(1e-3, 1, 4)
Y = np.linspace(0, 2, 5)
EXPONENT = np.tile((Y - 1.0)[:, None], (1, 4))


def test_values_are_in_cells_around_their_coordinates(ax):
    mesh = valid_time_plane(ax, X, Y, np.arange(20.0).reshape(5, 4))
    corners = mesh.get_coordinates()
    np.testing.assert_allclose(np.sqrt(corners[0, :-1, 0] * corners[0, 1:, 0]), X)  # geometric axis: log scale
    np.testing.assert_allclose((corners[:-1, 0, 1] + corners[1:, 0, 1]) / 2, Y)
    np.testing.assert_array_equal(mesh.get_array(), np.arange(20.0).reshape(5, 4))
    assert ax.get_xscale() == "log"
    assert ax.get_yscale() == "linear"
    assert mesh.norm.vmin == 0


def test_colours_of_exponents_turn_at_zero(ax):
    mesh = exponent_plane(ax, X, Y, EXPONENT)
    assert mesh.norm(0.0) == 0.5
    np.testing.assert_allclose(mesh.cmap(mesh.norm(0.0))[:3], 0.97, atol=0.03)


def test_zero_line_is_where_the_exponent_changes_sign(ax):
    (line,) = zero_line(ax, X, Y, EXPONENT, color="black").get_paths()
    np.testing.assert_allclose(line.vertices[:, 1], 1.0)
    assert zero_line(ax, X, Y, EXPONENT - 5, color="black") is None


def test_figure_has_a_row_for_each_observation_and_units():
    figure = prediction_figure(X, Y, {"full": (EXPONENT, abs(EXPONENT)), "second": (EXPONENT, abs(EXPONENT))}, "title")
    labels = [ax.get_ylabel() for ax in figure.axes] + [ax.get_xlabel() for ax in figure.axes]
    assert sum("per step" in label for label in labels) == 2
    assert sum("Lyapunov times" in label for label in labels) == 2
    assert any("observed: second" in label for label in labels)
    panels = [ax for ax in figure.axes if ax.get_xscale() == "log"]
    assert len(panels) == 4
    for ax in panels:
        (line,) = [c for c in ax.collections if isinstance(c, ContourSet)]  # the zero line, on exponents and on times
        np.testing.assert_allclose(line.get_paths()[0].vertices[:, 1], 1.0)
    plt.close(figure)


def test_one_column_and_missing_values_can_be_drawn(ax):
    valid_time_plane(ax, X[:1], Y, np.full((5, 1), np.nan))
    exponent_plane(ax, X[:1], Y, np.full((5, 1), np.nan))
    assert zero_line(ax, X[:1], Y, np.full((5, 1), np.nan), color="black") is None


@pytest.mark.parametrize(("sign", "colours"), [(1, "Reds"), (-1, "Blues_r")])
def test_exponents_of_one_sign_have_the_colours_of_that_sign(sign, colours):
    _, ax = plt.subplots()
    exponent = sign * np.linspace(0.5, 1.0, 20).reshape(4, 5)
    mesh = exponent_plane(ax, np.arange(5.0), np.arange(4.0), exponent)
    assert mesh.get_cmap().name == colours
    assert (mesh.norm.vmin, mesh.norm.vmax) == (exponent.min(), exponent.max())
    ticks = signed_ticks(mesh.norm)
    assert len(ticks) >= 3
    assert (abs(ticks) >= 0.5).all()
    assert mesh.norm(exponent.min()) == 0


def test_infinite_valid_times_have_the_last_colour(ax):
    times = np.array([[0.5, 2.0], [np.inf, np.nan]])
    drawn = valid_time_plane(ax, np.array([1.0, 2.0]), np.array([1.0, 2.0]), times)
    assert drawn.norm.vmax == 2.0
    np.testing.assert_array_equal(np.ma.filled(drawn.get_array(), np.nan).reshape(2, 2), [[0.5, 2.0], [2.0, np.nan]])


@pytest.mark.parametrize(("x", "y"), [(np.linspace(0, 1, 9), np.linspace(-1, 1, 7)), (np.geomspace(1e-3, 1, 9), Y[1:])])
def test_the_zero_line_passes_through_the_zeros_of_an_exact_plane(ax, x, y):
    """An exponent that is linear on the scales of the axes: the line is its zero to rounding, also on a logarithm."""
    u = x if x[0] == 0 else np.log(x) / 7 + 1
    exponent = u[None] - 0.37 + 0.1 * y[:, None]
    path = zero_line(ax, x, y, exponent, color="black").get_paths()[0].vertices
    at = path[:, 0] if x[0] == 0 else np.log(path[:, 0]) / 7 + 1
    np.testing.assert_allclose(at - 0.37 + 0.1 * path[:, 1], 0, atol=3e-4)


def test_the_zero_line_is_smooth_and_on_the_circle(ax):
    """x² + y² = 0.5 from 21 points: the error is that of the interpolation, h² / 8 at most, and no step is longer."""
    x = np.linspace(-1, 1, 21)
    line = zero_line(ax, x, x, np.add.outer(x**2, x**2) - 0.5, color="black")
    (path,) = line.get_paths()
    radii = np.hypot(*path.vertices.T)
    assert abs(radii - np.sqrt(0.5)).max() < 0.1**2 / 8
    steps = np.diff(path.vertices[:-1], axis=0)
    angles = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0])[np.hypot(*steps.T) > 1e-6])
    assert abs(np.diff(angles)).max() < 0.3  # radians; straight pieces of the cells would turn by more


def test_no_zero_between_values_of_one_sign_and_none_in_unknown_cells(ax, rng):
    exponent = rng.uniform(0.01, 5, size=(9, 9))
    exponent[4, 4] = -1e-3
    exponent[0, 0] = np.nan
    line = zero_line(ax, np.arange(9.0), np.arange(9.0), exponent, color="black")
    vertices = np.concatenate([path.vertices for path in line.get_paths()])
    assert (abs(vertices - 4) < 1).all()


def test_scales_are_symmetric_or_both_are_said(ax):
    """-0.05 and 0.05 are equally far from white, unless the bar says that the two sides have scales of their own."""
    x = np.arange(3.0)
    mesh = exponent_plane(ax, x, x, np.linspace(-0.3, 0.5, 9).reshape(3, 3))
    assert mesh.norm.vmin == -mesh.norm.vmax
    np.testing.assert_allclose(mesh.norm(-0.05) + mesh.norm(0.05), 1)
    assert colour_bar(mesh, ax, mesh.get_array(), label="λ").ax.get_ylabel() == "λ"
    values = np.linspace(-3.0, 0.2, 9).reshape(3, 3)
    mesh = exponent_plane(ax, x, x, values)
    bar = colour_bar(mesh, ax, values, label="λ", location="top")
    assert bar.ax.get_xlabel() == "λ\nscales differ: blue −2 to 0, red 0 to 0.2"
    assert bar.extend == "min"
