"""Functions of time and state, as functions of a state that have the time as one of their parameters."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from cocycle.arrays import as_numpy, constant, like
from cocycle.formulas.parameters import name_of

TIME = "time"  # the name of that parameter
PLACES = 16  # times at which a period is checked
SAME, ROUNDING = 1e-6, 1e-11  # difference of rates, relative to their variation in time, and to their size


@final
@dataclass(frozen=True, eq=False)
class OfTime:
    """x, time -> function(time, x, **parameters), with the `period` that the function has in time, if it has one.

    Raises TypeError unless it is a function of time and state without a parameter called time.
    """

    function: Callable[..., Any]
    period: float | None = None

    def __post_init__(self):
        if not callable(self.function):
            raise TypeError(f"function must be one of time and state, f(t, x, a=1.0); got {self.function!r}")
        own = self._parameters()
        if own is not None and (len(own) < 2 or TIME in [p.name for p in own[2:]]):
            raise TypeError(
                f"function must be one of time and state, f(t, x, a=1.0), with other names for its parameters than"
                f" {TIME}; got {name_of(self.function)}({', '.join(p.name for p in own)})"
            )

    def _parameters(self) -> list[inspect.Parameter] | None:
        try:
            return list(inspect.signature(self.function).parameters.values())
        except (TypeError, ValueError):
            return None

    @property
    def __signature__(self) -> inspect.Signature:
        """That of the function without its first argument, and with the time at the end."""
        own = self._parameters()
        if own is None:
            raise ValueError("no signature")
        clock = inspect.Parameter(TIME, inspect.Parameter.KEYWORD_ONLY, default=0.0)
        last = [p for p in own[1:] if p.kind is inspect.Parameter.VAR_KEYWORD]
        return inspect.Signature([*(p for p in own[1:] if p not in last), clock, *last])

    @property
    def name(self) -> str:
        return name_of(self.function)

    def __call__(self, x: Any, *, time: Any, **parameters: Any) -> Any:
        return self.function(time, x, **parameters)

    def depends_on(self) -> list[Any]:
        """What decides its values: see `cocycle.purity`."""
        return [self.function]

    def check(self, equation: Callable[[Any], Any], x: Any, parameters: Mapping[str, Any]) -> None:
        """Raise ValueError unless the rates have the period, at x and at random states around it, where the forcing may
        act that does not at x; `equation(time)` is the field at one time."""
        if self.period is None:
            return
        rng = np.random.default_rng(0)
        times = parameters[TIME] + self.period * rng.uniform(size=PLACES)
        for moved in (0.0, 0.1, 1.0):
            places = x + moved * like(rng.normal(size=tuple(x.shape)), x) * (1 + abs(x))
            with np.errstate(all="ignore"):
                now, later = (
                    np.stack([as_numpy(constant(equation(t)(places))) for t in part])
                    for part in (times, times + self.period)
                )
                varies = np.ptp(now, axis=0)
                fine = abs(later - now) <= SAME * varies + ROUNDING * abs(now)
            if not (fine | ~np.isfinite(now)).all():
                raise ValueError(
                    f"period must be that of {self.name}; near x the rates at t and t + {self.period:.6g} differ by up"
                    f" to {np.nanmax(abs(later - now)):.2g}: for other forcing take .maps(steps)"
                )


def depends_on_time(equation: Any) -> bool:
    """Whether the function of an equation is one of time, not only one with a parameter of that name."""
    return isinstance(getattr(equation, "function", None), OfTime)


@final
@dataclass(frozen=True, eq=False)
class WithClock:
    """[x | t] -> [function(t, x, **parameters) | 1]: time as one more component of the state."""

    function: Callable[..., Any]

    @property
    def __signature__(self) -> inspect.Signature:
        signature = inspect.signature(self.function)
        return signature.replace(parameters=list(signature.parameters.values())[1:])

    @property
    def name(self) -> str:
        return name_of(self.function)

    def __call__(self, x: Any, **parameters: Any) -> Any:
        rates = self.function(x[-1], x[:-1], **parameters)
        return np.concatenate([np.stack(rates) if isinstance(rates, list | tuple) else rates, np.ones(1)])

    def depends_on(self) -> list[Any]:
        """What decides its values: see `cocycle.purity`."""
        return [self.function]
