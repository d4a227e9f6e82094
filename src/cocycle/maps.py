"""What a dynamical system is here: an iterable of maps, each with its tangent map.

Shapes, throughout: state x (*batch, n), frame q (*batch, n, k) whose columns are tangent vectors, trajectory
(time, *batch, n).  An autonomous system is `itertools.repeat(map, steps)`, a driven one yields a map per input, a
feed-forward network is the tuple of its layers.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from cocycle.arrays import Array, is_number, like, namespace
from cocycle.operators import linear, linear_block, transposed
from cocycle.progress import tracked


class Map(ABC):
    """One step f of a dynamical system, with its tangent map (x, q) -> (f(x), Df(x) q)."""

    dt: Any = 1.0  # the time that one application takes: exponents are per unit of it
    order: Any = 1  # of a map that can be `refined`: its error over a given time falls as dt^order

    @abstractmethod
    def __call__(self, x: Array) -> Array:
        """f(x): (*batch, n) -> (*batch, p)."""

    @abstractmethod
    def tangent(self, x: Array, q: Array, /) -> tuple[Array, Array]:
        """(f(x), Df(x) q), both at the same point: q (*batch, n, k) -> (*batch, p, k)."""

    def refined(self) -> "Map | None":
        """For a map that approximates, such as the time-dt map of an equation: the same time in two steps each half as
        long.  None for a map that is what it is."""
        return None

    def native(self, x: Array) -> Array:
        """x as the kind of array that this map computes with; others are converted, there and back, at each step."""
        return x


class Dual(Map):
    """A map that can also pull covectors back, at the cost of pushing as many vectors."""

    @abstractmethod
    def cotangent(self, x: Array, p: Array, /) -> Array:
        """Df(x)ᵀ p: p (*batch, p, k), covectors at f(x), to covectors at x (*batch, n, k)."""


class VectorField(ABC):
    """The right-hand side v of x' = v(x), with its linearisation (x, q) -> (v(x), Dv(x) q)."""

    @abstractmethod
    def __call__(self, x: Array) -> Array:
        """v(x): (*batch, n) -> (*batch, n), per unit time."""

    @abstractmethod
    def tangent(self, x: Array, q: Array, /) -> tuple[Array, Array]:
        """(v(x), Dv(x) q): q (*batch, n, k) -> (*batch, n, k)."""


def orbit(steps: Iterable[Map], x: Array) -> Iterator[Array]:
    """The states after each step, starting from x (*batch, n), which itself is not yielded."""
    for f in steps:
        x = f(x)
        yield x


def end(steps: Iterable[Map], x: Array) -> Array:
    """The state after all the steps from x (*batch, n), which is x itself if there are none; keeps no other."""
    last = deque(orbit(steps, x), maxlen=1)
    return last.pop() if last else x


def trajectory(steps: Iterable[Map], x: Array) -> Array:
    """The states after each step, stacked: (time, *batch, n)."""
    return namespace(x).stack(list(orbit(tracked(steps, "trajectory"), x)))


def cotangent(f: Map, x: Array, p: Array) -> Array:
    """Df(x)ᵀ p for covectors p (*batch, p, k) at f(x): shape (*batch, n, k).

    A map that is not `Dual` pays with its whole Jacobian, n pushed vectors.
    """
    if isinstance(f, Dual):
        return f.cotangent(x, p)
    xp = namespace(x)
    identity = xp.zeros_like(x)[..., None] + like(np.eye(x.shape[-1]), x)
    return linear_block(f.tangent(x, identity)[1].swapaxes(-1, -2), p)


@final
@dataclass(frozen=True, eq=False)
class Linear(Dual):
    """x -> w x for a matrix w (p, n), or one for each member of a batch (*batch, p, n)."""

    weight: Array
    dt: float = 1.0

    def __call__(self, x):
        return linear(self.weight, x)

    def tangent(self, x, q):
        return self(x), linear_block(self.weight, q)

    def cotangent(self, x, p):
        return linear_block(transposed(self.weight), p)


@final
@dataclass(frozen=True)
class Select(Map):
    """x -> (x[i] for i in components): what an observer sees of a state."""

    components: Sequence[int]
    dt: float = 1.0

    def __call__(self, x):
        return x[..., list(self.components)]

    def tangent(self, x, q):
        return self(x), q[..., list(self.components), :]


@final
@dataclass(frozen=True, eq=False)
class Relaxed(Dual):
    """x -> (1 - leak_rate) x + leak_rate f(x): the leaky version of f.

    For a joint map [u | x] -> f(x, u) the part that is kept is x, the last components of its argument.
    Raises ValueError unless 0 < leak_rate <= 1.
    """

    map: Map
    leak_rate: float

    def __post_init__(self):
        if not 0 < self.leak_rate <= 1:
            raise ValueError(f"leak_rate must be in (0, 1]; got {self.leak_rate}")

    @property
    def dt(self):
        return self.map.dt

    def __call__(self, x):
        y = self.map(x)
        return (1 - self.leak_rate) * x[..., -y.shape[-1] :] + self.leak_rate * y

    def tangent(self, x, q):
        y, s = self.map.tangent(x, q)
        keep, n = 1 - self.leak_rate, y.shape[-1]
        return keep * x[..., -n:] + self.leak_rate * y, keep * q[..., -n:, :] + self.leak_rate * s

    def cotangent(self, x, p):
        pulled, n = self.leak_rate * cotangent(self.map, x, p), p.shape[-2]
        join = namespace(x).concatenate
        return join([pulled[..., :-n, :], pulled[..., -n:, :] + (1 - self.leak_rate) * p], axis=-2)


@final
@dataclass(frozen=True, eq=False)
class Composed(Dual):
    """x -> f_L(... f_2(f_1(x))): several maps as one step, which takes the sum of their times."""

    maps: Sequence[Map]

    @property
    def dt(self):
        return sum(f.dt for f in self.maps)

    @property
    def order(self):
        return min((f.order for f in self.maps if f.refined() is not None), default=1)

    def refined(self):
        if all(f.refined() is None for f in self.maps):
            return None
        return Composed([f.refined() or f for f in self.maps])

    def __call__(self, x):
        for f in self.maps:
            x = f(x)
        return x

    def tangent(self, x, q):
        for f in self.maps:
            x, q = f.tangent(x, q)
        return x, q

    def cotangent(self, x, p):
        states = [x, *orbit(self.maps[:-1], x)]
        for f, x in zip(reversed(self.maps), reversed(states), strict=True):
            p = cotangent(f, x, p)
        return p


def broadcast_batch(*arrays: Array, tail: int = 1) -> tuple[int, ...]:
    """The common batch shape of arrays whose last `tail` axes are not batch axes; numbers have none."""
    shapes = [a.shape[: max(a.ndim - tail, 0)] for a in arrays if not is_number(a)]
    return np.broadcast_shapes(*shapes)
