"""A series is the orbit of the map, to the last digit, from a seed; bad requests are refused before any work."""

from itertools import repeat

import numpy as np
import pytest

from cocycle import Flow, trajectory
from cocycle.formulas.libraries import FLOATS
from cocycle.formulas.program import program
from cocycle.integrators.fixed import rk4
from cocycle.systems import Henon, Ikeda, Logistic, Lorenz63, Lorenz96, Rossler, ToralAutomorphism
from cocycle.systems.series import ContinuousSystem

MAPS = [Henon(), Ikeda(), Logistic(), ToralAutomorphism()]
FIELDS = [Lorenz63(), Rossler(), Lorenz96(6)]


@pytest.mark.parametrize("system", MAPS)
def test_series_of_a_map_is_its_orbit(system):
    series = system.series(50, transient=10, rng=4)
    assert series.shape == (50, system.dimension)
    np.testing.assert_array_equal(series[1:6], trajectory(repeat(system, 5), series[0]))


@pytest.mark.parametrize("system", FIELDS)
def test_series_of_a_field_is_the_orbit_of_its_flow(system):
    series = system.series(50, dt=0.03, substeps=2, transient=10, rng=4)
    assert series.shape == (50, system.dimension)
    np.testing.assert_array_equal(series[1:6], trajectory(repeat(Flow(system, 0.03, 2), 5), series[0]))


@pytest.mark.parametrize("system", [*MAPS, *FIELDS])
def test_the_seed_decides_and_nothing_else(system):
    first, again, other = (system.series(20, rng=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_long_series_is_a_short_one_continued():
    """The pieces in which a series is made leave no seam."""
    np.testing.assert_array_equal(Henon().series(25_000, transient=0)[:15_000], Henon().series(15_000, transient=0))


def test_lorenz_moments():
    """⟨z⟩ and ⟨x²⟩ of the attractor: ⟨z²⟩-type identities of stationarity, x y = beta z and x² = x y on average."""
    series = Lorenz63().series(200_000, dt=0.01)
    x, y, z = series.T
    batches = series.reshape(20, -1, 3)
    error = (batches[..., 0] * batches[..., 1] - 8 / 3 * batches[..., 2]).mean(axis=1).std(ddof=1) / np.sqrt(20)
    assert abs((x * y - 8 / 3 * z).mean()) < 4 * error  # d⟨z⟩/dt = 0
    error = (batches[..., 0] * (batches[..., 1] - batches[..., 0])).mean(axis=1).std(ddof=1) / np.sqrt(20)
    assert abs((x * (y - x)).mean()) < 4 * error  # d⟨x²⟩/dt = 0


def test_order_of_the_integrator():
    """RK4 on a rotation: the error after one turn falls as dt⁴."""

    def rate(time, x, y):
        return -y, x

    errors = []
    for n in (20, 40, 80):
        state = (1.0, 0.0)
        for _ in range(n):
            state = rk4(rate, state, 2 * np.pi / n)
        errors.append(np.hypot(state[0] - 1, state[1]))
    np.testing.assert_allclose(np.log2(np.array(errors[:-1]) / errors[1:]), 4, atol=0.1)


def test_a_formula_that_cannot_be_traced_is_integrated_all_the_same():
    class Switched(ContinuousSystem):
        dimension = 1

        def start(self, rng, batch=()):
            return np.ones((*batch, 1))

        def __call__(self, x):
            return -np.ones_like(x) if x[0] > 0.5 else -x

        def tangent(self, x, q):
            raise NotImplementedError

    with pytest.raises(TypeError, match="branches on a value"):
        program(Switched(), (1,))
    series = Switched().series(100, dt=0.01, transient=0)
    np.testing.assert_allclose(series[:40, 0], 1 - 0.01 * np.arange(1, 41), rtol=1e-12)


def test_a_program_has_functions_powers_and_constants():
    def formula(x):
        a, b = x[..., 0], x[..., 1]
        return np.stack([np.sin(a) ** 3 / (2 - b), -np.exp(a) % 2 + 1.5, 3 - np.sqrt(b), np.zeros_like(a) + 4.0])

    x = np.array([0.3, 0.7])
    np.testing.assert_allclose(program(formula, (2,)).value(FLOATS)(*x.tolist()), formula(x), rtol=1e-15)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Lorenz63().series(-1), "steps must be an integer >= 0; got -1"),
        (lambda: Henon().series(10, transient=-2), "transient must be an integer >= 0; got -2"),
        (lambda: Lorenz63().series(10, dt=0), 'dt must be a positive number or "auto"; got 0'),
        (lambda: Lorenz63().series(10, dt="0.02"), r"dt must be a positive number or .auto.; got '0.02'"),
        (lambda: Lorenz63().series("100"), "steps must be an integer >= 0; got '100'"),
        (lambda: Lorenz63().series(10, substeps=0), "substeps must be an integer of at least 1; got 0"),
        (lambda: Lorenz96(3), "dimension must be at least 4; got 3"),
        (lambda: ToralAutomorphism(((2, 0), (0, 1))), "determinant 1 or -1; got 2"),
        (lambda: ToralAutomorphism(((0.5, 1), (1, 1))), "square matrix of integers"),
    ],
)
def test_bad_requests(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("system", [Henon(a=3.0), Lorenz63(rho=28, sigma=-1000)])
def test_divergence_is_an_error(system):
    with pytest.raises(ArithmeticError, match="the series diverged between steps 0 and"):
        system.series(1000)


def test_series_needs_a_seed():
    with pytest.raises(TypeError, match="rng must be"):
        Henon().series(5, rng=None)
