"""Ensembles: networks that differ in their random numbers, and Monte-Carlo dropout of one network."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from cocycle.arrays import as_numpy, floating, generator
from cocycle.networks.data import Dataset
from cocycle.networks.modules import require_evaluation
from cocycle.networks.training import AT_ONCE, Recipe, fit, seeded
from cocycle.networks.weights import moved_to
from cocycle.progress import tracked

Make = Callable[[np.random.Generator], nn.Sequential]


def deep_ensemble(
    make: Make, dataset: Dataset, rng: np.random.Generator | int, recipe: Recipe | None = None, *, members: int = 10
) -> list[nn.Sequential]:
    """Networks make(rng), each initialised and trained with its own random numbers; make must draw all weights from
    rng.

    Lakshminarayanan, Pritzel & Blundell, NIPS 30 (2017).  Raises ValueError for fewer than one member, and as `fit`
    does.
    """
    if members < 1:
        raise ValueError(f"members must be at least 1; got {members}")
    networks = []
    for own in tracked(generator(rng).spawn(members), "ensemble"):
        networks.append(make(own))
        fit(networks[-1], dataset, own, recipe)
    return networks


def probabilities(networks: Sequence[nn.Module], x: np.ndarray) -> np.ndarray:
    """Soft-max predictions (members, samples, classes) of classifiers that return logits, at inputs x (samples, n).

    Raises TypeError for a single network, ValueError for none, for networks in training mode, and for networks that
    return probabilities.
    """
    if isinstance(networks, nn.Module) or not all(isinstance(network, nn.Module) for network in networks):
        raise TypeError(f"networks must be a list of torch modules, [network]; got {type(networks).__name__}")
    if not networks:
        raise ValueError("networks must hold at least one network; got none")
    for network in networks:
        require_evaluation(network)
    return np.stack([_softmax(network, x) for network in networks])


def dropout_probabilities(
    network: nn.Module, x: np.ndarray, rng: np.random.Generator | int, *, samples: int = 20
) -> np.ndarray:
    """Predictions (samples, inputs, classes) of one network with active dropout: Monte-Carlo dropout.

    Gal & Ghahramani, ICML (2016).  The network is left in evaluation mode.  Raises ValueError for a network without
    dropout.
    """
    dropping = [module for module in network.modules() if isinstance(module, _DropoutNd)]
    if not dropping or samples < 1:
        raise ValueError(f"network must have a Dropout module, and samples must be at least 1; got samples={samples}")
    with seeded(generator(rng), next(network.parameters()).device), _training(network, dropping):
        return np.stack([_softmax(network, x) for _ in range(samples)])


@contextmanager
def _training(network: nn.Module, modules: Sequence[nn.Module]) -> Iterator[None]:
    network.eval()
    for module in modules:
        module.train()
    try:
        yield
    finally:
        network.eval()


@torch.no_grad()
def _softmax(network: nn.Module, x: np.ndarray) -> np.ndarray:
    inputs = moved_to(network, floating("x", x))
    outputs = torch.cat([network(part) for part in inputs.split(AT_ONCE)])
    if (outputs >= 0).all() and torch.allclose(outputs.sum(-1), outputs.new_ones(())):
        raise ValueError("networks must return logits; got probabilities: leave out the soft-max at their end")
    return as_numpy(outputs.softmax(-1))
