"""In single precision exponents agree with those in double within its rounding, or it is said which do not."""

import warnings
from itertools import pairwise, repeat

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cocycle import Flow, Layer, Linear, finite_time_exponents, frame, ftle, lyapunov_spectrum
from cocycle.arrays import floating, tolerances
from cocycle.lyapunov import covariance_residual, covariant_vectors
from cocycle.systems import Henon, Lorenz63

KINDS = [lambda a: np.asarray(a, np.float32), lambda a: torch.as_tensor(np.asarray(a, np.float32))]


@pytest.mark.parametrize("kind", KINDS)
def test_a_product_over_forty_decades(kind):
    """diag(2, 0.01) twenty times: the smaller factor is 1e-40, and no float32."""
    x = kind(np.zeros(2))
    found = finite_time_exponents(repeat(Linear(kind(np.diag([2.0, 0.01]))), 20), x, frame(x, 2)).log_factors
    np.testing.assert_allclose(found, 20 * np.log(np.float32([2, 0.01]).astype(float)), rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("every", [1, "auto"])
def test_an_exponent_that_the_precision_does_not_hold_is_told(kind, every):
    """An eigenvalue of 1e-10 beside 1: a matrix in single precision does not have it."""
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    weight, x = kind(basis * [1, 0.9, 0.5, 1e-10] @ basis.T), kind(np.zeros(4))
    with pytest.warns(UserWarning, match="exponents from number 4 on are unreliable.*double precision"):
        result = lyapunov_spectrum(repeat(Linear(weight), 500), x, frame(x, 4), transient=50, every=every)
    np.testing.assert_allclose(result.exponents[:3], np.log([1, 0.9, 0.5]), rtol=0, atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 6), st.integers(1, 30), st.floats(0, 3), st.sampled_from([np.asarray, torch.as_tensor]),
    st.integers(0, 2**32),
)  # fmt: skip
def test_what_is_known_agrees_with_double_precision(n, length, decades, library, seed):
    """Products of matrices whose singular values lie up to three decades apart, in random directions."""
    rng = np.random.default_rng(seed)
    weights = []
    for _ in range(length):
        u, v = (np.linalg.qr(rng.normal(size=(n, n)))[0] for _ in range(2))
        weights.append((u * 10.0 ** -np.sort(rng.uniform(0, decades, size=n)) @ v).astype(np.float32))
    x = np.zeros(n, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        single = finite_time_exponents([Linear(library(w)) for w in weights], library(x), library(frame(x, n)))
        exact = finite_time_exponents(
            [Linear(w.astype(float)) for w in weights], x.astype(float), frame(x.astype(float), n)
        )
    known = int(single.known)
    assert known >= 1
    np.testing.assert_allclose(np.asarray(single.log_factors)[:known], exact.log_factors[:known], rtol=0, atol=5e-3)


@pytest.mark.parametrize("every", [1, 5, "auto"])
def test_chaotic_exponents_in_single_precision(every):
    """Orbits part, averages agree within their error bars; the sum is as exact as its numbers."""
    x = Lorenz63().start(np.random.default_rng(0), (30,)).astype(np.float32)
    result = lyapunov_spectrum(repeat(Flow(Lorenz63(), 0.02), 2000), x, frame(x, 3), every=every, transient=300)
    error = result.scatter / 30**0.5
    assert (abs(result.exponents.mean(0) - [0.9056, 0, -14.5723]) < 4 * error + [0, 0, 0.005]).all()
    np.testing.assert_allclose(result.exponents.sum(-1), -41 / 3, rtol=0, atol=0.01)


def test_a_saturated_network_in_single_precision():
    """Local fields of 30: slopes of 1e-26, and a product of three hundred of them."""
    layer, x = Layer(np.eye(2, dtype=np.float32), np.float32(30.0)), np.zeros(2, np.float32)
    result = lyapunov_spectrum(repeat(layer, 300), x, frame(x, 2), transient=1)
    np.testing.assert_allclose(result.exponents, np.log(4) - 62, rtol=1e-6)  # field 31
    field = ftle([layer] * 12, x)
    assert field.log_factors == pytest.approx(np.log(4) * 12 - 60 - 62 * 11, rel=1e-6)


def test_covariant_vectors_in_single_precision():
    x = Henon().series(1)[0].astype(np.float32)
    steps = list(covariant_vectors(repeat(Henon(), 300), x, frame(x, 2), transient=50, backward_transient=50))[::-1]
    residuals = [covariance_residual(*pair).max() for pair in pairwise(steps)]
    assert np.median(residuals) < 1e-5
    assert steps[0].growth.dtype == np.float64


def test_other_kinds_of_numbers():
    """Halves, long doubles, whole numbers become double; complex numbers are refused."""
    for dtype in (np.float16, np.longdouble, int, bool):
        assert floating("x", np.ones(2, dtype)).dtype == np.float64
    for dtype in (torch.float16, torch.bfloat16, torch.int64):
        assert floating("x", torch.ones(2, dtype=dtype)).dtype == torch.float64
    for x in (np.ones(2, complex), torch.ones(2, dtype=torch.complex64)):
        with pytest.raises(TypeError, match="real and imaginary parts"):
            lyapunov_spectrum([Henon()], x, frame(np.ones(2), 2))


def test_thresholds_of_both_precisions():
    single, double = tolerances(np.float32), tolerances(torch.float64)
    assert tolerances(torch.float32) == single
    assert double == tolerances(np.float64)
    assert single.lost_spread == pytest.approx(8.4e3, rel=0.01)
    assert double.lost_spread == pytest.approx(4.5e12, rel=0.01)
    assert single.frame_spread < single.lost_spread


@pytest.mark.filterwarnings("ignore:divide")
def test_a_zero_that_rounding_made_is_told():
    """Rows twenty decades apart: the second factor is 1e-20, and often comes out as exactly 0."""
    rng, x = np.random.default_rng(0), np.zeros(2)
    for seed in range(40):
        f = Linear(np.array([[1e-20], [1.0]]) * rng.normal(size=(2, 2)))
        with pytest.warns(UserWarning, match="from number 2 on"):
            found = finite_time_exponents([f], x, frame(x, 2, rng=seed))
        assert found.known == 1
        with pytest.warns(UserWarning, match="from number 2 on"):
            lyapunov_spectrum(repeat(f, 12), x, frame(x, 2, rng=seed))


def test_a_vector_that_is_taken_to_zero_is_exact():
    """A projection along a vector of the frame, and a dead layer."""
    for weight in (np.diag([1.0, 0.0]), np.zeros((2, 2))):
        found = finite_time_exponents([Linear(weight)], np.zeros(2), np.eye(2))
        assert found.known == 2
        assert found.log_factors[1] == -np.inf


def test_fields_of_small_slopes_in_single_precision():
    """Slopes of 1e-37: products of them are out of range, they themselves are not."""
    layer = Layer(np.eye(2, dtype=np.float32), np.array([42, 43], np.float32))
    x = np.zeros((1, 2), np.float32)
    np.testing.assert_allclose(ftle([layer], x).log_factors, np.log(4) - 84, rtol=1e-6)
    np.testing.assert_allclose(
        finite_time_exponents([layer], x, frame(x, 2)).log_factors, [np.log(4) - np.array([84, 86])], rtol=1e-6
    )
