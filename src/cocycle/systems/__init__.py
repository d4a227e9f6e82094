"""Chaotic maps, vector fields, delay equations and partial differential equations, with their tangent maps."""

from cocycle.systems.delay import DelayEquation, MackeyGlass
from cocycle.systems.dysts import DystsFlow, DystsMap, dysts_estimates, dysts_names, from_dysts
from cocycle.systems.lines import Interval, MethodOfLines
from cocycle.systems.maps import (
    Bernoulli,
    CoupledMapLattice,
    Henon,
    Ikeda,
    Logistic,
    Lozi,
    Standard,
    Tent,
    ToralAutomorphism,
)
from cocycle.systems.series import ContinuousSystem, DiscreteSystem, System
from cocycle.systems.spatial import KuramotoSivashinsky
from cocycle.systems.vector_fields import (
    Chua,
    Halvorsen,
    HyperRossler,
    Lorenz63,
    Lorenz84,
    Lorenz96,
    Rossler,
    Sprott,
    Thomas,
)

__all__ = [
    "Bernoulli",
    "Chua",
    "ContinuousSystem",
    "CoupledMapLattice",
    "DelayEquation",
    "DiscreteSystem",
    "DystsFlow",
    "DystsMap",
    "Halvorsen",
    "Henon",
    "HyperRossler",
    "Ikeda",
    "Interval",
    "KuramotoSivashinsky",
    "Logistic",
    "Lorenz63",
    "Lorenz84",
    "Lorenz96",
    "Lozi",
    "MackeyGlass",
    "MethodOfLines",
    "Rossler",
    "Sprott",
    "Standard",
    "System",
    "Tent",
    "Thomas",
    "ToralAutomorphism",
    "dysts_estimates",
    "dysts_names",
    "from_dysts",
]
