"""Systems: maps and vector fields with a dimension, random starts, and series on the attractor."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from itertools import count as counted
from itertools import repeat
from typing import Any

import numpy as np

from cocycle.arrays import generator
from cocycle.compiled import straight_line
from cocycle.flows import Flow
from cocycle.maps import Map, VectorField, orbit
from cocycle.progress import tracked
from cocycle.purity import require_same, time_to_check
from cocycle.refinement import warn_if_coarse

CHUNK = 10_000  # samples that are python floats at the same time
SEEN = 200  # states, at least, at which the step is checked


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

    def series(
        self,
        steps: int,
        *,
        dt: float = 0.02,
        substeps: int = 1,
        transient: int = 5000,
        rng: np.random.Generator | int = 0,
    ) -> np.ndarray:
        """`steps` successive states (time, n) on the attractor, dt apart.

        The first `transient` samples after the random start are dropped; the default dt suits Lorenz63.  Each dt takes
        `substeps` Runge–Kutta steps of fourth order (`Flow`).  Warns where these are too long.

        Raises ValueError for negative counts or dt <= 0, ArithmeticError if the orbit diverges.
        """
        return _series(Flow(self, dt, substeps), self.start(generator(rng)), steps, transient)


def _series(step: Map, x: np.ndarray, steps: int, transient: int, observed: slice = slice(None)) -> np.ndarray:
    for name, count in {"steps": steps, "transient": transient}.items():
        if not isinstance(count, int | np.integer) or count < 0:
            raise ValueError(f"{name} must be an integer >= 0; got {count!r}")
    series = np.empty((transient + steps, len(x[observed])))
    starts = range(0, len(series), CHUNK)
    states, seen = _states(step, x), []
    for start in tracked(starts, "series") if len(starts) > 1 else starts:
        rows = series[start : start + CHUNK]
        try:
            whole = [next(states) for _ in range(len(rows))]
        except (ArithmeticError, ValueError) as error:  # python floats raise where numpy arrays overflow
            raise ArithmeticError(f"the series diverged between steps {start} and {start + len(rows)}") from error
        rows[:] = [state[observed] for state in whole]
        if not np.isfinite(rows).all():
            raise ArithmeticError(f"the series diverged between steps {start} and {start + len(rows)}")
        seen = _thinned(seen, whole)
    warn_if_coarse(step, np.array(seen), stacklevel=3)
    return series[transient:]


def _states(step: Map, x: np.ndarray) -> Iterator:
    """The orbit of x; on python floats, some twenty times faster, where the map can be traced."""
    try:
        advance = straight_line(step, len(x))
    except TypeError:  # the formula branches, is not pure, or uses a function that cannot be traced
        return orbit(repeat(step), x)
    return _float_orbit(step, advance, tuple(x.tolist()))


def _thinned(seen: list, states: list) -> list:
    """At most 2 SEEN of the states seen before and the new ones, about evenly spaced."""
    seen = [*seen, *states[:: max(1, len(states) // SEEN)]]
    return seen[:: max(1, -(-len(seen) // (2 * SEEN)))]


def _float_orbit(step: Map, advance: Callable, x: tuple) -> Iterator[tuple]:
    for count in counted(1):
        after = advance(*x)
        if time_to_check(count):
            with np.errstate(all="ignore"):
                require_same(np.array(after), step(np.array(x)), type(step).__name__)
        x = after
        yield x
