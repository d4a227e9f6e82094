"""Lyapunov exponents as averages over the QR loop, with their standard errors.

    for f in steps:
        x, q = f.tangent(x, q)               # push the state and the frame forward
        q, r = qr(q)                         # orthonormalise, diag(r) >= 0
        growth += log(diag(r))               # growth of the successive vectors
    exponents = growth / time

Shimada & Nagashima, Prog. Theor. Phys. 61, 1605 (1979); Benettin, Galgani, Giorgilli & Strelcyn, Meccanica 15, 9
(1980). The loop is `cocycle.lyapunov.qr.qr_steps`, the sum `collect`; the rest is standard errors, warnings and
exceptions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from math import prod
from operator import add
from typing import final

import numpy as np

from cocycle.arrays import Array, Exponents, Frame, State, as_numpy, double, floating, namespace
from cocycle.lyapunov.blocks import QRBlock, qr_blocks, split
from cocycle.lyapunov.dimension import kaplan_yorke_dimension
from cocycle.lyapunov.errors import BATCHES, batches, broadcastable, standard_errors
from cocycle.lyapunov.qr import QRStep, check_steps, orthonormal
from cocycle.lyapunov.spread import Spread, log_diagonal
from cocycle.lyapunov.step_error import StepCheck, StepError
from cocycle.maps import Map
from cocycle.results import Plotted, html_table, rounded
from cocycle.threads import one_thread_if_small

SHOWN = 10  # exponents in a repr; of more the middle ones are left out


@final
@dataclass(frozen=True, eq=False)
class Spectrum(Plotted):
    """The growth of the frame along an orbit, its exponents, and its last state and frame.

    To continue a run, pass `x` and `q` to `lyapunov_spectrum` and add the results.  `growth` (groups, *batch, k) is
    ln diag(r) of each group of maps, `times` (groups,) the time of each, both in double precision; `maps` is the number
    of all maps.  `step_error` is the effect of the step of approximate maps on the exponents, None for exact maps.
    """

    growth: Array
    times: Array
    x: State
    q: Frame
    maps: int = 0
    step_error: StepError | None = None

    def __post_init__(self):
        for name in ("growth", "times"):
            object.__setattr__(self, name, double(getattr(self, name)))

    @property
    def exponents(self) -> Exponents:
        """Per unit time, in the order of the columns of the frame, not sorted.  NaN for members that diverged."""
        return _total(self.growth) / self.times.sum()

    @property
    def unit(self) -> str:
        """The unit of the exponents: "per step" where each map takes the time 1, as those of networks do."""
        return "per step" if self.maps and abs(float(self.times.sum()) / self.maps - 1) < 1e-9 else "per unit time"

    @property
    def batches(self) -> tuple[Array, Array]:
        """Growth (10, *batch, k) and times (10,) of ten consecutive segments of nearly equal time, or fewer where
        single groups are longer than a segment.  Raises ValueError for fewer than ten groups."""
        return batches(self.growth, self.times)

    @property
    def standard_error(self) -> Exponents:
        """The standard error of the finite time average, by `cocycle.lyapunov.errors`; NaN for fewer than ten groups.

        The variation between realisations of a random network is `scatter`.
        """
        return standard_errors(self.growth, self.times, np.array([len(self.times)]))[0]

    @property
    def scatter(self) -> Array:
        """The standard deviation (k,) of the exponents over the members of the batch, NaN for a single one."""
        members = self.exponents.reshape(-1, self.growth.shape[-1])
        with np.errstate(invalid="ignore"):
            squares = ((members - members.mean(0)) ** 2).sum(0)
        return (squares / (len(members) - 1)) ** 0.5 if len(members) > 1 else squares * np.nan

    def running(self, points: int = 200) -> tuple[Array, Array, Array]:
        """The convergence of the estimate: times (points,), exponents and standard errors (points, *batch, k) up to
        them, at no more than `points` times, evenly spaced over the record."""
        ends = np.linspace(1, len(self.times), min(points, len(self.times))).astype(int)
        growth, times = self.growth.cumsum(0)[ends - 1], self.times.cumsum(0)[ends - 1]
        return times, growth / broadcastable(times, growth), standard_errors(self.growth, self.times, ends)

    @property
    def kaplan_yorke(self) -> np.ndarray:
        """The Kaplan-Yorke dimension (*batch,); `lyapunov.kaplan_yorke` gives it with its error."""
        exponents = as_numpy(self.exponents)
        return kaplan_yorke_dimension(exponents, complete=exponents.shape[-1] == self.x.shape[-1])

    def __add__(self, later: Spectrum) -> Spectrum:
        """The result of this run and of the run that continued it, together."""
        join = namespace(self.growth).concatenate
        growth, times = join([self.growth, later.growth]), join([self.times, later.times])
        known = [result.step_error for result in (self, later) if result.step_error is not None]
        error = reduce(add, known) if known else None
        return Spectrum(growth, times, later.x, later.q, self.maps + later.maps, error)

    @property
    def _head(self) -> str:
        batch = tuple(self.exponents.shape[:-1])
        return f"Spectrum over time {float(self.times.sum()):g}" + (f", batch {batch}, mean ± scatter" if batch else "")

    def _values(self) -> Iterator[tuple[float, float]]:
        """Value and standard error of each exponent; of a batch, mean and scatter over its members."""
        batch = self.exponents.ndim > 1
        values = self.exponents.reshape(-1, self.exponents.shape[-1]).mean(0) if batch else self.exponents
        errors = self.scatter if batch else self.standard_error
        return ((float(value), float(error)) for value, error in zip(values, errors, strict=True))

    def __repr__(self):
        words = [" ± ".join(rounded(*pair)) for pair in self._values()]
        if len(self.times) < BATCHES and self.exponents.ndim == 1:
            words = [f"{value:.6g} (fewer than ten groups of maps: no error bar)" for value, _ in self._values()]
        if len(words) > SHOWN:
            words[SHOWN // 2 : -2] = [f"... ({len(words)} in all)"]
        coarse = self.step_error is not None and self.step_error.coarse
        return f"{self._head}: " + ", ".join(words) + f" {self.unit}" + (f" (too coarse: {self.step_error})" * coarse)

    def _repr_html_(self):
        rows: list[tuple[object, str, str]] = [(i, *rounded(*pair)) for i, pair in enumerate(self._values(), 1)]
        if len(rows) > SHOWN:
            rows[SHOWN // 2 : -2] = [("…", f"{len(rows)} in all", "")]
        return html_table(self._head, ("i", f"λᵢ {self.unit}", "±"), rows)


def _total(growth: Array) -> Array:
    """The sum over axis 0, made over contiguous memory, where it is pairwise: term by term, 10⁶ groups lose three
    digits."""
    rows = namespace(growth).moveaxis(growth, 0, -1)
    return (np.ascontiguousarray(rows) if isinstance(rows, np.ndarray) else rows.contiguous()).sum(-1)


class Diverged(ArithmeticError):
    """A state or a tangent vector was no longer finite after QR step `step`; `result` is the Spectrum up to there.

    Of a batch `result` is the Spectrum of the whole run, with NaN for members that diverged.  None during the
    transient.
    """

    def __init__(self, message: str, step: int, result: Spectrum | None):
        super().__init__(message, step, result)  # all arguments, as pickling needs them
        self.step, self.result = step, result

    def __str__(self):
        return self.args[0]


def lyapunov_spectrum(
    steps: Iterable[Map], x: State, q: Frame, *, every: int | str = 1, transient: int = 0, thin: int = 1
) -> Spectrum:
    """The Lyapunov exponents of the product of the tangent maps along the orbit of x.

    `steps` is any iterable of maps, and q the frame that they push forward, from `frame(x, k)`.  The frame is
    orthonormalised after every `every` maps, or as often as its growth needs with every="auto" (see `qr_steps`).  The
    first `transient` maps are applied to state and frame but not counted: the orbit approaches the attractor, and the
    frame aligns.  Memory: the frame, and batch x k numbers for each record of the growth, which is the sum over `thin`
    groups; for approximate maps also some hundred states and frames.

    Warns of exponents that are unreliable because the spread of the frame between two orthonormalisations is too large:
    where `every` is too long, or a single map exceeds the precision.  Warns, too, when the step of approximate maps,
    such as flows, is too long: see `step_error` of the result.

    Raises ValueError for shapes that do not fit, a start that is not finite, a map that changes the dimension, and an
    `every` so long that vectors overflow or underflow; TypeError for arrays that are not real numbers; `Diverged` when
    a state or a vector is no longer finite.
    """
    check_steps(steps)
    x, q = floating("x", x), floating("q", q)
    q = orthonormal(x, q)
    if not namespace(x).isfinite(x).all(-1).any():
        raise ValueError("x must be finite; got a start that is not finite, or a batch without a finite one")
    for name, count, least in (("transient", transient, 0), ("thin", thin, 1)):
        if not isinstance(count, int | np.integer) or count < least:
            raise ValueError(f"{name} must be an integer of at least {least}; got {count!r}")
    with one_thread_if_small(x, q.shape[-1]):
        return _spectrum(steps, x, q, every, transient, thin)


def _spectrum(steps: Iterable[Map], x: State, q: Frame, every: int | str, transient: int, thin: int) -> Spectrum:
    first, counted = split(steps, transient)
    for count, settled in enumerate(_of_one_dimension(qr_blocks(first, x, q, every=every), x)):
        x, q = settled.x, settled.q
        if not (namespace(x).isfinite(x).all(-1) & namespace(q).isfinite(q).all(-1).all(-1)).any():
            raise Diverged(f"values are no longer finite after QR step {count} of the transient", count, None)
    spread, check = Spread(), StepCheck(x, q)
    loop = _of_one_dimension(qr_blocks(counted, x, q, every=every, through=check.maps), x)
    result = collect(check.watched(spread.watched(loop)), thin)
    spread.warn(stacklevel=4)
    if not check.samples:  # of maps that are exact
        return result
    error = check.result(result.exponents, result.standard_error)
    error.warn(stacklevel=4)
    return replace(result, step_error=error)


def _of_one_dimension(loop: Iterable[QRStep | QRBlock], x: State) -> Iterator[QRStep | QRBlock]:
    n = x.shape[-1]
    for step in loop:
        if step.x.shape[-1] != n:
            raise ValueError(
                f"steps must keep the dimension, n={n}; got a map to dimension {step.x.shape[-1]}: for the layers of a"
                " network take `finite_time_exponents`"
            )
        yield step


def collect(loop: Iterable[QRStep | QRBlock], thin: int = 1) -> Spectrum:
    """The Spectrum of the steps that a QR loop yields, for a caller who also uses the states along the orbit.

    Each record of the growth is the sum over `thin` steps of the loop.  Raises ValueError when nothing is yielded or a
    map narrows the state below k, `Diverged` as `lyapunov_spectrum` does.
    """
    growth, times, last, maps, healthy, first, count = [], [], None, 0, True, None, 0
    for step in loop:
        xp, k = namespace(step.r), step.r.shape[-1]
        if step.r.shape[-2] != k:
            n = step.r.shape[-2]
            raise ValueError(
                f"steps must keep a dimension of at least k={k}; got a map to dimension {n}: take a smaller k, or"
                " `finite_time_exponents`"
            )
        logs = log_diagonal(step.r)
        logs = logs if isinstance(step, QRBlock) else logs[None]
        healthy = healthy & xp.isfinite(step.x).all(-1) & (logs[-1] < np.inf).all(-1)
        if not healthy.all():
            first = count if first is None else first
            if not healthy.any():
                break
            logs = xp.where(healthy[..., None], logs, np.nan)
        _add(growth, times, logs, float(step.time), count, thin)
        last, maps, count = step, maps + step.maps, count + len(logs)
    return _finished(growth, times, last, maps, healthy, first)


def _add(growth: list[Array], times: list[np.ndarray], logs: Array, time: float, count: int, thin: int) -> None:
    """Add the growth (groups, *batch, k) of groups that each took `time`; each record is the sum over `thin` of them.

    `count` groups were added before.
    """
    missing = min(-count % thin, len(logs))  # to the last record
    if missing:
        growth[-1][-1] += logs[:missing].sum(0)
        times[-1][-1] += missing * time
    if missing < len(logs):
        starts = np.arange(missing, len(logs), thin)
        growth.append(np.add.reduceat(logs, starts) if thin > 1 and len(logs) > 1 else logs[missing:])
        times.append(np.diff(np.append(starts, len(logs))) * time)


def _finished(growth, times, last, maps, healthy, first) -> Spectrum:
    if first == 0 and not growth:
        raise Diverged("values are no longer finite after the first QR step: check the maps", 0, None)
    if not growth:
        raise ValueError(
            "steps must hold at least one map after the transient; got none: take more steps, or a smaller transient"
        )
    xp = namespace(growth[0])
    times = xp.asarray(np.concatenate(times), dtype=growth[0].dtype, device=growth[0].device)
    result = Spectrum(xp.concatenate(growth), times, last.x, last.q, maps)
    if first is not None:
        which = (
            "" if healthy.ndim == 0 else f" for {int((~healthy).sum())} of {prod(healthy.shape)} members of the batch"
        )
        message = f"values are no longer finite after QR step {first}{which}; .result is the spectrum up to there"
        raise Diverged(message, first, result)
    return result
