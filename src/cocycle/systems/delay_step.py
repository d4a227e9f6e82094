"""One step of a delay equation, as a formula of the few numbers of its history on which it depends."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, final

import numpy as np

from cocycle.integrators.fixed import rk4
from cocycle.systems.rates import Rate

EXACT = 1e-9  # of the distance of two points, by which a time may differ from that of a point of the history


@final
@dataclass(frozen=True)
class DelayStep:
    """The numbers of a history on which a step depends -> the same, the present ones moved on by dt.

    `rows` are the places of the times of these numbers in the history; `stencils` has, for each half of a substep and
    each delay, the place among them and the weight of what the delayed value is the sum of; `h` is the time of a
    substep.
    """

    rate: Rate
    rows: tuple[int, ...]
    stencils: tuple[tuple[tuple[tuple[int, float], ...], ...], ...]
    h: float

    @classmethod
    def of(cls, rate: Rate, positions: Sequence[float], substeps: int, dt: float, stencil: int) -> "DelayStep":
        """The step of delays that are so many dt, of which the longest is that of the history; the history is
        interpolated from so many points."""
        times, last = np.arange(2 * substeps + 1) / (2 * substeps), round(max(positions)) + 1
        weights = [[_weights(position - time, stencil, last) for position in positions] for time in times.tolist()]
        rows = sorted({0}.union(*(found for stage in weights for found in stage)))
        stencils = tuple(tuple(tuple((rows.index(r), w) for r, w in each.items()) for each in s) for s in weights)
        return cls(rate, tuple(rows), stencils, dt / substeps)

    @property
    def name(self) -> str:
        return self.rate.name

    @property
    def __signature__(self):
        return self.rate.of_state(1 + len(self.stencils[0]))

    def __call__(self, state, /, **parameters):
        points = state.reshape(len(self.rows), self.rate.size)
        delayed = [[_combined(points, each) for each in stage] for stage in self.stencils]

        def rate(time, now):
            return (self.rate(now, *delayed[round(2 * time / self.h)], **parameters),)

        now = points[0]
        for i in range(len(delayed) // 2):
            (now,) = rk4(rate, (now,), self.h, i * self.h)
        return np.concatenate([now, state[self.rate.size :]])


def _combined(points: Any, weights: Sequence[tuple[int, float]]) -> Any:
    terms = [points[i] if weight == 1 else weight * points[i] for i, weight in weights]
    return sum(terms[1:], terms[0])


def _weights(position: float, stencil: int, last: int) -> dict[int, float]:
    """The polynomial through the nearest points of a history 0..last, at a position among them: the weight of each."""
    if abs(position - round(position)) < EXACT:
        return {round(position): 1.0}
    first = min(int(position) - stencil // 2 + 1, last + 1 - stencil)
    points = range(max(first, 0), max(first, 0) + stencil)
    return {i: prod((position - j) / (i - j) for j in points if j != i) for i in points}
