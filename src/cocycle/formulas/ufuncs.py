"""Which operations of a graph the functions of numpy are, by the names that numpy gives them."""

import math
from collections.abc import Callable

from cocycle.formulas.graph import FUNCTIONS, Operand

RECORDED = {name: name for name in FUNCTIONS} | {
    "absolute": "abs",
    "fabs": "abs",
    "remainder": "mod",
    "bitwise_and": "logical_and",
    "bitwise_or": "logical_or",
    "invert": "logical_not",
    "float_power": "power",
}


def composed(record: Callable[..., Operand]) -> dict[str, Callable[..., Operand]]:
    """Functions of numpy that are several operations."""
    return {
        "positive": lambda a: a,
        "square": lambda a: record("multiply", a, a),
        "reciprocal": lambda a: record("divide", 1.0, a),
        "exp2": lambda a: record("power", 2.0, a),
        "log2": lambda a: record("divide", record("log", a), math.log(2)),
        "log10": lambda a: record("divide", record("log", a), math.log(10)),
        "deg2rad": lambda a: record("multiply", a, math.pi / 180),
        "rad2deg": lambda a: record("multiply", a, 180 / math.pi),
        "radians": lambda a: record("multiply", a, math.pi / 180),
        "degrees": lambda a: record("multiply", a, 180 / math.pi),
        "greater": lambda a, b: record("less", b, a),
        "greater_equal": lambda a, b: record("less_equal", b, a),
        "not_equal": lambda a, b: record("logical_not", record("equal", a, b)),
        "floor_divide": lambda a, b: record("floor", record("divide", a, b)),
        "heaviside": lambda a, b: record("where", record("equal", a, 0.0), b, record("less", 0.0, a)),
        "clip": lambda a, low, high: record("minimum", record("maximum", a, low), high),
    }
