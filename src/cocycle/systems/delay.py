"""Delay equations as maps of their history."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, final

import numpy as np

from cocycle.arrays import namespace
from cocycle.formulas.formula import Formula
from cocycle.integrators import rk4
from cocycle.systems.series import DiscreteSystem


@final
@dataclass(frozen=True)
class DelayEquation(DiscreteSystem):
    """x'(t) = rate(x(t), x(t - delay), **parameters) for a number x, as the time-dt map of its history.

    `rate` is a plain function of two numbers, see `cocycle.Formula`. The state (*batch, points + 2) is x at the present
    time, dt before, ..., with dt = delay / points; `series` gives the present x alone. The next x is computed by
    `substeps` Runge-Kutta steps of fourth order; between the points the history is interpolated from four of them, with
    an error of the same order. The first exponents of the map are those of the delay equation. `start` gives constant
    histories between the numbers `first`, with a little noise. Farmer, Physica D 4, 366 (1982). Raises ValueError for a
    delay <= 0, fewer than 3 points or less than one substep.
    """

    rate: Callable[..., Any]
    delay: float
    points: int = 100
    substeps: int = 1
    parameters: Mapping[str, Any] = field(default_factory=dict)
    first: tuple[float, float] = (0.5, 1.5)
    observed = slice(0, 1)
    order = 4

    def __post_init__(self):
        if not self.delay > 0:
            raise ValueError(f"delay must be positive; got {self.delay}")
        if self.points < 3:
            raise ValueError(f"points must be at least 3; got {self.points}")
        if self.substeps < 1:
            raise ValueError(f"substeps must be at least 1; got {self.substeps}")

    @property
    def dt(self):
        return self.delay / self.points

    @property
    def dimension(self):
        return self.points + 2

    @cached_property
    def _formula(self) -> Formula:
        return Formula(_OfPair(self.rate), **self.parameters)

    def at(self, **parameters: Any) -> "DelayEquation":
        """The same with other values of some parameters."""
        return replace(self, parameters=dict(self._formula.at(**parameters).parameters))

    def refined(self):
        return replace(self, substeps=2 * self.substeps)

    def start(self, rng, batch=()):
        level = rng.uniform(*self.first, size=(*batch, 1))
        return level + 0.1 * abs(self.first[1] - self.first[0]) * rng.uniform(size=(*batch, self.dimension))

    def _delayed(self, x):
        """The delayed x at the start, the middle and the end of each substep: 2 substeps + 1 values."""
        return [_interpolated(x, i / (2 * self.substeps)) for i in range(2 * self.substeps + 1)]

    def _advanced(self, rate, parts):
        """Runge-Kutta steps of parts whose rate also depends on the number of half substeps so far."""
        h = self.dt / self.substeps

        def with_clock(*parts):
            *moving, half_substeps = parts
            return *rate(*moving, round(half_substeps)), 2 / h

        parts = *parts, 0.0
        for _ in range(self.substeps):
            parts = rk4(with_clock, parts, h)
        return parts[:-1]

    def __call__(self, x):
        stack, delayed = namespace(x).stack, self._delayed(x)

        def rate(now, i):
            return (self._formula(stack([now, delayed[i]], axis=-1))[..., 0],)

        (after,) = self._advanced(rate, (x[..., 0],))
        return namespace(x).concatenate([after[..., None], x[..., :-1]], axis=-1)

    def tangent(self, x, q):
        xp, delayed, moved = namespace(x), self._delayed(x), self._delayed(q.swapaxes(-1, -2))

        def rate(now, change, i):
            pair, changes = xp.stack([now, delayed[i]], axis=-1), xp.stack([change, moved[i]], axis=-2)
            value, slope = self._formula.tangent(pair, changes)
            return value[..., 0], slope[..., 0, :]

        after, change = self._advanced(rate, (x[..., 0], q[..., 0, :]))
        return (
            xp.concatenate([after[..., None], x[..., :-1]], axis=-1),
            xp.concatenate([change[..., None, :], q[..., :-1, :]], axis=-2),
        )


@final
@dataclass(frozen=True)
class _OfPair:
    """A function of x and its delayed value as one of both together."""

    rate: Callable[..., Any]

    def __call__(self, pair, **parameters):
        return np.stack([self.rate(pair[0], pair[1], **parameters)])


def mackey_glass(x, delayed, beta=0.2, gamma=0.1, exponent=10.0):
    """The rate of change of the Mackey-Glass equation."""
    return beta * delayed / (1 + delayed**exponent) - gamma * x


@final
@dataclass(frozen=True)
class MackeyGlass(DiscreteSystem):
    """x'(t) = beta x(t - delay) / (1 + x(t - delay)^exponent) - gamma x(t), as the time-dt map of its history.

    State, points and substeps are those of `DelayEquation`.  Mackey & Glass, Science 197, 287 (1977); Farmer, Physica D
    4, 366 (1982).  Raises ValueError for fewer than 3 points or less than one substep.
    """

    beta: float = 0.2
    gamma: float = 0.1
    exponent: float = 10.0
    delay: float = 17.0
    points: int = 100
    substeps: int = 1
    observed = slice(0, 1)
    order = 4

    def __post_init__(self):
        self._equation  # noqa: B018  (its errors come at once)

    @cached_property
    def _equation(self) -> DelayEquation:
        parameters = {"beta": self.beta, "gamma": self.gamma, "exponent": self.exponent}
        return DelayEquation(mackey_glass, self.delay, self.points, self.substeps, parameters)

    @property
    def dt(self):
        return self._equation.dt

    @property
    def dimension(self):
        return self._equation.dimension

    def refined(self):
        return replace(self, substeps=2 * self.substeps)

    def start(self, rng, batch=()):
        return self._equation.start(rng, batch)

    def __call__(self, x):
        return self._equation(x)

    def tangent(self, x, q):
        return self._equation.tangent(x, q)


def _interpolated(x, s: float):
    """x at the time s dt - delay, 0 <= s <= 1, from the history (*batch, points + 2): a cubic through four points."""
    if s in (0, 1):
        return x[..., -2] if s == 0 else x[..., -3]
    weights = (
        -s * (s - 1) * (s - 2) / 6,
        (s + 1) * (s - 1) * (s - 2) / 2,
        -(s + 1) * s * (s - 2) / 2,
        (s + 1) * s * (s - 1) / 6,
    )
    return sum(w * x[..., i] for w, i in zip(weights, (-1, -2, -3, -4), strict=True))
