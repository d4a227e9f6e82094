"""Approximate maps compared with two steps of half the length: whether a step is short enough."""

import warnings
from collections.abc import Callable

import numpy as np

from cocycle.arrays import Array, as_numpy, namespace
from cocycle.maps import Map

OF_STATE = 2e-2  # largest allowed error of a state after one step, relative to its fluctuation


def approximates(f: Map) -> bool:
    """Whether f is an approximate map; an object with a tangent that is no `Map` is taken as exact."""
    return getattr(f, "refined", lambda: None)() is not None


def extrapolation(f: Map) -> float:
    """The ratio of the error of f to its difference from `f.refined()`."""
    return 1 / (1 - 0.5**f.order)


def state_error(difference: np.ndarray, visited: np.ndarray, step: np.ndarray) -> np.ndarray:
    """The largest of the differences (times, *batch, n) of states after one step, relative to the root mean square
    fluctuation of the visited states (times, *batch, n): (*batch,).

    Relative to three times the step if that is less: an angle that grows without bound fluctuates widely.  For a state
    at rest, relative to a thousandth of its size.
    """
    fluctuation, moved = ((visited - visited.mean(0)) ** 2).sum(-1).mean(0), (step**2).sum(-1).mean(0)
    fluctuation = np.minimum(fluctuation, 9 * moved) + 1e-6 * (visited**2).sum(-1).mean(0)
    moved = (difference**2).sum(-1).max(0)
    return np.where(moved == 0, 0.0, moved / np.where(fluctuation > 0, fluctuation, np.nan)) ** 0.5


def shorter_step(f: Map, error: np.ndarray) -> np.ndarray:
    """The factor by which to multiply dt for a `state_error` of OF_STATE, which is of order dt^(order + 1)."""
    with np.errstate(divide="ignore"):
        return (error / OF_STATE) ** (-1 / (f.order + 1))


def at_all_times(function: Callable[..., tuple[Array, ...]], *states: Array) -> tuple[Array, ...]:
    """The results of `function` for arguments (times, ...), in one call; of a map that does not take a further batch
    axis, in a call for each time."""
    first = function(*(a[0] for a in states))
    try:
        results = function(*states)
        same_shapes = all(a.shape == (len(states[0]), *b.shape) for a, b in zip(results, first, strict=True))
        if same_shapes and np.allclose(as_numpy(results[-1][0]), as_numpy(first[-1]), 1e-3, 1e-6, equal_nan=True):
            return results
    except (TypeError, ValueError, IndexError, RuntimeError, AttributeError):
        pass
    each = [first, *(function(*arguments) for arguments in zip(*(a[1:] for a in states), strict=True))]
    return tuple(namespace(part[0]).stack(part) for part in zip(*each, strict=True))


def warn_if_coarse(f: Map, visited: np.ndarray, stacklevel: int) -> None:
    """Warn if one step of f at the visited states (times, n) of a series differs much from two of half the length."""
    refined = f.refined()
    if refined is None or len(visited) < 2:
        return
    with np.errstate(all="ignore"):
        (coarse,), (fine,) = (at_all_times(lambda x, g=g: (g(x),), visited) for g in (f, refined))
        error = float(state_error((coarse - fine) * extrapolation(f), visited, fine - visited))
    if not error <= OF_STATE:
        factor = float(shorter_step(f, np.array(error))) if error < np.inf else 0.5
        warnings.warn(
            f"{f.resolution} is too coarse: the error of one step is up to {error:.2g} of the fluctuation of the state,"
            f" and the series is that of another system; {f.remedy(factor, visited)}",
            stacklevel=stacklevel + 1,
        )
