"""From a series to a trained network: drive it, and fit the readout to what should follow."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from cocycle.arrays import Array, as_numpy, generator, like
from cocycle.maps import Driven, Map, beside, check_inputs, orbit
from cocycle.progress import tracked
from cocycle.reservoir.forecast import Forecaster, with_external
from cocycle.reservoir.normalisation import RAW, Normalisation
from cocycle.reservoir.readout import (
    MomentSum,
    Readout,
    RidgeChoice,
    check_moments,
    check_ridge,
    chosen_readout,
    ridge_readout,
)


@final
@dataclass(frozen=True)
class Design:
    """What a readout is a linear function of: functions(seen), seen being the state or, if `direct`, [input | state].

    With `increment` it gives the change of the series, not the value.
    """

    functions: Map | None = None
    direct: bool = False
    increment: bool = False


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
    lengths, each of which starts from rest.

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
    if not isinstance(ridge, RidgeChoice):
        check_ridge(ridge)
    task = _task(network, series, target, external, washout, normalise, noise, generator(rng))
    readout = _untrained(network, design or Design(), task.width, target is None)
    _warn_if_odd(network, readout, task)
    if isinstance(ridge, RidgeChoice):
        weight, ridge = chosen_readout(ridge, _moments(network, readout, task, ridge.folds))
    else:
        (moments,) = _moments(network, readout, task, 1)
        weight = ridge_readout(moments, ridge)
    settings = {"ridge": ridge, "washout": washout, "noise": noise}
    return task.trained(network, readout, like(weight, network.rest()), settings)


class Piece(NamedTuple):
    """One series in the network's units: inputs u[t] and the targets that belong to the states after them."""

    inputs: np.ndarray
    targets: np.ndarray


class _Task(NamedTuple):
    """What is to be learned, in the network's units."""

    pieces: list[Piece]
    washout: int
    units: tuple[Normalisation, Normalisation]  # of inputs and outputs
    external: int
    closable: bool

    @property
    def width(self) -> int:
        return self.pieces[0].targets.shape[-1]

    def trained(self, network, readout, weight, settings) -> Forecaster:
        readout = Readout(weight, readout.components, readout.functions, readout.reads_input, readout.added)
        return Forecaster(network, readout, *self.units, self.external, self.closable, settings)


def _task(network, series, target, external, washout, normalise, noise, rng) -> _Task:
    lists = isinstance(series, list | tuple) and np.ndim(series[0]) >= 2
    series, target, external = (
        list(part) if lists and part is not None else [part] * (1 if not lists else len(series))
        for part in (series, target, external)
    )
    width = 0 if external[0] is None else np.shape(external[0])[-1]
    series = [check_inputs("series", s, network.inputs - width) for s in series]
    shortest = min(len(s) for s in series)
    if not 0 <= washout < shortest - 1:
        raise ValueError(f"series must be longer than washout + 1 = {washout + 1}; got {shortest} times")
    if not 0 <= noise < np.inf:
        raise ValueError(f"noise must be a finite number >= 0; got {noise}")
    inputs = [with_external(s, v, width) for s, v in zip(series, external, strict=True)]
    input_units = _units(normalise, inputs, width)
    closable = target[0] is None
    if closable:
        output_units = Normalisation(
            *(np.broadcast_to(a, network.inputs)[width:] for a in (input_units.offset, input_units.scale))
        )
        pairs = [(u[:-1], s[1:]) for u, s in zip(inputs, series, strict=True)]
    else:
        targets = [check_inputs("target", y, np.shape(y)[-1]) for y in target]
        for u, y in zip(inputs, targets, strict=True):
            if len(u) != len(y):
                raise ValueError(f"target must have as many times as the series, {len(u)}; got {len(y)}")
        output_units = _units(normalise if isinstance(normalise, bool) else True, targets, 0)
        pairs = list(zip(inputs, targets, strict=True))
    pieces = [Piece(_noisy(input_units.applied(u), noise, rng), output_units.applied(y)) for u, y in pairs]
    return _Task(pieces, washout, (input_units, output_units), width, closable)


def _units(normalise: bool | Normalisation, inputs: list[np.ndarray], width: int) -> Normalisation:
    if isinstance(normalise, Normalisation):
        return normalise
    if normalise not in (True, False):
        raise TypeError(f"normalise must be True, False or a Normalisation; got {normalise!r}")
    return Normalisation.standard(*inputs) if normalise else RAW


def _noisy(u: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    return u + rng.normal(scale=noise, size=u.shape) if noise else u


def _untrained(network: Driven, design: Design | Map, width: int, closable: bool) -> Readout:
    """The readout that the design asks for, with weights still to be found."""
    if isinstance(design, Map):
        design = Design(design)
    if not isinstance(design, Design):
        raise TypeError(f"design must be a Design or a map; got {design!r}")
    if design.increment and not closable:
        raise ValueError("increment makes sense for the next value of the series, not for another target")
    m, reads = network.inputs, design.direct or design.increment
    components = network.seen
    if reads:
        seen = m + np.arange(network.dimension)[network.seen]
        components = np.concatenate([np.arange(m), seen]) if design.direct else seen
    added = slice(m - width, m) if design.increment else None
    return Readout(np.zeros((width, 0)), components, design.functions, reads, added)


def _states(network: Driven, readout: Readout, piece: Piece) -> Iterator[tuple[Array, Array]]:
    """What the readout reads and the target that belongs to it, at every time of a piece."""
    u = like(piece.inputs, network.rest())
    states = orbit(network.driven(u), network.rest(tuple(u.shape[1:-1])))
    for now, state, target in zip(u, states, piece.targets, strict=True):
        z = beside(now, state) if readout.reads_input else state
        yield z, target if readout.added is None else target - as_numpy(now[..., readout.added])


def _moments(network: Driven, readout: Readout, task: _Task, folds: int):
    """The moments of each of `folds` stretches, as equal as can be."""
    times = sum(len(piece.inputs) - task.washout for piece in task.pieces)
    borders = [times * (i + 1) // folds for i in range(folds)]
    parts, moments, count = [], None, 0
    for piece in task.pieces:
        for t, (z, target) in enumerate(tracked(_states(network, readout, piece), "training")):
            if t < task.washout:
                continue
            features = as_numpy(readout.features(z))
            if moments is None:
                moments = MomentSum(features.shape[:-1], features.shape[-1], task.width)
            moments.add(features, target)
            count += 1
            if count == borders[len(parts)]:
                parts.append(moments.total())
                check_moments(parts[-1])
                moments = None
    return parts


def _warn_if_odd(network: Driven, readout: Readout, task: _Task) -> None:
    rng = np.random.default_rng(0)
    u, x = (like(rng.normal(size=(*network.batch, n)), network.rest()) for n in (network.inputs, network.dimension))
    here, there = network.joint(beside(u, x)), network.joint(beside(-u, -x))
    if not np.allclose(as_numpy(here + there), 0, atol=1e-12):
        return
    z = beside(u, here) if readout.reads_input else here
    even = readout.features(z) + readout.features(-z) - 2 * readout.features(0 * z)
    if not np.allclose(as_numpy(even), 0, atol=1e-12):
        return
    rows = np.concatenate([piece.inputs.reshape(-1, network.inputs) for piece in task.pieces])
    scale = np.sqrt((rows**2).mean(0))
    if (abs(rows.mean(0)) > 0.1 * scale).any():
        return  # the mean acts as a bias
    skew = abs((rows / scale).T ** 2 @ (rows / scale)).max() / len(rows)
    if skew > 0.1:
        warnings.warn(
            "this network is odd, f(-r, -u) = -f(r, u), and the series is centred but not symmetric: what distinguishes"
            " u from -u cannot be learned; give the network a bias (as Reservoir.random has), the readout squares"
            " (design=WithSquares()), or leave the mean of the series in (normalise=False)",
            stacklevel=3,
        )
