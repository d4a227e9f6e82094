"""Slopes of functions that saturate, from the local field b: for numpy and torch arrays.

From the output y, 1 - tanh² b and y (1 - y) would be exactly 0 beyond |b| = 19 in double precision, 9 in single, where
the slope is not 0, and an exponent of -48.6 would become -inf.
"""

import math

import numpy as np
import scipy

from cocycle.arrays import Array, namespace


def tanh_slope(b: Array) -> Array:
    """sech² b."""
    e = namespace(b).exp(-2 * abs(b))  # a third of the time of a hyperbolic cosine
    return 4 * e / (1 + e) ** 2


def sigmoid(b: Array) -> Array:
    """1 / (1 + exp(-b)), without overflow."""
    return scipy.special.expit(b) if namespace(b) is np else namespace(b).sigmoid(b)


def sigmoid_slope(b: Array) -> Array:
    e = namespace(b).exp(-abs(b))
    return e / (1 + e) ** 2


def erf_slope(b: Array) -> Array:
    return 2 / math.sqrt(math.pi) * namespace(b).exp(-(b**2))


def softsign_slope(b: Array) -> Array:
    """The slope of b / (1 + |b|)."""
    return 1 / (1 + abs(b)) ** 2


def tanhshrink_slope(b: Array) -> Array:
    """The slope of b - tanh b, accurate where it is small."""
    return namespace(b).tanh(b) ** 2


def silu_slope(b: Array) -> Array:
    """The slope of b sigmoid(b)."""
    return sigmoid(b) * (1 + b * sigmoid(-b))


def gelu_tanh_slope(b: Array) -> Array:
    """The slope of b (1 + tanh u) / 2 with u = √(2/π) (b + 0.044715 b³)."""
    scale = math.sqrt(2 / math.pi)
    u = scale * (b + 0.044715 * b**3)
    return sigmoid(2 * u) + b / 2 * tanh_slope(u) * scale * (1 + 3 * 0.044715 * b**2)
