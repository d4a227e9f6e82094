"""Steps of one length."""

from dataclasses import dataclass
from typing import Any, final

from cocycle.formulas.loops import Fixed
from cocycle.integrators.base import Integrator, Rate, scaled


class FixedIntegrator(Integrator):
    """A method with steps of one length, each of which is one formula."""

    def traced(self, rate, x, h, time):
        return self.step(rate, (x,), h, time)[0]

    def scheme(self, dt, substeps, direction, timed):
        return Fixed(direction * dt / substeps, substeps, timed)


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
class RungeKutta(FixedIntegrator):
    """The classical Runge–Kutta method of fourth order, for any field."""

    order = 4

    def step(self, rate, parts, dt, time=0.0):
        return rk4(rate, parts, dt, time)

    def check(self, field, x):
        pass
