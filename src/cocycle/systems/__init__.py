"""The zoo: chaotic maps and vector fields, each value beside its derivative."""

from cocycle.systems.fields import Lorenz63, Lorenz96, Rossler
from cocycle.systems.maps import Henon, Ikeda, Logistic, ToralAutomorphism
from cocycle.systems.series import ContinuousSystem, DiscreteSystem

__all__ = [
    "ContinuousSystem",
    "DiscreteSystem",
    "Henon",
    "Ikeda",
    "Logistic",
    "Lorenz63",
    "Lorenz96",
    "Rossler",
    "ToralAutomorphism",
]
