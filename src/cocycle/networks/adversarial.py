"""Across the border between two classes: a two-unit bottleneck to see it in, and paths that lead over it."""

from copy import deepcopy

import numpy as np
import torch
from torch import nn

from cocycle.arrays import as_numpy, floating, generator
from cocycle.networks.modules import require_evaluation
from cocycle.networks.sequential import moved_to
from cocycle.networks.training import linear_layer


def with_bottleneck(network: nn.Sequential, rng: np.random.Generator | int) -> nn.Sequential:
    """A copy of the classifier whose readout, the last `Linear`, is replaced by two: to two units, then to the classes.

    Everything before them is frozen, so that `fit` trains the two alone; the local fields of the two units,
    network[:-1](x), are coordinates in which an input's class can be seen.  Storm et al., Phys. Rev. Lett. 132, 057301
    (2024).  Raises TypeError for a network that does not end in a `Linear`.
    """
    *hidden, readout = network
    if not isinstance(readout, nn.Linear):
        raise TypeError(f"network must end in a Linear readout; got {type(readout).__name__}")
    rng, parts = generator(rng), []
    for n, p in ((readout.in_features, 2), (2, readout.out_features)):
        parts.append(linear_layer(rng.normal(size=(p, n)) / n**0.5, np.zeros(p)).to(readout.weight))
    return nn.Sequential(*(deepcopy(module).requires_grad_(False) for module in hidden), *parts)


def adversarial_path(
    network: nn.Module, x: np.ndarray, target: int, *, length: float, bounds: tuple[float, float], steps: int = 50
) -> np.ndarray:
    """From an input x (n,) towards the class `target`: (steps + 1, n), x first.

    Each step goes length / steps along `towards`, and back to where all components are within `bounds`, those of the
    data: steepest descent of the cross-entropy, projected (as Madry et al., ICLR 2018, without their ball around x).

    Raises ValueError for another shape of x, a target that is not a class, a length or bounds out of order, and as
    `towards` does.
    """
    x = as_numpy(floating("x", x))
    if x.ndim != 1:
        raise ValueError(f"x must be one input of shape (n,); got {x.shape}")
    if not length > 0 or steps < 1 or not bounds[0] < bounds[1]:
        raise ValueError(f"length, steps must be positive, bounds in order; got {length}, {steps}, {bounds}")
    path = [x]
    for _ in range(steps):
        path.append((path[-1] + length / steps * towards(network, path[-1][None], np.array([target]))[0]).clip(*bounds))
    return np.stack(path)


def towards(network: nn.Module, x: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The directions (samples, n), of length 1, in which the cross-entropy of inputs x (samples, n) with targets
    (samples,) falls fastest: adversarial ones, where targets are not the inputs' own classes.

    Of a classifier that returns logits.  Raises ValueError for a network in training mode, targets that are not
    classes, and where the cross-entropy does not change at all.
    """
    require_evaluation(network)
    inputs = moved_to(network, floating("x", x)).detach().requires_grad_()
    logits, wanted = network(inputs), torch.as_tensor(targets, device=inputs.device)
    if wanted.shape != (len(inputs),) or wanted.min() < 0 or wanted.max() >= logits.shape[-1]:
        raise ValueError(f"targets must be a class in 0..{logits.shape[-1] - 1} for each input; got {targets}")
    loss = nn.functional.cross_entropy(logits, wanted, reduction="sum")
    slope = as_numpy(torch.autograd.grad(loss, inputs)[0])
    size = np.linalg.norm(slope, axis=-1, keepdims=True)
    if not (size > 0).all():
        raise ValueError("x must hold inputs at which the cross-entropy changes; it is flat, or not finite, at one")
    return -slope / size
