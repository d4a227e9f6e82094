"""Functions of numpy on arrays of symbols: those that move elements, those that compute with them, and the others.

What is in none of the tables is refused: many functions of numpy write into their arguments, or look at values.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cocycle.formulas.composites import COMPOSITES
from cocycle.formulas.graph import Graph
from cocycle.formulas.refused import NotTraceable
from cocycle.formulas.symbols import Symbols, applied, each, operands_of, reduced

# move elements only, and give views where numpy does
MOVING = (
    *("reshape", "ravel", "transpose", "matrix_transpose", "permute_dims", "swapaxes", "moveaxis", "rollaxis"),
    *("expand_dims", "squeeze", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_to", "broadcast_arrays", "flip"),
    *("fliplr", "flipud", "rot90", "split", "array_split", "hsplit", "vsplit", "dsplit", "unstack", "diagonal", "roll"),
    *("tile", "repeat", "take", "take_along_axis", "delete", "resize", "copy"),
)
JOINING = ("concatenate", "concat", "stack", "hstack", "vstack", "dstack", "column_stack", "block")
SHAPES = ("shape", "ndim", "size")
# numpy's own code, on arrays of single symbols, each of which has operators
COMPUTING = (
    *("dot", "vdot", "vecdot", "inner", "outer", "einsum", "tensordot", "kron", "cross", "trace", "diff", "ediff1d"),
    *("cumsum", "cumprod", "convolve", "correlate", "vander", "gradient", "trapezoid", "polyval", "diag", "diagflat"),
    *("triu", "tril", "matvec", "vecmat", "multi_dot"),
)
REMEDIES = {
    "select": "take np.where, one in another",
    "piecewise": "take np.where, one in another",
    "interp": "take np.where of straight lines",
    "solve": "write the solution out, for two unknowns by Cramer's rule",
    "inv": "write the inverse out",
    "det": "write the determinant out",
    "isnan": "take x != x",
    "copyto": "take y = x.copy(), or y[...] = x",
    "put": "take y[index] = values",
    "putmask": "take np.where",
    "place": "take np.where",
    "array_equal": "it gives no number",
    "allclose": "it gives no number",
    "sort": "it looks at values: take np.minimum, np.maximum, np.where",
    "argsort": "it looks at values",
    "argmax": "it looks at values",
    "argmin": "it looks at values",
}


def call(graph: Graph, function: Callable[..., Any], arguments: Sequence[Any], options: dict[str, Any]) -> Any:
    """A function of numpy on arguments among which there are symbols."""
    name = function.__name__
    if name in SHAPES:
        return function(*(operands_of(graph, a) if isinstance(a, Symbols) else a for a in arguments), **options)
    if name in COMPOSITES:
        return tried(name, COMPOSITES[name], *arguments, **options)
    if name in SPECIAL:
        return tried(name, SPECIAL[name], graph, *arguments, **options)
    if "out" in options and options["out"] is not None:
        raise NotTraceable(f"it calls np.{name} with out=...: assign the result")
    if name in MOVING:
        return _moved(graph, function, arguments, options)
    if name in JOINING:
        parts = _joined(graph, arguments[0], nested=name == "block")
        return Symbols(graph, tried(name, function, parts, *arguments[1:], **options))
    if name in COMPUTING and getattr(np, name, getattr(np.linalg, name, None)) is function:
        plain = [_unpacked(argument) for argument in arguments], {k: _unpacked(v) for k, v in options.items()}
        return _packed(graph, tried(name, function, *plain[0], **plain[1]))
    remedy = REMEDIES.get(name, "write it with sums and products")
    raise NotTraceable(f"np.{name} cannot be traced: {remedy}")


def tried(name: str, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """function(...), of which any failure is that of the function of numpy of that name."""
    try:
        return function(*arguments, **options)
    except NotTraceable:
        raise
    except Exception as error:
        raise NotTraceable(f"np.{name} cannot be traced: {error}") from error


def _moved(graph: Graph, function: Callable[..., Any], arguments: Sequence[Any], options: dict[str, Any]) -> Any:
    """On the operands themselves: what is a view stays one."""
    symbols = [a for a in (*arguments, *options.values()) if isinstance(a, Symbols)]
    parts = [a.operands if isinstance(a, Symbols) else a for a in arguments]
    given = {k: a.operands if isinstance(a, Symbols) else a for k, a in options.items()}
    for place, argument in enumerate(arguments[1:], 1):
        if isinstance(argument, Symbols) and function.__name__ not in ("broadcast_arrays", *_AT_LEAST):
            arguments[place].__index__()  # a place, or a number of places, that is a value: raises
    result = tried(function.__name__, function, *parts, **given)
    if isinstance(result, list | tuple):
        return type(result)(symbols[0].view(part) for part in result)
    return symbols[0].view(result)


_AT_LEAST = ("atleast_1d", "atleast_2d", "atleast_3d")


def _joined(graph: Graph, parts: Any, nested: bool) -> Any:
    """The arrays of a sequence, each as operands; of `block` also those of sequences in it."""
    if isinstance(parts, Symbols | np.ndarray):
        return list(operands_of(graph, part) for part in parts)
    if nested and isinstance(parts, list):
        return [_joined(graph, p, nested) if isinstance(p, list) else operands_of(graph, p) for p in parts]
    return [operands_of(graph, part) for part in parts]


def _added(name: str) -> Callable[..., Symbols]:
    """np.append and np.insert, of which arguments are arrays."""

    def made(graph: Graph, a: Any, *more: Any, axis: Any = None) -> Symbols:
        *place, values = more
        return Symbols(graph, getattr(np, name)(operands_of(graph, a), *place, operands_of(graph, values), axis=axis))

    return made


def _unpacked(value: Any) -> Any:
    """Arrays of symbols as object arrays of single symbols, for numpy's own code; other arguments as they are."""
    if isinstance(value, Symbols):
        return each(lambda operand: Symbols(value.graph, operand), value.operands)
    if isinstance(value, list | tuple):
        return type(value)(_unpacked(part) for part in value)
    return value


def _packed(graph: Graph, result: Any) -> Any:
    if isinstance(result, list | tuple):
        return type(result)(_packed(graph, part) for part in result)
    if isinstance(result, Symbols) or (isinstance(result, np.ndarray) and result.dtype == object):
        return Symbols(graph, operands_of(graph, result))
    return result


def several(graph: Graph, name: str, arrays: Sequence[np.ndarray]) -> Any:
    """The functions of numpy that are not element by element, or give two results."""
    if name == "divmod":
        symbols = [Symbols(graph, a) for a in arrays]
        return applied(graph, np.floor_divide, symbols), applied(graph, np.mod, symbols)
    return _packed(graph, np.matmul(*(_unpacked(Symbols(graph, a)) for a in arrays)))


def _where(graph: Graph, condition: Any, *choices: Any) -> Symbols:
    if len(choices) != 2:
        raise NotTraceable(
            "it calls np.where with a condition alone, which gives places: take np.where(condition, a, b)"
        )
    arrays = [operands_of(graph, value) for value in (condition, *choices)]
    return Symbols(graph, each(lambda *operands: graph.record("where", *operands), *arrays))


def _filled(number: float | None) -> Callable[..., Symbols]:
    def made(
        graph: Graph, like: Any, *value: Any, shape: Any = None, dtype: Any = None, fill_value: Any = 0.0
    ) -> Symbols:
        if dtype is not None and np.dtype(dtype) != np.float64:
            raise NotTraceable(f"it computes with {np.dtype(dtype)}: stay with float64")
        filling = (value[0] if value else fill_value) if number is None else number
        whole = np.empty(np.shape(operands_of(graph, like)) if shape is None else shape, dtype=object)
        whole[...] = operands_of(graph, filling)[()]
        return Symbols(graph, whole)

    return made


def _mean(graph: Graph, a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    total = reduced(graph, np.add, a, axis, dtype, out, keepdims)
    return total / (np.size(operands_of(graph, a)) / max(np.size(total.operands), 1))


def _reduction(ufunc: Any) -> Callable[..., Symbols]:
    """np.sum and the like by the operation of that name."""

    def made(graph: Graph, a: Any, axis: Any = None, *more: Any, **options: Any) -> Symbols:
        return reduced(graph, ufunc, a, axis, *more, **options)

    return made


def _extreme(ufunc: Any) -> Callable[..., Symbols]:
    """np.max and the like, which have no dtype."""

    def made(graph: Graph, a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, **options: Any) -> Symbols:
        return reduced(graph, ufunc, a, axis, None, out, keepdims, **options)

    return made


def _fill_diagonal(graph: Graph, a: Symbols, val: Any, wrap: bool = False) -> None:
    if a.fixed:
        raise NotTraceable("it changes its argument in place: work on a copy, x = x.copy()")
    np.fill_diagonal(a.operands, operands_of(graph, val), wrap)


SPECIAL: dict[str, Callable[..., Any]] = {
    "where": _where,
    "mean": _mean,
    "sum": _reduction(np.add),
    "prod": _reduction(np.multiply),
    "any": _extreme(np.logical_or),
    "all": _extreme(np.logical_and),
    "max": _extreme(np.maximum),
    "amax": _extreme(np.maximum),
    "min": _extreme(np.minimum),
    "amin": _extreme(np.minimum),
    "append": _added("append"),
    "insert": _added("insert"),
    "fill_diagonal": _fill_diagonal,
    "zeros_like": _filled(0.0),
    "empty_like": _filled(0.0),
    "ones_like": _filled(1.0),
    "full_like": _filled(None),
}
