"""The layers of a torch network as maps of flat states, and how inputs become states."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, final

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree as pytree

from cocycle.arrays import Array, State
from cocycle.maps import Dual, Linearised, Map
from cocycle.networks.arguments import Inputs, inputs_of
from cocycle.networks.graph import Segment
from cocycle.networks.weights import as_given, computing, moved_to

KEPT = 10  # tensors that a traced derivative keeps, for each tensor of the network: measured for a transformer
WORTH = 20_000  # elements of a tensor, from which tracing an operation is faster than eighty products without


class Part(Protocol):
    """One layer of a network, without it."""

    @property
    def dimension(self) -> int: ...

    @property
    def elements(self) -> int | None:
        """The number of elements of all tensors that it computes for one input; None if that is not known."""
        ...

    @property
    def operations(self) -> int:
        """The number of operations that are differentiated automatically."""
        ...

    def map(self, network: nn.Module) -> Dual: ...

    def check(self, network: nn.Module) -> None: ...

    def describe(self, network: nn.Module) -> str: ...


@final
@dataclass(frozen=True, eq=False)
class Step(Dual):
    """One layer of a network as a map of flat states (*batch, n), with its parameters at the time of the call.

    numpy arrays give numpy results.  Raises ValueError for a state of another dimension, and for a network of which
    something else than the values of its weights has changed.
    """

    network: nn.Module
    part: Part
    dt: float = 1.0

    @property
    def map(self) -> Dual:
        """The same as a map of torch tensors, with the present weights."""
        return self.part.map(self.network)

    def __call__(self, x):
        with computing(self.network, x):
            return as_given(self._checked(x).map(moved_to(self.network, x)), x)

    def tangent(self, x, q):
        with computing(self.network, x):
            y, s = self._checked(x).map.tangent(moved_to(self.network, x), moved_to(self.network, q))
            return as_given(y, x), as_given(s, q)

    def cotangent(self, x, p):
        with computing(self.network, x):
            pulled = self._checked(x).map.cotangent(moved_to(self.network, x), moved_to(self.network, p))
            return as_given(pulled, p)

    def native(self, x):
        return moved_to(self._checked(x).network, x)

    def linearised(self, x, memory=np.inf):
        """As for every map; formulas share nothing, and small layers are not worth tracing."""
        moved, kept = moved_to(self._checked(x).network, x), self.part.elements
        needed = np.inf if kept is None else KEPT * kept * moved.element_size()
        if needed > memory or (kept or 0) < WORTH * self.part.operations:
            return None
        with computing(self.network, x), torch.no_grad():
            found = self.map.linearised(moved, needed)
        return None if found is None else _of_kind(found, self.network, x)

    def __repr__(self):
        return self.part.describe(self.network)

    def _checked(self, x: Array) -> Step:
        self.part.check(self.network)
        n = self.part.dimension
        if x.shape[-1] != n:
            raise ValueError(
                f"x must have dimension n={n} for this step of the network; got shape {tuple(x.shape)}:"
                " layers.start(inputs) makes states of inputs"
            )
        return self


def _of_kind(found: Linearised, network: nn.Module, x: Array) -> Linearised:
    """The same for arrays of the kind of x."""

    def converted(product: Callable) -> Callable:
        def computed(q):
            with computing(network, q):
                return as_given(product(moved_to(network, q)), q)

        return computed

    return Linearised(as_given(found.value, x), converted(found.pushed), converted(found.pulled), found.memory)


class Layers(tuple[Map, ...]):
    """The layers of a network, in order; a slice of them is one too."""

    entry: Entry | None

    def __new__(cls, steps: Iterable[Map], entry: Entry | None = None):
        found = super().__new__(cls, steps)
        found.entry = entry
        return found

    def __getitem__(self, index) -> Any:
        found = super().__getitem__(index)
        return Layers(found, self.entry if index.start in (None, 0) else None) if isinstance(index, slice) else found

    def __reduce__(self):
        return Layers, (tuple(self), self.entry)

    def __repr__(self):
        words = [f"{i:>3}  {step!r}" for i, step in enumerate(self)]
        return "\n".join([f"Layers: {len(self)}", *words])

    def start(self, inputs: Any) -> State:
        """The states (*batch, n) with which inputs of the network, given as the example was, enter the first layer.

        The embedded tokens of a network of tokens, else the inputs as flat vectors in the network's precision.
        Gradients with respect to the embedding are not recorded.  Raises ValueError for layers that are not the first
        ones, and where other arguments than the state differ from those of the example, or tokens on which the network
        depends in other ways than by their embedding.
        """
        first = self[0] if self else None
        if not isinstance(first, Step) or self.entry is None:
            raise ValueError("layers must be the first ones of a network for inputs to enter them")
        return self.entry.start(first.network, inputs)


@final
@dataclass(frozen=True, eq=False)
class Entry:
    """How inputs of a network become states of its first layer: of tokens by the segment `embedding`; `tied` tells
    whether other parts depend on the tokens too."""

    inputs: Inputs
    embedding: Segment | None = None
    tied: bool = False

    def start(self, network: nn.Module, inputs: Any) -> State:
        """The states with which inputs enter the network."""
        example = self.inputs.leaves[self.inputs.state]
        given = self._state_of(network, inputs)
        if tuple(given.shape[1:]) != tuple(example.shape[1:]):
            raise ValueError(
                f"inputs must have the shape of the example, (batch, {', '.join(map(str, example.shape[1:]))}); got"
                f" {tuple(given.shape)}"
            )
        if self.embedding is None:
            return _flat(network, given)
        tokens = torch.as_tensor(given).to(example.device)
        if self.tied and not torch.equal(tokens, example.expand_as(tokens)):
            raise ValueError(
                "tokens must be those of the example, because the network depends on them in other ways than by their"
                " embedding: call feedforward with these tokens"
            )
        with computing(network, given), torch.no_grad():
            own = self.embedding.weights(network)
            embedded = [self.embedding.function(one[None], *own)[0].reshape(-1) for one in tokens]
            return as_given(torch.stack(embedded), given)

    def _state_of(self, network: nn.Module, inputs: Any) -> Array:
        """The tensor among the inputs that is the state, or whose embedding is."""
        if isinstance(inputs, np.ndarray | torch.Tensor):
            return inputs
        leaves = inputs_of(network, inputs).leaves
        if len(leaves) != len(self.inputs.leaves):
            raise ValueError("inputs must be given as the example was; got others")
        for i, (now, before) in enumerate(zip(leaves, self.inputs.leaves, strict=True)):
            if i != self.inputs.state and isinstance(before, torch.Tensor) and not torch.equal(now, before):
                raise ValueError("inputs must differ from the example in the state only: call feedforward again")
        return pytree.tree_leaves(dict(inputs) if isinstance(inputs, Mapping) else inputs)[self.inputs.state]


def _flat(network: nn.Module, inputs: Array) -> State:
    x = inputs.reshape(len(inputs), -1)
    with computing(network, x):
        return as_given(moved_to(network, x), x)
