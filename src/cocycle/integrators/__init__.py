"""Integrators: one step of x' = v(t, x), of the state alone or of state and frame together."""

from cocycle.integrators.adaptive import AdaptiveIntegrator
from cocycle.integrators.base import Integrator
from cocycle.integrators.dormand_prince import DormandPrince
from cocycle.integrators.fixed import RungeKutta
from cocycle.integrators.radau import Radau
from cocycle.integrators.symplectic import Symplectic

__all__ = ["AdaptiveIntegrator", "DormandPrince", "Integrator", "Radau", "RungeKutta", "Symplectic"]
