"""The adjoint of an orbit: covectors pulled back through the same maps, from the last to the first.

Where a network has many inputs and few outputs, a few covectors at the output cost less than many vectors at the
input, and the product has the same singular values.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from cocycle.arrays import Array, floating, namespace
from cocycle.maps import Map, cotangent


@final
@dataclass(frozen=True, eq=False)
class Transposed(Map):
    """p -> Df(x)ᵀ p, a linear map: the adjoint of f's tangent map at the fixed state x (*batch, n)."""

    map: Map
    x: Array

    @property
    def dt(self):
        return self.map.dt

    def __call__(self, p):
        return cotangent(self.map, self.x, p[..., None])[..., 0]

    def tangent(self, p, q):
        pulled = cotangent(self.map, self.x, namespace(p).concatenate([p[..., None], q], axis=-1))
        return pulled[..., 0], pulled[..., 1:]


def adjoint(steps: Iterable[Map], x: Array) -> list[Transposed]:
    """The transposed tangent maps along the orbit of x (*batch, n), last first.

    Their product is the transpose of the product of the tangent maps, so that with y the last state

        *_, y = orbit(steps, x)
        finite_time_exponents(adjoint(steps, x), 0 * y, frame(y, k)).log_factors

    gives its singular values from the side of the output (*batch, p), and `lyapunov_spectrum` over the same maps the
    exponents.  The maps are linear: they start from the covector 0 * y and stay there.  The orbit is kept, so memory
    grows with the number of maps.
    """
    x, pulled = floating("x", x), []
    for f in steps:
        pulled.append(Transposed(f, x))
        x = f(x)
    return pulled[::-1]
