"""Steps chosen by the error: the control of the length, and an explicit pair of methods."""

import warnings
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from cocycle.arrays import namespace, tolerances
from cocycle.formulas.loops import Controlled
from cocycle.integrators.base import (
    ATTEMPTS,
    LEAST,
    MOST,
    SAFETY,
    VANISHING,
    AdaptiveIntegrator,
    Rate,
    require_tolerances,
)
from cocycle.integrators.fixed import Tableau, combination, moved, slopes

SINGLE = 100  # roundings, that a relative tolerance is at least


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


DORMAND_PRINCE = Tableau(
    (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0),
    (
        (),
        (1 / 5,),
        (3 / 40, 9 / 40),
        (44 / 45, -56 / 15, 32 / 9),
        (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
        (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
        (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
    ),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0.0),
)
FIFTH_ORDER = Tableau(DORMAND_PRINCE.times[:-1], DORMAND_PRINCE.stages[:-1], DORMAND_PRINCE.weights[:-1])
DIFFERENCE = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)  # from the fourth order


@final
@dataclass(frozen=True)
class DormandPrince(AdaptiveIntegrator):
    """The explicit pair of orders 5 and 4 of Dormand & Prince, J. Comput. Appl. Math. 6, 19 (1980), with steps chosen
    by its error: see `AdaptiveIntegrator`.

    For equations that are not stiff.  Raises ValueError for tolerances that are not in (0, 1).
    """

    rtol: float = 1e-8
    atol: float = 1e-10
    longest: float = np.inf
    order = 5
    error_order = 5

    def __post_init__(self):
        require_tolerances(self)

    def step(self, rate, parts, dt, time=0.0):
        return integrated(self, rate, parts, dt, time)

    def attempt(self, rate, x, h, time):
        found = slopes(DORMAND_PRINCE, rate, (x,), h, time)
        (y,) = moved((x,), found, DORMAND_PRINCE.weights, h)
        return y, relative_error(self, x, y, combination(found, DIFFERENCE, 0, h, x)), None

    def pushed(self, rate, x, q, h, time, known):
        return moved((x, q), slopes(FIFTH_ORDER, rate, (x, q), h, time), FIFTH_ORDER.weights, h)[1]

    def traced(self, rate, x, h, time):
        y, error, _ = self.attempt(rate, x, h, time)
        return namespace(x).concatenate([y, error])

    def scheme(self, dt, substeps, direction, timed):
        return Controlled(self.control(dt, direction), timed)
