"""Arrays with their tangents: forward mode on whole arrays, for formulas of very many operations.

One product of a matrix and a vector is one operation here, and thousands in a trace.  Every function of numpy is
applied to the value; where it is linear, to each tangent as well, where it has several factors, to each tangent of one
of them, and else its partial derivatives are those of the traces, `partials.PARTIALS`, computed on arrays.
"""

import inspect
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, final

import numpy as np

from cocycle.formulas.array_methods import ArrayMethods
from cocycle.formulas.composites import COMPOSITES
from cocycle.formulas.functions import JOINING, MOVING, SHAPES, tried
from cocycle.formulas.partials import PARTIALS
from cocycle.formulas.refused import NotTraceable
from cocycle.formulas.ufuncs import RECORDED, composed

LINEAR = ("sum", "mean", "cumsum", "diff", "ediff1d", "trace", "diag", "diagflat", "triu", "tril")
ADDED = ("prepend", "append", "to_begin", "to_end", "initial")  # options of these that are terms of the result
MULTILINEAR = (
    *("dot", "vdot", "vecdot", "inner", "outer", "einsum", "tensordot", "kron", "cross", "convolve", "correlate"),
    *("matvec", "vecmat", "matmul"),
)
EXTREMES = {"max": np.argmax, "amax": np.argmax, "min": np.argmin, "amin": np.argmin}
FILLED = ("zeros_like", "ones_like", "empty_like", "full_like")


@final
class DualArray(ArrayMethods):
    """An array, and the same number of tangents of it, in all that belong together."""

    def __init__(self, value: Any, tangents: Sequence[Any]):
        self.value, self.tangents = np.asarray(value), [np.asarray(t) for t in tangents]

    shape = property(lambda self: self.value.shape)
    ndim = property(lambda self: self.value.ndim)
    size = property(lambda self: self.value.size)
    dtype = property(lambda self: self.value.dtype)
    T = property(lambda self: self._each(np.transpose))
    flat = property(lambda self: iter(self._each(np.ravel)))
    real = property(lambda self: self)

    def _each(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """A linear function of the array."""
        value = function(self.value, *arguments, **options)
        tangents = [function(t, *arguments, **options) for t in self.tangents]
        if isinstance(value, list | tuple):
            return type(value)(DualArray(v, t) for v, *t in zip(value, *tangents, strict=True))
        return DualArray(value, tangents)

    def __getitem__(self, index):
        return self._each(lambda a: a[index])

    def __setitem__(self, index, value):
        self.value[index] = _value(value)
        for j, tangent in enumerate(self.tangents):
            tangent[index] = _tangent(value, j)

    def __copy__(self):
        return self._each(np.copy)

    def __deepcopy__(self, memo):
        return self.__copy__()

    def __bool__(self):
        return bool(self.value)

    def astype(self, dtype, copy=True):
        if np.dtype(dtype) != np.float64:
            raise NotTraceable(f"it converts values to {np.dtype(dtype)}: stay with real numbers, float64")
        return self.__copy__() if copy else self

    def item(self):
        return self._each(np.reshape, ())

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        if method == "outer" and len(inputs) == 2:
            first, second = inputs
            inputs = np.reshape(first, np.shape(_value(first)) + (1,) * np.ndim(_value(second))), second
        if method == "reduce":
            result = _reduced(ufunc, inputs[0], **options)
        elif method in ("__call__", "outer") and not options:
            result = _applied(ufunc, inputs)
        else:
            raise NotTraceable(f"it calls np.{ufunc.__name__}.{method}, which has no derivative here")
        if out is None or not out[0].shape:
            return result
        out[0][...] = result
        return out[0]

    def __array_function__(self, function, types, arguments, options):
        return tried(function.__name__, self._called, function, arguments, options)

    def _called(self, function: Callable[..., Any], arguments: Sequence[Any], options: dict[str, Any]) -> Any:
        name = function.__name__
        if name in SHAPES:
            return function(*map(_value, arguments), **options)
        if name in COMPOSITES:
            return COMPOSITES[name](*arguments, **options)
        if name in MOVING:
            first, *rest = arguments
            return first._each(function, *rest, **options)
        if name in LINEAR:
            return _linear(function, **inspect.signature(function).bind(*arguments, **options).arguments)
        if name in JOINING:
            return _of_several(lambda parts: function(parts, *arguments[1:], **options), arguments[0])
        if name in MULTILINEAR:
            return _multilinear(function, arguments, options)
        if name in OTHERS:
            return OTHERS[name](*arguments, **options)
        if name in EXTREMES:
            return _extreme(EXTREMES[name], *arguments, **options)
        if name in FILLED:
            value = function(*map(_value, arguments), **options)
            return DualArray(value, [np.zeros(value.shape) for _ in self.tangents])
        raise NotTraceable(f"np.{name} has no derivative here: write it with sums and products")


def _value(a: Any) -> Any:
    if isinstance(a, list | tuple):
        return type(a)(_value(part) for part in a)
    return a.value if isinstance(a, DualArray) else a


def _tangent(a: Any, j: int) -> Any:
    """Its tangent of that number: zeros, of what has none."""
    if isinstance(a, list | tuple):
        return type(a)(_tangent(part, j) for part in a)
    return a.tangents[j] if isinstance(a, DualArray) else np.zeros(np.shape(a))


def _number_of(parts: Any) -> int:
    """The number of tangents of some of the parts."""
    if isinstance(parts, DualArray):
        return len(parts.tangents)
    return max((_number_of(part) for part in parts), default=0) if isinstance(parts, list | tuple) else 0


def _of_several(function: Callable[..., Any], parts: Any) -> DualArray:
    """A linear function of several arrays together."""
    parts = list(parts) if isinstance(parts, DualArray) else parts
    return DualArray(function(_value(parts)), [function(_tangent(parts, j)) for j in range(_number_of(parts))])


def _linear(function: Callable[..., Any], **options: Any) -> DualArray:
    """A linear function of its first option, an array, and of those that are added to it."""
    if options.get("dtype") not in (None, float, np.float64) or options.get("out") is not None:
        raise NotTraceable(f"it calls np.{function.__name__} with dtype or out: stay with float64, assign the result")
    first, *others = options
    terms = [first, *(name for name in others if name in ADDED)]
    value = function(**options | {name: _value(options[name]) for name in terms})
    count = _number_of([options[name] for name in terms])
    tangents = [{name: _tangent(options[name], j) for name in terms} for j in range(count)]
    return DualArray(value, [function(**options | tangent) for tangent in tangents])


def _multilinear(function: Callable[..., Any], factors: Sequence[Any], options: dict[str, Any]) -> DualArray:
    """The product rule."""
    values = [_value(factor) for factor in factors]
    moving = [i for i, factor in enumerate(factors) if isinstance(factor, DualArray)]
    tangents = []
    for j in range(_number_of(tuple(factors))):
        terms = [function(*values[:i], factors[i].tangents[j], *values[i + 1 :], **options) for i in moving]
        tangents.append(sum(terms[1:], terms[0]))
    return DualArray(function(*values, **options), tangents)


_ON_ARRAYS: Any = SimpleNamespace(record=lambda name, *operands: getattr(np, name)(*operands))


def _primitive(name: str, *operands: Any) -> Any:
    """One operation of the table, element by element."""
    values = [_value(operand) for operand in operands]
    value = getattr(np, name)(*values)
    count = _number_of(operands)
    if not count or value.dtype == bool:
        return value
    if name == "where":
        parts = [[_tangent(operand, j) for operand in operands[1:]] for j in range(count)]
        return DualArray(value, [np.where(values[0], *part) for part in parts])
    moving = [i for i, operand in enumerate(operands) if isinstance(operand, DualArray)]
    partials = {i: PARTIALS[name][i](_ON_ARRAYS, value, *values) for i in moving}
    tangents = []
    for j in range(count):
        terms = [partials[i] * operands[i].tangents[j] for i in moving]
        tangents.append(np.broadcast_to(sum(terms[1:], terms[0]), value.shape) * 1.0)
    return DualArray(value, tangents)


def _applied(ufunc: Any, inputs: Sequence[Any]) -> Any:
    name = ufunc.__name__
    if name == "matmul":
        return _multilinear(np.matmul, inputs, {})
    if name == "divmod":
        return _applied(np.floor_divide, inputs), _applied(np.mod, inputs)
    if name in RECORDED and RECORDED[name] in PARTIALS:
        return _primitive(RECORDED[name], *inputs)
    made = composed(_primitive).get(name)
    if made is None:
        raise NotTraceable(f"np.{name} has no derivative here: write it with other functions")
    return made(*inputs)


def _reduced(ufunc: Any, a: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    made = REDUCTIONS.get(ufunc)
    if made is None or dtype not in (None, float, np.float64):
        raise NotTraceable(f"np.{ufunc.__name__}.reduce has no derivative here: write it with sums and products")
    return made(a, axis=axis, keepdims=keepdims)


def _extreme(place: Callable[..., Any], a: DualArray, axis: Any = None, keepdims: Any = False) -> DualArray:
    if axis is None:
        a, axis = a._each(np.ravel), 0
        keepdims = False
    index = np.expand_dims(place(a.value, axis=axis), axis)
    found = a._each(np.take_along_axis, index, axis)
    return found if keepdims is True else found._each(np.squeeze, axis)


def _product(a: DualArray, axis: Any = None, keepdims: Any = False) -> DualArray:
    """Factor by factor: a quotient would not do where one is zero."""
    if axis is None:
        a, axis = a._each(np.ravel), 0
    first, *others = a._each(np.moveaxis, axis, 0)
    for other in others:
        first = first * other
    return first._each(np.expand_dims, axis) if keepdims is True else first


def _fill_diagonal(a: DualArray, val: Any, wrap: bool = False) -> None:
    np.fill_diagonal(a.value, _value(val), wrap)
    for j, tangent in enumerate(a.tangents):
        np.fill_diagonal(tangent, _tangent(val, j), wrap)


REDUCTIONS: dict[Any, Callable[..., Any]] = {
    np.add: np.sum,
    np.multiply: np.prod,
    np.maximum: np.max,
    np.minimum: np.min,
}
OTHERS: dict[str, Callable[..., Any]] = {
    "where": lambda *operands: _primitive("where", *operands),
    "fill_diagonal": _fill_diagonal,
    "append": lambda a, values, axis=None: _of_several(lambda parts: np.append(*parts, axis=axis), [a, values]),
    "insert": lambda a, place, values: _of_several(lambda parts: np.insert(parts[0], place, parts[1]), [a, values]),
    "prod": _product,
}
