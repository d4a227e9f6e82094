"""Explicit methods with steps of one length."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

from cocycle.formulas.loops import Fixed
from cocycle.integrators.base import Integrator, Rate, scaled


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


def rk4(rate: Rate, parts: tuple, dt: Any, time: Any = 0.0) -> tuple:
    """One step of the classical Runge–Kutta method for parts whose rates are rate(time, *parts)."""

    def shifted(h: Any, k: tuple) -> tuple:
        return tuple(a + scaled(h, a) * b for a, b in zip(parts, k, strict=True))

    k1 = rate(time, *parts)
    k2 = rate(time + dt / 2, *shifted(dt / 2, k1))
    k3 = rate(time + dt / 2, *shifted(dt / 2, k2))
    k4 = rate(time + dt, *shifted(dt, k3))
    return shifted(dt / 6, tuple(a + 2 * (b + c) + d for a, b, c, d in zip(k1, k2, k3, k4, strict=True)))


@final
@dataclass(frozen=True)
class RungeKutta(Integrator):
    """The classical Runge–Kutta method of fourth order, for any field."""

    order = 4

    def step(self, rate, parts, dt, time=0.0):
        return rk4(rate, parts, dt, time)

    def check(self, field, x):
        pass

    def traced(self, rate, x, h, time):
        return self.step(rate, (x,), h, time)[0]

    def scheme(self, dt, substeps, direction, timed):
        return Fixed(direction * dt / substeps, substeps, timed)
