"""The operations that a formula is made of, its derivative by dual numbers, and all of it as lines of source.

A `Graph` is a list of operations on numbers, each on results of earlier ones.  Its derivative is a graph too: every
operation knows the partial derivatives of its result (Wengert, Comm. ACM 7, 463, 1964).  Operations that occur twice
are recorded once.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from cocycle.formulas.partials import PARTIALS


@final
@dataclass(frozen=True, eq=False)
class Constant:
    """A number, or a truth value, that is the same whatever the inputs are."""

    value: float | bool

    def __eq__(self, other: object) -> bool:  # 0 and -0 are two, nan is one, True is not 1
        return isinstance(other, Constant) and repr(self.value) == repr(other.value)

    def __hash__(self) -> int:
        return hash(repr(self.value))


Operand = int | Constant  # an int is the place of an earlier operation
ZERO, ONE = Constant(0.0), Constant(1.0)

# how an operation is written, for numpy, torch, plain floats and numba alike; the others are functions of their names
INFIX = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "less": "<", "less_equal": "<=", "equal": "=="}
# of truth values, which comparisons and they themselves give
LOGICAL = ("logical_and", "logical_or", "logical_not")
TRUTHS = ("less", "less_equal", "equal", *LOGICAL)
OPERATIONS = (
    *("sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh"),
    *("exp", "expm1", "log", "log2", "log10", "log1p", "sqrt", "cbrt"),
    *("floor", "ceil", "trunc", "rint", "sign", "abs", "negative"),
    *("arctan2", "hypot", "minimum", "maximum", "mod", "fmod", "power", "copysign", "where"),
    *INFIX,
    *LOGICAL,
)


@final
class Graph:
    """Operations in the order of their execution, among them the inputs."""

    def __init__(self) -> None:
        self.operations: list[tuple[str, tuple[Operand, ...]]] = []
        self._places: dict[tuple[str, tuple[Operand, ...]], int] = {}
        self.refused = ""  # what the formula did that cannot be traced, even if it caught the exception

    def input(self) -> int:
        """The place of a new input."""
        self.operations.append(("input", ()))
        return len(self.operations) - 1

    def record(self, name: str, *operands: Operand | float) -> Operand:
        """The place of an operation on results and constants; the result itself where it is a constant.

        Truth values become 1 and 0 where an operation computes with them, numbers truth values where it needs these.
        """
        given = tuple(Constant(o) if isinstance(o, float) else o for o in operands)
        logical = len(given) if name in LOGICAL else 1 if name == "where" else 0
        found = *map(self.truth, given[:logical]), *map(self.number, given[logical:])
        constants = [o.value for o in found if isinstance(o, Constant)]
        if len(constants) == len(found):
            with np.errstate(all="ignore"):
                value = getattr(np, name)(*constants)
            return Constant(bool(value) if name in TRUTHS else float(value))
        if name == "where" and isinstance(found[0], Constant):
            return found[1] if found[0].value else found[2]
        key = name, found
        if key not in self._places:
            self._places[key] = len(self.operations)
            self.operations.append(key)
        return self._places[key]

    def is_truth(self, operand: Operand) -> bool:
        """Whether it is a truth value, not a number."""
        return (
            isinstance(operand.value, bool) if isinstance(operand, Constant) else self.operations[operand][0] in TRUTHS
        )

    def number(self, operand: Operand) -> Operand:
        """A truth value as 1 or 0; a number itself."""
        return self.record("where", operand, 1.0, 0.0) if self.is_truth(operand) else operand

    def truth(self, operand: Operand) -> Operand:
        """Whether a number is not 0; a truth value itself."""
        if self.is_truth(operand):
            return operand
        return self.record("logical_not", self.record("equal", operand, 0.0))

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
        chosen: set[int] = set()  # what leads to a choice by `where`: a partial derivative there may be infinite

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
                chosen.update(o for o in (a, b) if isinstance(o, int))
            elif name != "input" and covector != ZERO:
                for i, operand in enumerate(operands):
                    if isinstance(operand, int):
                        partial = _operand(PARTIALS[name][i](self, place, *operands))
                        product = self._times(partial, covector)
                        if place in chosen:
                            chosen.add(operand)
                            if isinstance(partial, int):  # where it was not chosen, 0 times infinity is 0
                                product = self.record("where", self.record("equal", covector, 0.0), 0.0, product)
                        receive(operand, product)
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
