"""Recurrent networks as dynamical systems: random rate networks and associative memories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from cocycle.arrays import Weight, floating, generator
from cocycle.maps import VectorField
from cocycle.networks.activations import TANH, Activation
from cocycle.networks.layers import Layer
from cocycle.operators import linear, linear_block


@final
@dataclass(frozen=True, eq=False)
class RateNetwork(VectorField):
    """x' = -x + w g(x), per unit of the neurons' time constant; weight w (n, n).

    For independent Gaussian weights of variance gain²/n it is chaotic above gain = 1 (n → ∞, g = tanh).  Sompolinsky,
    Crisanti & Sommers, Phys. Rev. Lett. 61, 259 (1988).
    """

    weight: Weight
    activation: Activation = TANH

    @classmethod
    def gaussian(cls, size: int, gain: float = 2.0, *, rng: np.random.Generator | int = 0) -> RateNetwork:
        """A network of `size` units with independent Gaussian weights of variance gain²/size."""
        return cls(generator(rng).normal(scale=gain / size**0.5, size=(size, size)))

    def __call__(self, x):
        return linear(self.weight, self.activation.value(x)) - x

    def tangent(self, x, q):
        return self(x), linear_block(self.weight, self.activation.slope(x)[..., None] * q) - q


def hopfield(patterns: np.ndarray, gain: float = 2.0) -> Layer:
    """x -> tanh(gain w x) with Hebb's weights w = (1/n) Σ ξ ξᵀ, no self-coupling, for patterns ξ (count, n) of ±1.

    A pattern is stored where the map has an attracting fixed point near it: its largest exponent is negative.  All
    units are updated at once.  Hopfield, Proc. Natl. Acad. Sci. USA 81, 3088 (1984).

    Raises ValueError unless the patterns are of ±1.
    """
    patterns = floating("patterns", patterns)
    if patterns.ndim != 2 or not (abs(patterns) == 1).all():
        raise ValueError(f"patterns must have shape (count, n) and elements of ±1; got shape {patterns.shape}")
    weight = patterns.T @ patterns / patterns.shape[-1]
    np.fill_diagonal(weight, 0.0)
    return Layer(weight, gain=gain)
