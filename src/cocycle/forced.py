"""Equations that depend on time, x' = v(t, x): the time is bound before the loop, one map for each step."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, final, overload

import numpy as np

from cocycle.arrays import require_count
from cocycle.flows import RUNGE_KUTTA, Flow
from cocycle.formulas.formula import Equation
from cocycle.formulas.of_time import TIME, OfTime, WithClock
from cocycle.integrators import AdaptiveIntegrator, Integrator
from cocycle.maps import Map

WHOLE = 1e-9  # of a number of steps in a period, from an integer


@final
class ForcedFlow:
    """The maps over the time dt of x' = function(t, x, **parameters), one for each time at which they begin:

        def duffing(t, u, damping=0.05, force=7.5):
            x, v = u
            return v, -damping * v - x**3 + force * np.cos(t)

        forced = ForcedFlow(duffing, dt=2 * np.pi / 200)
        lyapunov_spectrum(repeat(forced.stroboscopic(2 * np.pi), 5000), x, frame(x, 2))

    `stroboscopic` is one map over a period, `maps` are successive steps for any forcing.  The phase is no component of
    the state, and no exponent is zero because of it; `autonomous` has the time as one more component.  Function,
    parameters, `substeps` and `integrator` are those of a `Flow`, but for the time, which comes first.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        dt: float,
        substeps: int = 1,
        integrator: Integrator = RUNGE_KUTTA,
        **parameters: Any,
    ):
        if TIME in parameters:
            raise TypeError(f"parameters must not be called {TIME}: it is given by maps(steps, start=...)")
        self.function = function
        self._flow = Flow(Equation(OfTime(function), **parameters), dt, substeps, integrator)

    @property
    def dt(self) -> float:
        """The time of one map."""
        return self._flow.dt

    @property
    def _parameters(self) -> dict[str, Any]:
        return {name: value for name, value in self._flow.field.parameters.items() if name != TIME}

    def at(self, **parameters: Any) -> "ForcedFlow":
        """The same with other parameters: see `Equation.at`."""
        flow = self._flow
        return ForcedFlow(self.function, flow.dt, flow.substeps, flow.integrator, **{**self._parameters, **parameters})

    def maps(self, steps: int, start: float = 0.0) -> Sequence[Map]:
        """The maps of so many successive steps from the time `start` on."""
        require_count("steps", steps, 1)
        _require_number("start", start)
        return _Successive(self._flow, float(start), range(steps))

    def stroboscopic(self, period: float, phase: float = 0.0) -> Flow:
        """The map over one period of the forcing, from the time `phase` on, in steps of dt, or of at most dt.

        Raises ValueError unless the period is a multiple of dt, and, when the map is first used, unless it is one of
        the equation.
        """
        flow = self._flow
        _require_number("phase", phase)
        _require_number("period", period)
        method, steps = flow.integrator, round(period / flow.dt)
        if not period > 0 or steps < 1 or abs(period / (steps * flow.dt) - 1) > WHOLE:
            raise ValueError(
                f"period must be a positive multiple of dt={flow.dt:.6g}; got {period!r}: take dt=period / 100"
            )
        equation = Equation(OfTime(self.function, period), **self._parameters).at(**{TIME: float(phase)})
        if isinstance(method, AdaptiveIntegrator):  # of which dt is the longest step
            return Flow(equation, float(period), flow.substeps, replace(method, longest=min(method.longest, flow.dt)))  # pyright: ignore[reportArgumentType]
        return Flow(equation, float(period), steps * flow.substeps, method)

    def autonomous(self) -> Flow:
        """The map over dt of the state [x | t], in which the time is one more component, with an exponent of zero."""
        flow = self._flow
        return Flow(Equation(WithClock(self.function), **self._parameters), flow.dt, flow.substeps, flow.integrator)

    def __repr__(self):
        given = "".join(f", {name}={value!r:.40}" for name, value in self._parameters.items())
        return f"ForcedFlow({self._flow.field.function.name}, dt={self.dt:g}{given})"


@final
class _Successive(Sequence[Map]):
    """The maps that begin at start + i dt."""

    def __init__(self, flow: Flow, start: float, places: range):
        self.flow, self.start, self.places = flow, start, places
        _ = flow.formula, flow.refined()

    def __len__(self):
        return len(self.places)

    @overload
    def __getitem__(self, i: int) -> Map: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[Map]: ...
    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return _Successive(self.flow, self.start, self.places[i])
        return self.flow.at(**{TIME: self.start + self.places[i] * self.flow.dt})


def _require_number(name: str, value: Any) -> None:
    if isinstance(value, str) or np.ndim(value) or not np.isfinite(value):
        raise ValueError(f"{name} must be a finite number; got {value!r}")
