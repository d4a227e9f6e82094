"""Feed-forward torch networks as dynamical systems whose time is the layer index."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Any, final

import torch
from torch import nn

from cocycle.arrays import State
from cocycle.maps import Dual, Map, cotangent, orbit
from cocycle.networks.arguments import Inputs, inputs_of, output_of
from cocycle.networks.cuts import pieces, pieces_at
from cocycle.networks.exported import NotExportable, Program, exported, first_line
from cocycle.networks.graph import Segment, segment, segments
from cocycle.networks.modules import global_hooks, require_evaluation, require_no_backward_hooks, require_separate
from cocycle.networks.sequential import chained, first_shape, require_feedforward
from cocycle.networks.steps import Entry, Layers, Part, Step
from cocycle.networks.weights import numbers, require_weights, without_tf32
from cocycle.networks.whole import whole


def feedforward(
    network: nn.Module,
    example: Any = None,
    *,
    at: str | Sequence[str] | None = None,
    group: Sequence[int] | None = None,
) -> Layers:
    """The layers of `network` as maps of flat states (*batch, n), each of them one step in "time".

    `example` is what the network is called with: a tensor or array with the batch as first axis, a tuple of positional
    or a mapping of named arguments; or the shape of one input, (n,) or (channels, height, width).  Without it the width
    of a first `Linear` is taken.  The first tensor is the state, of integers its embedding, `layers.start(tokens)`;
    the others, such as masks, are kept as they are.  The output is what the network returns, of several tensors
    `logits` or the first of real numbers.

    Layers are what a person calls so: of a Sequential one begins at every module with weights that mix units (`Linear`,
    a convolution, attention) and at every module that is not torch's; the modules that follow (activations, pooling,
    normalisation, flattening, softmax) belong to it.  Any other module is exported by `torch.export`, and cut at the
    boundaries of its blocks (those with shortcuts, such as of a ResNet, a transformer) and where a Sequential would be
    (`cocycle.networks.cuts`).  `at` names the modules behind which layers end, or patterns ("encoder.layer.*"); where
    several tensors are used later, the state is their concatenation.  `group` gives the number of modules in each layer
    of a Sequential.  A network that cannot be exported is one map, with a warning that says why.  Printing shows the
    layers, their shapes, and how their tangents are made.

    States have the network's precision and device; numpy arrays give numpy results.  Weights are shared with the
    network, not copied: the maps follow training and loading, and results of torch inputs differentiate with respect to
    weights that require gradients.  When anything else of the network changes, the maps raise ValueError.  Tangents are
    formulas for a `Linear` with an activation, else by automatic differentiation.  Autocasting is off.

    Raises TypeError for no module, recurrent layers, and what cannot be differentiated forwards (adaptive solvers);
    ValueError for a network in training mode where that matters, weights that are not finite or in half precision, an
    example that does not fit, modules that mix the inputs of a batch, are random or have another derivative than torch
    computes, and names or groups that do not fit.
    """
    if not isinstance(network, nn.Module):
        raise TypeError(f"network must be a torch.nn.Module; got {type(network).__name__}")
    network = getattr(network, "_orig_mod", network)  # that torch.compile wraps
    in_sequence = isinstance(network, nn.Sequential) and type(network).forward is nn.Sequential.forward
    if group is not None and (at is not None or not in_sequence):
        raise ValueError("group must be given for a Sequential, and without at; of other networks take at")
    require_feedforward(network)
    require_weights(network)
    require_evaluation(network)
    require_no_backward_hooks(network)
    with without_tf32(network):  # the checks compare values
        return _of_sequential(network, example, at, group) if in_sequence else _of_module(network, example, at)


def _of_module(network: nn.Module, example: Any, at: str | Sequence[str] | None) -> Layers:
    given = first_shape([*network.modules()][1:]) if example is None else example
    inputs = inputs_of(network, given)
    try:
        return _of_graph(network, inputs, at)
    except NotExportable as error:
        if at is not None:
            raise ValueError(f"at must be left out, because the network cannot be cut: {error}") from error
        found = whole(network, inputs, str(error))
        warnings.warn(f"the network is one map, because it cannot be cut into layers: {error}", stacklevel=3)
        return _steps(network, [found], Entry(inputs))


PLAIN = (bool, int, float, str, tuple, type(None))  # attributes of modules that are compared by their values


@final
@dataclass(frozen=True, eq=False)
class GraphPart:
    """A segment of the graph of a network that was as `made_of` says."""

    segment: Segment
    made_of: tuple[tuple[Any, ...], ...]

    @property
    def dimension(self) -> int:
        return self.segment.dimension

    @property
    def elements(self) -> int:
        return self.segment.elements

    @property
    def operations(self) -> int:
        return len(self.segment.function)

    def map(self, network: nn.Module) -> Dual:
        return self.segment.map(network)

    def check(self, network: nn.Module) -> None:
        """Raise ValueError if modules were exchanged, got hooks, other attributes or another mode, and where tensors
        that were one are two."""
        now = _made_of(network)
        for before, after in zip_longest(self.made_of, now, fillvalue=("",)):
            if len(before) != len(after) or not all(map(_is_same, before, after)):
                name = after[0] or before[0] or type(network).__name__
                raise ValueError(
                    f"network must not change after feedforward, but for the values of its weights; its {name} was"
                    " exchanged, got a hook or another attribute, was put into training mode, or shares its weights no"
                    " longer: call feedforward again"
                )

    def describe(self, network: nn.Module) -> str:
        return repr(self.segment)


def _made_of(network: nn.Module) -> tuple[tuple[Any, ...], ...]:
    """What a graph of the network depends on beside its weights: its modules, their modes, hooks and plain attributes,
    and which tensors are shared."""
    found: list[tuple[Any, ...]] = [("hooks of all modules", *global_hooks())]
    for name, m in network.named_modules():
        own = [v for key, v in vars(m).items() if isinstance(v, PLAIN) or callable(v) or isinstance(v, torch.Tensor)]
        found.append((name, m, *m._forward_hooks.values(), *m._forward_pre_hooks.values(), *own))
    shared: dict[int, list[str]] = {}
    for name, p in network.named_parameters(remove_duplicate=False):
        shared.setdefault(id(p), []).append(name)
    return (*found, *(tuple(names) for names in shared.values() if len(names) > 1))


def _is_same(before: Any, after: Any) -> bool:
    """The same object, or an equal number or word."""
    return before is after or (type(before) is type(after) and isinstance(after, PLAIN) and before == after)


def _of_sequential(
    network: nn.Module, example: Any, at: str | Sequence[str] | None, group: Sequence[int] | None
) -> Layers:
    shape = None
    if example is not None:
        inputs = inputs_of(network, example)
        shape = tuple(inputs.leaves[inputs.state].shape[1:])
    parts = chained(network, shape, group, at)
    example = torch.zeros(1, *parts[0].shapes[0])
    return _steps(network, parts, Entry(Inputs((example,), {}, 0)))


def _of_graph(network: nn.Module, inputs: Inputs, at: str | Sequence[str] | None) -> Layers:
    program, made_of = exported(network, inputs), _made_of(network)
    cut = pieces(program.order, program.output) if at is None else pieces_at(program.order, program.output, at)
    parts = [GraphPart(one, made_of) for one in segments(program, cut)]
    layers = _steps(network, parts, _entry(inputs, program))
    _require_same(network, layers, inputs, program.lowered)
    _require_separate(network, inputs)
    return layers


def _steps(network: nn.Module, parts: Sequence[Part], entry: Entry) -> Layers:
    return Layers([Step(network, part) for part in parts], entry)


def _entry(inputs: Inputs, program: Program) -> Entry:
    if program.tokens is None:
        return Entry(inputs)
    state = program.order[0]
    return Entry(inputs, segment(program, [state], [program.tokens], [state]), program.tied)


def _require_same(network: nn.Module, layers: Layers, inputs: Inputs, lowered: torch.dtype | None) -> None:
    """Raise NotExportable if the layers one after the other give another output than the network, or if torch cannot
    differentiate one of them."""
    with torch.no_grad():
        expected = output_of(network(*inputs.args, **inputs.kwargs))[1].reshape(-1)
        start = layers.start(inputs.leaves[inputs.state])[0]
        *states, x = [start, *orbit(layers, start)]
        for step, state in zip(layers, states, strict=True):
            _require_differentiable(step, state)
    if not expected.isfinite().all():
        raise ValueError("the output of the network must be finite at the example; it is not")
    rounding, scale = _rounding(network, expected, lowered), float(expected.abs().max())
    if x.shape != expected.shape or not torch.allclose(x.to(expected), expected, rtol=rounding, atol=rounding * scale):
        raise NotExportable("its graph gives other values than the network")


def _require_differentiable(step: Map, x: State) -> None:
    """Raise NotExportable if torch cannot push or pull vectors at x."""
    try:
        y, _ = step.tangent(x, torch.ones_like(x)[..., None])
        cotangent(step, x, torch.ones_like(y)[..., None])
    except (RuntimeError, NotImplementedError, TypeError) as error:
        name = repr(step).split(":")[0]
        raise NotExportable(f"torch cannot differentiate its {name}: {first_line(error)}") from error


def _rounding(network: nn.Module, output: torch.Tensor, lowered: torch.dtype | None = None) -> float:
    """The relative difference that rounding may make, in the lowest of the precisions in use."""
    kinds = [own.dtype for own in (output, *islice(numbers(network), 1))] + ([] if lowered is None else [lowered])
    return max(torch.finfo(kind).eps for kind in kinds) ** (2 / 3)


def _require_separate(network: nn.Module, inputs: Inputs) -> None:
    """Raise ValueError if the output for one input depends on the others of its batch.

    Nothing is concluded where the network takes no batch of two with these arguments.
    """
    state = inputs.leaves[inputs.state]
    pattern = torch.arange(state.numel(), device=state.device).sin().reshape(state.shape)
    other = state + pattern.to(state) if state.is_floating_point() else state.flip(-1)
    both = inputs.with_state(torch.cat([state, other])).with_batch(2)
    try:
        with torch.no_grad():
            alone, first = (output_of(network(*a.args, **a.kwargs))[1][:1] for a in (inputs, both))
    except Exception:  # of any kind
        return
    if first.shape == alone.shape:
        require_separate(alone, first, _rounding(network, alone), "network")
