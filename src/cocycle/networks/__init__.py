"""Networks as maps: layers, activations, recurrent networks, torch networks; their training, ensembles, uncertainty."""

from typing import TYPE_CHECKING

from cocycle.arrays import torch_module
from cocycle.networks.activations import ERF, LINEAR, RELU, SIGMOID, TANH, Activation
from cocycle.networks.data import Dataset, Labelled, circle, digits, mnist, split
from cocycle.networks.layers import Layer, Pointwise, Residual
from cocycle.networks.recurrent import RateNetwork, hopfield
from cocycle.networks.uncertainty import AccuracyMap, Uncertainty, accuracy_map, binned, uncertainty

if TYPE_CHECKING:
    from cocycle.autodiff import Autodiff
    from cocycle.networks.acquisition import Plan, learn_actively
    from cocycle.networks.adversarial import adversarial_path, towards, with_bottleneck
    from cocycle.networks.cells import Cell
    from cocycle.networks.closed import RecurrentForecaster, Windowed
    from cocycle.networks.ensembles import deep_ensemble, dropout_probabilities, probabilities
    from cocycle.networks.feed_forward import feedforward
    from cocycle.networks.losses import EarlyStretching, EdgeOfChaos, Flossing, JacobianNorm, Misalignment
    from cocycle.networks.training import Recipe, error, fit, perceptron

__all__ = [
    "ERF",
    "LINEAR",
    "RELU",
    "SIGMOID",
    "TANH",
    "AccuracyMap",
    "Activation",
    "Autodiff",
    "Cell",
    "Dataset",
    "EarlyStretching",
    "EdgeOfChaos",
    "Flossing",
    "JacobianNorm",
    "Labelled",
    "Layer",
    "Misalignment",
    "Plan",
    "Pointwise",
    "RateNetwork",
    "Recipe",
    "RecurrentForecaster",
    "Residual",
    "Uncertainty",
    "Windowed",
    "accuracy_map",
    "adversarial_path",
    "binned",
    "circle",
    "deep_ensemble",
    "digits",
    "dropout_probabilities",
    "error",
    "feedforward",
    "fit",
    "hopfield",
    "learn_actively",
    "mnist",
    "perceptron",
    "probabilities",
    "split",
    "towards",
    "uncertainty",
    "with_bottleneck",
]

# names whose modules import torch, which takes a second: imported when first used
TORCH = {
    "cocycle.autodiff": ("Autodiff",),
    "cocycle.networks.acquisition": ("Plan", "learn_actively"),
    "cocycle.networks.adversarial": ("adversarial_path", "towards", "with_bottleneck"),
    "cocycle.networks.cells": ("Cell",),
    "cocycle.networks.closed": ("RecurrentForecaster", "Windowed"),
    "cocycle.networks.ensembles": ("deep_ensemble", "dropout_probabilities", "probabilities"),
    "cocycle.networks.feed_forward": ("feedforward",),
    "cocycle.networks.losses": ("EarlyStretching", "EdgeOfChaos", "Flossing", "JacobianNorm", "Misalignment"),
    "cocycle.networks.training": ("Recipe", "error", "fit", "perceptron"),
}


def __getattr__(name: str):
    for module, names in TORCH.items():
        if name in names:
            return getattr(torch_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
