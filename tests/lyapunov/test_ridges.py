"""Ridges are found where they are known to be, to a small part of the grid's spacing, with their normals."""

import numpy as np
import pytest
import torch
from torch import nn

from cocycle import feedforward, ftle
from cocycle.lyapunov.ridges import distances, interpolated, level_lines, ridges

X, Y = np.linspace(-1, 1, 161), np.linspace(-1.5, 1.5, 201)
STEP = X[1] - X[0]
GX, GY = np.meshgrid(X, Y)


def test_a_ring():
    """exp(-((r - 0.7)/0.1)²): a circle of radius 0.7, moved by smoothing by about σ²/2r, a thousandth of a step."""
    r = np.hypot(GX, GY)
    found = ridges(X, Y, np.exp(-(((r - 0.7) / 0.1) ** 2)), smoothing=1.0)
    assert set(found.curves) == {0}
    radius = np.linalg.norm(found.points, axis=1)
    np.testing.assert_allclose(radius, 0.7, atol=0.05 * STEP)
    radial = found.points / radius[:, None]
    np.testing.assert_allclose(found.alignment(radial), 1.0, atol=1e-3)
    np.testing.assert_allclose(found.heights, 1.0, atol=1e-3)
    # a Gaussian of width 0.1/√2 smoothed by σ = one step: 2/0.01 · (1 + 2σ²/0.01)^(-3/2), and the ring's own curvature
    expected = 200 * (1 + 200 * STEP**2) ** -1.5
    np.testing.assert_allclose(found.strengths, expected, rtol=0.05)  # kernels one step wide are 3 % off
    angles = np.sort(np.arctan2(found.points[:, 1], found.points[:, 0]))
    assert np.diff(angles).max() < 3 * STEP / 0.7  # no gaps


@pytest.mark.parametrize("angle", [0.0, 0.3, np.pi / 4, 1.2, np.pi / 2])
def test_a_straight_line_at_any_angle(angle):
    normal = np.array([np.cos(angle), np.sin(angle)])
    across = GX * normal[0] + GY * normal[1] - 0.0513
    found = ridges(X, Y, -np.log(np.cosh(across / 0.05)))
    # what the second-order expansion leaves half a diagonal away: d³/3 · f/f, and f/f'' is 2/0.05² at the top
    half = np.hypot(0.0125, 0.015) / 2
    np.testing.assert_allclose(found.points @ normal, 0.0513, atol=half**3 / 3 * 2 / 0.05**2)
    np.testing.assert_allclose(found.alignment(np.broadcast_to(normal, found.points.shape)), 1.0, atol=1e-5)


def test_the_ridge_of_one_unit_is_its_decision_boundary():
    """ln Λ_1 of tanh(w·x - θ) is ln|w| + ln sech²(w·x - θ): the ridge is w·x = θ, and the stretching is along w."""
    net = nn.Sequential(nn.Linear(2, 1), nn.Tanh()).double()
    w, threshold = np.array([6.0, -8.0]), 0.7
    with torch.no_grad():
        net[0].weight.copy_(torch.as_tensor(w[None]))
        net[0].bias.fill_(-threshold)
    inputs = torch.as_tensor(np.stack([GX, GY], -1))
    field = ftle(feedforward(net), inputs)
    found = ridges(X, Y, field.exponents)
    np.testing.assert_allclose(found.points @ w, threshold, atol=1e-3)
    np.testing.assert_allclose(found.heights, np.log(10.0), atol=1e-3)
    at_ridge = ftle(feedforward(net), torch.as_tensor(found.points))
    np.testing.assert_allclose(found.alignment(at_ridge.directions), 1.0, atol=1e-5)
    boundary = level_lines(X, Y, net(inputs).detach()[..., 0])
    assert np.median(distances(found.points, boundary)) < 0.02 * STEP


def test_the_strongest_come_first_and_the_weakest_not_at_all():
    def bump(x0, height, width=0.06):
        return height * np.exp(-(((GX - x0) / width) ** 2))

    values = bump(-0.5, 1.0) + bump(0.1, 0.5) + bump(0.6, 0.02)
    found = ridges(X, Y, values)
    assert set(found.curves) == {0, 1}
    assert {round(float(np.median(found.points[found.curves == i, 0])), 2) for i in (0, 1)} == {-0.5, 0.1}
    assert set(np.round(ridges(X, Y, values, weakest=0.001).points[:, 0], 1)) >= {-0.5, 0.1, 0.6}
    assert len(ridges(X, Y, GX + 2 * GY)) == 0  # a slope has none
    assert len(ridges(X, Y, GX**2 + GY**2)) == 0  # nor has a valley


def test_level_lines_and_distances(rng):
    lines = level_lines(X, Y, np.hypot(GX, GY) - 0.6)
    points = rng.uniform(-0.9, 0.9, size=(200, 2))
    exact = abs(np.linalg.norm(points, axis=1) - 0.6)
    np.testing.assert_allclose(distances(points, lines), exact, atol=STEP**2 / 0.6)
    np.testing.assert_allclose(
        distances(np.array([[2.0, 1.0], [0.5, 0.25]]), [np.array([[0.0, 0], [1, 0]])]), [2**0.5, 0.25]
    )
    with pytest.raises(ValueError, match="lines must hold at least one line of two points"):
        distances(points, [])


def test_values_between_grid_points(rng):
    points = rng.uniform(-0.95, 0.95, size=(50, 2))
    found = interpolated(X, Y, np.sin(3 * GX) * np.cos(2 * GY), points)
    np.testing.assert_allclose(found, np.sin(3 * points[:, 0]) * np.cos(2 * points[:, 1]), atol=1e-5)
    with pytest.raises(ValueError, match="points must lie within the grid"):
        interpolated(X, Y, GX, np.array([[1.1, 0.0]]))


@pytest.mark.parametrize(
    ("x", "values", "message"),
    [
        (X[:5], GX[:, :5], "x must be a regular grid of at least 9 points"),
        (np.geomspace(1, 2, 161), GX, "x must be a regular grid"),
        (X, GX.T, r"values must have shape \(len\(y\), len\(x\)\) = \(201, 161\); got \(161, 201\)"),
        (X, np.where(GX > 0.9, np.nan, GX), "values must be finite"),
    ],
)
def test_bad_fields(x, values, message):
    with pytest.raises(ValueError, match=message):
        ridges(x, Y, values)


@pytest.mark.parametrize("width", [2, 30])
@pytest.mark.parametrize("shift", [0.0, 0.3, 0.4999, 0.5, 0.5001, 0.55])
def test_wherever_the_crest_lies_between_grid_points(shift, width):
    crest = shift * STEP
    found = ridges(X, Y, np.exp(-width * (GX - crest) ** 2))
    assert len(set(np.round(found.points[:, 1] / (Y[1] - Y[0])))) >= len(Y) - 6  # every row but the border
    np.testing.assert_allclose(found.points[:, 0], crest, atol=1e-6)


@pytest.mark.parametrize("smoothing", [1.0, 2.0])
@pytest.mark.parametrize(
    "values",
    [np.ones_like(GX), 1e6 * GX, np.maximum(GX, 0), (GX > 0.003) * 1.0, np.where(GX > 0.003, 2 + GY, -np.inf)],
    ids=["flat", "slope", "kink", "step", "cliff"],
)
def test_what_is_no_ridge(values, smoothing):
    assert len(ridges(X, Y, values, smoothing=smoothing)) == 0


def test_contrast_and_places_without_reaction():
    values = np.where(GX < -0.5, -np.inf, 3 * np.exp(-((GX - 0.2) ** 2) / 0.01))
    found = ridges(X, Y, values)
    np.testing.assert_allclose(found.points[:, 0], 0.2, atol=1e-3)
    assert found.background == np.median(np.maximum(values, values[values > -np.inf].min()))
    np.testing.assert_allclose(found.contrasts, found.heights - found.background)


def test_single_precision_grids_and_what_is_refused():
    x = np.linspace(-2, 2, 101, dtype=np.float32)
    values = np.exp(-8 * (np.meshgrid(x, x)[0] - 0.3) ** 2)
    np.testing.assert_allclose(ridges(x, x, values).points[:, 0], 0.3, atol=1e-4)
    with pytest.raises(ValueError, match="smoothing must be positive; got 0"):
        ridges(x, x, values, smoothing=0)
    with pytest.raises(ValueError, match=r"x must be a regular grid; got steps from 0\.04"):
        ridges(np.append(x[:-1], 5), x, values)
    with pytest.raises(ValueError, match="points must lie within the grid"):
        interpolated(x, x, values, np.array([[np.nan, 0.0]]))
    found = ridges(x, x, values)
    with pytest.raises(ValueError, match="directions must have length 1"):
        found.alignment(5 * found.normals)
    with pytest.raises(ValueError, match="values must be finite"):
        ridges(x, x, np.full((101, 101), -np.inf))
