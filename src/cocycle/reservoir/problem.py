"""What a network has to learn: series as its inputs, targets for its states, both in the network's units."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, final

import numpy as np

from cocycle.arrays import Array, as_numpy, is_number, like
from cocycle.driven import Driven, check_inputs, driven_states
from cocycle.reservoir.forecast import Forecaster, with_external
from cocycle.reservoir.normalisation import RAW, Normalisation, refuse_constant
from cocycle.reservoir.readout import Readout


class Piece(NamedTuple):
    """One series: inputs u[t] (time, *batch, m) and the targets that belong to the states after them."""

    inputs: np.ndarray
    targets: np.ndarray


@final
@dataclass(frozen=True, eq=False)
class Problem:
    """A regression: inputs of the network, the targets that belong to its states, and the units of both."""

    pieces: list[Piece]
    inputs: Normalisation
    outputs: Normalisation
    external: int  # components of the input that nobody predicts
    closable: bool  # whether the target is the next input

    @property
    def width(self) -> int:
        """The number of components of the target."""
        return self.pieces[0].targets.shape[-1]

    def noisy(self, noise: float, rng: np.random.Generator) -> "Problem":
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


def regression(network: Driven, series, target, external, washout: int, normalise: bool | Normalisation) -> Problem:
    """To give the next value of series, or `target`, after each input [external | series].

    Each may be an array or a list of arrays.  Raises ValueError for what does not fit, is too short or not finite.
    """
    count = len(series) if _is_list_of_series(series) else None
    many_series, targets, externals = (_as_list(part, count) for part in (series, target, external))
    if external is not None and np.ndim(externals[0]) < 2:
        raise ValueError(f"external must have shape (time, *batch, v), external[:, None]; got {np.shape(externals[0])}")
    width = 0 if external is None else np.shape(externals[0])[-1]
    if not isinstance(washout, int | np.integer):
        raise TypeError(f"washout must be an integer; got {washout!r}")
    many_series = [as_numpy(check_inputs("series", s, network.inputs - width)) for s in many_series]
    shortest = min(len(s) for s in many_series)
    if not 0 <= washout < shortest - 1:
        raise ValueError(
            f"washout must be in 0..{shortest - 2} for a series of {shortest} times; got {washout}: take a smaller"
            " one, or a longer series"
        )
    inputs = [with_external(s, v, width) for s, v in zip(many_series, externals, strict=True)]
    units = _units(normalise, inputs, width)
    if target is None:
        pairs = [(u[:-1], s[1:]) for u, s in zip(inputs, many_series, strict=True)]
        output_units = units.part(slice(width, None), network.inputs)
    else:
        pairs = [(u, _checked_target(y, u)) for u, y in zip(inputs, targets, strict=True)]
        output_units = RAW if normalise is False else Normalisation.standard(*(y for _, y in pairs), name="target")
    pieces = [Piece(units.applied(u), output_units.applied(y)) for u, y in pairs]
    return Problem(pieces, units, output_units, width, target is None)


def _is_list_of_series(series) -> bool:
    return isinstance(series, list | tuple) and len(series) > 0 and np.ndim(series[0]) >= 2


def _as_list(part, count: int | None) -> list:
    """What belongs to each of `count` series, or to the only one, which is not in a list."""
    if count is None:
        return [part]
    if part is None:
        return [None] * count
    if len(part) != count:
        raise ValueError(
            f"target and external must be lists with one array for each of the {count} series; got {len(part)}"
        )
    return list(part)


def _checked_target(target, inputs: np.ndarray) -> np.ndarray:
    if np.ndim(target) < 2:
        raise ValueError(f"target must have shape (time, *batch, k), target[:, None]; got {np.shape(target)}")
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


def read_and_wanted(
    network: Driven, readout: Readout, piece: Piece, states: Iterable[tuple[Array, Array]] | None = None
) -> Iterator[tuple[Array, np.ndarray]]:
    """What the readout reads after every input of a piece, and the target of its linear part.

    `states`: pairs as of `driven_states`, where they do not come from the inputs of the piece.
    """
    states = driven_states(network, like(piece.inputs, network.rest())) if states is None else states
    for (u, state), target in zip(states, piece.targets, strict=True):
        wanted = target if readout.added is None else target - as_numpy(u[..., readout.added])
        yield readout.read(u, state), wanted
