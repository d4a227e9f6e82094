"""What a readout is a linear function of, and how much its parts are penalised."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from cocycle.arrays import Array, as_numpy, like
from cocycle.driven import Driven
from cocycle.maps import Map
from cocycle.reservoir.features import Features
from cocycle.reservoir.readout import Readout

SMALLEST = 1e-100  # penalty: squares of features that are divided by its root are finite


@final
@dataclass(frozen=True, eq=False)
class Design:
    """What a readout is a linear function of: functions(seen), seen being the state or, if `direct`, [input | state].

    With `increment` it gives the change of the series, not the value.  With `constant` it has a constant term
    without ridge, unless the functions contain a constant themselves; without it is the textbook's
    O = W_out r.

    penalties: the ridge of a feature is that of the regression times its penalty, 1 by default.  One for each feature,
    or by the names of groups: "input" and "state", each also with " squared" for `WithSquares`, "degree 2" for
    `Polynomial`; features of a map of your own are one group, "features".  A small one leaves a group nearly without
    ridge.  The step of a rule without a ridge, `LeastMeanSquares`, is divided by it.
    """

    functions: Map | None = None
    direct: bool = False
    increment: bool = False
    constant: bool = True
    penalties: Mapping[str, float] | Sequence[float] | np.ndarray | None = None


class Untrained(NamedTuple):
    """A readout without weights, whether it gets a constant, and 1/√penalty of its features.

    A ridge regression of scaled features penalises the weight of each by its own penalty.
    """

    readout: Readout
    constant: bool
    scale: np.ndarray | float

    def features(self, z: Array) -> np.ndarray:
        """The scaled features (*batch, p)."""
        return as_numpy(self.readout.features(z)) * self.scale

    def weight(self, of_scaled: np.ndarray) -> np.ndarray:
        """The weight (*batch, k, p) of the features themselves."""
        return of_scaled * self.scale


def untrained(network: Driven, design: Design | Map | None, outputs: int, closable: bool) -> Untrained:
    """The readout of a design for so many outputs.

    Raises TypeError for something that is no design, ValueError for increments of what is not the series, and for
    penalties that are not positive or of no features.
    """
    design = Design(design) if isinstance(design, Map) else design or Design()
    if not isinstance(design, Design):
        raise TypeError(f"design must be a Design, or a map such as WithSquares(); got {design!r}")
    if design.increment and not closable:
        raise ValueError(
            "increment=True is for the next value of the series: with a target of another kind leave it out"
        )
    m, reads_input, components = network.inputs, design.direct or design.increment, network.seen
    state = np.arange(network.dimension)[network.seen]
    if reads_input:
        components = np.concatenate([np.arange(m), m + state]) if design.direct else m + state
    added = slice(m - outputs, m) if design.increment else None
    readout = Readout(np.zeros((outputs, 0)), components, design.functions, reads_input, added)
    constant = design.constant and not _contains_constant(network, readout)
    if design.penalties is None:
        return Untrained(readout, constant, 1.0)
    seen = {"input": m, "state": len(state)} if design.direct else {"state": len(state)}
    return Untrained(readout, constant, _penalties(design.penalties, _groups(network, readout, seen)) ** -0.5)


def _groups(network: Driven, readout: Readout, seen: dict[str, int]) -> dict[str, int]:
    if readout.functions is None:
        return seen
    if isinstance(readout.functions, Features):
        return readout.functions.groups(seen)
    width = network.dimension + network.inputs * readout.reads_input
    return {"features": readout.features(like(np.zeros(width), network.rest())).shape[-1]}


def _penalties(given: Mapping[str, float] | Sequence[float] | np.ndarray, groups: dict[str, int]) -> np.ndarray:
    """The penalty (p,) of each feature."""
    if isinstance(given, Mapping):
        unknown = [name for name in given if name not in groups]
        if unknown:
            hint = ": the input is a group with direct=True" if unknown[0] == "input" else ""
            names = ", ".join(groups)
            raise ValueError(f"penalties must be of these groups of features: {names}; got {unknown[0]!r}{hint}")
        wrong = [f"{name!r}: {value!r}" for name, value in given.items() if not 0 < value < np.inf]
        if wrong:
            raise ValueError(f"penalties must be positive numbers; got {wrong[0]}: 1e-6 is nearly no penalty")
        given = np.concatenate([np.full(count, given.get(name, 1.0), dtype=float) for name, count in groups.items()])
    found, p = np.asarray(given, dtype=float), sum(groups.values())
    if found.shape != (p,) or not ((found > SMALLEST) & (found < 1 / SMALLEST)).all():
        raise ValueError(
            f"penalties must be a number within {SMALLEST:g}..{1 / SMALLEST:g} for each of the {p} features; got"
            f" {given!r:.80}"
        )
    return found


def _contains_constant(network: Driven, readout: Readout) -> bool:
    """Whether one of the features is the same, and not zero, at four random places."""
    if readout.functions is None:
        return False
    width = network.dimension + network.inputs * readout.reads_input
    places = np.random.default_rng(0).normal(size=(4, *network.batch, width))
    found = np.stack([as_numpy(readout.features(like(z, network.rest()))) for z in places])
    return bool(((found == found[0]).all(axis=0) & (found[0] != 0)).any())
