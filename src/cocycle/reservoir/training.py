"""From a series to a trained network: drive it, and fit the readout to what should follow."""

from functools import reduce
from itertools import compress, islice
from operator import add
from typing import Any

import numpy as np

from cocycle.arrays import generator
from cocycle.driven import Driven
from cocycle.maps import Map
from cocycle.progress import tracked
from cocycle.reservoir.design import Design, Untrained, untrained
from cocycle.reservoir.forecast import Forecaster
from cocycle.reservoir.gaps import Given, given, with_dt
from cocycle.reservoir.moments import Moments, MomentSum, check_moments
from cocycle.reservoir.normalisation import Normalisation
from cocycle.reservoir.problem import Problem, read_and_wanted, regression
from cocycle.reservoir.ridge import HeldOut, RidgeChoice, check_ridge, regressed
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
    ridge: float | RidgeChoice = HeldOut(),  # noqa: B008  (it is frozen)
    washout: int = 200,
    normalise: bool | Normalisation = True,
    design: Design | Map | None = None,
    noise: float = 0.0,
    rng: np.random.Generator | int = 0,
) -> Forecaster:
    """Train a readout to give the next value of series (time, *batch, m) while the series drives the network.

    From rest, driven by u[0], ..., u[T-2]; the first `washout` states are dropped.  A state row t is that after input
    u[t], and its target is u[t+1].  The weight solves the ridge regression with `ridge` added to the sum over times,
    not the mean; by default that of 1e-16, 1e-15, ..., 100 with the least error on held-out fifths of the times
    (`HeldOut`; at 1000 features a number takes a quarter of the time).  `series` may be a list of series of any
    lengths, in a list also (time,) for one component, each from rest, for one readout; a batch axis gives each its own.

    normalise: the network sees each component with mean 0 and standard deviation 1 (True), as it is (False), or as a
    `Normalisation` says; forecasts are in the units of the series either way.
    target (time, *batch, k): learn this after each input instead of the next one, such as components that are not
    observed.  external (time, *batch, v): input beside the series that nobody predicts.
    Tables of pandas, xarray and, by `timed`, polars are series, too (`cocycle.reservoir.tables`): their step must be
    uniform and is the dt of a network that has none, in seconds for dates; forecasts of tables are tables.

    Values that are missing, NaN or masked, in the target are left out of the fit.  In the series they are refused
    unless gaps says what to do.  "split": the parts between them, where longer than the washout, are series of their
    own.  "bridge": a readout trained on those parts replaces them by its one-step forecasts, and the readout is trained
    on all times whose next value was observed; a gap at the start is at most as long as the washout.

    design: what the readout is linear in, `Design(functions, direct, increment, constant, penalties)` or a map alone;
    by default all seen components of the state, and a constant without ridge, in whatever units the series is.  The
    textbook's O = W_out r is Design(constant=False), for which `Reservoir.gaussian` and normalise=False are made.
    noise: standard deviation of normal noise on the network's input, in its own units.

    Warns when network and design are odd, f(-r, -u) = -f(r, u), and what is to be learned is not, and when the ridge
    that is chosen by default is the smallest or largest of them and the error still falls towards it.
    Raises ValueError for a series of another shape, with a constant component, with values that are not finite or not
    longer than the washout, times that are not uniform, gaps that leave nothing, a negative ridge, a network that
    diverges, and moments that are singular to rounding.
    """
    _check(network, ridge)
    learned = given(network, series, target, external, gaps=gaps, washout=washout)
    network = with_dt(network, learned.labels)
    if learned.has_gaps:
        options = {"ridge": ridge, "washout": washout, "normalise": normalise, "design": design, "noise": noise}
        learned = _without_gaps(learned, network, gaps, external, {**options, "rng": rng})
    problem = regression(network, learned, washout, normalise).noisy(noise, generator(rng))
    fitted = untrained(network, design, problem.width, problem.closable)
    warn_if_odd(network, fitted.readout, problem, fitted.constant)
    with one_thread_if_small(network.rest()):
        parts = _moments(network, fitted, problem, washout, ridge)
    weight, chosen = regressed(ridge, parts)
    settings = {"ridge": chosen, "washout": washout, "noise": noise} | learned.settings
    offset = reduce(add, parts).constant(weight)
    return problem.forecaster(network, fitted.readout, fitted.weight(weight), offset, settings)


def _check(network: Any, ridge: Any) -> None:
    if not isinstance(network, Driven):
        got = f"the class {network.__name__}" if isinstance(network, type) else type(network).__name__
        raise TypeError(f"network must be a driven network, such as Reservoir.random(300, 3); got {got}")
    if not isinstance(ridge, RidgeChoice):
        if np.ndim(ridge) > 0 and np.shape(ridge) != network.batch:
            raise ValueError(f"ridge must be a number; to choose among {ridge!r} give CrossValidated(ridges)")
        check_ridge(ridge)


def _without_gaps(learned: Given, network: Driven, gaps: str | None, external: Any, options: dict[str, Any]) -> Given:
    """The parts of series between gaps, or the series with their gaps bridged by a network that was trained on them."""
    parts = learned.split(options["washout"])
    if gaps != BRIDGE:
        return parts
    sides = None if external is None else parts.external
    return learned.bridged(train(network, parts.series, external=sides, **options))


def _moments(
    network: Driven, fitted: Untrained, problem: Problem, washout: int, ridge: float | RidgeChoice
) -> list[Moments]:
    """The moments of each of the consecutive segments that a choice of the ridge needs, as equal as can be."""
    folds = ridge.folds if isinstance(ridge, RidgeChoice) else 1
    times = sum(int(piece.complete[washout:].sum()) for piece in problem.pieces)
    if times < folds:
        raise ValueError(
            f"folds must be at most the {times} times after the washout; got {folds}: give ridge a number, or take a"
            " shorter washout"
        )
    borders = {times * (i + 1) // folds for i in range(folds)}
    parts, moments, count = [], None, 0
    for piece in problem.pieces:
        pairs = tracked(read_and_wanted(network, fitted.readout, piece), "training", len(piece.inputs))
        for z, wanted in compress(islice(pairs, washout, None), piece.complete[washout:]):
            features = fitted.features(z)
            if moments is None:
                moments = MomentSum(features.shape[:-1], features.shape[-1], problem.width, constant=fitted.constant)
            moments.add(features, wanted)
            count += 1
            if count in borders:
                parts.append(moments.segment())
                check_moments(parts[-1])
    return parts
