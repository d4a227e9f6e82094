"""From vector fields to maps: the time-dt map of an ordinary differential equation, tangent included."""

import dataclasses
from collections.abc import Callable
from functools import cached_property
from typing import Any, final
from weakref import WeakSet

from cocycle.formulas.formula import TIME, Equation, Formula
from cocycle.formulas.loops import Controlled, Scheme
from cocycle.formulas.symbols import Symbols
from cocycle.integrators import AdaptiveIntegrator, Integrator, RungeKutta
from cocycle.maps import Map, VectorField

RUNGE_KUTTA = RungeKutta()
_CHECKED: "WeakSet[Flow]" = WeakSet()  # not an attribute: these say when a formula must be traced again


@final
@dataclasses.dataclass(frozen=True, eq=False, init=False)
class Flow(Map):
    """The time-dt map of x' = field(x), by `substeps` equal steps of an integrator: Runge–Kutta of fourth order.

    `field` is a vector field, one made by `Autodiff`, or a plain function of a state (n,), of which it makes an
    `Equation` with these parameters; see there what such a function may do.  The tangent is the exact derivative of the
    numerical step, not an approximation to the derivative of the true flow.  Other integrators: `DormandPrince()`
    chooses its steps itself, `Radau()` does and is for stiff equations, `Symplectic()` is for separable Hamiltonians
    with the state (q, p).  For equations that depend on time see `ForcedFlow`.

    Raises ValueError unless dt > 0 and substeps >= 1, and, when it is first used, for an equation that is not one for
    the integrator; TypeError for parameters of what is no plain function.
    """

    field: Any
    dt: float
    substeps: int
    integrator: Integrator
    direction: int  # of time: 1, or -1 backward

    def __init__(
        self,
        field: Any,
        dt: float,
        substeps: int = 1,
        integrator: Integrator = RUNGE_KUTTA,
        direction: int = 1,
        **parameters: Any,
    ):
        field = _field_of(field, parameters)
        if isinstance(dt, str) or not dt > 0:
            raise ValueError(f"dt must be a positive number; got {dt!r}: backward in time is Flow(...).backward()")
        if not isinstance(substeps, int) or substeps < 1:
            raise ValueError(f"substeps must be an integer of at least 1; got {substeps!r}")
        if not isinstance(integrator, Integrator):
            raise TypeError(f"integrator must be one, such as Symplectic(); got {integrator!r}")
        if isinstance(integrator, AdaptiveIntegrator) and substeps > 1:
            raise ValueError(f"substeps must be 1 for {integrator}, which chooses its steps; got {substeps}")
        if direction not in (1, -1):
            raise ValueError(f"direction must be 1, or -1 for backward in time; got {direction!r}")
        given = {"field": field, "dt": dt, "substeps": substeps, "integrator": integrator, "direction": direction}
        for name, value in given.items():
            object.__setattr__(self, name, value)

    @property
    def batch(self):
        return () if self.equation is None else self.equation.batch

    @property
    def order(self):
        return self.integrator.order

    @property
    def equation(self) -> Equation | None:
        """The equation of a plain function, None of other fields."""
        return self.field.equation if isinstance(self.field, VectorField) else None

    @property
    def time(self) -> Any:
        """The time at which the map begins, of an equation that depends on it."""
        return 0.0 if self.equation is None else self.equation.parameters.get(TIME, 0.0)

    def at(self, **parameters: Any) -> "Flow":
        """The flow of the same function with other parameters: see `Equation.at`."""
        if self.equation is None:
            kind = type(self.field).__name__
            raise TypeError(f"field must be a plain function to have parameters that can be changed; got {kind}")
        made = dataclasses.replace(self, field=self.equation.at(**parameters))
        if "formula" in vars(self) and set(parameters) <= set(self.equation.shapes):
            vars(made)["formula"] = self.formula and self.formula.at(**parameters)
        return made

    def backward(self) -> "Flow":
        """The map that goes back in time by dt: of a symplectic method the inverse, of others up to their error.  The
        exponents of the flow in the other direction have the opposite signs."""
        return dataclasses.replace(self, direction=-self.direction)

    def refined(self):
        return self._refined

    @cached_property
    def _refined(self) -> "Flow":
        if isinstance(self.integrator, AdaptiveIntegrator):
            return dataclasses.replace(self, integrator=self.integrator.finer())
        return dataclasses.replace(self, substeps=2 * self.substeps)

    @cached_property
    def formula(self) -> Formula | None:
        """What compiled loops are made of: of a plain function, one substep as a formula, of `RungeKutta` for instance,
        and what other integrators need."""
        if self.equation is None:
            return None
        variable = isinstance(self._scheme, Controlled)
        return self.equation.then(self._traced, self.dt, self.dt / self.substeps, variable=variable)

    @property
    def _scheme(self) -> Scheme:
        timed = self.equation is not None and TIME in self.equation.shapes
        return self.integrator.scheme(self.dt, self.substeps, self.direction, timed)

    def _traced(self, rate, x, h, time):
        return self.integrator.traced(self._directed(rate), x, h, self.direction * time)

    def _directed(self, rate: Callable[..., tuple]) -> Callable[..., tuple]:
        """The rates with respect to the time s = direction t."""
        if self.direction == 1:
            return rate
        return lambda time, *parts: tuple(-part for part in rate(-time, *parts))

    def of_members(self, members: Any) -> "Flow":
        """The flow with the parameters of some members of a batch of parameters."""
        if self.equation is None:
            return self
        return dataclasses.replace(self, field=self.equation.of_members(members))

    def _rate(self, time: Any, *parts: Any) -> tuple:
        """The rates of a state, or of state and frame; times may be those of the members (*batch, 1)."""
        field = self.field
        if self.equation is not None and TIME in self.equation.shapes:
            field = self.equation.at(**{TIME: time[..., 0] if getattr(time, "ndim", 0) else time})
        return _applied(field, parts)

    def after(self, x: Any, time: Any) -> Any:
        """The state after another time, (*batch, 1) for states x (*batch, n), in as many substeps."""
        return self._integrated((x,), time)[0]

    def _integrated(self, parts: tuple, time: Any) -> tuple:
        rate, start, h = self._directed(self._rate), self.direction * self.time, time / self.substeps
        for i in range(self.substeps):
            parts = self.integrator.step(rate, parts, h, start + i * h)
        return parts

    def _by_formula(self, formula: Formula, parts: tuple) -> tuple:
        start, h = self.time, self.direction * self.dt / self.substeps
        for i in range(self.substeps):
            now = formula.at(**{TIME: start + i * h}) if TIME in formula.shapes else formula
            parts = _applied(now, parts)
        return parts

    def _advanced(self, *parts: Any) -> tuple:
        self._check(parts[0])
        formula = None if isinstance(self.integrator, AdaptiveIntegrator) else self.formula
        return self._integrated(parts, self.dt) if formula is None else self._by_formula(formula, parts)

    def _check(self, x):
        """Check the field once, at the first states; symbols have no values yet."""
        if self not in _CHECKED and not isinstance(x, Symbols):
            self.integrator.check(self.field, x)
            _CHECKED.add(self)

    def __call__(self, x):
        return self._advanced(x)[0]

    def tangent(self, x, q):
        return self._advanced(x, q)

    def kernel(self, x, q, steps):
        self._check(x)
        if self.formula is None:
            return super().kernel(x, q, steps)
        found = self.formula.kernel(x, q, steps * self.substeps, scheme=self._scheme)
        return found if isinstance(found, str) else dataclasses.replace(found, substeps=self.substeps)


def _applied(f: Any, parts: tuple) -> tuple:
    """A map, or a field, of a state alone or of state and frame."""
    return (f(*parts),) if len(parts) == 1 else f.tangent(*parts)


def _field_of(field: Any, parameters: dict[str, Any]) -> Any:
    """The vector field that was given, or the equation of a plain function.  Raises TypeError for anything else."""
    if isinstance(field, type):
        raise TypeError(f"field must be a vector field, {field.__name__}(); got the class")
    if not callable(field):
        raise TypeError(f"field must be a vector field or a function of a state, f(x); got {field!r}")
    if isinstance(field, Map) and not callable(getattr(field, "function", None)):
        raise TypeError(f"field must be a vector field or a function of a state, f(x); got the map {field!r}")
    if not isinstance(field, VectorField | Map):
        return Equation(field, **parameters)
    if parameters:
        given, kind = ", ".join(parameters), type(field).__name__
        raise TypeError(f"parameters are those of a plain function; got {given} for a {kind}: {kind}({given}=...)")
    return field
