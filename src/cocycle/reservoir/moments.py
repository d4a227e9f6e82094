"""Sums over times of products of states and targets, from which ridge regression follows."""

from dataclasses import dataclass
from typing import final

import numpy as np

from cocycle.arrays import Array
from cocycle.operators import linear


@final
@dataclass(frozen=True, eq=False)
class Moments:
    """R Rᵀ (*batch, n, n), Y Rᵀ (*batch, m, n) and Σ y² (*batch, m), over `count` times of states r and targets y.

    Where the regression has a constant, y = W r + c, all are of the deviations from `origin`, a state (*batch, n) and a
    target (*batch, m), and `sums` are those of the deviations; else both are None.
    """

    states: np.ndarray
    targets: np.ndarray
    squares: np.ndarray
    count: int
    sums: tuple[np.ndarray, np.ndarray] | None = None
    origin: tuple[np.ndarray, np.ndarray] | None = None

    def __add__(self, other: "Moments") -> "Moments":
        if (self.sums is None) != (other.sums is None):
            raise ValueError("moments must both be of a regression with a constant, or neither; got one of each")
        sums = None
        if self.sums is not None and other.sums is not None:
            other = other.with_origin(self.origin)
            assert other.sums is not None
            sums = self.sums[0] + other.sums[0], self.sums[1] + other.sums[1]
        return Moments(
            self.states + other.states,
            self.targets + other.targets,
            self.squares + other.squares,
            self.count + other.count,
            sums,
            self.origin,
        )

    def without(self, part: "Moments") -> "Moments":
        """The moments of the other times."""
        sums = None if part.sums is None else (-part.sums[0], -part.sums[1])  # + aligns the origins
        return self + Moments(-part.states, -part.targets, -part.squares, -part.count, sums, part.origin)

    @property
    def means(self) -> tuple[np.ndarray, np.ndarray] | None:
        """⟨r⟩ and ⟨y⟩ of the deviations, None without a constant."""
        return None if self.sums is None else (self.sums[0] / self.count, self.sums[1] / self.count)

    def about(self, place: tuple[np.ndarray, np.ndarray] | None) -> "Moments":
        """The moments of the deviations from the origin plus `place`.

        A regression whose constant has no ridge is that of the deviations from the means.
        """
        if self.sums is None or self.origin is None or place is None:
            return self
        (r, y), (sum_r, sum_y), count = place, self.sums, self.count
        cross = sum_r[..., :, None] * r[..., None, :]
        states = self.states - cross - cross.swapaxes(-1, -2) + count * r[..., :, None] * r[..., None, :]
        targets = self.targets - sum_y[..., :, None] * r[..., None, :] - y[..., :, None] * sum_r[..., None, :]
        targets = targets + count * y[..., :, None] * r[..., None, :]
        squares = self.squares - 2 * y * sum_y + count * y**2
        origin = self.origin[0] + r, self.origin[1] + y
        return Moments(states, targets, squares, count, (sum_r - count * r, sum_y - count * y), origin)

    def with_origin(self, origin: tuple[np.ndarray, np.ndarray] | None) -> "Moments":
        """The same moments, of the deviations from the origin of others."""
        if origin is None or self.origin is None or all(map(np.array_equal, origin, self.origin)):
            return self
        return self.about((origin[0] - self.origin[0], origin[1] - self.origin[1]))

    def constant(self, weight: np.ndarray) -> np.ndarray | float:
        """c (*batch, m) = ⟨y⟩ - W ⟨r⟩ for W (*batch, m, n); 0 for a regression without."""
        if self.means is None or self.origin is None:
            return 0.0
        (r, y), (first_r, first_y) = self.means, self.origin
        return y - linear(weight, r) + first_y - linear(weight, first_r)


@final
class MomentSum:
    """Moments from one state and its target at a time: `add` them, then take the `total`.

    Everything is float64, whatever the states are: in float32 the sums lose their positive definiteness.  States are
    kept in a block of n times (at least BLOCK), which is one symmetric product: the memory does not grow with time.
    With `constant` the moments are those that a regression with a constant needs, of the deviations from the first
    state and target: small fluctuations about a large mean keep their digits.
    """

    BLOCK = 200

    def __init__(self, batch: tuple[int, ...], n: int, m: int, *, constant: bool = False):
        block = max(n, self.BLOCK)
        self._batch = batch
        self._states, self._targets = np.empty((*batch, block, n)), np.empty((*batch, block, m))
        self._constant, self._origin = constant, None
        self._begin()

    def add(self, state: Array, target: Array) -> None:
        """Add r (*batch, n) and y (*batch, m), or a y (m,) that the whole batch shares."""
        r, y = self._states[..., self._waiting, :], self._targets[..., self._waiting, :]
        r[...], y[...] = state, target
        if self._constant:
            self._origin = (r.copy(), y.copy()) if self._origin is None else self._origin
            r -= self._origin[0]
            y -= self._origin[1]
        self._waiting += 1
        if self._waiting == self._states.shape[-2]:
            self._flush()

    def total(self) -> Moments:
        """The moments of all that was added so far: what is added later does not change them."""
        self._flush()
        sums = None if self._sums is None else (self._sums[0].copy(), self._sums[1].copy())
        return Moments(self._square.copy(), self._cross.copy(), self._squares.copy(), self._count, sums, self._origin)

    def segment(self) -> Moments:
        """The total, after which the sums begin anew, of deviations from the same origin."""
        total = self.total()
        self._begin()
        return total

    def _begin(self) -> None:
        (*batch, _, n), m = self._states.shape, self._targets.shape[-1]
        self._square, self._cross, self._squares = (np.zeros((*batch, *tail)) for tail in ((n, n), (m, n), (m,)))
        self._sums = (np.zeros((*batch, n)), np.zeros((*batch, m))) if self._constant else None
        self._waiting = self._count = 0

    def _flush(self) -> None:
        with np.errstate(over="ignore", invalid="ignore"):  # of a network that diverged: check_moments raises
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
    """Raise ValueError if the states of which these are the moments are not finite."""
    if not np.isfinite(moments.states).all():
        raise ValueError("the network diverged while it was driven: its states are not finite; take smaller weights")
