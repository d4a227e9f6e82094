"""The layers of a torch Sequential: its modules one after the other, with formulas for those that are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from operator import is_
from typing import Any, final

import torch
from torch import nn

from cocycle.arrays import tolerances
from cocycle.autodiff import Autodiff
from cocycle.maps import Composed, Dual
from cocycle.networks.cuts import choices, matches, patterns_of
from cocycle.networks.modules import (
    chains,
    flattened,
    is_chain,
    is_plain,
    is_torch,
    on_flat,
    parts_of,
    require_evaluation,
    require_repeatable,
    require_separate,
    require_true_derivative,
)
from cocycle.networks.weights import described, numbers


@final
@dataclass(frozen=True, eq=False)
class Chained:
    """Consecutive modules of a Sequential as one map; `shapes` are those of one input of each module, `output` that of
    the last one's output."""

    chains: tuple[tuple[nn.Module, tuple[nn.Module, ...]], ...]  # the Sequentials of the network, each with its modules
    modules: tuple[nn.Module, ...]
    shapes: tuple[tuple[int, ...], ...]
    output: tuple[int, ...]
    name: str

    @property
    def dimension(self) -> int:
        return prod(self.shapes[0])

    @property
    def elements(self) -> int | None:
        """Known for torch's own modules without others inside."""
        if all(is_torch(module) and not any(module.children()) for module in self.modules):
            return sum(map(prod, (*self.shapes, self.output)))
        return None

    @property
    def operations(self) -> int:
        return len(self.modules)

    def map(self, network: nn.Module) -> Dual:
        """The modules as a map of torch tensors, with their present weights."""
        parts = parts_of(list(self.modules), list(self.shapes))
        return parts[0] if len(parts) == 1 else Composed(tuple(parts))

    def check(self, network: nn.Module) -> None:
        """Raise ValueError if modules were exchanged or put into training mode."""
        if not all(is_chain(chain) and _same(chain, modules) for chain, modules in self.chains):
            raise ValueError(
                "network must not change after feedforward; modules were exchanged, or a Sequential got a hook or a"
                " forward of its own: call feedforward again"
            )
        for module in self.modules:
            require_evaluation(module, "was put into training mode after feedforward")

    def describe(self, network: nn.Module) -> str:
        parts = parts_of(list(self.modules), list(self.shapes))
        automatic = any(isinstance(part, Autodiff) for part in parts)
        words = " + ".join(type(module).__name__ for module in self.modules)
        return described(f"{self.name} ({words})", self.dimension, [self.output], None if automatic else "a formula")


def _same(chain: Any, modules: tuple[nn.Module, ...]) -> bool:
    return len(chain) == len(modules) and all(map(is_, chain, modules))


def chained(
    network: nn.Module, shape: Sequence[int] | None, cuts: Sequence[int] | None, at: str | Sequence[str] | None
) -> list[Chained]:
    """The layers of a Sequential.  `cuts` are numbers of modules in each, `at` the modules behind which they end."""
    modules = list(flattened(network))
    if not modules or not any(True for _ in network.children()):
        raise ValueError("network must hold at least one module; got none")
    if at is not None:
        borders = _borders(network, len(modules), at)
    else:
        borders = _cuts(modules) if cuts is None else _checked_cuts(cuts, len(modules))
    shapes, names = _shapes(modules, shape), _names(network)
    parts = tuple(chains(network))
    return [Chained(parts, tuple(modules[a:b]), tuple(shapes[a:b]), shapes[b], names[a]) for a, b in pairwise(borders)]


def require_feedforward(network: nn.Module) -> None:
    """Raise TypeError for a recurrent module of torch, or a Sequential with one."""
    for module in flattened(network):
        if isinstance(module, nn.RNNBase | nn.RNNCellBase) and is_torch(module):
            raise TypeError(
                f"network must be feed-forward; its {type(module).__name__} is recurrent: take cocycle.networks.Cell,"
                " or Autodiff of a function of the sequence"
            )


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


def _borders(network: nn.Module, count: int, at: str | Sequence[str]) -> list[int]:
    """The cuts behind the modules whose names match a pattern, also those of nested Sequentials."""
    ends = dict(_ends(network, "", 0))
    found = {0, count}
    for pattern in patterns_of(at):
        names = [name for name in ends if matches(name, pattern)]
        if not names:
            raise ValueError(
                f"at must name modules of the network, or patterns of them; got {pattern!r}, and there are"
                f" {choices(pattern, [name for name in ends if name])}"
            )
        found.update(ends[name] for name in names)
    return sorted(found)


def _ends(module: nn.Module, name: str, start: int) -> list[tuple[str, int]]:
    """The names of the modules of a chain, each with the number of flattened modules up to its end."""
    if not is_chain(module):
        return [(name, start + 1)]
    found: list[tuple[str, int]] = []
    for own, child in module._modules.items():
        assert child is not None
        inside = _ends(child, f"{name}.{own}" if name else own, start)
        found += inside
        start = inside[-1][1]
    return [*found, (name, start)]


def _names(network: nn.Module) -> list[str]:
    """The name of each flattened module."""
    names: dict[int, str] = {}
    for name, end in _ends(network, "", 0):
        names.setdefault(end, name)
    return [names[i + 1] for i in range(len(names))]


def first_shape(modules: list[nn.Module]) -> tuple[int, ...]:
    """The shape of one input, from the width of a first `Linear`."""
    first = next((part for part in modules[0].modules() if isinstance(part, nn.Linear)), None) if modules else None
    if first is None:
        kind = type(modules[0]).__name__ if modules else "nothing"
        raise ValueError(
            f"example must be an input of the network, or the shape of one, (n,) or (channels, height, width), for a"
            f" network that begins with {kind}; got None"
        )
    return (first.in_features,)


def _shapes(modules: list[nn.Module], shape: Sequence[int] | None) -> list[tuple[int, ...]]:
    """The shape of one input of each module, found by applying them to two, and that of the output.  Raises ValueError
    if they do not fit."""
    shape = first_shape(modules) if shape is None else shape
    kind = next((own for module in modules for own in numbers(module)), torch.zeros(()))
    x, shapes = torch.arange(2 * prod(shape), dtype=kind.dtype, device=kind.device).sin().reshape(2, *shape), []
    for i, module in enumerate(modules):
        shapes.append(tuple(x.shape[1:]))
        x = _applied(module, x, f"module {i}, {type(module).__name__},")
    return [*shapes, tuple(x.shape[1:])]


def _applied(module: nn.Module, x: torch.Tensor, name: str) -> torch.Tensor:
    """The values of a module at two inputs.  Raises ValueError where its maps would be wrong."""
    shape, given = tuple(x.shape[1:]), x.clone()
    try:
        with torch.no_grad():
            x, again, alone = module(given.clone()), module(given.clone()), module(given[:1].clone())
    except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
        raise ValueError(f"example must fit the network; {name} fails on an input of shape {shape}: {error}") from None
    if not isinstance(x, torch.Tensor) or not x.is_floating_point() or x.ndim < 2 or len(x) != 2:
        what = tuple(x.shape) if isinstance(x, torch.Tensor) else type(x).__name__
        what = f"{what} of {x.dtype}" if isinstance(x, torch.Tensor) and not x.is_floating_point() else what
        raise ValueError(
            f"{name} must return one tensor of real numbers with the batch, here 2, as first axis; got {what}"
        )
    require_repeatable(x, again, name)
    require_separate(alone, x[:1], tolerances(x.dtype).eps ** (2 / 3), name)
    if not is_torch(module) or not is_plain(module) or any(module.children()):
        require_true_derivative(module, lambda twin: Autodiff(on_flat(twin, shape)), given, name)
    return x
