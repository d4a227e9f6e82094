"""The spread of the frame between two orthonormalisations: the last exponents are unreliable where it is too large."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator

import numpy as np

from cocycle.arrays import Exponents, Factor, as_numpy, constant, double, namespace, tolerances
from cocycle.lyapunov.blocks import QRBlock
from cocycle.lyapunov.qr import QRStep


def log_diagonal(r: Factor) -> Exponents:
    """ln diag(r) in double precision; -inf, which is right for a projection, without a warning."""
    xp = namespace(r)
    with np.errstate(divide="ignore", invalid="ignore"):
        return xp.log(double(xp.linalg.diagonal(r)))


def diagonal_of(r: Factor) -> np.ndarray:
    """diag(r) (..., m), where elements that are zero or denormal by rounding are the smallest positive number.

    A zero is exact where the map takes a vector of the frame to zero: then the whole column is zero.  Elsewhere it is
    the rounded difference of larger numbers.
    """
    r = as_numpy(constant(r))
    diagonal = np.diagonal(r, axis1=-2, axis2=-1)
    if diagonal.size and diagonal.min() >= tolerances(r.dtype).smallest:
        return diagonal
    diagonal = diagonal.astype(np.float64)
    column = abs(r[..., : diagonal.shape[-1]]).max(-2)
    return np.where((diagonal < tolerances(r.dtype).smallest) & (column > 0), np.nextafter(0, 1), diagonal)


def spread_of(logs: np.ndarray) -> np.ndarray:
    """ln of the ratio of the largest factor up to each column to that of the column, from ln diag(r) (..., k).

    0 where a factor is exactly zero, that of a projection.
    """
    spread, largest = np.empty_like(logs), logs[..., 0]
    with np.errstate(all="ignore"):
        for j in range(logs.shape[-1]):  # faster than maximum.accumulate where there are few columns
            largest = np.maximum(largest, logs[..., j])
            np.subtract(largest, logs[..., j], out=spread[..., j])
    spread[~np.isfinite(spread)] = 0.0
    return spread


class Spread:
    """The largest spread of the frame between two orthonormalisations of a run, to warn of unreliable exponents.

    The error of r_ii in QR is about eps max_j r_jj, j <= i: above a ratio of `tolerances(dtype).lost_spread` r_ii is
    unreliable.
    """

    def __init__(self):
        self.limit = np.inf
        self.largest = np.zeros(1)  # (k,): ln of the ratio, over all members of the batch and all steps
        self.waiting: list[np.ndarray] = []  # diagonals of r, evaluated a hundred together

    def watched(self, loop: Iterable[QRStep | QRBlock]) -> Iterator[QRStep | QRBlock]:
        for step in loop:
            if isinstance(step, QRBlock):
                self.limit = tolerances(step.logs.dtype).lost_spread
                self._add(step.logs.reshape(-1, step.logs.shape[-1]))
            else:
                self.limit = tolerances(step.r.dtype).lost_spread
                self.waiting.append(diagonal_of(step.r))
                if len(self.waiting) == 100:
                    self._evaluate()
            yield step

    def _add(self, logs: np.ndarray) -> None:
        self.largest = np.maximum(self.largest, spread_of(logs).max(0))

    def _evaluate(self) -> None:
        rows = [diagonal.reshape(-1, diagonal.shape[-1]) for diagonal in self.waiting]
        self.waiting = []
        if rows:
            with np.errstate(all="ignore"):
                self._add(np.log(np.concatenate(rows)))

    def warn(self, stacklevel: int) -> None:
        self._evaluate()
        lost = np.flatnonzero(self.largest > np.log(self.limit))
        if len(lost):
            warnings.warn(
                f"exponents from number {lost[0] + 1} on are unreliable: the spread of the frame reached"
                f" 1e{np.max(self.largest) / np.log(10):.0f} between two orthonormalisations; take a smaller `every`,"
                ' or "auto", and if these do not help, fewer exponents, or double precision where it is single',
                stacklevel=stacklevel,
            )
