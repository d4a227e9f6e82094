"""Integrators have the order they claim, in value and tangent; a symplectic one conserves what Hamilton's equations
do."""

from itertools import repeat

import numpy as np
import pytest

from cocycle import (
    Compiled,
    Flow,
    Symplectic,
    VectorField,
    end,
    finite_time_exponents,
    frame,
    lyapunov_spectrum,
    trajectory,
)
from cocycle.formulas import kernels
from cocycle.integrators import RungeKutta
from cocycle.testing import check_map


def henon_heiles(u):
    x, y, p, q = u
    return p, q, -x - 2 * x * y, -y - x * x + y * y


def energy(states):
    x, y, p, q = np.moveaxis(states, -1, 0)
    return (p**2 + q**2 + x**2 + y**2) / 2 + x**2 * y - y**3 / 3


class Pendulum(VectorField):
    """q' = p, p' = -sin q."""

    def __call__(self, x):
        return np.stack([x[..., 1], -np.sin(x[..., 0])], axis=-1)

    def tangent(self, x, q):
        return self(x), np.stack([q[..., 1, :], -np.cos(x[..., 0, None]) * q[..., 0, :]], axis=-2)


START = np.array([0.1, -0.1, 0.3, 0.3])
INTEGRATORS = [RungeKutta(), Symplectic()]


@pytest.mark.parametrize("integrator", INTEGRATORS, ids=repr)
@pytest.mark.parametrize("field", [henon_heiles, Pendulum()], ids=["function", "vector field"])
def test_value_and_tangent_converge_with_the_order(integrator, field):
    x = START if field is henon_heiles else START[:2]

    def after(substeps):
        return Flow(field, 1.0, substeps, integrator).tangent(x, np.eye(len(x)))

    exact = after(640)
    errors = [[abs(a - b).max() for a, b in zip(after(n), exact, strict=True)] for n in (10, 20, 40)]
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    np.testing.assert_allclose(orders, integrator.order, atol=0.25)


def test_the_energy_error_stays_bounded():
    """Over a million steps it is that of the first ten thousand; Runge-Kutta's grows with time."""
    states = trajectory(repeat(Flow(henon_heiles, 0.1, integrator=Symplectic()), 1_000_000), START)
    error = abs(energy(states) - energy(START))
    assert error.max() < 1.05 * error[:10_000].max()
    assert error.max() < 1e-6
    other = end(repeat(Flow(henon_heiles, 0.1), 1_000_000), START)
    assert abs(energy(other) - energy(START)) > 100 * error.max()


def test_the_tangent_is_symplectic():
    """Singular values come in exact pairs s, 1/s, at every length; volume is conserved, which no step error says."""
    flow = Flow(henon_heiles, 0.1, integrator=Symplectic())
    factors = finite_time_exponents(repeat(flow, 500), START, frame(START, 4)).log_factors
    np.testing.assert_allclose(factors + factors[::-1], 0.0, atol=1e-9)
    unit = np.block([[np.zeros((2, 2)), np.eye(2)], [-np.eye(2), np.zeros((2, 2))]])
    m = flow.tangent(START, np.eye(4))[1]
    np.testing.assert_allclose(m.T @ unit @ m, unit, atol=1e-14)
    result = lyapunov_spectrum(repeat(flow, 200_000), START, frame(START, 4), every="auto")
    assert result.loop == "compiled"
    assert abs(result.step_error.drift) < 1e-9
    assert abs(result.exponents.sum()) < 1e-12


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("batch", [(), (5,)])
def test_the_contract_of_maps(batch, dtype, rng):
    x = rng.normal(size=(*batch, 4)).astype(dtype) / 4
    check_map(Flow(henon_heiles, 0.1, 2, Symplectic()), x, frame(x, 3))
    y = x[..., :2]
    check_map(Flow(Pendulum(), 0.1, 2, Symplectic()), y, frame(y, 2))


def test_compiled_and_traced_steps_are_the_same(monkeypatch):
    monkeypatch.setattr(kernels, "WORTH", 0)
    x, options = START[:2], {"substeps": 3, "integrator": Symplectic()}
    plain, compiled = Flow(Pendulum(), 0.1, **options), Flow(lambda u: (u[1], -np.sin(u[0])), 0.1, **options)
    assert not isinstance(Compiled(plain).kernel(x, None, 10), str)
    for f in (compiled, Compiled(plain)):
        np.testing.assert_allclose(f.tangent(x, np.eye(2))[1], plain.tangent(x, np.eye(2))[1], rtol=1e-13)
        np.testing.assert_allclose(end(repeat(f, 50), x), end([plain] * 50, x), rtol=1e-11)


@pytest.mark.parametrize(
    ("field", "x", "words"),
    [
        (lambda u: (u[1], -u[0], 0 * u[2]), np.ones(3), "even dimension; got n=3"),
        (lambda u: (u[1], -u[0] - 0.1 * u[1]), np.ones(2), "the rate of p must not depend on p"),
        (lambda u: (u[1] + u[0] ** 2, -u[0]), np.zeros(2), "the rate of q must not depend on q"),
    ],
)
def test_what_is_not_separable_is_refused(field, x, words):
    flow = Flow(field, 0.1, integrator=Symplectic())
    for call in (lambda: flow(x), lambda: flow.tangent(x, np.eye(len(x)))):
        with pytest.raises(ValueError, match=words):
            call()
    with pytest.raises(TypeError, match="integrator must be one, such as Symplectic"):
        Flow(field, 0.1, integrator="symplectic")
