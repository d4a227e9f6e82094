"""From a series to a trained network: drive it, and fit the readout to what should follow."""

import warnings
from collections.abc import Sequence

import numpy as np

from cocycle.arrays import as_numpy, generator, like
from cocycle.maps import Driven, Map, beside
from cocycle.progress import tracked
from cocycle.reservoir.forecast import Forecaster
from cocycle.reservoir.normalisation import Normalisation
from cocycle.reservoir.readout import (
    Moments,
    MomentSum,
    Readout,
    RidgeChoice,
    check_moments,
    check_ridge,
    chosen_readout,
    ridge_readout,
)
from cocycle.reservoir.task import Design, Task, make_task, read_and_wanted, untrained

ASYMMETRY = 0.1  # of standardised third moments, from which on a series counts as not symmetric


def train(
    network: Driven,
    series: np.ndarray | Sequence[np.ndarray],
    *,
    target: np.ndarray | Sequence[np.ndarray] | None = None,
    external: np.ndarray | Sequence[np.ndarray] | None = None,
    ridge: float | RidgeChoice = 1e-6,
    washout: int = 200,
    normalise: bool | Normalisation = True,
    design: Design | Map | None = None,
    noise: float = 0.0,
    rng: np.random.Generator | int = 0,
) -> Forecaster:
    """Train a readout to give the next value of series (time, *batch, m) while the series drives the network.

    From rest, driven by u[0], ..., u[T-2]; the first `washout` states are dropped.  A state row t is that after input
    u[t], and its target is u[t+1].  The weight solves the ridge regression with `ridge` added to the sum over times,
    not the mean; a `CrossValidated` or `HeldOut` chooses it among many.  `series` may be a list of series of any
    lengths, each of which starts from rest, for one readout; a batch axis of series gives each its own readout.

    normalise: the network sees each component with mean 0 and standard deviation 1 (True), as it is (False), or as a
    `Normalisation` says; forecasts are in the units of the series either way.
    target (time, *batch, k): learn this after each input instead of the next one, such as components that are not
    observed.  external (time, *batch, v): input beside the series that nobody predicts.
    design: what the readout is linear in, `Design(functions, direct, increment)` or a map alone; all that is seen of
    the state by default.  noise: standard deviation of normal noise on the network's input, in its own units.

    Warns when network and design are odd, f(-r, -u) = -f(r, u), and the series is not: it cannot be learned then.

    Raises ValueError for a series of another shape, with a constant component, with values that are not finite or not
    longer than the washout, a negative ridge, a network that diverges, and moments that are singular to rounding.
    """
    if not isinstance(network, Driven):
        raise TypeError(f"network must be a Reservoir or another driven network; got {type(network).__name__}")
    if not isinstance(ridge, RidgeChoice):
        if np.ndim(ridge) > 0 and np.shape(ridge) != network.batch:
            raise ValueError(f"ridge must be a number; to choose among {ridge!r} give CrossValidated(ridges)")
        check_ridge(ridge)
    task = make_task(network, series, target, external, washout, normalise).noisy(noise, generator(rng))
    readout = untrained(network, design, task)
    _warn_if_odd(network, readout, task)
    if isinstance(ridge, RidgeChoice):
        weight, chosen = chosen_readout(ridge, _moments(network, readout, task, washout, ridge.folds))
    else:
        (moments,) = _moments(network, readout, task, washout, 1)
        weight, chosen = ridge_readout(moments, ridge), ridge
    return task.forecaster(network, readout, weight, {"ridge": chosen, "washout": washout, "noise": noise})


def _moments(network: Driven, readout: Readout, task: Task, washout: int, folds: int) -> list[Moments]:
    """The moments of each of `folds` consecutive stretches, as equal as can be."""
    times = sum(len(piece.inputs) - washout for piece in task.pieces)
    if times < folds:
        raise ValueError(f"the {times} times after the washout are too few for {folds} folds")
    borders = [times * (i + 1) // folds for i in range(folds)]
    parts, moments, count = [], None, 0
    for piece in task.pieces:
        for t, (z, wanted) in enumerate(
            tracked(read_and_wanted(network, readout, piece), "training", len(piece.inputs))
        ):
            if t < washout:
                continue
            features = as_numpy(readout.features(z))
            if moments is None:
                moments = MomentSum(features.shape[:-1], features.shape[-1], task.width)
            moments.add(features, wanted)
            count += 1
            if count == borders[len(parts)]:
                parts.append(moments.total())
                check_moments(parts[-1])
                moments = None
    return parts


def _warn_if_odd(network: Driven, readout: Readout, task: Task) -> None:
    if _is_odd(network, readout) and not _is_symmetric(task):
        warnings.warn(
            "this network is odd, f(-r, -u) = -f(r, u), and the series is centred but not symmetric: what tells u from"
            " -u cannot be learned; give the network a bias (as Reservoir.random has), the readout squares"
            " (design=WithSquares()), or leave the mean of the series in (normalise=False)",
            stacklevel=3,
        )


def _is_odd(network: Driven, readout: Readout) -> bool:
    """Whether network and features change sign with state and input, but for a constant, at a random place."""
    rng = np.random.default_rng(0)
    u, x = (like(rng.normal(size=(*network.batch, n)), network.rest()) for n in (network.inputs, network.dimension))
    here, there = network.joint(beside(u, x)), network.joint(beside(-u, -x))
    if not np.allclose(as_numpy(here + there), 0, atol=1e-12):
        return False
    z = beside(u, here) if readout.reads_input else here
    even = readout.features(z) + readout.features(-z) - 2 * readout.features(0 * z)
    return np.allclose(as_numpy(even), 0, atol=1e-12)


def _is_symmetric(task: Task) -> bool:
    """Whether the inputs might be distributed as their negatives, or have a mean, which acts as a bias."""
    rows = np.concatenate([piece.inputs.reshape(-1, piece.inputs.shape[-1]) for piece in task.pieces])
    scale = np.sqrt((rows**2).mean(0))
    if (abs(rows.mean(0)) > ASYMMETRY * scale).any():
        return True
    third = np.stack([part.T**2 @ part / len(part) for part in np.array_split(rows / scale, 10)])
    clear = abs(third.mean(0)) > 4 * third.std(0, ddof=1) / 10**0.5
    return not (clear & (abs(third.mean(0)) > ASYMMETRY)).any()
