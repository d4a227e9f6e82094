"""Vector fields of chaotic flows."""

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
class HyperRossler(ContinuousSystem):
    """x' = -y - z, y' = x + a y + w, z' = b + x z, w' = -c z + d w: two positive exponents.

    The basin is small: starts are near the attractor.  Rössler, Phys. Lett. A 71, 155 (1979).
    """

    a: float = 0.25
    b: float = 3.0
    c: float = 0.5
    d: float = 0.05
    dimension = 4

    def start(self, rng, batch=()):
        return np.array([-20.0, 0.0, 0.0, 15.0]) + np.array([1.0, 1.0, 0.01, 0.5]) * rng.normal(size=(*batch, 4))

    def __call__(self, x):
        a, b, c, d = x[..., 0], x[..., 1], x[..., 2], x[..., 3]
        rates = [-b - c, a + self.a * b + d, self.b + a * c, -self.c * c + self.d * d]
        return namespace(x).stack(rates, axis=-1)

    def tangent(self, x, q):
        a, c = x[..., 0, None], x[..., 2, None]
        da, db, dc, dd = q[..., 0, :], q[..., 1, :], q[..., 2, :], q[..., 3, :]
        rates = [-db - dc, da + self.a * db + dd, c * da + a * dc, -self.c * dc + self.d * dd]
        return self(x), namespace(x).stack(rates, axis=-2)


@final
@dataclass(frozen=True)
class Lorenz84(ContinuousSystem):
    """x' = -y² - z² - a x + a f, y' = x y - b x z - y + g, z' = b x y + x z - z: a model of the jet stream and eddies.

    Lorenz, Tellus A 36, 98 (1984).
    """

    a: float = 0.25
    b: float = 4.0
    f: float = 8.0
    g: float = 1.0
    dimension = 3

    def start(self, rng, batch=()):
        return np.array([1.0, 0.0, 0.0]) + 0.3 * rng.normal(size=(*batch, 3))

    def __call__(self, x):
        u, v, w = x[..., 0], x[..., 1], x[..., 2]
        rates = [
            -v * v - w * w - self.a * u + self.a * self.f,
            u * v - self.b * u * w - v + self.g,
            self.b * u * v + u * w - w,
        ]
        return namespace(x).stack(rates, axis=-1)

    def tangent(self, x, q):
        u, v, w = x[..., 0, None], x[..., 1, None], x[..., 2, None]
        du, dv, dw = q[..., 0, :], q[..., 1, :], q[..., 2, :]
        rates = [
            -2 * v * dv - 2 * w * dw - self.a * du,
            (v - self.b * w) * du + (u - 1) * dv - self.b * u * dw,
            (self.b * v + w) * du + self.b * u * dv + (u - 1) * dw,
        ]
        return self(x), namespace(x).stack(rates, axis=-2)


@final
@dataclass(frozen=True)
class Thomas(ContinuousSystem):
    """x' = sin y - b x, and cyclic permutations of x, y, z.  Divergence -3b everywhere.

    Thomas, Int. J. Bifurcation Chaos 9, 1889 (1999).
    """

    b: float = 0.18
    dimension = 3

    def start(self, rng, batch=()):
        return rng.normal(size=(*batch, 3))

    def __call__(self, x):
        return namespace(x).sin(namespace(x).roll(x, -1, -1)) - self.b * x

    def tangent(self, x, q):
        roll = namespace(x).roll
        return self(x), namespace(x).cos(roll(x, -1, -1))[..., None] * roll(q, -1, -2) - self.b * q


@final
@dataclass(frozen=True)
class Halvorsen(ContinuousSystem):
    """x' = -a x - 4 y - 4 z - y², and cyclic permutations of x, y, z.  Divergence -3a everywhere.

    Sprott, Chaos and Time-Series Analysis, Oxford (2003).
    """

    a: float = 1.27
    dimension = 3

    def start(self, rng, batch=()):
        return np.array([-5.0, 0.0, 0.0]) + 0.3 * rng.normal(size=(*batch, 3))

    def __call__(self, x):
        roll = namespace(x).roll
        y, z = roll(x, -1, -1), roll(x, -2, -1)
        return -self.a * x - 4 * y - 4 * z - y * y

    def tangent(self, x, q):
        roll = namespace(x).roll
        y, dy, dz = roll(x, -1, -1)[..., None], roll(q, -1, -2), roll(q, -2, -2)
        return self(x), -self.a * q - 4 * dy - 4 * dz - 2 * y * dy


@final
@dataclass(frozen=True)
class Sprott(ContinuousSystem):
    """x' = y, y' = z, z' = -a z + y² - x: the simplest chaotic flow.  Divergence -a everywhere.

    The basin is small: starts are near the attractor.  Sprott, Phys. Lett. A 228, 271 (1997).
    """

    a: float = 2.017
    dimension = 3

    def start(self, rng, batch=()):
        return np.array([5.0, 2.0, 0.0]) + 0.05 * rng.normal(size=(*batch, 3))

    def __call__(self, x):
        u, v, w = x[..., 0], x[..., 1], x[..., 2]
        return namespace(x).stack([v, w, -self.a * w + v * v - u], axis=-1)

    def tangent(self, x, q):
        v = x[..., 1, None]
        du, dv, dw = q[..., 0, :], q[..., 1, :], q[..., 2, :]
        return self(x), namespace(x).stack([dv, dw, -self.a * dw + 2 * v * dv - du], axis=-2)


@final
@dataclass(frozen=True)
class Chua(ContinuousSystem):
    """x' = alpha (y - x - h(x)), y' = x - y + z, z' = -beta y: the double scroll.

    h(x) = outer x + (inner - outer) (|x + 1| - |x - 1|) / 2, the current through a piecewise linear resistor.
    Matsumoto, Chua & Komuro, IEEE Trans. Circuits Syst. 32, 797 (1985).
    """

    alpha: float = 9.0
    beta: float = 100 / 7
    inner: float = -8 / 7
    outer: float = -5 / 7
    dimension = 3

    def start(self, rng, batch=()):
        return np.array([0.5, 0.0, 0.0]) + 0.1 * rng.normal(size=(*batch, 3))

    def __call__(self, x):
        u, v, w = x[..., 0], x[..., 1], x[..., 2]
        current = self.outer * u + (self.inner - self.outer) / 2 * (abs(u + 1) - abs(u - 1))
        return namespace(x).stack([self.alpha * (v - u - current), u - v + w, -self.beta * v], axis=-1)

    def tangent(self, x, q):
        u, sign = x[..., 0, None], namespace(x).sign
        du, dv, dw = q[..., 0, :], q[..., 1, :], q[..., 2, :]
        slope = self.outer + (self.inner - self.outer) / 2 * (sign(u + 1) - sign(u - 1))
        rates = [self.alpha * (dv - du - slope * du), du - dv + dw, -self.beta * dv]
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
