"""Functions of numpy that are made of other functions of numpy: on symbols and on dual arrays alike."""

from typing import Any

import numpy as np

from cocycle.formulas.refused import NotTraceable


def _array(a: Any) -> Any:
    return np.stack(a) if isinstance(a, list | tuple) else a


def clip(a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *, min: Any = None, max: Any = None) -> Any:
    _without_out("clip", out)
    low, high = a_min if min is None else min, a_max if max is None else max
    a = a if low is None else np.maximum(a, low)
    return a if high is None else np.minimum(a, high)


def _without_out(name: str, out: Any) -> None:
    if out is not None:
        raise NotTraceable(f"it calls np.{name} with out=...: assign the result")


def rounded(a: Any, decimals: int = 0, out: Any = None) -> Any:
    _without_out("round", out)
    return np.rint(a) if decimals == 0 else np.rint(a * 10.0**decimals) / 10.0**decimals


def fix(a: Any) -> Any:
    return np.trunc(a)


def peak_to_peak(a: Any, axis: Any = None) -> Any:
    return np.max(a, axis=axis) - np.min(a, axis=axis)


def sinc(x: Any) -> Any:
    angle = np.pi * x
    return np.where(angle == 0, 1.0, np.sin(angle) / np.where(angle == 0, 1.0, angle))


def variance(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: int = 0, keepdims: Any = False) -> Any:
    a = _array(a)
    squares = np.square(a - np.mean(a, axis=axis, dtype=dtype, out=out, keepdims=True))
    total = np.sum(squares, axis=axis, dtype=dtype, out=out, keepdims=keepdims)
    return total / (squares.size / max(total.size, 1) - ddof)


def deviation(*arguments: Any, **options: Any) -> Any:
    return np.sqrt(variance(*arguments, **options))


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    x = _array(x)
    dimensions = x.ndim if axis is None else np.size(axis)
    if ord == 1 and dimensions == 1:
        return np.sum(np.abs(x), axis=axis, keepdims=keepdims)
    if not (ord is None or (ord == 2 and dimensions == 1)):
        raise NotTraceable(f"np.linalg.norm with ord={ord} cannot be traced: write it with sums and products")
    return np.sqrt(np.sum(np.square(x), axis=axis, keepdims=keepdims))


def average(a: Any, axis: Any = None, weights: Any = None) -> Any:
    if weights is None:
        return np.mean(a, axis=axis)
    a, weights = _array(a), _array(weights)
    if np.shape(weights) != np.shape(a):
        raise NotTraceable("np.average with weights of another shape cannot be traced: take np.sum(w * x) / np.sum(w)")
    return np.sum(a * weights, axis=axis) / np.sum(weights, axis=axis)


def unchanged(a: Any) -> Any:
    return a


COMPOSITES = {
    "clip": clip,
    "round": rounded,
    "around": rounded,
    "fix": fix,
    "ptp": peak_to_peak,
    "sinc": sinc,
    "var": variance,
    "std": deviation,
    "norm": norm,
    "average": average,
    "real": unchanged,
}
