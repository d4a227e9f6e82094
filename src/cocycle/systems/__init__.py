"""The zoo: chaotic maps, vector fields, delay equations and fields in space, each value beside its derivative."""

from cocycle.systems.delay import MackeyGlass
from cocycle.systems.fields import (
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
from cocycle.systems.series import ContinuousSystem, DiscreteSystem
from cocycle.systems.spatial import KuramotoSivashinsky

__all__ = [
    "Bernoulli",
    "Chua",
    "ContinuousSystem",
    "CoupledMapLattice",
    "DiscreteSystem",
    "Halvorsen",
    "Henon",
    "HyperRossler",
    "Ikeda",
    "KuramotoSivashinsky",
    "Logistic",
    "Lorenz63",
    "Lorenz84",
    "Lorenz96",
    "Lozi",
    "MackeyGlass",
    "Rossler",
    "Sprott",
    "Standard",
    "Tent",
    "Thomas",
    "ToralAutomorphism",
]
