"""The adjoint of an orbit: covectors pulled back through the same maps, from the last to the first.

Where a network has many inputs and few outputs, the few covectors at the output cost less than the many vectors at the
input, and the product has the same singular values.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from cocycle.arrays import State, floating, namespace
from cocycle.maps import Map, cotangent


@final
@dataclass(frozen=True, eq=False)
class Transposed(Map):
    """p -> Df(x)ᵀ p, a linear map: the adjoint of f's tangent map at the fixed state x."""

    map: Map
    x: State

    @property
    def dt(self):
        return self.map.dt

    def __call__(self, p):
        return cotangent(self.map, self.x, p[..., None])[..., 0]

    def tangent(self, p, q):
        pulled = cotangent(self.map, self.x, namespace(p).concatenate([p[..., None], q], axis=-1))
        return pulled[..., 0], pulled[..., 1:]


def adjoint(steps: Iterable[Map], x: State) -> list[Transposed]:
    """The transposed tangent maps along the orbit of x, the last one first.

    Their product is the transpose of the product of the tangent maps, so that with y the last state

        *_, y = orbit(steps, x)
        finite_time_exponents(adjoint(steps, x), 0 * y, frame(y, k)).log_factors

    gives its singular values with frames at the output y (*batch, p), and `lyapunov_spectrum` over the same maps the
    exponents.  The maps are linear, and their orbit from the covector 0 * y is 0.  The orbit of x is kept in memory.
    """
    x, pulled = floating("x", x), []
    for f in steps:
        pulled.append(Transposed(f, x))
        x = f(x)
    return pulled[::-1]
