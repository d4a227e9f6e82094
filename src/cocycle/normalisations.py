"""torch's normalisations as they are defined.

torch's own forward derivatives of `layer_norm` and its like hold mean and variance fixed when they are themselves
differentiated, so that the gradient of an exponent with respect to weights would be wrong.
"""

from typing import Any

import torch
import torch.nn.functional as F


def _standardised(b: torch.Tensor, axes: int, eps: float) -> torch.Tensor:
    """b minus its mean over the last axes, divided by the root of its variance + eps there."""
    over = tuple(range(-axes, 0))
    centred = b - b.mean(over, keepdim=True)
    return centred * torch.rsqrt((centred * centred).mean(over, keepdim=True) + eps)


def _per_channel(b: torch.Tensor, weight: torch.Tensor | None, bias: torch.Tensor | None) -> torch.Tensor:
    """weight b + bias of the channels, the second axis of b."""
    shape = (-1, *[1] * (b.ndim - 2))
    b = b if weight is None else b * weight.reshape(shape)
    return b if bias is None else b + bias.reshape(shape)


def layer_norm(b, normalized_shape, weight=None, bias=None, eps=1e-5, cudnn_enable=True):
    b = _standardised(b, len(normalized_shape), eps)
    b = b if weight is None else b * weight
    return b if bias is None else b + bias


def group_norm(b, num_groups, weight=None, bias=None, eps=1e-5, cudnn_enabled=True):
    groups = b.reshape(len(b), num_groups, -1)
    return _per_channel(_standardised(groups, 1, eps).reshape(b.shape), weight, bias)


def instance_norm(
    b, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-5
):
    if not use_input_stats:  # the statistics of the training are constants
        return batch_norm(b, weight, bias, running_mean, running_var, eps)
    if running_mean is not None:
        raise ValueError("an instance normalisation must not change its statistics while exponents are computed")
    return _per_channel(_standardised(b, b.ndim - 2, eps), weight, bias)


def batch_norm(b, weight, bias, mean, variance, eps=1e-5):
    """With the statistics of the training, as in evaluation mode."""
    scale = torch.rsqrt(variance + eps)
    scale, shift = (scale, -mean * scale) if weight is None else (scale * weight, -mean * scale * weight)
    return _per_channel(b, scale, shift if bias is None else shift + bias)


NORMALISATIONS: dict[Any, Any] = {
    **dict.fromkeys((F.layer_norm, torch.layer_norm, torch.ops.aten.layer_norm.default), layer_norm),
    **dict.fromkeys((F.group_norm, torch.group_norm, torch.ops.aten.group_norm.default), group_norm),
    F.instance_norm: instance_norm,
    torch.ops.aten.instance_norm.default: lambda b, weight, bias, mean, variance, own, momentum, eps, _: instance_norm(
        b, mean, variance, weight, bias, own, momentum, eps
    ),
}
