"""The systems of the package dysts by name: flows, delay equations and maps, from their plain functions.

Gilpin, arXiv 2110.05266 (2021).  Of dysts come the right-hand sides, as the Python functions that it hands to numba,
the parameters and the starts; tangents, steps and series are those of `cocycle`.  The extra `dysts` installs it.
"""

import builtins
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from importlib import import_module
from types import FunctionType
from typing import Any, NamedTuple, final

import numpy as np

from cocycle.formulas.formula import Equation, Formula
from cocycle.systems.delay import DelayEquation
from cocycle.systems.series import ContinuousSystem, DiscreteSystem

PARTS = 500  # of the dominant period, in a step: see `DystsFlow.time_step`
NEARBY = 1e-6  # of a start, relative to the size of the state, that random starts are apart


@final
@dataclass(frozen=True, eq=False)
class DystsFlow(ContinuousSystem):
    """A flow of dysts: `Flow(from_dysts("Lorenz"), dt)`.

    `first` (n,) is the start that dysts gives, of which random starts are close; `period` is the dominant period that
    dysts gives, and `time_step` a five-hundredth of it.
    """

    name: str
    rate: Equation
    first: np.ndarray
    period: float

    @property
    def equation(self) -> Equation:
        return self.rate

    @property
    def dimension(self):
        return len(self.first)

    @property
    def time_step(self):
        return self.period / PARTS

    def at(self, **parameters: Any) -> "DystsFlow":
        """The same with other values of some parameters."""
        return replace(self, rate=self.rate.at(**parameters))

    def start(self, rng, batch=()):
        return _near(self.first, rng, batch)

    def __call__(self, x):
        return self.rate(x)

    def tangent(self, x, q):
        return self.rate.tangent(x, q)


@final
@dataclass(frozen=True, eq=False)
class DystsMap(DiscreteSystem):
    """A map of dysts; `first` (n,) is the start that dysts gives, of which random starts are close."""

    name: str
    formula: Formula
    first: np.ndarray

    @property
    def dimension(self):
        return len(self.first)

    def at(self, **parameters: Any) -> "DystsMap":
        """The same with other values of some parameters."""
        return replace(self, formula=self.formula.at(**parameters))

    def start(self, rng, batch=()):
        return _near(self.first, rng, batch)

    def __call__(self, x):
        return self.formula(x)

    def tangent(self, x, q):
        return self.formula.tangent(x, q)

    def kernel(self, x, q, steps):
        return self.formula.kernel(x, q, steps)


def dysts_names() -> dict[str, list[str]]:
    """The names of all systems of dysts: `{"flows": [...], "delay equations": [...], "maps": [...]}`."""
    return {kind: sorted(classes) for kind, classes in _classes().items()}


class Estimates(NamedTuple):
    """What dysts says of a system: exponents (n,) per unit time, and the Kaplan-Yorke dimension; empty, or NaN, where
    it says nothing.  Its integration is of first order: of Lorenz's system it gives 1.09 instead of 0.906."""

    exponents: np.ndarray
    dimension: float


def dysts_estimates(name: str) -> Estimates:
    """The estimates that dysts has of the system of that name."""
    given = next(classes[name] for classes in _classes().values() if name in classes)()
    exponents = getattr(given, "lyapunov_spectrum_estimated", None)
    dimension = getattr(given, "kaplan_yorke_dimension", None)
    numbers = np.asarray([] if exponents is None else exponents, dtype=float)
    return Estimates(numbers, np.nan if dimension is None else float(dimension))


def from_dysts(name: str, **parameters: Any) -> DystsFlow | DystsMap | DelayEquation:
    """The system of dysts of that name, with its parameters or others: `from_dysts("Lorenz", rho=20.0)`.

    Where a flow and a map share a name, the map is "name (map)".  A flow that depends on time, Torus, has it as one
    more component.  Raises ImportError without dysts, KeyError for an unknown name, and NotTraceable, when it is first
    used, for the one system that has no formula, BlinkingVortexMap, which solves an equation at every step.
    """
    for kind, classes in _classes().items():
        if name in classes:
            return _MAKERS[kind](name, classes[name], parameters)
    known = {n.lower(): n for classes in _classes().values() for n in classes}
    meant = known.get(name.lower())
    raise KeyError(f"name must be one of dysts, see dysts_names(); got {name!r}" + (f": {meant!r}?" if meant else ""))


@lru_cache(maxsize=1)
def _classes() -> dict[str, dict[str, type]]:
    try:
        all_flows, all_maps, base = (import_module(f"dysts.{part}") for part in ("flows", "maps", "base"))
    except ImportError as error:
        raise ImportError("the systems of dysts need the package: pip install 'cocycle[dysts]'") from error

    def found(module: Any, kind: type) -> dict[str, type]:
        classes = [c for c in vars(module).values() if isinstance(c, type) and issubclass(c, kind)]
        return {c.__name__: c for c in classes if c.__module__ == module.__name__}

    flows, maps = found(all_flows, base.DynSys), found(all_maps, base.DynMap)
    delays = found(all_flows, base.DynSysDelay)
    flows = {name: c for name, c in flows.items() if name not in delays}
    taken = {*flows, *delays}
    return {
        "flows": flows,
        "delay equations": delays,
        "maps": {f"{name} (map)" if name in taken else name: c for name, c in maps.items()},
    }


def _plain(kind: type) -> type:
    """The class with the Python functions underneath numba's, whose max and min are those of numpy."""
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__[:-1]):
        for name, value in vars(base).items():
            own = value.__func__ if isinstance(value, staticmethod) else value
            function = getattr(own, "py_func", own)
            if isinstance(function, FunctionType) and base.__module__ in ("dysts.flows", "dysts.maps"):
                traced = _without_branches(function)
                found[name] = staticmethod(traced) if isinstance(value, staticmethod) else traced
    return type(kind.__name__, (kind,), found)


def _without_branches(function: FunctionType) -> FunctionType:
    scope = {"max": np.maximum, "min": np.minimum, "__builtins__": builtins, **function.__globals__}
    scope |= {"max": np.maximum, "min": np.minimum}
    made = FunctionType(function.__code__, scope, function.__name__, function.__defaults__, function.__closure__)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _system(kind: type, parameters: Mapping[str, Any]) -> Any:
    """An object of the class with these parameters and nothing else."""
    system = object.__new__(kind)
    ordered = [parameters[name] for name in sorted(parameters)]
    vars(system).update(parameters, params=dict(parameters), param_list=ordered)
    return system


@final
@dataclass(frozen=True, eq=False)
class _Function:
    """The right-hand side of a system of dysts as a plain function of a state, or of x and its delayed value."""

    owner: type
    kind: str
    clock: bool = False

    @property
    def name(self) -> str:
        return self.owner.__name__

    @cached_property
    def plain(self) -> type:
        return _plain(self.owner)

    def __call__(self, *state: Any, **parameters: Any) -> Any:
        system = _system(self.plain, parameters)
        if self.kind == "delay equations":
            return system._rhs(*state, 0.0, *system.param_list)
        if self.kind == "maps":
            result = system._rhs(*state[0], *system.param_list)
            return result if isinstance(result, tuple | list) else [result]
        if self.clock:
            return [*system.rhs(state[0][:-1], state[0][-1]), 1.0]
        return system.rhs(state[0], 0.0)

    def __reduce__(self):
        return _Function, (self.owner, self.kind, self.clock)

    def depends_on(self) -> list[Any]:
        """Nothing that changes: see `cocycle.purity`."""
        return []


def _flow(name: str, kind: type, parameters: Mapping[str, Any]) -> DystsFlow:
    given = kind()
    clock = name == "Torus"
    first = np.append(given.ic, 0.0) if clock else np.asarray(given.ic, dtype=float)
    equation = Equation(_Function(kind, "flows", clock), **given.params)
    return DystsFlow(name, equation.at(**parameters) if parameters else equation, first, float(given.period))


def _map(name: str, kind: type, parameters: Mapping[str, Any]) -> DystsMap:
    given = kind()
    formula = Formula(_Function(kind, "maps"), **given.params)
    first = np.atleast_1d(np.asarray(given.ic, dtype=float))
    return DystsMap(name, formula.at(**parameters) if parameters else formula, first)


def _delay(name: str, kind: type, parameters: Mapping[str, Any]) -> DelayEquation:
    given = kind()
    first = float(np.min(given.ic)), float(np.max(given.ic))
    made = DelayEquation(_Function(kind, "delay equations"), "tau", parameters=given.params, first=first)
    return made.at(**parameters) if parameters else made


_MAKERS: dict[str, Callable[..., Any]] = {"flows": _flow, "delay equations": _delay, "maps": _map}


def _near(first: np.ndarray, rng: np.random.Generator, batch: tuple[int, ...]) -> np.ndarray:
    size = max(float(abs(first).max()), 1e-3)
    return first + NEARBY * size * rng.normal(size=(*batch, len(first)))
