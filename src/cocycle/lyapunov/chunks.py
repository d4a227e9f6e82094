"""How many inputs go through a network at once: as many as fit in the processor's cache."""

from collections.abc import Sequence

from cocycle.arrays import Array
from cocycle.maps import Map, orbit

CACHE = 2**23  # bytes of the states of a chunk: what fits there is fast
COPIES = 4  # of states and vectors that a map makes on its way


def widths(steps: Sequence[Map], x: Array) -> list[int]:
    """The dimensions on the way, found with few inputs x.  Raises ValueError if the maps do not take them."""
    try:
        return [x.shape[-1], *(state.shape[-1] for state in orbit(steps, x))]
    except (RuntimeError, ValueError) as error:
        raise not_taken(x, error) from None


def not_taken(x: Array, error: Exception) -> ValueError:
    """The error that says of which inputs the maps said `error`."""
    return ValueError(f"the maps do not take inputs of shape (..., {x.shape[-1]}) and {x.dtype}: {error}")


def bytes_of_one(dimensions: Sequence[int], vectors: int, itemsize: int) -> int:
    """Bytes that one input takes, with its tangent vectors."""
    return itemsize * COPIES * max(dimensions) * (1 + vectors)


def at_once(each: int, memory: float) -> int:
    """How many inputs of `each` bytes make a chunk, within `memory` bytes."""
    return max(1, int(min(memory, max(CACHE, 16 * each)) / each))
