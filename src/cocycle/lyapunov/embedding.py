"""Delay embedding of a measured series: the delay, the number of delays, and the vectors.

A scalar series x(t) of a system with an attractor of dimension D becomes the vectors (x(t), x(t + delay), ..., x(t +
(dimension - 1) delay)), whose orbit has the exponents of the system for dimension > 2 D, mostly for fewer. Packard et
al., Phys. Rev. Lett. 45, 712 (1980); Takens, Lecture Notes in Math. 898, 366 (1981); Sauer, Yorke & Casdagli, J. Stat.
Phys. 65, 579 (1991).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np

from cocycle.arrays import as_numpy, floating, require_count
from cocycle.lyapunov.measured import SHORTEST, checked_series, correlation_time, mean_period, neighbours
from cocycle.progress import tracked
from cocycle.results import Plotted, html_facts, html_table

MINIMUM, CROSSING = "first minimum of the mutual information", "first 1/e crossing of the autocorrelation"
BINS = 16  # of equal probability, for the mutual information; fewer for short series
SATURATED, LEVEL = 0.05, 0.8  # change of Cao's E1 from one dimension to the next, and its least value
RANDOM = 0.1  # largest deviation of E2 from 1 in random numbers
STRETCHED, APART, FALSE = 15.0, 2.0, 0.01  # thresholds of Kennel et al.; fraction of false neighbours that is none


@final
@dataclass(frozen=True, eq=False)
class EmbeddingDelay(Plotted):
    """The `delay` in samples, by the mutual information (lags,) in nats between samples 0, 1, 2, ... apart.

    `rule` is "first minimum of the mutual information" or "first 1/e crossing of the autocorrelation".
    """

    delay: int
    information: np.ndarray
    rule: str

    def __repr__(self):
        return f"EmbeddingDelay of {self.delay} samples: {self.rule}"

    def _repr_html_(self):
        return html_facts("EmbeddingDelay", [("delay (samples)", self.delay), ("chosen by", self.rule)])


@final
@dataclass(frozen=True, eq=False)
class EmbeddingDimension(Plotted):
    """The `dimension`, and the `curve` (dimensions,) for 1, 2, ... by which it was chosen: E1 of Cao, or the fraction
    of false neighbours; `second` (dimensions,) is E2 of Cao.  `enough` is False where no dimension passes."""

    dimension: int
    curve: np.ndarray
    method: str
    enough: bool
    second: np.ndarray | None = None

    @property
    def random(self) -> bool:
        """Whether E2 is 1 to 0.1 in every dimension, as for independent random numbers; False without E2."""
        return self.second is not None and bool((abs(self.second - 1) < RANDOM).all())

    def __repr__(self):
        what = "E1 is" if self.second is not None else "the fraction of false neighbours is"
        words = f"EmbeddingDimension {self.dimension} ({self.method}): {what} {self.curve[self.dimension - 1]:.3g}"
        missed = "" if self.enough else f", which is not enough, and is in no dimension up to {len(self.curve)}"
        return words + missed + (", E2 = 1 throughout as for random numbers" if self.random else "")

    def _repr_html_(self):
        first = "false neighbours" if self.second is None else "E1"
        head = ("dimension", first) if self.second is None else ("dimension", first, "E2")
        columns = [self.curve] if self.second is None else [self.curve, self.second]
        rows = [(i, *(f"{value:.3g}" for value in row)) for i, row in enumerate(zip(*columns, strict=False), 1)]
        chosen = "chosen" if self.enough else "not enough, taken"
        return html_table(f"EmbeddingDimension {self.dimension} ({self.method}), {chosen}", head, rows)


def embed(series: Any, dimension: int, delay: int = 1) -> np.ndarray:
    """The vectors (series(t), series(t + delay), ..., series(t + (dimension - 1) delay)): (time, dimension * m).

    From a series (time,) or (time, m), `delay` in samples; there are (dimension - 1) delay fewer vectors than samples.
    Raises ValueError for another shape, counts below 1, and where no vector is left.
    """
    series = as_numpy(floating("series", series))
    if series.ndim not in (1, 2):
        raise ValueError(f"series must have shape (time,) or (time, m); got {series.shape}")
    require_count("dimension", dimension, 1)
    require_count("delay", delay, 1)
    columns = series.reshape(len(series), -1)
    rows = len(columns) - (dimension - 1) * delay
    if rows < 1:
        raise ValueError(
            f"series must have more than (dimension - 1) delay = {(dimension - 1) * delay} samples; got {len(series)}:"
            " take a smaller dimension or delay"
        )
    return np.concatenate([columns[i * delay : i * delay + rows] for i in range(dimension)], axis=1)


def embedding_delay(series: Any) -> EmbeddingDelay:
    """The delay of an embedding: the first minimum of the mutual information between x(t) and x(t + lag),

        I(lag) = sum_ab p_ab ln(p_ab / (p_a p_b)),

    over bins of equal probability, 16 for 5,000 samples and more; of a series (time, m) the mean over its components. A
    minimum counts if I rises after it by more than five times the standard deviation of I for independent samples, and
    lies above I for those. Without one the delay is that at which the autocorrelation first falls below 1/e, with a
    warning. Fraser & Swinney, Phys. Rev. A 33, 1134 (1986).

    Raises ValueError for a series with gaps, a constant one, fewer than 200 samples.
    """
    found = chosen_delay(checked_series(series))
    if found.rule != MINIMUM:
        warnings.warn(
            f"the mutual information has no minimum up to a lag of {len(found.information) - 1} samples: the delay of"
            f" {found.delay} is the {found.rule}, as is usual for maps and noise",
            stacklevel=2,
        )
    return found


def chosen_delay(columns: np.ndarray) -> EmbeddingDelay:
    """As `embedding_delay` without the warning, of standardised columns (time, m)."""
    crossing = correlation_time(columns)
    lags = range(min(len(columns) // 10, 5 * crossing + 10) + 1)
    bins = int(np.clip((len(columns) / 20) ** 0.5, 4, BINS))
    edges = np.quantile(columns, np.arange(1, bins) / bins, axis=0)
    symbols = [np.searchsorted(edge, column) for edge, column in zip(edges.T, columns.T, strict=True)]
    curves = ([_information(row, lag, bins) for row in symbols] for lag in tracked(lags, "mutual information"))
    information = np.array(list(curves)).mean(1)
    independent, scatter = (bins - 1) ** 2 / (2 * len(columns)), (bins - 1) / (2**0.5 * len(columns))
    minimum = _first_minimum(information, 5 * scatter)
    if minimum is not None and information[minimum] > independent + 3 * scatter:
        return EmbeddingDelay(minimum, information, MINIMUM)
    return EmbeddingDelay(crossing, information, CROSSING)


def _information(symbols: np.ndarray, lag: int, bins: int) -> float:
    """The mutual information, in nats, of symbols (time,) in 0..bins-1 that are `lag` apart."""
    pairs = symbols[: len(symbols) - lag] * bins + symbols[lag:]
    joint = np.bincount(pairs, minlength=bins**2).reshape(bins, bins) / len(pairs)
    alone = np.outer(joint.sum(1), joint.sum(0))
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / alone[seen])).sum())


def _first_minimum(curve: np.ndarray, rise: float) -> int | None:
    """The place of the first minimum after which the curve rises by so much, before it falls below it again."""
    lowest = 0
    for place in range(1, len(curve)):
        if curve[place] < curve[lowest]:
            lowest = place
        elif curve[place] > curve[lowest] + rise and lowest > 0:
            return lowest
    return None


def embedding_dimension(
    series: Any,
    delay: int,
    *,
    method: Literal["cao", "false neighbours"] = "cao",
    theiler: int | None = None,
    most: int = 10,
) -> EmbeddingDimension:
    """The number of delays after which one more does not separate neighbours, up to `most`.

    "cao": with E(d) the mean factor by which the distance of a vector from its nearest neighbour, in the maximum norm,
    grows from d to d + 1 delays, E1(d) = E(d + 1) / E(d) tends to 1.  The dimension is the first d with E1(d) >= 0.8
    that differs from E1(d + 1) by at most 0.05.  E2(d) is the same ratio for the mean distance of the new coordinates:
    1 for independent random numbers in every d.  Cao, Physica D 110, 43 (1997).

    "false neighbours": the first d in which at most 1 % of nearest neighbours are false: their distance grows by the
    new coordinate more than 15 times, or to more than twice the size of the attractor.  Kennel, Brown & Abarbanel,
    Phys. Rev. A 45, 3403 (1992).

    Neighbours at most `theiler` samples apart, one mean period unless given, are left out.  Raises ValueError as
    `embedding_delay`, for numbers that are not allowed, and for a series too short for `most`.
    """
    if method not in RULES:
        raise ValueError(f"method must be one of {', '.join(map(repr, RULES))}; got {method!r}")
    require_count("delay", delay, 1)
    require_count("most", most, 1)
    columns = checked_series(series)
    theiler = round(mean_period(columns)) if theiler is None else theiler
    require_count("theiler", theiler, 0)
    needed = (most + 1) * delay + 2 * theiler + SHORTEST
    if len(columns) < needed:
        raise ValueError(
            f"series must have at least (most + 1) delay + 2 theiler + {SHORTEST} = {needed} samples; got"
            f" {len(columns)}: take a smaller most, delay or theiler"
        )
    return RULES[method](columns, delay, theiler, most)


def _cao(columns: np.ndarray, delay: int, theiler: int, most: int) -> EmbeddingDimension:
    growth, added = [], []
    for near, new in _nearest(columns, delay, theiler, most + 2, np.inf):
        growth.append(np.mean(np.maximum(near, new) / near))
        added.append(new.mean())
    first, second = np.divide(growth[1:], growth[:-1]), np.divide(added[1:], added[:-1])
    passed = np.flatnonzero((first[:-1] >= LEVEL) & (abs(np.diff(first)) <= SATURATED))
    dimension = int(passed[0]) + 1 if len(passed) else most
    return EmbeddingDimension(dimension, first[:most], "cao", bool(len(passed)), second[:most])


def _false_neighbours(columns: np.ndarray, delay: int, theiler: int, most: int) -> EmbeddingDimension:
    size = columns.shape[1] ** 0.5
    pairs = _nearest(columns, delay, theiler, most, 2)
    fraction = np.array(
        [((new > STRETCHED * near) | (np.hypot(near, new) > APART * size)).mean() for near, new in pairs]
    )
    passed = np.flatnonzero(fraction <= FALSE)
    dimension = int(passed[0]) + 1 if len(passed) else most
    return EmbeddingDimension(dimension, fraction, "false neighbours", bool(len(passed)))


RULES = {"cao": _cao, "false neighbours": _false_neighbours}


def _nearest(columns: np.ndarray, delay: int, theiler: int, most: int, norm: float) -> Iterator[tuple[np.ndarray, ...]]:
    """For dimensions 1..most: the distances of vectors from their nearest neighbours, and those in the next delay."""
    for dimension in tracked(range(1, most + 1), "embedding dimension"):
        rows = len(columns) - dimension * delay
        i, j, near = (a[:, 0] for a in neighbours(embed(columns, dimension, delay)[:rows], theiler, norm=norm))
        later = columns[dimension * delay :]
        yield near, np.linalg.norm(later[i] - later[j], ord=norm, axis=1)
