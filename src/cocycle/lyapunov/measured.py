"""A measured series: what is required of it, its time scales, and the nearest neighbours of vectors made from it."""

from __future__ import annotations

from typing import Any

import numpy as np

from cocycle.arrays import as_numpy, floating

SHORTEST = 200  # samples
ROUNDING = 1e-12  # in units of the standard deviation: nearer vectors are copies of each other
COPIES = 64  # equal vectors among which others are looked for
REFERENCES = 5000  # vectors whose neighbours are looked for, evenly spaced over the series


def correlation_time(columns: np.ndarray) -> int:
    """The first lag, in samples, at which the autocorrelation of standardised columns (time, m) is below 1/e."""
    power = _spectrum(columns, 2 * len(columns))
    correlation = np.fft.irfft(power)[: len(columns)]
    below = np.flatnonzero(correlation < correlation[0] / np.e)
    return int(below[0]) if len(below) else len(columns)


def mean_period(columns: np.ndarray) -> float:
    """The reciprocal of the mean frequency of the power spectrum, in samples; Rosenstein et al. (1993)."""
    power = _spectrum(columns * np.hanning(len(columns))[:, None], len(columns))
    return float(power.sum() / (power @ np.fft.rfftfreq(len(columns))))


def _spectrum(columns: np.ndarray, length: int) -> np.ndarray:
    return (abs(np.fft.rfft(columns, length, axis=0)) ** 2).sum(1)


def checked_series(series: Any) -> np.ndarray:
    """The series as columns (time, m) with mean 0 and standard deviation 1.

    Raises ValueError for another shape, for fewer than 200 samples, for values that are not finite, which it locates,
    and for a constant component.
    """
    values = as_numpy(floating("series", series)).astype(np.float64)
    if values.ndim not in (1, 2) or not values.size:
        raise ValueError(f"series must have shape (time,) or (time, m); got {values.shape}")
    columns = values.reshape(len(values), -1)
    if len(columns) < SHORTEST:
        raise ValueError(
            f"series must have at least {SHORTEST} samples, some thousands for an exponent; got {len(columns)}"
        )
    gaps = np.flatnonzero(~np.isfinite(columns).all(1))
    if len(gaps):
        ends = np.concatenate([[-1], gaps, [len(columns)]])
        i = int(np.diff(ends).argmax())
        raise ValueError(
            f"series must have no gaps; got {len(gaps)} samples that are not finite, the first at {gaps[0]}: take its"
            f" longest part without any, series[{ends[i] + 1}:{ends[i + 1]}], or interpolate"
        )
    size = columns.std(0)
    flat = np.flatnonzero(size <= 1e-12 * abs(columns).max(0))
    if len(flat):
        raise ValueError(f"series must vary; got component {flat[0]}, which is constant: leave it out")
    return (columns - columns.mean(0)) / size


def neighbours(
    vectors: np.ndarray, theiler: int, *, count: int = 1, references: int = REFERENCES, norm: float = 2
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The `count` nearest neighbours of vectors (time, d) more than `theiler` samples apart: indices i of the vectors
    and j of their neighbours, and the distances, each (references, count), i in ascending order.

    Of at most so many `references`, evenly spaced.  Copies, nearer than rounding, are left out, unless nearly all
    vectors near one are: then they are at that distance.
    """
    from scipy.spatial import KDTree

    tree, total = KDTree(vectors), len(vectors)
    left = np.unique(np.linspace(0, total - 1, min(references, total)).astype(int))
    limit, wanted, found = min(total, 2 * theiler + count + COPIES), count + 8, []
    while len(left):
        wanted = min(wanted, limit)
        near, j = map(np.asarray, tree.query(vectors[left], k=wanted, p=norm))
        apart = abs(j - left[:, None]) > theiler
        proper = apart & (near > ROUNDING)
        chosen = np.where(proper.sum(1, keepdims=True) >= count, proper, apart & (wanted == limit))
        enough = chosen.sum(1) >= count
        places = np.argsort(~chosen[enough], axis=1, kind="stable")[:, :count]
        rows = [np.take_along_axis(array[enough], places, 1) for array in (j, near)]
        found.append((np.repeat(left[enough, None], count, 1), *rows))
        left = left[~enough] if wanted < limit else left[:0]
        wanted *= 2
    i, j, near = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(i[:, 0])
    return i[order], j[order], np.maximum(near[order], ROUNDING)
