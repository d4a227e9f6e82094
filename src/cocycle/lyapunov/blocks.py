"""Many QR steps of one and the same map as one call of its compiled loop, where it has one.

`qr_steps` defines what is computed; `qr_blocks` gives the same, group after group, in blocks.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice, repeat
from typing import Any, NamedTuple

import numpy as np

from cocycle.arrays import Array, tolerances
from cocycle.lyapunov.qr import FEW, FIRST, LONGEST, QRStep, qr_steps
from cocycle.maps import Map
from cocycle.trajectories import WORK, Repeated

FEW_GROUPS, GROUPS = 16, 10_000  # of the first block, while the growth is not known, and of any, at most
MEMORY = 2**22  # numbers of a block, at most
RARE = 500  # groups between two that are too long, for which the length is right


class QRBlock(NamedTuple):
    """Several QR steps: state x (*batch, n) and frame q (*batch, n, k) after the last, ln diag(r) of each (groups,
    *batch, k), the time that each took, the number of all maps, states and frames after each group, and the map."""

    x: Array
    q: Array
    logs: Array
    time: float
    maps: int
    states: Array
    frames: Array
    map: Map


def split(steps: Repeated | Iterable[Map], first: int) -> tuple[Iterable[Map], Iterable[Map]]:
    """The first maps, and the others."""
    if isinstance(steps, Repeated):
        first = min(first, steps.count)
        return Repeated(steps.map, first), Repeated(steps.map, steps.count - first)
    rest = iter(steps)
    return islice(rest, first), rest


def compiled_loop(steps: Repeated | Iterable[Map], x: Array, q: Array) -> Any:
    """The compiled loop of one map that is repeated, or a text that says why there is none."""
    if not isinstance(steps, Repeated):
        return "steps is not repeat(map, count), of itertools"
    if not isinstance(steps.map, Map):
        return f"{type(steps.map).__name__} is not a cocycle.Map"
    return steps.map.kernel(x, q, steps.count)


def qr_blocks(
    steps: Repeated | Iterable[Map],
    x: Array,
    q: Array,
    *,
    every: int | str = 1,
    through: Callable[[Iterable[Map]], Iterable[Map]] = iter,
    threads: int = 1,
) -> Iterator[QRStep | QRBlock]:
    """The steps of `qr_steps(through(steps), x, q, every=every)`, many together where a map has a compiled loop."""
    if isinstance(steps, Repeated) and not isinstance(compiled_loop(steps, x, q), str):
        yield from _by_kernel(steps, x, q, every, threads)
    else:
        yield from qr_steps(through(steps), x, q, every=every)


def _by_kernel(steps: Repeated, x: Array, q: Array, every: int | str, threads: int) -> Iterator[QRStep | QRBlock]:
    """Blocks of groups of one length; with "auto" it grows from block to block, until groups are too long.

    A block ends before a group that is too long for the precision, which is halved, or that the compiled loop cannot
    take at any length, which the QR loop takes.
    """
    f, left, auto, most = steps.map, steps.count, isinstance(every, str), FEW_GROUPS
    length = every if isinstance(every, int) else FIRST if q.shape[-1] <= FEW else 1
    longest, short = LONGEST if auto else length, 0
    spread = tolerances(x.dtype).frame_spread if auto else np.inf
    while left:
        size = min(short or length, left)
        groups = min(left // size, 2 if short else most, _largest_block(x, q, size))
        kernel = compiled_loop(steps, x, q)  # a map that has changed has another one
        block = None if isinstance(kernel, str) else kernel(x, q, groups, size, spread=spread, threads=threads)
        done = 0 if block is None else len(block.x)
        if block is not None and done:
            x, q = block.x[-1], block.q[-1]
            yield QRBlock(x, q, np.log(block.diagonal), size * f.dt, done * size, block.x, block.q, f)
        left -= done * size
        if done == groups:
            grown = length if short else min(2 * length, longest)
            length, most, short = grown, min(most + most // 4, GROUPS), 0
        elif not np.isfinite(x).all():  # a member of a batch diverged: the compiled loop ends there
            yield from qr_steps(repeat(f, left), x, q, every=every)
            return
        elif auto and size > 1:
            if not short and done < RARE:
                length = longest = max(1, length - max(1, length // 8))
            short = size // 2
        else:
            short = 0
            for step in qr_steps(repeat(f, min(size, left)), x, q, every=every):
                x, q, left = step.x, step.q, left - step.maps
                yield step


def _largest_block(x: Array, q: Array, length: int) -> int:
    """The number of groups of the largest block."""
    size = x.size + q.size
    return max(1, min(MEMORY // (size + q.size // q.shape[-2]), WORK // (size * length)))
