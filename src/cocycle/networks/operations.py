"""Operations of a graph, one after the other, as a function that can be pickled: torch's own graph modules cannot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, final

import torch
from torch import fx
from torch.fx.node import map_arg


class _Value(NamedTuple):
    """The value of that number, of the arguments and then of the operations."""

    number: int


class _Operation(NamedTuple):
    """A function, or the name of one of torch's operations, with its arguments, and the values not needed later."""

    function: Callable | str
    args: Any
    kwargs: Any
    finished: tuple[int, ...]


@final
@dataclass(frozen=True, eq=False)
class Operations:
    """A function of `arguments` values that returns the values numbered in `outputs`."""

    arguments: int
    steps: tuple[_Operation, ...]
    outputs: tuple[int, ...]

    def __call__(self, *given: Any) -> list[Any]:
        values = list(given)
        for step in self.steps:
            function = _operation(step.function) if isinstance(step.function, str) else step.function
            args, kwargs = (_filled(a, values) for a in (step.args, step.kwargs))
            values.append(function(*args, **kwargs))
            for i in step.finished:
                values[i] = None
        return [values[i] for i in self.outputs]

    def __len__(self) -> int:
        return len(self.steps)


def operations(nodes: Sequence[fx.Node], given: Sequence[fx.Node], wanted: Sequence[fx.Node]) -> Operations:
    """The operations `nodes`, in their order, of the values `given`, and further nodes that they are computed from."""
    place = {node: i for i, node in enumerate([*given, *nodes])}
    last = {node: max([place[user] for user in node.users if user in place], default=-1) for node in place}
    steps = []
    for node in nodes:
        done = tuple(
            place[a] for a in dict.fromkeys(node.all_input_nodes) if last[a] == place[node] and a not in wanted
        )
        args, kwargs = (map_arg(a, lambda n: _Value(place[n])) for a in (node.args, node.kwargs))
        target: Any = node.target
        steps.append(
            _Operation(str(target) if isinstance(target, torch._ops.OpOverload) else target, args, kwargs, done)
        )
    return Operations(len(given), tuple(steps), tuple(place[node] for node in wanted))


@cache
def _operation(name: str) -> Callable:
    """torch's operation of that name, such as "aten.tanh.default"."""
    library, operation, overload = name.split(".")
    return getattr(getattr(getattr(torch.ops, library), operation), overload)


def _filled(arguments: Any, values: list[Any]) -> Any:
    if isinstance(arguments, _Value):
        return values[arguments.number]
    if isinstance(arguments, dict):
        return {name: _filled(a, values) for name, a in arguments.items()}
    if isinstance(arguments, list | tuple):
        return [_filled(a, values) for a in arguments]
    return arguments
