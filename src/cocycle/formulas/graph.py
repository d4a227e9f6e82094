"""The operations that a formula is made of, its derivative by dual numbers, and all of it as lines of source.

A `Graph` is a list of operations on numbers, each on results of earlier ones.  Its derivative is a graph too: every
operation knows the partial derivatives of its result (Wengert, Comm. ACM 7, 463, 1964).  Operations that occur twice
are recorded once.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np


@final
@dataclass(frozen=True)
class Constant:
    """A number that is the same whatever the inputs are."""

    value: float


Operand = int | Constant  # an int is the place of an earlier operation
ZERO, ONE = Constant(0.0), Constant(1.0)

# name of an operation: how it is written, for numpy, torch, plain floats and numba alike
INFIX = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "less": "<", "less_equal": "<=", "equal": "=="}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    name: getattr(np, name)
    for name in (
        *("sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh"),
        *("arctanh", "exp", "expm1", "log", "log1p", "sqrt", "floor", "ceil", "trunc", "rint", "sign", "abs"),
        *("arctan2", "hypot", "minimum", "maximum", "mod", "fmod", "power", "copysign", "where"),
        *("logical_and", "logical_or", "logical_not", "negative"),
        *("add", "subtract", "multiply", "divide", "less", "less_equal", "equal"),
    )
}


@final
class Graph:
    """Operations in the order of their execution, among them the inputs."""

    def __init__(self) -> None:
        self.operations: list[tuple[str, tuple[Operand, ...]]] = []
        self._places: dict[tuple[str, tuple[Operand, ...]], int] = {}

    def input(self) -> int:
        """The place of a new input."""
        self.operations.append(("input", ()))
        return len(self.operations) - 1

    def record(self, name: str, *operands: Operand | float) -> Operand:
        """The place of an operation on results and constants; the result itself where it is a constant."""
        found = tuple(Constant(o) if isinstance(o, float) else o for o in operands)
        constants = [o.value for o in found if isinstance(o, Constant)]
        if len(constants) == len(found):
            with np.errstate(all="ignore"):
                return Constant(float(FUNCTIONS[name](*constants)))
        if name == "where" and isinstance(found[0], Constant):
            return found[1] if found[0].value else found[2]
        key = name, found
        if key not in self._places:
            self._places[key] = len(self.operations)
            self.operations.append(key)
        return self._places[key]

    # what is 0 or 1 for certain is left out of derivatives; in the formula itself every operation counts
    def _times(self, a: Operand, b: Operand) -> Operand:
        if ZERO in (a, b):
            return ZERO
        for one, other in ((a, b), (b, a)):
            if one == ONE:
                return other
            if one == Constant(-1.0):
                return self.record("negative", other)
        return self.record("multiply", a, b)

    def _plus(self, a: Operand, b: Operand) -> Operand:
        if a == ZERO:
            return b
        if isinstance(b, int) and self.operations[b][0] == "negative":
            return self.record("subtract", a, self.operations[b][1][0])
        return a if b == ZERO else self.record("add", a, b)

    def pushed(self, results: Sequence[Operand], inputs: Sequence[int], seeds: Sequence[Operand]) -> list[Operand]:
        """The tangent of the results, for tangents `seeds` of some inputs: forward mode."""
        tangents: dict[Operand, Operand] = dict(zip(inputs, seeds, strict=True))
        for place in self.needed(results):
            name, operands = self.operations[place]
            if name == "where":
                condition, a, b = operands
                da, db = tangents.get(a, ZERO), tangents.get(b, ZERO)
                tangents[place] = ZERO if da == db == ZERO else self.record("where", condition, da, db)
            elif name != "input":
                total: Operand = ZERO
                for i, operand in enumerate(operands):
                    if tangents.get(operand, ZERO) != ZERO:
                        partial = _operand(PARTIALS[name][i](self, place, *operands))
                        total = self._plus(total, self._times(partial, tangents[operand]))
                tangents[place] = total
        return [tangents.get(result, ZERO) for result in results]

    def pulled(self, results: Sequence[Operand], inputs: Sequence[int], seeds: Sequence[Operand]) -> list[Operand]:
        """The cotangent of the inputs, for cotangents `seeds` of the results: reverse mode."""
        covectors: dict[Operand, Operand] = {}

        def receive(operand: Operand, covector: Operand) -> None:
            if isinstance(operand, int):
                covectors[operand] = self._plus(covectors.get(operand, ZERO), covector)

        for result, seed in zip(results, seeds, strict=True):
            receive(result, seed)
        for place in reversed(self.needed(results)):
            name, operands = self.operations[place]
            covector = covectors.get(place, ZERO)
            if name == "where" and covector != ZERO:
                condition, a, b = operands
                receive(a, self.record("where", condition, covector, ZERO))
                receive(b, self.record("where", condition, ZERO, covector))
            elif name != "input" and covector != ZERO:
                for i, operand in enumerate(operands):
                    if isinstance(operand, int):
                        partial = _operand(PARTIALS[name][i](self, place, *operands))
                        receive(operand, self._times(partial, covector))
        return [covectors.get(i, ZERO) for i in inputs]

    def needed(self, results: Iterable[Operand]) -> list[int]:
        """The places of all operations that the results depend on, in order."""
        found, waiting = set(), [result for result in results if isinstance(result, int)]
        while waiting:
            place = waiting.pop()
            if place not in found:
                found.add(place)
                waiting.extend(o for o in self.operations[place][1] if isinstance(o, int))
        return sorted(found)

    def dependent(self, inputs: Iterable[int]) -> set[int]:
        """The places of all operations that depend on some of the inputs."""
        found = set(inputs)
        for place, (_, operands) in enumerate(self.operations):
            if any(isinstance(operand, int) and operand in found for operand in operands):
                found.add(place)
        return found

    def expression(self, place: int, names: Mapping[int, str]) -> str:
        """An operation as source; `names` are those of the results and inputs that it uses."""
        name, operands = self.operations[place]
        words = [word(operand, names) for operand in operands]
        if name in INFIX:
            return f"{words[0]} {INFIX[name]} {words[1]}"
        return f"-{words[0]}" if name == "negative" else f"{name}({', '.join(words)})"


def word(operand: Operand, names: Mapping[int, str]) -> str:
    """A result, an input or a constant as source."""
    if isinstance(operand, int):
        return names[operand]
    value = operand.value
    return repr(value) if math.isfinite(value) else {math.inf: "inf", -math.inf: "-inf"}.get(value, "nan")


def _operand(partial: Operand | float) -> Operand:
    return Constant(partial) if isinstance(partial, float) else partial


def _constant(value: float) -> Callable[..., Operand | float]:
    return lambda g, v, *operands: value


def _call(name: str) -> Callable[..., Operand | float]:
    """The partial derivative is another function of the same operand."""
    return lambda g, v, a: g.record(name, a)


def _over(
    top: float, bottom: Callable[[Graph, Operand], Operand], root: bool = False
) -> Callable[..., Operand | float]:
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
    return g.record("multiply", b, g.record("power", a, g.record("subtract", b, 1.0)))


def _power_exponent(g: Graph, v: Operand, a: Operand, b: Operand) -> Operand:
    return g.record("multiply", v, g.record("log", a))


def _arctan2(which: int) -> Callable[..., Operand | float]:
    def partial(g: Graph, v: Operand, y: Operand, x: Operand) -> Operand:
        square = g.record("add", g.record("multiply", x, x), g.record("multiply", y, y))
        return g.record("divide", x if which == 0 else g.record("negative", y), square)

    return partial


def _smaller(first: bool) -> Callable[..., Operand | float]:
    """1 for the operand that is the smaller one, 0 for the other; the first one where they are equal."""
    chosen = (1.0, 0.0) if first else (0.0, 1.0)
    return lambda g, v, a, b: g.record("where", g.record("less_equal", a, b), *chosen)


def _larger(first: bool) -> Callable[..., Operand | float]:
    chosen = (1.0, 0.0) if first else (0.0, 1.0)
    return lambda g, v, a, b: g.record("where", g.record("less_equal", b, a), *chosen)


def _floored(name: str) -> Callable[..., Operand | float]:
    return lambda g, v, a, b: g.record("negative", g.record(name, g.record("divide", a, b)))


NONE = (_constant(0.0),)
PARTIALS: dict[str, tuple[Callable[..., Operand | float], ...]] = {
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
