"""Exponents along an invariant subspace and transversal to it, such as that of synchronised copies of a system.

Where a map keeps the range of a projection P, its tangent map takes vectors of that range to vectors of it, and acts on
the others modulo the range: (1 - P) Df (1 - P).  The exponents of the two are those along the subspace and those
transversal to it; negative transversal ones say that orbits nearby approach it.  Ashwin, Buescu & Stewart,
Nonlinearity 9, 703 (1996); Pecora & Carroll, Phys. Rev. Lett. 80, 2109 (1998).
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, final

import numpy as np

from cocycle.arrays import as_numpy, constant, like, require_count, require_finite
from cocycle.maps import Map, State
from cocycle.operators import linear, linear_block

SAME = 1e-8  # difference from a projection, and of a value from the subspace, relative to the size


def synchronised(copies: int, dimension: int) -> np.ndarray:
    """The projection onto states [x | x | ...] of so many copies of a system: each becomes the mean of all."""
    require_count("copies", copies, 2)
    require_count("dimension", dimension, 1)
    return np.kron(np.full((copies, copies), 1 / copies), np.eye(dimension))


@final
@dataclass(frozen=True, eq=False)
class Transversal(Map):
    """A map near an invariant subspace, the range of `projection` (n, n): the state stays in it, and the tangent map is
    that of vectors modulo the subspace.

    Numerical errors cannot take the state away from an unstable subspace, nor vectors into it.  With an m-dimensional
    range there are n - m transversal exponents, and frames have at most as many vectors.  The tangent is not the
    derivative of the values, which stay in the subspace.  Raises ValueError for a matrix that is no projection, or
    when it is first used, for a map that does not keep the subspace.
    """

    map: Map
    projection: np.ndarray
    _seen: list = field(default_factory=list, init=False, repr=False)
    volume = False  # of vectors modulo the subspace

    def __post_init__(self):
        if not isinstance(self.map, Map):
            raise TypeError(f"map must be a map, Formula(function) or Flow(function, dt); got {self.map!r}")
        _require_projection(self.projection)

    @property
    def dt(self):
        return self.map.dt

    @property
    def order(self):
        return self.map.order

    @property
    def batch(self):
        return self.map.batch

    @property
    def resolution(self):
        return self.map.resolution

    def remedy(self, factor, x):
        return self.map.remedy(factor, x)

    def refined(self):
        finer = self.map.refined()
        return None if finer is None else replace(self, map=finer)

    @cached_property
    def _complement(self) -> np.ndarray:
        return np.eye(len(self.projection)) - self.projection

    def _kept(self, y: State) -> State:
        """The value, in the subspace.  Raises ValueError if the map takes it far away."""
        kept = linear(like(self.projection, y), y)
        if not self._seen:
            _require_invariant(kept, y)
            self._seen.append(True)
        return kept

    def __call__(self, x):
        return self._kept(self.map(linear(like(self.projection, x), x)))

    def tangent(self, x, q):
        most = len(self.projection) - round(float(np.trace(self.projection)))
        if q.shape[-1] > most:
            raise ValueError(f"q must have at most {most} vectors transversal to the subspace; got {q.shape[-1]}")
        away = like(self._complement, q)
        y, s = self.map.tangent(linear(like(self.projection, x), x), linear_block(away, q))
        return self._kept(y), linear_block(away, s)


@final
@dataclass(frozen=True, eq=False)
class Restricted(Map):
    """A map of the coordinates (*batch, m) in an invariant subspace, the range of `projection` (n, n):
    s -> f(basis s) in the basis.

    `coordinates` and `states` go from states (*batch, n) to coordinates and back.  Raises ValueError as `Transversal`.
    """

    map: Map
    projection: np.ndarray
    _seen: list = field(default_factory=list, init=False, repr=False)

    def __post_init__(self):
        if not isinstance(self.map, Map):
            raise TypeError(f"map must be a map, Formula(function) or Flow(function, dt); got {self.map!r}")
        _require_projection(self.projection)

    @property
    def dt(self):
        return self.map.dt

    @property
    def order(self):
        return self.map.order

    @property
    def batch(self):
        return self.map.batch

    @property
    def resolution(self):
        return self.map.resolution

    def remedy(self, factor, x):
        return self.map.remedy(factor, self.states(x))

    def refined(self):
        finer = self.map.refined()
        return None if finer is None else replace(self, map=finer)

    @cached_property
    def basis(self) -> np.ndarray:
        """Orthonormal vectors (n, m) that span the subspace."""
        left, sizes, _ = np.linalg.svd(self.projection)
        return left[:, : int((sizes > 0.5).sum())]  # singular values of a projection are 0 or at least 1

    @cached_property
    def _inverse(self) -> np.ndarray:
        return self.basis.T @ self.projection

    def coordinates(self, x: State) -> State:
        return linear(like(self._inverse, x), x)

    def states(self, s: State) -> State:
        return linear(like(self.basis, s), s)

    def __call__(self, s):
        return self._kept(self.map(self.states(s)))

    def _kept(self, y: State) -> State:
        if not self._seen:
            _require_invariant(linear(like(self.projection, y), y), y)
            self._seen.append(True)
        return self.coordinates(y)

    def tangent(self, s, q):
        y, pushed = self.map.tangent(self.states(s), linear_block(like(self.basis, q), q))
        return self._kept(y), linear_block(like(self._inverse, pushed), pushed)


def _require_projection(p: Any) -> None:
    require_finite("projection", p)
    if not isinstance(p, np.ndarray) or p.ndim != 2 or p.shape[0] != p.shape[1]:
        raise ValueError(f"projection must be a numpy matrix (n, n); got {type(p).__name__} of shape {np.shape(p)}")
    difference = abs(p @ p - p).max()
    if difference > SAME * max(1.0, abs(p).max()):
        raise ValueError(
            f"projection must be one, P P = P; its square differs by {difference:.2g}: of vectors that span the"
            " subspace, the columns of e, take e @ np.linalg.pinv(e)"
        )
    rank = round(float(np.trace(p)))
    if not 0 < rank < len(p):
        raise ValueError(f"projection must be onto a subspace of dimension 1..{len(p) - 1}; its rank is {rank}")


def _require_invariant(kept: State, y: State) -> None:
    apart, size = (abs(as_numpy(constant(a))) for a in (y - kept, y))
    fine = np.isfinite(size)
    if (apart[fine] > 1e3 * SAME * max(1e-300, size[fine].max(initial=0.0))).any():
        raise ValueError(
            f"projection must be onto a subspace that the map keeps; it takes a state of it away by"
            f" {apart[fine].max():.2g}"
        )
