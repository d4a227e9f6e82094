"""Maps whose exponents are known exactly or were computed many times."""

from dataclasses import dataclass
from typing import final

import numpy as np

from cocycle.arrays import like, linear, linear_block, namespace
from cocycle.systems.series import DiscreteSystem


@final
@dataclass(frozen=True)
class Logistic(DiscreteSystem):
    """x -> r x (1 - x) on [0, 1].  At r = 4 the exponent is ln 2.  May, Nature 261, 459 (1976)."""

    r: float = 4.0
    dimension = 1

    def start(self, rng, batch=()):
        return rng.uniform(0.1, 0.9, size=(*batch, 1))

    def __call__(self, x):
        return self.r * x * (1 - x)

    def tangent(self, x, q):
        return self(x), (self.r * (1 - 2 * x))[..., None] * q


@final
@dataclass(frozen=True)
class Henon(DiscreteSystem):
    """(x, y) -> (1 - a x² + y, b x).  Determinant -b everywhere.  Hénon, Commun. Math. Phys. 50, 69 (1976)."""

    a: float = 1.4
    b: float = 0.3
    dimension = 2

    def start(self, rng, batch=()):
        return rng.uniform(-0.1, 0.1, size=(*batch, 2))

    def __call__(self, x):
        u, v = x[..., 0], x[..., 1]
        return namespace(x).stack([1 - self.a * u**2 + v, self.b * u], axis=-1)

    def tangent(self, x, q):
        du, dv = q[..., 0, :], q[..., 1, :]
        slope = -2 * self.a * x[..., 0, None]
        return self(x), namespace(x).stack([slope * du + dv, self.b * du], axis=-2)


@final
@dataclass(frozen=True)
class Ikeda(DiscreteSystem):
    """z -> 1 + u z exp(i t) with t = 0.4 - 6 / (1 + |z|²), z = x + i y: light in a ring cavity.

    Determinant u² everywhere.  Ikeda, Opt. Commun. 30, 257 (1979); Hammel, Jones & Moloney, JOSA B 2, 552 (1985).
    """

    u: float = 0.9
    dimension = 2

    def start(self, rng, batch=()):
        return rng.uniform(-0.1, 0.1, size=(*batch, 2))

    def _rotation(self, x):
        """u cos t and u sin t, and dt / d(|z|²)."""
        denominator = 1 + x[..., 0] ** 2 + x[..., 1] ** 2
        angle = 0.4 - 6 / denominator
        return self.u * namespace(x).cos(angle), self.u * namespace(x).sin(angle), 6 / denominator**2

    def __call__(self, x):
        a, b = x[..., 0], x[..., 1]
        cos, sin, _ = self._rotation(x)
        return namespace(x).stack([1 + a * cos - b * sin, a * sin + b * cos], axis=-1)

    def tangent(self, x, q):
        y = self(x)
        a, b, real, imaginary = (c[..., None] for c in (x[..., 0], x[..., 1], y[..., 0] - 1, y[..., 1]))
        cos, sin, twist = (c[..., None] for c in self._rotation(x))
        da, db = q[..., 0, :], q[..., 1, :]
        turn = twist * 2 * (a * da + b * db)  # dt, along which the rotated vector moves at right angles to itself
        rates = [da * cos - db * sin - imaginary * turn, da * sin + db * cos + real * turn]
        return y, namespace(x).stack(rates, axis=-2)


@final
@dataclass(frozen=True)
class ToralAutomorphism(DiscreteSystem):
    """x -> A x mod 1 for an integer matrix A with |det A| = 1; A = [[2, 1], [1, 1]] is Arnold's cat map.

    Hyperbolic when no eigenvalue has modulus one; the exponents are ln|eigenvalues| at every point.  Arnold &
    Avez, Problèmes ergodiques de la mécanique classique (1967).  Raises ValueError for another kind of matrix.
    """

    matrix: tuple[tuple[int, ...], ...] = ((2, 1), (1, 1))

    def __post_init__(self):
        a = np.asarray(self.matrix)
        if a.ndim != 2 or a.shape[0] != a.shape[1] or (a != np.round(a)).any():
            raise ValueError(f"matrix must be a square matrix of integers; got {self.matrix}")
        if round(abs(np.linalg.det(a))) != 1:
            raise ValueError(f"matrix must have determinant 1 or -1; got {np.linalg.det(a):.6g}")

    @property
    def dimension(self):
        return len(self.matrix)

    def start(self, rng, batch=()):
        return rng.uniform(size=(*batch, self.dimension))

    def _weight(self, x):
        return like(np.asarray(self.matrix, dtype=np.float64), x)

    def __call__(self, x):
        return linear(self._weight(x), x) % 1

    def tangent(self, x, q):
        return self(x), linear_block(self._weight(q), q)
