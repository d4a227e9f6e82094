"""Delay equations as maps of their history."""

from dataclasses import dataclass, replace
from typing import final

from cocycle.arrays import namespace
from cocycle.flows import rk4
from cocycle.systems.series import DiscreteSystem


@final
@dataclass(frozen=True)
class MackeyGlass(DiscreteSystem):
    """x'(t) = beta x(t - delay) / (1 + x(t - delay)^exponent) - gamma x(t), as the time-dt map of its history.

    The state (*batch, points + 2) is x at the present time, dt before, ..., with dt = delay / points; `series` gives
    the present x alone.  The next x is computed by `substeps` Runge-Kutta steps of fourth order; between the points the
    history is interpolated from four of them, with an error of the same order.  The first exponents of the map are
    those of the delay equation.  Mackey & Glass, Science 197, 287 (1977); Farmer, Physica D 4, 366 (1982).  Raises
    ValueError for fewer than 3 points or less than one substep.
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

    def refined(self):
        return replace(self, substeps=2 * self.substeps)

    def start(self, rng, batch=()):
        return rng.uniform(0.5, 1.5, size=(*batch, 1)) + 0.1 * rng.uniform(size=(*batch, self.dimension))

    def _feedback(self, delayed):
        """The feedback beta x / (1 + x^exponent) at the delayed value, and its derivative."""
        power = delayed**self.exponent
        rate = self.beta / (1 + power)
        return delayed * rate, rate * (1 - self.exponent * power / (1 + power))

    def _delayed(self, x):
        """The delayed x at the start, the middle and the end of each substep: 2 substeps + 1 values."""
        return [_interpolated(x, i / (2 * self.substeps)) for i in range(2 * self.substeps + 1)]

    def _step(self, now, feedback):
        """Runge-Kutta steps of now' = feedback(t) - gamma now, which are linear in now and feedback: the tangent map is
        the same function."""
        h = self.dt / self.substeps

        def rate(now, half_substeps):
            return feedback[round(half_substeps)] - self.gamma * now, 2 / h

        parts = now, 0.0
        for _ in range(self.substeps):
            parts = rk4(rate, parts, h)
        return parts[0]

    def __call__(self, x):
        after = self._step(x[..., 0], [self._feedback(d)[0] for d in self._delayed(x)])
        return namespace(x).concatenate([after[..., None], x[..., :-1]], axis=-1)

    def tangent(self, x, q):
        slopes = [self._feedback(d)[1][..., None] for d in self._delayed(x)]
        moved = [s * d for s, d in zip(slopes, self._delayed(q.swapaxes(-1, -2)), strict=True)]
        after = self._step(q[..., 0, :], moved)
        return self(x), namespace(x).concatenate([after[..., None, :], q[..., :-1, :]], axis=-2)


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
