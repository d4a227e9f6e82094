"""Many QR steps of one and the same map as one call of its compiled loop, where it has one.

`qr_steps` defines what is computed; `qr_blocks` gives the same, group after group, in blocks.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, repeat
from operator import length_hint
from typing import NamedTuple, final

import numpy as np

from cocycle.arrays import Array, tolerances
from cocycle.lyapunov.qr import FEW, FIRST, QRStep, as_map, next_length, qr_steps
from cocycle.maps import Map
from cocycle.progress import progress_bar, tracked

FEW_GROUPS, GROUPS = 16, 2000  # of the first block, while the growth is not known, and of any, at most
MEMORY = 2**22  # numbers of a block, at most
CAUTION = 0.8  # of the digits that a frame may lose: a group that loses more ends its block


class QRBlock(NamedTuple):
    """Several QR steps: state x (*batch, n) and frame q (*batch, n, k) after the last, the factors r (groups, *batch,
    k, k), the time that each took, the number of all maps, states and frames after each group, and the map."""

    x: Array
    q: Array
    r: Array
    time: float
    maps: int
    states: Array
    frames: Array
    map: Map


@final
@dataclass(frozen=True)
class Repeated:
    """One map, so many times."""

    map: Map
    count: int

    def __iter__(self):
        return repeat(self.map, self.count)


def split(steps: Iterable[Map], first: int) -> tuple[Repeated, Repeated] | tuple[Iterator[Map], Iterator[Map]]:
    """The first maps, and the others."""
    run = repeated(steps)
    if run is not None:
        first = min(first, run.count)
        return Repeated(run.map, first), Repeated(run.map, run.count - first)
    rest = iter(steps)
    return islice(rest, first), rest


def repeated(steps: Iterable[Map]) -> Repeated | None:
    """What itertools.repeat(map, count) gives, None for all other iterables."""
    if not isinstance(steps, repeat):
        return None
    try:
        count = length_hint(steps)
    except TypeError:  # without end
        return None
    return Repeated(as_map(next(steps)), count) if count else None


def qr_blocks(
    steps: Repeated | Iterable[Map],
    x: Array,
    q: Array,
    *,
    every: int | str = 1,
    through: Callable[[Iterable[Map]], Iterable[Map]] = iter,
) -> Iterator[QRStep | QRBlock]:
    """The steps of `qr_steps(through(steps), x, q, every=every)`, many together where a map has a compiled loop."""
    if isinstance(steps, Repeated) and _kernel(steps, x, q) is not None:
        yield from _by_kernel(steps, x, q, every)
    else:
        yield from qr_steps(through(tracked(steps, "exponents")), x, q, every=every)


def _by_kernel(steps: Repeated, x: Array, q: Array, every: int | str) -> Iterator[QRStep | QRBlock]:
    f, left, auto = steps.map, steps.count, every == "auto"
    length = (FIRST if q.shape[-1] <= FEW else 1) if isinstance(every, str) else every
    limit = tolerances(x.dtype).frame_spread if auto else np.inf
    most, size = FEW_GROUPS if auto else GROUPS, x.size + q.size + q.size // q.shape[-2] * q.shape[-1]
    with progress_bar(left, "exponents") as advance:
        while left:
            groups = min(left // length, most, max(1, MEMORY // size))
            kernel = _kernel(steps, x, q)
            block = kernel(x, q, groups, length) if groups and kernel else None
            spreads = _spreads(block.r) if block is not None and len(block.r) else np.zeros(0)
            fine = len(spreads) if not auto else int(np.argmax(np.append(spreads, np.inf) > limit))
            taken = fine * length
            if fine:
                assert block is not None
                x, q, r = block.x[fine - 1], block.q[fine - 1], block.r[:fine]
                yield QRBlock(x, q, r, length * f.dt, taken, block.x[:fine], block.q[:fine], f)
                if auto:
                    most = min(2 * most, GROUPS)
                    length = next_length(length, float(spreads[:fine].max()), limit**CAUTION)
            if fine < max(groups, 1):  # what the kernel does not take, and the rest that is no whole group
                for step in qr_steps(repeat(f, min(length, left - taken)), x, q, every=every):
                    x, q, taken = step.x, step.q, taken + step.maps
                    length = step.maps if auto else length
                    yield step
            left -= taken
            advance(taken)


def _kernel(steps: Repeated, x: Array, q: Array):
    """The compiled loop of the map, if it has one; what is used as a map without being one has none."""
    return getattr(steps.map, "kernel", lambda *_: None)(x, q, steps.count)


def _spreads(r: np.ndarray) -> np.ndarray:
    """Of each group the largest ratio of two diagonal elements in the batch."""
    diagonal = np.diagonal(r, axis1=-2, axis2=-1)
    return (diagonal.max(-1) / diagonal.min(-1)).reshape(len(r), -1).max(-1)
