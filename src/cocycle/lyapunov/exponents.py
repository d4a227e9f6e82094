"""The result of a run: growth of the frame, exponents with their errors, convergence, dimension."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import final

import numpy as np

from cocycle.arrays import Array, Exponents, Frame, State, as_numpy, double, namespace
from cocycle.lyapunov.dimension import kaplan_yorke_dimension
from cocycle.lyapunov.errors import BATCHES, batches, broadcastable, standard_errors
from cocycle.lyapunov.step_error import StepError
from cocycle.results import Plotted, html_table, rounded

SHOWN = 10  # exponents in a repr; of more the middle ones are left out


@final
@dataclass(frozen=True, eq=False)
class Spectrum(Plotted):
    """The growth of the frame along an orbit, its exponents, and its last state and frame.

    To continue a run, pass `x` and `q` to `lyapunov_spectrum` and add the results.  `growth` (groups, *batch, k) is
    ln diag(r) of each group of maps, `times` (groups,) the time of each, both in double precision; `maps` is the number
    of all maps.  `step_error` is the effect of the step of approximate maps on the exponents, None for exact maps.
    `loop` is "compiled" where machine code took the steps, else it says why Python took them one by one.
    """

    growth: Array
    times: Array
    x: State
    q: Frame
    maps: int = 0
    step_error: StepError | None = None
    loop: str = ""

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
        return Spectrum(growth, times, later.x, later.q, self.maps + later.maps, error, later.loop)

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
