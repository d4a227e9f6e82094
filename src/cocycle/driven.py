"""Systems with an input: families of maps, one for each input; with their drive, or with their own output, one map."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, final

from cocycle.arrays import Array, floating, is_number, namespace, require_finite
from cocycle.maps import Composed, Map, Select, broadcast_batch, orbit


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
    def with_start_axes(self, axes: int) -> "Driven":
        """The same systems with `axes` batch axes of length 1 behind their own, for a batch of starts of each."""


def driven_states(network: Driven, u: Array, state: Array | None = None) -> Iterator[tuple[Array, Array]]:
    """(u[t], the state after it) for each of the inputs u (time, *batch, m), from `state` (*batch, n), or from rest."""
    state = network.rest(tuple(u.shape[1:-1])) if state is None else state
    return zip(u, orbit(network.driven(u), state), strict=True)


@final
@dataclass(frozen=True, eq=False)
class Joined(Map):
    """x -> [f_1(x) | f_2(x) | ...], the values of several maps at the same x as one vector; it takes the time dt."""

    maps: Sequence[Map]
    dt: float = 0.0

    def __call__(self, x):
        return beside(*(f(x) for f in self.maps))

    def tangent(self, x, q):
        values, blocks = zip(*(f.tangent(x, q) for f in self.maps), strict=True)
        return beside(*values), beside(*(block.swapaxes(-1, -2) for block in blocks)).swapaxes(-1, -2)


@final
@dataclass(frozen=True, eq=False)
class Constant(Map):
    """x -> value (*batch, m), whatever x is."""

    value: Array
    dt = 0.0

    def __call__(self, x):
        return self.value

    def tangent(self, x, q):
        return self.value, namespace(q).zeros_like(q[..., :1, :] + self.value[..., None])


def bound(joint: Map, u: Array) -> Map:
    """x -> f([u | x]), a joint map f whose input is the constant u (*batch, m)."""
    return Composed((Joined((Constant(u), Select(slice(None), dt=0.0))), joint))


def closed_loop(
    network: Driven, readout: Map, outputs: int, *, reads_input: bool, external: Array | None = None
) -> Map:
    """The network whose input is its own output, y = readout(x) with so many components, behind `external` (*batch, v).

    Of a readout that reads [u | x], u being the input that led to the state x, the state of the loop is [y | x].
    """
    output = Select(slice(outputs), dt=0.0) if reads_input else readout
    state = Select(slice(outputs, None) if reads_input else slice(None), dt=0.0)
    fed = (output,) if external is None else (Constant(external), output)
    after = Composed((Joined((*fed, state)), network.joint))
    if not reads_input:
        return after
    new_state = Select(slice(network.inputs, None), dt=0.0)
    return Composed((Joined((*fed, after)), Joined((readout, new_state), dt=network.joint.dt)))


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

    @cached_property
    def _both(self) -> Map:
        x, r = (
            Select(part, dt=0.0) for part in (slice(-self.response.dimension), slice(-self.response.dimension, None))
        )
        driven = Composed((Joined((Composed((x, self.observe)), r)), self.response.joint))
        return Joined((Composed((x, self.drive)), driven))

    def __call__(self, x):
        return self._both(x)

    def tangent(self, x, q):
        return self._both.tangent(x, q)


def beside(*parts: Array) -> Array:
    """Vectors (*batch, m), (*batch, n), ... stacked to one, their batch axes broadcast together."""
    xp = namespace(parts[-1])
    batch = broadcast_batch(*parts)
    return xp.concatenate([xp.broadcast_to(p, (*batch, p.shape[-1])) for p in parts], axis=-1)


def with_axes(a: Array, axes: int, tail: int) -> Array:
    """`a` (*batch, *tail) with `axes` axes of length 1 between its batch axes and the last `tail`.

    A number, or an array without batch axes, as it is.
    """
    if is_number(a) or a.ndim <= tail:
        return a
    border = a.ndim - tail
    return a.reshape(*a.shape[:border], *[1] * axes, *a.shape[border:])


def check_inputs(name: str, u: Array, inputs: int) -> Array:
    """`u` as floating point numbers.  Raises ValueError unless it has shape (time, *batch, inputs) and is finite."""
    u = floating(name, u)
    if u.ndim < 2 or u.shape[-1] != inputs:
        hint = f": one component is {name}[:, None]" if u.ndim == inputs == 1 else ""
        raise ValueError(f"{name} must have shape (time, *batch, m={inputs}); got {tuple(u.shape)}{hint}")
    require_finite(name, u)
    return u
