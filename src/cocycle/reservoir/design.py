"""What a readout is a linear function of."""

from dataclasses import dataclass
from typing import final

import numpy as np

from cocycle.arrays import as_numpy, like
from cocycle.driven import Driven
from cocycle.maps import Map
from cocycle.reservoir.readout import Readout


@final
@dataclass(frozen=True)
class Design:
    """What a readout is a linear function of: functions(seen), seen being the state or, if `direct`, [input | state].

    With `increment` it gives the change of the series, not the value.  With `constant` it has a constant term
    without ridge, unless the functions contain a constant themselves; without it is the textbook's
    O = W_out r.
    """

    functions: Map | None = None
    direct: bool = False
    increment: bool = False
    constant: bool = True


def untrained(network: Driven, design: Design | Map | None, outputs: int, closable: bool) -> tuple[Readout, bool]:
    """The readout of a design for so many outputs, without weights, and whether it gets a constant.

    Raises TypeError for something that is no design, ValueError for increments of what is not the series.
    """
    design = Design(design) if isinstance(design, Map) else design or Design()
    if not isinstance(design, Design):
        raise TypeError(f"design must be a Design, or a map such as WithSquares(); got {design!r}")
    if design.increment and not closable:
        raise ValueError(
            "increment=True is for the next value of the series: with a target of another kind leave it out"
        )
    m, reads_input, components = network.inputs, design.direct or design.increment, network.seen
    if reads_input:
        state = m + np.arange(network.dimension)[network.seen]
        components = np.concatenate([np.arange(m), state]) if design.direct else state
    added = slice(m - outputs, m) if design.increment else None
    readout = Readout(np.zeros((outputs, 0)), components, design.functions, reads_input, added)
    return readout, design.constant and not _contains_constant(network, readout)


def _contains_constant(network: Driven, readout: Readout) -> bool:
    """Whether one of the features is the same, and not zero, at four random places."""
    if readout.functions is None:
        return False
    width = network.dimension + network.inputs * readout.reads_input
    places = np.random.default_rng(0).normal(size=(4, *network.batch, width))
    found = np.stack([as_numpy(readout.features(like(z, network.rest()))) for z in places])
    return bool(((found == found[0]).all(axis=0) & (found[0] != 0)).any())
