"""Which operations of a graph the functions of numpy are, by the names that numpy gives them."""

import math
from collections.abc import Callable

from cocycle.formulas.graph import OPERATIONS, Operand

RECORDED = {name: name for name in OPERATIONS} | {
    "absolute": "abs",
    "fabs": "abs",
    "remainder": "mod",
    "bitwise_and": "logical_and",
    "bitwise_or": "logical_or",
    "invert": "logical_not",
    "float_power": "power",
    "conjugate": "positive",
}
# what numpy does where all operands are truth values
AS_TRUTHS = {
    **{"add": "logical_or", "maximum": "logical_or", "multiply": "logical_and", "minimum": "logical_and"},
    **{"subtract": "not of truths", "negative": "not of truths"},
    **{"positive": "not of truths", "bitwise_xor": "not_equal", "not_equal": "logical_xor", "equal": "both or none"},
}


def composed(record: Callable[..., Operand]) -> dict[str, Callable[..., Operand]]:
    """Functions of numpy that are several operations."""

    def floor_divide(a: Operand, b: Operand) -> Operand:  # floor(a / b) would be 10 for 1 // 0.1
        whole = record("rint", record("divide", record("subtract", a, record("mod", a, b)), b))
        return record("where", record("equal", b, 0.0), record("divide", a, b), whole)

    def unequal(a: Operand, b: Operand) -> Operand:
        return record("logical_not", record("equal", a, b))

    def either(a: Operand, b: Operand) -> Operand:
        both = record("logical_and", a, b)
        return record("logical_and", record("logical_or", a, b), record("logical_not", both))

    def known(a: Operand, b: Operand, better: Operand) -> Operand:
        """a where it is better, or b is no number."""
        return record("where", record("logical_or", better, unequal(b, b)), a, b)

    def logaddexp(a: Operand, b: Operand) -> Operand:
        apart = record("subtract", a, b)
        larger, smaller = (record("log1p", record("exp", o)) for o in (record("negative", apart), apart))
        return record("where", record("less", b, a), record("add", a, larger), record("add", b, smaller))

    def heaviside(a: Operand, b: Operand) -> Operand:
        step = record("where", record("equal", a, 0.0), b, record("where", record("less", 0.0, a), 1.0, 0.0))
        return record("where", record("equal", a, a), step, a)

    return {
        "positive": lambda a: a,
        "conjugate": lambda a: a,
        "square": lambda a: record("multiply", a, a),
        "reciprocal": lambda a: record("divide", 1.0, a),
        "exp2": lambda a: record("power", 2.0, a),
        "expit": lambda a: record("divide", 1.0, record("add", 1.0, record("exp", record("negative", a)))),
        "deg2rad": lambda a: record("multiply", a, math.pi / 180),
        "rad2deg": lambda a: record("multiply", a, 180 / math.pi),
        "radians": lambda a: record("multiply", a, math.pi / 180),
        "degrees": lambda a: record("multiply", a, 180 / math.pi),
        "greater": lambda a, b: record("less", b, a),
        "greater_equal": lambda a, b: record("less_equal", b, a),
        "not_equal": unequal,
        "logical_xor": either,
        "both or none": lambda a, b: record("logical_not", either(a, b)),
        "floor_divide": floor_divide,
        "fmax": lambda a, b: known(a, b, record("less_equal", b, a)),
        "fmin": lambda a, b: known(a, b, record("less_equal", a, b)),
        "logaddexp": logaddexp,
        "heaviside": heaviside,
        "clip": lambda a, low, high: record("minimum", record("maximum", a, low), high),
    }
