"""Maps and equations made from plain functions: a formula is enough, its derivative follows from it."""

import copy
import inspect
from collections.abc import Callable, Mapping
from math import prod
from typing import Any, final

import numpy as np

from cocycle.arrays import Array, as_numpy, constant, floating, namespace, tolerances
from cocycle.formulas.dual_arrays import DualArray
from cocycle.formulas.kernels import LARGE, kernel, too_long
from cocycle.formulas.on_arrays import OnArrays
from cocycle.formulas.program import Program, program
from cocycle.formulas.symbols import NotTraceable, Symbols, TooLong
from cocycle.maps import Dual, VectorField
from cocycle.purity import require_same, time_to_check

SETTINGS = (bool, str, bytes, type(None))  # parameters of these types are handed on as they are
WHOLE = (int, "int", tuple, "tuple", list, "list")  # and of these annotations


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
        self.shapes = {name: _shape(given.get(name, value)) for name, value in inputs.items()}
        self._check_shapes(parameters)
        self._programs: dict[int, Program | OnArrays] = {}  # by the dimension of the state
        self._whole: dict[int, OnArrays] = {}  # of single states, where a program is too long

    def at(self, **parameters: Any):
        """The same with other values of some parameters.

        A value may have batch axes before its own: one system for each member of a batch of states.  Raises TypeError
        for a parameter that the function does not have, ValueError for one of another shape.
        """
        unknown = sorted(set(parameters) - set(self.parameters))
        if unknown:
            raise TypeError(f"parameters must be among {', '.join(self.parameters)}; got {', '.join(unknown)}")
        self._check_shapes(parameters)
        made = copy.copy(self)
        made.parameters = {**self.parameters, **parameters}
        if set(parameters) <= set(self.shapes):  # a setting has a formula of its own
            made._programs, made._whole = self._programs, self._whole
        return made

    def depends_on(self) -> list[Any]:
        """What decides its values: see `cocycle.purity`."""
        return [self.function, self.parameters]

    @property
    def batch(self) -> tuple[int, ...]:
        """The batch axes of its parameters, together."""
        own = [(_shape(self.parameters[name]), len(shape)) for name, shape in self.shapes.items()]
        return np.broadcast_shapes(*(shape[: len(shape) - length] for shape, length in own))

    def of_members(self, members: Any):
        """The same with the parameters of some members of the batch, which an index into its first axis gives."""
        found = {}
        for name, shape in self.shapes.items():
            value = self.parameters[name]
            if len(_shape(value)) > len(shape):
                found[name] = (np.asarray(value) if namespace(value) is np else value)[members]
        return self.at(**found)

    def _check_shapes(self, parameters: Mapping[str, Any]) -> None:
        for name in parameters.keys() & self.shapes.keys():
            own, shape = self.shapes[name], _shape(parameters[name])
            if shape[len(shape) - len(own) :] != own:
                raise ValueError(f"{name} must have shape (*batch, {str(own)[1:-1]}); got {shape}")

    def __getstate__(self):
        return vars(self) | {"_programs": {}, "_whole": {}}

    def __call__(self, x: Array) -> Array:
        if isinstance(x, Symbols | DualArray):
            return self._value(x, self.parameters)
        x = _state(x)
        made = self._program(x)
        y = made(x, self._inputs())
        self._check(made, x, y)
        return y

    def tangent(self, x: Array, q: Array) -> tuple[Array, Array]:
        x = _state(x)
        made = self._program(x)
        y, s = made.pushed(x, _frame(x, q, x.shape[-1]), self._inputs())
        self._check(made, x, y)
        return y, s

    def _check(self, made: Program | OnArrays, x: Array, y: Array | None = None) -> None:
        """Compare y, or the formula at x, with the function itself, now and then: of one member of the batch."""
        made.calls += 1
        if not time_to_check(made.calls) or not prod(x.shape[:-1]):
            return
        first = (0,) * (x.ndim - 1)
        state = np.array(as_numpy(constant(x))[first], dtype=float)
        given = {name: self._of_first_member(name) for name in self.parameters}
        with np.errstate(all="ignore"):
            found = made(state, self._inputs(given)) if y is None else as_numpy(constant(y))
            expected = np.asarray(self._value(state, given), dtype=float)
            require_same(found[(0,) * (found.ndim - 1)], expected, _name(self.function), tolerances(x.dtype).eps)

    def _of_first_member(self, name: str) -> Any:
        """A parameter of the first member of a batch."""
        value = self.parameters[name]
        if name not in self.shapes:
            return value
        if isinstance(value, int | float):
            return value
        array = np.asarray(as_numpy(constant(value)))
        return array[(0,) * (array.ndim - len(self.shapes[name]))]

    def _value(self, x: Any, parameters: Mapping[str, Any]) -> Any:
        """The function itself, on symbols."""
        result = self.function(x, **parameters)
        return np.stack(result) if isinstance(result, list | tuple) else result

    def _program(self, x: Array, *, compiled: bool = False) -> Program | OnArrays:
        """What computes states like x: operation by operation, also to be compiled, or on whole arrays where there are
        too many."""
        n = x.shape[-1]
        found = self._programs.get(n)
        if found is None or found.dependencies.changed() or found.dependencies.rebound():
            found = self._programs[n] = self._traced(n)
            self._whole.pop(n, None)
        if (
            compiled
            or isinstance(found, OnArrays)
            or x.ndim > 1
            or not isinstance(x, np.ndarray)
            or not too_long(found, True)
        ):
            return found
        if n not in self._whole:
            self._whole[n] = self._on_arrays(n)
        return self._whole[n]

    def _on_arrays(self, n: int) -> OnArrays:
        settings = [value for name, value in self.parameters.items() if name not in self.shapes]
        return OnArrays(self._of_values, n, list(self.shapes.values()), [self.function, *settings])

    def _of_values(self, x: Any, *values: Any) -> Any:
        """The function of the state and of the parameters that are inputs, in their order."""
        return self._value(x, {**self.parameters, **dict(zip(self.shapes, values, strict=True))})

    def _traced(self, n: int) -> Program | OnArrays:
        settings = [value for name, value in self.parameters.items() if name not in self.shapes]
        try:
            return program(self._of_values, (n,), *self.shapes.values(), owner=[self.function, *settings])
        except TooLong:
            return self._on_arrays(n)
        except NotTraceable as error:
            raise NotTraceable(f"{_name(self.function)} cannot be differentiated: {error}") from error

    def _inputs(self, parameters: Mapping[str, Any] | None = None) -> list[Any]:
        """The parameters, its own if there are no others, number by number, each with its batch axes."""
        found: list[Any] = []
        for name, shape in self.shapes.items():
            value = (self.parameters if parameters is None else parameters)[name]
            if isinstance(value, float) and not shape:
                found.append(value)
                continue
            array: Any = np.asarray(value, dtype=float) if namespace(value) is np else value
            found += [array[(..., *index)] for index in np.ndindex(shape)]
        return [float(a) if isinstance(a, np.ndarray | np.floating) and a.ndim == 0 else a for a in found]

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
        own = "dt" in (_defaults(function) or {})
        super().__init__(function, parameters if dt is None or not own else {**parameters, "dt": dt})
        if dt is not None and not (np.ndim(dt) == 0 and dt > 0):
            raise ValueError(f"dt must be a positive number, the time of one application; got {dt!r}")
        self._dt = 1.0 if dt is None else dt
        self._step: Callable[[Callable, Any], Any] | None = None  # of the equation that the function is

    @property
    def dt(self) -> float:
        """The time that one application takes."""
        return self.parameters.get("dt", self._dt) if self._step is None else self._dt

    def _value(self, x: Any, parameters: Mapping[str, Any]) -> Any:
        value = super()._value
        if self._step is None:
            return value(x, parameters)
        return self._step(lambda x: _of_shape(value(x, parameters), x), x)

    def cotangent(self, x: Array, p: Array) -> Array:
        x = _state(x)
        made = self._program(x)
        self._check(made, x)
        return made.pulled(x, _frame(x, p, made.size), self._inputs())

    def kernel(self, x: Array, q: Array | None, steps: int) -> Any:
        made = self._program(x, compiled=True)
        if not made.calls:
            self._require_defined(made, x)
        self._check(made, x)
        if isinstance(made, OnArrays):
            return f"a step has too many operations to be compiled: {LARGE}"
        return kernel(made, self._inputs(), x, q, steps)

    def _require_defined(self, made: Program | OnArrays, x: Array) -> None:
        """Raise ValueError if the formula gives NaN at a finite state, before anything is compiled."""
        with np.errstate(all="ignore"):
            y = as_numpy(constant(made(x, self._inputs())))
        finite = np.isfinite(as_numpy(constant(x))).all(-1)
        wrong = np.argwhere(np.isnan(y).any(-1) & finite)
        if len(wrong):
            state = np.broadcast_to(as_numpy(constant(x)), (*y.shape[:-1], x.shape[-1]))[tuple(wrong[0])]
            raise ValueError(
                f"{_name(self.function)} must be defined where it starts; it gives NaN at {state}: a logarithm or a"
                " root of a negative number, or 0/0"
            )


@final
class Equation(_Parameters, VectorField):
    """The right-hand side of x' = function(x, **parameters), from a plain function of a state (n,): see `Formula`.

    `Flow(function, dt)` makes one of a function that it is given.  Raises NotTraceable, too, unless the function
    returns as many numbers as the state has.
    """

    def __init__(self, function: Callable[..., Any], **parameters: Any):
        super().__init__(function, parameters)

    def _value(self, x: Any, parameters: Mapping[str, Any]) -> Any:
        return _of_shape(super()._value(x, parameters), x)

    @property
    def equation(self) -> "Equation":
        return self

    def then(self, step: Callable[[Callable, Any], Any], dt: float) -> Formula:
        """The map x -> step(rate, x), rate being this right-hand side: an integrator's step as one formula."""
        made = Formula(self.function)
        made.parameters, made.shapes, made._step, made._dt = self.parameters, self.shapes, step, dt
        return made


def _defaults(function: Callable[..., Any]) -> dict[str, tuple[Any, bool]] | None:
    """The default of each parameter after the state, and whether it is a setting; None where there is no signature."""
    if isinstance(function, np.ufunc):  # whose options are no parameters
        return {}
    try:
        parameters = list(inspect.signature(function).parameters.values())[1:]
    except (TypeError, ValueError):
        return None
    if any(p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in parameters):
        return None
    return {p.name: (p.default, p.annotation in WHOLE or not _is_number(p.default)) for p in parameters}


def _is_number(value: Any) -> bool:
    """Whether it is a number, or an array of them."""
    if value is inspect.Parameter.empty:
        return True
    if isinstance(value, SETTINGS) or callable(value):
        return False
    try:
        return namespace(value) is not np or np.asarray(value).dtype.kind in "fiu"
    except (TypeError, ValueError):
        return False


def _shape(value: Any) -> tuple[int, ...]:
    return np.shape(value) if namespace(value) is np else tuple(value.shape)


def _state(x: Any) -> Array:
    """x as an array of real numbers (*batch, n)."""
    if not (isinstance(x, np.ndarray) and x.dtype == np.float64):
        x = floating("x", x)
    if not x.ndim:
        raise ValueError(f"x must be a state of shape (*batch, n); got the number {x}")
    return x


def _frame(x: Array, q: Array, rows: int) -> Array:
    """q as real numbers (..., rows, k)."""
    if not (isinstance(q, np.ndarray) and q.dtype == np.float64):
        q = floating("q", q)
    if q.ndim < 2 or q.shape[-2] != rows:
        raise ValueError(f"q must have shape (*batch, {rows}, k) for x of shape {tuple(x.shape)}; got {tuple(q.shape)}")
    return q


def _of_shape(rate: Any, x: Any) -> Any:
    """What a function gave for the rate of change of x, if it has the shape of x."""
    shape = rate.shape if isinstance(rate, Symbols | DualArray) else np.shape(rate)
    if shape != x.shape:
        raise NotTraceable(f"it must return as many numbers as the state has, {x.shape}; got shape {shape}")
    return rate


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", None) or getattr(function, "name", type(function).__name__)
