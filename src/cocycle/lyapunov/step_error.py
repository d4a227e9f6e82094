"""Is the step of an approximate map fine enough?  Along the run it is compared with two steps half as long.

The mean difference of what both do to a frame predicts how far the sum of all exponents and the most contracting one
are from those of the flow, because both are averages of local rates that the attractor changes little.  The leading
exponents depend on the attractor itself, and nothing local tells their error: a run at half the step does.
"""

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from math import ceil, prod
from typing import final

import numpy as np

from cocycle.arrays import Array, as_numpy, constant, double, namespace, tolerances
from cocycle.lyapunov.qr import QRStep, frame, orthonormalise
from cocycle.lyapunov.spread import spread_of
from cocycle.maps import Map
from cocycle.refinement import approximates, at_all_times, extrapolation, rounded_down, shorter_step, state_error

STATES = 200  # at least: with 20 the jumps of a relaxation oscillator are missed
FEWEST_TIMES = 10  # of a batch as large as that
MEMORY = 2**24  # bytes of the frames that are compared at once
WHOLE = 64  # dimensions up to which the growth of the whole volume is looked at, whatever k is
OF_LARGEST = 2e-3  # error of an exponent beside the largest of all
OF_RATE = 1e-5  # beside the rate at which tangent vectors move, where all exponents are nearly zero


@final
@dataclass(frozen=True, eq=False)
class StepError:
    """What the run's step does to its results, estimated at `states` of its states; arrays are (*batch,).

    total: the error of the sum of all exponents, or of the first of those k asked for, where the whole volume cannot be
    followed: beyond 64 dimensions, or beyond rounding.  last: that of the most contracting one, NaN unless all n were
    asked for.  Both are value minus truth, in the unit of the exponents.  state: the largest error of a state after one
    step, over the root mean square fluctuation of the state.  dt: the step; factor: by what it is to be multiplied so
    that all of these are small, 1 or more where they are.  The errors of the other exponents are unknown: repeat at
    dt/2.
    """

    states: int
    total: np.ndarray
    last: np.ndarray
    state: np.ndarray
    dt: float
    factor: float

    @property
    def coarse(self) -> bool:
        """Whether the step is too long."""
        return self.factor < 1

    @property
    def suggested(self) -> float:
        """A dt that is short enough: dt itself, if it is."""
        return rounded_down(self.dt * self.factor) if self.coarse else self.dt

    def __add__(self, other: "StepError") -> "StepError":
        """That of two runs as one."""
        count = self.states + other.states
        total, last = (
            (self.states * getattr(self, name) + other.states * getattr(other, name)) / count
            for name in ("total", "last")
        )
        worse = min(self, other, key=lambda error: error.factor)
        return StepError(count, total, last, np.maximum(self.state, other.state), worse.dt, worse.factor)

    def __str__(self):
        words = [f"the sum of the exponents is off by about {_largest(self.total):+.2g}"]
        if not np.isnan(self.last).all():
            words.append(f"the most contracting one by {_largest(self.last):+.2g}")
        words.append(f"a state by up to {np.max(self.state):.2g} of its fluctuation after one step")
        return ", ".join(words) + "; the errors of the other exponents are unknown: repeat at dt/2"

    def warn(self, stacklevel: int) -> None:
        """Warn if the step is too long."""
        if self.coarse:
            warnings.warn(
                f"the step dt={self.dt:.4g} is too coarse: {self}.  dt={self.suggested:.2g} should do",
                stacklevel=stacklevel,
            )


def _largest(a: np.ndarray) -> float:
    """The element of largest modulus."""
    return float(np.ravel(a)[np.argmax(abs(np.ravel(a)))])


@final
class StepCheck:
    """Maps that can be `refined`, with states and frames of a run to look at, spread evenly over it."""

    def __init__(self, x: Array, q: Array):
        self.start: tuple[Array, Array] | None = (x, q)  # of the next map
        self.samples: list[tuple[Map, Array, Array]] = []
        members = max(1, prod(x.shape[:-1]))
        self.wanted = min(STATES, max(1, ceil(FEWEST_TIMES * STATES / members)))
        self.stride, self.count = 1, 0

    def maps(self, steps: Iterable[Map]) -> Iterator[Map]:
        """`steps`, the first of each group being remembered with the state and the frame before it."""
        for f in steps:
            if self.start is not None:
                self._take(f)
            yield f

    def watched(self, loop: Iterable[QRStep]) -> Iterator[QRStep]:
        """What the QR loop over `maps` yields."""
        for step in loop:
            self.start = step.x, step.q
            yield step

    def _take(self, f: Map) -> None:
        if self.count % self.stride == 0 and self.start is not None and approximates(f):
            x, q = self.start
            self.samples.append((f, constant(x), constant(q)))
            if len(self.samples) == 2 * self.wanted:
                self.samples, self.stride = self.samples[::2], 2 * self.stride
        self.start, self.count = None, self.count + 1

    def result(self, exponents: Array, errors: Array) -> StepError | None:
        """What was found, beside the `exponents` (*batch, k) of the run, with their standard errors; None for maps that
        are exact."""
        if not self.samples:
            return None
        parts = []
        for _, group in groupby(self.samples, key=lambda sample: id(sample[0])):
            maps, states, frames = zip(*group, strict=True)
            xp, together = namespace(states[0]), max(1, MEMORY // (8 * prod(frames[0].shape)))
            with np.errstate(all="ignore"):
                for i in range(0, len(states), together):
                    some = slice(i, i + together)
                    parts.append(_compared(maps[0], xp.stack(states[some]), xp.stack(frames[some])))
        growth, finer, moved, rate = (np.concatenate(part) for part in zip(*parts, strict=True))
        dt = float(np.median([float(f.dt) for f, _, _ in self.samples]))
        visited = np.stack([as_numpy(x) for _, x, _ in self.samples]).astype(np.float64)
        f, x, q = self.samples[0]
        lost = tolerances(f.tangent(x, q)[1].dtype).lost_spread
        with np.errstate(all="ignore"):
            known = _known(growth, finer, as_numpy(exponents).shape[-1], lost)
            exponents, errors = as_numpy(constant(exponents)), as_numpy(constant(errors))
            found = _judged(growth[..., :known], finer[..., :known], moved, rate, visited, exponents, f, dt)
            k = min(known, exponents.shape[-1])
            single = _mean((growth - finer)[..., :k] * extrapolation(f) / dt)
            return _with_changed(found, single, exponents[..., :k], errors[..., :k], rate, f.order)


def _compared(f: Map, x: Array, q: Array) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """At states x (times, *batch, n): ln diag(r) of f and of f refined (times, *batch, columns), how far apart they
    take the states (times, *batch, n), and how far f moves the frame (times, *batch).  In few dimensions the frame q
    is completed, so that the growth of the whole volume is there."""
    n, whole = x.shape[-1], q
    if q.shape[-1] < n <= WHOLE and n * prod(x.shape) <= max(MEMORY, prod(q.shape)):
        whole = orthonormalise(namespace(q).concatenate([q, frame(x, n - q.shape[-1])], axis=-1))[0]
    refined = f.refined()
    assert refined is not None  # `StepCheck` takes only maps that have one
    (y, s), (better, t) = (at_all_times(g.tangent, x, whole) for g in (f, refined))
    growth, finer = (np.log(as_numpy(namespace(a).linalg.diagonal(orthonormalise(double(a))[1]))) for a in (s, t))
    moved = ((as_numpy(s) - as_numpy(whole)).astype(np.float64) ** 2).sum((-2, -1)) / whole.shape[-1]
    return growth, finer, as_numpy(double(y) - double(better)), moved**0.5


def _known(growth: np.ndarray, finer: np.ndarray, k: int, lost: float) -> int:
    """How many columns of the frame to look at: all, unless some are lost in rounding, then those of the k asked for
    that are not."""
    spread = np.maximum(spread_of(growth), spread_of(finer)).reshape(-1, growth.shape[-1])
    zero = (growth == -np.inf).reshape(-1, growth.shape[-1])
    columns = np.flatnonzero((spread > np.log(lost)).any(0) | zero.any(0))
    return min(k, int(columns[0])) if len(columns) else growth.shape[-1]


def _judged(growth, finer, moved, rate, visited, exponents, f: Map, dt: float) -> StepError:
    """The errors from what was compared at the visited states, and the step that would make them small.

    Errors of exponents count as far as their own scatter over the states makes them sure, of each member of the batch
    and of its mean: a step across a kink is rare and large.
    """
    differences = (growth - finer) * extrapolation(f) / dt
    total, whole = _mean(differences.sum(-1)), exponents.shape[-1] == visited.shape[-1] == growth.shape[-1]
    last = _mean(differences[..., -1]) if whole else (np.full_like(total[0], np.nan), np.zeros_like(total[0]))
    error = state_error(moved * extrapolation(f), visited)
    largest = np.where(np.isfinite(exponents), abs(exponents), 0.0).max(-1)
    largest = np.maximum(largest, abs(growth.sum(-1).mean(0)) / dt)
    allowed = np.maximum(OF_LARGEST * largest, OF_RATE * (rate**2).mean(0) ** 0.5 / dt)
    healthy = np.isfinite(visited).all((0, -1))  # members that diverged are told elsewhere
    factors = [np.where(np.isfinite(error), shorter_step(f, error), 0.5)[healthy].min()]
    for mean, scatter in (total, last) if whole else (total,):
        mean, scatter, limit = mean[healthy], scatter[healthy], allowed[healthy]
        sure = np.append(abs(mean) - 2 * scatter, abs(mean.mean()) - 2 * scatter.mean() / len(mean) ** 0.5)
        excess = np.where(sure <= 0, 0.0, sure / np.append(limit, limit.mean()))
        factors.append(np.where(np.isfinite(excess), np.maximum(excess, 1e-12) ** (-1 / f.order), 0.5).min())
    return StepError(int(np.prod(visited.shape[:-1])), total[0], last[0], error, dt, float(min(factors)))


def _with_changed(found: StepError, single, exponents, errors, rate, order: int) -> StepError:
    """A shorter step where the step changes an exponent that is clearly not zero by half of itself or more.

    It is no estimate of that exponent's error, but where even what is local to single steps is that large the exponent
    means nothing.
    """
    mean, scatter = single
    floor = OF_RATE * (rate**2).mean(0)[..., None] ** 0.5 / found.dt
    sure, allowed = abs(mean) - 2 * scatter, np.maximum(abs(exponents) / 2, floor)
    wrong = (sure > allowed) & (abs(exponents) > 3 * errors)
    if not wrong.any():
        return found
    return replace(found, factor=min(found.factor, float((0.1 * allowed / sure)[wrong].min()) ** (1 / order)))


def _mean(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean over axis 0 and its standard error."""
    return values.mean(0), values.std(0) / len(values) ** 0.5
