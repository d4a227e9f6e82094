"""The pointwise parts of recurrent cells, value beside tangent, as functions of local fields.

A cell is affine, then pointwise.  From the fields a = W u + b of the input u and s = V h + c of the state, which have
one part for each gate in torch's order, the next state is

    RNN    h' = g(a + s)
    GRU    h' = (1 - z) n + z h,       r, z = σ(a + s),     n = tanh(a_n + r s_n)
    LSTM   h' = o tanh c',             i, f, o = σ(a + s),  g = tanh(a_g + s_g),  c' = f c + i g,  state [h | c]

The tangent of each has the same form: fields scaled by slopes, e = slopes ds + given_slopes da, then `push`, which is
linear in e and in the vectors of the state.  Slopes are computed from local fields: see `cocycle.saturation`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import final

from cocycle.arrays import Array, Frame, State, is_differentiated, namespace
from cocycle.networks.activations import TANH, Activation
from cocycle.saturation import sigmoid, sigmoid_slope, tanh_slope


@dataclass(frozen=True, eq=False)
class Gates(ABC):
    """The pointwise part at the fields a = `given` and s = `own` (*batch, p) and the state x (*batch, n)."""

    given: Array
    own: Array
    x: State

    @property
    @abstractmethod
    def value(self) -> State:
        """The next state (*batch, n)."""

    @property
    @abstractmethod
    def slopes(self) -> Array:
        """Factors (*batch, p) of the vectors of the fields s."""

    @property
    def given_slopes(self) -> Array:
        """Factors (*batch, p) of the vectors of the fields a."""
        return self.slopes

    @abstractmethod
    def push(self, e: Frame, q: Frame) -> Frame:
        """The vectors (*batch, n, k) of the next state, of scaled vectors e (*batch, p, k) of fields and q of the
        state."""

    @abstractmethod
    def pull(self, p: Frame) -> tuple[Frame, Frame]:
        """The transpose of `push`: of covectors p (*batch, n, k) at the next state those of scaled fields and state."""


@final
@dataclass(frozen=True, eq=False)
class RNNGates(Gates):
    """h' = g(a + s)."""

    activation: Activation = TANH

    @property
    def value(self):
        return self.activation.value(self.given + self.own)

    @property
    def slopes(self):
        return self.activation.slope(self.given + self.own)

    def push(self, e, q):
        return e

    def pull(self, p):
        return p, namespace(p).zeros_like(p)


@final
@dataclass(frozen=True, eq=False)
class GRUGates(Gates):
    """h' = (1 - z) n + z h."""

    @cached_property
    def fields(self) -> tuple[Array, ...]:
        """The field of r, that of z, r itself, and the field of n."""
        (a_r, a_z, a_n), (s_r, s_z, s_n) = parts(self.given, 3), parts(self.own, 3)
        reset = sigmoid(a_r + s_r)
        return a_r + s_r, a_z + s_z, reset, a_n + reset * s_n

    @cached_property
    def gates(self) -> tuple[Array, ...]:
        """1 - z, z and n; 1 - z from the field of z, because the difference loses digits."""
        _, update, _, new = self.fields
        return sigmoid(-update), sigmoid(update), namespace(new).tanh(new)

    @property
    def value(self):
        open_, kept, new = self.gates
        return open_ * new + kept * self.x

    @cached_property
    def factors(self) -> tuple[Array, ...]:
        """The slopes of h' in the fields of r, z and n."""
        (field, update, _, new), (open_, _, value) = self.fields, self.gates
        of_new = open_ * tanh_slope(new)
        of_reset = of_new * parts(self.own, 3)[2] * sigmoid_slope(field)
        return of_reset, (self.x - value) * sigmoid_slope(update), of_new

    @property
    def slopes(self):
        of_reset, of_update, of_new = self.factors
        return joined([of_reset, of_update, of_new * self.fields[2]])

    @property
    def given_slopes(self):
        return joined([*self.factors])

    def push(self, e, q):
        of_reset, of_update, of_new = rows(e, 3)
        return summed(of_reset, of_update, of_new, self.gates[1][..., None] * q)

    def pull(self, p):
        return namespace(p).concatenate([p, p, p], axis=-2), self.gates[1][..., None] * p


@final
@dataclass(frozen=True, eq=False)
class LSTMGates(Gates):
    """c' = f c + i g, h' = o tanh c'."""

    @cached_property
    def fields(self) -> tuple[Array, ...]:
        return parts(self.given + self.own, 4)

    @cached_property
    def gates(self) -> tuple[Array, ...]:
        i, f, g, o = self.fields
        return sigmoid(i), sigmoid(f), namespace(g).tanh(g), sigmoid(o)

    @cached_property
    def memory(self) -> Array:
        """c'."""
        i, f, g, _ = self.gates
        return f * parts(self.x, 2)[1] + i * g

    @property
    def value(self):
        return joined([self.gates[3] * namespace(self.x).tanh(self.memory), self.memory])

    @property
    def slopes(self):
        (i, f, g, o), (input_, _, new, _) = self.fields, self.gates
        read = sigmoid_slope(o) * namespace(o).tanh(self.memory)
        kept = sigmoid_slope(f) * parts(self.x, 2)[1]
        return joined([sigmoid_slope(i) * new, kept, input_ * tanh_slope(g), read])

    @cached_property
    def reading(self) -> Array:
        """The derivative of h' with respect to c'."""
        return self.gates[3] * tanh_slope(self.memory)

    def push(self, e, q):
        i, f, g, o = rows(e, 4)
        memory = summed(i, f, g, self.gates[1][..., None] * rows(q, 2)[1])
        return stacked([summed(o, self.reading[..., None] * memory), memory])

    def pull(self, p):
        h, memory = rows(p, 2)
        memory = memory + self.reading[..., None] * h
        below = self.gates[1][..., None] * memory
        join = namespace(p).concatenate
        return join([memory, memory, memory, h], axis=-2), join([0 * h, below], axis=-2)


def parts(a: Array, count: int) -> tuple[Array, ...]:
    """`count` equal parts of the components (*batch, n)."""
    size = a.shape[-1] // count
    return tuple(a[..., i * size : (i + 1) * size] for i in range(count))


def rows(q: Frame, count: int) -> tuple[Frame, ...]:
    """`count` equal parts of the rows of vectors (*batch, n, k)."""
    size = q.shape[-2] // count
    return tuple(q[..., i * size : (i + 1) * size, :] for i in range(count))


def joined(components: list[Array]) -> Array:
    return namespace(components[0]).concatenate(components, axis=-1)


def stacked(blocks: list[Frame]) -> Frame:
    """Blocks (*batch, n, k) above one another, in memory with each vector in one piece as `linear_pair` has them."""
    xp = namespace(blocks[0])
    return xp.moveaxis(xp.concatenate([xp.moveaxis(block, -1, 0) for block in blocks], axis=-1), 0, -1)


def summed(first: Frame, *others: Frame) -> Frame:
    """Their sum, in the memory of the first, which nobody else needs, unless torch has to differentiate it."""
    if is_differentiated(first):
        return sum(others, first)
    for other in others:
        first += other
    return first


def scaled(slopes: Array, q: Frame) -> Frame:
    """slopes times the vectors q, in their memory where nobody else needs it: new arrays take time."""
    if is_differentiated(q) or is_differentiated(slopes) or slopes.shape != q.shape[:-1]:
        return slopes[..., None] * q
    q *= slopes[..., None]
    return q
