"""Functions of the states in which a readout may be linear, each a map with its tangent."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement
from typing import final

import numpy as np

from cocycle.arrays import namespace
from cocycle.maps import Map


class Features(Map):
    """Functions of the components that a readout sees, in groups with names."""

    @abstractmethod
    def groups(self, seen: Mapping[str, int]) -> dict[str, int]:
        """The groups of features and how many each has, in order, for components of which `seen` says the same."""


@final
@dataclass(frozen=True)
class Polynomial(Features):
    """x -> all monomials of x (*batch, inputs) of the given degrees, each once; degree 0 is the constant 1.

    Raises ValueError for no degree, a negative one, or one twice.
    """

    inputs: int
    degrees: Sequence[int] = (0, 1, 2)

    def __post_init__(self):
        if not len(self.degrees) or min(self.degrees) < 0:
            raise ValueError(f"degrees must hold at least one number, each >= 0; got {self.degrees}")
        if len(set(self.degrees)) < len(self.degrees):
            raise ValueError(f"degrees must differ from one another; got {self.degrees}")

    def groups(self, seen):
        return {f"degree {degree}": len(_monomials(self.inputs, degree)) for degree in self.degrees}

    def __call__(self, x):
        if x.shape[-1] != self.inputs:
            raise ValueError(
                f"Polynomial(inputs={self.inputs}) takes states of {self.inputs} components; got {x.shape[-1]}"
            )
        terms = [x[..., _monomials(self.inputs, degree)].prod(-1) for degree in self.degrees]
        return namespace(x).concatenate(terms, axis=-1)

    def tangent(self, x, q):
        xp, moved = namespace(x), []
        for degree in self.degrees:
            factors = _monomials(self.inputs, degree)
            change = xp.zeros_like(q[..., :1, :]) * xp.ones_like(x[..., factors[:, :0]].prod(-1))[..., None]
            for j in range(degree):
                others = x[..., np.delete(factors, j, axis=1)].prod(-1)
                change = change + others[..., None] * q[..., factors[:, j], :]
            moved.append(change)
        return self(x), xp.concatenate(moved, axis=-2)


@lru_cache(maxsize=32)
def _monomials(inputs: int, degree: int) -> np.ndarray:
    """The indices of the factors of each monomial, (count, degree)."""
    monomials = list(combinations_with_replacement(range(inputs), degree))
    return np.array(monomials, dtype=int).reshape(len(monomials), degree)


@final
@dataclass(frozen=True)
class WithSquares(Features):
    """x -> [x | x²]: breaks the odd symmetry of a network without biases."""

    def groups(self, seen):
        return {**seen, **{f"{name} squared": count for name, count in seen.items()}}

    def __call__(self, x):
        return namespace(x).concatenate([x, x**2], axis=-1)

    def tangent(self, x, q):
        return self(x), namespace(x).concatenate([q, 2 * x[..., None] * q], axis=-2)


@final
@dataclass(frozen=True)
class HalfSquared(Features):
    """x -> x with every second component squared.  Lu et al., Chaos 27, 041102 (2017)."""

    def groups(self, seen):
        return dict(seen)

    def __call__(self, x):
        return x ** _powers(x)

    def tangent(self, x, q):
        powers = _powers(x)
        return self(x), (powers * x ** (powers - 1))[..., None] * q


def _powers(x):
    return namespace(x).ones_like(x) + namespace(x).asarray(np.arange(x.shape[-1]) % 2, dtype=x.dtype)
