"""Reservoir computing: random networks, a trained readout, forecasts and how long they hold."""

from cocycle.reservoir.forecast import Forecaster, forecast, train
from cocycle.reservoir.metrics import componentwise, euclidean, valid_time
from cocycle.reservoir.readout import Moments, MomentSum, ridge_readout
from cocycle.reservoir.reservoir import Reservoir
from cocycle.reservoir.weights import gaussian, orthogonal, scaled, sparse, uniform

__all__ = [
    "Forecaster",
    "MomentSum",
    "Moments",
    "Reservoir",
    "componentwise",
    "euclidean",
    "forecast",
    "gaussian",
    "orthogonal",
    "ridge_readout",
    "scaled",
    "sparse",
    "train",
    "uniform",
    "valid_time",
]
