"""The linear readout: ridge regression from moments, which are all that training keeps of the states."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import final

import numpy as np
from scipy import linalg

from cocycle.arrays import Array, require_finite

CHUNK_BYTES = 32 * 2**20  # states that wait to be multiplied: few enough for the cache, many enough for speed


@final
@dataclass(frozen=True, eq=False)
class Moments:
    """R Rᵀ (*batch, n, n) and Y Rᵀ (*batch, m, n), summed over `count` times in float64 whatever the states are."""

    states: np.ndarray
    targets: np.ndarray
    count: int


def moments(states: Iterable[Array], targets: np.ndarray, washout: int) -> Moments:
    """The moments of states r[t] (*batch, n) with targets y (time, *batch, m), the first `washout` times dropped.

    Sums over blocks of times, so that each block is one matrix product and no more of the orbit is held than
    CHUNK_BYTES.  Raises ValueError if the series is not longer than the washout.
    """
    if not 0 <= washout < len(targets):
        raise ValueError(f"washout must be in 0..{len(targets) - 1} for {len(targets)} training steps; got {washout}")
    states = iter(states)
    for _ in islice(states, washout):
        pass
    square = cross = 0.0
    done = washout
    for r in _chunks(states):
        y = targets[done : done + len(r)]
        done += len(r)
        rows = np.moveaxis(r, 0, -2)
        square = square + rows.swapaxes(-1, -2) @ rows
        cross = cross + np.moveaxis(y, 0, -1) @ rows
    return Moments(square, cross, done - washout)


def _chunks(states: Iterator[Array]) -> Iterator[np.ndarray]:
    for first in states:
        first = np.asarray(first, dtype=np.float64)
        length = max(CHUNK_BYTES // first.nbytes, 16)
        yield np.stack([first, *islice(states, length - 1)], dtype=np.float64)


def ridge_readout(moments: Moments, ridge: float) -> np.ndarray:
    """W_out (*batch, m, n) = Y Rᵀ (R Rᵀ + ridge I)⁻¹, by Cholesky factors.

    `ridge` is added to the sum over times, not to the mean.  Raises ValueError if it is negative or not finite,
    and where R Rᵀ + ridge I is singular to rounding, with what to do about it.
    """
    check_ridge(ridge)
    require_finite("the moments of the states", moments.states)
    n = moments.states.shape[-1]
    squares, crosses = moments.states.reshape(-1, n, n), moments.targets.reshape(-1, *moments.targets.shape[-2:])
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
