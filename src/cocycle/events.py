"""Equations with events: where an orbit reaches a surface its state jumps, at an impact or a spike."""

import dataclasses
import warnings
from collections.abc import Callable
from functools import cached_property
from math import ceil
from typing import Any, final

import numpy as np
from scipy.optimize import elementwise

from cocycle.flows import Flow
from cocycle.formulas.formula import Formula
from cocycle.formulas.height import Height
from cocycle.formulas.of_time import TIME, depends_on_time
from cocycle.integrators import AdaptiveIntegrator
from cocycle.maps import Wrapped

MOST = 100  # events in one step
SHORT = 1e-9  # of a step, in which an orbit leaves the surface after a reset
BEHIND = 1e-9  # distance behind the surface, relative to the size of the state, that is no rounding
GRAZING = 1e-10  # the velocity towards the surface, relative to its size, that is taken as none


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Event:
    """Where `surface` falls to zero along the orbit, the state x jumps to reset(x).

    Both are plain functions of a state (n,), see `cocycle.Formula`: the surface gives one number, which is positive
    before the event.
    """

    surface: Callable[[Any], Any]
    reset: Callable[[Any], Any]

    def __post_init__(self):
        for name in ("surface", "reset"):
            if not callable(getattr(self, name)):
                raise TypeError(f"{name} must be a function of a state, lambda u: ...; got {getattr(self, name)!r}")

    @cached_property
    def height(self) -> Formula:
        return Formula(Height(self.surface))

    @cached_property
    def jump(self) -> Formula:
        return Formula(self.reset)

    def slope(self, x: np.ndarray) -> np.ndarray:
        """The gradient (..., n) of the surface's function."""
        return self.height.cotangent(x, np.ones((*x.shape[:-1], 1, 1)).astype(x.dtype))[..., 0]

    def saltation(self, x: np.ndarray, before: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """At states x (m, n) on the surface, with the velocities before: the states after the jump, the change of
        frames q (m, n, k) by the jump, and the times (m, 1, k) by which the vectors of q reach the surface later."""
        y, pushed = self.jump.tangent(x, np.concatenate([q, before[..., None]], axis=-1))
        slope = self.slope(x)[..., None]
        towards = (slope * before[..., None]).sum(-2, keepdims=True)
        size = np.linalg.norm(slope, axis=-2, keepdims=True) * np.linalg.norm(before, axis=-1)[..., None, None]
        towards = np.where(abs(towards) > GRAZING * size, towards, np.nan)
        later = -(slope * q).sum(-2, keepdims=True) / towards
        return y, pushed[..., :-1] + pushed[..., -1:] * later, later


@final
class HybridFlow(Wrapped):
    """The time-dt map of a flow with events, with the tangent map through them:

        flow = Flow(lambda u: (u[1], -9.81), 0.01)
        ball = HybridFlow(flow, Event(lambda u: u[0], lambda u: (u[0], -0.9 * u[1])))

    The time of an event is found with the integrator of the flow.  A vector that reaches the surface later by
    delta = -g.q / g.v jumps to DR (q + v delta) - v' delta: the saltation matrix, with the gradient g of the surface
    and the velocities v before and v' after the reset R.  Aizerman & Gantmakher, Q. J. Mech. Appl. Math. 11, 225
    (1958); di Bernardo et al., Piecewise-smooth Dynamical Systems (2008), 2.5.

    An orbit that passes the surface and comes back within one step is not seen to do so: within one substep, or of an
    integrator that chooses its steps, within dt or `longest`.  A reset that puts the state behind the surface of an
    event is followed by that event at once.  Where events accumulate, or the orbit touches the surface without passing
    it, the state becomes NaN, with a warning.  The tangent is that of the orbit with the exact velocities: that of the
    numerical one up to its error.  Numpy only.
    """

    def __init__(self, flow: Flow, *events: Event):
        if not isinstance(flow, Flow):
            raise TypeError(
                f"flow must be a Flow, Flow(function, dt), ForcedFlow(...).stroboscopic(period) or .autonomous(); got"
                f" {type(flow).__name__}"
            )
        if flow.direction < 0:
            raise ValueError("flow must go forward in time with events, whose resets have no inverse; got one backward")
        if not events or not all(isinstance(event, Event) for event in events):
            raise TypeError(f"events must be some of Event(surface, reset); got {events!r}")
        self.map, self.events = flow, events

    @property
    def flow(self) -> Flow:
        """The flow between events."""
        return self.map

    def at(self, **parameters: Any) -> "HybridFlow":
        """The same with other parameters of the equation: see `Flow.at`."""
        return HybridFlow(self.flow.at(**parameters), *self.events)

    def refined(self):
        return self._refined

    @cached_property
    def _refined(self) -> "HybridFlow":
        return HybridFlow(self.flow.refined(), *self.events)

    @cached_property
    def pieces(self) -> list[Flow]:
        """The flow in the steps at whose ends events are looked for: its substeps, or steps of at most `longest`."""
        flow, method = self.flow, self.flow.integrator
        chooses = isinstance(method, AdaptiveIntegrator)
        count = max(1, ceil(flow.dt / method.longest - SHORT)) if chooses else flow.substeps
        one = dataclasses.replace(flow, dt=flow.dt / count, substeps=flow.substeps if chooses else 1)
        if not depends_on_time(flow.equation):
            return [one] * count
        return [one.at(**{TIME: flow.time + i * one.dt}) for i in range(count)]

    def __call__(self, x):
        return self._advanced(x)[0]

    def tangent(self, x, q):
        return self._advanced(x, q)

    def _advanced(self, *parts: Any) -> tuple:
        batch, rows = self.rows(parts)
        for piece in self.pieces:
            rows = self._substep(piece, rows)
        return tuple(row.reshape(*batch, *row.shape[1:]) for row in rows)

    def rows(self, parts: tuple) -> tuple[tuple[int, ...], tuple]:
        """The batch, and state and frame as rows (members, ...)."""
        x = parts[0]
        if not isinstance(x, np.ndarray):
            raise TypeError(f"x must be a numpy array for a flow with events; got {type(x).__name__}")
        batch, own = np.broadcast_shapes(x.shape[:-1], self.batch), x.ndim - 1
        if self.batch and len(batch) > 1:
            raise ValueError(f"a flow with events and a batch of parameters must have one batch axis; got {batch}")
        whole = [np.broadcast_to(part, (*batch, *part.shape[own:])) for part in parts]
        return batch, tuple(part.reshape(-1, *part.shape[len(batch) :]) for part in whole)

    def _substep(self, flow: Flow, parts: tuple) -> tuple:
        end = flow.applied(parts)
        passed = self.passed(end[0])
        some = np.flatnonzero(passed.any(0))
        if not len(some):
            return end
        through = self._through(flow.of_members(some), tuple(part[some] for part in parts), passed[:, some])
        end = tuple(part.copy() for part in end)
        for part, found in zip(end, through, strict=True):
            part[some] = found
        return end

    def passed(self, x: np.ndarray) -> np.ndarray:
        """Whether states (m, n) lie behind the surface of each event: (events, m)."""
        return np.stack([event.height(x)[..., 0] < 0 for event in self.events])

    def _through(self, flow: Flow, parts: tuple, passed: np.ndarray) -> tuple:
        """State, or state and frame, after a step, of members that pass the surfaces `passed` (events, m) in it."""
        parts, since = tuple(part.copy() for part in parts), np.zeros((len(parts[0]), 1))
        active, behind = np.arange(len(since)), np.zeros_like(passed)
        for _ in range(MOST):
            own, now = flow.of_members(active), since[active]
            after, now = self.next_event(own, tuple(part[active] for part in parts), now, passed, behind)
            end, behind = own.moved(after, flow.dt - now, now), self._behind(after[0])
            passed = self.passed(end[0]) | behind
            goes_on = np.asarray(passed.any(0))
            for part, jumped, moved in zip(parts, after, end, strict=True):
                part[active] = np.where(goes_on[(slice(None), *(None,) * (part.ndim - 1))], jumped, moved)
            since[active] = now
            active, passed, behind = active[goes_on], passed[:, goes_on], behind[:, goes_on]
            if not len(active):
                return parts
        reason = f"more than {MOST} events in one step: they accumulate, or the surface is not positive before them"
        _warn(parts[0][active[0]], reason)
        for part in parts:
            part[active] = np.nan
        return parts

    def _behind(self, x: np.ndarray) -> np.ndarray:
        """Whether a reset has put states behind the surface of each event, by more than rounding: (events, members)."""
        found = []
        for event in self.events:
            slope = np.linalg.norm(event.slope(x), axis=-1)
            found.append(event.height(x)[..., 0] < -BEHIND * slope * (1 + np.linalg.norm(x, axis=-1)))
        return np.stack(found)

    def next_event(
        self,
        flow: Flow,
        parts: tuple,
        now: np.ndarray,
        passed: np.ndarray,
        behind: np.ndarray | None = None,
        *,
        at_fixed_time: bool = True,
    ) -> tuple[tuple, np.ndarray]:
        """State, or state and frame, after the next event, and the time of it, of members (m, n) of the flow that pass
        the surfaces `passed` (events, m) between the time `now` (m, 1) and the end of the step, or are `behind` them.

        Frames are those at a fixed time, or those of states on the surface.
        """
        times = np.full(passed.shape, np.inf)
        behind = np.zeros_like(passed) if behind is None else behind
        for event, found, rows in zip(self.events, times, passed & ~behind, strict=True):
            found[rows] = _time_of(event, flow.of_members(np.flatnonzero(rows)), parts[0][rows], now[rows])
        times[behind] = 0.0
        first, step = np.argmin(np.where(np.isnan(times), -np.inf, times), axis=0), times.min(0)[:, None]
        at = flow.moved(parts, np.where(np.isnan(step), 0.0, step), now)
        after = tuple(part.copy() for part in at)
        for i, event in enumerate(self.events):
            rows = np.flatnonzero(first == i)
            if len(rows):
                some = tuple(part[rows] for part in at)
                found = _after(event, flow.of_members(rows), some, (now + step)[rows], at_fixed_time)
                for part, new in zip(after, found, strict=True):
                    part[rows] = new
        lost = np.isnan(step[:, 0]) | ~np.isfinite(after[-1]).all(tuple(range(1, after[-1].ndim)))
        if lost.any() and np.isfinite(at[0][lost]).any():
            _warn(at[0][lost][0], "the orbit touches the surface without passing it, or the reset is not defined there")
        for part in after:
            part[lost] = np.nan
        return after, np.where(lost[:, None], flow.dt, now + step)

    def __repr__(self):
        return f"HybridFlow({self.flow!r}, {len(self.events)} event{'s' * (len(self.events) > 1)})"


def _time_of(event: Event, flow: Flow, x: np.ndarray, now: np.ndarray) -> np.ndarray:
    """The time from now on at which states, which lie behind the surface at the end of the step, reach it.

    States on the surface reach it at once if they move behind it, and later if they leave it first.
    """

    def height(step: np.ndarray, which: np.ndarray) -> np.ndarray:
        return event.height(flow.of_members(which).moved((x[which],), step[:, None], now[which])[0])[:, 0]

    here, most = event.height(x)[:, 0], flow.dt - now[:, 0]
    rising = (event.slope(x) * flow.velocity(x, now)).sum(-1)
    at_once = (here <= 0) & (rising <= 0)
    with np.errstate(all="ignore"):
        leaves = np.where(here <= 0, np.maximum(SHORT * flow.dt, -4 * here / rising), 0.0)
    least = np.where(at_once, most / 2, np.minimum(leaves, most / 2))
    root = elementwise.find_root(height, (least, most), args=(np.arange(len(x)),))
    found = np.where(root.success, root.x, np.where(here > 0, np.nan, 0.0))
    return np.where(at_once, 0.0, found)


def _after(event: Event, flow: Flow, parts: tuple, since: np.ndarray, at_fixed_time: bool) -> tuple:
    """State, or state and frame, after the jump of an event."""
    x, *frames = parts
    q = frames[0] if frames else np.zeros((*x.shape, 0), x.dtype)
    with np.errstate(all="ignore"):
        y, pushed, later = event.saltation(x, flow.velocity(x, since), q)
        change = flow.velocity(y, since)[..., None] * later if at_fixed_time else 0.0
        return (y, pushed - change)[: len(parts)]


def _warn(x: np.ndarray, reason: str) -> None:
    warnings.warn(f"the orbit ends near the state {x}: {reason}", RuntimeWarning, stacklevel=2)
