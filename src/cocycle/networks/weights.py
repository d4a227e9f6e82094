"""The weights of a torch network: their precision and device, and the graph that torch differentiates."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import chain
from math import prod
from typing import Any

import numpy as np
import torch
from torch import nn

from cocycle.arrays import Array, as_numpy, namespace, require_finite
from cocycle.autodiff import as_tensor

PRECISIONS = (torch.float32, torch.float64)


def numbers(network: nn.Module) -> Iterator[torch.Tensor]:
    """Its floating-point parameters and buffers, whose dtype and device are those of the network."""
    return (own for own in chain(network.parameters(), network.buffers()) if own.is_floating_point())


def require_weights(network: nn.Module, what: str = "network") -> None:
    """Raise ValueError for weights that are not finite, or neither in single nor in double precision.

    Buffers may hold infinite numbers, as masks of attention do.
    """
    buffers = dict(network.named_buffers())
    for name, values in (*network.named_parameters(), *buffers.items()):
        if values.is_floating_point() or values.is_complex():
            _require_precision(name, values, what)
        values = values.detach()
        if name in buffers and values.is_floating_point():
            values = values.masked_fill(values.isinf(), 0.0)
        require_finite(f"{what}.{name}", values)


def _require_precision(name: str, values: torch.Tensor, what: str = "network") -> None:
    if values.dtype not in PRECISIONS:
        raise ValueError(f"{what} must be in single or double precision, {what}.float(); {name} is {values.dtype}")


def moved_to(network: nn.Module, a: Array) -> torch.Tensor:
    """The array as a tensor in the precision and on the device of the network; unchanged, if it has no parameters."""
    a = as_tensor(a) if isinstance(a, np.ndarray) else torch.as_tensor(a)
    own = next(numbers(network), None)
    if own is None:
        return a
    _require_precision("it", own)
    return a.to(dtype=own.dtype, device=own.device)


def followed(weight: torch.Tensor) -> torch.Tensor:
    """The weight, in the graph that torch differentiates where gradients are enabled, else without it."""
    return weight if torch.is_grad_enabled() else weight.detach()


@contextmanager
def computing(network: nn.Module, x: Array) -> Iterator[None]:
    """A context in which torch computes in the network's own precision, and records gradients with respect to weights
    as usual, but none for numpy states."""
    own = next(numbers(network), None)
    with torch.autocast("cpu" if own is None else own.device.type, enabled=False), without_tf32(network):
        if namespace(x) is np:
            with torch.no_grad():
                yield
        else:
            yield


def as_given(y: torch.Tensor, x: Array) -> Array:
    """y as a numpy array if x is one."""
    return as_numpy(y) if namespace(x) is np else y


def described(name: str, dimension: int, shapes: Sequence[Sequence[int]], formula: str | None) -> str:
    """One line about a layer: its name, the dimension of its states, the shapes of one output, how its tangent is
    made."""
    size, words = sum(map(prod, shapes)), " + ".join("×".join(map(str, shape)) for shape in shapes)
    return f"{name}: {dimension} → {size} ({words}), tangent by {formula or 'automatic differentiation'}"


@contextmanager
def without_tf32(network: nn.Module) -> Iterator[None]:
    """A context in which products of single-precision numbers on a GPU are in single precision.

    By torch's default cuDNN rounds the factors of convolutions to 10 bits (TF32): exponents would have errors of 1e-3.
    """
    own = next(numbers(network), None)
    with in_full_precision() if own is not None and own.device.type == "cuda" else nullcontext():
        yield


@contextmanager
def in_full_precision() -> Iterator[None]:
    """A context without TF32.  The older switches are used, which torch.export reads: it refuses the newer ones, unless
    those are in use already."""
    backends: Any = torch.backends
    try:
        switches, name, off = [b for b in (backends.cudnn, backends.cuda.matmul) if b.allow_tf32], "allow_tf32", False
    except RuntimeError:  # the newer ones are in use
        switches, name, off = (backends.cudnn.conv, backends.cudnn.rnn, backends.cuda.matmul), "fp32_precision", "ieee"
    before = [getattr(switch, name) for switch in switches]
    for switch in switches:
        setattr(switch, name, off)
    try:
        yield
    finally:
        for switch, value in zip(switches, before, strict=True):
            setattr(switch, name, value)
