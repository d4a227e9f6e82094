"""A dynamical system is an iterable of maps, each with its tangent map.

An autonomous system is `itertools.repeat(map, steps)`, a driven one yields a map for each input, a feed-forward network
is the tuple of its layers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np

from cocycle.arrays import Array, Frame, State, Weight, is_number, like, namespace
from cocycle.operators import linear, linear_block, transposed


class Linearised(NamedTuple):
    """The value f(x) (p,) at a state x (n,), the products `pushed`: (n, k) -> (p, k) with Df(x) and `pulled`: (p, k) ->
    (n, k) with its transpose, and the memory in bytes that they keep."""

    value: State
    pushed: Callable[[Frame], Frame]
    pulled: Callable[[Frame], Frame]
    memory: float


class Map(ABC):
    """One step f of a dynamical system, with its tangent map (x, q) -> (f(x), Df(x) q)."""

    dt: Any = 1.0  # the time of one application: exponents are per unit of it
    order: Any = 1  # of a map with a `refined` one: its error over a given time is of order dt^order

    volume: Any = True  # whether the growth of all volume means something: not that of a history, which is interpolated

    batch: Any = ()  # of parameters that are arrays, one for each member of a batch of states

    @abstractmethod
    def __call__(self, x: State) -> State:
        """f(x): (*batch, n) -> (*batch, p)."""

    @abstractmethod
    def tangent(self, x: State, q: Frame, /) -> tuple[State, Frame]:
        """(f(x), Df(x) q), both at the same point x: q (*batch, n, k) -> (*batch, p, k)."""

    def refined(self) -> Map | None:
        """Of an approximate map, such as the numerical time-dt map of an equation: the map over the same time in two
        steps of half the length.  None for an exact map."""
        return None

    @property
    def resolution(self) -> str:
        """In words, what decides the error of an approximate map."""
        return f"the step dt={self.dt:.4g}"

    def remedy(self, factor: float, x: State) -> str:
        """In words, what makes the error small that a step of `factor` dt would make small; seen at the states x."""
        return f"dt={rounded_down(self.dt * factor):.2g} should do"

    def kernel(self, x: State, q: Frame | None, steps: int) -> Any:
        """A compiled loop of so many steps of this map, without a frame if q is None (`cocycle.formulas.kernels`), or a
        text that says why there is none."""
        return f"{type(self).__name__} is not a formula: Compiled makes one of a map, Formula and Flow of a function"

    def pushed_by_loop(self, x: State, q: Frame) -> tuple[State, Frame] | None:
        """`tangent` by the compiled loop of a run, if that serves this map and its refined one; else None."""
        return None

    def linearised(self, x: State, memory: float = np.inf) -> Linearised | None:
        """The products with Df(x) at one state x (n,), for many of them: what they share is computed once and kept, in
        at most so many bytes.  None where nothing is shared, or where it needs more memory: `tangent` and `cotangent`
        are the way then."""
        return None

    def native(self, x: State) -> State:
        """x as the type of array that this map computes with; others are converted, there and back, at each step."""
        return x


class Wrapped(Map):
    """A map made from another one, whose time it takes and the errors of whose steps it has."""

    map: Any  # Map: the other one

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
    def volume(self):
        return self.map.volume

    @property
    def resolution(self):
        return self.map.resolution

    def remedy(self, factor, x):
        return self.map.remedy(factor, x)


class Dual(Map):
    """A map that can also pull covectors back, at the cost of pushing the same number of vectors forward."""

    @abstractmethod
    def cotangent(self, x: State, p: Frame, /) -> Frame:
        """Df(x)ᵀ p: covectors p (*batch, p, k) at f(x) -> covectors (*batch, n, k) at x."""


class VectorField(ABC):
    """The right-hand side v of x' = v(x), with its linearisation (x, q) -> (v(x), Dv(x) q)."""

    @property
    def equation(self) -> Any:
        """The plain function that it was made from, as a `cocycle.Equation`; None for others."""
        return None

    @abstractmethod
    def __call__(self, x: State) -> State:
        """v(x): (*batch, n) -> (*batch, n), per unit time."""

    @abstractmethod
    def tangent(self, x: State, q: Frame, /) -> tuple[State, Frame]:
        """(v(x), Dv(x) q): q (*batch, n, k) -> (*batch, n, k)."""


def rounded_down(dt: float) -> float:
    """0.95 dt, rounded down to two digits."""
    digit = 10 ** np.floor(np.log10(dt)) / 10
    return float(f"{np.floor(0.95 * dt / digit) * digit:.2g}")


def orbit(steps: Iterable[Map], x: State) -> Iterator[State]:
    """The states after each step, starting from x, which itself is not yielded."""
    for f in steps:
        x = f(x)
        yield x


def cotangent(f: Map, x: State, p: Frame) -> Frame:
    """Df(x)ᵀ p for covectors p (*batch, p, k) at f(x): covectors (*batch, n, k) at x.

    Of a map that is not `Dual` the whole Jacobian is computed, at the cost of pushing n vectors forward.
    """
    if isinstance(f, Dual):
        return f.cotangent(x, p)
    xp = namespace(x)
    identity = xp.zeros_like(x)[..., None] + like(np.eye(x.shape[-1]), x)
    return linear_block(f.tangent(x, identity)[1].swapaxes(-1, -2), p)


@final
@dataclass(frozen=True, eq=False)
class Linear(Dual):
    """x -> w x."""

    weight: Weight
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
    """x -> (x[i] for i in components), which may also be a slice: the observed components of a state."""

    components: Sequence[int] | slice
    dt: float = 1.0

    def __call__(self, x):
        return x[..., self._index]

    def tangent(self, x, q):
        return self(x), q[..., self._index, :]

    @property
    def _index(self):
        return self.components if isinstance(self.components, slice) else list(self.components)


@final
@dataclass(frozen=True, eq=False)
class Relaxed(Dual):
    """x -> (1 - leak_rate) x + leak_rate f(x): the leaky version of f.

    Of a joint map [u | x] -> f(x, u) only x is kept, the last components of the argument.
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
    """x -> f_L(... f_2(f_1(x))): several maps as one step, whose time is the sum of theirs."""

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
