"""The linear readout: ridge regression from moments, which are all that training keeps of the states."""

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy import linalg

from cocycle.arrays import Array, require_finite


@final
@dataclass(frozen=True, eq=False)
class Moments:
    """R Rᵀ (*batch, n, n) and Y Rᵀ (*batch, m, n), sums over `count` times of states r and targets y."""

    states: np.ndarray
    targets: np.ndarray
    count: int


@final
class MomentSum:
    """Moments in the making: `add` a state and its target at a time, then take the `total`.

    Everything is float64, whatever the states are: in float32 the sums lose their positive definiteness.  States wait
    in a block of 2n times, which is one matrix product: twice the memory of the moments themselves.
    """

    def __init__(self, batch: tuple[int, ...], n: int, m: int):
        self._states, self._targets = np.empty((*batch, 2 * n, n)), np.empty((*batch, 2 * n, m))
        self._square, self._cross = np.zeros((*batch, n, n)), np.zeros((*batch, m, n))
        self._waiting = self._count = 0

    def add(self, state: Array, target: Array) -> None:
        """Add r (*batch, n) and y (*batch, m), or a y (m,) that the whole batch shares."""
        self._states[..., self._waiting, :] = state
        self._targets[..., self._waiting, :] = target
        self._waiting += 1
        if self._waiting == self._states.shape[-2]:
            self._flush()

    def total(self) -> Moments:
        """The moments of all that was added."""
        self._flush()
        return Moments(self._square, self._cross, self._count)

    def _flush(self) -> None:
        r, y = self._states[..., : self._waiting, :], self._targets[..., : self._waiting, :]
        self._square += r.swapaxes(-1, -2) @ r
        self._cross += y.swapaxes(-1, -2) @ r
        self._count, self._waiting = self._count + self._waiting, 0


def ridge_readout(moments: Moments, ridge: float) -> np.ndarray:
    """W_out (*batch, m, n) = Y Rᵀ (R Rᵀ + ridge I)⁻¹, by Cholesky factors.

    `ridge` is added to the sum over times, not to the mean.  Raises ValueError if it is negative or not finite,
    and where R Rᵀ + ridge I is singular to rounding, with what to do about it.
    """
    check_ridge(ridge)
    require_finite("the moments of the states", moments.states)
    n = moments.states.shape[-1]
    squares, crosses = (
        moments.states.reshape(-1, n, n),
        moments.targets.reshape(-1, *moments.targets.shape[-2:]),
    )
    readouts = [_solve(square, cross, ridge) for square, cross in zip(squares, crosses, strict=True)]
    return np.stack(readouts).reshape(moments.targets.shape)


def check_ridge(ridge: float) -> None:
    """Raise ValueError unless 0 <= ridge < infinity."""
    if not 0 <= ridge < np.inf:
        raise ValueError(f"ridge must be a finite number >= 0; got {ridge}")


def _solve(square, cross, ridge):
    regularised = square + ridge * np.eye(len(square))
    try:
        factor = linalg.cho_factor(regularised)
    except linalg.LinAlgError:
        smallest = np.finfo(float).eps * np.trace(square)
        raise ValueError(
            f"R Rᵀ + ridge I is singular to rounding with ridge={ridge}: the states span fewer than "
            f"{len(square)} dimensions; take a ridge above about {smallest:.1e}"
        ) from None
    return linalg.cho_solve(factor, cross.T).T
