"""Means, standard errors and quantiles over values of which some are NaN are those of numpy over the others."""

import numpy as np
import pytest

from cocycle.sweeps.means import error_of_mean, mean_over, quantile_over


@pytest.fixture
def values(rng):
    values = rng.normal(size=(4, 5, 6))
    values[rng.uniform(size=values.shape) < 0.3] = np.nan
    values[0, :, 1] = np.nan
    values[0, 1:, 2] = np.nan
    values[0, 0, 2] = 1.5
    return values


def known(values, i, k):
    return values[i, :, k][~np.isnan(values[i, :, k])]


def test_the_error_is_that_of_the_values_that_are_known(values):
    error, count = error_of_mean(values, (1,))
    for i in range(4):
        for k in range(6):
            some = known(values, i, k)
            assert count[i, k] == len(some)
            expected = some.std(ddof=1) / np.sqrt(len(some)) if len(some) > 1 else np.nan
            np.testing.assert_allclose(error[i, k], expected, rtol=1e-13)


def test_values_that_share_their_numbers_are_one_value(rng):
    """Four copies of each of ten draws have the error of ten draws."""
    draws = rng.normal(size=(10, 1))
    error, count = error_of_mean(np.repeat(draws, 4, axis=1), (0, 1), (1,))
    assert count == 10
    np.testing.assert_allclose(error, draws.std(ddof=1) / np.sqrt(10), rtol=1e-13)


def test_values_that_all_share_their_numbers_have_no_error():
    error, count = error_of_mean(np.arange(6.0).reshape(2, 3), (0, 1), (0, 1))
    assert count == 1
    assert np.isnan(error)


def test_infinite_values_have_no_error_and_no_warning():
    error, count = error_of_mean(np.array([1.0, np.inf, 2.0]), (0,))
    assert count == 3
    assert not np.isfinite(error)


@pytest.mark.filterwarnings("ignore:All-NaN")
@pytest.mark.parametrize("fraction", [0.0, 0.05, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("over", [(1,), (0, 2), (0, 1, 2)])
def test_quantiles_are_those_of_numpy(values, fraction, over):
    expected = np.nanquantile(values, fraction, axis=over)
    np.testing.assert_allclose(quantile_over(values, fraction, over), expected, rtol=1e-13, atol=1e-15)


def test_quantiles_of_infinite_values():
    values = np.array([-np.inf, 1.0, np.inf, np.inf])
    assert [quantile_over(values, q, (0,)) for q in (0, 1 / 3, 1)] == [-np.inf, 1.0, np.inf]


def test_nothing_is_averaged_over_no_axes(values):
    np.testing.assert_array_equal(mean_over(values, ()), values)
    np.testing.assert_array_equal(quantile_over(values, 0.5, ()), values)
    error, count = error_of_mean(values, ())
    assert np.isnan(error).all()
    np.testing.assert_array_equal(count, ~np.isnan(values))
