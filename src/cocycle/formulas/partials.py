"""The partial derivatives of every operation, as operations of the same graph."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cocycle.formulas.graph import Graph, Operand

Partial = Callable[..., "Operand | float"]  # of the graph, the place of the result, and its operands


def _constant(value: float) -> Partial:
    return lambda g, v, *operands: value


def _call(name: str) -> Partial:
    """The partial derivative is another function of the same operand."""
    return lambda g, v, a: g.record(name, a)


def _over(top: float, bottom: Callable[[Graph, Operand], Operand], root: bool = False) -> Partial:
    """top / bottom(a), or over its square root."""

    def partial(g: Graph, v: Operand, a: Operand) -> Operand:
        found = bottom(g, a)
        return g.record("divide", top, g.record("sqrt", found) if root else found)

    return partial


def _one_plus_square(sign: float, square: float = 1.0) -> Callable[[Graph, Operand], Operand]:
    """sign + square a²."""

    def bottom(g: Graph, a: Operand) -> Operand:
        squared = g.record("multiply", a, a)
        return g.record("add", sign, squared) if square > 0 else g.record("subtract", sign, squared)

    return bottom


def _sech2(g: Graph, v: Operand, a: Operand) -> Operand:
    # 1 - tanh² is exactly 0 beyond |a| = 19
    cosh = g.record("cosh", a)
    return g.record("divide", 1.0, g.record("multiply", cosh, cosh))


def _power_base(g: Graph, v: Operand, a: Operand, b: Operand) -> Operand:
    slope = g.record("multiply", b, g.record("power", a, g.record("subtract", b, 1.0)))
    return g.record("where", g.record("equal", b, 0.0), 0.0, slope)  # also at a = 0, where 0 a^-1 is none


def _power_exponent(g: Graph, v: Operand, a: Operand, b: Operand) -> Operand:
    slope = g.record("multiply", v, g.record("log", a))
    return g.record("where", g.record("equal", v, 0.0), 0.0, slope)  # also at a = 0, where ln a is none


def _arctan2(which: int) -> Partial:
    def partial(g: Graph, v: Operand, y: Operand, x: Operand) -> Operand:
        square = g.record("add", g.record("multiply", x, x), g.record("multiply", y, y))
        return g.record("divide", x if which == 0 else g.record("negative", y), square)

    return partial


def _smaller(first: bool) -> Partial:
    """1 for the operand that is the smaller one, 0 for the other; the first one where they are equal."""
    chosen = (1.0, 0.0) if first else (0.0, 1.0)
    return lambda g, v, a, b: g.record("where", g.record("less_equal", a, b), *chosen)


def _larger(first: bool) -> Partial:
    chosen = (1.0, 0.0) if first else (0.0, 1.0)
    return lambda g, v, a, b: g.record("where", g.record("less_equal", b, a), *chosen)


def _floored(name: str) -> Partial:
    return lambda g, v, a, b: g.record("negative", g.record(name, g.record("divide", a, b)))


def _over_multiple(factor: float) -> Partial:
    return lambda g, v, a: g.record("divide", 1.0, g.record("multiply", factor, a))


NONE = (_constant(0.0),)
PARTIALS: dict[str, tuple[Partial, ...]] = {
    "add": (_constant(1.0), _constant(1.0)),
    "subtract": (_constant(1.0), _constant(-1.0)),
    "multiply": (lambda g, v, a, b: b, lambda g, v, a, b: a),
    "divide": (
        lambda g, v, a, b: g.record("divide", 1.0, b),
        lambda g, v, a, b: g.record("negative", g.record("divide", v, b)),
    ),
    "negative": (_constant(-1.0),),
    "power": (_power_base, _power_exponent),
    "sqrt": (lambda g, v, a: g.record("divide", 0.5, v),),
    "exp": (lambda g, v, a: v,),
    "expm1": (_call("exp"),),
    "log": (lambda g, v, a: g.record("divide", 1.0, a),),
    "log2": (_over_multiple(math.log(2)),),
    "log10": (_over_multiple(math.log(10)),),
    "cbrt": (lambda g, v, a: g.record("divide", v, g.record("multiply", 3.0, a)),),
    "log1p": (lambda g, v, a: g.record("divide", 1.0, g.record("add", 1.0, a)),),
    "sin": (_call("cos"),),
    "cos": (lambda g, v, a: g.record("negative", g.record("sin", a)),),
    "tan": (lambda g, v, a: g.record("add", 1.0, g.record("multiply", v, v)),),
    "arcsin": (_over(1.0, _one_plus_square(1.0, -1.0), root=True),),
    "arccos": (_over(-1.0, _one_plus_square(1.0, -1.0), root=True),),
    "arctan": (_over(1.0, _one_plus_square(1.0)),),
    "sinh": (_call("cosh"),),
    "cosh": (_call("sinh"),),
    "tanh": (_sech2,),
    "arcsinh": (_over(1.0, _one_plus_square(1.0), root=True),),
    "arccosh": (_over(1.0, _one_plus_square(-1.0), root=True),),
    "arctanh": (_over(1.0, _one_plus_square(1.0, -1.0)),),
    "abs": (_call("sign"),),
    **dict.fromkeys(("sign", "floor", "ceil", "trunc", "rint", "logical_not"), NONE),
    **dict.fromkeys(("less", "less_equal", "equal", "logical_and", "logical_or"), NONE * 2),
    "arctan2": (_arctan2(0), _arctan2(1)),
    "hypot": (lambda g, v, a, b: g.record("divide", a, v), lambda g, v, a, b: g.record("divide", b, v)),
    "minimum": (_smaller(True), _smaller(False)),
    "maximum": (_larger(True), _larger(False)),
    "mod": (_constant(1.0), _floored("floor")),
    "fmod": (_constant(1.0), _floored("trunc")),
    "copysign": (
        lambda g, v, a, b: g.record("multiply", g.record("copysign", 1.0, a), g.record("copysign", 1.0, b)),
        _constant(0.0),
    ),
}
