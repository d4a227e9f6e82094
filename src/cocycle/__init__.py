"""Networks as dynamical systems: every network is a discrete map, one Lyapunov engine serves them all."""

from typing import TYPE_CHECKING

from cocycle.adjoint import adjoint
from cocycle.arrays import torch_module
from cocycle.diagnosis import diagnose
from cocycle.driven import Coupled
from cocycle.flows import Flow, Residual
from cocycle.lyapunov import Diverged, Spectrum, frame, ftle, orthonormalise, plane, qr_steps, spectrum, stretching
from cocycle.maps import Composed, Linear, Map, Relaxed, Select, VectorField, orbit, trajectory
from cocycle.networks import ERF, LINEAR, RELU, TANH, Activation, Layer
from cocycle.progress import show_progress
from cocycle.reservoir import Reservoir, forecast, train, valid_time
from cocycle.straightline import Compiled
from cocycle.sweeps import Archive, Grid, run

if TYPE_CHECKING:
    from cocycle.autodiff import Autodiff as Autodiff
    from cocycle.networks.sequential import feedforward as feedforward

__all__ = [
    "ERF",
    "LINEAR",
    "RELU",
    "TANH",
    "Activation",
    "Archive",
    "Compiled",
    "Composed",
    "Coupled",
    "Diverged",
    "Flow",
    "Grid",
    "Layer",
    "Linear",
    "Map",
    "Relaxed",
    "Reservoir",
    "Residual",
    "Select",
    "Spectrum",
    "VectorField",
    "adjoint",
    "diagnose",
    "forecast",
    "frame",
    "ftle",
    "orbit",
    "orthonormalise",
    "plane",
    "qr_steps",
    "run",
    "show_progress",
    "spectrum",
    "stretching",
    "train",
    "trajectory",
    "valid_time",
]


def __getattr__(name: str):
    """The two names that need torch, which is imported when they are first asked for."""
    if name == "Autodiff":
        return torch_module("cocycle.autodiff").Autodiff
    if name == "feedforward":
        return torch_module("cocycle.networks.sequential").feedforward
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
