"""Shapes of a forecaster's parts that belong together, found out without the memory that its states would take."""

from math import prod
from typing import Any

import numpy as np

from cocycle.arrays import is_number
from cocycle.driven import Driven
from cocycle.maps import Composed, Linear, Map, Select
from cocycle.reservoir.features import HalfSquared, Polynomial, WithSquares
from cocycle.reservoir.normalisation import Normalisation
from cocycle.reservoir.readout import Readout

ROOM = 2**24  # numbers that a network's states and features may take beyond those of its weights
TUPLE = 8  # numbers in whose memory Python keeps one tuple, apart from what is in it


def check_readout(network: Driven, readout: Readout, room: int) -> None:
    """Raise ValueError unless the readout is one of this network, and takes what the network gives.

    `room` is how many numbers the states and features may take, those of all networks together.
    """
    n, m = int(network.dimension), int(network.inputs)
    _check_room(n + m, room)
    if readout.weight.ndim < 2:
        raise ValueError(f"readout must have a weight of shape (*batch, k, p); got {readout.weight.shape}")
    k = width_of_output(readout, n + m * bool(readout.reads_input), room)
    batch = np.broadcast_shapes(network.batch, readout.weight.shape[:-2])
    _check_room(prod(batch) * (n + m + k), room)
    _check_within("offset of the readout", readout.offset, (*batch, k))


def check_classifier(network: Driven, weight: np.ndarray, windows: int | None, room: int) -> None:
    """Raise ValueError unless the weight (classes, windows · n) takes means of what is seen of the network's states."""
    n = int(network.dimension)
    _check_room(n + int(network.inputs), room)
    if network.batch or (windows is not None and windows < 1):
        raise ValueError(f"a classifier must have a single network and at least one window; got {windows}")
    features = (windows or 1) * len(np.arange(n)[network.seen])
    if weight.ndim != 2 or weight.shape[1] != features:
        raise ValueError(f"weight must have shape (classes, {features}); got {weight.shape}")


def check_units(name: str, units: Normalisation, width: int) -> None:
    """Raise ValueError unless the units called `name` are those of `width` components."""
    _check_within(f"offset of {name}", units.offset, (width,))
    _check_within(f"scale of {name}", units.scale, (width,))


def check_loop(network: Driven, readout: Readout, external: int, closable: bool) -> None:
    """Raise ValueError unless `external` counts some inputs, and the output can be the others, if it is `closable`."""
    outputs, inputs = readout.weight.shape[-2], network.inputs - external
    if not 0 <= external <= network.inputs:
        raise ValueError(f"external must be in 0..{network.inputs}, the inputs of the network; got {external}")
    if closable and outputs != inputs:
        raise ValueError(
            f"the readout must give the {inputs} components of the next input; it gives {outputs}: of another target"
            " it is with closable=False"
        )


def width_of_output(f: Map | None, width: int, room: int) -> int:
    """How many components f (None: the identity) makes of `width`.  Raises ValueError if it takes another number."""
    match f:
        case None | HalfSquared():
            found = width
        case WithSquares():
            found = 2 * width
        case Select():
            found = _count_of(f.components, width)
        case Polynomial():
            _check_takes(f, f.inputs, width)
            counts = [(_monomials(width, int(d), room), int(d)) for d in f.degrees]
            _check_room(sum(count * (d + TUPLE) for count, d in counts), room)
            found = sum(count for count, _ in counts)
        case Linear():
            found = _rows(f, width)
        case Readout():
            found = _rows(f, width_of_output(f.functions, _count_of(f.components, width), room))
            if f.added is not None and _count_of(f.added, width) != found:
                raise ValueError(f"added must be as many components as the readout has outputs, {found}")
        case Composed():
            found, total = width, 0
            for part in f.maps:
                found = width_of_output(part, found, room)
                total += found
            _check_room(total, room)
        case _:
            raise ValueError(f"functions must be the package's own; got a {type(f).__name__}")
    _check_room(found, room)
    return found


def _rows(f: Any, width: int) -> int:
    if f.weight.ndim < 2:
        raise ValueError(f"weight must have shape (*batch, k, p); got {f.weight.shape}")
    _check_takes(f, f.weight.shape[-1], width)
    return f.weight.shape[-2]


def _check_takes(f: Map, taken: int, width: int) -> None:
    if taken != width:
        raise ValueError(f"{type(f).__name__} must take the {width} components that it is given; it takes {taken}")


def _count_of(components: Any, width: int) -> int:
    try:
        chosen = np.arange(width)[..., list(components) if isinstance(components, tuple) else components]
    except (IndexError, TypeError, ValueError) as error:
        raise ValueError(f"components must be some of {width}: {error}") from None
    if chosen.ndim != 1:
        raise ValueError(f"components must be a list or a slice; got shape {chosen.shape}")
    return len(chosen)


def _monomials(inputs: int, degree: int, room: int) -> int:
    """The binomial coefficient (inputs + degree - 1 over degree), or a number above `room`."""
    count, fewer = 1, min(degree, inputs - 1)
    for i in range(1, fewer + 1):  # it doubles every time, at least
        count = count * (inputs + degree - 1 - fewer + i) // i
        if count > room:
            break
    return count if inputs else int(degree == 0)


def _check_room(count: int, room: int) -> None:
    if count > room:
        raise ValueError(f"states and features must have at most {room} components, as large as the file is")


def _check_within(name: str, values: Any, shape: tuple[int, ...]) -> None:
    found = () if is_number(values) else values.shape
    axes = zip(reversed(found), reversed(shape), strict=False)
    if len(found) > len(shape) or any(mine not in (1, whole) for mine, whole in axes):
        raise ValueError(f"{name} must fit shape {shape}; got {found}")
