"""Slopes are those of the values, also where the values have saturated."""

import mpmath
import numpy as np
import pytest

from cocycle import ERF, LINEAR, RELU, TANH, Layer, frame, spectrum

FIELDS = np.array([-300.0, -40.0, -19.5, -3.0, -1e-3, 0.5, 1.0, 19.5, 40.0, 300.0])


def test_tanh_slope_far_out():
    """1 - tanh² is exactly 0 beyond |b| = 19; the true slope, by fifty-digit arithmetic, is not."""
    with mpmath.workdps(50):
        exact = [float(mpmath.sech(b) ** 2) for b in FIELDS]
    np.testing.assert_allclose(TANH.slope(FIELDS), exact, rtol=1e-13)
    assert (1 - np.tanh(FIELDS[1]) ** 2) == 0


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
    result = spectrum([layer], x, frame(x, 2))
    np.testing.assert_allclose(result.exponents, 2 * (np.log(2) - 25), rtol=1e-12)
