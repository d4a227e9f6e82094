"""An explicit pair of Runge-Kutta methods."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from cocycle.arrays import namespace
from cocycle.formulas.loops import Controlled
from cocycle.integrators.adaptive import AdaptiveIntegrator, relative_error
from cocycle.integrators.base import Rate, scaled


@final
@dataclass(frozen=True)
class Tableau:
    """An explicit Runge-Kutta method: times of the stages, the weights of each stage, and of the step."""

    times: Sequence[float]
    stages: Sequence[Sequence[float]]
    weights: Sequence[float]


def slopes(tableau: Tableau, rate: Rate, parts: tuple, dt: Any, time: Any) -> list[tuple]:
    """The rates of all parts at the stages of a step."""
    found: list[tuple] = []
    for c, weights in zip(tableau.times, tableau.stages, strict=True):
        found.append(rate(time + c * dt, *moved(parts, found, weights, dt)))
    return found


def moved(parts: tuple, found: list[tuple], weights: Sequence[float], dt: Any) -> tuple:
    """The parts after dt at the weighted sum of rates."""
    return tuple(part + combination(found, weights, i, dt, part) for i, part in enumerate(parts)) if weights else parts


def combination(found: list[tuple], weights: Sequence[float], i: int, dt: Any, part: Any) -> Any:
    """dt times the weighted sum of the rates of part i."""
    used = [(w, rates[i]) for w, rates in zip(weights, found, strict=True) if w]
    return scaled(dt, part) * sum((w * rate for w, rate in used[1:]), used[0][0] * used[0][1])


DORMAND_PRINCE = Tableau(
    (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0),
    (
        (),
        (1 / 5,),
        (3 / 40, 9 / 40),
        (44 / 45, -56 / 15, 32 / 9),
        (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
        (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
        (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
    ),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0.0),
)
FIFTH_ORDER = Tableau(DORMAND_PRINCE.times[:-1], DORMAND_PRINCE.stages[:-1], DORMAND_PRINCE.weights[:-1])
DIFFERENCE = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)  # from the fourth order


@final
@dataclass(frozen=True)
class DormandPrince(AdaptiveIntegrator):
    """The explicit pair of orders 5 and 4 of Dormand & Prince, J. Comput. Appl. Math. 6, 19 (1980), with steps chosen
    by its error: see `AdaptiveIntegrator`.

    For equations that are not stiff.
    """

    rtol: float = 1e-8
    atol: float = 1e-10
    longest: float = np.inf
    order = 5
    error_order = 5

    def attempt(self, rate, x, h, time):
        found = slopes(DORMAND_PRINCE, rate, (x,), h, time)
        (y,) = moved((x,), found, DORMAND_PRINCE.weights, h)
        return y, relative_error(self, x, y, combination(found, DIFFERENCE, 0, h, x)), None

    def pushed(self, rate, x, q, h, time, known):
        return moved((x, q), slopes(FIFTH_ORDER, rate, (x, q), h, time), FIFTH_ORDER.weights, h)[1]

    def traced(self, rate, x, h, time):
        y, error, _ = self.attempt(rate, x, h, time)
        return namespace(x).concatenate([y, error])

    def scheme(self, dt, substeps, direction, timed):
        return Controlled(self.control(dt, direction), timed)
