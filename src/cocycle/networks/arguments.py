"""What a network is called with, and the one tensor of what it returns that counts as its output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree as pytree

from cocycle.autodiff import as_tensor
from cocycle.networks.weights import numbers


@final
@dataclass(frozen=True, eq=False)
class Inputs:
    """The arguments of a network for one example, with a batch of 1: `args` and `kwargs` as it takes them, and `state`,
    the position among their tensors of the one that is the state, or whose embedding is."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    state: int

    @property
    def leaves(self) -> list[Any]:
        return pytree.tree_leaves((self.args, self.kwargs))

    def with_state(self, value: torch.Tensor) -> Inputs:
        """The same with another tensor in the place of the state."""
        leaves, spec = pytree.tree_flatten((self.args, self.kwargs))
        leaves[self.state] = value
        args, kwargs = pytree.tree_unflatten(leaves, spec)
        return Inputs(args, kwargs, self.state)

    def with_batch(self, size: int) -> Inputs:
        """The same with the other tensors repeated for a batch of that size."""

        def repeated(i: int, a: Any) -> Any:
            own = i == self.state or not isinstance(a, torch.Tensor) or not a.ndim or len(a) != 1
            return a if own else a.repeat(size, *[1] * (a.ndim - 1))

        leaves, spec = pytree.tree_flatten((self.args, self.kwargs))
        args, kwargs = pytree.tree_unflatten([repeated(i, a) for i, a in enumerate(leaves)], spec)
        return Inputs(args, kwargs, self.state)


def inputs_of(network: nn.Module, example: Any) -> Inputs:
    """The arguments of the network for the first member of the example: a tensor or array with the batch as first axis,
    a tuple of positional or a mapping of named arguments, or a tuple of integers, the shape of one input.

    The state is the first tensor among them; integers only if the network has an embedding for them.
    """
    if isinstance(example, Sequence) and len(example) and all(isinstance(a, int | np.integer) for a in example):
        size = int(np.prod(example))
        example = torch.arange(size, dtype=torch.float64).sin().reshape(1, *example)
    args: tuple[Any, ...] = tuple(example) if isinstance(example, tuple | list) else ()
    kwargs: dict[str, Any] = dict(example) if isinstance(example, Mapping) else {}
    if not args and not kwargs:
        args = (example,)
    args, kwargs = pytree.tree_map(lambda a: as_tensor(a) if isinstance(a, np.ndarray) else a, (args, kwargs))
    leaves, spec = pytree.tree_flatten((args, kwargs))
    tensors = [i for i, a in enumerate(leaves) if isinstance(a, torch.Tensor)]
    embeds = any(isinstance(module, nn.Embedding) for module in network.modules())
    states = [i for i in tensors if embeds or leaves[i].is_floating_point()] or tensors
    if not tensors:
        raise TypeError(
            "example must hold a tensor, an input of the network with the batch as first axis; got"
            f" {type(example).__name__}"
        )
    state = states[0]
    if leaves[state].ndim < 2 or not len(leaves[state]):
        raise ValueError(
            "example must have the batch as first axis, (1, n) for one input of dimension n; got shape"
            f" {tuple(leaves[state].shape)}"
        )
    batch, own = len(leaves[state]), next(numbers(network), None)

    def first(i: int, a: Any) -> Any:
        if not isinstance(a, torch.Tensor):
            return a
        if a.ndim and len(a) == batch:
            if i != state and not torch.equal(a, a[:1].expand_as(a)):
                raise ValueError(
                    "example must have the same other arguments for all members of its batch, because the layers are"
                    f" those for one of them; got different ones in an argument of shape {tuple(a.shape)}: call"
                    " feedforward for each"
                )
            a = a[:1]
        a = a.clone()  # which a network that works in place may change
        if own is None:
            return a
        return a.to(own) if a.is_floating_point() else a.to(own.device)

    args, kwargs = pytree.tree_unflatten([first(i, a) for i, a in enumerate(leaves)], spec)
    return Inputs(args, kwargs, state)


def output_of(found: Any) -> tuple[str, torch.Tensor]:
    """The tensor of real numbers that counts as the output, with its name: `logits` if there are, else the first."""
    if isinstance(found, torch.Tensor):
        return "output", found
    named = found if isinstance(found, Mapping) else vars(found) if hasattr(found, "__dict__") else {}
    if isinstance(named.get("logits"), torch.Tensor):
        return "logits", named["logits"]
    for path, leaf in pytree.tree_flatten_with_path(found)[0]:
        if isinstance(leaf, torch.Tensor) and leaf.is_floating_point():
            return pytree.keystr(path).strip("[].'"), leaf
    raise TypeError(f"network must return a tensor of real numbers, alone or among others; got {type(found).__name__}")
