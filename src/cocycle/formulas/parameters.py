"""A function of a state and of parameters: traced, computed, and compared with itself."""

import copy
import inspect
from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np

from cocycle.arrays import Array, as_numpy, constant, floating, namespace, tolerances
from cocycle.formulas.dual_arrays import DualArray
from cocycle.formulas.kernels import too_long
from cocycle.formulas.on_arrays import OnArrays
from cocycle.formulas.program import Program, program
from cocycle.formulas.refused import NotTraceable, TooLong
from cocycle.formulas.symbols import Symbols
from cocycle.purity import require_same, time_to_check

SETTINGS = (bool, str, bytes, type(None))  # parameters of these types are handed on as they are
WHOLE = (int, "int", tuple, "tuple", list, "list")  # and of these annotations


class Parameters:
    """A function of a state and of parameters, which are inputs of its traced formula: numbers, or arrays of them."""

    function: Callable[..., Any]
    parameters: Mapping[str, Any]
    shapes: Mapping[str, tuple[int, ...]]  # of the parameters that are inputs; the others are settings

    def __init__(self, function: Callable[..., Any], parameters: Mapping[str, Any]):
        if not callable(function):
            raise TypeError(f"function must be a function of a state, f(x, a=1.0); got {type(function).__name__}")
        defaults = defaults_of(function)
        unknown = sorted(set(parameters) - set(defaults)) if defaults is not None else []
        if unknown:
            raise TypeError(
                f"parameters must be among {', '.join(defaults or ()) or 'none'}, those of {name_of(function)};"
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
        x = state_of(x)
        made = self._program(x)
        y = made(x, self._inputs())
        self._check(made, x, y)
        return y

    def tangent(self, x: Array, q: Array) -> tuple[Array, Array]:
        x = state_of(x)
        made = self._program(x)
        y, s = made.pushed(x, frame_of(x, q, x.shape[-1]), self._inputs())
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
            require_same(found[(0,) * (found.ndim - 1)], expected, name_of(self.function), tolerances(x.dtype).eps)

    def _of_first_member(self, name: str) -> Any:
        """A parameter of the first member of a batch."""
        value = self.parameters[name]
        if name not in self.shapes or isinstance(value, int | float):
            return value
        array = np.asarray(as_numpy(constant(value)))
        return array[(0,) * (array.ndim - len(self.shapes[name]))]

    def _value(self, x: Any, parameters: Mapping[str, Any]) -> Any:
        """The function itself: on numbers, symbols, or arrays with tangents."""
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
        single = isinstance(x, np.ndarray) and x.ndim == 1
        if compiled or not single or isinstance(found, OnArrays) or not too_long(found, True):
            return found
        if n not in self._whole:
            self._whole[n] = self._on_arrays(n)
        return self._whole[n]

    @property
    def _owner(self) -> list[Any]:
        """What decides the values of the function, but for the parameters that are inputs."""
        return [self.function, *(value for name, value in self.parameters.items() if name not in self.shapes)]

    def _on_arrays(self, n: int) -> OnArrays:
        return OnArrays(self._of_values, n, list(self.shapes.values()), self._owner)

    def _of_values(self, x: Any, *values: Any) -> Any:
        """The function of the state and of the parameters that are inputs, in their order."""
        return self._value(x, {**self.parameters, **dict(zip(self.shapes, values, strict=True))})

    def _traced(self, n: int) -> Program | OnArrays:
        try:
            return program(self._of_values, (n,), *self.shapes.values(), owner=self._owner)
        except TooLong:
            return self._on_arrays(n)
        except NotTraceable as error:
            raise NotTraceable(f"{name_of(self.function)} cannot be differentiated: {error}") from error

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
        return f"{type(self).__name__}({name_of(self.function)}{given})"


def defaults_of(function: Callable[..., Any]) -> dict[str, tuple[Any, bool]] | None:
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


def state_of(x: Any) -> Array:
    """x as an array of real numbers (*batch, n)."""
    if not (isinstance(x, np.ndarray) and x.dtype == np.float64):
        x = floating("x", x)
    if not x.ndim:
        raise ValueError(f"x must be a state of shape (*batch, n); got the number {x}")
    return x


def frame_of(x: Array, q: Array, rows: int) -> Array:
    """q as real numbers (..., rows, k)."""
    if not (isinstance(q, np.ndarray) and q.dtype == np.float64):
        q = floating("q", q)
    if q.ndim < 2 or q.shape[-2] != rows:
        raise ValueError(f"q must have shape (*batch, {rows}, k) for x of shape {tuple(x.shape)}; got {tuple(q.shape)}")
    return q


def of_shape(rate: Any, x: Any) -> Any:
    """What a function gave for the rate of change of x, if it has the shape of x."""
    shape = rate.shape if isinstance(rate, Symbols | DualArray) else np.shape(rate)
    if shape != x.shape:
        raise NotTraceable(f"it must return as many numbers as the state has, {x.shape}; got shape {shape}")
    return rate


def name_of(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", None) or getattr(function, "name", type(function).__name__)
