"""Multilayer perceptrons with Gaussian weights, and the training of torch networks: as much as a physicist needs."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, final

import numpy as np
import torch
from torch import nn

from cocycle.arrays import generator
from cocycle.networks.data import Labelled, Task
from cocycle.progress import progress_bar

AT_ONCE = 4096  # samples, when a network is looked at and not trained


def perceptron(
    widths: Sequence[int],
    rng: np.random.Generator | int,
    *,
    weight_std: float = 1.0,
    threshold_std: float = 0.0,
    head: str | None = None,
) -> nn.Sequential:
    """x -> tanh(W x + θ), layer by layer, in float64; widths are those of the inputs, hidden layers, and outputs.

    Weights are Gaussian with standard deviation weight_std / √(inputs of the layer), thresholds with threshold_std.
    `head` names the torch.nn module that the outputs go through, "Tanh", or none, as CrossEntropyLoss wants it.  The
    numbers come from numpy, so that the same seed gives the same network everywhere.

    Raises ValueError for fewer than two widths, widths below 1, negative scales, an unknown head.
    """
    if len(widths) < 2 or min(widths) < 1:
        raise ValueError(f"widths must be two numbers of at least 1, or more; got {list(widths)}")
    if weight_std < 0 or threshold_std < 0:
        raise ValueError(f"weight_std and threshold_std must not be negative; got {weight_std} and {threshold_std}")
    rng, modules = generator(rng), []
    for n, p in pairwise(widths):
        weight = rng.normal(size=(p, n)) * weight_std / n**0.5
        modules += [linear_layer(weight, rng.normal(size=p) * threshold_std), nn.Tanh()]
    return nn.Sequential(*modules[:-1], *([_named(nn, nn.Module, "head", head)()] if head else []))


def linear_layer(weight: np.ndarray, bias: np.ndarray) -> nn.Module:
    """x -> weight x + bias as a module of these numbers; torch's own generator has no part in it."""
    layer = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0], dtype=torch.float64)
    layer.weight.data, layer.bias.data = torch.as_tensor(weight), torch.as_tensor(bias)
    return layer


@final
@dataclass(frozen=True)
class Recipe:
    """How to train: loss and optimiser by their names in torch.nn and torch.optim.

    `options` are the optimiser's own besides its learning rate, {"momentum": 0.9}.  An epoch goes once through all
    samples, `batch` at a time, in random order.  Training ends after `epochs`, or when the share of held-out samples
    that are right has reached `stop_at`.

    Raises ValueError for names that torch has not, and for numbers out of range.
    """

    loss: str = "MSELoss"
    optimiser: str = "SGD"
    learning_rate: float = 0.01
    batch: int = 64
    epochs: int = 200
    stop_at: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        _named(nn, nn.Module, "loss", self.loss)
        _named(torch.optim, torch.optim.Optimizer, "optimiser", self.optimiser)
        if self.batch < 1 or self.epochs < 0 or not self.learning_rate > 0:
            raise ValueError(
                "batch must be at least 1, epochs not negative, learning_rate positive; got "
                f"{self.batch}, {self.epochs}, {self.learning_rate}"
            )


@final
@dataclass(frozen=True, eq=False)
class History:
    """The mean loss of each epoch (epochs,), and the share of held-out samples that were wrong after it (epochs,)."""

    loss: np.ndarray
    error: np.ndarray


def fit(network: nn.Module, task: Task, rng: np.random.Generator | int, recipe: Recipe | None = None) -> History:
    """Train `network` on a task, in place, and leave it in evaluation mode.

    Parameters that do not require gradients stay as they are: `network[0].requires_grad_(False)` freezes a layer.
    All randomness, of the order of samples and of dropout, comes from `rng`; on one thread the same seed gives the same
    network, bit for bit.

    Raises ValueError if outputs and targets do not fit, before training; ArithmeticError when the loss is no longer
    finite, with the network as it was after the last epoch before that.
    """
    recipe, rng = recipe or Recipe(), generator(rng)
    trained = [p for p in network.parameters() if p.requires_grad]
    if not trained:
        raise ValueError("network must have parameters that require gradients; got none")
    x, y = _tensors(network, task.training)
    held_out = _tensors(network, task.test)
    loss = getattr(nn, recipe.loss)()
    _check_fit(network.eval(), loss, x[:1], y[:1])
    optimiser = getattr(torch.optim, recipe.optimiser)(trained, lr=recipe.learning_rate, **recipe.options)
    losses, errors = [], []
    with seeded(rng, x.device), progress_bar(recipe.epochs, "training") as bar:
        for epoch in range(recipe.epochs):
            before = [p.detach().clone() for p in trained]
            losses.append(_epoch(network.train(), loss, optimiser, x, y, rng.permutation(len(x)), recipe.batch))
            network.eval()
            if not np.isfinite(losses[-1]):
                for p, value in zip(trained, before, strict=True):
                    p.data.copy_(value)
                raise ArithmeticError(f"the loss is {losses[-1]} in epoch {epoch + 1}: take a smaller learning_rate")
            errors.append(_share_wrong(network, *held_out))
            bar(1)
            if recipe.stop_at is not None and 1 - errors[-1] >= recipe.stop_at:
                break
    return History(np.array(losses), np.array(errors))


@contextmanager
def seeded(rng: np.random.Generator, device: torch.device) -> Iterator[None]:
    """Seed torch's own generator, from which dropout draws, and give it back as it was."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(rng.integers(2**63)))
        yield


def error(network: nn.Module, samples: Labelled) -> float:
    """The share of samples that a network gets wrong: the largest output is not that of the class, or, for real
    targets, an output has not the sign of its target.

    Raises ValueError for a network in training mode.
    """
    if network.training:
        raise ValueError("network must be in evaluation mode: call network.eval()")
    return _share_wrong(network, *_tensors(network, samples))


def _epoch(network, loss: Callable, optimiser, x, y, order: np.ndarray, batch: int) -> float:
    """The mean loss over one pass."""
    rows, total = torch.as_tensor(order, device=x.device), torch.zeros((), dtype=x.dtype, device=x.device)
    for part in rows.split(batch):
        optimiser.zero_grad()
        value = loss(network(x[part]), y[part])
        value.backward()
        optimiser.step()
        total += len(part) * value.detach()
    return float(total) / len(x)


@torch.no_grad()
def _share_wrong(network: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    wrong = 0
    for inputs, targets in zip(x.split(AT_ONCE), y.split(AT_ONCE), strict=True):
        outputs = network(inputs)
        right = outputs.argmax(-1) == targets if targets.ndim == 1 else (outputs * targets > 0).all(-1)
        wrong += int((~right).sum())
    return wrong / len(x)


def _tensors(network: nn.Module, samples: Labelled) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and targets where the network is, in its precision."""
    own = next(network.parameters())
    targets = torch.as_tensor(samples.targets, device=own.device)
    targets = targets.to(own.dtype) if targets.is_floating_point() else targets.long()
    return torch.as_tensor(samples.inputs, dtype=own.dtype, device=own.device), targets


@torch.no_grad()
def _check_fit(network: nn.Module, loss: Callable, x: torch.Tensor, y: torch.Tensor) -> None:
    """Raise ValueError if a sample does not go through."""
    try:
        outputs = network(x)
    except RuntimeError as problem:
        raise ValueError(f"network must take inputs of shape {tuple(x.shape)}: {problem}") from None
    if y.ndim == 2 and outputs.shape != y.shape:
        raise ValueError(f"network must have {y.shape[1]} outputs, as many as targets; got {tuple(outputs.shape[1:])}")
    if y.ndim == 1 and outputs.ndim != 2:
        raise ValueError(f"network must have one output for each class; got shape {tuple(outputs.shape[1:])}")
    try:
        with warnings.catch_warnings(action="error"):  # of shapes that are broadcast
            loss(outputs, y)
    except (RuntimeError, IndexError, ValueError, UserWarning) as problem:
        raise ValueError(f"loss {type(loss).__name__} does not take these targets: {problem}") from None


def _named(module: Any, kind: type, argument: str, name: str) -> Any:
    found = getattr(module, name, None)
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise ValueError(f"{argument} must be the name of a class in {module.__name__}; got {name!r}")
    return found
