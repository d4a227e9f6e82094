"""Lyapunov analysis: one QR loop over an iterable of maps, and folds over what it yields."""

from cocycle.lyapunov.finite_time import stretching
from cocycle.lyapunov.qr import QRStep, frame, orthonormalise, qr_steps
from cocycle.lyapunov.spectrum import Diverged, Spectrum, collect, spectrum

__all__ = [
    "Diverged",
    "QRStep",
    "Spectrum",
    "collect",
    "frame",
    "orthonormalise",
    "qr_steps",
    "spectrum",
    "stretching",
]
