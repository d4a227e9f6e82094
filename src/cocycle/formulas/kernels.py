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

from cocycle.formulas.loops import BLOCK, ORBIT, Fixed, Scheme, loop_source
from cocycle.formulas.machine_code import available, loaded
from cocycle.formulas.program import Program, common_batch

LONGEST = 2000  # operations of a step and its tangent, beyond which arrays are as fast as plain floats
COMPILED = 4000  # beyond which compiling takes minutes; from 500 on it pays for much longer runs only
WIDEST = 100  # dimension of the state, likewise
LARGE = "it is computed on whole arrays"
FIXED = Fixed()
WORTH = 50_000  # components of states times steps, from which on compiling pays


class Block(NamedTuple):
    """After each group of steps: states (groups, *batch, n), frames (groups, *batch, n, k), diag(r) (groups, *batch,
    k)."""

    x: np.ndarray
    q: np.ndarray
    diagonal: np.ndarray


@final
@dataclass(frozen=True, eq=False)
class Kernel:
    """The loop of a formula and its tangent, with its parameters; `substeps` of it are one step."""

    block: Callable
    parameters: Sequence[Any]
    substeps: int = 1

    def __call__(
        self,
        x: np.ndarray,
        q: np.ndarray,
        groups: int,
        every: int,
        *,
        spread: float = np.inf,
        threads: int = 1,
        as_pushed: bool = False,
    ) -> Block:
        """What follows x (*batch, n), q (*batch, n, k) in `groups` times `every` steps.

        Fewer groups where a state or a vector leaves the range of numbers, or two elements of the diagonal of a factor
        have a ratio of more than `spread`.  Frames `as_pushed` are not orthonormalised, and without a diagonal.
        """
        n, k = q.shape[-2:]

        def part(x: np.ndarray, q: np.ndarray, parameters: np.ndarray) -> tuple[np.ndarray, ...]:
            x, q = (np.array(a, order="C") for a in (x, q))  # which the loop overwrites
            found = tuple(np.empty((groups, len(x), *shape)) for shape in ((n,), (n, k), (k,)))
            done = self.block(x, q, parameters, groups, every * self.substeps, spread, *found, as_pushed)
            return tuple(a[:done] for a in found)

        return Block(*_in_parts(part, (x, q), self.parameters, x.shape[:-1], threads))

    def pushed(self, x: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The states and frames after one step, which are not orthonormalised."""
        block = self(x, q, 1, 1, as_pushed=True)
        return block.x[0], block.q[0]


@final
@dataclass(frozen=True, eq=False)
class OrbitKernel:
    """The loop of a formula alone, with its parameters; `substeps` of it are one step."""

    orbit: Callable
    parameters: Sequence[Any]
    substeps: int = 1

    def __call__(self, x: np.ndarray, samples: int, every: int = 1, *, threads: int = 1) -> np.ndarray:
        """The states (samples, *batch, n) that follow x (*batch, n), each after `every` steps; fewer where one is no
        longer finite."""

        def part(x: np.ndarray, parameters: np.ndarray) -> tuple[np.ndarray]:
            found = np.empty((samples, *x.shape))
            return (found[: self.orbit(np.array(x, order="C"), parameters, every * self.substeps, found)],)

        return _in_parts(part, (x,), self.parameters, x.shape[:-1], threads)[0]


def _in_parts(
    part: Callable[..., tuple[np.ndarray, ...]],
    arrays: Sequence[np.ndarray],
    parameters: Sequence[Any],
    batch: tuple[int, ...],
    threads: int,
) -> list[np.ndarray]:
    """The results (groups, *batch, ...) of the members of a batch, divided among threads.

    Arrays (*batch, ...) and parameters are broadcast against one another.
    """
    whole = common_batch(batch, parameters)
    members = math.prod(whole)
    rows = [
        np.broadcast_to(a, (*whole, *a.shape[len(batch) :])).reshape(members, *a.shape[len(batch) :]) for a in arrays
    ]
    count = max(1, min(threads, members))
    divided = zip(*(np.array_split(a, count) for a in (*rows, _columns(parameters, whole))), strict=True)
    if count == 1:
        found = [part(*next(divided))]
    else:
        with ThreadPoolExecutor(count) as pool:
            found = list(pool.map(lambda some: part(*some), divided))
    done = min(len(results[0]) for results in found)
    joined = found[0] if count == 1 else [np.hstack([a[:done] for a in some]) for some in zip(*found, strict=True)]
    return [a.reshape(done, *whole, *a.shape[2:]) for a in joined]


def kernel(program: Program, parameters: Sequence[Any], x: Any, q: Any, steps: int, *, scheme: Scheme = FIXED) -> Any:
    """The compiled loop that takes so many steps from x (*batch, n): a `Kernel` for q (*batch, n, k), an `OrbitKernel`
    if q is None.  A text that says why, if there is none."""
    why = _obstacle(program, x, q is not None, steps, scheme)
    if why:
        return why
    return (
        OrbitKernel(_orbit_of(program, scheme), parameters)
        if q is None
        else Kernel(kernel_of(program, q.shape[-1], scheme), parameters)
    )


@lru_cache(maxsize=64)
def kernel_of(program: Program, k: int, scheme: Scheme = FIXED) -> Callable:
    """The compiled loop of a program for k vectors."""
    return loaded(loop_source(program, scheme, BLOCK, k))["block"]


@lru_cache(maxsize=64)
def _orbit_of(program: Program, scheme: Scheme) -> Callable:
    return loaded(loop_source(program, scheme, ORBIT))["orbit"]


def _obstacle(program: Program, x: Any, with_tangent: bool, steps: int, scheme: Scheme) -> str:
    """Why a compiled loop would not be faster for so many steps in all; nothing if it is."""
    if not isinstance(x, np.ndarray) or x.dtype != np.float64:
        return f"only numpy states of float64 have compiled loops, not {type(x).__name__} of {x.dtype}"
    count = operations(program, with_tangent)
    if steps * x.size < WORTH * max(1.0, count / 500) ** 3:
        return f"a run of {steps} steps of {x.size} numbers is too short to be worth compiling"
    if not available():
        return "numba is not installed: pip install 'cocycle[compiled]'"
    if len(program.results) != program.n + scheme.results:
        return f"the formula is no map of the state: {program.n} numbers become {len(program.results)}"
    return too_long(program, with_tangent, COMPILED)


@lru_cache(maxsize=64)
def operations(program: Program, with_tangent: bool) -> int:
    """The operations of a step, with its tangent for one vector."""
    wanted = [*program.results, *(program.linear("pushed")[1] if with_tangent else ())]
    return len(program.graph.needed(wanted))


def too_long(program: Program, with_tangent: bool, most: int = LONGEST) -> str:
    """Why the formula is not computed operation by operation; nothing if it is."""
    if program.n > WIDEST:
        return f"the state has {program.n} dimensions, more than {WIDEST}: {LARGE}"
    count = operations(program, with_tangent)
    return f"a step has {count} operations, more than {most}: {LARGE}" if count > most else ""


def _columns(parameters: Sequence[Any], batch: tuple[int, ...]) -> np.ndarray:
    """The parameters of each member (members, parameters)."""
    given = np.empty((math.prod(batch), len(parameters)))
    for i, parameter in enumerate(parameters):
        given[:, i] = np.broadcast_to(parameter, batch).ravel()
    return given
