"""Maps that approximate, compared with two steps half as long: is the step fine enough?"""

import warnings

import numpy as np

from cocycle.maps import Map

OF_STATE = 2e-2  # error of a state after one step beside its fluctuations, from which on the step is too coarse


def approximates(f: Map) -> bool:
    """Whether f has a step that can be refined; what is used as a map without being one has none."""
    return getattr(f, "refined", lambda: None)() is not None


def extrapolation(f: Map) -> float:
    """The ratio of what lies between f and a step of zero to what lies between f and `f.refined()`."""
    return 1 / (1 - 0.5**f.order)


def state_error(difference: np.ndarray, visited: np.ndarray) -> np.ndarray:
    """The largest of differences (times, *batch, n) of states after one step, over the root mean square fluctuation of
    the visited states (times, *batch, n): (*batch,).  Of a state at rest, over a thousandth of its own size."""
    fluctuation = ((visited - visited.mean(0)) ** 2).sum(-1).mean(0) + 1e-6 * (visited**2).sum(-1).mean(0)
    moved = (difference**2).sum(-1).max(0)
    return np.where(moved == 0, 0.0, moved / np.where(fluctuation > 0, fluctuation, np.nan)) ** 0.5


def shorter_step(f: Map, error: np.ndarray) -> np.ndarray:
    """The factor by which the step must become shorter for a `state_error` of OF_STATE: it falls as dt^(order + 1)."""
    with np.errstate(divide="ignore"):
        return (error / OF_STATE) ** (-1 / (f.order + 1))


def rounded_down(dt: float) -> float:
    """dt to two digits, a little below."""
    digit = 10 ** np.floor(np.log10(dt)) / 10
    return float(np.floor(0.95 * dt / digit) * digit)


def applied(f: Map, states: np.ndarray) -> np.ndarray:
    """f at all states (times, n) at once, or at one after the other if it does not take them so."""
    first = f(states[0])
    try:
        values = f(states)
        if values.shape == states.shape and np.allclose(values[0], first, 1e-6, 1e-9, equal_nan=True):
            return values
    except (TypeError, ValueError, IndexError, AttributeError):
        pass
    return np.stack([f(x) for x in states])


def warn_if_coarse(f: Map, visited: np.ndarray, stacklevel: int) -> None:
    """Warn if one step of f at the visited states (times, n) of a series is far from two half as long."""
    fine = f.refined()
    if fine is None or len(visited) < 2:
        return
    with np.errstate(all="ignore"):
        error = float(state_error((applied(f, visited) - applied(fine, visited)) * extrapolation(f), visited))
    if not error <= OF_STATE:
        dt = rounded_down(f.dt * float(shorter_step(f, np.array(error)))) if error < np.inf else f.dt / 2
        warnings.warn(
            f"the step dt={f.dt:.4g} is too coarse: one step changes a state by up to {error:.2g} of its fluctuation"
            f" too much or too little, and the series is one of another system.  Steps of {dt:.2g} should do: more"
            " substeps, or a smaller dt",
            stacklevel=stacklevel + 1,
        )
