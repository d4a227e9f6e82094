"""How distances between neighbouring vectors of a delay embedding grow in time, and where they grow exponentially."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from cocycle.lyapunov.errors import BATCHES
from cocycle.lyapunov.measured import ROUNDING, neighbours
from cocycle.progress import progress_bar

STEPS = 400  # times, at most
BLOCK, FLAT = 40, 0.02  # S is saturated where it grows by less than FLAT from one BLOCK of times to the next
GROWTH = 1.5  # least of a linear stretch: curves of stochastic processes may look linear over less
LINEAR = 0.15  # largest deviation of the slopes of its thirds, in units of its own
INTERVALS, PLACES = 6, 60  # the fewest between its ends; the most places where one may be


class Method(NamedTuple):
    """Numbers of reference vectors and of neighbours of each, and the neighbours whose median distance is a radius."""

    references: int
    nearest: int
    sizes: tuple[int, ...]


METHODS = {"rosenstein": Method(3000, 1, (1,)), "kantz": Method(1000, 16, (2, 4, 8))}


def divergence(
    vectors: np.ndarray, method: Method, *, theiler: int, reach: int, stride: int
) -> tuple[np.ndarray, np.ndarray]:
    """Times in samples (times,), `stride` apart, and S (sizes, 10, times) of ten segments of vectors (time, d):

        S(t) = mean_i ln( mean_j d_ij(t) )

    over the neighbours j of i that are within a radius, one for each size: the median distance of the neighbour of that
    number.  With a single neighbour there is no radius.  d is the distance from the neighbour, or with a `reach` from
    its orbit, fewer than so many samples earlier or later.  Ends where S is saturated, or a fifth of the series.
    """
    steps = np.arange(0, min(len(vectors) // 5, STEPS * stride) + 1, stride)
    first = vectors[reach : len(vectors) - steps[-1] - reach]
    i, j, near = neighbours(first, theiler, count=method.nearest, references=method.references)
    radii = [np.median(near[:, size - 1]) if method.nearest > 1 else np.inf for size in method.sizes]
    within = np.stack([near <= radius for radius in radii])
    segments = np.array_split(np.arange(len(i)), BATCHES)
    curves: list[np.ndarray] = []
    with progress_bar(len(steps), "divergence") as advance:
        for squares in _squared_distances(vectors, i + reach, j + reach, steps, reach):
            curves.append(_mean_logarithms(squares, within, segments))
            advance(1)
            if _saturated([curve[0].mean() for curve in curves]):
                break
    return steps[: len(curves)], np.stack(curves, axis=-1)


def _mean_logarithms(squares: np.ndarray, within: np.ndarray, segments: list[np.ndarray]) -> np.ndarray:
    """S (sizes, segments) of squared distances (references, count), those `within` (sizes, references, count)."""
    distances, seen = np.maximum(squares, ROUNDING**2) ** 0.5, within.sum(-1)
    logs = np.log(np.where(seen > 0, (distances * within).sum(-1), 1.0) / np.maximum(seen, 1))
    return np.stack([logs[:, part].sum(1) / (seen[:, part] > 0).sum(1) for part in segments], axis=1)


def _saturated(means: list[float]) -> bool:
    if len(means) <= 2 * BLOCK or means[-1] < means[0] + GROWTH:
        return False
    return float(np.mean(means[-BLOCK:]) - np.mean(means[-2 * BLOCK : -BLOCK])) < FLAT


def _squared_distances(
    vectors: np.ndarray, i: np.ndarray, j: np.ndarray, steps: np.ndarray, reach: int
) -> Iterator[np.ndarray]:
    """The squared distances (references, count) of vectors i from j, or with a reach from the orbit of j, in time.

    The nearest sample of that orbit is looked for near the last one, at most `reach` - 1 samples earlier or later.
    """
    shift, stride = np.zeros_like(j), int(steps[1] - steps[0])
    for step in steps:
        here = vectors[i + step]
        if not reach:
            yield _square(vectors[j + step] - here)
            continue
        trials = [np.clip(shift + k, 1 - reach, reach - 1) for k in range(-stride - 1, stride + 2)]
        squares = np.stack([_square(vectors[j + step + trial] - here) for trial in trials])
        best = squares.argmin(0)[None]
        shift = np.take_along_axis(np.stack(trials), best, 0)[0]
        around = [vectors[j + step + shift + k] - here for k in (-1, 0, 1)]
        yield np.minimum(_parabola(*around), squares.min(0))


def _square(vectors: np.ndarray) -> np.ndarray:
    return np.einsum("...k,...k->...", vectors, vectors)


def _parabola(before: np.ndarray, at: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The least squared distance from zero of |at + s a + s² b|, -1 <= s <= 1, the parabola through three vectors at
    s = -1, 0, 1; by Newton's method from its tangent at s = 0."""
    a, b = (after - before) / 2, (after + before) / 2 - at
    pairs = ((a, a), (a, b), (b, b), (at, a), (at, b))
    aa, ab, bb, ca, cb = (np.einsum("...k,...k->...", *pair) for pair in pairs)
    s = np.clip(-ca / np.maximum(aa, ROUNDING**2), -1, 1)
    for _ in range(3):
        slope = ca + s * (aa + 2 * cb) + 3 * s**2 * ab + 2 * s**3 * bb
        bend = aa + 2 * cb + 6 * s * ab + 6 * s**2 * bb
        s = np.clip(s - slope / np.where(bend > ROUNDING**2, bend, np.inf), -1, 1)
    return _square(at + s[..., None] * a + (s**2)[..., None] * b)


class Stretch(NamedTuple):
    """A linear stretch of S from `start` to `end`, in samples: its slope, the slopes of its thirds and those of ten
    segments of the series, per sample."""

    start: int
    end: int
    slope: float
    thirds: np.ndarray
    segments: np.ndarray


def linear_stretch(steps: np.ndarray, logs: np.ndarray, first: int) -> Stretch | None:
    """The linear stretch of the mean of curves (segments, times), at `steps` (times,): of those that begin earliest,
    not before `first`, the longest; see `exponent_from_series`.  None where no part is linear."""
    mean = logs.mean(0)
    last = int(np.flatnonzero(mean >= mean.max() - 0.1)[0]) + 1  # beyond it S is saturated
    places = np.unique(np.linspace(0, min(last, len(steps) - 1), PLACES).round().astype(int))
    places, slopes = places[steps[places] >= first], _Slopes(steps, np.vstack([mean, logs]))
    for a in places:
        for b in places[places >= a + INTERVALS][::-1]:
            slope, thirds = float(slopes(a, b)[0]), _thirds(slopes, a, b)
            grows = slope * (steps[b] - steps[a]) >= GROWTH
            if grows and (abs(thirds - slope) <= LINEAR * slope).all():
                return Stretch(int(steps[a]), int(steps[b]), slope, thirds, slopes(a, b)[1:])
    return None


class _Slopes:
    """The least squares slopes of curves (m, times) between any two places, from cumulative sums."""

    def __init__(self, steps: np.ndarray, curves: np.ndarray):
        t = steps.astype(float)
        self.sums = [np.pad(np.cumsum(terms, -1), [(0, 0), (1, 0)]) for terms in ([t, t**2], curves, curves * t)]

    def __call__(self, a: int, b: int) -> np.ndarray:
        n = b + 1 - a
        (t, tt), y, ty = (sums[:, b + 1] - sums[:, a] for sums in self.sums)
        return (n * ty - t * y) / (n * tt - t**2)


def _thirds(slopes: _Slopes, a: int, b: int) -> np.ndarray:
    ends = np.linspace(a, b, 4).round().astype(int)
    return np.array([slopes(u, v)[0] for u, v in pairwise(ends)])
