"""Exponents that are known exactly come out to rounding, at every length."""

from itertools import repeat

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cocycle import (
    LINEAR,
    Compiled,
    Coupled,
    Flow,
    Linear,
    Reservoir,
    Select,
    frame,
    orthonormalise,
    qr_steps,
    spectrum,
)
from cocycle.systems import Henon, Ikeda, Logistic, Lorenz63, Lorenz96, ToralAutomorphism
from cocycle.systems.facts import exponent_sum


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 6), st.integers(1, 40), st.integers(1, 7), st.integers(0, 2**32))
def test_triangular_map_has_the_logarithms_of_its_diagonal(n, steps, every, seed):
    rng = np.random.default_rng(seed)
    a = np.triu(rng.uniform(-1, 1, size=(n, n)), 1) + np.diag(rng.uniform(0.5, 2, size=n) * rng.choice([-1, 1], n))
    result = spectrum(repeat(Linear(a), steps), np.zeros(n), np.eye(n), every=every)
    # each QR rounds ln r by a few eps; between QRs the off-diagonal grows by at most (2 n)^every
    np.testing.assert_allclose(result.exponents, np.log(abs(np.diag(a))), rtol=0, atol=1e-14 * max(1, every - 1) * n)


@pytest.mark.parametrize("steps", [1, 10, 1000])
def test_triangular_map_to_fourteen_digits(steps):
    a = np.array([[2.0, 1.0, -3.0], [0.0, 1.0, 5.0], [0.0, 0.0, 0.25]])
    result = spectrum(repeat(Linear(a), steps), np.zeros(3), np.eye(3))
    np.testing.assert_allclose(result.exponents, np.log([2.0, 1.0, 0.25]), rtol=0, atol=1e-14)


def test_orthogonal_map_has_exponent_zero(rng):
    a, _ = orthonormalise(rng.normal(size=(6, 6)))
    x = np.zeros(6)
    result = spectrum(repeat(Linear(a), 500), x, frame(x, 6))
    np.testing.assert_allclose(result.exponents, 0, atol=1e-15 * 6)


def test_cat_map():
    cat = ToralAutomorphism()
    x = cat.start(np.random.default_rng(1))
    result = spectrum(repeat(cat, 2000), x, frame(x, 2), transient=50)  # the frame aligns like exp(-1.92 t)
    exact = np.log((3 + 5**0.5) / 2)
    np.testing.assert_allclose(result.exponents, [exact, -exact], rtol=0, atol=1e-14)


@pytest.mark.parametrize("steps", [1, 7, 1000])
@pytest.mark.parametrize("system", [Henon(), Henon(b=0.1), Ikeda()])
def test_sum_is_the_log_determinant_where_it_is_constant(rng, system, steps):
    x = system.start(rng, (5,))
    result = spectrum(repeat(system, steps), x, frame(x, 2))
    np.testing.assert_allclose(result.exponents.sum(axis=-1), exponent_sum(system), rtol=0, atol=1e-13)


@pytest.mark.parametrize(("system", "coarse"), [(Lorenz63(), 0.01), (Lorenz96(6), 0.025)])
def test_sum_of_a_flow_is_its_divergence_with_an_error_of_fourth_order(system, coarse):
    x = system.series(2000, dt=0.01)[::100]  # the error at one state may change its sign with dt
    errors = []
    for dt in (coarse, coarse / 2, coarse / 4):
        steps = repeat(Flow(system, dt), round(1.0 / dt))
        total = spectrum(steps, x, frame(x, system.dimension)).exponents.sum(axis=-1)
        errors.append(np.sqrt(np.mean((total - exponent_sum(system)) ** 2)))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert errors[0] < 1e-2
    assert (abs(orders - 4) < 0.5).all(), orders


def test_logistic_map_at_its_end():
    x = Logistic().start(np.random.default_rng(3))
    result = spectrum(repeat(Compiled(Logistic()), 100_000), x, np.ones((1, 1)))
    # the error of a conjugacy to the tent map falls as 1/T: ln of one end's density over T
    np.testing.assert_allclose(result.exponents, np.log(2), rtol=0, atol=20 / 100_000)


def test_drive_and_response_have_the_exponents_of_both():
    """A linear response of known exponents under a linear drive: the union, whatever couples them."""
    drive = Linear(np.diag([1.5, 0.9]))
    response = Reservoir(np.diag([0.5, 0.2, 0.05]), np.ones((3, 1)), activation=LINEAR)
    x = np.zeros(5)
    result = spectrum(repeat(Coupled(drive, response, Select((0,))), 400), x, frame(x, 5), transient=200)
    np.testing.assert_allclose(result.exponents, np.log([1.5, 0.9, 0.5, 0.2, 0.05]), rtol=0, atol=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32))
def test_qr_factors(n, k, seed):
    q = np.random.default_rng(seed).normal(size=(2, max(n, k), min(n, k)))
    basis, r = orthonormalise(q)
    np.testing.assert_allclose(basis @ r, q, atol=1e-14)
    np.testing.assert_allclose(basis.swapaxes(-1, -2) @ basis, np.eye(min(n, k)) + np.zeros((2, 1, 1)), atol=1e-14)
    assert (np.diagonal(r, axis1=-2, axis2=-1) >= 0).all()
    assert (np.tril(r, -1) == 0).all()


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1.0, 1e160, 1e300])
def test_one_vector_of_any_length(scale):
    q, r = orthonormalise(scale * np.array([[3.0], [-4.0]]))
    np.testing.assert_allclose(q, [[0.6], [-0.8]], rtol=1e-14)
    np.testing.assert_allclose(r, [[5.0 * scale]], rtol=1e-14)


def test_chain_rule(rng):
    """The factors of the loop multiply to the tangent of the composition, however they are grouped."""
    x = Henon().start(rng)
    q = frame(x, 2)
    pushed = q
    y = x
    for _ in range(12):
        y, pushed = Henon().tangent(y, pushed)
    for every in (1, 5, 12):
        product = np.eye(2)
        for step in qr_steps(repeat(Henon(), 12), x, q, every=every):
            product = step.r @ product
        np.testing.assert_allclose(step.q @ product, pushed, rtol=1e-11)
        np.testing.assert_allclose(step.x, y, rtol=1e-14)
        assert step.time == (12 % every or every)
