"""Sums over times of products of states and targets: all that ridge regression keeps of them."""

from dataclasses import dataclass
from typing import final

import numpy as np

from cocycle.arrays import Array
from cocycle.operators import linear


@final
@dataclass(frozen=True, eq=False)
class Moments:
    """R Rᵀ (*batch, n, n), Y Rᵀ (*batch, m, n) and Σ y² (*batch, m), over `count` times of states r and targets y.

    `sums` are Σ r (*batch, n) and Σ y (*batch, m) where the regression has a constant, y = W r + c, else None.
    """

    states: np.ndarray
    targets: np.ndarray
    squares: np.ndarray
    count: int
    sums: tuple[np.ndarray, np.ndarray] | None = None

    def __add__(self, other: "Moments") -> "Moments":
        if (self.sums is None) != (other.sums is None):
            raise ValueError("moments must both be of a regression with a constant, or neither; got one of each")
        sums = None
        if self.sums is not None and other.sums is not None:
            sums = self.sums[0] + other.sums[0], self.sums[1] + other.sums[1]
        return Moments(
            self.states + other.states,
            self.targets + other.targets,
            self.squares + other.squares,
            self.count + other.count,
            sums,
        )

    def without(self, part: "Moments") -> "Moments":
        """The moments of the other times."""
        sums = None if part.sums is None else (-part.sums[0], -part.sums[1])
        return self + Moments(-part.states, -part.targets, -part.squares, -part.count, sums)

    @property
    def means(self) -> tuple[np.ndarray, np.ndarray] | None:
        """⟨r⟩ and ⟨y⟩, None without a constant."""
        return None if self.sums is None else (self.sums[0] / self.count, self.sums[1] / self.count)

    def about(self, origin: tuple[np.ndarray, np.ndarray] | None) -> "Moments":
        """The moments of r - origin[0] and y - origin[1].  A constant that the ridge leaves free is the regression of
        the deviations from the means."""
        if self.sums is None or origin is None:
            return self
        (r, y), (sum_r, sum_y), count = origin, self.sums, self.count
        cross = sum_r[..., :, None] * r[..., None, :]
        states = self.states - cross - cross.swapaxes(-1, -2) + count * r[..., :, None] * r[..., None, :]
        targets = self.targets - sum_y[..., :, None] * r[..., None, :] - y[..., :, None] * sum_r[..., None, :]
        targets = targets + count * y[..., :, None] * r[..., None, :]
        squares = self.squares - 2 * y * sum_y + count * y**2
        return Moments(states, targets, squares, count, (sum_r - count * r, sum_y - count * y))

    def constant(self, weight: np.ndarray) -> np.ndarray | float:
        """c (*batch, m) = ⟨y⟩ - W ⟨r⟩ for W (*batch, m, n); 0 for a regression without."""
        return 0.0 if self.means is None else self.means[1] - linear(weight, self.means[0])


@final
class MomentSum:
    """Moments in the making: `add` a state and its target at a time, then take the `total`.

    Everything is float64, whatever the states are: in float32 the sums lose their positive definiteness.  States wait
    in a block of n times (at least BLOCK), which is one symmetric product: the memory does not grow with time.
    With `constant` they have the sums that a regression with a constant needs; states should then be given from a
    place near their mean, since the mean is taken away in the end.
    """

    BLOCK = 200

    def __init__(self, batch: tuple[int, ...], n: int, m: int, *, constant: bool = False):
        block = max(n, self.BLOCK)
        self._batch = batch
        self._states, self._targets = np.empty((*batch, block, n)), np.empty((*batch, block, m))
        self._square, self._cross, self._squares = (np.zeros((*batch, *tail)) for tail in ((n, n), (m, n), (m,)))
        self._sums = (np.zeros((*batch, n)), np.zeros((*batch, m))) if constant else None
        self._waiting = self._count = 0

    def add(self, state: Array, target: Array) -> None:
        """Add r (*batch, n) and y (*batch, m), or a y (m,) that the whole batch shares."""
        self._states[..., self._waiting, :] = state
        self._targets[..., self._waiting, :] = target
        self._waiting += 1
        if self._waiting == self._states.shape[-2]:
            self._flush()

    def total(self) -> Moments:
        """The moments of all that was added so far: what is added later does not change them."""
        self._flush()
        sums = None if self._sums is None else (self._sums[0].copy(), self._sums[1].copy())
        return Moments(self._square.copy(), self._cross.copy(), self._squares.copy(), self._count, sums)

    def _flush(self) -> None:
        with np.errstate(over="ignore", invalid="ignore"):  # of a network that diverged: the total says so
            for member in np.ndindex(self._batch):  # one by one: a sum of all squares at once would leave the cache
                r, y = self._states[member][: self._waiting], self._targets[member][: self._waiting]
                self._square[member] += r.T @ r
                self._cross[member] += y.T @ r
                self._squares[member] += (y * y).sum(0)
                if self._sums is not None:
                    self._sums[0][member] += r.sum(0)
                    self._sums[1][member] += y.sum(0)
        self._count, self._waiting = self._count + self._waiting, 0


def check_moments(moments: Moments) -> None:
    """Raise ValueError if the states of which these are the moments left every bound."""
    if not np.isfinite(moments.states).all():
        raise ValueError("the network diverged while it was driven: its states are not finite; take smaller weights")
