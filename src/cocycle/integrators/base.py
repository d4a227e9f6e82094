"""What an integrator is.

Arrays and symbols alike: of a plain function the whole step is traced, and its tangent follows from the trace.  State
and frame are parts of one system, `rate(time, x, q) = (v(x), Dv(x) q)`, so that the tangent is the exact derivative of
the numerical step, not an approximation to the derivative of the true flow.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from cocycle.arrays import is_number
from cocycle.formulas.loops import Scheme

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


def scaled(h: Any, part: Any) -> Any:
    """h, a number or (*batch, 1), with as many axes as the part, a state or a frame."""
    if is_number(h) or not hasattr(h, "ndim") or h.ndim == 0:
        return h
    return h[(..., *(None,) * (part.ndim - h.ndim))]
