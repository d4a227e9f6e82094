"""Pointwise non-linearities g, value beside slope, both functions of the local field b: see `cocycle.saturation`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import scipy

from cocycle.arrays import Array, State, namespace
from cocycle.saturation import erf_slope, sigmoid, sigmoid_slope, tanh_slope


@final
@dataclass(frozen=True)
class Activation:
    """g(b) and g'(b), each a function of the local field b of any shape, for numpy and torch arrays.

    `pair`, if given, computes both together at lower cost, g(b) with an absolute error of the rounding of 1.
    """

    name: str
    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    pair: Callable[[Array], tuple[Array, Array]] | None = None

    def both(self, field: State) -> tuple[State, State]:
        """g(b) and g'(b) of local fields b (*batch, n)."""
        followed = (
            namespace(field) is not np and field.requires_grad
        )  # where the pair overflows its gradients would be NaN
        if self.pair is None or field.ndim == 1 or followed:
            return self.value(field), self.slope(field)
        return self.pair(field)


def _tanh(field):
    return namespace(field).tanh(field)


def _tanh_pair(field):
    """One exponential serves both; a tanh costs as much as three.  In place, because new arrays take time."""
    small = namespace(field).exp(-2 * abs(field))
    large = namespace(field).reciprocal(1 + small)
    small *= large
    value = namespace(field).copysign(large - small, field)
    small *= large
    small *= 4
    return value, small


def _erf(field):
    xp = namespace(field)
    return scipy.special.erf(field) if xp is np else xp.erf(field)


def _relu(field):
    return field * (field > 0)


def _relu_slope(field):
    return namespace(field).ones_like(field) * (field > 0)


def _linear(field):
    return field


def _linear_slope(field):
    return namespace(field).ones_like(field)


TANH = Activation("tanh", _tanh, tanh_slope, _tanh_pair)
ERF = Activation("erf", _erf, erf_slope)
SIGMOID = Activation("sigmoid", sigmoid, sigmoid_slope)
RELU = Activation("relu", _relu, _relu_slope)
LINEAR = Activation("linear", _linear, _linear_slope)
