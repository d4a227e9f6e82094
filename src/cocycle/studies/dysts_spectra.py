"""The Lyapunov spectrum of every system of the package dysts, each with checks of its own, beside dysts' estimates.

Flows are integrated by Runge-Kutta steps chosen for an accuracy, or where these are too coarse by `Radau`; maps and
delay equations as they are.  Every spectrum is computed once more with steps of half the length.
"""

import json
import warnings
from collections.abc import Iterable
from dataclasses import replace
from enum import IntEnum
from importlib import metadata
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np

from cocycle.flows import Flow, time_step
from cocycle.integrators import Radau
from cocycle.lyapunov import Diverged, Spectrum, frame, lyapunov_spectrum
from cocycle.lyapunov.derived import Estimate, kaplan_yorke
from cocycle.maps import Map
from cocycle.sweeps import Grid
from cocycle.sweeps.contents import Contents, described
from cocycle.systems import DelayEquation, DystsFlow, DystsMap, dysts_estimates, dysts_names, from_dysts
from cocycle.trajectories import blocks_of_states, end

MOST = 10  # exponents: the largest dimension of a flow or a map of dysts
OF_DELAY = 6  # exponents of a delay equation
PARTS = 200  # of the dominant period of a flow, in a step, at least
SAMPLES = 20_000  # states at which the divergence is averaged
SURE = 5.0  # standard errors
SMALL = 1e-4  # an exponent relative to the largest, that counts as zero whatever its error
SIZES: dict[str, dict[str, Any]] = {
    "small": {"replicas": 4, "steps": 100_000, "accuracy": 1e-6},
    "full": {"replicas": 8, "steps": 1_500_000, "accuracy": 1e-6},
}
SLOW = 5  # times fewer steps of what takes so much longer: implicit steps, delay equations
MANY = ("exponents", "errors", "halved", "halved_errors", "estimates")  # outputs, each of so many numbers
RECORDS = 5000  # of growth, about, in a run


class Method(IntEnum):
    """What takes the steps."""

    MAP = 0
    RUNGE_KUTTA = 1
    RADAU = 2
    DELAY = 3


class Check(IntEnum):
    """What is checked in every row; a bit of `failed` is set where it does not hold."""

    STEP = 1
    ROUNDING = 2
    HALVED = 4
    DIVERGENCE = 8
    ZERO = 16
    REPLICAS = 32
    STATIONARY = 64
    PAIRS = 128


WORDS = {
    Check.STEP: "the step is too coarse",
    Check.ROUNDING: "the last exponents are lost in rounding",
    Check.HALVED: "steps of half the length give other exponents",
    Check.DIVERGENCE: "the sum is not the mean divergence",
    Check.ZERO: "no exponent is zero",
    Check.REPLICAS: "replicas differ: several attractors, or slow changes",
    Check.STATIONARY: "the second half of the run differs from the first: a transient",
    Check.PAIRS: "volume is conserved, but exponents do not come in pairs",
}


class Run(NamedTuple):
    """Exponents (k,) with their errors, the result, and the messages of warnings."""

    exponents: np.ndarray
    errors: np.ndarray
    result: Spectrum
    messages: list[str]


def contents(size: str = "full", seed: int = 1, names: Iterable[str] | None = None) -> Contents:
    """What the study is, of all systems or of those named.  Raises ImportError without dysts."""
    known = [name for kind in dysts_names().values() for name in kind]
    chosen = known if names is None else list(names)
    unknown = sorted(set(chosen) - set(known))
    if unknown:
        raise ValueError(f"systems must be those of dysts, see dysts_names(); got {', '.join(unknown)}")
    many: dict[str, Any] = {name: {"exponent": MOST} for name in MANY}
    one = ("dimension", "dimension_error", "divergence", "divergence_error", "estimated_dimension")
    outputs = many | dict.fromkeys((*one, "dt", "time", "method", "failed"), ())
    settings = SIZES[size] | {"dysts": metadata.version("dysts"), "systems": json.dumps(_settings(chosen))}
    return described(Grid({"system": chosen}), outputs, seed, settings, {}, {"exponents": "exponents per unit time"})


def _settings(names: Iterable[str]) -> dict[str, Any]:
    """Parameters and start of each system, for the record."""
    found = {}
    for name in names:
        system = from_dysts(name)
        own = system.parameters if isinstance(system, DelayEquation) else _function(system).parameters
        start = list(system.first)
        found[name] = {
            "parameters": {key: np.asarray(value).tolist() for key, value in own.items()},
            "start": np.asarray(start, dtype=float).tolist(),
        }
    return found


def _function(system: DystsFlow | DystsMap) -> Any:
    return system.rate if isinstance(system, DystsFlow) else system.formula


def measure(point: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """The row of one system."""
    system = from_dysts(point["system"])
    step, method, run = _first(system, point, rng)
    finer = _halved(step)
    second = run if finer is None else _run(finer, point, rng, method, 2)
    exponents, errors = run.exponents, run.errors
    divergence = (np.nan, np.nan)
    if isinstance(step, Flow) and isinstance(system, DystsFlow):
        divergence = _divergence(system, step, run.result.x)
    flow = method in (Method.RUNGE_KUTTA, Method.RADAU, Method.DELAY)
    dimension = kaplan_yorke(run.result, int(flow and abs(exponents).min() < SURE * errors.max()))
    if _conserved(divergence, exponents):
        dimension = Estimate(np.full(point["replicas"], float(len(exponents))), np.zeros(point["replicas"]))
    failed = _failed(run, second, divergence, method, system.dimension)
    estimates = dysts_estimates(point["system"])
    spread = np.std(dimension.value, ddof=1) / len(dimension.value) ** 0.5
    return {
        "exponents": _padded(exponents),
        "errors": _padded(errors),
        "halved": _padded(second.exponents),
        "halved_errors": _padded(second.errors),
        "estimates": _padded(estimates.exponents),
        "dimension": np.mean(dimension.value),
        "dimension_error": max(spread, float(np.mean(dimension.error)) / len(dimension.value) ** 0.5),
        "divergence": divergence[0],
        "divergence_error": divergence[1],
        "estimated_dimension": estimates.dimension,
        "dt": step.dt,
        "time": float(run.result.times.sum()) * point["replicas"],
        "method": int(method),
        "failed": int(sum(failed)),
    }


def _first(system: Any, point: dict[str, Any], rng: np.random.Generator) -> tuple[Map, Method, Run]:
    """The map, its method, and the spectrum."""
    if not isinstance(system, DystsFlow):
        method = Method.DELAY if isinstance(system, DelayEquation) else Method.MAP
        return system, method, _run(system, point, rng, method)
    dt = _time_step(system, accuracy=point["accuracy"])
    for _ in range(2):
        try:
            run = _run(Flow(system, dt), point, rng, Method.RUNGE_KUTTA)
            if not _coarse(run):
                return Flow(system, dt), Method.RUNGE_KUTTA, run
            dt = _suggested(run)
        except ArithmeticError:
            dt /= 10
    flow = Flow(system, _time_step(system, integrator=Radau()), integrator=Radau())
    return flow, Method.RADAU, _run(flow, point, rng, Method.RADAU)


def _time_step(system: DystsFlow, **options: Any) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of stiffness: what is too coarse is found by its results
        return min(time_step(system, system.first, **options), system.period / PARTS)


def _run(step: Map, point: dict[str, Any], rng: np.random.Generator, method: Method, finer: int = 1) -> Run:
    """The spectrum of replicas that start at random times of one orbit, `finer` times as many steps."""
    system: Any = step.field if isinstance(step, Flow) else step
    n = system.dimension
    k = min(n, OF_DELAY) if method is Method.DELAY else n
    steps = finer * int(point["steps"] * min(1.0, 9 / n**2 if method is not Method.DELAY else 1.0))
    steps //= SLOW if method in (Method.RADAU, Method.DELAY) else 1
    x = _starts(step, system.start(rng), steps // 5, point["replicas"], rng)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        q = frame(x, k, rng)
        result = lyapunov_spectrum(repeat(step, steps), x, q, every="auto", transient=steps // 5, thin=_thin(steps))
    errors = np.maximum(result.scatter, (np.asarray(result.standard_error) ** 2).mean(0) ** 0.5)
    return Run(
        result.exponents.mean(0),
        errors / point["replicas"] ** 0.5,
        result,
        [str(warning.message) for warning in caught],
    )


def _thin(steps: int) -> int:
    """Groups of at most 100 steps in a record of growth."""
    return max(1, steps // (100 * RECORDS))


def _starts(step: Map, x: np.ndarray, transient: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """States at random times of the second half of an orbit, moved by little, so that chaos separates them."""
    x = end(repeat(step, transient // 2), x)
    every = max(1, transient // 2000)
    visited = np.concatenate(list(blocks_of_states(step, x, transient // 2 // every, every)))
    if not np.isfinite(visited).all() or len(visited) < transient // 2 // every:
        raise Diverged("the orbit is not finite within the transient", 0, None)
    chosen = visited[rng.integers(len(visited), size=count)]
    return chosen + 1e-7 * rng.normal(size=chosen.shape) * visited.std(0)


def _halved(step: Map) -> Map | None:
    """The map over half the time, of an approximate one."""
    if isinstance(step, Flow):
        return replace(step, dt=step.dt / 2)
    return replace(step, points=2 * step.points) if isinstance(step, DelayEquation) else None


def _divergence(system: DystsFlow, flow: Flow, x: np.ndarray) -> tuple[float, float]:
    """The mean divergence of the field along orbits, and its standard error over ten segments of all of them."""
    found = np.concatenate([_traces(system, part[::10]) for part in blocks_of_states(flow, x, SAMPLES // len(x) * 10)])
    segments = np.array([part.mean() for part in np.array_split(found, 10)])
    return float(found.mean()), float(segments.std(ddof=1) / 10**0.5)


def _traces(system: DystsFlow, x: np.ndarray) -> np.ndarray:
    """The divergence of the field at states (..., n)."""
    identity = np.broadcast_to(np.eye(system.dimension), (*x.shape, system.dimension))
    return np.trace(system.tangent(x, identity)[1], axis1=-2, axis2=-1)


def _conserved(divergence: tuple[float, float], exponents: np.ndarray) -> bool:
    """Whether the field conserves volume."""
    return max(abs(divergence[0]), divergence[1]) < SMALL * abs(exponents).max() + 1e-12


def _suggested(run: Run) -> float:
    assert run.result.step_error is not None
    return run.result.step_error.suggested


def _coarse(run: Run) -> bool:
    error = run.result.step_error
    return error is not None and error.coarse


def _failed(run: Run, second: Run, divergence: tuple[float, float], method: Method, n: int) -> list[Check]:
    """The checks that do not hold."""
    exponents, errors, largest = run.exponents, run.errors, abs(run.exponents).max()
    tiny = SMALL * largest + 1e-12
    both = SURE * np.hypot(errors, second.errors) + 10 * tiny
    found = {Check.STEP: _coarse(run), Check.ROUNDING: any("unreliable" in text for text in run.messages)}
    found[Check.HALVED] = bool((abs(exponents - second.exponents) > both).any())
    replicas, own = run.result.scatter, np.asarray(run.result.standard_error).mean(0)
    found[Check.REPLICAS] = bool((replicas > 4 * own + 10 * tiny).any())
    growth, times = run.result.growth, run.result.times
    half = len(times) // 2
    parts = [np.asarray(growth[part].sum(0) / times[part].sum()) for part in (slice(half), slice(half, None))]
    apart = abs(parts[0] - parts[1]).mean(0)
    found[Check.STATIONARY] = bool((apart > 4 * own * 2**0.5 + 10 * tiny).any())
    if not np.isnan(divergence[0]):
        allowed = SURE * np.hypot(divergence[1], errors.sum()) + 10 * tiny
        found[Check.DIVERGENCE] = abs(exponents.sum() - divergence[0]) > allowed
        paired = abs(exponents + exponents[::-1]) < SURE * (errors + errors[::-1]) + 10 * tiny
        found[Check.PAIRS] = _conserved(divergence, exponents) and n % 2 == 0 and not paired.all()
    if method is not Method.MAP:
        found[Check.ZERO] = not (abs(exponents) < SURE * errors + tiny).any()
    return [check for check, true in found.items() if true]


def _padded(values: Any) -> np.ndarray:
    found = np.full(MOST, np.nan)
    some = np.asarray([] if values is None else values, dtype=float).ravel()[:MOST]
    found[: len(some)] = some
    return found
