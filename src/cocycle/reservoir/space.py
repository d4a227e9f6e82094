"""The space of a search: ranges and choices, points drawn from it, and what a Gaussian process proposes next."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, final

import numpy as np

from cocycle.arrays import is_number

CANDIDATES = 2000  # random points among which the most promising is looked for
Point = dict[str, Any]


@final
@dataclass(frozen=True)
class Range:
    """Numbers from low to high, drawn uniformly, or with `log` uniformly in their logarithm.

    Raises ValueError unless low < high, both finite, and with `log` 0 < low.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self):
        numbers = is_number(self.low) and is_number(self.high)
        if not numbers or not -np.inf < self.low < self.high < np.inf:
            raise ValueError(f"a range must have finite numbers low < high; got {self.low!r} and {self.high!r}")
        if self.log and self.low <= 0:
            raise ValueError(
                f"a range with log must have 0 < low; got {self.low!r}: leave log out, or take a larger low"
            )

    def at(self, fraction: float) -> float:
        """The number at a fraction, 0 to 1, of the range."""
        low, high = np.log([self.low, self.high]) if self.log else (self.low, self.high)
        value = low + fraction * (high - low)
        return float(np.clip(np.exp(value) if self.log else value, self.low, self.high))

    def fraction(self, value: Any) -> Any:
        """Where in the range a number is, 0 to 1."""
        low, high, value = np.log([self.low, self.high, value]) if self.log else (self.low, self.high, value)
        return (value - low) / (high - low)


Space = Mapping[str, Range | Sequence[Any]]


def checked_space(space: Space) -> dict[str, Range | tuple[Any, ...]]:
    """The space with choices as tuples.  Raises ValueError for one without parameters, or one that cannot vary."""
    if not isinstance(space, Mapping) or not space:
        raise ValueError(
            f'space must map names to ranges or choices, such as {{"ridge": Range(1e-9, 1, log=True)}}; got {space!r}'
        )
    found: dict[str, Range | tuple[Any, ...]] = {}
    for name, values in space.items():
        if isinstance(values, Range):
            found[name] = values
            continue
        if isinstance(values, str) or not isinstance(values, Sequence | np.ndarray):
            raise ValueError(f"space[{name!r}] must be a Range or a list of choices; got {values!r}")
        choices = tuple(values.tolist() if isinstance(values, np.ndarray) else values)
        if len({repr(choice) for choice in choices}) < 2:
            raise ValueError(
                f"space[{name!r}] must hold at least two choices; got {choices}: what does not vary belongs into"
                " model_of"
            )
        found[name] = choices
    return found


def size_of(space: Mapping[str, Any]) -> float:
    """The number of points: infinite where there is a range."""
    return float(np.prod([np.inf if isinstance(values, Range) else float(len(values)) for values in space.values()]))


def drawn(space: Mapping[str, Any], rng: np.random.Generator) -> Point:
    """A random point: every range and every choice by itself."""
    return {
        name: values.at(rng.uniform()) if isinstance(values, Range) else values[rng.integers(len(values))]
        for name, values in space.items()
    }


def features(space: Mapping[str, Any], points: Sequence[Point]) -> np.ndarray:
    """Points as rows of numbers 0 to 1: where in its range each is, and an indicator of each choice."""
    columns = []
    for name, values in space.items():
        if isinstance(values, Range):
            columns.append([values.fraction(point[name]) for point in points])
        else:
            columns += [[float(point[name] == choice) for point in points] for choice in values]
    return np.array(columns).T


def gaussian_process() -> Any:
    """The module of scikit-learn, or None where it is not installed."""
    try:
        return import_module("sklearn.gaussian_process")
    except ModuleNotFoundError:
        return None


def surrogate(x: np.ndarray, scores: np.ndarray) -> Any:
    """A Gaussian process through scores at features x, with a length for each and noise; None without scikit-learn."""
    module = gaussian_process()
    if module is None:
        return None
    kernels = module.kernels
    lengths = kernels.Matern(np.full(x.shape[1], 0.5), (0.05, 20.0), nu=2.5)
    kernel = kernels.ConstantKernel(1.0, (0.05, 20.0)) * lengths + kernels.WhiteKernel(0.1, (1e-4, 2.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a length at its bound is a feature that does not matter
        return module.GaussianProcessRegressor(kernel, normalize_y=True, random_state=0).fit(x, scores)


def proposed(
    space: Mapping[str, Any], tried: Sequence[Point], scores: np.ndarray, count: int, rng: np.random.Generator
) -> list[Point] | None:
    """The next `count` points: each has the largest expected improvement among random ones, as if those before it had
    the score that the Gaussian process expects.  None without scikit-learn.

    Jones, Schonlau & Welch, J. Global Optim. 13, 455 (1998); Ginsbourger, Le Riche & Carraro (2010).
    """
    x, y = features(space, tried), np.array(scores, dtype=float)
    process = surrogate(x, y)
    if process is None:
        return None
    from scipy.stats import norm  # here, because importing it takes long

    found: list[Point] = []
    for _ in range(count):
        candidates = [drawn(space, rng) for _ in range(CANDIDATES)]
        rows = features(space, candidates)
        mean, deviation = process.predict(rows, return_std=True)
        best = process.predict(x).max()  # of the mean, since single scores are noisy
        gain = (mean - best) / np.maximum(deviation, 1e-12)
        order = np.argsort(-(deviation * (gain * norm.cdf(gain) + norm.pdf(gain))))
        chosen = next((int(i) for i in order if candidates[i] not in tried and candidates[i] not in found), None)
        if chosen is None:
            break
        found.append(candidates[chosen])
        x, y = np.vstack([x, rows[chosen]]), np.append(y, mean[chosen])
        module = gaussian_process()
        process = module.GaussianProcessRegressor(process.kernel_, optimizer=None, normalize_y=True).fit(x, y)
    return found
