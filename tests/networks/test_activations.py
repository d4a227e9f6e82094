"""Slopes are those of the values, also where the values have saturated."""

import mpmath
import numpy as np
import pytest
import torch

from cocycle import ERF, LINEAR, RELU, TANH, Layer, frame, lyapunov_spectrum

FIELDS = np.array([-300.0, -40.0, -19.5, -3.0, -1e-3, 0.5, 1.0, 19.5, 40.0, 300.0])


def test_tanh_slope_far_out():
    """1 - tanh² is exactly 0 beyond |b| = 19; the true slope, by fifty-digit arithmetic, is not."""
    with mpmath.workdps(50):
        exact = [float(mpmath.sech(b) ** 2) for b in FIELDS]
    np.testing.assert_allclose(TANH.slope(FIELDS), exact, rtol=1e-13)
    assert (1 - np.tanh(FIELDS[1]) ** 2) == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("as_torch", [False, True])
def test_value_and_slope_of_a_batch_at_once(dtype, as_torch):
    """To rounding of 1 and of the slope itself, out to where they are no numbers any more."""
    far = FIELDS if dtype == np.float64 else FIELDS[1:-1]
    fields = np.append(far, [-1e4, 1e4, np.inf, np.nan])[None].astype(dtype)
    value, slope = TANH.both(torch.as_tensor(fields) if as_torch else fields)
    with mpmath.workdps(50):
        exact = [float(mpmath.sech(float(b)) ** 2) for b in fields[0, :-4]]
    rounding = 40 * np.finfo(dtype).eps  # exp(-b) is as wrong as its argument is large
    np.testing.assert_allclose(np.asarray(slope)[0, :-4], exact, rtol=rounding)
    np.testing.assert_allclose(np.asarray(value), np.tanh(fields), atol=2 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(np.asarray(slope)[0, -4:], [0, 0, 0, np.nan])


def test_gradients_of_slopes_are_finite_everywhere():
    field = torch.tensor([[0.0, 0.3, -50.0, 1e3, -1e4]], dtype=torch.float64, requires_grad=True)
    value, slope = TANH.both(field)
    (first,) = torch.autograd.grad(value.sum(), field, retain_graph=True)
    torch.testing.assert_close(first, TANH.slope(field.detach()), rtol=1e-12, atol=1e-15)
    (second,) = torch.autograd.grad(slope.sum(), field)
    torch.testing.assert_close(second, -2 * value.detach() * slope.detach(), rtol=1e-12, atol=0)


def test_tanh_slope_beyond_the_range_of_cosh():
    np.testing.assert_array_equal(TANH.slope(np.array([-1e3, 1e3])), 0)


def test_erf_slope():
    with mpmath.workdps(50):
        exact = [float(mpmath.diff(mpmath.erf, b)) for b in FIELDS[3:7]]
    np.testing.assert_allclose(ERF.slope(FIELDS[3:7]), exact, rtol=1e-13)


@pytest.mark.parametrize(("activation", "slopes"), [(RELU, [0, 1]), (LINEAR, [1, 1])])
def test_piecewise_linear(activation, slopes):
    field = np.array([-2.0, 3.0])
    np.testing.assert_array_equal(activation.slope(field), slopes)
    np.testing.assert_array_equal(activation.value(field), slopes * field)


def test_saturated_network_has_a_finite_exponent():
    """Two units at local fields ±25: the exponent is ln sech²(25) + ln 1, about -48.6, not -inf."""
    layer = Layer(np.eye(2), np.array([25.0, -25.0]))
    x = np.zeros(2)
    result = lyapunov_spectrum([layer], x, frame(x, 2))
    np.testing.assert_allclose(result.exponents, 2 * (np.log(2) - 25), rtol=1e-12)
