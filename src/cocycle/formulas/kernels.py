"""A formula, its tangent and the orthonormalisation as one loop of machine code over many steps, by numba.

A step of a small system takes tens of nanoseconds here, microseconds on arrays.
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, final

import numpy as np

from cocycle.formulas.loops import LOOP, ORBIT, loop_source
from cocycle.formulas.machine_code import available, loaded
from cocycle.formulas.program import Program

LONGEST = 2000  # operations of a step and its tangent; beyond, arrays are as fast, and compiling takes many seconds
WIDEST = 100  # dimension of the state, likewise
WORTH = 50_000  # components of states times steps, from which on compiling pays


class Block(NamedTuple):
    """After each group of steps: the states (groups, *batch, n), the frames (groups, *batch, n, k) and the factors
    (groups, *batch, k, k)."""

    x: np.ndarray
    q: np.ndarray
    r: np.ndarray


@final
@dataclass(frozen=True, eq=False)
class Kernel:
    """The loop of a formula with its parameters, on so many threads."""

    block: Callable
    parameters: Sequence[Any]
    threads: int = 1

    def __call__(self, x: np.ndarray, q: np.ndarray, groups: int, every: int) -> Block:
        """What follows x (*batch, n), q (*batch, n, k) in `groups` times `every` steps.

        Fewer groups where a state or a vector leaves the range of numbers.
        """
        batch, (n, k) = x.shape[:-1], q.shape[-2:]
        members = math.prod(batch)
        count = self.threads if members >= 2 * self.threads else 1
        whole = x.reshape(members, n), q.reshape(members, n, k), _columns(self.parameters, batch)
        parts = zip(*(np.array_split(a, count) for a in whole), strict=True)
        if count == 1:
            blocks = [self._part(groups, every, *part) for part in parts]
        else:
            with ThreadPoolExecutor(count) as pool:
                blocks = list(pool.map(lambda part: self._part(groups, every, *part), parts))
        done = min(len(block.x) for block in blocks)
        joined = blocks[0] if count == 1 else map(np.hstack, zip(*([a[:done] for a in b] for b in blocks), strict=True))
        return Block(*(a.reshape(done, *batch, *a.shape[2:]) for a in joined))

    def _part(self, groups: int, every: int, x: np.ndarray, q: np.ndarray, parameters: np.ndarray) -> Block:
        """The same for x (members, n), in one thread."""
        x, q = (np.array(a, order="C") for a in (x, q))  # which the loop overwrites
        members, n, k = q.shape
        found = Block(*(np.zeros((groups, members, *shape)) for shape in ((n,), (n, k), (k, k))))
        done = self.block(x, q, parameters, groups, every, *found)
        return Block(*(a[:done] for a in found))


def kernel(program: Program, parameters: Sequence[Any], x: Any, q: Any, steps: int) -> Kernel | None:
    """The kernel that takes so many steps from x (*batch, n), q (*batch, n, k); None where it would not be faster.

    That is for other states than numpy's in double precision, formulas of many operations, a run too short to be worth
    compiling, and without numba.
    """
    if not isinstance(x, np.ndarray) or x.dtype != np.float64 or not isinstance(q, np.ndarray):
        return None
    return Kernel(kernel_of(program, q.shape[-1]), parameters) if _worth(program, True, steps * x.size) else None


@lru_cache(maxsize=64)
def kernel_of(program: Program, k: int) -> Callable:
    """The compiled loop of a program for k vectors."""
    return loaded(loop_source(program, LOOP, k))["block"]


@lru_cache(maxsize=64)
def _orbit_of(program: Program) -> Callable:
    return loaded(loop_source(program, ORBIT))["orbit"]


def orbit_kernel(
    program: Program, parameters: Sequence[Any], x: np.ndarray, steps: int
) -> Callable[[np.ndarray, int, int], np.ndarray] | None:
    """What gives the states (samples, *batch, n) that follow x (*batch, n), each after `every` steps; fewer where one
    is no longer finite.  None where a compiled loop would not be faster for so many steps in all: see `kernel`."""
    if not _worth(program, False, steps * x.size):
        return None
    orbit, batch = _orbit_of(program), x.shape[:-1]
    given = _columns(parameters, batch)

    def states(x: np.ndarray, samples: int, every: int = 1) -> np.ndarray:
        found = np.empty((samples, math.prod(batch), program.n))
        start = np.array(x.reshape(-1, program.n), dtype=np.float64, order="C")
        done = orbit(start, given, every, found)
        return found[:done].reshape(done, *batch, program.n)

    return states


def _worth(program: Program, with_tangent: bool, work: int) -> bool:
    """Whether compiling pays: numba is there, the formula is a map of short enough code, and there is enough to do."""
    return work >= WORTH and available() and _fits(program, with_tangent)


@lru_cache(maxsize=64)
def _fits(program: Program, with_tangent: bool) -> bool:
    if not len(program.results) == program.n <= WIDEST:
        return False
    operations = [*program.results, *(program.linear("pushed")[1] if with_tangent else ())]
    return len(program.graph.needed(operations)) <= LONGEST


def _columns(parameters: Sequence[Any], batch: tuple[int, ...]) -> np.ndarray:
    """The parameters of each member (members, parameters)."""
    given = np.empty((math.prod(batch), len(parameters)))
    for i, parameter in enumerate(parameters):
        given[:, i] = np.broadcast_to(parameter, batch).ravel()
    return given
