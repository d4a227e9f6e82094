"""Networks made of networks: delays in front of a reservoir, reservoirs in layers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from cocycle.arrays import Array, namespace
from cocycle.driven import Driven, beside, bound, check_inputs
from cocycle.maps import Map, Select


@final
@dataclass(frozen=True)
class DelayLine(Driven):
    """The recent inputs: after u[t] the state is [u[t] | u[t-1] | ... | u[t - (taps-1) spacing]].

    A readout sees every `spacing`-th of them, `taps` in all, the newest first.  All its exponents are -inf: its memory
    is finite.  With polynomial features it is the next-generation reservoir of Gauthier et al., Nat. Commun. 12,
    5564 (2021); as the first layer of a `Deep` network it gives a reservoir delayed inputs.

    Raises ValueError unless inputs, taps and spacing are at least 1.
    """

    inputs: int
    taps: int
    spacing: int = 1
    dt: float = 1.0

    def __post_init__(self):
        for name in ("inputs", "taps", "spacing"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}")

    @property
    def dimension(self) -> int:
        return self.inputs * ((self.taps - 1) * self.spacing + 1)

    @property
    def seen(self) -> np.ndarray:
        newest = self.inputs * self.spacing * np.arange(self.taps)[:, None]
        return (newest + np.arange(self.inputs)).ravel()

    @property
    def joint(self) -> Map:
        return Select(slice(self.dimension), self.dt)  # of [u | state] the oldest inputs fall off

    def driven(self, u: Array) -> Iterator[Map]:
        """The maps of the state, one for each of the inputs u (time, *batch, m).  Raises ValueError for bad inputs."""
        return (bound(self.joint, now) for now in check_inputs("u", u, self.inputs))

    def rest(self, starts: tuple[int, ...] = ()) -> Array:
        return np.zeros((*starts, self.dimension))

    def with_start_axes(self, axes: int) -> "DelayLine":
        return self


@final
@dataclass(frozen=True, eq=False)
class Deep(Driven):
    """Networks in layers: the first gets the input, each other what is seen of the new state of the one before.

    Its state is [x_1 | x_2 | ...], all of it seen by a readout.  Gallicchio, Micheli & Pedrelli, Neurocomputing 268, 87
    (2017).  Raises ValueError for layers that do not fit onto one another.
    """

    layers: Sequence[Driven]

    def __post_init__(self):
        if not self.layers:
            raise ValueError("layers must hold at least one network; got none")
        for i, (below, layer) in enumerate(zip(self.layers, self.layers[1:], strict=False)):
            width = _width(below)
            if layer.inputs != width:
                raise ValueError(
                    f"layers[{i + 1}] must take {width} inputs, those seen of layers[{i}]; it takes {layer.inputs}"
                )

    @property
    def dimension(self) -> int:
        return sum(layer.dimension for layer in self.layers)

    @property
    def inputs(self) -> int:
        return self.layers[0].inputs

    @property
    def batch(self) -> tuple[int, ...]:
        return np.broadcast_shapes(*(layer.batch for layer in self.layers))

    @property
    def seen(self) -> Any:
        offsets = np.cumsum([0, *(layer.dimension for layer in self.layers)])
        return np.concatenate(
            [start + np.arange(layer.dimension)[layer.seen] for start, layer in zip(offsets, self.layers, strict=False)]
        )

    @property
    def joint(self) -> Map:
        return _DeepJoint(tuple(self.layers))

    def driven(self, u: Array) -> Iterator[Map]:
        """The maps of the state, one for each of the inputs u (time, *batch, m).  Raises ValueError for bad inputs."""
        joint = self.joint
        return (bound(joint, now) for now in check_inputs("u", u, self.inputs))

    def rest(self, starts: tuple[int, ...] = ()) -> Array:
        return beside(*(layer.rest(starts) for layer in self.layers))

    def with_start_axes(self, axes: int) -> "Deep":
        return Deep(tuple(layer.with_start_axes(axes) for layer in self.layers))


@final
@dataclass(frozen=True, eq=False)
class _DeepJoint(Map):
    """[u | x_1 | x_2 | ...] -> [x_1' | x_2' | ...]."""

    layers: tuple[Driven, ...]

    @property
    def dt(self):
        return self.layers[-1].joint.dt

    def __call__(self, x):
        below, parts = self._split(x, -1)
        after = []
        for layer, own in zip(self.layers, parts, strict=True):
            after.append(layer.joint(beside(below, own)))
            below = after[-1][..., layer.seen]
        return namespace(x).concatenate(after, axis=-1)

    def tangent(self, x, q):
        join = namespace(x).concatenate
        (below, parts), (pushed, blocks) = self._split(x, -1), self._split(q, -2)
        after, moved = [], []
        for layer, own, block in zip(self.layers, parts, blocks, strict=True):
            own, block = layer.joint.tangent(beside(below, own), join([pushed, block], axis=-2))
            after.append(own)
            moved.append(block)
            below, pushed = own[..., layer.seen], block[..., layer.seen, :]
        return join(after, axis=-1), join(moved, axis=-2)

    def _split(self, a, axis):
        """The part of the input and those of the layers, along the axis of components."""
        ends = np.cumsum([self.layers[0].inputs, *(layer.dimension for layer in self.layers)])
        moved = a if axis == -1 else a.swapaxes(-1, -2)
        parts = [moved[..., start:end] for start, end in zip([0, *ends], ends, strict=False)]
        parts = parts if axis == -1 else [part.swapaxes(-1, -2) for part in parts]
        return parts[0], parts[1:]


def _width(network: Driven) -> int:
    """How many components of its state are seen."""
    return len(np.arange(network.dimension)[network.seen])
