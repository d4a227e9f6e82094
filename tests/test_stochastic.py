"""Stochastic equations, their noise an input: Stratonovich's solutions, orders, exponents of one realisation."""

import numpy as np
import pytest

from cocycle import StochasticFlow, end, frame, lyapunov_spectrum
from cocycle.testing import check_map

X = np.array([0.7])


def growth(x, rate=0.3):
    return rate * x


def proportional(x, strength=0.5):
    return strength * x


def rotation(u, damping=0.1):
    x, v = u
    return v, -x - damping * v


def kicks(u, strength=0.4):
    return np.stack([np.stack([0 * u[0], 0 * u[0]]), np.stack([strength * u[0], 0 * u[0] + 0.2])])


def test_geometric_noise_has_stratonovich_solution_and_exponent():
    """dx = a x dt + b x o dW: x = x0 exp(a t + b W), so that the exponent of one realisation is a + b W(T) / T."""
    flow = StochasticFlow(growth, proportional, 0.001)
    w = flow.increments(4000, rng=3)
    time, total = 4.0, w.sum()
    np.testing.assert_allclose(end(list(flow.maps(w)), X), X * np.exp(0.3 * time + 0.5 * total), rtol=5e-3)
    result = lyapunov_spectrum(flow.maps(w), X, np.eye(1))
    np.testing.assert_allclose(result.exponents, 0.3 + 0.5 * total / time, atol=2e-3)


def test_orders_with_and_without_noise():
    """Halving dt on one Brownian path halves the error; without noise it falls to a quarter, in value and tangent."""
    fine = StochasticFlow(growth, proportional, 2.0**-12).increments(4096, rng=1, batch=(200,))
    exact = X * np.exp(0.3 + 0.5 * fine.sum(0))
    errors = []
    for factor in (64, 32, 16):
        w = fine.reshape(4096 // factor, factor, 200, 1).sum(1)
        flow = StochasticFlow(growth, proportional, factor * 2.0**-12)
        errors.append(abs(end(list(flow.maps(w)), np.tile(X, (200, 1))) - exact).mean())
    np.testing.assert_allclose(np.log2(np.divide(errors[:-1], errors[1:])), 1.0, atol=0.25)
    still = []
    for steps in (20, 40, 80):
        flow = StochasticFlow(rotation, kicks, 1.0 / steps, strength=0.0)
        x, q = np.array([1.0, 0.2]), np.eye(2)
        for f in flow.maps(np.zeros((steps, 2))):
            x, q = f.tangent(x, q)
        still.append(np.append(x, q))
    orders = np.log2(abs(still[0] - still[1]).max() / abs(still[1] - still[2]).max())
    assert abs(orders - 2) < 0.1


def test_the_contract(rng):
    flow = StochasticFlow(rotation, kicks, 0.05)
    x, w = rng.normal(size=(3, 2)), flow.increments(1, 2, rng=rng)
    check_map(next(flow.maps(w)), x, frame(x, 2))
    together = next(flow.maps(flow.increments(1, 2, rng=1, batch=(3,))))
    assert together(x).shape == (3, 2)
    assert repr(flow) == "StochasticFlow(rotation, kicks, dt=0.05, damping=0.1, strength=0.4)"


def test_common_noise_synchronises():
    """Orbits of a double well with the same additive noise come together: the exponent is negative, and they do."""
    flow = StochasticFlow(lambda x: x - x**3, lambda x: 0.8 + 0 * x, 0.02)
    w = flow.increments(5000, rng=2)
    x = np.array([[-1.0], [0.5], [2.0]])
    result = lyapunov_spectrum(flow.maps(w), x, frame(x, 1))
    assert (result.exponents < -0.3).all()
    assert np.ptp(result.x) < 1e-8


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: StochasticFlow(growth, proportional, 0.0), ValueError, "dt must be a positive number"),
        (lambda: StochasticFlow(growth, 0.3, 0.1), TypeError, "diffusion must be a function of a state"),
        (
            lambda: StochasticFlow(growth, proportional, 0.1, size=2),
            TypeError,
            "parameters must be among rate, strength",
        ),
        (
            lambda: StochasticFlow(growth, proportional, 0.1).maps(np.zeros(5)),
            ValueError,
            r"shape \(steps, \*batch, m\)",
        ),
        (lambda: StochasticFlow(growth, proportional, 0.1).maps(np.full((5, 1), np.nan)), ValueError, "must be finite"),
        (lambda: StochasticFlow(growth, proportional, 0.1).increments(0), ValueError, "steps must be an integer"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call()
