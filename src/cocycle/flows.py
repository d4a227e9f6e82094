"""From vector fields to maps: the time-dt map of an ordinary differential equation, tangent included."""

import dataclasses
from collections.abc import Callable
from typing import final

from cocycle.maps import Map, VectorField


def rk4(rate: Callable[..., tuple], x: tuple, dt: float) -> tuple:
    """One step of the classical Runge–Kutta method for x' = rate(*x), where x is a tuple of arrays."""

    def shifted(h, k):
        return tuple(a + h * b for a, b in zip(x, k, strict=True))

    k1 = rate(*x)
    k2 = rate(*shifted(dt / 2, k1))
    k3 = rate(*shifted(dt / 2, k2))
    k4 = rate(*shifted(dt, k3))
    return shifted(dt / 6, tuple(a + 2 * (b + c) + d for a, b, c, d in zip(k1, k2, k3, k4, strict=True)))


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Flow(Map):
    """The time-dt map of x' = field(x), by `substeps` equal Runge–Kutta steps of fourth order.

    The pair (x, q) is integrated as one system, so that the tangent is the exact derivative of the numerical step, not
    an approximation to the derivative of the exact flow.  Raises ValueError unless dt > 0 and substeps >= 1.
    """

    field: VectorField
    dt: float = dataclasses.field()  # no default: the user chooses it
    substeps: int = 1
    order = 4

    def __post_init__(self):
        if not isinstance(self.field, VectorField):
            raise TypeError(f"field must be a VectorField; got {self.field!r}")
        if isinstance(self.dt, str) or not self.dt > 0:
            raise ValueError(f"dt must be a positive number; got {self.dt!r}")
        if self.substeps < 1:
            raise ValueError(f"substeps must be at least 1; got {self.substeps}")

    def refined(self):
        return dataclasses.replace(self, substeps=2 * self.substeps)

    def __call__(self, x):
        return self._advance(lambda x: (self.field(x),), (x,))[0]

    def tangent(self, x, q):
        return self._advance(self.field.tangent, (x, q))

    def _advance(self, rate, parts):
        for _ in range(self.substeps):
            parts = rk4(rate, parts, self.dt / self.substeps)
        return parts
