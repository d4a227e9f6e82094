"""One step of recurrent layers, with analytic tangents: affine, then the gates of `cocycle.networks.gates`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import pairwise
from math import prod
from typing import final

import numpy as np

from cocycle.arrays import Array, Frame, State, as_numpy, is_number, like, namespace
from cocycle.autodiff import as_tensor
from cocycle.driven import beside
from cocycle.maps import Dual
from cocycle.networks.gates import Gates, scaled
from cocycle.operators import linear, linear_block, linear_pair, transposed

LARGE = 5e7  # multiplications in one product of numpy arrays: from there torch is faster, by benchmarks/recurrent.py


@final
@dataclass(frozen=True, eq=False)
class RecurrentLayer:
    """Weights W (p, m) and V (p, n), biases b and c (p,) or 0, of the fields W u + b and V h + c of one layer whose
    `gates` are those of a kind of cell; its state has so many components, the first n of which are h."""

    gates: Callable[..., Gates]
    components: int
    input_weight: Array
    weight: Array
    input_bias: Array | float = 0.0
    bias: Array | float = 0.0

    def at(self, given: Array, state: State) -> Gates:
        return self.gates(given, linear(self.weight, state[..., : self.width]) + self.bias, state)

    @property
    def width(self) -> int:
        """n, the number of components of h."""
        return self.weight.shape[-1]

    def given(self, u: Array) -> Array:
        return linear(self.input_weight, u) + self.input_bias

    def converted(self, convert: Callable[[Array], Array]) -> RecurrentLayer:
        """The same with other arrays."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self)[2:]}
        return replace(self, **{name: a if is_number(a) else convert(a) for name, a in arrays.items()})


@final
@dataclass(frozen=True, eq=False)
class Recurrence(Dual):
    """[u | x_1 | x_2 | ...] -> [x_1' | x_2' | ...], where each layer gets the new h of the one below, the first one u.

    Or [x_1 | x_2 | ...] -> [x_1' | x_2' | ...] for the fields `given` (*batch, p) of one input in the first layer.
    States and vectors are converted to the precision of the weights; numpy arrays give numpy results,
    for which large products are computed by torch on the CPU.
    """

    layers: tuple[RecurrentLayer, ...]
    given: Array | None = None
    dt: float = 1.0

    def __call__(self, x):
        own = self._for(x)
        u, states = own._split(like(x, own._weight))
        after = []
        for layer, state in zip(own.layers, states, strict=True):
            given = own.given if u is None else layer.given(u)
            after.append(layer.at(given, state).value)
            u = after[-1][..., : layer.width]
        return after[0] if len(after) == 1 else beside(*after)

    def tangent(self, x: State, q: Frame) -> tuple[State, Frame]:
        if namespace(x) is np and prod(q.shape[:-2]) * q.shape[-1] * prod(self._weight.shape) >= LARGE:
            y, s = self._in_torch.tangent(as_tensor(x), as_tensor(q))
            return y.numpy(), s.numpy()
        own = self._for(x)
        (u, states), (pushed, blocks) = own._split(like(x, own._weight)), own._split_rows(like(q, own._weight))
        after, moved = [], []
        for layer, state, block in zip(own.layers, states, blocks, strict=True):
            given, of_input = own.given, None
            if u is not None:
                given, of_input = linear_pair(layer.input_weight, u, pushed)
                given = given + layer.input_bias
            field, e = linear_pair(layer.weight, state[..., : layer.width], block[..., : layer.width, :])
            gates = layer.gates(given, field + layer.bias, state)
            e = scaled(gates.slopes, e)
            e = e if of_input is None else e + scaled(gates.given_slopes, of_input)
            after.append(gates.value)
            moved.append(gates.push(e, block))
            u, pushed = after[-1][..., : layer.width], moved[-1][..., : layer.width, :]
        if len(after) == 1:
            return after[0], moved[0]
        return beside(*after), namespace(q).concatenate(moved, axis=-2)

    def cotangent(self, x: State, p: Frame) -> Frame:
        own = self._for(x)
        u, states = own._split(like(x, own._weight))
        points = []
        for layer, state in zip(own.layers, states, strict=True):
            points.append(layer.at(own.given if u is None else layer.given(u), state))
            u = points[-1].value[..., : layer.width]
        starts, p = own._starts, like(p, own._weight)
        pulled, above = [], None
        for i in reversed(range(len(points))):
            layer, at, block = own.layers[i], points[i], p[..., starts[i] : starts[i + 1], :]
            e, direct = at.pull(block if above is None else block + _padded(above, layer.components))
            h = linear_block(transposed(layer.weight), at.slopes[..., None] * e)
            pulled.insert(0, direct + _padded(h, layer.components))
            if i or own.given is None:
                above = linear_block(transposed(layer.input_weight), at.given_slopes[..., None] * e)
        below = [above] if own.given is None else []
        return namespace(p).concatenate([*below, *pulled], axis=-2)

    @property
    def _weight(self) -> Array:
        return self.layers[0].weight

    def _for(self, x: Array) -> Recurrence:
        """The same map with arrays of the library of x."""
        if namespace(x) is namespace(self._weight):
            return self
        xp = namespace(x)
        return self._in_numpy if xp is np else self._converted(lambda a: xp.as_tensor(a, device=x.device))

    @cached_property
    def _in_numpy(self) -> Recurrence:
        return self._converted(as_numpy)

    @cached_property
    def _in_torch(self) -> Recurrence:
        return self._converted(lambda a: as_tensor(as_numpy(a)))

    def _converted(self, convert: Callable[[Array], Array]) -> Recurrence:
        layers = tuple(layer.converted(convert) for layer in self.layers)
        return replace(self, layers=layers, given=None if self.given is None else convert(self.given))

    @cached_property
    def _starts(self) -> list[int]:
        """Where the states of the layers start in x_1, x_2, ..., and the end of the last one."""
        return [sum(layer.components for layer in self.layers[:i]) for i in range(len(self.layers) + 1)]

    def _split(self, x: State) -> tuple[Array | None, list[State]]:
        """The input, if it is a part of x, and the states of the layers."""
        m, starts = 0 if self.given is not None else self.layers[0].input_weight.shape[-1], self._starts
        if x.shape[-1] != m + starts[-1]:
            raise ValueError(f"x must have dimension {m + starts[-1]} for this cell; got shape {tuple(x.shape)}")
        states = [x[..., m + a : m + b] for a, b in pairwise(starts)]
        return (x[..., :m] if m else None), states

    def _split_rows(self, q: Frame) -> tuple[Frame | None, list[Frame]]:
        u, states = self._split(q.swapaxes(-1, -2))
        return (None if u is None else u.swapaxes(-1, -2)), [state.swapaxes(-1, -2) for state in states]


def _padded(h: Frame, components: int) -> Frame:
    """Rows of zeros below h (*batch, n, k), so many in all."""
    if h.shape[-2] == components:
        return h
    zeros = namespace(h).zeros_like(h[..., :1, :])
    return namespace(h).concatenate([h, *[zeros] * (components - h.shape[-2])], axis=-2)
