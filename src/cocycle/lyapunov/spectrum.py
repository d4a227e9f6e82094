"""Lyapunov exponents as averages over the QR loop, with the error bar that belongs to them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from itertools import islice
from math import prod
from operator import add
from typing import final

import numpy as np

from cocycle.arrays import Array, as_numpy, double, floating, namespace
from cocycle.lyapunov.blocks import QRBlock, qr_blocks, repeated
from cocycle.lyapunov.dimension import kaplan_yorke_dimension
from cocycle.lyapunov.errors import BATCHES, batches, standard_errors
from cocycle.lyapunov.qr import QRStep, check_steps, orthonormal
from cocycle.lyapunov.spread import Spread
from cocycle.lyapunov.step_error import StepCheck, StepError
from cocycle.maps import Map
from cocycle.results import Plotted, html_table
from cocycle.threads import one_thread_if_small

SHOWN = 10  # exponents that a repr spells out


@final
@dataclass(frozen=True, eq=False)
class Spectrum(Plotted):
    """What the QR loop found, and where it stopped: pass `x` and `q` to `lyapunov_spectrum` again and add the results.

    growth (groups, *batch, k) is ln diag(r) after each group of maps, times (groups,) the time each took, both in
    double precision; maps the number of all maps.  step_error: what the step of maps that approximate does to the
    exponents, None for maps that are exact.
    """

    growth: Array
    times: Array
    x: Array
    q: Array
    maps: int = 0
    step_error: StepError | None = None

    def __post_init__(self):
        for name in ("growth", "times"):
            object.__setattr__(self, name, double(getattr(self, name)))

    @property
    def exponents(self) -> Array:
        """(*batch, k), per unit time, in the order of the QR columns: not sorted.  NaN where it diverged."""
        return _total(self.growth) / self.times.sum()

    @property
    def unit(self) -> str:
        """That of the exponents: "per step" where each map took the time 1, as those of networks do."""
        return "per step" if self.maps and abs(float(self.times.sum()) / self.maps - 1) < 1e-9 else "per unit time"

    @property
    def batches(self) -> tuple[Array, Array]:
        """Growth (10, *batch, k) and times (10,) of ten consecutive segments of equal time: fewer where single groups
        are longer.

        Raises ValueError when the record has fewer than ten groups.
        """
        return batches(self.growth, self.times)

    @property
    def standard_error(self) -> Array:
        """(*batch, k): from the scatter of ten consecutive segments, and from cumulative deviations from the mean.

        NaN when there are fewer than ten groups.  It measures the error of a finite time average; how much
        realisations of a random network differ is `scatter`, another thing.  See `cocycle.lyapunov.errors`.
        """
        return standard_errors(self.growth, self.times, np.array([len(self.times)]))[0]

    @property
    def scatter(self) -> Array:
        """(k,): the standard deviation of the exponents over the members of the batch, NaN for a single one."""
        members = self.exponents.reshape(-1, self.growth.shape[-1])
        with np.errstate(invalid="ignore"):
            squares = ((members - members.mean(0)) ** 2).sum(0)
        return (squares / (len(members) - 1)) ** 0.5 if len(members) > 1 else squares * np.nan

    def running(self, points: int = 200) -> tuple[Array, Array, Array]:
        """How the estimate settled: times (points,), exponents and standard errors (points, *batch, k) up to them.

        At most `points` moments, evenly spaced over the record.
        """
        ends = np.linspace(1, len(self.times), min(points, len(self.times))).astype(int)
        growth, times = self.growth.cumsum(0)[ends - 1], self.times.cumsum(0)[ends - 1]
        exponents = growth / times.reshape(-1, *[1] * (growth.ndim - 1))
        return times, exponents, standard_errors(self.growth, self.times, ends)

    @property
    def kaplan_yorke(self) -> Array:
        """(*batch,): the dimension of Kaplan and Yorke; `lyapunov.kaplan_yorke` gives it with its error."""
        exponents = as_numpy(self.exponents)
        return kaplan_yorke_dimension(exponents, complete=exponents.shape[-1] == self.x.shape[-1])

    def __add__(self, later: "Spectrum") -> "Spectrum":
        """This result and the one that continued it, as one."""
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
        """What is shown of each exponent: value and standard error, or mean and scatter over a batch."""
        batch = self.exponents.ndim > 1
        values = self.exponents.reshape(-1, self.exponents.shape[-1]).mean(0) if batch else self.exponents
        errors = self.scatter if batch else self.standard_error
        return ((float(value), float(error)) for value, error in zip(values, errors, strict=True))

    def __repr__(self):
        words = [f"{value:.6g} ± {error:.2g}" for value, error in self._values()]
        if len(self.times) < BATCHES and self.exponents.ndim == 1:
            words = [f"{value:.6g} (fewer than ten records: no error bar)" for value, _ in self._values()]
        if len(words) > SHOWN:
            words[SHOWN // 2 : -2] = [f"... ({len(words)} in all)"]
        coarse = self.step_error is not None and self.step_error.coarse
        return f"{self._head}: " + ", ".join(words) + f" {self.unit}" + (f" (too coarse: {self.step_error})" * coarse)

    def _repr_html_(self):
        rows: list[tuple[object, str, str]] = [
            (i, f"{value:.6g}", f"{error:.2g}") for i, (value, error) in enumerate(self._values(), 1)
        ]
        if len(rows) > SHOWN:
            rows[SHOWN // 2 : -2] = [("…", f"{len(rows)} in all", "")]
        return html_table(self._head, ("i", f"λᵢ {self.unit}", "±"), rows)


def _total(growth: Array) -> Array:
    """The sum over axis 0, pairwise as over contiguous memory: term by term, 10⁶ groups cost three digits."""
    rows = namespace(growth).moveaxis(growth, 0, -1)
    return (np.ascontiguousarray(rows) if isinstance(rows, np.ndarray) else rows.contiguous()).sum(-1)


class Diverged(ArithmeticError):
    """A state or a tangent vector left every bound at `step`; `result` is the Spectrum of what came before.

    In a batch the other members were carried to the end: `result` has NaN for those that diverged.  None if the
    transient was not over.
    """

    def __init__(self, message: str, step: int, result: Spectrum | None):
        super().__init__(message, step, result)  # all arguments, so that it survives pickling between processes
        self.step, self.result = step, result

    def __str__(self):
        return self.args[0]


def lyapunov_spectrum(
    steps: Iterable[Map], x: Array, q: Array, *, every: int | str = 1, transient: int = 0, thin: int = 1
) -> Spectrum:
    """The Lyapunov exponents of the product of the tangent maps along the orbit of x (*batch, n).

    `steps` is any iterable of maps and q (*batch, n, k) the frame they push, from `frame(x, k)`.  The frame is
    orthonormalised after every `every` maps, or as its growth demands with every="auto" (see `qr_steps`).  The first
    `transient` maps are run, frame included, and not counted: the state has to settle, then the frame to align.
    Memory: the frame, and batch x k numbers for each record of the growth, which takes together `thin` groups; of maps
    that approximate also some hundred states and frames.

    Warns when the frame spread so much between two orthonormalisations that the last exponents are noise, and says
    which: because `every` is too long, or because a single map spreads it as far as numbers have digits.  Warns too
    when the step of maps that approximate, such as flows, is too long: `step_error` of the result has what was found.

    Raises ValueError for shapes that do not fit, a start that is not finite, a map that changes the dimension, and an
    `every` so long that the vectors leave the range of numbers; TypeError for arrays that are not real numbers;
    `Diverged` when a state or a vector is no longer finite.
    """
    check_steps(steps)
    x, q = floating("x", x), floating("q", q)
    q = orthonormal(x, q)
    if not namespace(x).isfinite(x).all(-1).any():
        raise ValueError("x must be finite: the start is not finite, or none of a batch is")
    for name, count, least in (("transient", transient, 0), ("thin", thin, 1)):
        if not isinstance(count, int | np.integer) or count < least:
            raise ValueError(f"{name} must be an integer of at least {least}; got {count!r}")
    with one_thread_if_small(x, q.shape[-1]):
        return _spectrum(steps, x, q, every, transient, thin)


def _spectrum(steps: Iterable[Map], x: Array, q: Array, every: int | str, transient: int, thin: int) -> Spectrum:
    run = repeated(steps)
    rest = iter(steps) if run is None else None
    first, counted = (islice(rest, transient), rest) if rest is not None else run.split(transient)
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


def _of_one_dimension(loop: Iterable[QRStep | QRBlock], x: Array) -> Iterator[QRStep | QRBlock]:
    n = x.shape[-1]
    for step in loop:
        if step.x.shape[-1] != n:
            raise ValueError(
                f"spectrum takes maps that keep the dimension, n={n}; a map made it {step.x.shape[-1]}: for the layers"
                " of a network use `finite_time_exponents`"
            )
        yield step


def collect(loop: Iterable[QRStep | QRBlock], thin: int = 1) -> Spectrum:
    """The Spectrum of what the QR loop yields, for a caller who wants to look at its states on the way.

    Each record of the growth takes together `thin` steps of the loop.  Raises ValueError when nothing is yielded or a
    map narrows the state below k, `Diverged` as `lyapunov_spectrum` does.
    """
    growth, times, last, maps, healthy, first, count = [], [], None, 0, True, None, 0
    for step in loop:
        xp, k = namespace(step.r), step.r.shape[-1]
        if step.r.shape[-2] != k:
            n = step.r.shape[-2]
            raise ValueError(
                f"a map narrows the state to {n} < k = {k} dimensions: use `finite_time_exponents`, or smaller k"
            )
        logs = _log(xp, xp.linalg.diagonal(step.r))
        logs = logs if isinstance(step, QRBlock) else logs[None]
        healthy = healthy & xp.isfinite(step.x).all(-1) & (logs[-1] < np.inf).all(-1)
        if not healthy.all():
            first = count if first is None else first
            if not healthy.any():
                break
            logs = xp.where(healthy[..., None], logs, np.nan)
        took = np.full(len(logs), float(step.time))
        _add(growth, times, logs, took, count, thin)
        last, maps, count = step, maps + step.maps, count + len(logs)
    return _finished(growth, times, last, maps, healthy, first)


def _add(growth: list[Array], times: list[np.ndarray], logs: Array, took: np.ndarray, count: int, thin: int) -> None:
    """Add the records of groups, of which `count` were before, `thin` taken together."""
    missing = min(-count % thin, len(logs))  # to the record that is not complete
    if missing:
        growth[-1][-1] += logs[:missing].sum(0)
        times[-1][-1] += took[:missing].sum()
    if missing < len(logs):
        starts = np.arange(missing, len(logs), thin)
        growth.append(logs[missing:] if thin == 1 else np.add.reduceat(logs, starts) if len(logs) > 1 else logs)
        times.append(np.add.reduceat(took, starts))


def _log(xp, diagonal):
    if xp is np:
        with np.errstate(divide="ignore", invalid="ignore"):  # a projection has exponent -inf, and that is right
            return np.log(double(diagonal))
    return xp.log(double(diagonal))


def _finished(growth, times, last, maps, healthy, first) -> Spectrum:
    if first == 0 and not growth:
        raise Diverged("values are no longer finite after the first QR step: check the maps", 0, None)
    if not growth:
        raise ValueError("steps must hold at least one map after the transient; got none")
    xp = namespace(growth[0])
    result = Spectrum(xp.concatenate(growth), _like(xp, growth[0], np.concatenate(times)), last.x, last.q, maps)
    if first is not None:
        which = (
            "" if healthy.ndim == 0 else f" for {int((~healthy).sum())} of {prod(healthy.shape)} members of the batch"
        )
        message = f"values are no longer finite after QR step {first}{which}; .result holds what was reached"
        raise Diverged(message, first, result)
    return result


def _like(xp, reference, times):
    return xp.asarray(times, dtype=reference.dtype, device=reference.device)
