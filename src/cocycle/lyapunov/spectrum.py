"""Lyapunov exponents as averages over the QR loop, with the error bar that belongs to them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from math import prod
from typing import TYPE_CHECKING, final

import numpy as np

from cocycle.arrays import Array, as_numpy, floating, namespace
from cocycle.lyapunov.derived import kaplan_yorke_dimension
from cocycle.lyapunov.qr import QRStep, check_steps, orthonormal, qr_steps
from cocycle.lyapunov.spread import Spread
from cocycle.maps import Map
from cocycle.progress import tracked
from cocycle.tables import html_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 10  # exponents that a repr spells out
BATCHES = 10  # means of about ten batches give an honest error for anticorrelated growth, where longer lags fail


@final
@dataclass(frozen=True, eq=False)
class Spectrum:
    """What the QR loop found, and where it stopped: pass `x` and `q` to `spectrum` again and add the results.

    growth (groups, *batch, k) is ln diag(r) after each group of maps, times (groups,) the time each took, maps the
    number of all maps.
    """

    growth: Array
    times: Array
    x: Array
    q: Array
    maps: int = 0

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
        """Growth (10, *batch, k) and times (10,) of ten consecutive stretches of the record, all of its latest part.

        Raises ValueError when the record has fewer than ten groups.
        """
        used = len(self.times) // BATCHES * BATCHES
        if used == 0:
            raise ValueError(f"an error bar takes at least {BATCHES} groups of maps; got {len(self.times)}")
        shape = (BATCHES, used // BATCHES)
        growth = self.growth[-used:].reshape(*shape, *self.growth.shape[1:]).sum(1)
        return growth, self.times[-used:].reshape(shape).sum(1)

    @property
    def standard_error(self) -> Array:
        """(*batch, k): the scatter of the means of ten consecutive batches, over √10.

        NaN when there are fewer than ten groups.  It measures the error of a finite time average; how much
        realisations of a random network differ is `scatter`, another thing.
        """
        if len(self.times) < BATCHES:
            return namespace(self.growth).full_like(self.exponents, np.nan)
        return _batch_error(*self.batches)

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
        xp, ends = namespace(self.growth), np.linspace(1, len(self.times), min(points, len(self.times))).astype(int)
        growth, times = self.growth.cumsum(0), self.times.cumsum(0)
        column = (-1, *[1] * (growth.ndim - 1))
        exponents = growth[ends - 1] / times[ends - 1].reshape(column)
        errors = xp.full_like(exponents, np.nan)
        for i, end in enumerate(ends):
            if end >= BATCHES:
                borders = end % BATCHES + end // BATCHES * np.arange(1, BATCHES + 1) - 1
                total, elapsed = growth[borders], times[borders]
                errors[i] = _batch_error(total[1:] - total[:-1], elapsed[1:] - elapsed[:-1])
        return times[ends - 1], exponents, errors

    @property
    def kaplan_yorke(self) -> Array:
        """(*batch,): the dimension of Kaplan and Yorke; `lyapunov.kaplan_yorke` gives it with its error."""
        exponents = as_numpy(self.exponents)
        return kaplan_yorke_dimension(exponents, complete=exponents.shape[-1] == self.x.shape[-1])

    def __add__(self, later: "Spectrum") -> "Spectrum":
        """This result and the one that continued it, as one."""
        join = namespace(self.growth).concatenate
        return Spectrum(
            join([self.growth, later.growth]), join([self.times, later.times]), later.x, later.q, self.maps + later.maps
        )

    def plot(self, *, unit: str | None = None) -> "Figure":
        """How the exponents settled, and where they ended: see `cocycle.plotting.convergence_figure`."""
        from cocycle.plotting import convergence_figure

        return convergence_figure(self, unit=unit)

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
        return f"{self._head}: " + ", ".join(words) + f" {self.unit}"

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


def _batch_error(growth: Array, times: Array) -> Array:
    """The standard error of the mean rate from the rates of consecutive stretches (stretches, *batch, k)."""
    rates, count = growth / times.reshape(-1, *[1] * (growth.ndim - 1)), len(times)
    with np.errstate(invalid="ignore"):  # an exponent of -inf has no error bar: NaN
        return ((rates - rates.mean(0)) ** 2).sum(0) ** 0.5 / (count * (count - 1)) ** 0.5


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


def spectrum(
    steps: Iterable[Map], x: Array, q: Array, *, every: int | str = 1, transient: int = 0, thin: int = 1
) -> Spectrum:
    """The Lyapunov exponents of the product of the tangent maps along the orbit of x (*batch, n).

    `steps` is any iterable of maps and q (*batch, n, k) the frame they push, from `frame(x, k)`.  The frame is
    orthonormalised after every `every` maps, or as its growth demands with every="auto" (see `qr_steps`).  The first
    `transient` maps are run, frame included, and not counted: the state has to settle, then the frame to align.
    Memory: the frame, and batch x k numbers for each record of the growth; a record takes together `thin` groups.

    Warns when the frame spread so much between two orthonormalisations that the last exponents are noise, and says
    which: because `every` is too long, or because a single map spreads it as far as numbers have digits.

    Raises ValueError for shapes that do not fit, a map that changes the dimension, or an `every` so long that the
    vectors leave the range of numbers, TypeError for arrays that are not numbers, and `Diverged` when a state or a
    vector is no longer finite.
    """
    check_steps(steps)
    x, q = floating("x", x), floating("q", q)
    q = orthonormal(x, q)
    for name, count, least in (("transient", transient, 0), ("thin", thin, 1)):
        if not isinstance(count, int | np.integer) or count < least:
            raise ValueError(f"{name} must be an integer of at least {least}; got {count!r}")
    steps = iter(tracked(steps, "exponents"))
    for count, settled in enumerate(_of_one_dimension(qr_steps(islice(steps, transient), x, q, every=every), x)):
        x, q = settled.x, settled.q
        if not namespace(x).isfinite(x).all(-1).any():
            raise Diverged(f"values are no longer finite after QR step {count} of the transient", count, None)
    spread = Spread()
    result = collect(spread.watched(_of_one_dimension(qr_steps(steps, x, q, every=every), x)), thin)
    spread.warn()
    return result


def _of_one_dimension(loop: Iterable[QRStep], x: Array) -> Iterator[QRStep]:
    n = x.shape[-1]
    for step in loop:
        if step.x.shape[-1] != n:
            raise ValueError(
                f"spectrum takes maps that keep the dimension, n={n}; a map made it {step.x.shape[-1]}: for the layers"
                " of a network use `stretching`"
            )
        yield step


def collect(loop: Iterable[QRStep], thin: int = 1) -> Spectrum:
    """The Spectrum of what the QR loop yields, for a caller who wants to look at its states on the way.

    Each record of the growth takes together `thin` steps of the loop.  Raises ValueError when nothing is yielded or a
    map narrows the state below k, `Diverged` as `spectrum` does.
    """
    growth, times, last, maps, healthy, first = [], [], None, 0, True, None
    for count, step in enumerate(loop):
        xp, k = namespace(step.r), step.r.shape[-1]
        if step.r.shape[-2] != k:
            n = step.r.shape[-2]
            raise ValueError(f"a map narrows the state to {n} < k = {k} dimensions: use `stretching`, or smaller k")
        logs = _log(xp, xp.linalg.diagonal(step.r))
        healthy = healthy & xp.isfinite(step.x).all(-1) & (logs < np.inf).all(-1)
        if not healthy.all():
            first = count if first is None else first
            if not healthy.any():
                break
            logs = xp.where(healthy[..., None], logs, np.nan)
        if count % thin:
            growth[-1], times[-1] = growth[-1] + logs, times[-1] + step.time
        else:
            growth.append(logs)
            times.append(step.time)
        last, maps = step, maps + step.maps
    return _finished(growth, times, last, maps, healthy, first)


def _log(xp, diagonal):
    if xp is np:
        with np.errstate(divide="ignore", invalid="ignore"):  # a projection has exponent -inf, and that is right
            return np.log(diagonal)
    return xp.log(diagonal)


def _finished(growth, times, last, maps, healthy, first) -> Spectrum:
    if first == 0 and not growth:
        raise ValueError("the first group of steps already gives values that are not finite: check x, q and the maps")
    if not growth:
        raise ValueError("steps must hold at least one map after the transient; got none")
    xp = namespace(growth[0])
    result = Spectrum(xp.stack(growth), _like(xp, growth[0], times), last.x, last.q, maps)
    if first is not None:
        which = (
            "" if healthy.ndim == 0 else f" for {int((~healthy).sum())} of {prod(healthy.shape)} members of the batch"
        )
        message = f"values are no longer finite after QR step {first}{which}; .result holds what was reached"
        raise Diverged(message, first, result)
    return result


def _like(xp, reference, times):
    return xp.asarray(times, dtype=reference.dtype, device=reference.device)
