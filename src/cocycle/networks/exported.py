"""Any torch module as a graph of operations, by `torch.export`: what it computes of one input, with its weights as
arguments.

The graph is that of evaluation mode at one example.  Operations of it that are no computation (copies, detached
tensors, casts to a lower precision) are left out, so that derivatives are those of the function that is computed.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from operator import getitem
from typing import Any, final

import torch
from torch import fx, nn
from torch._decomp import get_decompositions
from torch.export.graph_signature import InputKind

from cocycle.networks.arguments import Inputs, output_of
from cocycle.networks.weights import numbers
from cocycle.normalisations import batch_norm
from cocycle.slopes import attention

ATEN = torch.ops.aten
COPIES = (ATEN.alias.default, ATEN.clone.default, ATEN.detach.default, ATEN.lift_fresh_copy.default)
CASTS = (ATEN._to_copy.default, ATEN.to.dtype, ATEN.to.dtype_layout, ATEN.type_as.default)


def copied(target: torch.Tensor, source: torch.Tensor, non_blocking: bool = False) -> torch.Tensor:
    """What `target` is after `source` was copied into it."""
    return source.expand_as(target).to(target.dtype)


SEQUENCES = (ATEN.gru.input, ATEN.lstm.input, ATEN.rnn_tanh.input, ATEN.rnn_relu.input)  # unrolled in time
BATCHED = {  # operations that torch cannot apply to batches, or not to all layouts in memory
    ATEN.view.default: ATEN.reshape.default,
    ATEN._unsafe_view.default: ATEN.reshape.default,
    ATEN.copy.default: copied,
    ATEN.scaled_dot_product_attention.default: attention,
}


class NotExportable(Exception):
    """The module has no graph; the message says why."""


@final
@dataclass(frozen=True, eq=False)
class Program:
    """The graph of a network, for one input.

    `order` holds the operations that depend on the state, in the order of execution, from `order[0]`, the state
    itself, on; `output` is the last of them.  `sources` are the other arguments of the graph: names of parameters and
    buffers of the network, or the constants of the example.  Where the state is the embedding of an input of integers,
    `tokens` is that input, and `tied` tells whether other parts depend on it too: these are kept as at the example.
    `lowered` is the lowest precision to which casts were left out.
    """

    order: tuple[fx.Node, ...]
    output: fx.Node
    sources: dict[fx.Node, str | torch.Tensor]
    tokens: fx.Node | None
    tied: bool
    lowered: torch.dtype | None


class _OneTensor(nn.Module):
    """The network, with the one tensor that counts as its output."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, *args, **kwargs):
        return output_of(self.network(*args, **kwargs))[1]


def exported(network: nn.Module, inputs: Inputs) -> Program:
    """The graph of the network.  Raises NotExportable where there is none, ValueError for a network that is random or
    changes its buffers."""
    wrapper = _OneTensor(network).eval()
    kind = next((a.device.type for a in inputs.leaves if isinstance(a, torch.Tensor)), "cpu")
    try:
        with _quietly(), torch.autocast(kind, enabled=False), torch.no_grad():
            whole = torch.export.export(wrapper, inputs.args, inputs.kwargs, strict=False)
            whole = whole.run_decompositions(get_decompositions(SEQUENCES))
    except Exception as error:  # of any kind: what torch cannot follow
        raise NotExportable(first_line(error)) from error
    changed = [name.removeprefix("network.") for name in whole.graph_signature.buffers_to_mutate.values()]
    if changed:
        raise ValueError(f"network must not change its buffers in evaluation mode; it changes {changed[0]}")
    graph = whole.graph_module.graph
    lowered = _remove_copies(graph, next(numbers(network), None))
    _replace_batch_norms(graph)
    for node in graph.nodes:
        if _is_random(node):
            raise ValueError(
                f"network must give the same values at every call; it is random, by its operation {node.target}"
            )
        if node.op == "get_attr":
            raise NotExportable(f"it has the operation {next(iter(node.users)).target} on a part of its own")
        node.target = BATCHED.get(node.target, node.target)
    return _program(whole, graph, inputs, lowered)


@contextmanager
def _quietly() -> Iterator[None]:
    """Without what torch prints and logs where it cannot follow a module: the error says it."""
    before = logging.root.manager.disable
    with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(before)


def first_line(error: Exception) -> str:
    """The kind of an error of torch and the first line of its message; the others are traces."""
    if "data-dependent" in str(error):
        return "it takes decisions by the values of tensors, which torch.export does not follow"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]


def _is_random(node: Any) -> bool:
    """Whether an operation draws random numbers: those with a dropout of 0, or not in training, do not."""
    if torch.Tag.nondeterministic_seeded not in getattr(node.target, "tags", ()):
        return False
    arguments: Any = node.target._schema.arguments
    given = dict(zip((a.name for a in arguments), node.args, strict=False)) | node.kwargs
    defaults = {a.name: a.default_value for a in arguments if a.has_default_value()}
    given = defaults | given
    off = any(given.get(name) is False for name in ("train", "training"))
    return not off and all(given.get(name, 1.0) != 0 for name in ("dropout", "dropout_p", "p"))


def _replace_batch_norms(graph: fx.Graph) -> None:
    """Batch normalisations with constant statistics as affine functions: torch's operation is slow for one input."""
    for node in list(graph.nodes):
        if node.target is not ATEN._native_batch_norm_legit_no_training.default:
            continue
        b, weight, bias, mean, variance, _, eps = node.args
        for user in list(node.users):
            if user.target is getitem and user.args[1] == 0:
                with graph.inserting_before(user):
                    affine = graph.call_function(batch_norm, (b, weight, bias, mean, variance, eps))
                affine.meta = user.meta | {"nn_module_stack": node.meta.get("nn_module_stack", {})}
                user.replace_all_uses_with(affine)
    graph.eliminate_dead_code()


def _remove_copies(graph: fx.Graph, own: torch.Tensor | None) -> torch.dtype | None:
    """Leave out the operations that compute nothing, of one tensor the same tensor.

    The lowest precision to which one of them was a cast.
    """
    lowered = None
    for node in list(graph.nodes):
        if node.op != "call_function":
            continue
        if node.target is ATEN._assert_tensor_metadata.default:
            graph.erase_node(node)
            continue
        source = node.args[0] if node.args else None
        value, before = node.meta.get("val"), source.meta.get("val") if isinstance(source, fx.Node) else None
        if not isinstance(value, torch.Tensor) or not isinstance(before, torch.Tensor):
            continue
        cast = node.target in CASTS and value.is_floating_point() and before.is_floating_point()
        lower = own is not None and value.dtype.itemsize < own.dtype.itemsize
        if cast and lower and (lowered is None or torch.finfo(value.dtype).eps > torch.finfo(lowered).eps):
            lowered = value.dtype
        if node.target in COPIES or (cast and (lower or value.dtype == before.dtype)):
            assert isinstance(source, fx.Node)
            source.meta.setdefault("nn_module_stack", node.meta.get("nn_module_stack", {}))
            node.replace_all_uses_with(source)
            graph.erase_node(node)
    graph.eliminate_dead_code()
    return lowered


def _program(
    whole: torch.export.ExportedProgram, graph: fx.Graph, inputs: Inputs, lowered: torch.dtype | None
) -> Program:
    sources: dict[fx.Node, Any] = {}
    given: list[fx.Node] = []  # the arguments of the network, in the order of `inputs.leaves`
    specs = {spec.arg.name: spec for spec in whole.graph_signature.input_specs}
    for node in (node for node in graph.nodes if node.op == "placeholder"):
        spec = specs[node.name]
        if spec.kind is InputKind.USER_INPUT:
            sources[node] = inputs.leaves[len(given)]
            given.append(node)
        elif spec.kind in (InputKind.PARAMETER, InputKind.BUFFER):
            sources[node] = str(spec.target).removeprefix("network.")
        else:
            sources[node] = whole.constants[str(spec.target)]
    state, output = given[inputs.state], _returned(graph)
    if inputs.leaves[inputs.state].is_floating_point():
        entry, needed, tied = state, _needed(output, state), False
        del sources[state]
    else:
        entry = _embedding(graph, state)
        needed = _needed(output, entry)
        tied = bool((_dependent(graph, state, without=entry) - {state}) & needed)
    after = _dependent(graph, entry)
    order = tuple(node for node in graph.nodes if node in after and node in needed)
    if output not in after:
        raise ValueError("the output of the network must depend on its input; it does not at the example")
    return Program(order, output, sources, None if entry is state else state, tied, lowered)


def _returned(graph: fx.Graph) -> fx.Node:
    """The node of the one value that a graph returns."""
    last: Any = next(iter(reversed(graph.nodes)))
    return last.args[0][0]


def _embedding(graph: fx.Graph, state: fx.Node) -> fx.Node:
    """The first embedding of the integers of the input."""
    known = {state}
    for node in graph.nodes:
        if known & set(node.all_input_nodes):
            if node.target is ATEN.embedding.default:
                return node
            known.add(node)
    raise ValueError("an input of integers must enter by an embedding, nn.Embedding; the network has none of it")


def _dependent(graph: fx.Graph, entry: fx.Node, *, without: fx.Node | None = None) -> set[fx.Node]:
    """The nodes that depend on `entry`, itself included, by other ways than through the node `without`."""
    after = {entry}
    for node in graph.nodes:
        if node.op == "call_function" and node is not without and after & set(node.all_input_nodes):
            after.add(node)
    return after


def _needed(output: fx.Node, entry: fx.Node) -> set[fx.Node]:
    """The nodes that the output is computed from, given the value of `entry`; both included."""
    needed, waiting = set(), [output]
    while waiting:
        node = waiting.pop()
        if node not in needed:
            needed.add(node)
            waiting.extend(node.all_input_nodes if node is not entry else [])
    return needed
