"""Across the border between two classes: a two-unit bottleneck to see it in, and paths that lead over it."""

import numpy as np
import torch
from torch import nn

from cocycle.arrays import generator
from cocycle.networks.training import linear_layer


def with_bottleneck(network: nn.Sequential, rng: np.random.Generator | int, *, units: int = 2) -> nn.Sequential:
    """The classifier with its readout, the last `Linear`, replaced by two: to `units`, and from there to the classes.

    Everything before it is shared with `network` and frozen, so that `fit` trains the two alone; the local fields of
    the units, network[:-1](x), are coordinates in which an input's class can be seen.  Storm et al., Phys. Rev. Lett.
    132, 057301 (2024).  Raises TypeError for a network that does not end in a `Linear`.
    """
    *hidden, readout = network
    if not isinstance(readout, nn.Linear):
        raise TypeError(f"network must end in a Linear readout; got {type(readout).__name__}")
    rng, parts = generator(rng), []
    for n, p in ((readout.in_features, units), (units, readout.out_features)):
        parts.append(linear_layer(rng.normal(size=(p, n)) / n**0.5, np.zeros(p)).to(readout.weight))
    return nn.Sequential(*(module.requires_grad_(False) for module in hidden), *parts)


def adversarial_path(
    network: nn.Module, x: torch.Tensor, target: int, *, length: float, steps: int = 50, bounds: tuple[float, float]
) -> torch.Tensor:
    """From an input x (n,) towards the class `target`: (steps + 1, n), x first.

    Each step goes length / steps down the gradient of the cross-entropy with the target, and back to where all
    components are within `bounds`, those of the data: projected gradient descent (Madry et al., ICLR 2018) of the
    Euclidean norm.  Raises ValueError for another shape of x and a target that is not a class.
    """
    x = x.detach()
    if x.ndim != 1 or not x.is_floating_point():
        raise ValueError(f"x must be one input of shape (n,), of floating-point numbers; got {tuple(x.shape)}")
    classes = network(x[None]).shape[-1]
    if not 0 <= target < classes:
        raise ValueError(f"target must be in 0..{classes - 1}; got {target}")
    path, wanted = [x], torch.tensor([target], device=x.device)
    for _ in range(steps):
        slope = towards(network, path[-1][None], wanted)[0]
        path.append((path[-1] + length / steps * slope).clamp(*bounds))
    return torch.stack(path)


def towards(network: nn.Module, x: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The directions (samples, n), of length 1, in which the cross-entropy of inputs x (samples, n) with targets
    (samples,) falls fastest: adversarial ones, where targets are not the inputs' own classes."""
    x = x.detach().requires_grad_()
    loss = nn.functional.cross_entropy(network(x), targets, reduction="sum")
    return -nn.functional.normalize(torch.autograd.grad(loss, x)[0], dim=-1)
