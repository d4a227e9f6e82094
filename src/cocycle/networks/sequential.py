"""Feed-forward torch networks as dynamical systems whose time is the layer index."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import chain, pairwise
from math import prod
from operator import is_
from typing import Any, final

import numpy as np
import torch
from torch import nn

from cocycle.arrays import Array, as_numpy, namespace, require_finite, tolerances
from cocycle.autodiff import as_tensor
from cocycle.maps import Composed, Dual, Map
from cocycle.networks.modules import (
    chains,
    flattened,
    is_chain,
    is_plain,
    is_torch,
    parts_of,
    require_evaluation,
    require_no_backward_hooks,
    require_true_derivative,
)


def feedforward(
    network: nn.Sequential, shape: Sequence[int] | None = None, *, group: Sequence[int] | None = None
) -> tuple[Map, ...]:
    """The layers of `network` as a tuple of maps of flat states (*batch, n).

    Each map is one step in "time".  A step begins at every module with weights that mix units (`Linear`, a convolution,
    attention) and at every module that is not torch's, such as a residual block of yours; the modules that follow
    (activations, pooling, normalisation, flattening, softmax) belong to it.  To choose the steps, give `group`: the
    number of modules in each step, where modules of nested Sequentials count separately.

    `shape` is the shape of one input, (channels, height, width) for images; by default (n,), the width of the first
    `Linear`.  States have the network's precision and device; numpy arrays give numpy results.
    Weights are shared with the network, not copied: the maps follow later changes of its modules by training, loading,
    hooks or pruning.  When modules of the chain are exchanged, the maps raise ValueError.
    Tangents are analytic for exactly `Linear` and torch's activations; all other modules, also subclasses, modules with
    hooks and parametrised ones, are differentiated automatically (`cocycle.networks.modules`).

    Raises TypeError for another kind of network and for recurrent layers; ValueError for a network in training mode
    where that matters, weights that are not finite or in half precision, a shape that does not fit, modules that mix
    the inputs of a batch, are random or have another derivative than torch computes, and groups that do not add up.
    """
    if not isinstance(network, nn.Sequential):
        raise TypeError(f"network must be a torch.nn.Sequential; got {type(network).__name__}")
    modules = list(flattened(network))
    _check(network, modules)
    cuts = _cuts(modules) if group is None else _checked_cuts(group, len(modules))
    shapes = _shapes(modules, shape)
    parts = tuple(chains(network))
    return tuple(Step(network, parts, tuple(modules[a:b]), tuple(shapes[a:b])) for a, b in pairwise(cuts))


def _check(network: nn.Sequential, modules: list[nn.Module]) -> None:
    if not len(network) or not modules:
        raise ValueError("network must hold at least one module; got none")
    for module in modules:
        if isinstance(module, nn.RNNBase | nn.RNNCellBase) and is_torch(module):
            raise TypeError(
                f"network must be feed-forward; its {type(module).__name__} is recurrent: take cocycle.networks.Cell,"
                " or"
                " Autodiff of a function of the sequence"
            )
    for name, values in (*network.named_parameters(), *network.named_buffers()):
        require_finite(f"network.{name}", values.detach())
        if (values.is_floating_point() or values.is_complex()) and values.dtype not in (torch.float32, torch.float64):
            raise ValueError(
                f"network must be in single or double precision, network.float(); {name} is {values.dtype}"
            )
    require_evaluation(network)
    require_no_backward_hooks(network)


def _cuts(modules: list[nn.Module]) -> list[int]:
    """The indices at which steps begin, and the end.  Modules before the first one with weights belong to its step."""
    begins = [i for i, module in enumerate(modules) if not is_torch(module) or _mixes(module)]
    return [0, *begins[1:], len(modules)]


def _mixes(module: nn.Module) -> bool:
    """Whether the module has weights that mix units: matrices, but not those of a normalisation."""
    return not isinstance(module, nn.LayerNorm) and any(p.ndim > 1 for p in module.parameters())


def _checked_cuts(group: Sequence[int], count: int) -> list[int]:
    if any(size < 1 for size in group) or sum(group) != count:
        raise ValueError(f"group must have numbers of at least 1 whose sum is the {count} modules; got {list(group)}")
    return [sum(group[:i]) for i in range(len(group) + 1)]


def _first_shape(modules: list[nn.Module], shape: Sequence[int] | None) -> tuple[int, ...]:
    if shape is not None:
        return tuple(shape)
    first = next((part for part in modules[0].modules() if isinstance(part, nn.Linear)), None)
    if first is None:
        raise ValueError(
            "shape must be that of one input, (n,) or (channels, height, width), for a network that begins with "
            f"{type(modules[0]).__name__}; got None"
        )
    return (first.in_features,)


def _shapes(modules: list[nn.Module], shape: Sequence[int] | None) -> list[tuple[int, ...]]:
    """The shape of one input of each module, found by applying them to two.  Raises ValueError if they do not fit."""
    shape = _first_shape(modules, shape)
    kind = next((own for module in modules for own in _numbers(module)), torch.zeros(()))
    x, shapes = torch.arange(2 * prod(shape), dtype=kind.dtype, device=kind.device).sin().reshape(2, *shape), []
    for i, module in enumerate(modules):
        shapes.append(tuple(x.shape[1:]))
        name, given = f"module {i}, {type(module).__name__},", x.clone()
        try:
            with torch.no_grad():
                x, again, alone = module(given.clone()), module(given.clone()), module(given[:1].clone())
        except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
            raise ValueError(
                f"shape must fit the network; module {i}, {module}, fails on an input of shape {shapes[-1]}: {error}"
            ) from None
        if not isinstance(x, torch.Tensor) or not x.is_floating_point() or x.ndim < 2 or len(x) != 2:
            what = tuple(x.shape) if isinstance(x, torch.Tensor) else type(x).__name__
            what = f"{what} of {x.dtype}" if isinstance(x, torch.Tensor) and not x.is_floating_point() else what
            raise ValueError(
                f"{name} must return one tensor of real numbers with the batch, here 2, as first axis; got {what}"
            )
        if not torch.equal(x, again) and not torch.allclose(x, again, equal_nan=True):
            raise ValueError(f"{name} must give the same values at every call; it is random, or has an internal state")
        rounding = tolerances(x.dtype).eps ** (2 / 3)  # batches of different size sum in different order
        if not torch.allclose(x[:1], alone, rtol=rounding, atol=rounding * float(alone.abs().max()), equal_nan=True):
            raise ValueError(
                f"{name} must treat the inputs of a batch separately; it mixes them (of attention, set"
                " batch_first=True)"
            )
        if not is_torch(module) or not is_plain(module) or any(module.children()):
            require_true_derivative(module, shapes[-1], given, name)
    return shapes


def moved_to(network: nn.Module, a: Array) -> torch.Tensor:
    """The array as a tensor in the precision and on the device of the network; unchanged, if it has no parameters."""
    a = as_tensor(a) if isinstance(a, np.ndarray) else torch.as_tensor(a)
    own = next(_numbers(network), None)
    if own is None:
        return a
    if own.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"network must be in single or double precision, network.float(); it is in {own.dtype}")
    return a.to(dtype=own.dtype, device=own.device)


def _numbers(network: nn.Module) -> Iterator[torch.Tensor]:
    """Its floating-point parameters and buffers, whose dtype and device are those of the network."""
    return (own for own in chain(network.parameters(), network.buffers()) if own.is_floating_point())


@final
@dataclass(frozen=True, eq=False)
class Step(Dual):
    """Consecutive modules of a network as one map of flat states (*batch, n), with their parameters at the time of the
    call.  `shapes` are those of one input of each module; numpy arrays give numpy results.

    Raises ValueError for a state of another dimension, for modules that were put into training mode, and for a network
    whose modules were exchanged or that got a hook or a forward of its own.
    """

    network: nn.Module
    chains: tuple[tuple[nn.Module, tuple[nn.Module, ...]], ...]  # the Sequentials of the network, each with its modules
    modules: tuple[nn.Module, ...]
    shapes: tuple[tuple[int, ...], ...]
    dt: float = 1.0

    @property
    def map(self) -> Dual:
        """The same as a map of torch tensors, with the present weights."""
        parts = parts_of(list(self.modules), list(self.shapes))
        return parts[0] if len(parts) == 1 else Composed(tuple(parts))

    def __call__(self, x):
        with gradients_of(x):
            return as_given(self._checked().map(self._moved(x)), x)

    def tangent(self, x, q):
        with gradients_of(x):
            y, s = self._checked().map.tangent(self._moved(x), moved_to(self.network, q))
            return as_given(y, x), as_given(s, q)

    def cotangent(self, x, p):
        with gradients_of(x):
            return as_given(self._checked().map.cotangent(self._moved(x), moved_to(self.network, p)), p)

    def native(self, x):
        return self._moved(x)

    def __repr__(self):
        return repr(self.map)

    def _checked(self) -> "Step":
        if not all(is_chain(chain) and _same(chain, modules) for chain, modules in self.chains):
            raise ValueError(
                "network must not change after feedforward; modules were exchanged, or a Sequential got a hook or a"
                " forward of its own: call feedforward again"
            )
        for module in self.modules:
            require_evaluation(module, "was put into training mode after feedforward")
        return self

    def _moved(self, x: Array) -> torch.Tensor:
        if x.shape[-1] != prod(self.shapes[0]):
            raise ValueError(
                f"x must have dimension n={prod(self.shapes[0])} for this step of the network; got shape"
                f" {tuple(x.shape)}"
            )
        return moved_to(self.network, x)


def _same(chain: Any, modules: tuple[nn.Module, ...]) -> bool:
    return len(chain) == len(modules) and all(map(is_, chain, modules))


def gradients_of(x: Array) -> AbstractContextManager:
    """A context in which torch records gradients with respect to weights as usual, but none for numpy states."""
    return torch.no_grad() if namespace(x) is np else nullcontext()


def as_given(y: torch.Tensor, x: Array) -> Array:
    """y as a numpy array if x is one."""
    return as_numpy(y) if namespace(x) is np else y
