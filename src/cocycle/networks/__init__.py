"""Networks as maps: layers, activations, recurrent networks, and torch networks as tuples of layers."""

from typing import TYPE_CHECKING

from cocycle.networks.activations import ERF, LINEAR, RELU, TANH, Activation
from cocycle.networks.layers import Layer, Pointwise
from cocycle.networks.recurrent import RateNetwork, hopfield

if TYPE_CHECKING:
    from cocycle.networks.cells import Cell
    from cocycle.networks.sequential import feedforward

__all__ = [
    "ERF",
    "LINEAR",
    "RELU",
    "TANH",
    "Activation",
    "Cell",
    "Layer",
    "Pointwise",
    "RateNetwork",
    "feedforward",
    "hopfield",
]


def __getattr__(name: str):
    """The names that need torch, which costs a second to import."""
    if name == "feedforward":
        from cocycle.networks.sequential import feedforward

        return feedforward
    if name == "Cell":
        from cocycle.networks.cells import Cell

        return Cell
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
