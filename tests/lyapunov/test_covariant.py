"""Covariant vectors are carried into one another, are eigenvectors where these exist, and see tangencies."""

from itertools import pairwise, repeat

import numpy as np
import pytest
import torch

from cocycle import Compiled, Flow, Linear, Reservoir, frame, lyapunov_spectrum
from cocycle.lyapunov import angles, covariance_residual, covariant_vectors, splitting_angle
from cocycle.systems import Henon, Lorenz63


def test_eigenvectors_of_a_linear_map(rng):
    vectors = rng.normal(size=(4, 4))
    vectors /= np.linalg.norm(vectors, axis=0)
    f = Linear(vectors @ np.diag([3.0, 1.5, -0.7, 0.2]) @ np.linalg.inv(vectors))
    x = np.zeros(4)
    # exp(-gap t) with the smallest gap ln 2 after 80 steps: 1e-24
    *_, first = covariant_vectors(repeat(f, 170), x, frame(x, 4), transient=80, backward_transient=80)
    np.testing.assert_allclose(abs((first.v * vectors).sum(0)), 1, rtol=0, atol=1e-13)
    np.testing.assert_allclose(first.growth, np.log([3.0, 1.5, 0.7, 0.2]), rtol=0, atol=1e-12)
    np.testing.assert_allclose(angles(first.v), np.arccos(np.clip(abs(vectors.T @ vectors), 0, 1)), atol=1e-7)


CASES = {
    "henon": (Henon(), Henon().series(1)[0], 2),
    "henon, a batch": (Henon(), Henon().series(5), 2),
    "lorenz": (Flow(Lorenz63(), 0.02), Lorenz63().series(1)[0], 3),
    "lorenz, two vectors": (Flow(Lorenz63(), 0.02), Lorenz63().series(1)[0], 2),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("window", [1, 7, None, 1000])
def test_each_map_carries_the_vectors_to_the_next_ones(name, window):
    f, x, k = CASES[name]
    steps = list(
        covariant_vectors(repeat(f, 300), x, frame(x, k), transient=100, backward_transient=100, window=window)
    )
    assert [s.maps_before for s in steps] == list(range(99, -1, -1))
    for after, step in pairwise(steps):
        assert covariance_residual(step, after).max() < 1e-12
        np.testing.assert_allclose(np.linalg.norm(step.v, axis=-2), 1, rtol=1e-13)


def test_windows_do_not_change_the_vectors():
    f, x, k = CASES["lorenz"]
    few, many = (
        list(covariant_vectors(repeat(f, 200), x, frame(x, k), transient=50, backward_transient=50, window=w))
        for w in (13, 1000)
    )
    np.testing.assert_array_equal([s.v for s in few], [s.v for s in many])


def test_growth_of_the_vectors_averages_to_the_exponents():
    x, steps = Henon().series(1)[0], 5000
    result = lyapunov_spectrum(repeat(Compiled(Henon()), steps), x, frame(x, 2), transient=100)
    grown = [
        s.growth
        for s in covariant_vectors(
            repeat(Compiled(Henon()), steps), x, frame(x, 2), transient=100, backward_transient=100
        )
    ]
    # both are averages over the same orbit, but for its last 100 steps and bounded end terms
    np.testing.assert_allclose(np.mean(grown, axis=0), result.exponents, rtol=0, atol=2e-2)
    np.testing.assert_allclose(np.mean(grown, axis=0).sum(), np.log(0.3), atol=5e-3)


def test_the_neutral_vector_of_lorenz_is_its_velocity():
    """The numerical step commutes with the flow up to its local error, dt⁵: 1e-6 at dt = 0.005 with room to spare."""
    x = Lorenz63().series(1, dt=0.005)[0]
    worst = 0.0
    flow = Compiled(Flow(Lorenz63(), 0.005))
    for step in covariant_vectors(repeat(flow, 12_000), x, frame(x, 3), transient=5000, backward_transient=5000):
        velocity = Lorenz63()(step.x)
        velocity /= np.linalg.norm(velocity)
        worst = max(worst, np.linalg.norm(step.v[:, 1] - velocity * (velocity @ step.v[:, 1])))
    assert worst < 1e-6


def test_henon_has_tangencies_and_the_cat_map_has_none():
    """Hénon's map is not hyperbolic: angles between the two directions come down to zero; a linear map's never do."""
    x = Henon().series(20_000)[::100]
    henon = np.array(
        [
            splitting_angle(s.v, 1)
            for s in covariant_vectors(repeat(Henon(), 160), x, frame(x, 2), transient=50, backward_transient=50)
        ]
    )
    assert henon.min() < 0.01
    x = np.zeros(2)
    cat = Linear(np.array([[2.0, 1.0], [1.0, 1.0]]))
    still = [
        splitting_angle(s.v, 1)
        for s in covariant_vectors(repeat(cat, 120), x, frame(x, 2), transient=50, backward_transient=50)
    ]
    np.testing.assert_allclose(still, np.pi / 2)  # a symmetric matrix


def test_splitting_angle_of_known_planes():
    tilt = 1e-9
    v = np.array([[1.0, 0.0, np.cos(tilt)], [0.0, 1.0, 0.0], [0.0, 0.0, np.sin(tilt)]])
    np.testing.assert_allclose(splitting_angle(v, 2), tilt, rtol=1e-6)
    np.testing.assert_allclose(splitting_angle(v[:, ::-1], 1), tilt, rtol=1e-6)
    with pytest.raises(ValueError, match=r"unstable must be in 1..2"):
        splitting_angle(v, 3)


def test_driven_reservoir_in_torch_as_in_numpy(rng):
    reservoir = Reservoir.gaussian(30, 1, weight_std=1.3, input_std=0.1, rng=2)
    twin = Reservoir(torch.as_tensor(reservoir.weight), torch.as_tensor(reservoir.input_weight))
    u, x = rng.normal(size=(250, 1)), reservoir.rest()
    mine = list(covariant_vectors(reservoir.driven(u), x, frame(x, 3), transient=120, backward_transient=120))
    x = torch.as_tensor(x)
    theirs = list(
        covariant_vectors(twin.driven(torch.as_tensor(u)), x, frame(x, 3), transient=120, backward_transient=120)
    )
    assert len(mine) == len(theirs) == 10
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a.v, b.v.numpy(), rtol=0, atol=1e-9)
        np.testing.assert_allclose(a.growth, b.growth.numpy(), rtol=0, atol=1e-9)


def test_bad_input():
    x = np.zeros(2)
    with pytest.raises(ValueError, match="more than transient"):
        covariant_vectors(repeat(Henon(), 20), x, frame(x, 2), transient=10, backward_transient=10)
    with pytest.raises(ValueError, match="backward_transient must not be negative"):
        covariant_vectors(repeat(Henon(), 20), x, frame(x, 2), transient=10, backward_transient=-1)
    with pytest.raises(ArithmeticError, match="must be invertible on the frame; it is singular"):
        list(
            covariant_vectors(repeat(Linear(np.diag([1.0, 0.0])), 20), x, np.eye(2), transient=1, backward_transient=1)
        )
