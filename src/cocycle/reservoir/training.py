"""From a series to a trained network: drive it, and fit the readout to what should follow."""

from functools import reduce
from itertools import compress, islice
from operator import add
from typing import Any

import numpy as np

from cocycle.arrays import as_numpy, generator
from cocycle.driven import Driven
from cocycle.maps import Map
from cocycle.progress import tracked
from cocycle.reservoir.design import Design, untrained
from cocycle.reservoir.forecast import Forecaster
from cocycle.reservoir.gaps import given, with_dt
from cocycle.reservoir.moments import Moments, MomentSum, check_moments
from cocycle.reservoir.normalisation import Normalisation
from cocycle.reservoir.problem import Problem, read_and_wanted, regression
from cocycle.reservoir.readout import Readout
from cocycle.reservoir.ridge import RidgeChoice, check_ridge, chosen_readout, ridge_readout
from cocycle.reservoir.running import BRIDGE
from cocycle.reservoir.symmetry import warn_if_odd
from cocycle.threads import one_thread_if_small


def train(
    network: Driven,
    series: Any,
    *,
    target: Any = None,
    external: Any = None,
    gaps: str | None = None,
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
    Tables are series, too: pandas with an index of dates or numbers, xarray with a coordinate of time, polars by
    `timed`.  Their step must be uniform, to 1e-3, and is the dt of the network (of dates in seconds) if that has none;
    their names are in the settings, and forecasts of tables are tables.  In a list, one-dimensional arrays are series
    of one component.

    Missing values are NaN or masked.  A time at which a component of the target is missing is left out of the fit.
    In the series they are refused unless gaps says what to do.  "split": the parts between them, where longer than the
    washout, are series of their own, each from rest.  "bridge": a readout is trained on those parts, and each missing
    value is replaced by its one-step forecast, the network being driven by what is known and its own forecasts; then
    the readout is trained on all times whose next value was observed.  A gap at the start may be at most as long as
    the washout.

    design: what the readout is linear in, `Design(functions, direct, increment, constant)` or a map alone; by default
    all seen components of the state, and a constant without ridge, in whatever units the series is.  The
    textbook's O = W_out r is Design(constant=False), for which `Reservoir.gaussian` and normalise=False are made.
    noise: standard deviation of normal noise on the network's input, in its own units.

    Warns when network and design are odd, f(-r, -u) = -f(r, u), and the series, or the target, is not: it cannot be
    learned then.

    Raises ValueError for a series of another shape, with a constant component, with values that are not finite or not
    longer than the washout, times that are not uniform, gaps that leave nothing, a negative ridge, a network that
    diverges, and moments that are singular to rounding.
    """
    if not isinstance(network, Driven):
        got = f"the class {network.__name__}" if isinstance(network, type) else type(network).__name__
        raise TypeError(f"network must be a driven network, such as Reservoir.random(300, 3); got {got}")
    if not isinstance(ridge, RidgeChoice):
        if np.ndim(ridge) > 0 and np.shape(ridge) != network.batch:
            raise ValueError(f"ridge must be a number; to choose among {ridge!r} give CrossValidated(ridges)")
        check_ridge(ridge)
    learned = given(network, series, target, external, gaps=gaps, washout=washout)
    network = with_dt(network, learned.labels)
    options = {"ridge": ridge, "washout": washout, "normalise": normalise, "noise": noise, "rng": rng}
    if learned.has_gaps:
        parts = learned.split(washout)
        if gaps == BRIDGE:
            sides = None if external is None else parts.external
            parts = learned.bridged(train(network, parts.series, external=sides, design=design, **options))
        learned = parts
    problem = regression(network, learned, washout, normalise).noisy(noise, generator(rng))
    readout, constant = untrained(network, design, problem.width, problem.closable)
    warn_if_odd(network, readout, problem, constant)
    folds = ridge.folds if isinstance(ridge, RidgeChoice) else 1
    with one_thread_if_small(network.rest()):
        parts = _moments(network, readout, problem, washout, folds, constant)
    if isinstance(ridge, RidgeChoice):
        weight, chosen = chosen_readout(ridge, parts)
    else:
        weight, chosen = ridge_readout(parts[0], ridge), ridge
    offset = reduce(add, parts).constant(weight)
    settings = {"ridge": chosen, "washout": washout, "noise": noise} | learned.settings
    return problem.forecaster(network, readout, weight, offset, settings)


def _moments(
    network: Driven, readout: Readout, problem: Problem, washout: int, folds: int, constant: bool
) -> list[Moments]:
    """The moments of each of `folds` consecutive segments, as equal as can be."""
    times = sum(int(piece.complete[washout:].sum()) for piece in problem.pieces)
    if times < folds:
        raise ValueError(f"folds must be at most the {times} times after the washout; got {folds}")
    borders = {times * (i + 1) // folds for i in range(folds)}
    parts, moments, count = [], None, 0
    for piece in problem.pieces:
        pairs = tracked(read_and_wanted(network, readout, piece), "training", len(piece.inputs))
        for z, wanted in compress(islice(pairs, washout, None), piece.complete[washout:]):
            features = as_numpy(readout.features(z))
            if moments is None:
                moments = MomentSum(features.shape[:-1], features.shape[-1], problem.width, constant=constant)
            moments.add(features, wanted)
            count += 1
            if count in borders:
                parts.append(moments.segment())
                check_moments(parts[-1])
    return parts
