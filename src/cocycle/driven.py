"""Systems with an input: families of maps, one for each input; a drive and what it drives as one map."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, final

from cocycle.arrays import Array, floating, namespace, require_finite
from cocycle.maps import Map, broadcast_batch


class Driven(ABC):
    """A system with an input, x[t+1] = f(x[t], u[t]): a family of maps, one for each input."""

    dimension: Any  # int: n, that of the state
    inputs: Any  # int: m, that of the input
    batch: Any = ()  # the batch axes of an ensemble of such systems
    seen: Any = slice(None)  # indices of the components of the state that a readout, or a next layer, gets to see

    @property
    @abstractmethod
    def joint(self) -> Map:
        """f as one map of the stacked vector [u | x] (*batch, m + n) to (*batch, n)."""

    @abstractmethod
    def driven(self, u: Array) -> Iterator[Map]:
        """The maps x -> f(x, u[t]) for the inputs u (time, *batch, m), in order."""

    @abstractmethod
    def rest(self, starts: tuple[int, ...] = ()) -> Array:
        """The state 0, shape (*batch, n), with the batch axes of systems and of `starts` broadcast together."""

    @abstractmethod
    def spread(self, axes: int) -> "Driven":
        """The same systems with `axes` batch axes of length 1 behind their own, for a batch of starts of each."""


@final
@dataclass(frozen=True, eq=False)
class Bound(Map):
    """x -> f([u | x]), a joint map f whose input is bound to u (*batch, m)."""

    joint: Map
    u: Array

    @property
    def dt(self):
        return self.joint.dt

    def __call__(self, x):
        return self.joint(beside(self.u, x))

    def tangent(self, x, q):
        still = namespace(q).zeros_like(q[..., :1, :] + self.u[..., None])  # (*batch, m, k)
        q = namespace(q).broadcast_to(q, (*still.shape[:-2], *q.shape[-2:]))
        return self.joint.tangent(beside(self.u, x), namespace(q).concatenate([still, q], axis=-2))


def beside(*parts: Array) -> Array:
    """Vectors (*batch, m), (*batch, n), ... stacked to one, their batch axes broadcast together."""
    xp = namespace(parts[-1])
    batch = broadcast_batch(*parts)
    return xp.concatenate([xp.broadcast_to(p, (*batch, p.shape[-1])) for p in parts], axis=-1)


def check_inputs(name: str, u: Array, inputs: int) -> Array:
    """`u` as floating point numbers.  Raises ValueError unless it has shape (time, *batch, inputs) and is finite."""
    u = floating(name, u)
    if u.ndim < 2 or u.shape[-1] != inputs:
        hint = f": one component is {name}[:, None]" if u.ndim == 1 else ""
        raise ValueError(f"{name} must have shape (time, *batch, m={inputs}); got {tuple(u.shape)}{hint}")
    require_finite(name, u)
    return u


@final
@dataclass(frozen=True, eq=False)
class Coupled(Map):
    """[x | r] -> [drive(x) | response(r, observe(x))]: a drive and what it drives, as one autonomous map.

    Its exponents are those of the drive and the conditional ones of the response together, because the tangent
    map is block triangular (Pecora & Carroll, Phys. Rev. Lett. 64, 821, 1990).  The identity frame spans
    invariant subspaces here: start from a random one.
    """

    drive: Map
    response: Driven
    observe: Map

    @property
    def dt(self):
        return self.drive.dt

    @property
    def order(self):
        return self.drive.order

    def refined(self):
        drive = self.drive.refined()
        return None if drive is None else replace(self, drive=drive)

    def __call__(self, x):
        x, r = self._split(x, axis=-1)
        join = namespace(x).concatenate
        driven = self.response.joint(join([self.observe(x), r], axis=-1))
        return join([self.drive(x), driven], axis=-1)

    def tangent(self, x, q):
        (x, r), (q, s) = self._split(x, axis=-1), self._split(q, axis=-2)
        join = namespace(x).concatenate
        u, du = self.observe.tangent(x, q)
        r, s = self.response.joint.tangent(join([u, r], axis=-1), join([du, s], axis=-2))
        x, q = self.drive.tangent(x, q)
        return join([x, r], axis=-1), join([q, s], axis=-2)

    def _split(self, a, axis):
        border = a.shape[axis] - self.response.dimension
        lead = (slice(None),) * (a.ndim + axis)
        return a[(*lead, slice(None, border))], a[(*lead, slice(border, None))]
