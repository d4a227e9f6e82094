"""Reservoir computing: random networks, a trained readout, forecasts and how long they hold."""

from cocycle.reservoir.features import HalfSquared, Polynomial, WithSquares
from cocycle.reservoir.forecast import Forecaster, forecast
from cocycle.reservoir.layered import Deep, DelayLine
from cocycle.reservoir.metrics import componentwise, euclidean, valid_time
from cocycle.reservoir.normalisation import Normalisation
from cocycle.reservoir.readout import (
    CrossValidated,
    HeldOut,
    Moments,
    MomentSum,
    Readout,
    RidgeChoice,
    ridge_path,
    ridge_readout,
)
from cocycle.reservoir.reservoir import Reservoir
from cocycle.reservoir.task import Design
from cocycle.reservoir.training import train
from cocycle.reservoir.weights import (
    compact,
    cycle,
    delay_line,
    gaussian,
    largest_singular_value,
    orthogonal,
    permutation,
    scaled,
    small_world,
    sparse,
    spectral_radius,
    uniform,
)

__all__ = [
    "CrossValidated",
    "Deep",
    "DelayLine",
    "Design",
    "Forecaster",
    "HalfSquared",
    "HeldOut",
    "MomentSum",
    "Moments",
    "Normalisation",
    "Polynomial",
    "Readout",
    "Reservoir",
    "RidgeChoice",
    "WithSquares",
    "compact",
    "componentwise",
    "cycle",
    "delay_line",
    "euclidean",
    "forecast",
    "gaussian",
    "largest_singular_value",
    "orthogonal",
    "permutation",
    "ridge_path",
    "ridge_readout",
    "scaled",
    "small_world",
    "sparse",
    "spectral_radius",
    "train",
    "uniform",
    "valid_time",
]
