"""Layers of any torch module, cut out of its graph (`cocycle.networks.exported`) at given places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any, final

import torch
from torch import fx, nn

from cocycle.autodiff import Autodiff, member_by_member
from cocycle.maps import Dual
from cocycle.networks.activations import LINEAR, RELU, SIGMOID, TANH, Activation
from cocycle.networks.cuts import Piece, live
from cocycle.networks.exported import ATEN, Program
from cocycle.networks.layers import Layer, Pointwise
from cocycle.networks.operations import Operations, operations
from cocycle.networks.weights import described, followed

ACTIVATIONS: dict[Any, Activation] = {
    ATEN.tanh.default: TANH,
    ATEN.relu.default: RELU,
    ATEN.sigmoid.default: SIGMOID,
}
RESHAPED = (ATEN.reshape.default, ATEN.flatten.using_ints, ATEN.squeeze.dim, ATEN.unsqueeze.default,
            ATEN.squeeze.default)  # fmt: skip


@final
@dataclass(frozen=True, eq=False)
class Segment:
    """Operations of a graph as a function of the tensors that were computed before and are used in them or later.

    `shapes` are those of these tensors for one input, with its batch axis of 1; their elements one after the other are
    the state.  `sources` are names of parameters and buffers, or constants.  `elements` is the number of elements of
    all tensors that are computed.
    """

    function: Operations
    shapes: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]
    sources: tuple[str | torch.Tensor, ...]
    formula: tuple[str | None, str | None, bool, Activation | None] | None
    name: str
    elements: int

    @property
    def dimension(self) -> int:
        return sum(map(prod, self.shapes))

    def map(self, network: nn.Module) -> Dual:
        """This segment as a map of torch tensors, with the present weights of the network."""
        if self.formula is None:
            return Autodiff(self.applied(network))
        weight, bias, transposed, activation = self.formula
        if weight is None:
            assert activation is not None
            return Pointwise(activation)
        matrix = _weight(network, weight)
        shift = 0.0 if bias is None else _weight(network, bias)
        return Layer(matrix.mT if transposed else matrix, shift, activation or LINEAR)

    def weights(self, network: nn.Module) -> list[Any]:
        """The present values of the sources."""
        return [_weight(network, a) if isinstance(a, str) else a for a in self.sources]

    def applied(self, network: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
        """The function of flat states (*batch, n)."""
        sources = self.weights(network)
        sizes = [prod(shape) for shape in self.shapes]

        def of_one(x: torch.Tensor) -> torch.Tensor:
            parts = [part.reshape(shape) for part, shape in zip(x.split(sizes), self.shapes, strict=True)]
            found = self.function(*parts, *sources)
            return torch.cat([y.reshape(-1) for y in found]) if len(found) > 1 else found[0].reshape(-1)

        return member_by_member(of_one)

    def __repr__(self):
        count = f"{len(self.function)} operation" + ("s" if len(self.function) != 1 else "")
        how = "a formula" if self.formula is not None else f"automatic differentiation of {count}"
        return described(self.name or "network", self.dimension, list(map(_without_batch, self.outputs)), how)


def _without_batch(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[1:] if len(shape) > 1 and shape[0] == 1 else shape


def _weight(network: nn.Module, name: str) -> torch.Tensor:
    """The present parameter or buffer of that name."""
    owner, _, own = name.rpartition(".")
    return followed(getattr(network.get_submodule(owner), own))


def segments(program: Program, pieces: Sequence[Piece]) -> list[Segment]:
    """The layers of a program that is cut into these pieces."""
    alive = live(program.order, program.output)
    alive[-1] = [program.output]
    places = [1, *(piece.stop for piece in pieces)]
    return [
        segment(program, program.order[a:b], alive[a], alive[b], piece.name)
        for (a, b), piece in zip(pairwise(places), pieces, strict=True)
    ]


def segment(
    program: Program, nodes: Sequence[fx.Node], given: Sequence[fx.Node], wanted: Sequence[fx.Node], name: str = ""
) -> Segment:
    """The operations `nodes`, from the tensors `given` to those `wanted`, as a function of its own."""
    needed = _ancestors(nodes, set(given))
    used = [node for node in program.sources if node in needed]
    computed = [node for node in program.output.graph.nodes if node in needed and node not in program.sources]
    shapes, outputs = (tuple(tuple(node.meta["val"].shape) for node in part) for part in (given, wanted))
    names = tuple(_stored(program.sources[node]) for node in used)
    formula = _formula(program, nodes, given, wanted)
    function = operations(computed, [*given, *used], wanted)
    tensors = [value for node in computed if isinstance(value := node.meta.get("val"), torch.Tensor)]
    return Segment(function, shapes, outputs, names, formula, name, sum(value.numel() for value in tensors))


def _stored(source: Any) -> Any:
    return source if isinstance(source, str) else source.detach() if isinstance(source, torch.Tensor) else source


def _ancestors(nodes: Sequence[fx.Node], given: set[fx.Node]) -> set[fx.Node]:
    """The nodes that these are computed from, up to the given ones, and these themselves."""
    found, waiting = set(), list(nodes)
    while waiting:
        node = waiting.pop()
        if node not in found and node not in given:
            found.add(node)
            waiting.extend(node.all_input_nodes)
    return found


def _formula(
    program: Program, nodes: Sequence[fx.Node], given: Sequence[fx.Node], wanted: Sequence[fx.Node]
) -> tuple[str | None, str | None, bool, Activation | None] | None:
    """Names of weight and bias, whether the weight is transposed, and the activation, of a segment that is affine, then
    pointwise, or one of these; None for all others."""
    steps = [node for node in nodes if not (node.target in RESHAPED and isinstance(node.args[0], fx.Node))]
    if len(given) != 1 or len(wanted) != 1 or not 1 <= len(steps) <= 2 or any(a.kwargs for a in steps):
        return None
    if any(len(set(node.all_input_nodes) & (set(nodes) | set(given))) != 1 for node in nodes):
        return None
    activation = ACTIVATIONS.get(steps[-1].target)
    first, rest = steps[0], steps[1:]
    if activation is not None and not rest:
        return None, None, False, activation
    if rest and activation is None:
        return None
    found = _affine(program, first)
    return None if found is None else (*found, activation)


def _affine(program: Program, node: fx.Node) -> tuple[str, str | None, bool] | None:
    """Names of weight and bias of a linear operation on one vector, and whether the weight is transposed."""
    if node.target is ATEN.linear.default:
        x, weight, bias = (*node.args, None)[:3]
    elif node.target is ATEN.addmm.default:
        bias, x, weight = node.args
    else:
        return None
    if not isinstance(weight, fx.Node) or weight.meta["val"].ndim != 2:
        return None
    names = [None if a is None else program.sources.get(a) for a in (weight, bias)]  # type: ignore[arg-type]
    vector = isinstance(x, fx.Node) and x.meta["val"].numel() == x.meta["val"].shape[-1]
    if not vector or not isinstance(names[0], str) or not (names[1] is None or isinstance(names[1], str)):
        return None
    if bias is not None and names[1] is None:
        return None
    return names[0], names[1], node.target is ATEN.addmm.default
