"""Statistics of long runs beside those of the truth: the climate, after the forecast has left the orbit."""

from typing import NamedTuple

import numpy as np
import scipy

from cocycle.arrays import floating, require_finite
from cocycle.progress import tracked


def histogram_distance(first: np.ndarray, second: np.ndarray, *, bins: int = 50) -> np.ndarray:
    """½ Σ |p - q| over the bins of each component's histogram (m,): 0 if they agree, 1 if they do not overlap.

    Series (time, m), their lengths may differ; the bins divide the range of both together.  Two samples of one law of
    T independent values differ by about √(bins / (π T)).  Raises ValueError for series that do not fit or are not
    finite.
    """
    first, second = _series("first", first), _series("second", second)
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"first and second must have the same number of components; got {first.shape[1]} and {second.shape[1]}"
        )
    distances = []
    for a, b in zip(first.T, second.T, strict=True):
        ends = min(a.min(), b.min()), max(a.max(), b.max())
        p, q = (np.histogram(x, bins, ends)[0] / len(x) for x in (a, b))
        distances.append(abs(p - q).sum() / 2)
    return np.array(distances)


class PowerSpectrum(NamedTuple):
    """Frequencies (f,) per unit time and the power density (f, m) at each."""

    frequency: np.ndarray
    power: np.ndarray


def power_spectrum(series: np.ndarray, *, dt: float = 1.0, segment: int = 1024) -> PowerSpectrum:
    """The power density of each component of series (time, m), sampled dt apart: Welch's average over segments."""
    series = _series("series", series)
    frequency, power = scipy.signal.welch(series, fs=1 / dt, nperseg=min(segment, len(series)), axis=0)
    return PowerSpectrum(frequency, power)


def maxima(values: np.ndarray) -> np.ndarray:
    """The local maxima (count,) of values (time,), each at the vertex of the parabola through it and its neighbours.

    Successive pairs of maxima of Lorenz' z form his return map: plot maxima(z)[1:] against maxima(z)[:-1].  Lorenz, J.
    Atmos. Sci. 20, 130 (1963).
    """
    values = floating("values", values)
    if values.ndim != 1:
        raise ValueError(f"values must be one component, of shape (time,), series[:, 2]; got shape {values.shape}")
    before, here, after = values[:-2], values[1:-1], values[2:]
    top = (here > before) & (here >= after)
    before, here, after = before[top], here[top], after[top]
    return here + (after - before) ** 2 / (8 * (2 * here - before - after))


class Dimension(NamedTuple):
    """A correlation dimension, the standard error of its slope, and the correlation sums it was read from."""

    value: float
    error: float
    radii: np.ndarray
    sums: np.ndarray


def correlation_dimension(
    series: np.ndarray, *, theiler: int = 100, between: tuple[float, float] = (1e-4, 1e-2), radii: int = 15
) -> Dimension:
    """The slope of ln C(r) against ln r, C(r) being the share of pairs of points of series (time, n) closer than r.

    Pairs less than `theiler` steps apart do not count: they are close because they follow one another.  The radii are
    those where C runs `between` two values, evenly in ln r.  The error is that of the straight line, too small by what
    neighbouring radii have in common.  Grassberger & Procaccia, Phys. Rev. Lett. 50, 346 (1983).

    Raises ValueError for a series with fewer than 1000 points, or constant.
    """
    series = _series("series", series)
    least = max(1000, 10 * theiler)
    if len(series) < least:
        raise ValueError(f"series must have at least {least} times with theiler={theiler}; got {len(series)}")
    pairs = (len(series) - theiler) * (len(series) - theiler + 1) / 2
    sample = _distances(series, theiler)
    if not sample[-1] > 0:
        raise ValueError("series must not be constant: all its points are the same")
    low, high = (np.quantile(sample, share) for share in between)
    r = np.geomspace(max(low, 1e-12 * high), high, radii)
    tree = scipy.spatial.KDTree(series)
    counts = (tree.count_neighbors(tree, r) - len(series)) / 2
    for lag in tracked(range(1, theiler), "dimension"):
        counts = counts - np.searchsorted(np.sort(np.linalg.norm(series[lag:] - series[:-lag], axis=1)), r, "right")
    sums = counts / pairs
    used = sums > 0
    if used.sum() < 3:
        raise ValueError(
            f"a slope takes three radii with pairs closer than each; got {used.sum()}: take a longer series, or larger"
            " shares in `between`"
        )
    slope, covariance = np.polyfit(np.log(r[used]), np.log(sums[used]), 1, cov=True)
    return Dimension(float(slope[0]), float(covariance[0, 0] ** 0.5), r, sums)


def _distances(series: np.ndarray, theiler: int) -> np.ndarray:
    """The distances of some 200,000 pairs at least `theiler` steps apart, sorted."""
    i, j = np.random.default_rng(0).integers(len(series), size=(2, 200_000))
    apart = abs(i - j) >= theiler
    return np.sort(np.linalg.norm(series[i[apart]] - series[j[apart]], axis=1))


def _series(name: str, series: np.ndarray) -> np.ndarray:
    series = floating(name, series)
    if series.ndim != 2:
        raise ValueError(f"{name} must have shape (time, m); got {series.shape}")
    require_finite(name, series)
    return series
