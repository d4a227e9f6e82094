"""What an integrator is.

Arrays and symbols alike: of a plain function the whole step is traced, and its tangent follows from the trace.  State
and frame are parts of one system, `rate(time, x, q) = (v(x), Dv(x) q)`, so that the tangent is the exact derivative of
the numerical step, not an approximation to the derivative of the true flow.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from cocycle.arrays import is_number
from cocycle.formulas.loops import Control, Scheme

SAFETY, LEAST, MOST = 0.9, 0.2, 5.0  # of the next step, relative to the last one
ATTEMPTS = 100_000  # in one application of a map, at most
VANISHING = 1e-13  # a step, relative to the time of the map

Rate = Callable[..., tuple]  # of the time and the parts, the state or state and frame: the rates of change of all


class Integrator(ABC):
    """A rule for one step."""

    order: Any  # int: the error over a given time is of order dt^order

    @abstractmethod
    def step(self, rate: Rate, parts: tuple, dt: Any, time: Any = 0.0) -> tuple:
        """The parts, the state (*batch, n) and the frame (*batch, n, k) if it is there, after the time dt, a number or
        (*batch, 1), from `time` on."""

    @abstractmethod
    def check(self, field: Any, x: Any) -> None:
        """Raise ValueError unless the field is one for this integrator, judged near the states x."""

    @abstractmethod
    def traced(self, rate: Rate, x: Any, h: Any, time: Any) -> Any:
        """What is compiled: on symbols, the step of length h of a single state, or what else `scheme` makes steps
        of."""

    @abstractmethod
    def scheme(self, dt: float, substeps: int, direction: int, timed: bool) -> Scheme:
        """How a compiled loop advances by dt, of an equation that depends on time if `timed`."""


class AdaptiveIntegrator(Integrator):
    """A method that chooses its steps, so that its estimate of the error of each is within atol + rtol |x|.

    The state alone chooses the steps, for each member of a batch its own, and the tangent follows those that are
    accepted: it is the derivative of the numerical solution at these steps.  Otherwise values would depend on the
    frame.  The error is the root mean square over the components.  In single precision rtol is at least 1e-5.  The
    `substeps` of a flow divide each accepted step; no step is longer than `longest`.
    """

    rtol: Any  # float
    atol: Any  # float
    longest: Any  # float: no step is longer
    error_order: Any  # int: the estimate is of order dt^error_order

    @abstractmethod
    def attempt(self, rate: Rate, x: Any, h: Any, time: Any) -> tuple[Any, Any, Any]:
        """The states (*batch, n) after steps h (*batch, 1), the estimated errors (*batch, 1), allowed up to 1, and
        what `pushed` needs to know of these steps."""

    @abstractmethod
    def pushed(self, rate: Rate, x: Any, q: Any, h: Any, time: Any, known: Any) -> Any:
        """The frame q at x after the same steps."""

    def check(self, field, x):
        pass

    def control(self, dt: float, direction: int) -> Control:
        """The control of the steps, for a compiled loop."""
        return Control(dt, min(dt, self.longest), direction, self.error_order, SAFETY, LEAST, MOST, ATTEMPTS, VANISHING)


def require_tolerances(method: AdaptiveIntegrator) -> None:
    """Raise ValueError unless both tolerances are numbers in (0, 1)."""
    for name in ("rtol", "atol"):
        value = getattr(method, name)
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < 1:
            raise ValueError(f"{name} must be a number in (0, 1); got {value!r}")
    if isinstance(method.longest, str) or not method.longest > 0:
        raise ValueError(f"longest must be a positive time; got {method.longest!r}")


def scaled(h: Any, part: Any) -> Any:
    """h, a number or (*batch, 1), with as many axes as the part, a state or a frame."""
    if is_number(h) or not hasattr(h, "ndim") or h.ndim == 0:
        return h
    return h[(..., *(None,) * (part.ndim - h.ndim))]
