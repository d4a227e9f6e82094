"""Poincaré sections: the states at which an orbit of an equation crosses a surface."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Any, final

import numpy as np
from scipy.optimize import elementwise

from cocycle.arrays import Array, State, floating, require_count
from cocycle.compiled import Compiled
from cocycle.flows import Flow
from cocycle.formulas.formula import Formula
from cocycle.formulas.height import Height
from cocycle.formulas.of_time import depends_on_time
from cocycle.maps import Map
from cocycle.progress import progress_bar
from cocycle.results import Plotted, html_facts
from cocycle.trajectories import blocks_of_states, end

CHUNK = 2**20  # numbers between two searches for crossings, at most
FIRST = 5000  # steps before the first search
DIRECTIONS = (1, -1, 0)


@final
@dataclass(frozen=True, eq=False)
class Section(Plotted):
    """The crossings of a surface by an orbit, in the order of time.

    `states` (crossings, n) lie on the surface, `times` (crossings,) are those since the end of the transient, in the
    unit of the equation.
    """

    states: np.ndarray
    times: np.ndarray

    def __repr__(self):
        count = len(self.times)
        mean = f", one every {self.times[-1] / count:.4g} units of time" if count else ""
        return f"Section with {count} crossings{mean}"

    def _repr_html_(self):
        count, rows = len(self.times), []
        if count:
            rows = [("mean time between crossings", f"{self.times[-1] / count:.4g}")]
            ends = enumerate(zip(self.states.min(0), self.states.max(0), strict=True), 1)
            rows += [(f"component {i}", f"{low:.4g} to {high:.4g}") for i, (low, high) in ends]
        return html_facts(f"Section with {count} crossings", rows[:12])


def poincare_section(
    flow: Map,
    x: State,
    surface: Callable[[Any], Any],
    *,
    crossings: int = 1000,
    direction: int = 1,
    transient: int = 1000,
    most: int = 10_000_000,
) -> Section:
    """Where the orbit of x (n,) crosses a surface, after `transient` steps of the flow.

    `surface` is a plain function of a state (n,) that is zero on the surface, `lambda u: u[2] - 27.0`.  Crossings count
    where it grows, with direction=1, where it falls, -1, or both, 0.  Each is found between two steps by solving for
    the time of a shorter step, with the integrator of the flow, and so has its accuracy.  An orbit that touches the
    surface between two steps without a change of sign is not seen.  Hénon, Physica D 5, 412 (1982).

    Raises TypeError unless `flow` is a Flow, or Compiled(Flow(...)); ValueError for numbers that are not allowed;
    ArithmeticError where the orbit diverges, or crosses less often within `most` steps.
    """
    x = floating("x", x)
    if x.ndim != 1:
        raise ValueError(
            f"x must be one state of shape (n,); got {x.shape}: take [poincare_section(flow, start, ...) for start in"
            " x]"
        )
    for name, value, least in (("crossings", crossings, 1), ("transient", transient, 0), ("most", most, 1)):
        require_count(name, value, least)
    found: list[Section] = []
    count = 0
    with progress_bar(crossings, "crossings") as advance:
        start = end(repeat(flow, transient), x)[None]
        for part in crossing_blocks(flow, start, surface, direction, most):
            states, times, _ = part
            found.append(Section(states, times))
            count += len(times)
            advance(len(times))
            if count >= crossings:
                break
    states, times = (np.concatenate([getattr(part, name) for part in found]) for name in ("states", "times"))
    if count < crossings:
        raise ArithmeticError(
            f"the orbit crosses the surface {count} times in {most} steps, of {crossings} wanted: take another surface"
            " or more steps, most=..."
        )
    return Section(states[:crossings], times[:crossings])


def crossing_blocks(
    flow: Map, x: Array, surface: Callable[[Any], Any], direction: int, steps: int, *, threads: int = 1
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of orbits that start at x (members, n), block after block of steps: the states, times and members of crossings.

    Raises TypeError unless the map is a flow, ArithmeticError where all orbits diverge.
    """
    if not callable(surface):
        raise TypeError(f"surface must be a function of a state that is zero on it, lambda u: u[0]; got {surface!r}")
    if direction not in DIRECTIONS:
        raise ValueError(f"direction must be 1, -1 or 0 for both; got {direction!r}")
    plain = flow.map if isinstance(flow, Compiled) else flow
    if not isinstance(plain, Flow):
        raise TypeError(f"flow must be a Flow, Flow(function, dt); got {type(plain).__name__}")
    if depends_on_time(plain.equation):
        raise ValueError(
            "flow must not depend on time, of which crossings would be missed within a period: take"
            " ForcedFlow(...).autonomous(), or the states of the stroboscopic map themselves"
        )
    height = Formula(Height(surface))
    done, before = 0, height(x)[..., 0]
    for states in _growing_blocks(flow, x, steps, threads):
        whole = np.concatenate([x[None], states])
        heights = np.concatenate([before[None], height(states)[..., 0]])
        yield _crossings(plain, height, whole, heights, direction, done * plain.dt)
        x, before, done = states[-1], heights[-1], done + len(states)
        if not np.isfinite(x).all(-1).any():
            raise ArithmeticError(f"the orbit diverges within {done} steps")


def _growing_blocks(flow: Map, x: Array, steps: int, threads: int) -> Iterator[Array]:
    """The states after each step, in blocks that grow: few crossings need few steps."""
    size = FIRST
    while steps:
        count = min(size, steps, max(1, CHUNK // x.size))
        for states in blocks_of_states(flow, x, count, total=steps, threads=threads):
            yield states
            x, steps = states[-1], steps - len(states)
        size *= 2


def _crossings(flow: Flow, height: Formula, states: np.ndarray, heights: np.ndarray, direction: int, time: float):
    """Crossings between successive states (steps + 1, members, n), the first of them at `time`."""
    up, down = (heights[:-1] < 0) & (heights[1:] >= 0), (heights[:-1] > 0) & (heights[1:] <= 0)
    step, member = np.nonzero(up if direction > 0 else down if direction < 0 else up | down)
    starts = states[step, member]
    if not len(starts):
        return starts, np.zeros(0), member

    def after(part: np.ndarray, which: Any) -> np.ndarray:
        return flow.of_members(member[which]).after(starts[which], part[:, None])

    def height_after(part: np.ndarray, which: np.ndarray) -> np.ndarray:
        return height(after(part, which))[:, 0]

    ends, which = np.zeros(len(starts)), np.arange(len(starts))
    root = elementwise.find_root(height_after, (ends, ends + flow.dt), args=(which,))
    part = np.where(root.success, root.x, flow.dt)  # by rounding the end may lie before the surface
    return after(part, which), time + step * flow.dt + part, member
