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
from cocycle.maps import Map, State, Wrapped
from cocycle.operators import linear, linear_block

SAME = 1e-8  # difference from a projection, and of a value from the subspace, relative to the size


def synchronised(copies: int, dimension: int) -> np.ndarray:
    """The projection onto states [x | x | ...] of so many copies of a system: each becomes the mean of all."""
    require_count("copies", copies, 2)
    require_count("dimension", dimension, 1)
    return np.kron(np.full((copies, copies), 1 / copies), np.eye(dimension))


@dataclass(frozen=True, eq=False)
class OnSubspace(Wrapped):
    """A map whose states stay in an invariant subspace, the range of `projection` (n, n).

    Raises ValueError for a matrix that is no projection, or when it is first used, for a map that does not keep the
    subspace.
    """

    map: Map
    projection: np.ndarray
    _seen: list = field(default_factory=list, init=False, repr=False)

    def __post_init__(self):
        if not isinstance(self.map, Map):
            raise TypeError(f"map must be a map, Formula(function) or Flow(function, dt); got {self.map!r}")
        _require_projection(self.projection)

    def refined(self):
        finer = self.map.refined()
        return None if finer is None else replace(self, map=finer)

    @cached_property
    def rank(self) -> int:
        """The dimension m of the subspace."""
        return round(float(np.trace(self.projection)))

    def projected(self, x: State) -> State:
        """The states in the subspace."""
        return linear(like(self.projection, x), x)

    def checked(self, y: State) -> State:
        """A value of the map itself.  Raises ValueError if the first one is far away from the subspace."""
        if not self._seen:
            _require_invariant(self.projected(y), y)
            self._seen.append(True)
        return y


@final
@dataclass(frozen=True, eq=False)
class Transversal(OnSubspace):
    """A map near an invariant subspace, the range of `projection` (n, n): the state stays in it, and the tangent map is
    that of vectors modulo the subspace.

    Numerical errors cannot take the state away from an unstable subspace, nor vectors into it.  With an m-dimensional
    range there are n - m transversal exponents, and frames have at most as many vectors.  The tangent is not the
    derivative of the values, which stay in the subspace.  Raises ValueError for a matrix that is no projection, or
    when it is first used, for a map that does not keep the subspace.
    """

    @property
    def volume(self):
        return False  # of vectors modulo the subspace there is no volume of states

    @cached_property
    def _complement(self) -> np.ndarray:
        return np.eye(len(self.projection)) - self.projection

    def __call__(self, x):
        return self.projected(self.checked(self.map(self.projected(x))))

    def tangent(self, x, q):
        most = len(self.projection) - self.rank
        if q.shape[-1] > most:
            raise ValueError(f"q must have at most {most} vectors transversal to the subspace; got {q.shape[-1]}")
        away = like(self._complement, q)
        y, s = self.map.tangent(self.projected(x), linear_block(away, q))
        return self.projected(self.checked(y)), linear_block(away, s)


@final
@dataclass(frozen=True, eq=False)
class Restricted(OnSubspace):
    """A map of the coordinates (*batch, m) in an invariant subspace, the range of `projection` (n, n):
    s -> f(basis s) in the basis.

    `coordinates` and `states` go from states (*batch, n) to coordinates and back.  Raises ValueError as `Transversal`.
    """

    def remedy(self, factor, x):
        return self.map.remedy(factor, self.states(x))

    @cached_property
    def basis(self) -> np.ndarray:
        """Orthonormal vectors (n, m) that span the subspace."""
        return np.linalg.svd(self.projection)[0][:, : self.rank]

    @cached_property
    def _inverse(self) -> np.ndarray:
        return self.basis.T @ self.projection

    def coordinates(self, x: State) -> State:
        return linear(like(self._inverse, x), x)

    def states(self, s: State) -> State:
        return linear(like(self.basis, s), s)

    def __call__(self, s):
        return self.coordinates(self.checked(self.map(self.states(s))))

    def tangent(self, s, q):
        y, pushed = self.map.tangent(self.states(s), linear_block(like(self.basis, q), q))
        return self.coordinates(self.checked(y)), linear_block(like(self._inverse, pushed), pushed)


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
