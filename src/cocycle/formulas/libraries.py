"""What the operations of a graph are for plain floats, numpy, torch and numba.

All four agree for every operation, operand and constant: tests/formulas/test_operations.py.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from cocycle.arrays import namespace
from cocycle.formulas.graph import OPERATIONS

# where python raises instead of giving inf or nan, arrays are taken
FLOATS = SimpleNamespace(
    **{name: getattr(math, name) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "expm1", "log")},
    **{name: getattr(math, name) for name in ("log1p", "log2", "log10", "sqrt", "cbrt", "hypot", "fmod", "copysign")},
    **{f"arc{name}": getattr(math, f"a{name}") for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    arctan2=math.atan2,
    power=math.pow,
    abs=abs,
    floor=lambda a: float(math.floor(a)),
    ceil=lambda a: float(math.ceil(a)),
    trunc=lambda a: float(math.trunc(a)),
    rint=lambda a: float(round(a)),
    sign=lambda a: a if a != a else float((a > 0) - (a < 0)),
    mod=lambda a, b: a % b,
    minimum=lambda a, b: a if a <= b or a != a else b,
    maximum=lambda a, b: a if a >= b or a != a else b,
    where=lambda condition, a, b: a if condition else b,
    logical_and=lambda a, b: a and b,
    logical_or=lambda a, b: a or b,
    logical_not=lambda a: not a,
)

NUMBA = """from math import acos as arccos, acosh as arccosh, asin as arcsin, asinh as arcsinh, atan as arctan
from math import atan2 as arctan2, atanh as arctanh, copysign, cos, cosh, exp, expm1, hypot, inf, log, log1p, nan
from math import sin, sinh, sqrt, tan, tanh

from numba import njit
from numpy import cbrt, ceil, floor, fmod, log2, log10, rint, trunc


def compiled(function):
    return njit(function, error_model="numpy", inline="always")


@compiled
def where(condition, a, b):
    return a if condition else b


@compiled
def minimum(a, b):
    return a if a <= b or a != a else b


@compiled
def maximum(a, b):
    return a if a >= b or a != a else b


@compiled
def sign(a):
    return 1.0 if a > 0 else -1.0 if a < 0 else a


@compiled
def mod(a, b):
    return a % b


@compiled
def power(a, b):
    return a**b


@compiled
def logical_and(a, b):
    return a and b


@compiled
def logical_or(a, b):
    return a or b


@compiled
def logical_not(a):
    return not a

"""

_OF_TORCH = {"rint": "round", "mod": "remainder", "power": "pow"}
_SEVERAL = ("arctan2", "hypot", "minimum", "maximum", "mod", "fmod", "power", "copysign", "logical_and", "logical_or")


@lru_cache(maxsize=16)
def of_torch(torch: Any, dtype: Any, device: Any) -> SimpleNamespace:
    """The operations on tensors of that type; torch takes no constants beside tensors, or of its default type."""

    def tensor(value: Any) -> Any:
        if torch.is_tensor(value):
            return value
        return torch.as_tensor(value, dtype=torch.bool if isinstance(value, bool) else dtype, device=device)

    def with_tensors(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *operands: function(*map(tensor, operands))

    found = {n: getattr(torch, _OF_TORCH.get(n, n)) for n in OPERATIONS if hasattr(torch, _OF_TORCH.get(n, n))}
    found |= {name: with_tensors(found[name]) for name in _SEVERAL}
    found["where"] = lambda condition, a, b: torch.where(condition, tensor(a), tensor(b))
    found["cbrt"] = lambda a: torch.sign(a) * torch.abs(a) ** (1 / 3)
    return SimpleNamespace(**found)


def of(x: Any) -> Any:
    """The operations on arrays like x."""
    return np if isinstance(x, np.ndarray) else of_torch(namespace(x), x.dtype, x.device)
