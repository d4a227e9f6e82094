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

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from cocycle.arrays import Array, Factor, Frame, State, floating, namespace, require_count
from cocycle.lyapunov.blocks import QRBlock, compiled_loop, qr_blocks, split
from cocycle.lyapunov.exponents import Diverged, Spectrum
from cocycle.lyapunov.qr import QRStep, check_steps, orthonormal
from cocycle.lyapunov.spread import Spread, log_diagonal
from cocycle.lyapunov.step_error import StepCheck
from cocycle.lyapunov.stopping import Stopping
from cocycle.maps import Map
from cocycle.progress import progress_bar
from cocycle.threads import one_thread_if_small
from cocycle.trajectories import Repeated, number_of, repeated


def lyapunov_spectrum(
    steps: Iterable[Map],
    x: State,
    q: Frame,
    *,
    every: int | str = 1,
    transient: int = 0,
    thin: int = 1,
    until: float | Sequence[float] | None = None,
    threads: int = 1,
) -> Spectrum:
    """The Lyapunov exponents of the product of the tangent maps along the orbit of x.

    `steps` is any iterable of maps, and q the frame that they push forward, from `frame(x, k)`.  The frame is
    orthonormalised after every `every` maps, or as often as its growth needs with every="auto" (see `qr_steps`).  The
    first `transient` maps are applied to state and frame but not counted: the orbit approaches the attractor, and the
    frame aligns.  Memory: the frame, and batch x k numbers for each record of the growth, which is the sum over `thin`
    groups; for approximate maps also some hundred states and frames.

    With `until` the run ends before the last map, once the standard errors of all exponents are at most that; a
    sequence has one for each exponent, inf where any will do: until=(1e-3, inf, inf).  Warns if they are not reached.
    An orbit that stays near regular ones for long, as in Hamiltonian chaos, may end before it has left them.
    One formula many times, `repeat(map, count)`, is compiled (`Spectrum.loop` says why it is not), and the members of a
    batch are then divided among so many `threads`.

    Warns of exponents that are unreliable because the spread of the frame between two orthonormalisations is too large:
    where `every` is too long, or a single map exceeds the precision.  Warns, too, when the step of approximate maps,
    such as flows, is too long: see `step_error` of the result.

    Raises ValueError for shapes that do not fit, a start that is not finite, a map that changes the dimension, an
    `every` so long that vectors overflow or underflow, and a map repeated without end; TypeError for arrays that are
    not real numbers; `Diverged` when a state or a vector is no longer finite.
    """
    check_steps(steps)
    x, q = _start(x, q)
    for name, count, least in (("transient", transient, 0), ("thin", thin, 1), ("threads", threads, 1)):
        require_count(name, count, least)
    stopping = None if until is None else Stopping(until, q.shape[-1])
    total, run = number_of(steps), repeated(steps) or steps
    x, q = _in_batch(run, x, q)
    first, counted = split(run, transient)
    with one_thread_if_small(x, q.shape[-1]), progress_bar(total, "exponents") as advance:

        def loop(maps: Iterable[Map], **options: Any) -> Iterator[QRStep | QRBlock]:
            return _watched(qr_blocks(maps, x, q, every=every, threads=threads, **options), x.shape[-1], advance)

        def enough(growth: list[Array], times: list[np.ndarray], maps: int) -> bool:
            if stopping is None:
                return False
            stopped = stopping.enough(growth, times)
            advance(0, transient + maps if stopped else stopping.expected(transient, maps, total))
            return stopped

        x, q = _settled(loop(first), x, q)
        spread, check, way = Spread(), StepCheck(x, q), compiled_loop(counted, x, q)
        result = collect(check.watched(spread.watched(loop(counted, through=check.maps))), thin, enough)
    spread.warn(stacklevel=3)
    if stopping is not None:
        stopping.warn(stacklevel=3)
    return _with_step_error(replace(result, loop=way if isinstance(way, str) else "compiled"), check)


def _start(x: State, q: Frame) -> tuple[State, Frame]:
    """State and orthonormal frame as real numbers.  Raises ValueError where no member of x is finite."""
    x, q = floating("x", x), floating("q", q)
    q = orthonormal(x, q)
    if not namespace(x).isfinite(x).all(-1).any():
        raise ValueError("x must be finite; got a start that is not finite, or a batch without a finite one")
    return x, q


def _in_batch(steps: Iterable[Map], x: State, q: Frame) -> tuple[State, Frame]:
    """State and frame for each member of a batch of parameters, where there is one and a single state."""
    first = steps.map if isinstance(steps, Repeated) else steps[0] if isinstance(steps, Sequence) and steps else None
    batch = first.batch if isinstance(first, Map) else ()
    if not batch or x.ndim > 1:
        return x, q
    xp = namespace(x)
    return xp.broadcast_to(x, (*batch, *x.shape)) * 1.0, xp.broadcast_to(q, (*batch, *q.shape)) * 1.0


def _settled(loop: Iterable[QRStep | QRBlock], x: State, q: Frame) -> tuple[State, Frame]:
    """State and frame after the transient."""
    for count, step in enumerate(loop):
        x, q = step.x, step.q
        if not (namespace(x).isfinite(x).all(-1) & namespace(q).isfinite(q).all(-1).all(-1)).any():
            raise Diverged(f"values are no longer finite after QR step {count} of the transient", count, None)
    return x, q


def _with_step_error(result: Spectrum, check: StepCheck) -> Spectrum:
    if not check.samples:  # of maps that are exact
        return result
    error = check.result(result.exponents, result.standard_error, float(result.times.sum()))
    error.warn(stacklevel=4)
    return replace(result, step_error=error)


def _watched(loop: Iterable[QRStep | QRBlock], n: int, advance: Callable[[int], None]) -> Iterator[QRStep | QRBlock]:
    """The steps of a loop, with its progress; all states must have the dimension n."""
    for step in loop:
        advance(step.maps)
        if step.x.shape[-1] != n:
            raise ValueError(
                f"steps must keep the dimension, n={n}; got a map to dimension {step.x.shape[-1]}: take a state"
                " of as many components, or for the layers of a network `finite_time_exponents`"
            )
        yield step


def collect(
    loop: Iterable[QRStep | QRBlock],
    thin: int = 1,
    enough: Callable[[list[Array], list[np.ndarray], int], bool] = lambda *_: False,
) -> Spectrum:
    """The Spectrum of the steps that a QR loop yields, for a caller who also uses the states along the orbit.

    Each record of the growth is the sum over `thin` steps of the loop.  It ends once `enough`, of the records of growth
    and times and the number of maps so far, is true.  Raises ValueError when nothing is yielded or a
    map narrows the state below k, `Diverged` as `lyapunov_spectrum` does.
    """
    growth, times, last, maps, healthy, first, count = [], [], None, 0, True, None, 0
    for step in loop:
        logs = step.logs if isinstance(step, QRBlock) else _logs(step.r)
        xp = namespace(logs)
        healthy = healthy & xp.isfinite(step.x).all(-1) & (logs[-1] < np.inf).all(-1)
        if not healthy.all():
            first = count if first is None else first
            if not healthy.any():
                break
            logs = xp.where(healthy[..., None], logs, np.nan)
        _add(growth, times, logs, float(step.time), count, thin)
        last, maps, count = step, maps + step.maps, count + len(logs)
        if enough(growth, times, maps):
            break
    return _finished(growth, times, last, maps, healthy, first)


def _logs(r: Factor) -> Array:
    """ln diag(r) (1, *batch, k)."""
    n, k = r.shape[-2:]
    if n != k:
        raise ValueError(
            f"steps must keep a dimension of at least k={k}; got a map to dimension {n}: take a smaller k, or"
            " `finite_time_exponents`"
        )
    return log_diagonal(r)[None]


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
        raise Diverged("values are no longer finite after the first QR step: check the maps, and their dt", 0, None)
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
        message = (
            f"values are no longer finite after QR step {first}{which}: the orbit escapes, or dt is too long; .result"
            " is the spectrum up to there"
        )
        raise Diverged(message, first, result)
    return result
