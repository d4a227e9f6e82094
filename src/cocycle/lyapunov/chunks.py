"""How many inputs are computed together: as many as fit in the processor's cache."""

from collections.abc import Sequence

from cocycle.arrays import State
from cocycle.maps import Map, orbit

CACHE = 2**23  # bytes: chunks whose states fit in it are fastest
COPIES = 4  # of states and vectors that a map has in memory


def widths(steps: Sequence[Map], x: State) -> list[int]:
    """The dimensions of the states before and after each map.  Raises ValueError if the maps fail at x."""
    try:
        return [x.shape[-1], *(state.shape[-1] for state in orbit(steps, x))]
    except (RuntimeError, ValueError) as error:
        raise wrong_input(x, error) from None


def wrong_input(x: State, error: Exception) -> ValueError:
    """The error for inputs x at which the maps raise `error`."""
    return ValueError(
        f"x must be inputs that the maps take; they fail on shape (..., {x.shape[-1]}) and {x.dtype}: {error}"
    )


def bytes_of_one(dimensions: Sequence[int], vectors: int, itemsize: int) -> int:
    """The memory of one input and its tangent vectors."""
    return itemsize * COPIES * max(dimensions) * (1 + vectors)


def at_once(each: int, memory: float) -> int:
    """The number of inputs in a chunk, `each` of so many bytes, within `memory` bytes."""
    return max(1, int(min(memory, max(CACHE, 16 * each)) / each))
