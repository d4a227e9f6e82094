"""The linear readout: ridge regression from moments, which are all that training keeps of the states."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import final

import numpy as np
from scipy import linalg

from cocycle.arrays import Array, require_finite

@final
@dataclass(frozen=True, eq=False)
class Moments:
    """R Rᵀ (*batch, n, n) and Y Rᵀ (*batch, m, n), summed over `count` times in float64 whatever the states are."""

    states: np.ndarray
    targets: np.ndarray
    count: int


def moments(states: Iterable[Array], targets: np.ndarray, washout: int) -> Moments:
    """The moments of states r[t] (*batch, n) with targets y (time, *batch, m), the first `washout` times dropped.

    Sums over blocks of 2n times: each is one matrix product, and no more of the orbit is held than twice the memory
    of the moments themselves.  Raises ValueError if the series is not longer than the washout.
    """
    if not 0 <= washout < len(targets):
        raise ValueError(f"washout must be in 0..{len(targets) - 1} for {len(targets)} training steps; got {washout}")
    states = islice(iter(states), washout, len(targets))
    first = next(states)
    *batch, n = first.shape
    block = np.empty((*batch, 2 * n, n))
    square, cross = np.zeros((*batch, n, n)), np.zeros((*batch, targets.shape[-1], n))
    done = washout
    for states in _blocks(chain([first], states), block):
        y = np.moveaxis(targets[done : done + states.shape[-2]], 0, -1)
        square += states.swapaxes(-1, -2) @ states
        cross += y @ states
        done += states.shape[-2]
    return Moments(square, cross, done - washout)


def _blocks(states: Iterator[Array], block: np.ndarray) -> Iterator[np.ndarray]:
    """States (*batch, n) written side by side into block (*batch, times, n), which is yielded when it is full."""
    filled = 0
    for state in states:
        block[..., filled, :] = state
        filled += 1
        if filled == block.shape[-2]:
            yield block
            filled = 0
    if filled:
        yield block[..., :filled, :]


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
