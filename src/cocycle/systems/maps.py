"""Maps whose exponents are known exactly or from the literature."""

from dataclasses import dataclass
from typing import final

import numpy as np

from cocycle.arrays import like, namespace
from cocycle.operators import linear, linear_block
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
class Tent(DiscreteSystem):
    """x -> slope min(x, 1 - x) on [0, 1].  The exponent is ln slope at every point.

    In binary floating point every orbit at slope 2 reaches 0 within 55 steps, so the default is less.
    Raises ValueError for a power of two.
    """

    slope: float = 1.99
    dimension = 1

    def __post_init__(self):
        if np.frexp(self.slope)[0] == 0.5:
            raise ValueError(
                "slope must not be a power of two, with which every orbit reaches 0 in binary floating point; got"
                f" {self.slope}"
            )

    def start(self, rng, batch=()):
        return rng.uniform(0.1, 0.9, size=(*batch, 1))

    def __call__(self, x):
        return self.slope * (0.5 - abs(x - 0.5))

    def tangent(self, x, q):
        return self(x), (-self.slope * namespace(x).sign(x - 0.5))[..., None] * q


@final
@dataclass(frozen=True)
class Bernoulli(DiscreteSystem):
    """x -> factor x mod 1 on [0, 1).  The exponent is ln factor at every point.

    Raises ValueError for a power of two, with which every orbit reaches 0 in binary floating point.
    """

    factor: float = 3.0
    dimension = 1

    def __post_init__(self):
        if np.frexp(self.factor)[0] == 0.5:
            raise ValueError(
                "factor must not be a power of two, with which every orbit reaches 0 in binary floating point; got"
                f" {self.factor}"
            )

    def start(self, rng, batch=()):
        return rng.uniform(size=(*batch, 1))

    def __call__(self, x):
        return self.factor * x % 1

    def tangent(self, x, q):
        return self(x), self.factor * q


@final
@dataclass(frozen=True)
class CoupledMapLattice(DiscreteSystem):
    """x_i -> (1 - coupling) f(x_i) + coupling/2 (f(x_{i-1}) + f(x_{i+1})): maps f of the line at sites on a ring.

    For a map with constant slope s the exponents are ln s + ln|1 - coupling (1 - cos(2πk/n))|, k = 0..n-1.
    Kaneko, Prog. Theor. Phys. 72, 480 (1984).  Raises ValueError unless 0 <= coupling <= 1.
    """

    site: DiscreteSystem = Logistic()
    dimension: int = 16
    coupling: float = 0.1

    def __post_init__(self):
        if not 0 <= self.coupling <= 1:
            raise ValueError(f"coupling must be in [0, 1]; got {self.coupling}")

    def start(self, rng, batch=()):
        return self.site.start(rng, (*batch, self.dimension))[..., 0]

    def _mixed(self, y, axis):
        roll = namespace(y).roll
        return (1 - self.coupling) * y + self.coupling / 2 * (roll(y, 1, axis) + roll(y, -1, axis))

    def __call__(self, x):
        return self._mixed(self.site(x[..., None])[..., 0], -1)

    def tangent(self, x, q):
        y, s = self.site.tangent(x[..., None], q[..., None, :])  # each site is a batch member of the map f
        return self._mixed(y[..., 0], -1), self._mixed(s[..., 0, :], -2)


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
class Lozi(DiscreteSystem):
    """(x, y) -> (1 - a |x| + y, b x): a piecewise linear Hénon map.  Determinant -b everywhere.

    Lozi, J. Phys. Colloq. 39, C5-9 (1978).
    """

    a: float = 1.4
    b: float = 0.3
    dimension = 2

    def start(self, rng, batch=()):
        return rng.uniform(-0.1, 0.1, size=(*batch, 2))

    def __call__(self, x):
        u, v = x[..., 0], x[..., 1]
        return namespace(x).stack([1 - self.a * abs(u) + v, self.b * u], axis=-1)

    def tangent(self, x, q):
        du, dv = q[..., 0, :], q[..., 1, :]
        slope = -self.a * namespace(x).sign(x[..., 0, None])
        return self(x), namespace(x).stack([slope * du + dv, self.b * du], axis=-2)


@final
@dataclass(frozen=True)
class Standard(DiscreteSystem):
    """(θ, p) -> (θ + p', p') with p' = p + kick sin θ, both modulo 2π: the kicked rotor.  Determinant 1 everywhere.

    At kick 1 orbits stay near islands for times too long to average over; at 5 and 7 they mix.  Chirikov, Phys. Rep.
    52, 263 (1979).
    """

    kick: float = 5.0
    dimension = 2

    def start(self, rng, batch=()):
        return rng.uniform(0, 2 * np.pi, size=(*batch, 2))

    def __call__(self, x):
        momentum = x[..., 1] + self.kick * namespace(x).sin(x[..., 0])
        return namespace(x).stack([x[..., 0] + momentum, momentum], axis=-1) % (2 * np.pi)

    def tangent(self, x, q):
        kicked = q[..., 1, :] + self.kick * namespace(x).cos(x[..., 0, None]) * q[..., 0, :]
        return self(x), namespace(x).stack([q[..., 0, :] + kicked, kicked], axis=-2)


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
        turn = twist * 2 * (a * da + b * db)  # dt: the rotated vector changes at right angles to itself
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
