"""Means, their standard errors, and quantiles over values that are not NaN."""

import numpy as np


def mean_over(values: np.ndarray, over: tuple[int, ...]) -> np.ndarray:
    """NaN where all are; numpy's own warns there.  An infinite result counts: it makes the mean infinite."""
    if not over:
        return values
    valid = ~np.isnan(values)
    count = valid.sum(axis=over)
    with np.errstate(invalid="ignore"):  # results of both infinities have no mean
        return np.where(count > 0, np.where(valid, values, 0).sum(axis=over) / np.maximum(count, 1), np.nan)


def error_of_mean(
    values: np.ndarray, over: tuple[int, ...], shared: tuple[int, ...] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """The standard error s / √n of the mean over axes, and n, the number of independent values.

    Over axes that are also `shared` random numbers are the same: values along them are averaged first, since numbers
    that are the same give no error.  s is the standard deviation with n - 1; the error is NaN where n < 2.
    """
    draws = np.expand_dims(mean_over(values, shared), shared)
    valid = ~np.isnan(draws)
    count = valid.sum(axis=over)
    if not over:
        return np.full(values.shape, np.nan), count
    with np.errstate(invalid="ignore"):  # infinite values have no error
        deviations = np.where(valid, draws - np.expand_dims(mean_over(draws, over), over), 0)
        deviation = np.sqrt((deviations**2).sum(axis=over) / np.maximum(count - 1, 1))
        return np.where(count > 1, deviation / np.sqrt(np.maximum(count, 1)), np.nan), count


def quantile_over(values: np.ndarray, fraction: float, over: tuple[int, ...]) -> np.ndarray:
    """The quantile, linear between two values, NaN where all are.  As numpy.nanquantile, which loops over cells."""
    kept = [axis for axis in range(values.ndim) if axis not in over]
    ordered = values.transpose(*kept, *over).reshape(*(values.shape[axis] for axis in kept), -1)
    ordered = np.sort(ordered, axis=-1)  # NaN last
    count = (~np.isnan(ordered)).sum(axis=-1, keepdims=True)
    place = fraction * np.maximum(count - 1, 0)
    below = np.floor(place).astype(int)
    low, high = (np.take_along_axis(ordered, i, -1)[..., 0] for i in (below, np.minimum(below + 1, count.clip(1) - 1)))
    part = (place - below)[..., 0]
    with np.errstate(invalid="ignore"):  # between two infinities
        return np.where((part == 0) | (low == high), low, low * (1 - part) + high * part)
