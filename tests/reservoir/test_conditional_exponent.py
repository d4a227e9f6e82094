"""Conditional exponents of tanh reservoirs against independent values and mean-field theory (shared/reference.md)."""

import numpy as np
import pytest
from numpy.polynomial.hermite_e import hermegauss

from cocycle import Reservoir, frame, lyapunov_spectrum
from cocycle.reservoir import gaussian
from cocycle.systems import Lorenz63

NODES, WEIGHTS = hermegauss(80)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def mean_field(weight_std, drive_variance):
    """Massar & Massar, Phys. Rev. E 87, 042809 (2013): λ_1 per step for N -> ∞; drive_variance (time,)."""
    q, growth = 0.1, []
    for s in drive_variance:
        q = weight_std**2 * (WEIGHTS * np.tanh(np.sqrt(q) * NODES) ** 2).sum() + s
        growth.append(np.log(weight_std**2 * (WEIGHTS / np.cosh(np.sqrt(q) * NODES) ** 4).sum()))
    return np.mean(growth[50:]) / 2


def conditional(reservoir, u, transient=200):
    r = reservoir.rest()
    return lyapunov_spectrum(reservoir.driven(u), r, frame(r, 1), transient=transient).exponents[0]


@pytest.mark.parametrize(
    ("weight_std", "variance", "expected"),
    [(0.9, 0.1, -0.2568), (1.2, 0.1, -0.0747), (1.5, 0.5, -0.0686), (1.2, 0.01, 0.0019)],
)
def test_gaussian_drive(weight_std, variance, expected):
    rng = np.random.default_rng(5)
    reservoir = Reservoir(weight_std * gaussian(1000, rng), np.eye(1000))  # every unit gets a noise of its own
    found = conditional(reservoir, rng.normal(scale=variance**0.5, size=(1200, 1000)))
    assert found == pytest.approx(expected, abs=0.03)
    assert found == pytest.approx(mean_field(weight_std, np.full(100, variance)), abs=0.03)


@pytest.mark.parametrize(
    ("components", "weight_std", "expected"),
    [
        ([0, 1, 2], 0.5, -1.142),
        ([0, 1, 2], 0.9, -0.605),
        ([0, 1, 2], 1.414, -0.217),
        ([1], 0.5, -0.776),
        ([1], 0.9, -0.252),
        ([1], 1.414, -0.016),
    ],
)
def test_lorenz_drive(components, weight_std, expected):
    """Raw Lorenz, dt 0.02, input variance 0.002, N = 1000."""
    u = Lorenz63().series(2500, dt=0.02)[:, components]
    reservoir = Reservoir.gaussian(1000, len(components), weight_std=weight_std, input_std=0.002**0.5, rng=3)
    found = conditional(reservoir, u)
    assert found == pytest.approx(expected, abs=0.03)
    assert found == pytest.approx(mean_field(weight_std, 0.002 * (u**2).sum(axis=1)), abs=0.03)


def test_time_between_inputs_is_the_unit():
    u = Lorenz63().series(500)
    per_step = Reservoir.gaussian(50, 3, rng=1)
    per_time = Reservoir(per_step.weight, per_step.input_weight, dt=0.02)
    assert conditional(per_time, u) == pytest.approx(conditional(per_step, u) / 0.02, rel=1e-12)


def test_a_block_of_gains_is_the_networks_one_by_one(rng):
    w, w_in = rng.normal(size=(40, 40)) / 40**0.5, rng.normal(size=(40, 3))
    gains, input_gains = np.array([[0.5], [0.9], [1.2]]), np.array([[0.01], [0.05], [0.1]])
    u = Lorenz63().series(400)
    block = Reservoir(w, w_in, gain=gains, input_gain=input_gains)
    q = frame(block.rest(), 2)
    together = lyapunov_spectrum(block.driven(u), block.rest(), q)
    for i in range(3):
        alone = Reservoir(gains[i, 0] * w, input_gains[i, 0] * w_in)
        one = lyapunov_spectrum(alone.driven(u), alone.rest(), q[i])
        np.testing.assert_allclose(together.exponents[i], one.exponents, rtol=1e-10)
