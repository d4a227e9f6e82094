"""Where a person would cut a network into layers: at the boundaries of its blocks.

The operations of a graph know the modules in whose forward they were called.  A module is divided into its children
where these follow one another with a single tensor between them; one with a shortcut, such as a residual block, is one
layer, and so are all modules of its class.  What mixes no units (activations, pooling, normalisation) belongs to the
layer before it, behind a block to the layer after it.  Where even the network itself has shortcuts (a U-Net), it is cut
before its composite children, and the state between two layers is the concatenation of all tensors that are used later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import groupby, pairwise
from typing import Any, NamedTuple, final

import torch
from torch import fx

from cocycle.networks.exported import ATEN

PLAIN = "torch.nn.modules."  # modules of torch: that some of these hold a shortcut says nothing of the others
NORMALISATIONS = (ATEN.layer_norm.default, ATEN.rms_norm.default)


class Call(NamedTuple):
    """One call of a module: `key` tells it from other calls of the same module."""

    key: str
    name: str
    kind: str


@final
@dataclass(frozen=True)
class Piece:
    """The operations order[start:stop] as one layer, those of the modules `names`; `block` where it was not divided."""

    start: int
    stop: int
    names: tuple[str, ...]
    block: bool

    @property
    def name(self) -> str:
        """That of the common parent of the modules, or those of the modules."""
        names = [name for name in self.names if name]
        while len(names) > 1 and all("." in name for name in names):
            parent = names[0].rpartition(".")[0]
            names = [parent] if all(name.startswith(f"{parent}.") for name in names) else names
            if len(names) > 1:
                break
        return " + ".join(names) if len(names) < 4 else f"{names[0]} … {names[-1]}"


def calls_of(order: Sequence[fx.Node]) -> list[tuple[Call, ...]]:
    """The modules in whose forward each operation was called, from the outermost inside, without the network itself."""
    found: list[tuple[Call, ...]] = []
    for node in order:
        stack = list(node.meta.get("nn_module_stack", {}).items())[2:]
        named = tuple(Call(key, str(name).removeprefix("network."), str(kind)) for key, (name, kind) in stack)
        found.append(named if stack or not found else found[-1] if "nn_module_stack" not in node.meta else ())
    return found


def live(order: Sequence[fx.Node], output: fx.Node) -> list[list[fx.Node]]:
    """The tensors that are used at or behind each position, and were computed before it."""
    place = {node: i for i, node in enumerate(order)}
    last = {node: max((place[user] for user in node.users if user in place), default=-1) for node in order}
    last[output] = len(order)
    found: list[list[fx.Node]] = [[] for _ in range(len(order) + 1)]
    for i, node in enumerate(order):
        for position in range(i + 1, last[node] + 1):
            found[position].append(node)
    return found


def is_state(nodes: Sequence[fx.Node]) -> bool:
    """Whether the values of all nodes are tensors of real numbers."""
    values = [node.meta.get("val") for node in nodes]
    return all(isinstance(value, torch.Tensor) and value.is_floating_point() for value in values)


def pieces(order: Sequence[fx.Node], output: fx.Node) -> list[Piece]:
    """The layers of a graph, from the modules.  The state itself, order[0], is in none."""
    tree = _Tree(order, output)
    blocks: set[str] = set()
    while True:  # a class of which one is a block has only blocks
        found = tree.divided(1, len(order), 0, frozenset(blocks), outer=True)
        if tree.undivided <= blocks:
            break
        blocks |= tree.undivided
    return _merged(found, [_mixes(node) for node in order])


def pieces_at(order: Sequence[fx.Node], output: fx.Node, at: str | Sequence[str]) -> list[Piece]:
    """The layers that end behind the modules whose names match one of the patterns.

    Raises ValueError for a pattern that no module of the graph matches, and for a cut where a tensor of integers would
    be part of the state.
    """
    patterns, calls, alive = patterns_of(at), calls_of(order), live(order, output)
    known: dict[str, list[int]] = {}
    for depth in range(max(map(len, calls))):
        for key, group in groupby(range(1, len(order)), lambda i, depth=depth: calls[i][depth : depth + 1]):
            if key:
                known.setdefault(key[0].name, []).append(list(group)[-1] + 1)
    ends: dict[int, str] = {}
    for pattern in patterns:
        names = [name for name in known if matches(name, pattern)]
        if not names:
            raise ValueError(
                f"at must name modules that the network calls, or patterns of them; got {pattern!r}, and there are"
                f" {choices(pattern, list(known))}"
            )
        ends.update({end: name for name in names for end in known[name]})
    ends.pop(len(order), None)
    for end, name in ends.items():
        if not is_state(alive[end]):
            raise ValueError(f"at must name modules behind which the state is of real numbers; it is not behind {name}")
    cuts = sorted(ends)
    names = [*(ends[cut] for cut in cuts), "output"]
    return [Piece(a, b, (name,), True) for (a, b), name in zip(pairwise([1, *cuts, len(order)]), names, strict=True)]


def patterns_of(at: Any) -> list[str]:
    """One or several names or patterns.  Raises ValueError unless they are words, at least one."""
    patterns = [at] if isinstance(at, str) else list(at)
    if not patterns or not all(isinstance(pattern, str) for pattern in patterns):
        raise ValueError(f"at must be the name of a module, or a list of names; got {at!r}")
    return patterns


def choices(pattern: str, names: Sequence[str]) -> str:
    """What names there are, those like the pattern first."""
    alike = get_close_matches(pattern, names, 3, 0.5)
    shown = [*alike, *(name for name in names if name not in alike)]
    return ", ".join(shown[:12]) + (", ..." if len(shown) > 12 else "")


def matches(name: str, pattern: str) -> bool:
    """Whether the parts of a dotted name match those of a pattern: "layer.*" matches "layer.0", not "layer.0.conv"."""
    parts, wanted = name.split("."), pattern.split(".")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


class _Tree:
    """The division of a graph by the calls of modules; `undivided` collects the classes of blocks that were found."""

    def __init__(self, order: Sequence[fx.Node], output: fx.Node):
        self.calls, self.live, self.undivided = calls_of(order), live(order, output), set()

    def divided(self, start: int, stop: int, depth: int, blocks: frozenset[str], *, outer: bool) -> list[Piece]:
        """The pieces of order[start:stop], which belong to one module at `depth`; `outer` if there are no others."""
        groups = [
            (key[0] if key else None, [*group])
            for key, group in groupby(range(start, stop), lambda i: self.calls[i][depth : depth + 1])
        ]
        ranges: dict[Call, list[int]] = {}
        for call, group in groups:
            if call:
                ranges.setdefault(call, []).extend(group)
        children = list(ranges.items())
        begins = [group[0] for _, group in children[1:]]
        apart = all(self._single(i) for i in begins)
        if not children or (not apart and not outer):
            return [self._block(start, stop, depth)]
        if not apart:
            chosen = {g[0] for _, g in children[1:] if self._single(g[0]) or self._composite(g, depth)}
            begins = [i for i in begins if i in chosen and is_state(self.live[i])]
        found = []
        for a, b in pairwise([start, *begins, stop]):
            inside = [(call, group) for call, group in children if a <= group[0] < b]
            found += self._segment(a, b, inside, depth, blocks, outer and len(children) == 1)
        if len(found) == 1 and found[0].block and not outer:  # a shortcut around the only child
            return [self._block(start, stop, depth)]
        return found

    def _segment(
        self, a: int, b: int, inside: list[tuple[Call, list[int]]], depth: int, blocks: frozenset[str], outer: bool
    ) -> list[Piece]:
        """A child with the operations of its parent before and behind it, or several children that cannot be parted."""
        if len(inside) != 1:
            return [Piece(a, b, tuple(call.name for call, _ in inside), True)]
        call, group = inside[0]
        end = group[-1] + 1
        if call.kind in blocks:
            parts = [Piece(group[0], end, (call.name,), True)]
        else:
            parts = self.divided(group[0], end, depth + 1, blocks, outer=outer)
        parts[0] = replace(parts[0], start=a)
        if parts[-1].block and end < b and self._single(end):  # what follows is not part of the block
            return [*parts, Piece(end, b, (), False)]
        parts[-1] = replace(parts[-1], stop=b)
        return parts

    def _single(self, position: int) -> bool:
        return len(self.live[position]) == 1 and is_state(self.live[position])

    def _composite(self, group: list[int], depth: int) -> bool:
        return any(len(self.calls[i]) > depth + 1 for i in group)

    def _block(self, start: int, stop: int, depth: int) -> Piece:
        """The operations of one module that cannot be divided, or has no children."""
        call = self.calls[start][depth - 1] if depth else Call("", "", "")
        holds = self._composite(list(range(start, stop)), depth - 1)
        if holds and not call.kind.startswith(PLAIN + "container"):
            self.undivided.add(call.kind)
        return Piece(start, stop, (call.name,), holds)


def _mixes(node: fx.Node) -> bool:
    """Whether an operation has a matrix of weights, that of a normalisation not counted."""
    weights = (a for a in node.all_input_nodes if a.op == "placeholder" and a.name.startswith("p_"))
    return node.target not in NORMALISATIONS and any(w.meta["val"].ndim > 1 for w in weights)


def _merged(found: list[Piece], mixing: list[bool]) -> list[Piece]:
    """The pieces, those that mix no units joined to a neighbour."""
    merged: list[Piece] = []
    waiting: list[Piece] = []  # behind a block, for the next layer
    for piece in found:
        if piece.block or any(mixing[piece.start : piece.stop]):
            merged.append(_union([*waiting, piece]))
            waiting = []
        elif not merged or merged[-1].block:
            waiting.append(piece)
        else:
            merged[-1] = _union([merged[-1], piece])
    if waiting:
        merged[-1:] = [_union([*merged[-1:], *waiting])]
    return merged


def _union(parts: Sequence[Piece]) -> Piece:
    names = tuple(dict.fromkeys(name for part in parts for name in part.names))
    return Piece(parts[0].start, parts[-1].stop, names, any(part.block for part in parts))
