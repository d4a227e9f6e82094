"""Delay equations as maps on their history."""

from dataclasses import dataclass
from typing import final

from cocycle.arrays import namespace
from cocycle.systems.series import DiscreteSystem


@final
@dataclass(frozen=True)
class MackeyGlass(DiscreteSystem):
    """x'(t) = beta x(t - delay) / (1 + x(t - delay)^exponent) - gamma x(t), as the time-dt map of its history.

    The state (*batch, points + 2) is x now, dt earlier, ..., with dt = delay / points; `series` gives x now alone.  One
    Runge-Kutta step of fourth order makes the next x; what was half a step before, it interpolates between four
    points of the history, with an error of the same order.  The exponents of the delay equation are the first of the
    map's.  Mackey & Glass, Science 197, 287 (1977); Farmer, Physica D 4, 366 (1982).  Raises ValueError for fewer than
    3 points.
    """

    beta: float = 0.2
    gamma: float = 0.1
    exponent: float = 10.0
    delay: float = 17.0
    points: int = 100
    observed = slice(0, 1)

    def __post_init__(self):
        if self.points < 3:
            raise ValueError(f"points must be at least 3; got {self.points}")

    @property
    def dt(self):
        return self.delay / self.points

    @property
    def dimension(self):
        return self.points + 2

    def start(self, rng, batch=()):
        return rng.uniform(0.5, 1.5, size=(*batch, 1)) + 0.1 * rng.uniform(size=(*batch, self.dimension))

    def _feedback(self, delayed):
        """Production at the delayed value, and its slope."""
        power = delayed**self.exponent
        rate = self.beta / (1 + power)
        return delayed * rate, rate * (1 - self.exponent * power / (1 + power))

    @staticmethod
    def _delayed(x):
        """x at the delay before now, before half a step from now and before a whole step from now."""
        middle = (9 * (x[..., -2] + x[..., -3]) - x[..., -1] - x[..., -4]) / 16
        return x[..., -2], middle, x[..., -3]

    def _step(self, now, feedback):
        """Runge-Kutta for now' = feedback(t) - gamma now: linear in now and feedback, so its own tangent map."""
        first, middle, last = feedback
        h = self.dt
        k1 = first - self.gamma * now
        k2 = middle - self.gamma * (now + h / 2 * k1)
        k3 = middle - self.gamma * (now + h / 2 * k2)
        k4 = last - self.gamma * (now + h * k3)
        return now + h / 6 * (k1 + 2 * (k2 + k3) + k4)

    def __call__(self, x):
        after = self._step(x[..., 0], [self._feedback(d)[0] for d in self._delayed(x)])
        return namespace(x).concatenate([after[..., None], x[..., :-1]], axis=-1)

    def tangent(self, x, q):
        slopes = [self._feedback(d)[1][..., None] for d in self._delayed(x)]
        moved = [s * d for s, d in zip(slopes, self._delayed(q.swapaxes(-1, -2)), strict=True)]
        after = self._step(q[..., 0, :], moved)
        return self(x), namespace(x).concatenate([after[..., None, :], q[..., :-1, :]], axis=-2)
