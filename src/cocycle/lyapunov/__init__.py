"""Lyapunov analysis: one QR loop over an iterable of maps, and folds over what it yields."""

from cocycle.lyapunov.finite_time import Stretching, singular_directions, stretching
from cocycle.lyapunov.qr import QRStep, frame, orthonormalise, qr_steps
from cocycle.lyapunov.spectrum import Diverged, Spectrum, collect, spectrum

__all__ = [
    "Diverged",
    "QRStep",
    "Spectrum",
    "Stretching",
    "collect",
    "frame",
    "orthonormalise",
    "qr_steps",
    "singular_directions",
    "spectrum",
    "stretching",
]
