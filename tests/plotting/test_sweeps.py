"""What is drawn is what was measured: values in their cells, colours about zero, the line where the sign changes."""

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.contour import ContourSet

from cocycle.plotting import exponent_plane, prediction_figure, signed_ticks, valid_time_plane, zero_line

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
