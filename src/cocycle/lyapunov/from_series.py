"""The largest Lyapunov exponent of a measured series, from the growth of distances between neighbours.

With d_ij(t) the distance, a time t later, of vector i of a delay embedding from its neighbour j, the mean logarithm

    rosenstein   S(t) = mean_i ln d_ij(t),             j the nearest neighbour of i,
    kantz        S(t) = mean_i ln( mean_j d_ij(t) ),   all neighbours j of i within a radius,

grows as lambda t until distances are as large as the attractor.  Displacement along a flow does not grow, and hides the
growth across it: for a flow d is the distance from the neighbour's orbit, which is the parabola through its nearest
sample, within a mean period, and the two beside that one.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, final

import numpy as np

from cocycle.arrays import require_count
from cocycle.lyapunov.divergence import METHODS, Stretch, divergence, linear_stretch
from cocycle.lyapunov.embedding import MINIMUM, RULES, chosen_delay, embed
from cocycle.lyapunov.errors import BATCHES
from cocycle.lyapunov.measured import SHORTEST, checked_series, mean_period
from cocycle.results import Plotted, html_table, rounded

SMOOTH = 0.4  # mean square of second over first differences of a flow; (2π / samples in a period)² for a sine
MOST = 10  # dimensions that are tried
QUANTILE = 2.262  # 97.5 % of Student's t for ten segments
JUMP, MOST_OF, SMALL = 0.5, 0.7, 1.0  # without a linear stretch: rises of S that distinguish noise and tori
PERIODS = 20  # mean periods, of which fewer are said


@final
@dataclass(frozen=True, eq=False)
class SeriesExponent(Plotted):
    """The largest exponent of a series and its standard error, NaN where distances do not grow exponentially.

    `curves` (sizes, times) is S at the `times` (times,), with the standard deviation of the series as unit of distance,
    for each neighbourhood size; the exponent is the slope of the first over the `stretch`, two times, None without one.
    `verdict` says what distances do.  `delay` and `theiler` are in samples; `flow` is whether distances are those from
    orbits.  `notes` say what may be wrong with the result.
    """

    exponent: float
    standard_error: float
    verdict: str
    stretch: tuple[float, float] | None
    times: np.ndarray
    curves: np.ndarray
    method: str
    dimension: int
    delay: int
    theiler: int
    flow: bool
    dt: float
    notes: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        """The unit of the exponent: "per step" for dt = 1."""
        return "per step" if self.dt == 1 else "per unit time"

    @property
    def interval(self) -> tuple[float, float]:
        """The exponent minus and plus 2.262 standard errors: 95 % of Student's t for ten segments."""
        return self.exponent - QUANTILE * self.standard_error, self.exponent + QUANTILE * self.standard_error

    @property
    def lyapunov_time(self) -> float:
        """1 / (exponent dt): in samples of the series, as `valid_time` takes it; NaN without an exponent."""
        return 1 / (self.exponent * self.dt)

    def compare(self, exponent: float, standard_error: float = 0.0, *, most: float = 3.0) -> float:
        """How far another exponent, as that of a trained closed loop, is from this one: in combined standard errors,
        the root of the sum of their squares.  Warns where this is more than `most`.

        Raises ValueError where the series has no exponent, for numbers that are not finite, an error below zero.
        """
        if not np.isfinite(self.exponent):
            raise ValueError(f"the series must have an exponent to compare with; got none: {self.verdict}")
        if not (np.isfinite(exponent) and 0 <= standard_error < np.inf):
            raise ValueError(
                f"exponent and standard_error must be finite, the second >= 0; got {exponent} and {standard_error}"
            )
        difference = abs(float(exponent) - self.exponent) / float(np.hypot(self.standard_error, standard_error))
        if difference > most:
            other = " ± ".join(rounded(float(exponent), float(standard_error)))
            warnings.warn(
                f"the exponent of the series, {self.in_words}, and the other one, {other}, differ by"
                f" {difference:.1f} combined standard errors",
                stacklevel=2,
            )
        return difference

    @property
    def in_words(self) -> str:
        """The exponent, its standard error and the unit, "0.92 ± 0.05 per unit time"; or "none"."""
        return f"{' ± '.join(rounded(self.exponent, self.standard_error))} {self.unit}" if self.stretch else "none"

    def _rows(self) -> list[tuple[str, str]]:
        end = "" if self.stretch is None else " from t = {:.4g} to {:.4g}".format(*self.stretch)
        vectors = f"dimension {self.dimension}, delay {self.delay}, Theiler window {self.theiler} samples"
        rows = [("λ1", self.in_words), ("", self.verdict + end), ("embedding", f"{vectors}; method {self.method}")]
        return rows + [("note", note) for note in self.notes]

    def __repr__(self):
        (_, value), (_, verdict), (_, embedding), *notes = self._rows()
        lines = (f"SeriesExponent {value}: {verdict}", embedding, *(f"note: {note}" for _, note in notes))
        return "\n  ".join(lines)

    def _repr_html_(self):
        return html_table("SeriesExponent", ("", ""), self._rows())


def exponent_from_series(
    series: Any,
    dt: float = 1.0,
    *,
    method: Literal["rosenstein", "kantz"] = "rosenstein",
    delay: int | None = None,
    dimension: int | None = None,
    theiler: int | None = None,
    flow: bool | None = None,
) -> SeriesExponent:
    """The largest Lyapunov exponent of a series (time,) or (time, m), sampled at equal intervals dt, per unit time:

        exponent_from_series(x, 0.02).plot()

    `delay` and `dimension` are those of `embedding_delay` and `embedding_dimension` unless given.  Neighbours are more
    than `theiler` samples apart, one mean period and the length of a vector: Theiler, Phys. Rev. A 34, 2427 (1986).  A
    series is a `flow` if its second differences are smaller than its first, in mean square below 0.4 of them, as of
    ten samples a period or more.  flow=False gives the distances of the original methods.

    A part of S(t) is a linear stretch if it grows by at least 1.5, a factor 4.5 in distance, and if the slopes of its
    three thirds are within 15 % of its own.  Of those that begin earliest, at the smallest distances, but not before
    one delay, the longest is taken.  Where there is none, as for periodic orbits and noise, the exponent is NaN, and
    `verdict` says what distances do.  The standard error is the root of the sum of squares of the scatter of the slopes
    of ten segments of the series over √10, and of the ranges, over √12, of the slopes of the thirds and of those of
    different radii.  The radii of "kantz" are the median distances of the second, fourth and eighth neighbour.
    Components are divided by their standard deviations.

    Rosenstein, Collins & De Luca, Physica D 65, 117 (1993); Kantz, Phys. Lett. A 185, 77 (1994).  Raises ValueError for
    a series with gaps, a constant or a short one, saying how many samples are needed, and for numbers not allowed.
    """
    _require_allowed(method, dt, {"delay": (delay, 1), "dimension": (dimension, 1), "theiler": (theiler, 0)})
    columns = checked_series(series)
    flow = _smoothness(columns) < SMOOTH if flow is None else flow
    made = _embedding(columns, delay, dimension, theiler=theiler, flow=flow)
    vectors = embed(columns, made.dimension, made.delay)
    stride = max(1, made.delay // 4) if flow else 1
    steps, logs = divergence(vectors, METHODS[method], theiler=made.theiler, reach=made.reach, stride=stride)
    slopes = [linear_stretch(steps, curve, made.delay) for curve in logs]
    error, noise = _error(slopes), _noise(steps, logs, slopes[0])
    first = slopes[0]
    return SeriesExponent(
        exponent=first.slope / dt if first else np.nan,
        standard_error=error / dt,
        verdict=_verdict(steps, logs[0].mean(0), first, (made.dimension - 1) * made.delay),
        stretch=(first.start * dt, first.end * dt) if first else None,
        times=steps * dt,
        curves=logs.mean(1),
        method=method,
        dimension=made.dimension,
        delay=made.delay,
        theiler=made.theiler,
        flow=bool(flow),
        dt=dt,
        notes=(*made.notes, *noise),
    )


def _require_allowed(method: str, dt: float, counts: dict[str, tuple[int | None, int]]) -> None:
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(map(repr, METHODS))}; got {method!r}")
    if not 0 < dt < np.inf:
        raise ValueError(f"dt must be the time between samples, positive and finite; got {dt}")
    for name, (value, least) in counts.items():
        if value is not None:
            require_count(name, value, least)


def _smoothness(columns: np.ndarray) -> float:
    """The mean square of second differences over that of first ones."""
    first = np.diff(columns, axis=0)
    return float((np.diff(first, axis=0) ** 2).sum() / (first**2).sum())


class _Embedding(NamedTuple):
    """Delay, dimension, Theiler window and reach of the neighbours' orbits in samples, and what may be wrong."""

    delay: int
    dimension: int
    theiler: int
    reach: int
    notes: tuple[str, ...]


def _embedding(
    columns: np.ndarray, delay: int | None, dimension: int | None, *, theiler: int | None, flow: bool
) -> _Embedding:
    """What is given, and the rest from the series.  Raises ValueError for a series that is too short for it."""
    period = mean_period(columns)
    notes = [f"the series has only {len(columns) / period:.0f} mean periods"] * (len(columns) < PERIODS * period)
    if delay is None:
        found = chosen_delay(columns)
        delay = found.delay
        notes += [f"the delay is the {found.rule}: there is no {MINIMUM}"] * (flow and found.rule != MINIMUM)
    reach = round(period) + 1 if flow else 0
    most = MOST + 2 if dimension is None else dimension
    _require_length(len(columns), (most - 1) * delay, round(period) if theiler is None else theiler, reach)
    if dimension is None:
        chosen = RULES["cao"](columns, delay, round(period), MOST)
        dimension = max(chosen.dimension, 2 if flow and columns.shape[1] == 1 else 1)  # no flow oscillates on a line
        notes += [repr(chosen)] * (chosen.random or not chosen.enough)
    span = (dimension - 1) * delay
    window = round(period) + span if theiler is None else theiler
    _require_length(len(columns), span, window, reach)
    return _Embedding(delay, dimension, window, reach, tuple(notes))


def _require_length(samples: int, span: int, theiler: int, reach: int) -> None:
    """The last fifth of the vectors is only followed; the others must have neighbours outside the window."""
    needed = int(np.ceil(1.25 * (SHORTEST + 2 * theiler + 2 * reach))) + span
    if samples < needed:
        raise ValueError(
            f"series must have at least {needed} samples for vectors that span {span} samples and a Theiler window of"
            f" {theiler}; got {samples}: take a longer series, or a smaller delay, dimension or theiler"
        )


def _error(stretches: list[Stretch | None]) -> float:
    """Of the first slope, per sample: see `exponent_from_series`."""
    found = [stretch for stretch in stretches if stretch]
    if stretches[0] is None:
        return np.nan
    scatter = stretches[0].segments.std(ddof=1) / BATCHES**0.5
    ranges = np.ptp(stretches[0].thirds), np.ptp([stretch.slope for stretch in found])
    return float(np.hypot(scatter, np.hypot(*ranges) / 12**0.5))


def _verdict(steps: np.ndarray, mean: np.ndarray, stretch: Stretch | None, span: int) -> str:
    """What the distances do."""
    if stretch:
        factor = np.exp(stretch.slope * (stretch.end - stretch.start))
        return f"distances grow exponentially, by a factor of {factor:.2g}"
    rise, place = mean.max() - mean[0], min(np.searchsorted(steps, span + 1), len(mean) - 1)
    if rise > JUMP and mean[place] - mean[0] > MOST_OF * rise:
        what = "jump to their final size within one vector: noise, or a system of too high a dimension for this series"
    elif rise < SMALL:
        what = f"grow by a factor of {np.exp(rise):.2g} only, as on periodic and quasi-periodic orbits"
    else:
        what = "grow, but without a linear stretch of their logarithm: noise, or too few samples"
    return f"no exponential divergence, distances {what}"


def _noise(steps: np.ndarray, logs: np.ndarray, stretch: Stretch | None) -> list[str]:
    """A note where distances jump at first by more than the slope explains."""
    jump = float((logs[0, :, 1] - logs[0, :, 0]).mean())
    if stretch is None or jump < 0.1 + 3 * stretch.slope * (steps[1] - steps[0]):
        return []
    return [f"distances jump by a factor of {np.exp(jump):.2g} at first: noise, which makes the exponent too small"]
