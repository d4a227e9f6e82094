"""Delay equations as maps of their history."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property
from math import ceil
from typing import Any, final

import numpy as np

from cocycle.arrays import namespace, require_count
from cocycle.formulas.formula import Formula
from cocycle.systems.delay_step import EXACT, DelayStep
from cocycle.systems.rates import Rate
from cocycle.systems.series import DiscreteSystem

NEAREST = 3  # dt, the shortest delay: the cubic through four points needs one that is later


@final
@dataclass(frozen=True, eq=False)
class DelayEquation(DiscreteSystem):
    """x'(t) = rate(x(t), x(t - delay), **parameters), as the time-dt map of its history.

    `rate` is a plain function, see `cocycle.Formula`, of x and one delayed value for each delay, which give a number;
    with `components` = d these are vectors (d,), and it gives d numbers.  `delay` is a number, or several: rate(x(t),
    x(t - delay[0]), x(t - delay[1]), ...); each may be the name of a parameter of the rate.

    With dt = longest delay / points the state (*batch, (points + 2) d) is x at the present time, dt before, 2 dt
    before, ..., the components of one time together; `series` gives the present x alone.  The next x is computed by
    `substeps` Runge-Kutta steps of fourth order; between the points the history is interpolated by a cubic through four
    of them (`stencil`), with an error of the same order, so that delays need not be multiples of dt.  The first
    exponents of the map are those of the delay equation.  `start` gives constant histories between `first`, two numbers
    or two vectors (d,), with a little noise.  Farmer, Physica D 4, 366 (1982).

    Raises ValueError for a delay that is not positive and finite, fewer than 3 points to the shortest delay, less than
    one substep, and a history of the wrong length; TypeError for a rate with more or fewer arguments, and, when it is
    first used, NotTraceable for one that gives another number of components or has no formula.
    """

    rate: Callable[..., Any]
    delay: float | str | Sequence[float | str]
    _: KW_ONLY
    points: int = 100
    substeps: int = 1
    components: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    first: tuple[Any, Any] = (0.5, 1.5)
    stencil: int = 4
    order, volume = 4, False

    def __post_init__(self):
        require_count("stencil", self.stencil, 4)
        require_count("points", self.points, 1)
        require_count("substeps", self.substeps, 1)
        delays = self.delays
        needed = ceil(NEAREST * max(delays) / min(delays) - EXACT)
        if self.points < needed:
            raise ValueError(
                f"points must be at least {needed}; got {self.points}: of {max(delays):g} / points, the distance of the"
                f" points, there must be {NEAREST} to the shortest delay, {min(delays):g}"
            )
        self._require_arguments(len(delays))
        self._formula  # noqa: B018  (an unknown parameter is an error at once)

    def _require_arguments(self, delays: int) -> None:
        found = self._rate.arguments(self.parameters)
        if found is not None and len(found) != 1 + delays:
            wanted = ", ".join(["x", *(f"delayed_{i + 1}" for i in range(delays))])
            raise TypeError(
                f"rate must take x and {delays} delayed value{'s' * (delays > 1)}, one for each delay, before its"
                f" parameters, rate({wanted}, **parameters); {self._rate.name} takes {', '.join(found) or 'none'},"
                " and no others without a default"
            )

    @cached_property
    def _rate(self) -> Rate:
        return Rate(self.rate, self.components)

    @cached_property
    def delays(self) -> tuple[float, ...]:
        """The delays, those that are parameters with their present values."""
        given = self.delay if isinstance(self.delay, list | tuple | np.ndarray) else (self.delay,)
        if not len(given):
            raise ValueError("delay must be a number, or several; got none")
        return tuple(self._delay(d) for d in given)

    def _delay(self, given: Any) -> float:
        known = {**self._rate.defaults(), **self.parameters}
        if isinstance(given, str) and given not in known:
            raise ValueError(
                f"delay must be a number or the name of a parameter, of {', '.join(known) or 'which there are none'};"
                f" got {given!r}"
            )
        value = known[given] if isinstance(given, str) else given
        if np.ndim(value):
            raise ValueError(f"delay must be one number for all members of a batch; got shape {np.shape(value)}")
        if not 0 < value < np.inf:
            raise ValueError(f"delay must be positive and finite; got {value}")
        return float(value)

    @property
    def dt(self):
        return max(self.delays) / self.points

    @property
    def dimension(self):
        return (self.points + 2) * self._rate.size

    @property
    def observed(self):
        return slice(0, self._rate.size)

    @property
    def batch(self):
        return self._formula.batch

    @cached_property
    def _step(self) -> DelayStep:
        positions = [self.points * (d / max(self.delays)) for d in self.delays]
        return DelayStep.of(self._rate, positions, self.substeps, self.dt, min(self.stencil, self.points + 2))

    @cached_property
    def _formula(self) -> Formula:
        return Formula(self._step, **self.parameters)

    @cached_property
    def _rows(self) -> np.ndarray:
        """The places in the state of the numbers that a step depends on."""
        size = self._rate.size
        return (np.array(self._step.rows)[:, None] * size + np.arange(size)).ravel()

    def at(self, **parameters: Any) -> "DelayEquation":
        """The same with other values of some parameters: see `Formula.at`.

        Of a parameter that is a delay the time dt and the state change with it.
        """
        return self._with(self._formula.at(**parameters))

    def of_members(self, members: Any) -> "DelayEquation":
        """The same with the parameters of some members of the batch, which an index into its first axis gives."""
        return self._with(self._formula.of_members(members))

    def _with(self, formula: Formula, **fields: Any) -> "DelayEquation":
        """The same with the parameters of a formula, and other fields."""
        made = replace(self, parameters=dict(formula.parameters), **fields)
        if made._step != self._step:  # axes of a batch are not those of the parameters themselves
            own = {name: np.zeros(shape) for name, shape in formula.shapes.items()}
            formula = Formula(made._step, **{**formula.parameters, **own}).at(**formula.parameters)
        vars(made)["_formula"] = formula  # which need not be traced again
        return made

    def refined(self):
        return self._refined

    @cached_property
    def _refined(self) -> "DelayEquation":
        """Half the substeps, and a history that is interpolated from more points."""
        return self._with(self._formula, substeps=2 * self.substeps, stencil=self.stencil + 2)

    @property
    def resolution(self):
        return f"the distance of the points, dt={self.dt:.4g},"

    def remedy(self, factor, x):
        return f"points={ceil(self.points / max(factor, 1e-3))} should do"

    def history(self, function: Callable[[float], Any]) -> np.ndarray:
        """The state (dimension,) of which the history is function(t), x at the time t <= 0: a number or (d,)."""
        values = np.array([function(-i * self.dt) for i in range(self.points + 2)], dtype=float)
        if values.size != self.dimension:
            raise ValueError(f"function must give {self._rate.size} numbers at each time; got shape {values.shape[1:]}")
        return values.ravel()

    def start(self, rng, batch=()):
        size, (low, high) = self._rate.size, (np.asarray(bound, dtype=float) for bound in self.first)
        level = low + (high - low) * rng.uniform(size=(*batch, 1, size))
        noise = 0.1 * abs(high - low) * rng.uniform(size=(*batch, self.points + 2, size))
        return (level + noise).reshape(*batch, self.dimension)

    def _window(self, x: Any) -> Any:
        if x.shape[-1:] != (self.dimension,):
            raise ValueError(
                f"x must be a history (*batch, {self.dimension}): {self.points} points + 2 times, the present first, of"
                f" {self._rate.size} component{'s' * (self._rate.size > 1)}; got shape {tuple(x.shape)}"
            )
        return x[..., self._rows]

    def __call__(self, x):
        after = self._formula(self._window(x))
        return _shifted(after[..., self.observed], x, -1)

    def tangent(self, x, q):
        after, moved = self._formula.tangent(self._window(x), q[..., self._rows, :])
        return _shifted(after[..., self.observed], x, -1), _shifted(moved[..., self.observed, :], q, -2)


def _shifted(present: Any, before: Any, axis: int) -> Any:
    """The history with a new present, of which the oldest values are dropped; before, it may have had no batch."""
    xp = namespace(before)
    kept = before[..., : before.shape[-1] - present.shape[-1]] if axis == -1 else before[..., : -present.shape[-2], :]
    if kept.shape[:axis] != present.shape[:axis]:
        kept = xp.broadcast_to(kept, (*present.shape[:axis], *kept.shape[axis:]))
    return xp.concatenate([present, kept], axis=axis)


def mackey_glass(x, delayed, beta=0.2, gamma=0.1, exponent=10.0):
    """The rate of change of the Mackey-Glass equation."""
    return beta * delayed / (1 + delayed**exponent) - gamma * x


@final
@dataclass(frozen=True)
class MackeyGlass(DiscreteSystem):
    """x'(t) = beta x(t - delay) / (1 + x(t - delay)^exponent) - gamma x(t), as the time-dt map of its history.

    State, points and substeps are those of `DelayEquation`.  Mackey & Glass, Science 197, 287 (1977); Farmer, Physica D
    4, 366 (1982).  Raises ValueError for fewer than 3 points or less than one substep.
    """

    beta: float = 0.2
    gamma: float = 0.1
    exponent: float = 10.0
    delay: float = 17.0
    points: int = 100
    substeps: int = 1
    observed = slice(0, 1)
    order, volume = 4, False

    def __post_init__(self):
        self._equation  # noqa: B018  (its errors come at once)

    @cached_property
    def _equation(self) -> DelayEquation:
        made = DelayEquation(mackey_glass, self.delay, points=self.points, substeps=self.substeps)
        return made.at(beta=self.beta, gamma=self.gamma, exponent=self.exponent)

    @property
    def dt(self):
        return self._equation.dt

    @property
    def dimension(self):
        return self._equation.dimension

    @property
    def batch(self):
        return self._equation.batch

    def refined(self):
        return self._equation.refined()

    @property
    def resolution(self):
        return self._equation.resolution

    def remedy(self, factor, x):
        return self._equation.remedy(factor, x)

    def start(self, rng, batch=()):
        return self._equation.start(rng, batch)

    def __call__(self, x):
        return self._equation(x)

    def tangent(self, x, q):
        return self._equation.tangent(x, q)
