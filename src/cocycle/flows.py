"""From vector fields to maps: the time-dt map of an ordinary differential equation, tangent included."""

import dataclasses
from collections.abc import Callable
from functools import cached_property
from typing import Any, final
from weakref import WeakSet

import numpy as np

from cocycle.arrays import is_double, namespace, require_count
from cocycle.formulas.formula import Equation, Formula
from cocycle.formulas.loops import Controlled, Scheme
from cocycle.formulas.of_time import TIME, depends_on_time
from cocycle.formulas.symbols import Symbols
from cocycle.integrators import AdaptiveIntegrator, Integrator, RungeKutta
from cocycle.integrators.adaptive import integrated
from cocycle.integrators.attempts import Attempts
from cocycle.maps import Map, VectorField, rounded_down
from cocycle.step_choice import STIFF, chosen_step, growth_time, rates, stiffness

RUNGE_KUTTA = RungeKutta()
ACCURACY = 1e-4  # of one step, relative to the fluctuation of the state
MANY = 10**9  # steps, for which a compiled loop is worth its time
_CHECKED: "WeakSet[Flow]" = WeakSet()  # not an attribute: these say when a formula must be traced again


@final
@dataclasses.dataclass(frozen=True, eq=False, init=False)
class Flow(Map):
    """The time-dt map of x' = field(x), by `substeps` equal steps of an integrator: Runge–Kutta of fourth order.

    `field` is a vector field, one made by `Autodiff`, or a plain function of a state (n,), of which it makes an
    `Equation` with these parameters; see there what such a function may do.  The tangent is the exact derivative of the
    numerical step, not an approximation to the derivative of the true flow.  Other integrators: `DormandPrince()`
    chooses its steps itself, `Radau()` does and is for stiff equations, `Symplectic()` is for separable Hamiltonians
    with the state (q, p).  For equations that depend on time see `ForcedFlow`.  dt="auto" is `time_step(field)`.

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
        dt: float | str,
        substeps: int = 1,
        integrator: Integrator = RUNGE_KUTTA,
        direction: int = 1,
        **parameters: Any,
    ):
        field = _field_of(field, parameters)
        require_count("substeps", substeps, 1)
        if isinstance(dt, str) and dt == "auto":
            chooses = isinstance(integrator, AdaptiveIntegrator)
            dt = time_step(field, integrator=integrator) * (1 if chooses else substeps)
        if isinstance(dt, bool) or not isinstance(dt, int | float | np.number) or not 0 < float(dt.real) < np.inf:
            raise ValueError(
                f'dt must be a positive number or "auto"; got {dt!r}: backward in time is Flow(...).backward()'
            )
        if not isinstance(integrator, Integrator):
            raise TypeError(f"integrator must be one, such as Symplectic(); got {integrator!r}")
        if direction not in (1, -1):
            raise ValueError(f"direction must be 1, or -1 for backward in time; got {direction!r}")
        given = {"field": field, "dt": dt, "substeps": int(substeps), "integrator": integrator, "direction": direction}
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
        return self.equation.parameters[TIME] if self.equation is not None and depends_on_time(self.equation) else 0.0

    def at(self, **parameters: Any) -> "Flow":
        """The flow of the same function with other parameters: see `Equation.at`."""
        if self.equation is None:
            kind = type(self.field).__name__
            raise TypeError(f"field must be a plain function to have parameters that can be changed; got {kind}")
        made = dataclasses.replace(self, field=self.equation.at(**parameters))
        if set(parameters) <= set(self.equation.shapes):  # what is traced stays the same
            for name in vars(self).keys() & {"formula", "_refined"}:
                vars(made)[name] = getattr(self, name).at(**parameters)
        if set(parameters) == {TIME} and depends_on_time(self.equation) and self in _CHECKED:
            _CHECKED.add(made)
        return made

    def backward(self) -> "Flow":
        """The map that goes back in time by dt: of a symplectic method the inverse, of others up to their error.  The
        exponents of the flow in the other direction have the opposite signs."""
        return dataclasses.replace(self, direction=-self.direction)

    def refined(self):
        return self._refined

    @cached_property
    def _refined(self) -> "Flow":
        finer = dataclasses.replace(self, substeps=2 * self.substeps)
        if self._chooses:
            vars(finer)["formula"] = self.formula  # which does not depend on the substeps
        return finer

    @cached_property
    def formula(self) -> Formula | None:
        """What compiled loops are made of: of a plain function, one substep as a formula, of `RungeKutta` for instance,
        and what other integrators need."""
        if self.equation is None:
            return None
        variable = isinstance(self._scheme, Controlled)
        return self.equation.then(self._traced, self.dt, self.dt / self.substeps, variable=variable)

    @cached_property
    def _scheme(self) -> Scheme:
        return self.integrator.scheme(self.dt, self.substeps, self.direction, depends_on_time(self.equation))

    def _traced(self, rate, x, h, time):
        return self.integrator.traced(self._directed(rate), x, h, self.direction * time)

    def _directed(self, rate: Callable[..., tuple]) -> Callable[..., tuple]:
        """The rates with respect to the time s = direction t."""
        if self.direction == 1:
            return rate
        return lambda time, *parts: tuple(-part for part in rate(-time, *parts))

    @property
    def _chooses(self) -> bool:
        return isinstance(self.integrator, AdaptiveIntegrator)

    @property
    def resolution(self):
        return f"each step of {self.integrator}" if self._chooses else super().resolution

    def remedy(self, factor, x):
        finer = f"substeps={int(np.ceil(self.substeps / max(factor, 1e-6)))}"
        if self._chooses:
            return f"{finer}, which divide each step, should do"
        fastest, slow = rates(self.field, x)
        stiff = f"; {stiffness(fastest, slow)}: integrator=Radau()" if fastest > STIFF * slow else ""
        return f"dt={rounded_down(self.dt * factor):.2g}, or {finer}, should do{stiff}"

    def of_members(self, members: Any) -> "Flow":
        """The flow with the parameters of some members of a batch of parameters."""
        if self.equation is None or not self.batch:
            return self
        found = self.equation.of_members(members).parameters
        return self.at(**{name: found[name] for name in self.equation.shapes})

    def _rate(self, time: Any, *parts: Any) -> tuple:
        """The rates of a state, or of state and frame; times may be those of the members (*batch, 1)."""
        field = self.field
        if self.equation is not None and depends_on_time(self.equation):
            field = self.equation.at(**{TIME: time[..., 0] if getattr(time, "ndim", 0) else time})
        return _applied(field, parts)

    def after(self, x: Any, time: Any) -> Any:
        """The state after another time, (*batch, 1) for states x (*batch, n), in as many substeps."""
        return self.moved((x,), time)[0]

    def velocity(self, x: Any, since: Any = 0.0) -> Any:
        """The rate of change of the states (*batch, n), `since` (*batch, 1) later than the map begins."""
        return self._directed(self._rate)(self.direction * self.time + since, x)[0]

    def moved(self, parts: tuple, time: Any, since: Any = 0.0) -> tuple:
        """The state, or state and frame, after another time, (*batch, 1), in as many substeps, which begin `since`
        later than the map does."""
        rate, start, h = self._directed(self._rate), self.direction * self.time + since, time / self.substeps
        method = self.integrator
        if isinstance(method, AdaptiveIntegrator):
            parts = self._in_batch(parts)
            traced = self.formula if isinstance(self._scheme, Controlled) and is_double(parts[0]) else None
            by = method if traced is None else Attempts(traced, method, self.direction)
            return integrated(by, rate, parts, time, start, self.substeps)
        for i in range(self.substeps):
            parts = method.step(rate, parts, h, start + i * h)
        return parts

    def _in_batch(self, parts: tuple) -> tuple:
        """The parts with the batch axes of the parameters, too."""
        own = parts[0].ndim - 1
        batch = np.broadcast_shapes(tuple(parts[0].shape[:own]), self.batch)
        broadcast = namespace(parts[0]).broadcast_to
        return tuple(broadcast(part, (*batch, *part.shape[own:])) for part in parts)

    def _by_formula(self, formula: Formula, parts: tuple) -> tuple:
        start, h = self.time, self.direction * self.dt / self.substeps
        for i in range(self.substeps):
            now = formula.at(**{TIME: start + i * h}) if depends_on_time(formula) else formula
            parts = _applied(now, parts)
        return parts

    def applied(self, parts: tuple) -> tuple:
        """The state, or state and frame, after this map."""
        self._check(parts[0])
        formula = None if self._chooses else self.formula
        return self.moved(parts, self.dt) if formula is None else self._by_formula(formula, parts)

    def _check(self, x):
        """Check the field once, at the first states; symbols have no values yet."""
        if self not in _CHECKED and not isinstance(x, Symbols):
            self.integrator.check(self.field, x)
            if self.equation is not None and depends_on_time(self.equation):
                function: Any = self.equation.function
                function.check(lambda time: self.field.at(**{TIME: time}), x, self.equation.parameters)
            _CHECKED.add(self)

    def __call__(self, x):
        return self.applied((x,))[0]

    def tangent(self, x, q):
        return self.applied((x, q))

    def kernel(self, x, q, steps):
        self._check(x)
        if self.formula is None:
            return super().kernel(x, q, steps)
        scheme = self._scheme
        found = self.formula.kernel(x, q, steps * self.substeps * scheme.work, scheme=scheme)
        if isinstance(found, str):
            return found
        if not self._chooses:
            return dataclasses.replace(found, substeps=self.substeps)
        return dataclasses.replace(found, parameters=[*found.parameters, float(self.substeps)])

    def pushed_by_loop(self, x, q):
        if not self._chooses or self.formula is None:  # of other integrators other steps are other formulas
            return None
        loop = self.kernel(x, q, MANY)
        return None if isinstance(loop, str) else loop.pushed(x, q)


def time_step(
    field: Any, x: Any = None, *, accuracy: float = ACCURACY, integrator: Integrator = RUNGE_KUTTA, **parameters: Any
) -> float:
    """The dt of `Flow(field, dt)` at which the error of one step, along the orbit of the state x (n,), is at most
    `accuracy` of the fluctuation of the state, in two digits.

    Systems have states to start from.  Of an integrator that chooses its own steps it is the time in which tangent
    vectors change by a factor of about 3.  Warns where the equation is stiff for the integrator.  Raises ValueError
    without a state, or unless 0 < accuracy < 1, ArithmeticError if the orbit is not finite.
    """
    field = _field_of(field, parameters)
    if x is None:
        start = getattr(field, "start", None)
        if not callable(start):
            raise ValueError(
                'dt="auto" needs a system, which has states to start from; of another equation take'
                " dt=time_step(field, x)"
            )
        x = start(np.random.default_rng(0))
    if isinstance(accuracy, str) or not 0 < accuracy < 1:
        raise ValueError(f"accuracy must be a number in (0, 1); got {accuracy!r}")
    if np.ndim(x) != 1:
        raise ValueError(f"x must be one state of shape (n,); got {np.shape(x)}")
    chooses = isinstance(integrator, AdaptiveIntegrator)
    step = Flow(field, 1.0, integrator=RUNGE_KUTTA if chooses else integrator)

    def flow_of(dt: float) -> Flow:
        return dataclasses.replace(step, dt=dt)

    return growth_time(flow_of, field, x) if chooses else chosen_step(flow_of, field, x, accuracy)


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
