"""Affine, then pointwise: the map of a reservoir step, an RNN step, a dense layer and a closed loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from cocycle.arrays import Array, Weight, is_number
from cocycle.maps import Dual, Map, cotangent
from cocycle.networks.activations import TANH, Activation
from cocycle.operators import Operator, linear, linear_block, linear_pair, transposed


@final
@dataclass(frozen=True, eq=False)
class Layer(Dual):
    """x -> g(gain * (w x) + bias).

    Shapes: weight w (p, n) or (*batch, p, n), bias (p,) or (*batch, p) or a number, gain (*batch, 1) or a number:
    one shared w and a batch of gains is a batch of networks that differ in their spectral radius.
    """

    weight: Weight | Operator
    bias: Array | float = 0.0
    activation: Activation = TANH
    gain: Array | float = 1.0
    dt: float = 1.0

    def __call__(self, x):
        return self.activation.value(self._times_gain(linear(self.weight, x)) + self.bias)

    def tangent(self, x, q):
        field, pushed = linear_pair(self.weight, x, q)
        field = self._times_gain(field) + self.bias
        value, slope = self.activation.both(field)
        return value, self._times_gain(slope)[..., None] * pushed

    def cotangent(self, x, p):
        field = self._times_gain(linear(self.weight, x)) + self.bias
        slope = self._times_gain(self.activation.slope(field))
        return linear_block(transposed(self.weight), slope[..., None] * p)

    def __repr__(self):
        p, n = self.weight.shape[-2:]
        return f"Layer({n} → {p}, {self.activation.name})"

    def _times_gain(self, a):
        return a if is_number(self.gain) and self.gain == 1 else self.gain * a


@final
@dataclass(frozen=True)
class Pointwise(Dual):
    """x -> g(x), one unit at a time."""

    activation: Activation = TANH
    dt: float = 1.0

    def __call__(self, x):
        return self.activation.value(x)

    def tangent(self, x, q):
        value, slope = self.activation.both(x)
        return value, slope[..., None] * q

    def cotangent(self, x, p):
        return self.activation.slope(x)[..., None] * p


@final
@dataclass(frozen=True, eq=False)
class Residual(Dual):
    """x -> x + dt f(x): a residual layer, or a step of x' = f(x) by Euler's method, over the time dt.

    Raises ValueError unless dt is positive.
    """

    map: Map
    dt: float = 1.0

    def __post_init__(self):
        if not self.dt > 0:
            raise ValueError(f"dt must be positive; got {self.dt}")

    def __call__(self, x):
        return x + self.dt * self.map(x)

    def tangent(self, x, q):
        y, s = self.map.tangent(x, q)
        return x + self.dt * y, q + self.dt * s

    def cotangent(self, x, p):
        return p + self.dt * cotangent(self.map, x, p)
