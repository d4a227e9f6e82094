"""Arrays of numbers that are not known yet: a formula run on them records what it does.

numpy hands every operation on them over (`__array_ufunc__`, `__array_function__`), so that a formula is written as for
numbers.  What numpy does not hand over is refused, with what to write instead.
"""

from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np

from cocycle.formulas.array_methods import ArrayMethods
from cocycle.formulas.graph import Constant, Graph, Operand
from cocycle.formulas.refused import NotTraceable, TooLong
from cocycle.formulas.ufuncs import AS_TRUTHS, RECORDED, composed

MOST = 20_000  # operations of a formula


@final
class Symbols(ArrayMethods):
    """An array of operands of a graph, in an object array.  `fixed` ones, the arguments, cannot be changed in place."""

    def __init__(self, graph: Graph, operands: Any, *, fixed: bool = False):
        self.graph, self.operands, self.fixed = graph, object_array(operands), fixed

    shape = property(lambda self: self.operands.shape)
    ndim = property(lambda self: self.operands.ndim)
    size = property(lambda self: self.operands.size)
    T = property(lambda self: self.view(self.operands.T))
    flat = property(lambda self: iter(self.view(self.operands.ravel())))
    real = property(lambda self: self)

    @property
    def dtype(self):
        truths = self.size and all(self.graph.is_truth(operand) for operand in self.operands.flat)
        return np.dtype(bool if truths else np.float64)

    def view(self, operands: Any) -> "Symbols":
        """Symbols of some of these operands, fixed if they are the same memory."""
        found = object_array(operands)
        return Symbols(self.graph, found, fixed=self.fixed and np.may_share_memory(found, self.operands))

    def __getitem__(self, index):
        return self.view(self.operands[_plain_index(index)])

    def __setitem__(self, index, value):
        if self.fixed:
            raise NotTraceable("it changes its argument in place: work on a copy, x = x.copy()")
        self.operands[_plain_index(index)] = operands_of(self.graph, value)[()]  # of one value the value itself

    def __bool__(self):
        raise self._refused(
            "it branches on a value (if, while, and, or, min, max, or np.minimum of np.array([x[0], ...])): take"
            " np.where, np.minimum, np.maximum, of np.stack([x[0], ...])"
        )

    def __float__(self):
        raise self._refused(
            "it takes a value for a number, as math.sin does, filling np.zeros by index, and np.array([x[0], ...],"
            " dtype=float): take np.sin, np.stack([...]), np.zeros_like(x)"
        )

    __complex__ = __float__

    def __index__(self):
        raise self._refused(
            "it takes a value for an integer, as range, indices, shapes and np.roll do: annotate a parameter that is"
            " one, n: int, or shape: tuple; of a state take np.where"
        )

    __int__ = __index__

    def _refused(self, message: str) -> NotTraceable:
        """The exception, which is remembered: the formula may catch it."""
        self.graph.refused = self.graph.refused or message
        return NotTraceable(message)

    def __copy__(self):
        return Symbols(self.graph, self.operands.copy())

    def __deepcopy__(self, memo):
        return self.__copy__()

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        if options.get("dtype") in (None, float, np.float64):
            options.pop("dtype", None)
        if method == "reduce":
            result = reduced(self.graph, ufunc, inputs[0], **options)
        elif method == "outer" and not options and len(inputs) == 2:
            first, second = (Symbols(self.graph, operands_of(self.graph, value)) for value in inputs)
            result = applied(self.graph, ufunc, (first.reshape(first.shape + (1,) * second.ndim), second))
        elif method == "__call__" and not options:
            result = applied(self.graph, ufunc, inputs)
        else:
            given = "".join(f", {name}=..." for name in options)
            raise NotTraceable(f"it calls np.{ufunc.__name__}.{method}(x{given}), which cannot be traced")
        return result if out is None else _written(out[0], result)

    def __array_function__(self, function, types, arguments, options):
        from cocycle.formulas.functions import call  # which is made of these symbols

        return call(self.graph, function, arguments, options)

    def astype(self, dtype, copy=True):
        if dtype not in (float, np.float64, "float", "float64", "d", np.dtype(np.float64)):
            raise NotTraceable(f"it converts values to {np.dtype(dtype)}: stay with real numbers, float64")
        return Symbols(self.graph, each(self.graph.number, self.operands)) if copy or self.dtype == bool else self

    def item(self):
        return self.view(self.operands.reshape(()))


def object_array(operands: Any) -> np.ndarray:
    if isinstance(operands, np.ndarray):
        return operands
    whole = np.empty((), dtype=object)
    whole[()] = operands
    return whole


def _written(out: Any, result: Symbols) -> Symbols:
    """The result in the array that was given for it; numbers are immutable, as those of numpy."""
    if not isinstance(out, Symbols):
        raise NotTraceable("it writes values into an array of numbers: take np.zeros_like(x), or np.stack([...])")
    if not out.ndim:
        return result
    out[...] = result
    return out


def _plain_index(index: Any) -> Any:
    if isinstance(index, Symbols) or (isinstance(index, tuple) and any(isinstance(i, Symbols) for i in index)):
        raise NotTraceable("it indexes with values: take np.where, or annotate a parameter that is an integer, n: int")
    return index


def operands_of(graph: Graph, value: Any) -> np.ndarray:
    """A value, whatever it is made of, as an array of operands."""
    if isinstance(value, Symbols):
        if value.graph is not graph:
            raise NotTraceable("it mixes values of two traces: do not keep values from one call to the next")
        return value.operands
    if isinstance(value, bool | np.bool_):
        return object_array(Constant(bool(value)))
    if isinstance(value, int | float | np.integer | np.floating):
        return object_array(Constant(float(value)))
    if type(value).__module__.partition(".")[0] == "torch":
        raise NotTraceable("it mixes numpy and torch: write it in numpy alone, or make a map of torch with Autodiff")
    try:
        elements = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise NotTraceable(f"it makes an array of {type(value).__name__}: {error}") from error
    if elements.dtype.kind in "fiu":
        return each(lambda number: Constant(float(number)), elements)
    if elements.dtype.kind == "b":
        return each(lambda truth: Constant(bool(truth)), elements)
    if elements.dtype.kind != "O" or (not elements.ndim and elements[()] is value):
        what = "nothing" if value is None else f"{type(value).__name__} of dtype {elements.dtype}"
        raise NotTraceable(f"it computes with, or returns, {what}: take and return real numbers")
    return each(lambda element: operands_of(graph, element)[()], elements)


def each(function: Callable[..., Any], *arrays: np.ndarray) -> np.ndarray:
    """function of the elements of arrays, broadcast together."""
    whole = np.broadcast(*arrays)
    result = np.empty(whole.shape, dtype=object)
    for index, elements in zip(np.ndindex(whole.shape), whole, strict=True):
        result[index] = function(*elements)
    return result


def applied(graph: Graph, ufunc: Any, inputs: Sequence[Any]) -> Any:
    """A function of numpy, element by element."""
    arrays = [operands_of(graph, value) for value in inputs]
    name = ufunc.__name__
    if getattr(np, name, None) is not ufunc and not (name == "expit" and "scipy" in str(ufunc.__doc__)):
        raise NotTraceable(f"the function {name} cannot be traced: write it with functions of numpy")
    if name in ("matmul", "divmod"):
        from cocycle.formulas.functions import several

        return several(graph, name, arrays)
    if all(graph.is_truth(operand) for array in arrays for operand in array.flat):
        name = AS_TRUTHS.get(name, name)
    if name == "not of truths":
        raise NotTraceable("it subtracts truth values, which numpy does not: take np.logical_not, np.logical_xor")
    function = composed(graph.record).get(name) or (lambda *operands: _recorded(graph, name, operands))
    if name == "power" and arrays[1].size == 1 and arrays[1].ravel()[0] == Constant(2.0):
        return Symbols(graph, each(lambda a: graph.record("multiply", a, a), arrays[0]))
    result = Symbols(graph, each(function, *arrays))
    if len(graph.operations) > MOST:
        raise TooLong(
            f"it has more than {MOST} operations, in which matrix products count number by number: of a network take"
            " Layer, Reservoir or a torch module, of another large system Autodiff of a torch function, or a Map with a"
            " tangent of its own"
        )
    return result


def _recorded(graph: Graph, name: str, operands: Sequence[Operand]) -> Operand:
    if name not in RECORDED:
        raise NotTraceable(f"np.{name} cannot be traced: it has no derivative here; write it with other functions")
    return graph.record(RECORDED[name], *operands)


def reduced(
    graph: Graph,
    ufunc: Any,
    value: Any,
    axis: Any = 0,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = None,
    where: Any = True,
) -> Symbols:
    """np.add.reduce and the like, one after the other along the axes."""
    unset = (None, True, np._NoValue)
    if any(all(option is not u for u in unset) for option in (initial, where, out)):
        raise NotTraceable(f"np.{ufunc.__name__}.reduce with initial, where or out cannot be traced: call it without")
    if not (dtype is None or dtype is np._NoValue or np.dtype(dtype) == np.float64):
        raise NotTraceable(f"it computes with {np.dtype(dtype)}: stay with float64")
    operands = operands_of(graph, value)
    if ufunc.__name__ in ("add", "multiply"):
        operands = each(graph.number, operands)  # the sum of truth values is their number
    axes = range(operands.ndim) if axis is None else (axis,) if isinstance(axis, int | np.integer) else axis
    keepdims = keepdims is not np._NoValue and bool(keepdims)
    for a in sorted((np.lib.array_utils.normalize_axis_index(int(a), operands.ndim) for a in axes), reverse=True):
        operands = _reduced_along(graph, ufunc, operands, a, keepdims)
    return Symbols(graph, operands)


def _reduced_along(graph: Graph, ufunc: Any, operands: np.ndarray, axis: int, keepdims: bool) -> np.ndarray:
    rows = np.moveaxis(operands, axis, 0)
    if not len(rows):
        if ufunc.identity is None:
            raise NotTraceable(f"it takes np.{ufunc.__name__}.reduce of nothing, which has no value")
        total = Symbols(graph, operands_of(graph, np.full(rows.shape[1:], float(ufunc.identity))))
    else:
        total = Symbols(graph, rows[0])
        for row in rows[1:]:
            total = applied(graph, ufunc, (total, Symbols(graph, row)))
    return np.expand_dims(total.operands, axis) if keepdims else total.operands
