"""Arrays of numbers that are not known yet: a formula run on them records what it does.

numpy hands every operation on them over (`__array_ufunc__`, `__array_function__`), so that a formula is written as for
numbers.  What numpy does not hand over is refused, with what to write instead.
"""

from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from cocycle.formulas.graph import Constant, Graph, Operand
from cocycle.formulas.ufuncs import RECORDED, composed

MOST = 20_000  # operations of a formula


class NotTraceable(TypeError):
    """The formula does something that symbols cannot record; the message says what to write instead."""


@final
class Symbols(NDArrayOperatorsMixin):
    """An array of operands of a graph, in an object array."""

    def __init__(self, graph: Graph, operands: np.ndarray, *, fixed: bool = False):
        self.graph, self.operands, self.fixed = graph, operands, fixed

    shape = property(lambda self: self.operands.shape)
    ndim = property(lambda self: self.operands.ndim)
    size = property(lambda self: self.operands.size)
    dtype = property(lambda self: np.dtype(np.float64))
    T = property(lambda self: self._with(self.operands.T))
    flat = property(lambda self: iter(np.ravel(self)))

    def _with(self, operands: Any) -> "Symbols":
        return Symbols(self.graph, _object_array(operands))

    def __len__(self):
        if not self.ndim:
            raise TypeError("a number has no len()")
        return len(self.operands)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index):
        return self._with(self.operands[_plain_index(index)])

    def __setitem__(self, index, value):
        if self.fixed:
            raise NotTraceable("it changes its argument in place: work on a copy, x = x.copy()")
        self.operands[_plain_index(index)] = operands_of(self.graph, value)[()]  # of one value the value itself

    def __bool__(self):
        raise NotTraceable(
            "it branches on a value (if, while, and, or, min, max): take np.where, np.minimum, np.maximum"
        )

    def __float__(self):
        raise NotTraceable(
            "it takes a value for a number, as math.sin does, and filling np.zeros by index: take np.sin,"
            " np.stack([...]), np.zeros_like(x)"
        )

    __int__ = __index__ = __complex__ = __float__

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        if options.get("dtype") in (None, float, np.float64):
            options.pop("dtype", None)
        if method == "reduce":
            result = _reduced(self.graph, ufunc, inputs[0], **options)
        elif method == "__call__" and not options:
            result = _applied(self.graph, ufunc, inputs)
        else:
            raise NotTraceable(f"it calls np.{ufunc.__name__} with {method}, {', '.join(options)}: call it without")
        if out is not None:
            out[0][...] = result
            return out[0]
        return result

    def __array_function__(self, function, types, arguments, options):
        special = SPECIAL.get(function.__name__)
        if special is not None:
            return special(self.graph, *arguments, **options)
        # numpy's own code, on arrays of single symbols, each of which has operators
        plain = [_unpacked(argument) for argument in arguments], {k: _unpacked(v) for k, v in options.items()}
        try:
            result = function(*plain[0], **plain[1])
        except NotTraceable:
            raise
        except Exception as error:
            raise NotTraceable(
                f"np.{function.__name__} cannot be traced ({error}): write it with sums and products"
            ) from error
        return _packed(self.graph, result)

    def astype(self, dtype, **_):
        if np.dtype(dtype).kind != "f":
            raise NotTraceable(f"it converts values to {np.dtype(dtype)}: stay with real numbers")
        return self

    def item(self):
        return self._with(self.operands.reshape(()))

    @property
    def real(self):
        return self


def _method(name: str) -> Callable[..., Any]:
    return lambda self, *arguments, **options: getattr(np, name)(self, *arguments, **options)


for _name in (
    *("sum", "mean", "prod", "dot", "reshape", "ravel", "swapaxes", "transpose", "clip", "max", "min", "copy"),
    *("squeeze", "repeat", "take", "cumsum", "round", "std", "var"),
    *(*RECORDED, "exp2", "log2", "log10", "square", "reciprocal"),  # which numpy asks of elements of object arrays
):
    setattr(Symbols, _name, _method(_name))


def _object_array(operands: Any) -> np.ndarray:
    if isinstance(operands, np.ndarray):
        return operands
    whole = np.empty((), dtype=object)
    whole[()] = operands
    return whole


def _plain_index(index: Any) -> Any:
    if isinstance(index, Symbols) or (isinstance(index, tuple) and any(isinstance(i, Symbols) for i in index)):
        raise NotTraceable("it indexes with values: take np.where")
    return index


def operands_of(graph: Graph, value: Any) -> np.ndarray:
    """A value, whatever it is made of, as an array of operands."""
    if isinstance(value, Symbols):
        if value.graph is not graph:
            raise NotTraceable("it mixes values of two traces: do not keep values from one call to the next")
        return value.operands
    if isinstance(value, int | float | np.number | np.bool_):
        return _object_array(Constant(float(value)))
    try:
        elements = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise NotTraceable(f"it makes an array of {type(value).__name__}: {error}") from error
    if elements.dtype.kind in "fiub":
        return _each(lambda number: Constant(float(number)), elements)
    if elements.dtype.kind != "O":
        raise NotTraceable(f"it computes with values of dtype {elements.dtype}: take real numbers")
    return _each(lambda element: operands_of(graph, element)[()], elements)


def _each(function: Callable[..., Any], *arrays: np.ndarray) -> np.ndarray:
    """function of the elements of arrays, broadcast together."""
    whole = np.broadcast(*arrays)
    result = np.empty(whole.shape, dtype=object)
    for index, elements in zip(np.ndindex(whole.shape), whole, strict=True):
        result[index] = function(*elements)
    return result


def _applied(graph: Graph, ufunc: Any, inputs: Sequence[Any]) -> Symbols:
    arrays = [operands_of(graph, value) for value in inputs]
    name = ufunc.__name__
    if name == "matmul":
        return _packed(graph, np.matmul(*(_unpacked(Symbols(graph, a)) for a in arrays)))
    function = composed(graph.record).get(name) or (lambda *operands: _recorded(graph, name, operands))
    if name == "power" and arrays[1].size == 1 and arrays[1].ravel()[0] == Constant(2.0):
        return Symbols(graph, _each(lambda a: graph.record("multiply", a, a), arrays[0]))
    result = Symbols(graph, _each(function, *arrays))
    if len(graph.operations) > MOST:
        raise NotTraceable(f"it has more than {MOST} operations: formulas of that length are faster on arrays")
    return result


def _recorded(graph: Graph, name: str, operands: Sequence[Operand]) -> Operand:
    if name not in RECORDED:
        raise NotTraceable(f"np.{name} cannot be traced: it has no derivative here; write it with other functions")
    return graph.record(RECORDED[name], *operands)


def _reduced(graph: Graph, ufunc: Any, value: Any, axis: Any = 0, keepdims: bool = False, **options: Any) -> Symbols:
    """np.add.reduce and the like, one after the other along the axes."""
    if {k: v for k, v in options.items() if v not in (None, np._NoValue, True)}:
        raise NotTraceable(f"it calls np.{ufunc.__name__}.reduce with {', '.join(options)}: call it without")
    operands = operands_of(graph, value)
    axes = range(operands.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    axes = sorted(a % max(operands.ndim, 1) for a in axes)
    found = Symbols(graph, operands)
    for a in reversed(axes):
        rows = np.moveaxis(found.operands, a, 0)
        total = (
            Symbols(graph, _object_array(rows[0]))
            if len(rows)
            else Symbols(graph, operands_of(graph, np.full(rows.shape[1:], ufunc.identity)))
        )
        for row in rows[1:]:
            total = _applied(graph, ufunc, (total, Symbols(graph, _object_array(row))))
        found = Symbols(graph, np.expand_dims(total.operands, a) if keepdims else _object_array(total.operands))
    return found


def _unpacked(value: Any) -> Any:
    """Arrays of symbols as object arrays of single symbols, for numpy's own code; other arguments as they are."""
    if isinstance(value, Symbols):
        return _each(lambda operand: value._with(operand), value.operands)
    if isinstance(value, list | tuple):
        return type(value)(_unpacked(part) for part in value)
    return value


def _packed(graph: Graph, result: Any) -> Any:
    if isinstance(result, list | tuple):
        return type(result)(_packed(graph, part) for part in result)
    if isinstance(result, Symbols) or (isinstance(result, np.ndarray) and result.dtype == object):
        return Symbols(graph, _object_array(operands_of(graph, result)))
    return result


def _where(graph: Graph, condition: Any, *choices: Any) -> Symbols:
    if len(choices) != 2:
        raise NotTraceable(
            "it calls np.where with a condition alone, which gives places: take np.where(condition, a, b)"
        )
    arrays = [operands_of(graph, value) for value in (condition, *choices)]
    return Symbols(graph, _each(lambda *operands: graph.record("where", *operands), *arrays))


def _filled(number: float | None) -> Callable[..., Symbols]:
    def made(graph: Graph, like: Any, fill_value: Any = 0.0, *, shape: Any = None, **_: Any) -> Symbols:
        value = fill_value if number is None else number
        whole = np.empty(np.shape(like) if shape is None else shape, dtype=object)
        whole[...] = operands_of(graph, value)[()]
        return Symbols(graph, whole)

    return made


def _norm(graph: Graph, x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Symbols:
    if ord not in (None, 2):
        raise NotTraceable(f"np.linalg.norm with ord={ord} cannot be traced: take np.sqrt(np.sum(x**2))")
    return np.sqrt(np.sum(np.square(x), axis=axis, keepdims=keepdims))


def _clip(graph: Graph, a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    low, high = a_min if min is None else min, a_max if max is None else max
    a = a if low is None else np.maximum(a, low)
    return a if high is None else np.minimum(a, high)


def _mean(graph: Graph, a: Any, axis: Any = None, keepdims: bool = False, **_: Any) -> Any:
    total = np.sum(a, axis=axis, keepdims=keepdims)
    return total / (np.size(operands_of(graph, a)) / max(np.size(total.operands), 1))


def _reduction(name: str) -> Callable[..., Symbols]:
    """np.sum and the like by the operation of that name."""

    def reduced(graph: Graph, a: Any, axis: Any = None, keepdims: bool = False, **options: Any) -> Symbols:
        return _reduced(graph, getattr(np, name), a, axis, bool(keepdims) and keepdims is not np._NoValue, **options)

    return reduced


def _copy(graph: Graph, a: Any, **_: Any) -> Symbols:
    return Symbols(graph, operands_of(graph, a).copy())


SPECIAL: dict[str, Callable[..., Any]] = {
    "where": _where,
    "norm": _norm,
    "clip": _clip,
    "mean": _mean,
    "copy": _copy,
    "sum": _reduction("add"),
    "prod": _reduction("multiply"),
    "max": _reduction("maximum"),
    "amax": _reduction("maximum"),
    "min": _reduction("minimum"),
    "amin": _reduction("minimum"),
    "zeros_like": _filled(0.0),
    "empty_like": _filled(0.0),
    "ones_like": _filled(1.0),
    "full_like": _filled(None),
}
