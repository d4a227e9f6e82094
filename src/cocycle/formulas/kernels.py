"""A formula, its tangent and the orthonormalisation as one loop of machine code over many steps, by numba.

The loop of `cocycle.lyapunov.qr` defines what is computed; this is its twin for one and the same map, many times, of
which the tests show that both agree.  A step of a small system takes tens of nanoseconds here, microseconds there.
"""

import hashlib
import importlib.util
import math
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np

from cocycle.formulas.program import Program

LONGEST = 2000  # operations of a step and its tangent; beyond, arrays are as fast, and compiling takes many seconds
WIDEST = 100  # dimension of the state, likewise
WORTH = 50_000  # components of states times steps, from which on compiling pays
RANGE = 1e100  # lengths of vectors beyond it, and below its inverse, are left to the loop on arrays

HEAD = """from math import acos as arccos, acosh as arccosh, asin as arcsin, asinh as arcsinh, atan as arctan
from math import atan2 as arctan2, atanh as arctanh, copysign, cos, cosh, exp, expm1, fmod, hypot, inf, log, log1p, nan
from math import sin, sinh, sqrt, tan, tanh

from numba import njit
from numpy import ceil, floor, rint, trunc


def compiled(function):
    return njit(function, error_model="numpy", inline="always")


@compiled
def where(condition, a, b):
    return a if condition else b


@compiled
def minimum(a, b):
    return a if a <= b or a != a else b


@compiled
def maximum(a, b):
    return a if a >= b or a != a else b


@compiled
def sign(a):
    return 1.0 if a > 0 else -1.0 if a < 0 else a


@compiled
def mod(a, b):
    return a % b


@compiled
def power(a, b):
    return a**b


@compiled
def logical_and(a, b):
    return a != 0 and b != 0


@compiled
def logical_or(a, b):
    return a != 0 or b != 0


@compiled
def logical_not(a):
    return a == 0

"""

LOOP = """
@njit("int64(float64[:, ::1], float64[:, :, ::1], float64[:, ::1], int64, int64, float64[:, :, ::1],"
      "float64[:, :, :, ::1], float64[:, :, :, ::1])", error_model="numpy", nogil=True, cache={cached})
def block(x, q, p, groups, every, xs, qs, r):
    n, k = {n}, {k}
    done = groups
    for b in range(len(x)):
        {load}
        for g in range(done):
            for _ in range(every):
                {first}
                for j in range(k):
                    {column}
                    {each}
                    {store}
                {after}
            {kept}
            fine = True
            for i in range(n):
                fine = fine and abs(xs[g, b, i]) < inf
            for j in range(k):
                before = 0.0
                for i in range(n):
                    before += q[b, i, j] * q[b, i, j]
                again = 0.0
                for sweep in range(2 if j else 0):
                    for m in range(j):
                        c = 0.0
                        for i in range(n):
                            c += q[b, i, m] * q[b, i, j]
                        for i in range(n):
                            q[b, i, j] -= c * q[b, i, m]
                        r[g, b, m, j] += c
                        again += c * c if sweep else 0.0
                size = 0.0
                for i in range(n):
                    size += q[b, i, j] * q[b, i, j]
                fine = fine and {low} < size and before < {high} and again < 3 * size and size > 4.0e-24 * before
                size = sqrt(size)
                for i in range(n):
                    q[b, i, j] /= size
                r[g, b, j, j] = size
            if not fine:
                done = g
                break
            for i in range(n):
                for j in range(k):
                    qs[g, b, i, j] = q[b, i, j]
    return done
"""


class Block(NamedTuple):
    """After each group of steps: the states (groups, *batch, n), the frames (groups, *batch, n, k) and the factors
    (groups, *batch, k, k)."""

    x: np.ndarray
    q: np.ndarray
    r: np.ndarray


ORBIT = """
@njit("int64(float64[:, ::1], float64[:, ::1], int64, float64[:, :, ::1])",
      error_model="numpy", nogil=True, cache={cached})
def orbit(x, p, every, xs):
    done = len(xs)
    for b in range(len(x)):
        {load}
        for g in range(done):
            for _ in range(every):
                {first}
                {after}
            {kept}
            for i in range({n}):
                if not abs(xs[g, b, i]) < inf:
                    done = g
            if done == g:
                break
    return done
"""


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
        given = _columns(self.parameters, batch)
        parts = np.array_split(np.arange(members), self.threads if members >= 2 * self.threads else 1)
        found = Block(*(np.zeros((groups, members, *tail)) for tail in ((n,), (n, k), (k, k))))

        def part(own: np.ndarray) -> int:
            a, b = own[0], own[-1] + 1
            whole = len(parts) == 1
            ours = found if whole else Block(*(np.zeros((groups, b - a, *whole.shape[2:])) for whole in found))
            state, vectors = (np.array(a_.reshape(members, *a_.shape[len(batch) :])[a:b], order="C") for a_ in (x, q))
            count = self.block(state, vectors, given[a:b], groups, every, *ours)
            if not whole:
                for all_, one in zip(found, ours, strict=True):
                    all_[:, a:b] = one
            return count

        with ThreadPoolExecutor(len(parts)) if len(parts) > 1 else nullcontext() as pool:
            done = min((pool.map if pool else map)(part, parts))
        return Block(*(whole[:done].reshape(done, *batch, *whole.shape[2:]) for whole in found))


def kernel(program: Program, parameters: Sequence[Any], x: Any, q: Any, steps: int) -> Kernel | None:
    """The kernel that takes so many steps from x (*batch, n), q (*batch, n, k); None where it would not be faster.

    That is for other states than numpy's in double precision, formulas of many operations, a run too short to be worth
    compiling, and without numba.
    """
    if not isinstance(x, np.ndarray) or x.dtype != np.float64 or not isinstance(q, np.ndarray):
        return None
    if not _worth(program, [*program.results, *program.linear("pushed")[1]], steps * x.size):
        return None
    return Kernel(kernel_of(program, q.shape[-1]), parameters)


@lru_cache(maxsize=1)
def available() -> bool:
    """Whether numba is installed: the extra `compiled`."""
    return importlib.util.find_spec("numba") is not None


@lru_cache(maxsize=64)
def kernel_of(program: Program, k: int) -> Callable:
    """The compiled loop of a program for k vectors."""
    return _loaded(_source(program, LOOP, k))["block"]


@lru_cache(maxsize=64)
def _orbit_of(program: Program) -> Callable:
    return _loaded(_source(program, ORBIT))["orbit"]


def _source(program: Program, template: str, k: int = 0) -> str:
    """The template with the lines of the program, and of its tangent for k vectors."""
    seeds, linear = program.linear("pushed") if k else ([], [])
    moving = program.graph.dependent(seeds)
    lines, names = program.lines([*program.results, *linear], program.names | {s: f"d{s}" for s in seeds}, moving)
    state, rest = program.inputs[: program.n], program.inputs[program.n :]
    results, pushed = program.words(program.results, names), program.words(linear, names)
    load = [f"{names[place]} = x[b, {i}]" for i, place in enumerate(state)]
    load += [f"{names[place]} = p[b, {i}]" for i, place in enumerate(rest)]
    parts = {
        "load": load,
        "first": [f"{name} = {expression}" for place, name, expression in lines if place not in moving],
        "column": [f"{names[seed]} = q[b, {i}, j]" for i, seed in enumerate(seeds)],
        "each": [f"{name} = {expression}" for place, name, expression in lines if place in moving],
        "store": [f"q[b, {i}, j] = {word}" for i, word in enumerate(pushed)],
        "after": [f"{', '.join(names[place] for place in state)}, = {', '.join(results)},"],
        "kept": [f"xs[g, b, {i}] = {names[place]}" for i, place in enumerate(state)],
    }
    text = template
    for name, part in parts.items():
        margin = next((line[: line.index("{")] for line in template.splitlines() if line.strip() == f"{{{name}}}"), "")
        text = text.replace(f"{{{name}}}", f"\n{margin}".join(part) or "pass")
    for name, value in {"n": program.n, "k": k, "low": RANGE**-2, "high": RANGE**2}.items():
        text = text.replace(f"{{{name}}}", repr(value))
    return HEAD + text


def orbit_kernel(
    program: Program, parameters: Sequence[Any], x: np.ndarray, steps: int
) -> Callable[[np.ndarray, int, int], np.ndarray] | None:
    """What gives the states (samples, *batch, n) that follow x (*batch, n), each after `every` steps; fewer where one
    is no longer finite.  None where a compiled loop would not be faster for so many steps in all: see `kernel`."""
    if not _worth(program, program.results, steps * x.size):
        return None
    orbit, batch = _orbit_of(program), x.shape[:-1]
    given = _columns(parameters, batch)

    def states(x: np.ndarray, samples: int, every: int = 1) -> np.ndarray:
        found = np.empty((samples, math.prod(batch), program.n))
        start = np.array(x.reshape(-1, program.n), dtype=np.float64, order="C")
        done = orbit(start, given, every, found)
        return found[:done].reshape(done, *batch, program.n)

    return states


def _worth(program: Program, operations: Sequence[Any], work: int) -> bool:
    """Whether compiling pays: numba is there, the formula is a map of short enough code, and there is enough to do."""
    fits = len(program.results) == program.n <= WIDEST and len(program.graph.needed(operations)) <= LONGEST
    return work >= WORTH and fits and available()


def _columns(parameters: Sequence[Any], batch: tuple[int, ...]) -> np.ndarray:
    """The parameters of each member (members, parameters)."""
    given = np.empty((math.prod(batch), len(parameters)))
    for i, parameter in enumerate(parameters):
        given[:, i] = np.broadcast_to(parameter, batch).ravel()
    return given


@lru_cache(maxsize=64)
def _loaded(source: str) -> dict[str, Any]:
    """The functions of the source, from the cache of this user if it has been compiled before."""
    name = f"cocycle_kernel_{hashlib.sha256(source.encode()).hexdigest()[:24]}"
    folder = _folder()
    if folder is not None:
        with suppress(OSError):
            return _imported(name, _written(folder / f"{name}.py", source.replace("{cached}", "True")))
    scope: dict[str, Any] = {}
    exec(compile(source.replace("{cached}", "False"), f"<{name}>", "exec"), scope)
    return scope


def _imported(name: str, path: Path) -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # numba looks for it there
    spec.loader.exec_module(module)
    return vars(module)


def _written(path: Path, source: str) -> Path:
    if not path.exists():
        handle, aside = tempfile.mkstemp(dir=path.parent, suffix=".part")
        with open(handle, "w") as file:
            file.write(source)
        os.replace(aside, path)
    if path.read_text() != source:
        raise OSError(f"{path} is not what was written")
    return path


def _folder() -> Path | None:
    """A folder that nobody else can write, for compiled kernels, which are executed; None where there is none."""
    if not hasattr(os, "getuid"):
        return None
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cocycle" / "kernels"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = os.lstat(folder)
        private = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022
        return folder if private and os.access(folder, os.W_OK) else None
    except (OSError, RuntimeError):  # without a home
        return None
