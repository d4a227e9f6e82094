"""The error of a finite time average of growth: from segments of the record, and from its cumulative deviations.

Local growth is correlated in time, in flows often negatively, so that neither its standard error for independent values
nor one from estimated correlation times is right.  For chaotic systems the scatter of the means of about ten segments
is. On limit cycles and tori it is not: where a tenth of the record is near a multiple of a period, all segments have
the same error.  There the error is estimated from the bridge (as in Brownian bridge): the cumulative sum of the
growth's deviations from its mean over the record, which is zero at both ends, and whose size is the dependence of the
average on the end of the record.
"""

from __future__ import annotations

import numpy as np

from cocycle.arrays import Array, as_numpy, namespace, tolerances

BATCHES = 10  # segments
FEWEST = 5  # segments of equal time to which those of unequal time must be equivalent for a scatter


def batches(growth: Array, times: Array) -> tuple[Array, Array]:
    """Growth (m, *batch, k) and times (m,) of m consecutive segments of nearly equal time: ten, or fewer where single
    groups of maps are longer than a segment.

    From growth (groups, *batch, k) and times (groups,).  Raises ValueError for fewer than ten groups.
    """
    if len(times) < BATCHES:
        raise ValueError(
            f"an error bar needs at least {BATCHES} groups of maps; got {len(times)}: take more maps, or a smaller"
            " every"
        )
    xp, ends = namespace(growth), _ends(as_numpy(times.cumsum(0)))
    starts = np.concatenate([[0], ends[:-1]])
    parts = [slice(a, b) for a, b in zip(starts, ends, strict=True)]
    return xp.stack([growth[part].sum(0) for part in parts]), xp.stack([times[part].sum() for part in parts])


def _ends(clock: np.ndarray) -> np.ndarray:
    """The ends of the segments, as numbers of groups; `clock` is the time at the end of each group."""
    wanted = clock[-1] * np.arange(1, BATCHES + 1) / BATCHES
    after = np.searchsorted(clock, wanted).clip(None, len(clock) - 1)
    before = np.where(after > 0, clock[after - 1], 0.0)
    ends = after + (clock[after] - wanted <= wanted - before)
    return np.unique(np.append(ends[(ends > 0) & (ends < len(clock))], len(clock)))


def standard_errors(growth: Array, times: Array, ends: np.ndarray) -> Array:
    """The standard error (ends, *batch, k) of the mean rate of growth (groups, *batch, k) per unit of `times` (groups,)
    over the first `ends` groups.

    The larger of two: the scatter of the rates of ten segments over √10, and twice the standard deviation in time of
    the bridge, over the time.  For independent growth the second is 0.58 of the true error on average.  NaN for fewer
    than ten groups, where single groups take most of the time, and for a rate of -inf.
    """
    xp = namespace(growth)
    with np.errstate(invalid="ignore"):
        error = xp.maximum(batch_errors(growth, times, ends), bridge_errors(growth, times, ends))
        rate = abs(growth).cumsum(0)[ends - 1] / broadcastable(times.cumsum(0)[ends - 1], growth)
        return xp.where(error < 4 * tolerances(growth.dtype).eps * rate, 0.0 * error, error)  # constant growth


def broadcastable(times: Array, growth: Array) -> Array:
    """times (groups,) with the axes of growth (groups, *batch, k), of length 1."""
    return times.reshape(-1, *[1] * (growth.ndim - 1))


def batch_errors(growth: Array, times: Array, ends: np.ndarray) -> Array:
    """The scatter of the rates of ten segments over √10, for each of the `ends`."""
    total, clock = growth.cumsum(0), times.cumsum(0)
    return namespace(growth).stack([_scatter(total[:end], clock[:end]) for end in ends])


def _scatter(total: Array, clock: Array) -> Array:
    """The scatter of the rates of segments, weighted by their times, from cumulative growth and time."""
    xp = namespace(total)
    if len(clock) < BATCHES:
        return xp.full_like(total[-1], np.nan)
    ends = _ends(as_numpy(clock)) - 1
    growth, times = total[ends] * 1, clock[ends] * 1
    growth[1:] -= total[ends[:-1]]
    times[1:] -= clock[ends[:-1]]
    column = broadcastable(times, growth)
    if float(clock[-1] ** 2 / (times**2).sum()) < FEWEST:
        return xp.full_like(total[-1], np.nan)
    deviation = growth / column - total[-1] / clock[-1]
    return ((column * deviation**2).sum(0) / clock[-1] / (len(ends) - 1 or np.nan)) ** 0.5


def bridge_errors(growth: Array, times: Array, ends: np.ndarray) -> Array:
    """Twice the standard deviation of the bridge over the time, at all `ends`, from running sums.

    With G(t) the cumulative deviation from the rate of the whole record, the bridge of its first part is G(t) - d t,
    where d is the difference of the two rates; its variance is quadratic in d, with running means as coefficients.
    """
    weight = broadcastable(times, growth)
    clock = weight.cumsum(0)
    deviation = (growth - growth.sum(0) / clock[-1] * weight).cumsum(0)

    def mean(values):
        return (weight * values).cumsum(0)[ends - 1] / clock[ends - 1]

    difference = deviation[ends - 1] / clock[ends - 1]
    first = mean(deviation) - difference * mean(clock)
    second = mean(deviation**2) - 2 * difference * mean(deviation * clock) + difference**2 * mean(clock**2)
    return 2 * (second - first**2).clip(0.0, None) ** 0.5 / clock[ends - 1]
