"""Means over values that are not NaN."""

import numpy as np


def mean_over(values: np.ndarray, over: tuple[int, ...]) -> np.ndarray:
    """NaN where all are; numpy's own warns there.  An infinite result counts: it makes the mean infinite."""
    valid = ~np.isnan(values)
    count = valid.sum(axis=over)
    with np.errstate(invalid="ignore"):  # results of both infinities have no mean
        return np.where(count > 0, np.where(valid, values, 0).sum(axis=over) / np.maximum(count, 1), np.nan)
