"""Systems: maps and vector fields that know their dimension, where to start, and how to make a series."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from itertools import count as counted
from itertools import repeat
from typing import Any

import numpy as np

from cocycle.arrays import generator
from cocycle.flows import Flow
from cocycle.formulas.program import FLOATS, program
from cocycle.maps import Map, VectorField, orbit
from cocycle.progress import tracked
from cocycle.purity import require_same, time_to_check
from cocycle.refinement import warn_if_coarse

CHUNK = 10_000  # samples that live as python floats at a time
SEEN = 200  # states, at least, at which the step is looked at


class DiscreteSystem(Map):
    """A map with a state space: `dimension`, `start` and `series`."""

    dimension: Any  # int: n, that of the state
    observed = slice(None)  # the components that `series` gives

    @abstractmethod
    def start(self, rng: np.random.Generator, batch: tuple[int, ...] = ()) -> np.ndarray:
        """Random states (*batch, n) that the attractor attracts."""

    def series(self, steps: int, *, transient: int = 1000, rng: np.random.Generator | int = 0) -> np.ndarray:
        """`steps` successive states (time, n) on the attractor, after `transient` steps from a random start.

        Of a delay equation the present value alone, (time, 1), not its history.

        Raises ValueError for negative counts, ArithmeticError if the orbit leaves every bound.
        """
        return _series(self, self.start(generator(rng)), steps, transient, self.observed)


class ContinuousSystem(VectorField):
    """A vector field with a state space: `dimension`, `start` and `series`."""

    dimension: Any  # int: n, that of the state

    @abstractmethod
    def start(self, rng: np.random.Generator, batch: tuple[int, ...] = ()) -> np.ndarray:
        """Random states (*batch, n) that the attractor attracts."""

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

        The first `transient` samples after the random start are dropped; 0.02 suits Lorenz63.  Each dt is made by
        `substeps` Runge–Kutta steps of fourth order (`Flow`).  Warns where these are too long.

        Raises ValueError for negative counts or dt <= 0, ArithmeticError if the orbit leaves every bound.
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
        except (ArithmeticError, ValueError) as error:  # python raises where numpy has infinities
            raise ArithmeticError(f"the series diverged between steps {start} and {start + len(rows)}") from error
        rows[:] = [state[observed] for state in whole]
        if not np.isfinite(rows).all():
            raise ArithmeticError(f"the series diverged between steps {start} and {start + len(rows)}")
        seen = _spread_over(seen, whole)
    warn_if_coarse(step, np.array(seen), stacklevel=3)
    return series[transient:]


def _states(step: Map, x: np.ndarray) -> Iterator:
    """The orbit of x, on python floats where the map is plain arithmetic: some twenty times faster."""
    try:
        advance = program(step, (len(x),)).value(FLOATS)
    except TypeError:  # the formula branches, is not pure, or uses a function that cannot be traced
        return orbit(repeat(step), x)
    return _float_orbit(step, advance, tuple(x.tolist()))


def _spread_over(seen: list, states: list) -> list:
    """At most 2 SEEN of the states seen before and of new ones, spread over them."""
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
