"""What a network has to learn: series as its inputs, targets for its states, both in the network's units."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, final

import numpy as np

from cocycle.arrays import Array, as_numpy, is_number, like
from cocycle.driven import Driven, driven_states
from cocycle.reservoir.forecast import Forecaster, with_external
from cocycle.reservoir.gaps import Given
from cocycle.reservoir.normalisation import RAW, Normalisation, refuse_constant
from cocycle.reservoir.readout import Readout


class Piece(NamedTuple):
    """One series: inputs u[t] (time, *batch, m) and the targets that belong to the states after them."""

    inputs: np.ndarray
    targets: np.ndarray

    @property
    def complete(self) -> np.ndarray:
        """Whether the target is known, with all its components, at each time (time,): the others are left out."""
        return _complete(self.targets)


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


def regression(network: Driven, given: Given, washout: int, normalise: bool | Normalisation) -> Problem:
    """To give the next value of the series, or the target, after each input [external | series].

    Raises ValueError for what does not fit or is too short, and if a value of the target is missing at all times.
    """
    shortest = min(len(s) for s in given.series)
    if not 0 <= washout < shortest - 1:
        raise ValueError(
            f"washout must be in 0..{shortest - 2} for a series of {shortest} times; got {washout}: take a smaller"
            " one, or a longer series"
        )
    width = 0 if given.external[0] is None else given.external[0].shape[-1]
    closable = given.targets[0] is None
    inputs = [with_external(s, v, width) for s, v in zip(given.series, given.external, strict=True)]
    units = _units(normalise, inputs, width)
    if closable:
        pairs = [(u[:-1], s[1:]) for u, s in zip(inputs, given.observed, strict=True)]
        output_units = units.part(slice(width, None), network.inputs)
    else:
        pairs = [(u, _checked_target(y, u)) for u, y in zip(inputs, given.targets, strict=True)]
        known = (y[_complete(y)] for _, y in pairs)
        output_units = RAW if normalise is False else Normalisation.standard(*known, name="target")
    pieces = [Piece(units.applied(u), output_units.applied(y)) for u, y in pairs]
    if not any(piece.complete[washout:].any() for piece in pieces):
        raise ValueError(
            f"target must have all its components at some time after the washout of {washout}, or the mask leaves"
            " nothing to learn from; got none"
        )
    return Problem(pieces, units, output_units, width, closable)


def _complete(values: np.ndarray) -> np.ndarray:
    """Whether no value is missing, at each time."""
    return np.all(np.isfinite(values).reshape(len(values), -1), axis=1)


def _checked_target(target: Any, inputs: np.ndarray) -> np.ndarray:
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
