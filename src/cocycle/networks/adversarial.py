"""The boundary between two classes: a two-unit bottleneck that shows it, and adversarial paths across it."""

from copy import deepcopy

import numpy as np
import torch
from torch import nn

from cocycle.arrays import as_numpy, floating, generator
from cocycle.networks.modules import require_evaluation
from cocycle.networks.training import linear_layer
from cocycle.networks.weights import moved_to


def with_bottleneck(network: nn.Sequential, rng: np.random.Generator | int) -> nn.Sequential:
    """A copy of the classifier whose readout, the last `Linear`, is replaced by two: to two units, then to the classes.

    All modules before them are frozen, so that `fit` trains only these two; the local fields of the two units,
    network[:-1](x), are coordinates of a plane in which the classes are separated.  Storm et al., Phys. Rev. Lett. 132,
    057301 (2024).  Raises TypeError for a network that does not end in a `Linear`.
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
    """A path (steps + 1, n) from the input x (n,), its first point, towards the class `target`.

    Each step goes length / steps along `towards` and is then clipped to `bounds`, those of the data: projected steepest
    descent of the cross-entropy (as Madry et al., ICLR 2018, without their ball around x).

    Raises ValueError for another shape of x, a target that is not a class, a length or a number of steps that is not
    positive, bounds out of order, and as `towards` does.
    """
    x = as_numpy(floating("x", x))
    if x.ndim != 1:
        raise ValueError(f"x must be one input of shape (n,); got {x.shape}")
    if not length > 0 or steps < 1 or not bounds[0] < bounds[1]:
        raise ValueError(
            f"length, steps must be positive, bounds in order; got length={length}, steps={steps}, bounds={bounds}"
        )
    path = [x]
    for _ in range(steps):
        path.append((path[-1] + length / steps * towards(network, path[-1][None], np.array([target]))[0]).clip(*bounds))
    return np.stack(path)


def towards(network: nn.Module, x: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The unit vectors (samples, n) along which the cross-entropy of inputs x (samples, n) with targets (samples,)
    decreases fastest: adversarial directions, where the targets are not the classes of the inputs.

    The network is a classifier that returns logits.  Raises ValueError for a network in training mode, targets that are
    not classes, and inputs at which the gradient is zero or not finite.
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
        raise ValueError(
            "x must hold inputs with a finite gradient of the cross-entropy that is not zero; at one it is zero or not"
            " finite"
        )
    return -slope / size
