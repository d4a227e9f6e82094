"""Steps chosen by the error: the control of their length."""

import warnings
from abc import abstractmethod
from typing import Any

import numpy as np

from cocycle.arrays import namespace, tolerances
from cocycle.formulas.loops import Control
from cocycle.integrators.base import Integrator, Rate

SAFETY, LEAST, MOST = 0.9, 0.2, 5.0  # of the next step, relative to the last one
ATTEMPTS = 100_000  # in one application of a map, at most
VANISHING = 1e-13  # a step, relative to the time of the map
SINGLE = 100  # roundings, that a relative tolerance is at least


class AdaptiveIntegrator(Integrator):
    """A method that chooses its steps, so that its estimate of the error of each is within atol + rtol |x|.

    The state alone chooses the steps, for each member of a batch its own, and the tangent follows those that are
    accepted: it is the derivative of the numerical solution at these steps.  Otherwise values would depend on the
    frame.  The error is the root mean square over the components.  In single precision rtol is at least 1e-5.  The
    `substeps` of a flow divide each accepted step; no step is longer than `longest`.

    Raises ValueError for tolerances that are not in (0, 1), and a `longest` that is not positive.
    """

    rtol: Any  # float
    atol: Any  # float
    longest: Any  # float: no step is longer
    error_order: Any  # int: the estimate is of order dt^error_order

    @abstractmethod
    def attempt(self, rate: Rate, x: Any, h: Any, time: Any) -> tuple[Any, Any, Any]:
        """The states (*batch, n) after steps h (*batch, 1), the estimated errors (*batch, 1), allowed up to 1, and
        what `pushed` needs to know of these steps."""

    @abstractmethod
    def pushed(self, rate: Rate, x: Any, q: Any, h: Any, time: Any, known: Any) -> Any:
        """The frame q at x after the same steps."""

    def __post_init__(self):
        for name in ("rtol", "atol"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < 1:
                raise ValueError(f"{name} must be a number in (0, 1); got {value!r}")
        if isinstance(self.longest, str) or not self.longest > 0:
            raise ValueError(f"longest must be a positive time; got {self.longest!r}")

    def step(self, rate, parts, dt, time=0.0):
        return integrated(self, rate, parts, dt, time)

    def check(self, field, x):
        pass

    def control(self, dt: float, direction: int) -> Control:
        """The control of the steps, for a compiled loop."""
        return Control(dt, min(dt, self.longest), direction, self.error_order, SAFETY, LEAST, MOST, ATTEMPTS, VANISHING)


def integrated(method: Any, rate: Rate, parts: tuple, dt: Any, time: Any, pieces: int = 1) -> tuple:
    """The parts after the time dt, by steps that the method accepts, each divided into equal pieces.

    The first step tried is dt itself, or the longest one, so that the result depends on nothing but the state; the next
    follow from the error, h (0.9 / error^(1 / error_order)), within a factor 5.  Hairer, Norsett & Wanner, Solving
    Ordinary Differential Equations I (1993), II.4.  Members of a batch whose steps vanish become NaN, with a warning.
    """
    xp, start = namespace(parts[0]), parts[0]
    whole = xp.zeros_like(start[..., :1]) + dt
    before = ~xp.isfinite(start).all(-1)[..., None]
    longest = xp.clip(whole, None, method.longest)
    left, h, lost = whole, longest, before
    with np.errstate(all="ignore"):
        for _ in range(ATTEMPTS):
            active = (left > 0) & ~lost
            if not active.any():
                break
            h = xp.where(active, xp.minimum(h, left), whole)
            now = time + (whole - left)
            attempt = method.attempt(rate, parts[0], h, now)
            error = attempt[1]
            accepted = active & (error <= 1)
            if accepted.any():
                parts = _advanced(method, rate, parts, h, now, pieces, accepted, attempt)
            left = xp.where(accepted, left - h, left)
            h = xp.minimum(h * _factor(error, method.error_order), longest)
            lost = lost | (active & (h < VANISHING * whole))
    return _without_lost(parts, lost | (left > 0), before, method)


def _advanced(
    method: Any, rate: Rate, parts: tuple, h: Any, time: Any, pieces: int, accepted: Any, attempt: tuple
) -> tuple:
    """The parts of the accepted members after a step, in pieces; of one piece, the attempt has the state."""
    xp, h = namespace(h), h / pieces
    for i in range(pieces):
        x, *frames = parts
        now = time + i * h
        y, _, known = attempt if pieces == 1 else method.attempt(rate, x, h, now)
        pushed = [method.pushed(rate, x, q, h, now, known) for q in frames]
        parts = (
            xp.where(accepted, y, x),
            *(xp.where(accepted[..., None], new, q) for new, q in zip(pushed, frames, strict=True)),
        )
    return parts


def _factor(error: Any, order: int) -> Any:
    """The length of the next step relative to the last; errors that are no numbers, by overflow, make it shorter."""
    xp = namespace(error)
    factor = SAFETY * xp.where(error > 0, error, 1e-30) ** (-1 / order)
    return xp.where(xp.isfinite(error), xp.clip(factor, LEAST, MOST), LEAST)


def _without_lost(parts: tuple, lost: Any, before: Any, method: Any) -> tuple:
    """The parts with NaN for the members that were lost, and a warning about those that were not so before."""
    if not lost.any():
        return parts
    if (lost & ~before).any():
        x = parts[0][(lost & ~before)[..., 0]][0]
        warnings.warn(
            f"the steps of {method} vanish near the state {np.asarray(x)}: the solution ends there, the equation jumps,"
            " or it is stiff, for which Radau() is made",
            RuntimeWarning,
            stacklevel=2,
        )
    xp = namespace(parts[0])
    return tuple(xp.where(lost[(..., *(None,) * i)], np.nan, part) for i, part in enumerate(parts))


def relative_error(method: Any, x: Any, y: Any, error: Any) -> Any:
    """The root mean square (..., 1) of the error relative to the tolerances, at the larger of the states x and y."""
    xp = namespace(x)
    size = xp.maximum(abs(x), abs(y))
    squares = (error / (method.atol + tolerance(method, x) * size)) ** 2
    return (squares.sum(-1) / x.shape[-1])[..., None] ** 0.5


def tolerance(method: Any, x: Any) -> float:
    """rtol, or what the precision of x allows."""
    rounding = tolerances(x.dtype).eps if hasattr(x, "dtype") else np.finfo(float).eps
    return max(method.rtol, SINGLE * rounding)
