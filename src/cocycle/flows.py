"""From vector fields to maps: the time-dt map of an ordinary differential equation, tangent included."""

import dataclasses
from collections.abc import Callable
from functools import cached_property
from typing import Any, final
from weakref import WeakSet

from cocycle.formulas.formula import Equation, Formula
from cocycle.formulas.symbols import Symbols
from cocycle.integrators import Integrator, RungeKutta
from cocycle.maps import Map, VectorField

RUNGE_KUTTA = RungeKutta()
_CHECKED: "WeakSet[Flow]" = WeakSet()  # not an attribute: these say when a formula must be traced again


@final
@dataclasses.dataclass(frozen=True, eq=False, init=False)
class Flow(Map):
    """The time-dt map of x' = field(x), by `substeps` equal steps of an integrator: Runge–Kutta of fourth order.

    `field` is a vector field, one made by `Autodiff`, or a plain function of a state (n,), of which it makes an
    `Equation` with these parameters; see there what such a function may do.  The tangent is the exact derivative of the
    numerical step, not an approximation to the derivative of the true flow.  `integrator=Symplectic()` is for separable
    Hamiltonians with the state (q, p).  Raises ValueError unless dt > 0 and substeps >= 1, and, when it is first used,
    for an equation that is not one for the integrator; TypeError for parameters of what is no plain function.
    """

    field: Any
    dt: float
    substeps: int
    integrator: Integrator

    def __init__(
        self, field: Any, dt: float, substeps: int = 1, integrator: Integrator = RUNGE_KUTTA, **parameters: Any
    ):
        if isinstance(field, type):
            raise TypeError(f"field must be a vector field, {field.__name__}(); got the class")
        if not callable(field):
            raise TypeError(f"field must be a vector field or a function of a state, f(x); got {field!r}")
        if isinstance(field, Map) and not callable(getattr(field, "function", None)):
            raise TypeError(f"field must be a vector field or a function of a state, f(x); got the map {field!r}")
        if not isinstance(field, VectorField | Map):
            field = Equation(field, **parameters)
        elif parameters:
            given, kind = ", ".join(parameters), type(field).__name__
            raise TypeError(f"parameters are those of a plain function; got {given} for a {kind}: {kind}({given}=...)")
        if isinstance(dt, str) or not dt > 0:
            raise ValueError(f"dt must be a positive number; got {dt!r}")
        if not isinstance(substeps, int) or substeps < 1:
            raise ValueError(f"substeps must be an integer of at least 1; got {substeps!r}")
        if not isinstance(integrator, Integrator):
            raise TypeError(f"integrator must be one, such as Symplectic(); got {integrator!r}")
        for name, value in (("field", field), ("dt", dt), ("substeps", substeps), ("integrator", integrator)):
            object.__setattr__(self, name, value)

    @property
    def batch(self):
        return () if self.formula is None else self.field.equation.batch

    @property
    def order(self):
        return self.integrator.order

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
        """One substep as a formula, of a field that is one."""
        equation = self.field.equation if isinstance(self.field, VectorField) else None
        return None if equation is None else equation.then(self._traced_substep, self.dt)

    def _traced_substep(self, rate, x):
        return self._substep(lambda x: (rate(x),), (x,), self.dt)[0]

    def of_members(self, members: Any) -> "Flow":
        """The flow with the parameters of some members of a batch of parameters."""
        if self.formula is None:
            return self
        return dataclasses.replace(self, field=self.field.equation.of_members(members))

    def after(self, x: Any, time: Any) -> Any:
        """The state after another time, (*batch, 1) for states x (*batch, n), in as many substeps."""
        return self._repeated(lambda x: self._substep(lambda x: (self.field(x),), (x,), time), x)[0]

    def _substep(self, rate: Any, parts: tuple, time: Any) -> tuple:
        return self.integrator.step(rate, parts, time / self.substeps)

    def _repeated(self, step: Callable[..., tuple], *parts: Any) -> tuple:
        for _ in range(self.substeps):
            parts = step(*parts)
        return parts

    def _check(self, x):
        """Check the field once, at the first states; symbols have no values yet."""
        if self not in _CHECKED and not isinstance(x, Symbols):
            self.integrator.check(self.field, x)
            _CHECKED.add(self)

    def __call__(self, x):
        self._check(x)
        formula = self.formula
        return self.after(x, self.dt) if formula is None else self._repeated(lambda x: (formula(x),), x)[0]

    def tangent(self, x, q):
        self._check(x)
        if self.formula is not None:
            return self._repeated(self.formula.tangent, x, q)
        return self._repeated(lambda *parts: self._substep(self.field.tangent, parts, self.dt), x, q)

    def kernel(self, x, q, steps):
        self._check(x)
        if self.formula is None:
            return super().kernel(x, q, steps)
        found = self.formula.kernel(x, q, steps * self.substeps)
        return found if isinstance(found, str) else dataclasses.replace(found, substeps=self.substeps)
