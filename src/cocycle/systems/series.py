"""Systems: maps and vector fields with a dimension, random starts, and series on the attractor."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import repeat
from typing import Any

import numpy as np

from cocycle.arrays import generator
from cocycle.flows import Flow
from cocycle.formulas.kernels import kernel
from cocycle.formulas.libraries import FLOATS
from cocycle.formulas.program import program
from cocycle.maps import Map, VectorField, orbit
from cocycle.progress import tracked
from cocycle.purity import require_same
from cocycle.refinement import warn_if_coarse

CHUNK = 10_000  # samples that are computed together
SEEN = 200  # states, at least, at which the step is checked
CHECKED = 12  # steps of a chunk at which a traced formula is compared with the map


class System(ABC):
    """A state space: its `dimension`, and random states in the basin of the attractor, `start`."""

    dimension: Any  # int: n, that of the state

    @abstractmethod
    def start(self, rng: np.random.Generator, batch: tuple[int, ...] = ()) -> np.ndarray:
        """Random states (*batch, n) in the basin of the attractor."""


class DiscreteSystem(System, Map):
    """A map with a state space."""

    observed = slice(None)  # the components that `series` gives

    def series(self, steps: int, *, transient: int = 1000, rng: np.random.Generator | int = 0) -> np.ndarray:
        """`steps` successive states (time, n) on the attractor, after `transient` steps from a random start.

        Of a delay equation the present value (time, 1), without its history.

        Raises ValueError for negative counts, ArithmeticError if the orbit diverges.
        """
        return _series(self, self.start(generator(rng)), steps, transient, self.observed)


class ContinuousSystem(System, VectorField):
    """A vector field with a state space."""

    time_step: Any = 0.02  # of `series`, unless another is given

    def series(
        self,
        steps: int,
        *,
        dt: float | None = None,
        substeps: int = 1,
        transient: int = 5000,
        rng: np.random.Generator | int = 0,
    ) -> np.ndarray:
        """`steps` successive states (time, n) on the attractor, dt apart.

        The first `transient` samples after the random start are dropped; dt is the system's `time_step` unless given,
        0.02 for most.  Each dt takes `substeps` Runge–Kutta steps of fourth order (`Flow`).  Warns where these are too
        long.

        Raises ValueError for negative counts or dt <= 0, ArithmeticError if the orbit diverges.
        """
        flow = Flow(self, self.time_step if dt is None else dt, substeps)
        return _series(flow, self.start(generator(rng)), steps, transient)


def _series(step: Map, x: np.ndarray, steps: int, transient: int, observed: slice = slice(None)) -> np.ndarray:
    for name, count in {"steps": steps, "transient": transient}.items():
        if not isinstance(count, int | np.integer) or count < 0:
            raise ValueError(f"{name} must be an integer >= 0; got {count!r}")
    series = np.empty((transient + steps, len(x[observed])))
    starts = range(0, len(series), CHUNK)
    advance, seen = _advance(step, x, len(series)), []
    for start in tracked(starts, "series") if len(starts) > 1 else starts:
        rows = series[start : start + CHUNK]
        states = advance(x, len(rows))
        if len(states) < len(rows) or not np.isfinite(states).all():
            raise ArithmeticError(f"the series diverged between steps {start} and {start + len(rows)}")
        rows[:], x = states[:, observed], states[-1]
        seen = _thinned(seen, states)
    warn_if_coarse(step, np.array(seen), stacklevel=3)
    return series[transient:]


def _advance(step: Map, x: np.ndarray, steps: int) -> Callable[[np.ndarray, int], np.ndarray]:
    """What gives the next states (count, n), fewer where they are no longer finite: by a compiled loop, or on plain
    floats, some twenty times faster than arrays; by the map itself where its formula cannot be traced."""
    try:
        made = program(step, (len(x),), owner=step)
    except TypeError:
        return lambda x, count: np.array(list(orbit(repeat(step, count), x)))
    compiled = kernel(made, (), x, None, steps)

    def advance(x: np.ndarray, count: int) -> np.ndarray:
        found = _on_floats(made.value(FLOATS), x, count) if isinstance(compiled, str) else compiled(x, count)
        _check(step, np.concatenate([x[None], found]))
        return found

    return advance


def _on_floats(step: Callable, x: np.ndarray, count: int) -> np.ndarray:
    state, found = tuple(x.tolist()), []
    try:
        for _ in range(count):
            state = step(*state)
            found.append(state)
    except (ArithmeticError, ValueError):  # python raises where numpy has infinities
        pass
    return np.array(found).reshape(-1, len(x))


def _check(step: Map, states: np.ndarray) -> None:
    """Compare some steps of a traced formula with those of the map."""
    for i in np.unique(np.geomspace(1, max(len(states) - 1, 1), CHECKED).astype(int)):
        if i < len(states):
            with np.errstate(all="ignore"):
                require_same(states[i], step(states[i - 1]), type(step).__name__)


def _thinned(seen: list, states: np.ndarray) -> list:
    """At most 2 SEEN of the states seen before and the new ones, about evenly spaced."""
    seen = [*seen, *states[:: max(1, len(states) // SEEN)]]
    return seen[:: max(1, -(-len(seen) // (2 * SEEN)))]
