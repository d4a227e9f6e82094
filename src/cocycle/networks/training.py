"""Multilayer perceptrons with Gaussian weights, and the training of torch networks by gradient descent."""

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
from cocycle.networks.data import Dataset, Labelled
from cocycle.networks.history import History
from cocycle.networks.modules import require_evaluation
from cocycle.networks.weights import moved_to
from cocycle.progress import progress_bar

AT_ONCE = 4096  # samples, when a network is evaluated and not trained


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
    `head` names the torch.nn module applied to the outputs, such as "Tanh"; None, as CrossEntropyLoss needs it, applies
    none.  The random numbers are numpy's, so that the same seed gives the same network on every machine.

    Raises ValueError for fewer than two widths, widths below 1, scales out of range, an unknown head.
    """
    if len(widths) < 2 or min(widths) < 1:
        raise ValueError(f"widths must be two numbers of at least 1, or more; got {list(widths)}")
    if not (weight_std > 0 and threshold_std >= 0):
        raise ValueError(f"weight_std must be positive, threshold_std not negative; got {weight_std}, {threshold_std}")
    rng, modules = generator(rng), []
    for n, p in pairwise(widths):
        weight = rng.normal(size=(p, n)) * weight_std / n**0.5
        modules += [linear_layer(weight, rng.normal(size=p) * threshold_std), nn.Tanh()]
    return nn.Sequential(*modules[:-1], *([_named(nn, nn.Module, "head", head)()] if head else []))


def linear_layer(weight: np.ndarray, bias: np.ndarray) -> nn.Module:
    """x -> weight x + bias as a module with these values; no random numbers of torch are used."""
    layer = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0], dtype=torch.float64)
    layer.weight.data, layer.bias.data = torch.as_tensor(weight), torch.as_tensor(bias)
    return layer


@final
@dataclass(frozen=True)
class Recipe:
    """How to train: loss and optimiser by their names in torch.nn and torch.optim.

    `options` are the optimiser's arguments besides its learning rate, {"momentum": 0.9}.  An epoch goes once through
    all samples, `batch` at a time, in random order; a last batch of one sample is joined to the one before it.
    Training ends after `epochs`, or when the accuracy on the held-out samples has reached `stop_at`: these samples have
    then chosen the network, and only further ones measure its error.

    Raises ValueError for names that torch does not have, optimisers that need a closure, such as LBFGS, and numbers out
    of range.
    """

    loss: str = "MSELoss"
    optimiser: str = "SGD"
    learning_rate: float = 0.01
    batch: int = 64
    epochs: int = 200
    stop_at: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        whole = all(isinstance(number, int | np.integer) for number in (self.batch, self.epochs))
        if not whole or self.batch < 1 or self.epochs < 0 or not self.learning_rate > 0:
            raise ValueError(
                "batch must be at least 1, epochs not negative, both whole numbers, learning_rate positive; got "
                f"{self.batch}, {self.epochs}, {self.learning_rate}"
            )
        if self.stop_at is not None and not 0 < self.stop_at <= 1:
            raise ValueError(f"stop_at must be a share in (0, 1]; got {self.stop_at}")
        _named(nn, nn.modules.loss._Loss, "loss", self.loss)
        try:
            self.optimiser_of([torch.zeros(1, requires_grad=True)]).step()
        except TypeError as problem:
            raise ValueError(f"optimiser {self.optimiser} with options {self.options} fails: {problem}") from None

    def optimiser_of(self, parameters: Sequence[torch.Tensor]) -> torch.optim.Optimizer:
        kind = _named(torch.optim, torch.optim.Optimizer, "optimiser", self.optimiser)
        return kind(parameters, lr=self.learning_rate, **self.options)


def fit(network: nn.Module, dataset: Dataset, rng: np.random.Generator | int, recipe: Recipe | None = None) -> History:
    """Train `network` on a dataset, in place, and leave it in evaluation mode.

    Parameters that do not require gradients stay as they are: `network[0].requires_grad_(False)` freezes a layer.
    Modules whose parameters are all frozen stay in evaluation mode.  All randomness, of the order of samples and of
    dropout, comes from `rng`; on one thread the same seed gives the same network to the last bit.

    Raises ValueError, before training, if outputs and targets do not fit; ArithmeticError when the loss or a parameter
    is no longer finite: the network then has its parameters from the end of the epoch before.
    """
    if not isinstance(dataset, Dataset):
        raise TypeError(
            f"dataset must be a Dataset(training, test), such as split(samples, rng); got {type(dataset).__name__}"
        )
    recipe, rng = recipe or Recipe(), generator(rng)
    trained = [p for p in network.parameters() if p.requires_grad]
    if not trained:
        raise ValueError("network must have parameters that require gradients; got none")
    (x, y), held_out = (_tensors(network.eval(), part) for part in dataset)
    loss, optimiser = getattr(nn, recipe.loss)(), recipe.optimiser_of(trained)
    _check_loss(network, loss, x[:2], y[:2])
    if recipe.stop_at is not None and not _has_signs(y):
        raise ValueError(
            "stop_at needs targets that are classes, or -1 and 1: only these define an accuracy; leave it None"
        )
    losses, errors = [], []
    with seeded(rng, x.device), progress_bar(recipe.epochs, "training") as bar:
        for epoch in range(recipe.epochs):
            before = {name: value.clone() for name, value in network.state_dict().items()}
            batches = _batches(rng.permutation(len(x)), recipe.batch, x.device)
            losses.append(_epoch(_in_training(network), loss, optimiser, x, y, batches))
            network.eval()
            if not (np.isfinite(losses[-1]) and all(p.isfinite().all() for p in trained)):
                network.load_state_dict(before)
                raise ArithmeticError(f"the loss is {losses[-1]} in epoch {epoch + 1}: take a smaller learning_rate")
            errors.append(_share_wrong(network, *held_out))
            bar(1)
            if recipe.stop_at is not None and 1 - errors[-1] >= recipe.stop_at:
                break
    return History(np.array(losses), np.array(errors))


@contextmanager
def seeded(rng: np.random.Generator, device: torch.device) -> Iterator[None]:
    """Seed torch's generators, from which dropout draws, and restore their states afterwards."""
    seed = int(rng.integers(2**63))
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def error(network: nn.Module, samples: Labelled) -> float:
    """The share of misclassified samples: the largest output is not that of the class, or, for targets -1 and 1, an
    output has the wrong sign.  NaN for other targets.

    Raises ValueError for a network in training mode, and one whose outputs do not fit the targets.
    """
    require_evaluation(network)
    return _share_wrong(network, *_tensors(network, samples))


def _in_training(network: nn.Module) -> nn.Module:
    """The network in training mode, but for frozen modules: a normalisation would go on updating its statistics."""
    for module in network.train().modules():
        own = list(module.parameters())
        if own and not any(p.requires_grad for p in own):
            module.eval()
    return network


def _batches(order: np.ndarray, size: int, device: torch.device) -> list[torch.Tensor]:
    parts = list(torch.as_tensor(order, device=device).split(size))
    if len(parts) > 1 and len(parts[-1]) == 1:  # one sample has no variance for a normalisation
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def _epoch(network, loss: Callable, optimiser, x, y, batches: Sequence[torch.Tensor]) -> float:
    """The mean loss over one pass."""
    total = torch.zeros((), dtype=x.dtype, device=x.device)
    for part in batches:
        optimiser.zero_grad()
        value = loss(network(x[part]), y[part])
        value.backward()
        optimiser.step()
        total += len(part) * value.detach()
    return float(total) / len(x)


@torch.no_grad()
def _share_wrong(network: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    if not _has_signs(y):
        return np.nan
    wrong = 0
    for inputs, targets in zip(x.split(AT_ONCE), y.split(AT_ONCE), strict=True):
        outputs = network(inputs)
        right = outputs.argmax(-1) == targets if targets.ndim == 1 else (outputs * targets > 0).all(-1)
        wrong += int((~right).sum())
    return wrong / len(x)


def _tensors(network: nn.Module, samples: Labelled) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and targets on the network's device and in its precision.  Raises ValueError if its outputs do not fit."""
    x, y = moved_to(network, samples.inputs), torch.as_tensor(samples.targets)
    try:
        with torch.no_grad():
            outputs = network(x[:1])
    except RuntimeError as problem:
        raise ValueError(f"network must take inputs of shape (samples, {x.shape[1]}): {problem}") from None
    if y.ndim == 2 and outputs.shape != (1, y.shape[1]):
        raise ValueError(f"network must have {y.shape[1]} outputs, as many as targets; got {tuple(outputs.shape[1:])}")
    if y.ndim == 1 and (outputs.ndim != 2 or outputs.shape[1] <= max(1, int(y.max()))):
        got = tuple(outputs.shape[1:])
        raise ValueError(f"network must have an output for each of the classes 0..{int(y.max())}; got shape {got}")
    return x, y.to(x) if y.is_floating_point() else y.long().to(x.device)


def _has_signs(y: torch.Tensor) -> bool:
    """Whether an output can be right or wrong: targets are classes, or -1 and 1."""
    return y.ndim == 1 or bool((y.abs() == 1).all())


@torch.no_grad()
def _check_loss(network: nn.Module, loss: Callable, x: torch.Tensor, y: torch.Tensor) -> None:
    """Raise ValueError if the loss cannot be computed for such targets."""
    try:
        with warnings.catch_warnings(action="ignore"):
            warnings.filterwarnings("error", "Using a target size")  # broadcast against the outputs
            loss(network(x), y)
    except (RuntimeError, IndexError, ValueError, UserWarning) as problem:
        advice = " (classes go with CrossEntropyLoss)" if y.ndim == 1 else ""
        raise ValueError(f"loss {type(loss).__name__} does not take these targets{advice}: {problem}") from None


def _named(module: Any, kind: type, argument: str, name: str) -> Any:
    found = getattr(module, name, None) if isinstance(name, str) else None
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise ValueError(f"{argument} must be the name of a class in {module.__name__}; got {name!r}")
    return found
