"""Planes of large input spaces: inputs are origin + s a + t b, the field over them is that of the inputs one by one,
and its directions are orthogonal projections on the plane."""

import pickle

import numpy as np
import pytest
import torch

from cocycle import Linear, feedforward, ftle, plane, plane_through, straight_path
from cocycle.lyapunov import Plane, fields
from cocycle.lyapunov.ridges import ridges
from cocycle.networks import perceptron
from cocycle.trajectories import end

S, T = np.linspace(-0.5, 1.5, 11), np.linspace(0.0, 1.0, 7)
EPS = np.finfo(float).eps


@pytest.fixture
def images(rng):
    return rng.uniform(size=(3, 2, 4, 3))  # channels, height, width


def test_the_inputs_of_a_plane(images):
    """By the definition; rows, points and the flat sequence are the same numbers."""
    origin, a, b = images
    found = plane(origin, a, b, s=S, t=T)
    expected = origin.ravel() + S[:, None] * a.ravel() + T[:, None, None] * b.ravel()
    assert found.shape == found.points.shape == (7, 11, 24)
    np.testing.assert_array_equal(found.points, expected)
    np.testing.assert_array_equal(np.stack(list(found)), found.points)
    np.testing.assert_array_equal(found[2:5], found.points[2:5])
    np.testing.assert_array_equal(found.flat[9:30], found.points.reshape(-1, 24)[9:30])
    np.testing.assert_array_equal(found.at(0.5, 0.0), origin.ravel() + 0.5 * a.ravel())
    assert len(found) == 7
    assert len(found.flat) == 77
    assert repr(found) == "Plane of 7 × 11 inputs of dimension 24"


def test_the_plane_through_three_inputs_holds_them(images):
    """To rounding of x0 + (x1 - x0), whose terms are below 1: they are grid points of the axes without being asked."""
    found = plane_through(*images)
    assert found.shape == (101, 101, 24)
    for place, (s, t), image in zip(((25, 25), (25, 75), (75, 25)), found.inputs, images, strict=True):
        np.testing.assert_allclose(found.at(s, t), image.ravel(), rtol=0, atol=2 * EPS)
        np.testing.assert_allclose(found[place[0]][place[1]], image.ravel(), rtol=0, atol=4 * EPS)
    assert repr(found) == "Plane of 101 × 101 inputs of dimension 24, through 3 inputs"
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.points, found.points)


def test_changes_of_the_images_do_not_change_the_plane(images):
    found = plane(*images, s=S, t=T)
    before = found.points
    images *= 0
    np.testing.assert_array_equal(found.points, before)


def test_a_grid_of_two_inputs_stays_an_array():
    np.testing.assert_array_equal(plane(S, T), np.stack(np.meshgrid(S, T), -1))
    np.testing.assert_allclose(plane(np.zeros(2), *np.eye(2), s=S, t=T).points, plane(S, T))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_precision_and_type_of_array_are_those_of_the_origin(images, dtype):
    origin = torch.as_tensor(images[0], dtype=dtype)
    found = plane(origin, *torch.as_tensor(images[1:]), s=S, t=T)
    assert found.points.dtype == dtype
    single = plane(images[0].astype(np.float32), *images[1:], s=S, t=T)
    assert single.points.dtype == np.float32
    field = ftle(feedforward(perceptron((24, 8, 3), rng=0).to(dtype)), found)
    assert isinstance(field.exponents, torch.Tensor)
    assert field.directions.dtype == dtype


@pytest.mark.parametrize("widths", [(24, 8, 3), (24, 8, 30)], ids=["pulled", "pushed"])
def test_the_field_is_that_of_the_inputs(images, widths, monkeypatch):
    """In chunks that end within rows; vectors computed in batches of other sizes differ by rounding."""
    steps = feedforward(perceptron(widths, rng=0))
    found = plane_through(*images, s=S, t=T)
    whole = ftle(steps, found.points)
    monkeypatch.setattr(fields, "_chunk", lambda *_: 9)
    field = ftle(steps, found)
    assert field.exponents.shape == (7, 11)
    assert field.directions.shape == (7, 11, 2)
    assert field.x is found
    assert field.time == whole.time
    np.testing.assert_allclose(field.log_factors, whole.log_factors, rtol=0, atol=1e-13)
    theirs = found.components(whole.directions)
    same = np.sign((field.directions * theirs).sum(-1, keepdims=True))
    np.testing.assert_allclose(field.directions, same * theirs, rtol=0, atol=1e-10)
    for ours, axis in zip(field.axes, (S, T), strict=True):
        np.testing.assert_array_equal(ours, axis)


def test_components_are_those_of_the_orthogonal_projection(rng):
    """What is left of a vector is orthogonal to a and b, which are not orthogonal to each other."""
    found = plane(*rng.normal(size=(3, 30)), s=S, t=T)
    vectors = rng.normal(size=(5, 30))
    left = vectors - found.components(vectors) @ found.directions.T
    np.testing.assert_allclose(left @ found.directions, 0.0, atol=1e-12)
    inside = found.components(2 * found.a - 3 * found.b)
    np.testing.assert_allclose(inside, [2.0, -3.0], rtol=1e-12)


def test_a_linear_map(rng):
    """Its field is constant, ln of the largest singular value; its direction lies in a plane that holds it."""
    w = rng.normal(size=(4, 30))
    _, sizes, rights = np.linalg.svd(w)
    found = ftle([Linear(w)], plane(rng.normal(size=30), rights[0], rights[0] + rights[1], s=S, t=T))
    np.testing.assert_allclose(found.exponents, np.log(sizes[0]), rtol=1e-12)
    np.testing.assert_allclose(abs(found.directions), np.broadcast_to([1.0, 0.0], (7, 11, 2)), atol=1e-10)


def test_a_large_plane_is_never_in_memory(monkeypatch):
    """A megapixel of 784 inputs is made at once, and computed in chunks of the allowed memory."""
    large = plane(np.zeros(784), *np.eye(784)[:2], s=np.linspace(-1, 1, 1000), t=np.linspace(-1, 1, 1000))
    assert large.shape == (1000, 1000, 784)
    small = plane(large.origin, large.a, large.b, s=np.linspace(-1, 1, 40), t=np.linspace(-1, 1, 30))
    sizes, at = [], Plane.at
    monkeypatch.setattr(Plane, "at", lambda self, s, t: sizes.append(np.size(s)) or at(self, s, t))
    ftle([Linear(np.ones((2, 784)))], small, memory=1e6)
    assert max(sizes) < 1e6 / (784 * 8)
    assert sum(sizes[2:]) == 1200  # after the first input and the first chunk, from which sizes follow


def test_ridges_and_the_plot(rng):
    """The field of a network of one unit, tanh(4 s): a ridge at s = 0; axes and inputs are named."""
    w = np.zeros((1, 30))
    w[0, 3] = 4.0
    steps = feedforward(torch.nn.Sequential(torch.nn.Linear(30, 1), torch.nn.Tanh()).double())
    with torch.no_grad():
        steps[0].network[0].weight.copy_(torch.as_tensor(w))
        steps[0].network[0].bias.zero_()
    middle, a, b = np.zeros(30), np.eye(30)[3], rng.normal(size=30)
    b[3] = 0.0
    s = np.linspace(-1, 1, 41)
    found = plane(middle, a, b, s=s, t=s)
    field = ftle(steps, found)
    ridge = ridges(*field.axes, field.exponents)
    assert len(ridge) > 20
    np.testing.assert_allclose(ridge.points[:, 0], 0.0, atol=1e-6)
    outputs = np.stack([end(steps, row) for row in found])[..., 0]
    axes = field.plot(outputs).axes[0]
    assert axes.get_xlabel() == "s, along a (unit |a| = 1)"
    assert f"|b| = {np.linalg.norm(b):.3g}" in axes.get_ylabel()
    through = ftle(steps, plane_through(middle, a, b, s=s, t=s)).plot().axes[0]
    assert through.get_xlabel() == "s, from x₀ to x₁ (unit |x₁ - x₀| = 1)"
    assert [text.get_text() for text in through.texts] == ["x₀", "x₁", "x₂"]
    assert [tuple(line.get_xydata()[0]) for line in through.lines] == [(0, 0), (1, 0), (0, 1)]


def test_a_straight_path(images):
    """Its ends are the inputs exactly, its steps are equal; in the plane through them it is the edge t = 0."""
    path = straight_path(images[0], images[1], points=21)
    np.testing.assert_array_equal(path[[0, -1]], images[:2].reshape(2, -1))
    np.testing.assert_allclose(np.diff(path, axis=0), (images[1] - images[0]).reshape(1, -1) / 20 * np.ones((20, 1)))
    edge = plane_through(*images, s=np.linspace(0, 1, 21), t=[0.0, 1.0])[0]
    np.testing.assert_allclose(path, edge, rtol=0, atol=4 * EPS)
    assert straight_path(torch.zeros(5), torch.ones(5)).shape == (101, 5)


ZERO, ONE, TWO = np.zeros(3), np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: plane(ZERO, ONE, -3 * ONE), ValueError, "a and b must not be parallel"),
        (lambda: plane(ZERO, ONE, ONE + 1e-12 * TWO), ValueError, "a and b must not be parallel"),
        (lambda: plane(ZERO, ZERO, TWO), ValueError, "a must not be zero"),
        (lambda: plane(ZERO, ONE, TWO * np.nan), ValueError, "b must be finite"),
        (lambda: plane(ZERO, ONE, np.ones(4)), ValueError, r"b must have the shape of origin, \(3,\); got \(4,\)"),
        (
            lambda: plane(ZERO, ONE, np.eye(3, dtype=int)[1]),
            TypeError,
            "b must be floating-point numbers, .* got int64",
        ),
        (lambda: plane(ZERO, ONE, torch.ones(3)), TypeError, "b must be a ndarray as origin is; got a Tensor"),
        (lambda: plane(np.zeros(1), np.ones(1), np.ones(1)), ValueError, "origin must be an input of dimension 2"),
        (lambda: plane(ZERO, ONE, TWO, s=[0.0, 0.0]), ValueError, "s must be increasing values"),
        (lambda: plane(ZERO, ONE, TWO, t=np.eye(2)), ValueError, "t must be increasing values"),
        (lambda: plane(ZERO, ONE, TWO, t=[0.0, np.inf]), ValueError, "t must be finite"),
        (lambda: plane(S, T, s=S), ValueError, "s and t must be given with three vectors"),
        (lambda: plane(np.zeros((2, 2)), np.zeros((2, 2))), ValueError, "x must be the values of an axis"),
        (lambda: plane_through(ONE, ONE, TWO), ValueError, "x1 - x0 must not be zero"),
        (lambda: plane_through(ZERO, ONE, 2 * ONE), ValueError, "x1 - x0 and x2 - x0 must not be parallel"),
        (
            lambda: plane_through(*np.ones((3, 8, 8), np.uint8)),
            TypeError,
            "x0 must be floating-point numbers, .* uint8",
        ),
        (lambda: plane_through([1, 2], [0, 1], [0, 0]), TypeError, "x0 must be floating-point"),
        (lambda: straight_path(ZERO, ONE, points=1), ValueError, "points must be an integer of at least 2; got 1"),
        (lambda: straight_path(ZERO, np.ones(4)), ValueError, "x1 must have the shape of x0"),
    ],
)
def test_what_is_no_plane(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


def test_inputs_of_another_dimension_than_the_network():
    with pytest.raises(ValueError, match=r"x must be inputs that the maps take; they fail on shape \(\.\.\., 3\)"):
        ftle(feedforward(perceptron((4, 5, 2), rng=0)), plane(ZERO, ONE, TWO))
