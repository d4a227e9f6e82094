"""Maps and equations made from plain functions: a formula is enough, its derivative follows from it."""

from collections.abc import Callable, Mapping
from typing import Any, final

import numpy as np

from cocycle.arrays import Array, as_numpy, constant
from cocycle.formulas.kernels import FIXED, LARGE, kernel
from cocycle.formulas.loops import Scheme
from cocycle.formulas.of_time import TIME, depends_on_time
from cocycle.formulas.on_arrays import OnArrays
from cocycle.formulas.parameters import Parameters, defaults_of, frame_of, name_of, of_shape, state_of
from cocycle.formulas.program import Program
from cocycle.maps import Dual, VectorField

LENGTH = "length of the step"  # a parameter that an integrator gives, as the time


@final
class Formula(Parameters, Dual):
    """x -> function(x, **parameters): a map made from a plain function of a state (n,), such as

        def henon(x, a=1.4, b=0.3):
            return np.stack([1 - a * x[0] ** 2 + x[1], b * x[0]])

        Formula(henon), Formula(henon, a=1.2), Formula(henon).at(a=np.linspace(0, 1.4, 500))

    The function is written for one state, in numpy; it is run on symbols once, differentiated exactly, forwards and
    backwards, and serves batches, torch tensors and arrays of parameters.  Numbers and arrays of numbers are inputs;
    parameters annotated `int`, `tuple` or `list`, and all others, are handed on as they are.  `dt` is the time that one
    application takes, that of a parameter of this name if the function has one.  When what the function reads besides
    has changed, global variables for instance, it is run on symbols again; now and then the results are compared with
    those of the function on numbers.

    Raises NotTraceable, a TypeError, when it is first used, for a function that branches on values, calls `math`, fills
    `np.zeros` by index, changes its argument, draws random numbers, or reads a clock, with what to write instead;
    RuntimeError if the results are not those of the function; ValueError if an orbit starts where it gives NaN.
    """

    def __init__(self, function: Callable[..., Any], *, dt: float | None = None, **parameters: Any):
        own = "dt" in (defaults_of(function) or {})
        super().__init__(function, parameters if dt is None or not own else {**parameters, "dt": dt})
        if dt is not None and not (np.ndim(dt) == 0 and dt > 0):
            raise ValueError(f"dt must be a positive number, the time of one application; got {dt!r}")
        self._dt = 1.0 if dt is None else dt
        self._step: Callable[..., Any] | None = None  # of the equation that the function is

    @property
    def dt(self) -> float:
        """The time that one application takes."""
        return self.parameters.get("dt", self._dt) if self._step is None else self._dt

    def _value(self, x: Any, parameters: Mapping[str, Any]) -> Any:
        value = super()._value
        if self._step is None:
            return value(x, parameters)
        own = {name: given for name, given in parameters.items() if name != LENGTH}

        def rate(time: Any, x: Any) -> tuple:
            return (of_shape(value(x, own | {TIME: time} if timed else own), x),)

        timed = depends_on_time(self)
        return self._step(rate, x, parameters[LENGTH], own[TIME] if timed else 0.0)

    def cotangent(self, x: Array, p: Array) -> Array:
        x = state_of(x)
        made = self._program(x)
        self._check(made, x)
        return made.pulled(x, frame_of(x, p, made.size), self._inputs())

    def kernel(self, x: Array, q: Array | None, steps: int, *, scheme: Scheme = FIXED) -> Any:
        made = self._program(x, compiled=True)
        if not made.calls and not scheme.results:  # a step whose error is too large may be undefined
            self._require_defined(made, x)
        self._check(made, x)
        if isinstance(made, OnArrays):
            return f"a step has too many operations to be compiled: {LARGE}"
        return kernel(made, self._inputs(), x, q, steps, scheme=scheme)

    def _require_defined(self, made: Program | OnArrays, x: Array) -> None:
        """Raise ValueError if the formula gives NaN at a finite state, before anything is compiled."""
        with np.errstate(all="ignore"):
            y = as_numpy(constant(made(x, self._inputs())))
        finite = np.isfinite(as_numpy(constant(x))).all(-1)
        wrong = np.argwhere(np.isnan(y).any(-1) & finite)
        if len(wrong):
            state = np.broadcast_to(as_numpy(constant(x)), (*y.shape[:-1], x.shape[-1]))[tuple(wrong[0])]
            raise ValueError(
                f"{name_of(self.function)} must be defined where it starts; it gives NaN at {state}: a logarithm or a"
                " root of a negative number, or 0/0"
            )


@final
class Equation(Parameters, VectorField):
    """The right-hand side of x' = function(x, **parameters), from a plain function of a state (n,): see `Formula`.

    `Flow(function, dt)` makes one of a function that it is given.  Raises NotTraceable, too, unless the function
    returns as many numbers as the state has.
    """

    def __init__(self, function: Callable[..., Any], **parameters: Any):
        super().__init__(function, parameters)

    def _value(self, x: Any, parameters: Mapping[str, Any]) -> Any:
        return of_shape(super()._value(x, parameters), x)

    @property
    def equation(self) -> "Equation":
        return self

    def then(self, step: Callable[..., Any], dt: float, length: float, *, variable: bool = False) -> Formula:
        """The map x -> step(rate, x, length, time), rate(time, x) being this right-hand side: an integrator's step as
        one formula.  Its last inputs are the time, if the equation depends on it, and the length, if it is variable."""
        made = Formula(self.function)
        made.parameters, made._step, made._dt = {**self.parameters, LENGTH: length}, step, dt
        last = [TIME] * depends_on_time(self) + [LENGTH] * variable
        made.shapes = {name: shape for name, shape in self.shapes.items() if name not in last} | dict.fromkeys(last, ())
        return made
