"""Networks as maps: layers, activations, and torch networks as tuples of layers."""

from typing import TYPE_CHECKING

from cocycle.networks.activations import ERF, LINEAR, RELU, TANH, Activation
from cocycle.networks.layers import Layer

if TYPE_CHECKING:
    from cocycle.networks.sequential import feedforward

__all__ = ["ERF", "LINEAR", "RELU", "TANH", "Activation", "Layer", "feedforward"]


def __getattr__(name: str):
    if name == "feedforward":  # only it needs torch, which costs a second to import
        from cocycle.networks.sequential import feedforward

        return feedforward
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
