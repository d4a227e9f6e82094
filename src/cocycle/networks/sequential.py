"""Feed-forward torch networks as dynamical systems whose time is the layer index."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import prod
from typing import Any, final

import torch
from torch import nn
from torch.func import functional_call, jvp, vjp
from torch.nn.attention import SDPBackend, sdpa_kernel

from cocycle.arrays import Array, require_finite
from cocycle.autodiff import Autodiff
from cocycle.maps import Composed, Dual, Map
from cocycle.networks.activations import LINEAR, RELU, TANH, Activation
from cocycle.networks.layers import Layer, Pointwise

ACTIVATIONS: dict[type[nn.Module], Activation] = {nn.Tanh: TANH, nn.ReLU: RELU, nn.Identity: LINEAR}
POINTWISE = (nn.Sigmoid, nn.LogSigmoid, nn.Softplus, nn.Softsign, nn.GELU, nn.SiLU, nn.Mish, nn.ELU, nn.CELU, nn.SELU,
             nn.LeakyReLU, nn.Hardtanh, nn.Hardsigmoid, nn.Hardswish, nn.Tanhshrink)  # fmt: skip
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
AVERAGES = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
MAXIMA = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
NORMALISATIONS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
AFFINE = (*CONVOLUTIONS, *AVERAGES, *NORMALISATIONS, *DROPOUTS, nn.Flatten, nn.Unflatten)  # in evaluation mode
RANDOM = (*DROPOUTS, nn.RReLU)  # in training mode


def feedforward(
    network: nn.Sequential, shape: Sequence[int] | None = None, *, group: Sequence[int] | None = None
) -> tuple[Map, ...]:
    """The layers of `network` as a tuple of maps of torch tensors (*batch, n).

    Each map is one step of "time".  A step begins at every module with weights that mix units, `Linear`, a convolution,
    attention, and at every module that is not torch's, such as a residual block of yours; what follows it, activations,
    pooling, normalisation, flattening, softmax, belongs to it.  Or say it yourself: `group` has the number of modules
    in each step, those of nested Sequentials counted one by one.

    States are flat; the first map takes numpy arrays too, and tensors of another precision or device.  `shape` is that
    of one input, (channels, height, width) for images; (n,), the width of the first `Linear`, by default.
    Weights are shared with the network, not copied.  Tangents are analytic where a step is affine, then pointwise; the
    other modules go through automatic differentiation.

    Raises TypeError for another kind of network and for recurrent layers; ValueError for a network in training mode
    where that matters, in-place modules (ReLU excepted), weights that are not finite or of half precision, a shape that
    does not fit, modules that mix the inputs of a batch, groups that do not add up.
    """
    if not isinstance(network, nn.Sequential):
        raise TypeError(f"network must be a torch.nn.Sequential; got {type(network).__name__}")
    modules = list(_flattened(network))
    _check(network, modules)
    cuts = _cuts(modules) if group is None else _checked_cuts(group, len(modules))
    shapes = _shapes(modules, shape)
    steps = [_step(modules[start:end], shapes[start:end]) for start, end in pairwise(cuts)]
    return Composed((Entry.of(network), steps[0])), *steps[1:]


def _flattened(network: nn.Sequential) -> Iterator[nn.Module]:
    for module in network:
        if isinstance(module, nn.Sequential):
            yield from _flattened(module)
        else:
            yield module


def _check(network: nn.Sequential, modules: list[nn.Module]) -> None:
    if not modules:
        raise ValueError("network must hold at least one module; got none")
    for name, values in (*network.named_parameters(), *network.named_buffers()):
        require_finite(f"network.{name}", values.detach())
        if values.is_floating_point() and values.dtype not in (torch.float32, torch.float64):
            raise ValueError(
                f"network must be in single or double precision, network.float(); {name} is {values.dtype}"
            )
    require_evaluation(network)
    for module in network.modules():
        kind = type(module).__name__
        if isinstance(module, nn.RNNBase | nn.RNNCellBase):
            raise TypeError(
                f"{kind} is recurrent: take cocycle.networks.Cell, or Autodiff of a function of the sequence"
            )
        if getattr(module, "inplace", False) and type(module) not in ACTIVATIONS:
            raise ValueError(f"network must leave its input as it is; its {kind} works in place")


def require_evaluation(network: nn.Module) -> None:
    """Raise ValueError if dropout, a normalisation, or a module of yours is in training mode."""
    for module in network.modules():
        matters = isinstance(module, (*RANDOM, *NORMALISATIONS)) or not _is_torch(module)
        if module.training and matters:
            kind = type(module).__name__
            raise ValueError(f"network must be in evaluation mode, network.eval(): its {kind} is in training mode")


def _cuts(modules: list[nn.Module]) -> list[int]:
    """Where steps begin, and the end.  What comes before the first module with weights belongs to its step."""
    begins = [i for i, module in enumerate(modules) if not _is_torch(module) or _mixes(module)]
    return [0, *begins[1:], len(modules)]


def _is_torch(module: nn.Module) -> bool:
    return type(module).__module__.startswith("torch.")


def _mixes(module: nn.Module) -> bool:
    """Whether it has weights that mix units: matrices, which those of a normalisation only look like."""
    return not isinstance(module, nn.LayerNorm) and any(p.ndim > 1 for p in module.parameters())


def _checked_cuts(group: Sequence[int], count: int) -> list[int]:
    if any(size < 1 for size in group) or sum(group) != count:
        raise ValueError(f"group must have numbers of at least 1 whose sum is the {count} modules; got {list(group)}")
    return [sum(group[:i]) for i in range(len(group) + 1)]


def _shapes(modules: list[nn.Module], shape: Sequence[int] | None) -> list[tuple[int, ...]]:
    """The shape of one input of each module, found by sending two through.  Raises ValueError if they do not fit."""
    if shape is None:
        if not isinstance(modules[0], nn.Linear):
            raise ValueError(
                "shape must say what one input is, (n,) or (channels, height, width), for a network that begins with "
                f"{type(modules[0]).__name__}"
            )
        shape = (modules[0].in_features,)
    kind = next((p for module in modules for p in module.parameters()), torch.zeros(()))
    x, shapes = torch.arange(2 * prod(shape), dtype=kind.dtype, device=kind.device).sin().reshape(2, *shape), []
    for i, module in enumerate(modules):
        shapes.append(tuple(x.shape[1:]))
        try:
            with torch.no_grad():
                x, alone = module(x), module(x[:1])
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"module {i}, {module}, does not take an input of shape {shapes[-1]}: {error}") from None
        if not isinstance(x, torch.Tensor) or not x.is_floating_point() or len(x) != 2:
            what = tuple(x.shape) if isinstance(x, torch.Tensor) else type(x).__name__
            raise ValueError(f"module {i}, {module}, must make one tensor of numbers, the batch of 2 first; got {what}")
        if not torch.allclose(x[:1], alone, rtol=1e-3, atol=1e-3 * float(alone.abs().max())):
            raise ValueError(
                f"module {i}, {type(module).__name__}, mixes the inputs of a batch (attention: batch_first=True)"
            )
    return shapes


def _step(modules: list[nn.Module], shapes: list[tuple[int, ...]]) -> Map:
    """One map, that takes the time 1."""
    parts, dt = [], 1.0
    pairs = list(zip(modules, shapes, strict=True))
    while pairs:
        module, shape = pairs.pop(0)
        if isinstance(module, nn.Linear) and len(shape) == 1:
            follows = type(pairs[0][0]) if pairs else None
            activation = ACTIVATIONS[type(pairs.pop(0)[0])] if follows in ACTIVATIONS else LINEAR
            bias = 0.0 if module.bias is None else module.bias.detach()
            parts.append(Layer(module.weight.detach(), bias, activation, dt=dt))
        elif type(module) in ACTIVATIONS:
            parts.append(Pointwise(ACTIVATIONS[type(module)], dt))
        elif isinstance(module, POINTWISE):
            parts.append(Pointwise(Activation(type(module).__name__, module, partial(_slope, module)), dt))
        elif isinstance(module, AFFINE):
            parts.append(Affine(_on_flat(module, shape), _on_flat(module, shape, offsets=False), dt))
        else:
            parts.append(Autodiff(_on_flat(module, shape), dt))
        dt = 0.0
    return parts[0] if len(parts) == 1 else Composed(tuple(parts))


def _slope(module: nn.Module, field: torch.Tensor) -> torch.Tensor:
    """g'(b), all units at once: each output depends on its own input alone."""
    return jvp(module, (field,), (torch.ones_like(field),))[1]


def _on_flat(module: nn.Module, shape: tuple[int, ...], offsets: bool = True) -> Callable[[torch.Tensor], torch.Tensor]:
    """`module` on flat states (*batch, n); without its `offsets` the linear part of an affine one."""
    own = {name: p.detach() for name, p in (*module.named_parameters(), *module.named_buffers())}
    if not offsets:
        own |= {name: torch.zeros_like(own[name]) for name in ("bias", "running_mean") if name in own}

    training, fused = module.training, not _is_torch(module) or _attends(module)

    def on_flat(x):
        if module.training is not training:
            raise ValueError(
                f"{type(module).__name__} was put into training mode after feedforward: call network.eval()"
            )
        with _without_fused_attention() if fused else nullcontext():
            y = functional_call(module, own, (x.reshape(-1, *shape),))
        return y.reshape(*x.shape[:-1], -1)

    return on_flat


def _attends(module: nn.Module) -> bool:
    return any(isinstance(part, nn.MultiheadAttention) for part in module.modules())


@contextmanager
def _without_fused_attention() -> Iterator[None]:
    """Its kernels cannot be differentiated forwards, or not in batches."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@final
@dataclass(frozen=True, eq=False)
class Entry(Dual):
    """x -> x, as a tensor of the kind that the network takes: numpy arrays too, and other precisions and devices."""

    dtype: torch.dtype | None
    device: torch.device | None
    dt: float = 0.0

    @classmethod
    def of(cls, network: nn.Module) -> "Entry":
        own = next(network.parameters(), None)
        return cls(None, None) if own is None else cls(own.dtype, own.device)

    def _moved(self, a):
        return torch.as_tensor(a, dtype=self.dtype, device=self.device)

    def __call__(self, x):
        return self._moved(x)

    def tangent(self, x, q):
        return self._moved(x), self._moved(q)

    def cotangent(self, x, p):
        return p


@final
@dataclass(frozen=True, eq=False)
class Affine(Dual):
    """x -> A x + b where the product with A (n, p) is a function, `linear`, on flat tensors (*batch, n)."""

    function: Callable[[Array], Array]
    linear: Callable[[Array], Array]
    dt: float = 1.0

    def __call__(self, x):
        return self.function(x)

    def tangent(self, x, q):
        return self.function(x), self.linear(q.swapaxes(-1, -2)).swapaxes(-1, -2)

    def cotangent(self, x, p):
        rows: Any = p.swapaxes(-1, -2)
        pulled = vjp(self.linear, x[..., None, :] + torch.zeros_like(rows[..., :1]))[1]
        return pulled(rows.contiguous())[0].swapaxes(-1, -2)
