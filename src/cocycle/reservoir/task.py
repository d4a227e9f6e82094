"""What a network has to learn: series as its inputs, targets for its states, both in the network's units."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, final

import numpy as np

from cocycle.arrays import Array, as_numpy, is_number, like
from cocycle.driven import Driven, beside, check_inputs
from cocycle.maps import Map, orbit
from cocycle.reservoir.forecast import Forecaster, with_external
from cocycle.reservoir.normalisation import RAW, Normalisation, refuse_constant
from cocycle.reservoir.readout import Readout


@final
@dataclass(frozen=True)
class Design:
    """What a readout is a linear function of: functions(seen), seen being the state or, if `direct`, [input | state].

    With `increment` it gives the change of the series, not the value.  With `constant` it has a constant term, which
    the ridge does not pull to zero, unless the functions contain a constant themselves; without it is the textbook's
    O = W_out r.
    """

    functions: Map | None = None
    direct: bool = False
    increment: bool = False
    constant: bool = True


class Piece(NamedTuple):
    """One series: inputs u[t] (time, *batch, m) and the targets that belong to the states after them."""

    inputs: np.ndarray
    targets: np.ndarray


@final
@dataclass(frozen=True, eq=False)
class Task:
    """Series to learn from, and the units in which the network sees them."""

    pieces: list[Piece]
    inputs: Normalisation
    outputs: Normalisation
    external: int  # components of the input that nobody predicts
    closable: bool  # whether the target is the next input

    @property
    def width(self) -> int:
        """The number of components of the target."""
        return self.pieces[0].targets.shape[-1]

    def noisy(self, noise: float, rng: np.random.Generator) -> "Task":
        """The same with normal noise of that standard deviation on the inputs.  Raises ValueError if negative."""
        if not is_number(noise) or not 0 <= noise < np.inf:
            raise ValueError(f"noise must be a finite number >= 0; got {noise!r}")
        if noise == 0:
            return self
        moved = [Piece(u + rng.normal(scale=noise, size=u.shape), y) for u, y in self.pieces]
        return replace(self, pieces=moved)

    def forecaster(
        self,
        network: Driven,
        readout: Readout,
        weight: np.ndarray,
        offset: np.ndarray | float,
        settings: dict[str, Any],
    ) -> Forecaster:
        """The network with the weights of its readout, and its constant, found."""
        offset = like(offset, network.rest()) if isinstance(offset, np.ndarray) else offset
        readout = replace(readout, weight=like(weight, network.rest()), offset=offset)
        return Forecaster(network, readout, self.inputs, self.outputs, self.external, self.closable, settings)


def make_task(network: Driven, series, target, external, washout: int, normalise: bool | Normalisation) -> Task:
    """The task of giving the next value of series, or `target`, after each input [external | series].

    Each may be an array or a list of arrays.  Raises ValueError for what does not fit, is too short or not finite.
    """
    count = len(series) if _is_list_of_series(series) else None
    many_series, targets, externals = (_as_list(part, count) for part in (series, target, external))
    if external is not None and np.ndim(externals[0]) < 2:
        raise ValueError(f"external must have shape (time, *batch, v); got {np.shape(externals[0])}")
    width = 0 if external is None else np.shape(externals[0])[-1]
    if not isinstance(washout, int | np.integer):
        raise TypeError(f"washout must be an integer; got {washout!r}")
    many_series = [as_numpy(check_inputs("series", s, network.inputs - width)) for s in many_series]
    shortest = min(len(s) for s in many_series)
    if not 0 <= washout < shortest - 1:
        raise ValueError(f"series must be longer than washout + 1 = {washout + 1}; got {shortest} times")
    inputs = [with_external(s, v, width) for s, v in zip(many_series, externals, strict=True)]
    units = _units(normalise, inputs, width)
    if target is None:
        pairs = [(u[:-1], s[1:]) for u, s in zip(inputs, many_series, strict=True)]
        output_units = units.part(slice(width, None), network.inputs)
    else:
        pairs = [(u, _checked_target(y, u)) for u, y in zip(inputs, targets, strict=True)]
        output_units = RAW if normalise is False else Normalisation.standard(*(y for _, y in pairs), name="target")
    pieces = [Piece(units.applied(u), output_units.applied(y)) for u, y in pairs]
    return Task(pieces, units, output_units, width, target is None)


def _is_list_of_series(series) -> bool:
    return isinstance(series, list | tuple) and len(series) > 0 and np.ndim(series[0]) >= 2


def _as_list(part, count: int | None) -> list:
    """What belongs to each of `count` series, or to the only one, which is not in a list."""
    if count is None:
        return [part]
    if part is None:
        return [None] * count
    if len(part) != count:
        raise ValueError(f"there must be one for each of the {count} series; got {len(part)}")
    return list(part)


def _checked_target(target, inputs: np.ndarray) -> np.ndarray:
    if np.ndim(target) < 2:
        raise ValueError(f"target must have shape (time, *batch, k); got {np.shape(target)}")
    target = as_numpy(check_inputs("target", target, np.shape(target)[-1]))
    if len(target) != len(inputs):
        raise ValueError(f"target must have as many times as the series, {len(inputs)}; got {len(target)}")
    return target


def _units(normalise: bool | Normalisation, inputs: list[np.ndarray], width: int) -> Normalisation:
    """Those of [external | series], external having `width` components."""
    if isinstance(normalise, Normalisation):
        try:
            normalise.part(slice(None), inputs[0].shape[-1])
        except ValueError:
            shapes = tuple(np.shape(a) for a in (normalise.offset, normalise.scale))
            raise ValueError(
                f"normalise must be of the {inputs[0].shape[-1]} components of the input; got shapes {shapes}"
            ) from None
        return normalise
    if normalise not in (True, False):
        raise TypeError(f"normalise must be True, False or a Normalisation; got {normalise!r}")
    if not normalise:
        return RAW
    rows = np.concatenate([u.reshape(-1, u.shape[-1]) for u in inputs])
    for name, part in (("external input", rows[:, :width]), ("series", rows[:, width:])):
        refuse_constant(name, part)
    return Normalisation.standard(*inputs)


def untrained(network: Driven, design: Design | Map | None, task: Task) -> tuple[Readout, bool]:
    """The readout that the design asks for, its weights still to be found, and whether it gets a constant.

    Raises TypeError for something that is no design, ValueError for increments of what is not the series.
    """
    design = Design(design) if isinstance(design, Map) else design or Design()
    if not isinstance(design, Design):
        raise TypeError(f"design must be a Design or a map; got {design!r}")
    if design.increment and not task.closable:
        raise ValueError("increment is for the next value of the series, not for another target")
    m, reads_input, components = network.inputs, design.direct or design.increment, network.seen
    if reads_input:
        state = m + np.arange(network.dimension)[network.seen]
        components = np.concatenate([np.arange(m), state]) if design.direct else state
    added = slice(m - task.width, m) if design.increment else None
    readout = Readout(np.zeros((task.width, 0)), components, design.functions, reads_input, added)
    return readout, design.constant and not _contains_constant(network, readout)


def _contains_constant(network: Driven, readout: Readout) -> bool:
    """Whether one of the features is the same, and not zero, at four random places."""
    if readout.functions is None:
        return False
    width = network.dimension + network.inputs * readout.reads_input
    places = np.random.default_rng(0).normal(size=(4, *network.batch, width))
    found = np.stack([as_numpy(readout.features(like(z, network.rest()))) for z in places])
    return bool(((found == found[0]).all(axis=0) & (found[0] != 0)).any())


def read_and_wanted(network: Driven, readout: Readout, piece: Piece) -> Iterator[tuple[Array, np.ndarray]]:
    """What the readout reads, and what its linear part should make of it, after every input of a piece."""
    u = like(piece.inputs, network.rest())
    states = orbit(network.driven(u), network.rest(tuple(u.shape[1:-1])))
    for now, state, target in zip(u, states, piece.targets, strict=True):
        z = beside(now, state) if readout.reads_input else state
        yield z, target if readout.added is None else target - as_numpy(now[..., readout.added])
