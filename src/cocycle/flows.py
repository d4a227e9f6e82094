"""From vector fields to maps: the time-dt map of an ordinary differential equation, tangent included."""

import dataclasses
from collections.abc import Callable
from functools import cached_property
from typing import Any, final

from cocycle.formulas.formula import Equation, Formula
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

    `field` is a vector field, one made by `Autodiff`, or a plain function of a state (n,), of which it makes an
    `Equation`, with `parameters` of the function; see there what such a function may do.  The pair (x, q) is integrated
    as one system, so the tangent is the exact derivative of the numerical step, not an approximation to the derivative
    of the true flow.  Raises ValueError unless dt > 0 and substeps >= 1.
    """

    field: Any
    dt: float = dataclasses.field()  # no default: a flow has a unit of time
    substeps: int = 1
    order = 4

    def __post_init__(self):
        field = self.field
        if isinstance(field, type):
            raise TypeError(f"field must be a vector field, {field.__name__}(); got the class")
        if not callable(field):
            raise TypeError(f"field must be a vector field or a function of a state, f(x); got {field!r}")
        if isinstance(field, Map) and not callable(getattr(field, "function", None)):
            raise TypeError(f"field must be a vector field or a function of a state, f(x); got the map {field!r}")
        if not isinstance(field, VectorField | Map):
            object.__setattr__(self, "field", Equation(field))
        if isinstance(self.dt, str) or not self.dt > 0:
            raise ValueError(f"dt must be a positive number; got {self.dt!r}")
        if not isinstance(self.substeps, int) or self.substeps < 1:
            raise ValueError(f"substeps must be an integer of at least 1; got {self.substeps!r}")

    def at(self, **parameters: Any) -> "Flow":
        """The flow of the same function with other parameters: see `Equation.at`."""
        if self.formula is None:
            kind = type(self.field).__name__
            raise TypeError(f"field must be a plain function to have parameters that can be changed; got {kind}")
        return dataclasses.replace(self, field=self.field.equation.at(**parameters))

    def refined(self):
        return self._refined

    @cached_property
    def _refined(self) -> "Flow":
        return dataclasses.replace(self, substeps=2 * self.substeps)

    @cached_property
    def formula(self) -> Formula | None:
        """The step as one formula, of a field that is one."""
        equation = self.field.equation if isinstance(self.field, VectorField) else None
        return None if equation is None else equation.then(self._step, self.dt)

    def of_members(self, members: Any) -> "Flow":
        """The flow with the parameters of some members of a batch of parameters."""
        return (
            dataclasses.replace(self, field=self.field.equation.of_members(members))
            if self.formula is not None
            else self
        )

    def after(self, x: Any, time: Any) -> Any:
        """The state after another time, (*batch, 1) for states x (*batch, n), in as many substeps."""
        return self._advance(lambda x: (self.field(x),), (x,), time)[0]

    def _step(self, rate, x):
        return self._advance(lambda x: (rate(x),), (x,), self.dt)[0]

    def __call__(self, x):
        return self._step(self.field, x) if self.formula is None else self.formula(x)

    def tangent(self, x, q):
        return (
            self._advance(self.field.tangent, (x, q), self.dt) if self.formula is None else self.formula.tangent(x, q)
        )

    def kernel(self, x, q, steps):
        return super().kernel(x, q, steps) if self.formula is None else self.formula.kernel(x, q, steps)

    def _advance(self, rate, parts, time):
        for _ in range(self.substeps):
            parts = rk4(rate, parts, time / self.substeps)
        return parts
