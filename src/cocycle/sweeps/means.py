"""Means over what is known."""

import numpy as np


def mean_over(values: np.ndarray, over: tuple[int, ...]) -> np.ndarray:
    """NaN where nothing is known; numpy's own warns there.  An infinite result is known: it makes the mean infinite."""
    known = ~np.isnan(values)
    count = known.sum(axis=over)
    with np.errstate(invalid="ignore"):  # results of both infinities have no mean
        return np.where(count > 0, np.where(known, values, 0).sum(axis=over) / np.maximum(count, 1), np.nan)
