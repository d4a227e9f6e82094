"""A search for the parameters of a forecaster: random points, then those that a Gaussian process proposes."""

import hashlib
import tempfile
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from cocycle.arrays import as_numpy, floating, require_finite
from cocycle.reservoir.metrics import valid_times
from cocycle.reservoir.space import (
    Point,
    Range,
    Space,
    checked_space,
    drawn,
    features,
    gaussian_process,
    proposed,
    size_of,
    surrogate,
)
from cocycle.results import Plotted, html_facts
from cocycle.sweeps import AllFail, Archive, Status, Table, run
from cocycle.sweeps.coordinates import generator as generator_of

CAPACITY = 1000  # points of an archive: a search may be continued up to it
RANDOM, ROUND = 10, 5  # points that are drawn first, at least; points that are proposed together
HELD_OUT = 0.3  # of the series, its end
RESOLUTION, AVERAGED = 40, 200  # values of a parameter in a marginal, and points over which it is a mean

Score = Callable[[Any, np.ndarray], float]


@final
@dataclass(frozen=True)
class MedianValidTime:
    """The median valid time, in steps, of forecasts from `starts` places of the series that the model does not know.

    After `warm_up` steps each forecast runs for half of what the series leaves; `threshold` is that of
    `valid_time`.
    """

    starts: int = 20
    warm_up: int = 200
    threshold: float = 0.3

    def __call__(self, model: Any, unseen: np.ndarray) -> float:
        steps = (len(unseen) - self.warm_up) // 2
        if steps < 1:
            raise ValueError(
                f"the held-out series must be longer than the warm-up of {self.warm_up}; it has {len(unseen)} times"
            )
        options = {"starts": self.starts, "warm_up": self.warm_up, "threshold": self.threshold}
        return float(valid_times(model, unseen, lyapunov_time=1.0, horizon=steps, **options).median)


@final
@dataclass(frozen=True, eq=False)
class SearchResult(Plotted):
    """The best model of a search, its `point` and its `score`, and all that was tried: `points`, `scores` (n,).

    The score of the best of many is too good by chance: test the model on a series that the search did not see.
    NaN is the score of a point whose model failed; `archive.messages()` says why.  `method` says how points were found.
    """

    best: Any
    point: Point
    score: float
    points: list[Point]
    scores: np.ndarray
    space: dict[str, Any]
    method: str
    archive: Archive

    def __repr__(self):
        text = ", ".join(f"{name}={_short(value)}" for name, value in self.point.items())
        return f"best score {self.score:.4g} of {len(self.scores)} points ({self.method}): {text}"

    def _repr_html_(self):
        rows = [("score", f"{self.score:.4g}"), *((name, _short(value)) for name, value in self.point.items())]
        return html_facts(f"Best of {len(self.scores)} points", [*rows, ("archive", self.archive.name)])

    def marginals(self) -> dict[str, tuple[list[Any], np.ndarray, float]]:
        """For each parameter its values, the expected score there, and its share of the variance of the expected score.

        The expected score is that of a Gaussian process, averaged over the other parameters; the shares, first-order
        Sobol indices, add up to less than 1 where parameters act together.  Empty without scikit-learn, or with fewer
        than four scores.
        """
        good = np.isfinite(self.scores)
        known = [point for point, fine in zip(self.points, good, strict=True) if fine]
        process = surrogate(features(self.space, known), self.scores[good]) if len(known) > 3 else None
        if process is None:
            return {}
        rng = np.random.default_rng(0)
        others = [drawn(self.space, rng) for _ in range(AVERAGED)]
        total = process.predict(features(self.space, others)).var()
        found = {}
        for name, values in self.space.items():
            grid = [values.at(f) for f in np.linspace(0, 1, RESOLUTION)] if isinstance(values, Range) else list(values)
            rows = features(self.space, [{**point, name: value} for value in grid for point in others])
            means = process.predict(rows).reshape(len(grid), -1).mean(axis=1)
            found[name] = grid, means, float(means.var() / total) if total > 0 else 0.0
        return found


def search(
    model_of: Callable[..., Any],
    series: np.ndarray,
    space: Space,
    budget: int,
    *,
    score: Score | None = None,
    path: str | Path | None = None,
    workers: int | None = 1,
    rng: int = 0,
) -> SearchResult:
    """The best of `budget` points of a space: model_of(training, rng=generator, **point) makes the model of one.

    `training` are the first 70 % of series (time, m); the model is scored on the rest by score(model, unseen), of which
    more is better: `MedianValidTime()` by default, over twenty starts.  `space` maps names to a `Range(low, high, log)`
    or a list of choices.  Half of the points, at least ten, are random; then a Gaussian process (scikit-learn, without
    which all are random) proposes five at a time by expected improvement.

    The points are kept in the table archive `path`, a temporary file by default: the same call with a larger budget
    continues it.  `rng` is an integer seed; points and random numbers follow from it and do not depend on `workers`,
    processes as those of `sweeps.run`, None for all cores; one computes here.  A point whose model fails has no score.

    Raises ValueError for a space without volume, a budget outside 1..1000 or of more points than the space has, an
    archive of another search; AllFail if all models fail.  Bergstra & Bengio, J. Mach. Learn. Res. 13, 281 (2012).
    """
    checked = checked_space(space)
    most = min(CAPACITY, size_of(checked))
    if isinstance(budget, bool) or not isinstance(budget, int | np.integer) or not 1 <= budget <= most:
        raise ValueError(f"budget must be an integer in 1..{most:.0f}, the points there can be; got {budget!r}")
    if not callable(model_of):
        raise TypeError(f"model_of must be a function of the training series, rng and the parameters; got {model_of!r}")
    series = as_numpy(floating("series", series))
    require_finite("series", series)
    border = round((1 - HELD_OUT) * len(series))
    if series.ndim != 2 or not 0 < border < len(series):
        raise ValueError(
            f"series must have shape (time, m), with times to train on and to hold out; got {series.shape}"
        )
    training, unseen, score = series[:border], series[border:], score or MedianValidTime()
    archive = _archive(path, checked, series, rng, score)

    def measure(point: Point, rng: np.random.Generator) -> dict[str, float]:
        own = {name: point[name] for name in checked}
        return {"score": _finite(score(model_of(training, rng=rng, **own), unseen))}

    while (missing := _used(archive) - _tried(archive)) > 0 or _used(archive) < budget:
        if not missing:
            _append(archive, checked, budget, rng)
        _computed(measure, archive, workers)
    scores = archive["score"][:budget]
    _require_some(archive, scores)
    points = [archive.grid.values((row,)) for row in range(budget)]
    best = int(np.nanargmax(scores))
    numbers = generator_of(archive.seed, archive.grid.streams(np.array([best]))[0])
    model = model_of(training, rng=numbers, **points[best])
    method = "random, then a Gaussian process" if budget > _random(budget) and gaussian_process() else "random"
    return SearchResult(model, points[best], float(scores[best]), points, scores, checked, method, archive)


def _archive(path, space, series: np.ndarray, seed: int, score: Score) -> Archive:
    path = Path(tempfile.mkdtemp(prefix="cocycle-")) / "search.h5" if path is None else path
    kinds = {name: float if isinstance(values, Range) else list(values) for name, values in space.items()}
    facts = {
        "space of the search": [f"{name}: {values}" for name, values in space.items()],
        "series": hashlib.sha256(series.tobytes()).hexdigest()[:16],
        "scored by": score.__repr__()
        if isinstance(score, MedianValidTime)
        else getattr(score, "__name__", "a function"),
    }
    return Archive.table(path, kinds, capacity=CAPACITY, outputs={"score": ()}, seed=seed, fixed=facts)


def _used(archive: Archive) -> int:
    table = archive.grid
    assert isinstance(table, Table)
    return table.used


def _tried(archive: Archive) -> int:
    return int((archive.status[: _used(archive)] != Status.TO_DO).sum())


def _random(budget: int) -> int:
    """How many points are random before a process proposes any."""
    return max(RANDOM, budget // 2)


def _append(archive: Archive, space: dict[str, Any], budget: int, seed: int) -> None:
    """Give the archive the points of the next round, which follow from those before."""
    used = _used(archive)
    rng = np.random.default_rng([seed, used])
    start = _random(budget)
    scores = archive["score"][:used]
    points = [archive.grid.values((row,)) for row in range(used)]
    found = None
    if used >= start and np.isfinite(scores).sum() > 3:
        worst = np.nanmin(scores)
        filled = np.where(np.isfinite(scores), scores, worst)  # where models fail it should not look again
        found = proposed(space, points, filled, min(ROUND, budget - used), rng)
        if found is None:
            warnings.warn(
                "without scikit-learn all points of a search are random: install the extra, python -m pip install -e"
                ' ".[sklearn]"',
                stacklevel=3,
            )
    wanted = len(found) if found else (start - used if used < start else ROUND)
    found = list(found or [])
    while len(found) < min(wanted, budget - used):
        point = drawn(space, rng)
        if point not in points and point not in found:
            found.append(point)
    archive.append(found)


def _computed(measure, archive: Archive, workers: int | None) -> None:
    if workers != 1:
        run(measure, archive, workers=workers)
        return
    with ThreadPoolExecutor(1) as here:  # no process to start, and model_of may be anything
        run(measure, archive, here)


def _finite(score: float) -> float:
    if not np.isfinite(score):
        raise ValueError(f"the score of a model must be finite; got {score}")
    return float(score)


def _require_some(archive: Archive, scores: np.ndarray) -> None:
    if np.isnan(scores).all():
        first = next(iter(archive.messages(1).values()), "no message")
        raise AllFail(f"all {len(scores)} models of the search failed, the first with: {first}")


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
