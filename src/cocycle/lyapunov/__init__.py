"""Lyapunov analysis: one QR loop over an iterable of maps, and quantities computed from the steps that it yields."""

from cocycle.lyapunov.covariant import CovariantStep, angles, covariance_residual, covariant_vectors, splitting_angle
from cocycle.lyapunov.derived import Estimate, entropy, kaplan_yorke, local_exponents, volume_growth
from cocycle.lyapunov.embedding import (
    EmbeddingDelay,
    EmbeddingDimension,
    embed,
    embedding_delay,
    embedding_dimension,
)
from cocycle.lyapunov.exponents import Diverged, Spectrum
from cocycle.lyapunov.fields import Field, ftle, jacobian_alignment
from cocycle.lyapunov.finite_time import FiniteTimeExponents, finite_time_exponents
from cocycle.lyapunov.from_series import SeriesExponent, exponent_from_series
from cocycle.lyapunov.input_planes import Plane, plane, plane_through, straight_path
from cocycle.lyapunov.leading import (
    LeadingExponents,
    component_groups,
    exponents_by_group,
    exponents_by_layer,
    leading_exponents,
)
from cocycle.lyapunov.qr import QRStep, frame, orthonormalise, qr_steps
from cocycle.lyapunov.spectrum import collect, lyapunov_spectrum
from cocycle.lyapunov.step_error import StepError

__all__ = [
    "CovariantStep",
    "Diverged",
    "EmbeddingDelay",
    "EmbeddingDimension",
    "Estimate",
    "Field",
    "FiniteTimeExponents",
    "LeadingExponents",
    "Plane",
    "QRStep",
    "SeriesExponent",
    "Spectrum",
    "StepError",
    "angles",
    "collect",
    "component_groups",
    "covariance_residual",
    "covariant_vectors",
    "embed",
    "embedding_delay",
    "embedding_dimension",
    "entropy",
    "exponent_from_series",
    "exponents_by_group",
    "exponents_by_layer",
    "finite_time_exponents",
    "frame",
    "ftle",
    "jacobian_alignment",
    "kaplan_yorke",
    "leading_exponents",
    "local_exponents",
    "lyapunov_spectrum",
    "orthonormalise",
    "plane",
    "plane_through",
    "qr_steps",
    "splitting_angle",
    "straight_path",
    "volume_growth",
]
