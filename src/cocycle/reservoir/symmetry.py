"""An odd network, f(-r, -u) = -f(r, u), gives odd functions of its inputs only: a warning for other targets."""

import warnings

import numpy as np

from cocycle.arrays import as_numpy, like, tolerances
from cocycle.driven import Driven, beside
from cocycle.reservoir.problem import Problem
from cocycle.reservoir.readout import Readout

ASYMMETRY = 0.1  # of standardised moments, from which on a series counts as not symmetric, or not centred
LAGS = 4  # of recent inputs whose products show whether a target is even
COMBINATIONS = 20  # of the inputs at those times, at most
ROWS = 20_000  # times that are used, at most
UNEXPLAINED = 1e-3  # of the variance of a target: what is left below it does not matter
GAIN = 0.1  # the part of what is left that products of inputs explain, from which on a target counts as even


def warn_if_odd(network: Driven, readout: Readout, problem: Problem, constant: bool) -> None:
    """Warn where network and features are odd, the inputs centred, and what is to be learned is not odd."""
    if not is_odd(network, readout) or _has_mean(_rows([piece.inputs for piece in problem.pieces])):
        return
    remedy = (
        "give the network a bias (as Reservoir.random has), the readout squares (design=WithSquares()), or leave the"
        " mean of the series in (normalise=False)"
    )
    odd = "this network is odd, f(-r, -u) = -f(r, u), and"
    if problem.closable and not _is_symmetric(problem):
        text = (
            f"{odd} the series is centred but not symmetric: the part of its next value that is the same for inputs u"
            f" and -u cannot be learned; {remedy}"
        )
    elif not constant and _has_mean(_rows([piece.targets for piece in problem.pieces])):
        text = (
            f"{odd} the target has a mean, which needs a constant where inputs are centred; leave"
            " constant=True in the design"
        )
    elif not problem.closable and _is_even(problem):
        text = (
            f"{odd} the target is not: the part of it that is the same for inputs u and -u cannot be learned; {remedy}"
        )
    else:
        return
    warnings.warn(text, stacklevel=3)


def is_odd(network: Driven, readout: Readout) -> bool:
    """Whether network and features change sign with state and input, but for a constant, at a random place."""
    rng = np.random.default_rng(0)
    u, x = (like(rng.normal(size=(*network.batch, n)), network.rest()) for n in (network.inputs, network.dimension))
    here, there = network.joint(beside(u, x)), network.joint(beside(-u, -x))
    rounding = 5000 * tolerances(here.dtype).eps
    if not np.allclose(as_numpy(here + there), 0, atol=rounding):
        return False
    z = readout.read(u, here)
    even = readout.features(z) + readout.features(-z) - 2 * readout.features(0 * z)
    return np.allclose(as_numpy(even), 0, atol=rounding)


def _rows(series: list[np.ndarray]) -> np.ndarray:
    rows = np.concatenate([values.reshape(-1, values.shape[-1]) for values in series])
    return rows[~np.isnan(rows).any(axis=1)]


def _has_mean(rows: np.ndarray) -> bool:
    """Whether some component has a mean, which acts as a bias."""
    return bool((abs(rows.mean(0)) > ASYMMETRY * np.sqrt((rows**2).mean(0))).any())


def _is_symmetric(problem: Problem) -> bool:
    """Whether the inputs might be distributed as their negatives, by their third moments."""
    rows = _rows([piece.inputs for piece in problem.pieces])
    scale = np.sqrt((rows**2).mean(0))
    third = np.stack([part.T**2 @ part / len(part) for part in np.array_split(rows / scale, 10)])
    clear = abs(third.mean(0)) > 4 * third.std(0, ddof=1) / 10**0.5
    return not (clear & (abs(third.mean(0)) > ASYMMETRY)).any()


def _is_even(problem: Problem) -> bool:
    """Whether products of recent inputs explain a part of the target that the inputs themselves do not.

    Judged on the half of the times that the regression has not seen, for either half.
    """
    inputs, targets = (np.concatenate(parts) for parts in zip(*map(_recent, problem.pieces), strict=True))
    every = -(-len(inputs) // ROWS)
    inputs, targets = inputs[::every], targets[::every]
    i, j = np.triu_indices(inputs.shape[1])
    if len(inputs) < 8 * len(i):  # too few times for so many products
        return False
    odd = np.concatenate([np.ones((len(inputs), 1)), inputs], axis=1)
    both = np.concatenate([odd, inputs[:, i] * inputs[:, j]], axis=1)
    half, total, gains = len(inputs) // 2, targets.var(axis=0), []
    for seen, unseen in ((slice(half), slice(half, None)), (slice(half, None), slice(half))):
        left, less = (
            ((targets[unseen] - x[unseen] @ np.linalg.lstsq(x[seen], targets[seen])[0]) ** 2).mean(axis=0)
            for x in (odd, both)
        )
        gains.append((left > UNEXPLAINED * total) & (left - less > GAIN * left))
    return bool((gains[0] & gains[1]).any())


def _recent(piece) -> tuple[np.ndarray, np.ndarray]:
    """The last LAGS inputs (rows, combinations) and the targets (rows, k) that belong to them."""
    u, y = piece.inputs, piece.targets
    times = len(u) - LAGS + 1
    lagged = np.concatenate([u[LAGS - 1 - lag :][:times] for lag in range(LAGS)], axis=-1)
    y = np.broadcast_to(
        y.reshape(len(y), *[1] * (u.ndim - y.ndim), *y.shape[1:]), (len(y), *u.shape[1:-1], y.shape[-1])
    )
    lagged, y = lagged.reshape(-1, lagged.shape[-1]), y[LAGS - 1 :].reshape(-1, y.shape[-1])
    known = ~np.isnan(y).any(axis=1)
    lagged, y = lagged[known], y[known]
    if lagged.shape[1] > COMBINATIONS:
        lagged = lagged @ np.random.default_rng(0).normal(size=(lagged.shape[1], COMBINATIONS)) / COMBINATIONS**0.5
    return lagged, y
