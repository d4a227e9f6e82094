"""Reservoir computing: random networks, a trained readout, forecasts and how long they hold."""

from importlib import import_module
from typing import TYPE_CHECKING

from cocycle.reservoir.capacity import Capacity, information_capacity, kernel_rank, memory_capacity
from cocycle.reservoir.classification import SeriesClassifier, train_classifier
from cocycle.reservoir.climate import correlation_dimension, histogram_distance, maxima, power_spectrum
from cocycle.reservoir.design import Design
from cocycle.reservoir.diagnosis import Diagnosis, diagnose
from cocycle.reservoir.exponents import closed_loop_exponents, conditional_exponents
from cocycle.reservoir.features import HalfSquared, Polynomial, WithSquares
from cocycle.reservoir.forecast import Forecaster, forecast
from cocycle.reservoir.intervals import ForecastIntervals, forecast_intervals
from cocycle.reservoir.layered import Deep, DelayLine
from cocycle.reservoir.metrics import ValidTimes, componentwise, euclidean, nrmse, valid_time, valid_times
from cocycle.reservoir.moments import Moments, MomentSum
from cocycle.reservoir.normalisation import Normalisation
from cocycle.reservoir.online import Online, train_online
from cocycle.reservoir.online_rules import LeastMeanSquares, OnlineRule, RecursiveLeastSquares
from cocycle.reservoir.persistence import load, save
from cocycle.reservoir.readout import Readout
from cocycle.reservoir.reservoir import Reservoir
from cocycle.reservoir.ridge import CrossValidated, HeldOut, RidgeChoice, ridge_path, ridge_readout
from cocycle.reservoir.running import RunningForecaster
from cocycle.reservoir.search import MedianValidTime, SearchResult, search
from cocycle.reservoir.space import Range
from cocycle.reservoir.synchronisation import Synchronisation, consistency, synchronisation
from cocycle.reservoir.tables import timed
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

if TYPE_CHECKING:
    from cocycle.reservoir.classifier import ReservoirClassifier
    from cocycle.reservoir.estimator import ReservoirRegressor

__all__ = [
    "Capacity",
    "CrossValidated",
    "Deep",
    "DelayLine",
    "Design",
    "Diagnosis",
    "ForecastIntervals",
    "Forecaster",
    "HalfSquared",
    "HeldOut",
    "LeastMeanSquares",
    "MedianValidTime",
    "MomentSum",
    "Moments",
    "Normalisation",
    "Online",
    "OnlineRule",
    "Polynomial",
    "Range",
    "Readout",
    "RecursiveLeastSquares",
    "Reservoir",
    "ReservoirClassifier",
    "ReservoirRegressor",
    "RidgeChoice",
    "RunningForecaster",
    "SearchResult",
    "SeriesClassifier",
    "Synchronisation",
    "ValidTimes",
    "WithSquares",
    "closed_loop_exponents",
    "compact",
    "componentwise",
    "conditional_exponents",
    "consistency",
    "correlation_dimension",
    "cycle",
    "delay_line",
    "diagnose",
    "euclidean",
    "forecast",
    "forecast_intervals",
    "gaussian",
    "histogram_distance",
    "information_capacity",
    "kernel_rank",
    "largest_singular_value",
    "load",
    "maxima",
    "memory_capacity",
    "nrmse",
    "orthogonal",
    "permutation",
    "power_spectrum",
    "ridge_path",
    "ridge_readout",
    "save",
    "scaled",
    "search",
    "small_world",
    "sparse",
    "spectral_radius",
    "synchronisation",
    "timed",
    "train",
    "train_classifier",
    "train_online",
    "uniform",
    "valid_time",
    "valid_times",
]


def __getattr__(name: str):
    """The names that need scikit-learn."""
    modules = {"ReservoirClassifier": "classifier", "ReservoirRegressor": "estimator"}
    if name not in modules:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"cocycle.reservoir.{modules[name]}"), name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f'{error}: install the extra, python -m pip install -e ".[sklearn]"') from error
