"""Can the last exponents be trusted?  Only if the frame did not spread too much between two orthonormalisations."""

import warnings
from collections.abc import Iterable, Iterator

import numpy as np

from cocycle.arrays import Array, as_numpy, constant, tolerances
from cocycle.lyapunov.qr import QRStep


def diagonal_of(r: Array) -> np.ndarray:
    """diag(r) (..., m) with what rounding made zero, or left without all its digits, as the least number there is.

    A zero is exact where the map takes a vector of the frame to zero, the whole column; elsewhere it is what is left of
    a difference.
    """
    r = as_numpy(constant(r))
    diagonal = np.diagonal(r, axis1=-2, axis2=-1)
    if diagonal.size and diagonal.min() >= tolerances(r.dtype).smallest:
        return diagonal
    diagonal = diagonal.astype(np.float64)
    column = abs(r[..., : diagonal.shape[-1]]).max(-2)
    return np.where((diagonal < tolerances(r.dtype).smallest) & (column > 0), np.nextafter(0, 1), diagonal)


def spread_of(logs: np.ndarray) -> np.ndarray:
    """ln of the largest factor up to each column over its own, from ln diag(r) (..., k): 0 where a factor is exactly
    zero, which is exact, a projection."""
    with np.errstate(all="ignore"):
        spread = np.maximum.accumulate(logs, axis=-1) - logs
    return np.where(np.isfinite(spread), spread, 0.0)


class Spread:
    """How much the frame spreads between two orthonormalisations, watched to warn of exponents that are noise.

    QR knows r_ii to about eps max_j r_jj, j <= i: beyond a ratio of `tolerances(dtype).lost_spread` it is noise.
    """

    def __init__(self):
        self.limit = np.inf
        self.largest = np.zeros(1)  # (k,): ln of the ratio, over all members of the batch and all steps
        self.waiting: list[np.ndarray] = []  # diagonals of r, looked at many at a time

    def watched(self, loop: Iterable[QRStep]) -> Iterator[QRStep]:
        for step in loop:
            self.limit = tolerances(step.r.dtype).lost_spread
            self.waiting.append(diagonal_of(step.r))
            if len(self.waiting) == 100:
                self._look()
            yield step

    def _look(self) -> None:
        rows = [diagonal.reshape(-1, diagonal.shape[-1]) for diagonal in self.waiting]
        self.waiting = []
        with np.errstate(all="ignore"):
            logs = np.log(np.concatenate(rows) if rows else np.ones((1, 1)))
        self.largest = np.maximum(self.largest, spread_of(logs).max(0))

    def warn(self, stacklevel: int) -> None:
        self._look()
        lost = np.flatnonzero(self.largest > np.log(self.limit))
        if len(lost):
            warnings.warn(
                f"exponents from number {lost[0] + 1} on cannot be trusted: the pushed frame spread by up to"
                f" 1e{np.max(self.largest) / np.log(10):.0f} between two orthonormalisations: take a smaller `every`,"
                ' or "auto", and if these do not help, fewer exponents, or double precision where it is single',
                stacklevel=stacklevel,
            )
