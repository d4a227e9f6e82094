"""States along orbits: a map that is repeated takes many steps together, by its compiled loop if it has one."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from math import prod
from operator import length_hint
from typing import final

import numpy as np

from cocycle.arrays import Array, State, Trajectory, namespace
from cocycle.maps import Map, orbit
from cocycle.progress import progress_bar, tracked

WORK = 2**26  # numbers that a compiled loop moves forward, at most: between two loops there is time for Ctrl-C
MEMORY = 2**22  # numbers of a block of states, at most
FEW = 100  # states of a block that Python computes


@final
@dataclass(frozen=True)
class Repeated:
    """One map, so many times."""

    map: Map
    count: int

    def __iter__(self):
        return repeat(self.map, self.count)


def repeated(steps: Iterable[Map]) -> Repeated | None:
    """What itertools.repeat(map, count) gives, None for all other iterables.  Raises ValueError without a count."""
    count = number_of(steps) if isinstance(steps, repeat) else None
    return Repeated(next(iter(steps)), count) if count else None


def number_of(steps: Iterable[Map]) -> int | None:
    """The number of maps, None if it is not known.  Raises ValueError for repeat(map) without a count."""
    try:
        return steps.__length_hint__() if isinstance(steps, repeat) else length_hint(steps, 0) or None
    except TypeError:
        raise ValueError(
            "steps must have an end, as repeat(map, 100000) has; got repeat(map) without a count"
        ) from None


def trajectory(steps: Iterable[Map], x: State, *, threads: int = 1) -> Trajectory:
    """The states (time, *batch, n) after each step.

    One formula many times, `repeat(map, count)`, is compiled, and then divides the members of a batch among so many
    `threads`.
    """
    run = repeated(steps)
    if run is None:
        return namespace(x).stack(list(orbit(tracked(steps, "trajectory"), x)))
    with progress_bar(run.count, "trajectory") as advance:
        blocks = []
        for block in blocks_of_states(run.map, x, run.count, threads=threads):
            blocks.append(block)
            advance(len(block))
        return namespace(x).concatenate(blocks)


def end(steps: Iterable[Map], x: State, *, threads: int = 1) -> State:
    """The state after all steps from x, which is x itself if there are none; keeps no other state in memory."""
    run = repeated(steps)
    if run is not None:
        together = max(1, min(run.count, WORK // x.size if isinstance(x, np.ndarray) else 1))
        for block in blocks_of_states(run.map, x, run.count // together, together, threads=threads):
            x = block[-1]
        steps = repeat(run.map, run.count % together)
    last = deque(orbit(steps, x), maxlen=1)
    return last.pop() if last else x


def blocks_of_states(
    f: Map, x: State, samples: int, every: int = 1, *, total: int = 0, threads: int = 1
) -> Iterator[Array]:
    """The states that follow x, each after `every` steps of f, in consecutive blocks (some, *batch, n).

    More steps may follow, `total` in all, for which compiling may pay.
    """
    loop = f.kernel(x, None, max(samples * every, total)) if isinstance(f, Map) else "no map"
    size = max(1, prod(x.shape))
    most = max(1, min(MEMORY // size, WORK // (size * every)))
    while samples and not isinstance(loop, str):
        states = loop(x, min(samples, most), every, threads=threads)
        if not len(states):
            break  # no longer finite: the map itself finds what follows
        yield states
        x, samples = states[-1], samples - len(states)
    states = []
    for i in range(samples):
        x = deque(orbit(repeat(f, every), x), maxlen=1).pop()
        states.append(x)
        if len(states) == min(most, FEW) or i == samples - 1:
            yield namespace(x).stack(states)
            states = []
