"""Figures of fields show the field, its ridges, its directions, and where the output changes."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from cocycle import Layer, ftle, plane
from cocycle.lyapunov.ridges import ridges
from cocycle.plotting import boundary_lines, field_figure, ridge_figure, stretching_lines

X, Y = np.linspace(-1, 1, 41), np.linspace(-2, 2, 31)


def field():
    """One unit, tanh(3 (x + 0.5)): a ridge along x = -0.5, stretched along x."""
    return ftle([Layer(np.array([[3.0, 0.0]]), 1.5)], plane(X, Y))


def test_shortest_call():
    figure = field().plot(np.tanh(3 * (plane(X, Y)[..., 0] + 0.5)))
    ax, colours = figure.axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("input x₁", "input x₂")
    assert colours.get_ylabel() == "maximal exponent λ₁ (per layer)\nscales differ: blue −6.5 to 0, red 0 to 1.1"
    assert {text.get_text() for text in figure.legends[0].texts} == {"ridge", "decision boundary", "maximal stretching"}
    mesh = ax.collections[0]
    np.testing.assert_array_equal(mesh.get_array(), field().exponents)
    assert mesh.norm(0.0) == 0.5  # colours about zero
    (points,) = [part for part in ax.collections if part.get_label() == "ridge"]
    np.testing.assert_allclose(points.get_offsets()[:, 0], -0.5, atol=0.02)


def test_boundary_of_one_output_and_between_classes():
    _, (left, right) = plt.subplots(1, 2)
    lines = boundary_lines(left, X, Y, plane(X, Y)[..., :1] - 0.25)
    (segment,) = lines.get_paths()
    np.testing.assert_allclose(segment.vertices[:, 0], 0.25, atol=1e-12)
    x, y = plane(X, Y)[..., 0], plane(X, Y)[..., 1]
    boundary_lines(right, X, Y, np.stack([x, -x, y - 10], -1))  # the third class leads nowhere
    drawn = np.concatenate([path.vertices for part in right.collections for path in part.get_paths()])
    np.testing.assert_allclose(drawn[:, 0], 0, atol=1e-12)


def test_labels_and_other_shapes_are_refused():
    _, ax = plt.subplots()
    for wrong in (np.zeros((len(X), len(Y))), np.zeros((len(Y), len(X)), int), np.zeros(len(X) * len(Y))):
        with pytest.raises(ValueError, match=r"outputs must be real numbers, of shape \(31, 41\)"):
            boundary_lines(ax, X, Y, wrong)


def test_fields_without_ridges_are_drawn():
    """Too coarse, uneven or unknown in a place: the picture has no ridges, and says nothing else."""
    coarse, uneven = np.linspace(-1, 1, 5), np.geomspace(0.1, 1, 20)
    steps = [Layer(np.array([[3.0, 0.0]]), 1.5)]
    for axis in (coarse, uneven):
        assert ftle(steps, plane(axis, axis)).plot().axes[0].collections
    lost = plane(X, X)
    lost[3, 4] = np.nan
    assert field_figure(X, X, np.where(np.isnan(lost[..., 0]), np.nan, 1.0)).axes


def test_directions_are_lines_at_some_points():
    _, ax = plt.subplots()
    arrows = stretching_lines(ax, X, Y, field().directions)
    assert arrows.N == 18 * 18
    np.testing.assert_allclose(abs(arrows.U), 1)
    assert arrows.headlength == 0
    assert arrows.angles == "xy"  # of the data, also where the axes have other scales


def test_where_nothing_reacts_and_no_ridge_is():
    """-inf has the colour of the lowest exponent; a flat field has no ridge to draw."""
    exponents = np.where(plane(X, Y)[..., 0] > 0, 1.0, -np.inf)
    ax = field_figure(X, Y, exponents).axes[0]
    assert ax.collections[0].get_array().min() == -0.1
    flat = np.zeros((len(Y), len(X)))
    assert field_figure(X, Y, flat, ridges=ridges(X, Y, flat)).axes[0].collections[1].get_offsets().size == 0


def test_how_ridges_lie(rng):
    distances, alignment, contrasts = rng.uniform(size=(3, 200))
    figure = ridge_figure(distances, alignment, contrasts)
    for ax, values in zip(figure.axes, (distances, alignment, contrasts), strict=True):
        assert sum(patch.get_height() for patch in ax.patches) == 200
        assert ax.get_legend().get_texts()[0].get_text() == f"median {np.median(values):.3g}"


def test_a_field_says_what_it_is():
    assert repr(field()).startswith("Field at inputs (31, 41) over time 1: λ₁ from ")
    lost = ftle([Layer(np.full((1, 2), np.nan))], np.zeros((3, 2)))
    assert repr(lost) == "Field at inputs (3,) over time 1: 3 NaN"
    assert repr(ridges(X, Y, field().exponents)).startswith("Ridges: ")
