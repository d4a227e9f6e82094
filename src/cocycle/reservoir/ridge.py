"""Ridge regression from moments, so that the memory does not grow with time, and the choice of its ridge."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, final

import numpy as np
import scipy

from cocycle.arrays import refuse_masked
from cocycle.progress import tracked
from cocycle.reservoir.moments import Moments, check_moments


def ridge_readout(moments: Moments, ridge: float | np.ndarray) -> np.ndarray:
    """W_out (*batch, m, n) = Y Rᵀ (R Rᵀ + ridge I)⁻¹, by Cholesky factors.

    Of moments with `sums` those of the deviations from the means: the constant is then `moments.constant(W_out)`, and
    has no ridge.

    `ridge` is added to the sum over times, not to the mean; a number, or one for each member (*batch,).  Raises
    ValueError if it is negative or not finite, for states that diverged, and where R Rᵀ + ridge I is singular to
    rounding, with what to do about it.
    """
    check_ridge(ridge)
    check_moments(moments)
    squares, crosses, shape = _flat(moments)
    ridges = np.broadcast_to(ridge, shape[:-2]).ravel()
    readouts = [_solve(*each) for each in zip(squares, crosses, ridges, strict=True)]
    return np.stack(readouts).reshape(shape)


def check_ridge(ridge: float | np.ndarray | Sequence[float]) -> None:
    """Raise ValueError unless 0 <= ridge < infinity."""
    refuse_masked("ridge", ridge)
    try:
        fine = np.all((np.asarray(ridge) >= 0) & (np.asarray(ridge) < np.inf))
    except TypeError:
        fine = False
    if not fine:
        raise ValueError(f"ridge must be a finite number >= 0; got {ridge!r}: HeldOut() chooses one from the data")


def _flat(moments: Moments):
    moments = moments.about(moments.means)
    n = moments.states.shape[-1]
    crosses = moments.targets.reshape(-1, *moments.targets.shape[-2:])
    return moments.states.reshape(-1, n, n), crosses, moments.targets.shape


def _solve(square, cross, ridge):
    found = _solution(square, cross, ridge)
    if found is None:
        smallest = 10 * np.finfo(float).eps * np.trace(square)
        raise ValueError(
            f"R Rᵀ + ridge I is singular to rounding with ridge={ridge:g}: the states span fewer than "
            f"{len(square)} dimensions; take a ridge above about {smallest:.1e}"
        )
    return found


def _solution(square: np.ndarray, cross: np.ndarray, ridge: float) -> np.ndarray | None:
    """cross (square + ridge I)⁻¹, None where that is singular to rounding.

    Rows and columns are scaled to a diagonal of ones first, so that features of different size cost no digits.
    """
    diagonal = np.diagonal(square) + ridge
    if not len(square):
        return cross
    if not (diagonal > 0).all():
        return None
    scale = diagonal**-0.5
    scaled = square * scale * scale[:, None]
    np.fill_diagonal(scaled, 1.0)
    size = np.abs(scaled).sum(axis=0).max()
    try:
        factors = scipy.linalg.cho_factor(scaled, overwrite_a=True)
    except scipy.linalg.LinAlgError:
        return None
    (condition,) = scipy.linalg.get_lapack_funcs(("pocon",), (factors[0],))
    inverse = condition(factors[0], size, uplo="L" if factors[1] else "U")[0]
    if not inverse * len(square) > np.finfo(float).eps:
        return None
    return scipy.linalg.cho_solve(factors, (cross * scale).T).T * scale


def ridge_path(moments: Moments, ridges: Sequence[float]) -> np.ndarray:
    """W_out (ridges, *batch, m, n) for many values of ridge, by a Cholesky factor for each.

    NaN for a ridge with which R Rᵀ + ridge I is singular to rounding.  Raises ValueError for values that are negative,
    and for states that diverged.
    """
    check_ridge(ridges)
    check_moments(moments)
    squares, crosses, shape = _flat(moments)
    path = np.full((len(ridges), *crosses.shape), np.nan)
    for i, (square, cross) in enumerate(zip(squares, crosses, strict=True)):
        for j, ridge in enumerate(ridges):
            found = _solution(square, cross, ridge)
            path[j, i] = np.nan if found is None else found
    return path.reshape(len(ridges), *shape)


def _eigen(square: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The eigenvalues of R Rᵀ, rounding below zero taken away, and its eigenvectors."""
    sizes, vectors = np.linalg.eigh(square)
    return np.maximum(sizes, 0), vectors


def _shrunk(sizes: np.ndarray, ridge: float) -> np.ndarray:
    """1 / (sizes + ridge), NaN where that is rounding."""
    return (
        1 / (sizes + ridge) if sizes[0] + ridge > 10 * np.finfo(float).eps * sizes[-1] else np.full_like(sizes, np.nan)
    )


RIDGES = tuple(10.0 ** np.arange(-16, 3))  # to choose from, unless others are given
# by which a score must fall, relative, towards the smallest or the largest ridge, for the edge to matter
SMALLEST, LARGEST = 0.5, 0.001


class RidgeChoice(ABC):
    """A way to choose among values of ridge, for `train` in place of a number."""

    ridges: Any  # the values to choose from
    folds: Any  # int: into how many consecutive parts the times are cut

    @abstractmethod
    def scores(self, parts: Sequence[Moments]) -> np.ndarray:
        """What is to be least, (ridges, *batch), from the moments of each part; NaN where a ridge is too small."""


def regressed(ridge: float | np.ndarray | RidgeChoice, parts: Sequence[Moments]) -> tuple[np.ndarray, Any]:
    """W_out (*batch, m, n) of all parts, and its ridge: the one that is given, or that is chosen."""
    if isinstance(ridge, RidgeChoice):
        return chosen_readout(ridge, parts)
    return ridge_readout(reduce(add, parts), ridge), ridge


def chosen_readout(choice: RidgeChoice, parts: Sequence[Moments]) -> tuple[np.ndarray, np.ndarray | float]:
    """W_out (*batch, m, n) and the ridge (*batch,) with the least score, a number without a batch.

    Warns where that is the smallest or largest of the default ridges and the score still falls towards it, by a
    half or a thousandth.
    Raises ValueError if all ridges are so small that the problem is singular to rounding.
    """
    if not len(choice.ridges):
        raise ValueError("ridges must hold at least one value; got none")
    path = ridge_path(reduce(add, parts), choice.ridges)
    scores = np.where(np.isnan(path).any(axis=(-1, -2)), np.nan, choice.scores(parts))
    if np.isnan(scores).all(axis=0).any():
        raise ValueError(
            f"R Rᵀ + ridge I is singular to rounding with every ridge up to {max(choice.ridges):g}: give larger ones,"
            " such as ridge=HeldOut(ridges=10.0 ** np.arange(-6, 9)), or leave normalise=True"
        )
    best = np.nanargmin(scores, axis=0)
    if tuple(choice.ridges) == RIDGES:
        _warn_at_the_edge(np.asarray(RIDGES), scores)
    ridge = np.asarray(choice.ridges)[best]
    return np.take_along_axis(path, best[None, ..., None, None], axis=0)[0], ridge if best.ndim else float(ridge)


def _warn_at_the_edge(ridges: np.ndarray, scores: np.ndarray) -> None:
    """Warn where the least score of a member is at the smallest or largest ridge.

    Not where smaller ones are singular to rounding: series without noise are learned as well as that allows.
    """
    wider = "give more of them, such as ridge=HeldOut(ridges=10.0 ** np.arange(-20, 8))"
    unrelated = f"as where the features do not determine the target; else {wider}"
    edges = (0, 1, "smallest", SMALLEST, wider), (-1, -2, "largest", LARGEST, unrelated)
    for column in scores.reshape(len(ridges), -1).T:
        for edge, inside, name, share, why in edges:
            least, before = column[edge], column[inside]
            if least <= np.nanmin(column) and (before - least) > share * before:
                warnings.warn(
                    f"the ridge chosen, {ridges[edge]:g}, is the {name} of those to choose from, and the score still"
                    f" falls towards it, by {(before - least) / before:.2g} of itself in the last step: {why}",
                    stacklevel=5,
                )
                return


@final
@dataclass(frozen=True)
class CrossValidated(RidgeChoice):
    """Generalised cross-validation: mean square error over (1 - degrees of freedom / times)², from one decomposition.

    Golub, Heath & Wahba, Technometrics 21, 215 (1979).
    """

    ridges: Sequence[float] = RIDGES
    folds = 1

    def scores(self, parts: Sequence[Moments]) -> np.ndarray:
        moments = reduce(add, parts)
        check_moments(moments)
        moments, constants = moments.about(moments.means), moments.sums is not None
        squares, crosses, shape = _flat(moments)
        totals, columns = moments.squares.reshape(len(squares), -1), []
        for square, cross, total in zip(squares, crosses, totals, strict=True):
            sizes, vectors = _eigen(square)
            shrunk = [_shrunk(sizes, ridge) for ridge in self.ridges]
            # the directions that the states span: no more than there are times, or above rounding
            kept = sizes > len(sizes) * np.finfo(float).eps * sizes[-1]
            kept[: max(0, len(kept) - (moments.count - constants))] = False
            power = ((cross @ vectors[:, kept]) ** 2).sum(0) / sizes[kept]
            beyond = _positive(total.sum() - power.sum(), total) if kept.sum() < moments.count - constants else 0.0
            column = []
            for ridge, factors in zip(self.ridges, shrunk, strict=True):
                missed = ridge * factors[kept]  # sums of what is missed, not differences: there are no times to spare
                residual = beyond + (power * missed**2).sum()
                left = moments.count - constants - kept.sum() + missed.sum()
                column.append(residual * moments.count / left**2 if left > 0 else np.nan)
            columns.append(column)
        return np.array(columns).T.reshape(len(self.ridges), *shape[:-2])


@final
@dataclass(frozen=True)
class HeldOut(RidgeChoice):
    """The mean square error on each of `folds` consecutive segments of time, when the others are learned."""

    ridges: Sequence[float] = RIDGES
    folds: int = 5

    def __post_init__(self):
        if isinstance(self.folds, bool) or not isinstance(self.folds, int | np.integer) or self.folds < 2:
            raise ValueError(f"folds must be at least 2; got {self.folds}")

    def scores(self, parts: Sequence[Moments]) -> np.ndarray:
        whole, errors = reduce(add, parts), 0.0
        for part in tracked(parts, "choosing the ridge"):
            others, part = whole.without(part), part.with_origin(whole.origin)
            weights, part = ridge_path(others, self.ridges), part.about(others.means)
            explained = 2 * (weights * part.targets).sum((-1, -2)) - ((weights @ part.states) * weights).sum((-1, -2))
            errors = errors + _positive(part.squares.sum(-1) - explained, part.squares)
        return np.asarray(errors) / whole.count


def _positive(residual, total):
    """A sum of squares that is the difference of two: below rounding it means nothing."""
    return np.maximum(residual, np.finfo(float).eps * total.sum(-1))
