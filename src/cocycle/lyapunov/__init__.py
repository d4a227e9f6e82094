"""Lyapunov analysis: one QR loop over an iterable of maps, and folds over what it yields."""

from cocycle.lyapunov.covariant import CovariantStep, angles, covariance_residual, covariant, splitting_angle
from cocycle.lyapunov.derived import Estimate, entropy, kaplan_yorke, local_exponents, volume_growth
from cocycle.lyapunov.fields import Field, ftle, jacobian_alignment, plane
from cocycle.lyapunov.finite_time import Stretching, singular_directions, stretching
from cocycle.lyapunov.qr import QRStep, frame, orthonormalise, qr_steps
from cocycle.lyapunov.spectrum import Diverged, Spectrum, collect, spectrum
from cocycle.lyapunov.step_error import StepError

__all__ = [
    "CovariantStep",
    "Diverged",
    "Estimate",
    "Field",
    "QRStep",
    "Spectrum",
    "StepError",
    "Stretching",
    "angles",
    "collect",
    "covariance_residual",
    "covariant",
    "entropy",
    "frame",
    "ftle",
    "jacobian_alignment",
    "kaplan_yorke",
    "local_exponents",
    "orthonormalise",
    "plane",
    "qr_steps",
    "singular_directions",
    "spectrum",
    "splitting_angle",
    "stretching",
    "volume_growth",
]
