"""The error of the step of an approximate map, by comparison with two steps of half the length along the run.

The mean difference of the growth in both predicts the errors of the sum of all exponents and of the most contracting
exponent, because these are averages of local rates that depend little on the attractor.  The leading exponents depend
on the attractor itself, and their error does not follow from local differences: compare with a run at half the step.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from math import ceil, prod
from typing import final

import numpy as np

from cocycle.arrays import Exponents, Frame, State, as_numpy, constant, double, namespace, tolerances
from cocycle.lyapunov.blocks import QRBlock
from cocycle.lyapunov.qr import QRStep, frame, orthonormalise
from cocycle.lyapunov.spread import log_diagonal, spread_of
from cocycle.maps import Map, rounded_down
from cocycle.refinement import approximates, at_all_times, extrapolation, shorter_step, state_error

STATES = 200  # at least: of 20 none may be in a jump of a relaxation oscillator
FEWEST_TIMES = 10  # for a batch of so many members
MEMORY = 2**24  # bytes of the frames that are compared together
WHOLE = 64  # dimensions up to which the growth of the whole volume is computed, for every k
OF_LARGEST = 2e-3  # allowed error of an exponent, relative to the largest of all
VOLUME = 0.05  # allowed change of ln volume over the whole run by the step, where the equation conserves volume
CONSERVED = 20  # times smaller, where it does, the error of a state must be: nothing else shows a step too long
OF_RATE = 1e-5  # the same relative to the rate of change of tangent vectors, where all exponents are nearly zero


@final
@dataclass(frozen=True, eq=False)
class StepError:
    """The errors of a run's results due to its step, estimated at `states` of its states; arrays are (*batch,).

    `total` is the error of the sum of all exponents; above 64 dimensions, or where some are lost in rounding, that of
    the sum of the first ones only.  `last` is the error of the most contracting exponent, NaN unless k = n.  Both are
    estimate minus true value, in the unit of the exponents.  `state` is the largest error of a state after one step,
    relative to the root mean square fluctuation of the state.  `dt` is the step; a step of `factor` dt makes these
    errors small, which they are if factor is at least 1.  `drift` is the change of ln volume over the whole run where
    the equation conserves volume, else 0.  `resolution` says what decides the errors, `remedy` what to change.  The
    errors of the other exponents are unknown: repeat at dt/2.
    """

    states: int
    total: np.ndarray
    last: np.ndarray
    state: np.ndarray
    dt: float
    factor: float
    drift: float = 0.0
    resolution: str = ""
    remedy: str = ""

    @property
    def coarse(self) -> bool:
        """Whether the step is too long."""
        return self.factor < 1

    @property
    def suggested(self) -> float:
        """A dt that is short enough; dt itself if it is."""
        return rounded_down(self.dt * self.factor) if self.coarse else self.dt

    def __add__(self, other: StepError) -> StepError:
        """The error of two runs together."""
        count = self.states + other.states
        total, last = (
            (self.states * getattr(self, name) + other.states * getattr(other, name)) / count
            for name in ("total", "last")
        )
        worse = min(self, other, key=lambda error: error.factor)
        state, drift = np.maximum(self.state, other.state), self.drift + other.drift
        return replace(worse, states=count, total=total, last=last, state=state, drift=drift)

    def __str__(self):
        words = [f"the sum of the exponents is off by about {_largest(self.total):+.2g}"]
        if not np.isnan(self.last).all():
            words.append(f"the most contracting one by {_largest(self.last):+.2g}")
        if abs(self.drift) > VOLUME:
            words.append(f"volumes, which the equation conserves, by a factor of {np.exp(self.drift):.2g} over the run")
        words.append(f"a state by up to {np.max(self.state):.2g} of its fluctuation after one step")
        return ", ".join(words) + "; the errors of the other exponents are unknown: repeat at dt/2"

    def warn(self, stacklevel: int) -> None:
        """Warn if the step is too long."""
        if self.coarse:
            warnings.warn(
                f"{self.resolution} is too coarse: {self}.  {self.remedy}",
                stacklevel=stacklevel,
            )


def _largest(a: np.ndarray) -> float:
    """The element of largest modulus."""
    return float(np.ravel(a)[np.argmax(abs(np.ravel(a)))])


@final
class StepCheck:
    """Approximate maps of a run with the states and frames at which they are checked, evenly spaced over the run."""

    def __init__(self, x: State, q: Frame):
        self.start: tuple[State, Frame] | None = (x, q)  # state and frame before the next map
        self.samples: list[tuple[Map, State, Frame]] = []
        members = max(1, prod(x.shape[:-1]))
        self.wanted = min(STATES, max(1, ceil(FEWEST_TIMES * STATES / members)))
        self.stride, self.count = 1, 0
        self.compiled = False  # whether there were blocks of steps

    def maps(self, steps: Iterable[Map]) -> Iterator[Map]:
        """`steps`; the first of each group is recorded with the state and the frame before it."""
        for f in steps:
            if self.start is not None:
                self._take(f)
            yield f

    def watched(self, loop: Iterable[QRStep | QRBlock]) -> Iterator[QRStep | QRBlock]:
        """The steps of the QR loop over `maps`, and blocks of steps."""
        for step in loop:
            if isinstance(step, QRBlock) and approximates(step.map):
                self.compiled = True
                self._take_from(step)
            self.start = step.x, step.q
            yield step

    def _take_from(self, block: QRBlock) -> None:
        """The samples that `_take` would record of the groups of a block."""
        first, place = self.count, -(-self.count // self.stride) * self.stride
        while place < first + len(block.logs):
            i, self.count = place - first, place
            self.start = (block.states[i - 1], block.frames[i - 1]) if i else self.start
            self._take(block.map)
            place = (place // self.stride + 1) * self.stride
        self.count = first + len(block.logs)

    def _take(self, f: Map) -> None:
        if self.count % self.stride == 0 and self.start is not None and approximates(f):
            x, q = self.start
            self.samples.append((f, constant(x), constant(q)))
            if len(self.samples) == 2 * self.wanted:
                self.samples, self.stride = self.samples[::2], 2 * self.stride
        self.start, self.count = None, self.count + 1

    def result(self, exponents: Exponents, errors: Exponents, time: float) -> StepError:
        """The step error at the samples, given the `exponents` of a run over that time and their standard errors."""
        parts = []
        for _, group in groupby(self.samples, key=lambda sample: id(sample[0])):
            maps, states, frames = zip(*group, strict=True)
            xp, together = namespace(states[0]), max(1, MEMORY // (8 * prod(frames[0].shape)))
            with np.errstate(all="ignore"):
                for i in range(0, len(states), together):
                    some = slice(i, i + together)
                    parts.append(_compared(maps[0], xp.stack(states[some]), xp.stack(frames[some]), self.compiled))
        growth, finer, moved, step, rate = (np.concatenate(part) for part in zip(*parts, strict=True))
        dt = float(np.median([float(f.dt) for f, _, _ in self.samples]))
        visited = np.stack([as_numpy(x) for _, x, _ in self.samples]).astype(np.float64)
        f, x, q = self.samples[0]
        lost = tolerances(f.tangent(x, q)[1].dtype).lost_spread
        with np.errstate(all="ignore"):
            known = _known(growth, finer, as_numpy(exponents).shape[-1], lost)
            exponents, errors = as_numpy(constant(exponents)), as_numpy(constant(errors))
            found = _judged(growth[..., :known], finer[..., :known], moved, step, rate, visited, exponents, f, dt, time)
            k = min(known, exponents.shape[-1])
            single = _mean((growth - finer)[..., :k] * extrapolation(f) / dt)
            found = _with_changed(found, single, exponents[..., :k], errors[..., :k], rate, f.order)
        places = namespace(x).stack([x for _, x, _ in self.samples])
        return replace(found, resolution=f.resolution, remedy=f.remedy(found.factor, places)) if found.coarse else found


def _compared(f: Map, x: State, q: Frame, compiled: bool) -> tuple[np.ndarray, ...]:
    """At states x (times, *batch, n): ln diag(r) of f and of f refined (times, *batch, columns), the difference of
    their values and the step (times, *batch, n), and the mean change of a frame vector by f (times, *batch).  In few
    dimensions the frame q is completed to n vectors, so that the growth of the whole volume is known."""
    n, whole = x.shape[-1], q
    if f.volume and q.shape[-1] < n <= WHOLE and n * prod(x.shape) <= max(MEMORY, prod(q.shape)):
        whole = orthonormalise(namespace(q).concatenate([q, frame(x, n - q.shape[-1])], axis=-1))[0]
    refined = f.refined()
    assert refined is not None  # `StepCheck` takes only maps that have one
    (y, s), (better, t) = (
        (g.pushed_by_loop(x, whole) if compiled else None) or at_all_times(g.tangent, x, whole) for g in (f, refined)
    )
    growth, finer = (as_numpy(log_diagonal(orthonormalise(double(a))[1])) for a in (s, t))
    moved = ((as_numpy(s) - as_numpy(whole)).astype(np.float64) ** 2).sum((-2, -1)) / whole.shape[-1]
    error, step = (as_numpy(double(a) - double(b)) for a, b in ((y, better), (better, x)))
    return growth, finer, error, step, moved**0.5


def _known(growth: np.ndarray, finer: np.ndarray, k: int, lost: float) -> int:
    """The number of columns of the frame to compare: all, unless some are lost in rounding; then those of the first k
    that come before them."""
    rows, better = (logs.reshape(-1, logs.shape[-1]) for logs in (growth, finer))
    spread = np.maximum(spread_of(rows).max(0), spread_of(better).max(0))
    columns = np.flatnonzero((spread > np.log(lost)) | (rows == -np.inf).any(0))
    return min(k, int(columns[0])) if len(columns) else growth.shape[-1]


def _judged(growth, finer, moved, step, rate, visited, exponents, f: Map, dt: float, time: float) -> StepError:
    """The errors from the differences at the visited states, and the step at which they are small.

    An error of an exponent counts by as much as it exceeds two standard errors over the states, for each member of the
    batch and for the mean of all: a step across a kink gives a rare, large difference.  Where an equation conserves
    volume, nothing but the step changes it, and energies with it, so that the change over the whole run counts.
    """
    differences = (growth - finer) * extrapolation(f) / dt
    total, whole = _mean(differences.sum(-1)), exponents.shape[-1] == visited.shape[-1] == growth.shape[-1]
    last = _mean(differences[..., -1]) if whole else (np.full_like(total[0], np.nan), np.zeros_like(total[0]))
    error = state_error(moved * extrapolation(f), visited, step)
    largest = np.where(np.isfinite(exponents), abs(exponents), 0.0).max(-1)
    largest = np.maximum(largest, abs(growth.sum(-1).mean(0)) / dt)
    allowed = np.maximum(OF_LARGEST * largest, OF_RATE * (rate**2).mean(0) ** 0.5 / dt)
    conserved = growth.shape[-1] == visited.shape[-1] and _conserves_volume(growth, finer)
    allowed = np.minimum(allowed, VOLUME / time) if conserved else allowed
    healthy = np.isfinite(visited).all((0, -1))  # for members that diverged there is an exception
    strict = CONSERVED if conserved else 1.0
    factors = [np.where(np.isfinite(error), shorter_step(f, strict * error), 0.5)[healthy].min()]
    for mean, scatter in (total, last) if whole else (total,):
        mean, scatter, limit = mean[healthy], scatter[healthy], allowed[healthy]
        sure = np.append(abs(mean) - 2 * scatter, abs(mean.mean()) - 2 * scatter.mean() / len(mean) ** 0.5)
        excess = np.where(sure <= 0, 0.0, sure / np.append(limit, limit.mean()))
        factors.append(np.where(np.isfinite(excess), np.maximum(excess, 1e-12) ** (-1 / f.order), 0.5).min())
    drift = time * _largest(total[0]) if conserved else 0.0
    return StepError(int(np.prod(visited.shape[:-1])), total[0], last[0], error, dt, float(min(factors)), drift)


def _conserves_volume(growth: np.ndarray, finer: np.ndarray) -> bool:
    """Whether the change of volume of each step is all error of the step: it nearly vanishes for two half steps."""
    left, error = abs(finer.sum(-1)), abs((growth - finer).sum(-1))
    return bool((left <= 0.2 * error + 1e-12 * abs(finer).sum(-1)).all())


def _with_changed(found: StepError, single, exponents, errors, rate, order: int) -> StepError:
    """A shorter step where the local error changes an exponent that is clearly not zero by half of itself or more.

    This does not estimate the error of the exponent, but with so large a local error its value is meaningless.
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
