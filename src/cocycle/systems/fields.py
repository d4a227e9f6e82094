"""Vector fields of the chaos literature."""

from dataclasses import dataclass
from typing import final

import numpy as np

from cocycle.arrays import namespace
from cocycle.systems.series import ContinuousSystem


@final
@dataclass(frozen=True)
class Lorenz63(ContinuousSystem):
    """x' = sigma (y - x), y' = x (rho - z) - y, z' = x y - beta z.

    Divergence -(sigma + 1 + beta) everywhere.  Lorenz, J. Atmos. Sci. 20, 130 (1963).
    """

    sigma: float = 10.0
    rho: float = 28.0
    beta: float = 8 / 3
    dimension = 3

    def start(self, rng, batch=()):
        return np.array([0.0, 0.0, 25.0]) + rng.normal(scale=5.0, size=(*batch, 3))

    def __call__(self, x):
        a, b, c = x[..., 0], x[..., 1], x[..., 2]
        rates = [self.sigma * (b - a), a * (self.rho - c) - b, a * b - self.beta * c]
        return namespace(x).stack(rates, axis=-1)

    def tangent(self, x, q):
        a, b, c = x[..., 0, None], x[..., 1, None], x[..., 2, None]
        da, db, dc = q[..., 0, :], q[..., 1, :], q[..., 2, :]
        rates = [self.sigma * (db - da), (self.rho - c) * da - db - a * dc, b * da + a * db - self.beta * dc]
        return self(x), namespace(x).stack(rates, axis=-2)


@final
@dataclass(frozen=True)
class Rossler(ContinuousSystem):
    """x' = -y - z, y' = x + a y, z' = b + z (x - c).  Rössler, Phys. Lett. A 57, 397 (1976)."""

    a: float = 0.2
    b: float = 0.2
    c: float = 5.7
    dimension = 3

    def start(self, rng, batch=()):
        return np.array([0.0, -5.0, 0.1]) + np.array([1.0, 1.0, 0.1]) * rng.normal(size=(*batch, 3))

    def __call__(self, x):
        u, v, w = x[..., 0], x[..., 1], x[..., 2]
        return namespace(x).stack([-v - w, u + self.a * v, self.b + w * (u - self.c)], axis=-1)

    def tangent(self, x, q):
        u, w = x[..., 0, None], x[..., 2, None]
        du, dv, dw = q[..., 0, :], q[..., 1, :], q[..., 2, :]
        rates = [-dv - dw, du + self.a * dv, w * du + (u - self.c) * dw]
        return self(x), namespace(x).stack(rates, axis=-2)


@final
@dataclass(frozen=True)
class Lorenz96(ContinuousSystem):
    """x_i' = (x_{i+1} - x_{i-2}) x_{i-1} - x_i + forcing, i modulo n: n sites on a ring.

    Divergence -n everywhere.  Lorenz, Proc. ECMWF Seminar on Predictability 1, 1 (1996).
    Raises ValueError for fewer than 4 sites.
    """

    dimension: int = 40
    forcing: float = 8.0

    def __post_init__(self):
        if self.dimension < 4:
            raise ValueError(f"dimension must be at least 4; got {self.dimension}")

    def start(self, rng, batch=()):
        return self.forcing + rng.normal(size=(*batch, self.dimension))

    def __call__(self, x):
        roll = namespace(x).roll
        return (roll(x, -1, -1) - roll(x, 2, -1)) * roll(x, 1, -1) - x + self.forcing

    def tangent(self, x, q):
        roll = namespace(x).roll
        gradient, neighbour = (roll(x, -1, -1) - roll(x, 2, -1))[..., None], roll(x, 1, -1)[..., None]
        dgradient, dneighbour = roll(q, -1, -2) - roll(q, 2, -2), roll(q, 1, -2)
        return self(x), dgradient * neighbour + gradient * dneighbour - q
