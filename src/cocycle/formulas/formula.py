"""Maps and equations made from plain functions: a formula is enough, its derivative follows from it."""

import copy
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, final

import numpy as np

from cocycle.arrays import Array, namespace
from cocycle.formulas.kernels import kernel
from cocycle.formulas.program import Program, program
from cocycle.formulas.symbols import NotTraceable, Symbols
from cocycle.maps import Dual, VectorField

SETTINGS = (bool, str, bytes, type(None))  # parameters of these types are handed on as they are


class _Parameters:
    """A function of a state and of parameters, which are inputs of its traced formula: numbers, or arrays of them."""

    function: Callable[..., Any]
    parameters: Mapping[str, Any]
    shapes: Mapping[str, tuple[int, ...]]  # of the parameters that are inputs; the others are settings

    def __init__(self, function: Callable[..., Any], parameters: Mapping[str, Any]):
        if not callable(function):
            raise TypeError(f"function must be a function of a state, f(x, a=1.0); got {type(function).__name__}")
        defaults = _defaults(function)
        unknown = sorted(set(parameters) - set(defaults)) if defaults is not None else []
        if unknown:
            raise TypeError(
                f"parameters must be among {', '.join(defaults or ()) or 'none'}, those of {_name(function)};"
                f" got {', '.join(unknown)}"
            )
        given = {name: value for name, (value, _) in (defaults or {}).items() if value is not inspect.Parameter.empty}
        self.function, self.parameters = function, given | dict(parameters)
        settings = {name for name, (_, whole) in (defaults or {}).items() if whole}
        inputs = {name: value for name, value in self.parameters.items() if _is_number(value) and name not in settings}
        self.shapes = {name: np.shape(given.get(name, value)) for name, value in inputs.items()}
        self._programs: dict[int, Program] = {}  # by the dimension of the state

    def at(self, **parameters: Any):
        """The same with other values of some parameters.

        A value may have batch axes before its own: one system for each member of a batch of states.  Raises TypeError
        for a parameter that the function does not have, ValueError for one of another shape.
        """
        unknown = sorted(set(parameters) - set(self.parameters))
        if unknown:
            raise TypeError(f"parameters must be among {', '.join(self.parameters)}; got {', '.join(unknown)}")
        for name, value in parameters.items():
            own = self.shapes.get(name, ())
            if name in self.shapes and np.shape(value)[np.ndim(value) - len(own) :] != own:
                raise ValueError(f"{name} must have shape (*batch, {str(own)[1:-1]}); got {np.shape(value)}")
        made = copy.copy(self)
        made.parameters = {**self.parameters, **parameters}
        if set(parameters) <= set(self.shapes):  # a setting has a formula of its own
            made._programs = self._programs
        return made

    def __getstate__(self):
        return vars(self) | {"_programs": {}}

    def __call__(self, x: Array) -> Array:
        if isinstance(x, Symbols):
            return self._value(x, self.parameters)
        return self._program(x.shape[-1])(x, self._inputs())

    def tangent(self, x: Array, q: Array) -> tuple[Array, Array]:
        return self._program(x.shape[-1]).pushed(x, q, self._inputs())

    def _value(self, x: Any, parameters: Mapping[str, Any]) -> Any:
        """The function itself, on symbols."""
        result = self.function(x, **parameters)
        return np.stack(result) if isinstance(result, list | tuple) else result

    def _program(self, n: int) -> Program:
        found = self._programs.get(n)
        if found is None or found.dependencies.changed() or found.dependencies.rebound():
            found = self._programs[n] = self._traced(n)
        return found

    def _traced(self, n: int) -> Program:
        settings = [value for name, value in self.parameters.items() if name not in self.shapes]

        def formula(x, *values):
            return self._value(x, {**self.parameters, **dict(zip(self.shapes, values, strict=True))})

        try:
            return program(formula, (n,), *self.shapes.values(), owner=[self.function, *settings])
        except NotTraceable as error:
            raise NotTraceable(f"{_name(self.function)} cannot be differentiated: {error}") from error

    def _inputs(self) -> list[Any]:
        """The parameters, number by number, each with its batch axes."""
        found: list[Any] = []
        for name, shape in self.shapes.items():
            value = self.parameters[name]
            if not shape and not np.ndim(value):
                found.append(float(value))
                continue
            array = np.asarray(value, dtype=float) if namespace(value) is np else value
            found += [array[(..., *index)] for index in np.ndindex(shape)]
        return [float(a) if np.ndim(a) == 0 else a for a in found]

    def __repr__(self):
        given = "".join(f", {name}={value!r:.40}" for name, value in self.parameters.items())
        return f"{type(self).__name__}({_name(self.function)}{given})"


@final
class Formula(_Parameters, Dual):
    """x -> function(x, **parameters): a map made from a plain function of a state (n,), such as

        def henon(x, a=1.4, b=0.3):
            return np.stack([1 - a * x[0] ** 2 + x[1], b * x[0]])

        Formula(henon), Formula(henon, a=1.2), Formula(henon).at(a=np.linspace(0, 1.4, 500))

    The function is written for one state, in numpy; it is run on symbols once, differentiated exactly, forwards and
    backwards, and serves batches, torch tensors and arrays of parameters.  Parameters annotated `int`, strings and
    bools are handed on as they are; all others are inputs.  `dt` is the time that one application takes.  When what the
    function reads besides has changed, global variables for instance, it is run on symbols again.

    Raises NotTraceable, a TypeError, when it is first used, for a function that branches on values, calls `math`, fills
    `np.zeros` by index, changes its argument, draws random numbers, or reads a clock, with what to write instead.
    """

    def __init__(self, function: Callable[..., Any], *, dt: float = 1.0, **parameters: Any):
        super().__init__(function, parameters)
        self.dt = dt
        self._step: Callable[[Callable, Any], Any] | None = None  # of the equation that the function is

    def _value(self, x: Any, parameters: Mapping[str, Any]) -> Any:
        rate = partial(super()._value, parameters=parameters)
        return rate(x) if self._step is None else self._step(rate, x)

    def cotangent(self, x: Array, p: Array) -> Array:
        return self._program(x.shape[-1]).pulled(x, p, self._inputs())

    def kernel(self, x: Array, q: Array | None, steps: int) -> Any:
        return kernel(self._program(x.shape[-1]), self._inputs(), x, q, steps)


@final
class Equation(_Parameters, VectorField):
    """The right-hand side of x' = function(x, **parameters), from a plain function of a state (n,): see `Formula`.

    `Flow(function, dt)` makes one of a function that it is given.
    """

    def __init__(self, function: Callable[..., Any], **parameters: Any):
        super().__init__(function, parameters)

    def then(self, step: Callable[[Callable, Any], Any], dt: float) -> Formula:
        """The map x -> step(rate, x), rate being this right-hand side: an integrator's step as one formula."""
        made = Formula(self.function, dt=dt)
        made.parameters, made.shapes, made._step = self.parameters, self.shapes, step
        return made


def _defaults(function: Callable[..., Any]) -> dict[str, tuple[Any, bool]] | None:
    """The default of each parameter after the state, and whether it is a setting; None where there is no signature."""
    try:
        parameters = list(inspect.signature(function).parameters.values())[1:]
    except (TypeError, ValueError):
        return None
    if any(p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in parameters):
        return None
    return {p.name: (p.default, p.annotation in (int, "int") or not _is_number(p.default)) for p in parameters}


def _is_number(value: Any) -> bool:
    if value is inspect.Parameter.empty:
        return True
    return not isinstance(value, SETTINGS) and not callable(value)


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", type(function).__name__)
