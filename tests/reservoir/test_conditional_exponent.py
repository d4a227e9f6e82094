"""Conditional exponents of tanh reservoirs against independently computed values and mean-field theory."""

import numpy as np
import pytest
from numpy.polynomial.hermite_e import hermegauss
from scipy.sparse import identity

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
    return lyapunov_spectrum(reservoir.driven(u), r, frame(r, 1), transient=transient).exponents[..., 0]


def test_gaussian_drive():
    """One network at four scales, each unit with a noise of its own; such networks scatter by 0.01 at most."""
    weight_std, variance = np.array([0.9, 1.2, 1.5, 1.2]), np.array([0.1, 0.1, 0.5, 0.01])
    rng = np.random.default_rng(5)
    gains = {"gain": weight_std[:, None], "input_gain": variance[:, None] ** 0.5}
    reservoir = Reservoir(gaussian(1000, rng), identity(1000, format="csr"), **gains)
    found = conditional(reservoir, rng.normal(size=(1200, 1000)))
    np.testing.assert_allclose(found, [-0.2568, -0.0747, -0.0686, 0.0019], rtol=0, atol=0.03)
    theory = [mean_field(*scales) for scales in zip(weight_std, variance[:, None].repeat(100, axis=1), strict=True)]
    np.testing.assert_allclose(found, theory, rtol=0, atol=0.03)


@pytest.mark.parametrize(
    ("components", "expected"), [([0, 1, 2], [-1.142, -0.605, -0.217]), ([1], [-0.776, -0.252, -0.016])]
)
def test_lorenz_drive(components, expected):
    """One network at three scales: raw Lorenz, dt 0.02, input variance 0.002; such networks scatter by 0.02 at most."""
    weight_std = np.array([0.5, 0.9, 1.414])
    u = Lorenz63().series(2500, dt=0.02)[:, components]
    unit = Reservoir.gaussian(1000, len(components), weight_std=1.0, input_std=0.002**0.5, rng=3)
    found = conditional(Reservoir(unit.weight, unit.input_weight, gain=weight_std[:, None]), u)
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.03)
    theory = [mean_field(scale, 0.002 * (u**2).sum(axis=1)) for scale in weight_std]
    np.testing.assert_allclose(found, theory, rtol=0, atol=0.03)


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
