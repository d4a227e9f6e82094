"""How far is a reservoir with the default settings from one that a search has tuned?  Medians over networks.

    python -m pip download --no-deps reservoirpy PyWavelets statsmodels -d /tmp/data
    unzip -jo /tmp/data/reservoirpy-*.whl '*/santafe_laser.npy' -d /tmp/data
    unzip -jo /tmp/data/[Pp]y[Ww]avelets-*.whl '*/ecg.npz' -d /tmp/data
    unzip -jo /tmp/data/statsmodels-*.whl '*/sunspots_monthly.dat' -d /tmp/data
    python benchmarks/defaults.py /tmp/data

Chaotic systems: the median valid time of forecasts, in Lyapunov times.  Measured series: the error of the values that
the closed loop forecasts over so many steps, root mean square over standard deviation.  The tuned network has the same
number of units; its spectral radius, scalings and leak are the best of BUDGET on the last 30 % of the training series.
The ridge of both is chosen by `train`; both are trained on the whole of that and tested on the series that follows.
The defaults were chosen with networks of seeds 100 to 104 on these test series.  Without the folder the measured series
are skipped.
"""

import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cocycle import Reservoir, forecast, train
from cocycle.reservoir import Range, search, valid_times
from cocycle.systems import KuramotoSivashinsky, Lorenz63, MackeyGlass, Rossler

SEEDS = range(200, 209)
BUDGET, SIZE = 60, 300
SPACE = {
    "spectral_radius": Range(0.1, 1.5),
    "input_scaling": Range(0.01, 3, log=True),
    "bias_scaling": Range(0.05, 2, log=True),
    "leak_rate": Range(0.1, 1, log=True),
}


@dataclass(frozen=True)
class ValidTime:
    """The median valid time, in Lyapunov times, from 40 starts."""

    lyapunov_time: float  # in steps
    lyapunov_times: float = 14.0  # that a forecast runs for
    words = "valid time, Lyapunov times"

    def __call__(self, model: Any, unseen: np.ndarray) -> float:
        horizon = min(self.lyapunov_times, (len(unseen) - 200) / 2 / self.lyapunov_time)
        options = {"starts": 40, "warm_up": 200, "threshold": 0.4, "horizon": horizon}
        return valid_times(model, unseen, lyapunov_time=self.lyapunov_time, **options).median


@dataclass(frozen=True)
class Error:
    """Minus the error of free forecasts over `steps` steps after `warm_up`, from a start at every `every` times."""

    steps: int
    warm_up: int = 200
    every: int = 5

    @property
    def words(self) -> str:
        return f"error of {self.steps} steps"

    def __call__(self, model: Any, unseen: np.ndarray) -> float:
        starts = range(0, len(unseen) - self.warm_up - self.steps, self.every)
        parts = np.stack([unseen[i : i + self.warm_up + self.steps] for i in starts], axis=1)
        found = forecast(model, parts[: self.warm_up], self.steps)
        return -float(np.sqrt(np.mean((found - parts[self.warm_up :]) ** 2)) / unseen.std())


@dataclass(frozen=True)
class Case:
    name: str
    training: np.ndarray
    unseen: np.ndarray
    score: ValidTime | Error
    size: int = SIZE

    def scores(self, point: dict[str, Any]) -> np.ndarray:
        return np.array([self.score(made(self.training, self.size, rng=seed, **point), self.unseen) for seed in SEEDS])


def made(series: np.ndarray, size: int, *, rng: Any, **point: Any) -> Any:
    """The shortest natural call, with the settings of `point` instead of the defaults."""
    return train(Reservoir.random(size, series.shape[1], rng=rng, **point), series)


def divided(name: str, series: np.ndarray, training: int, score: Any, size: int = SIZE) -> Case:
    return Case(name, series[:training], series[training:], score, size)


def systems() -> list[Case]:
    delayed = MackeyGlass(points=100, delay=17.0)
    every = round(1 / delayed.dt) if delayed.dt < 1 else 1
    return [
        divided("Lorenz, dt 0.02", Lorenz63().series(15000, dt=0.02), 5000, ValidTime(1 / (0.9056 * 0.02))),
        divided("Lorenz, x alone", Lorenz63().series(15000, dt=0.02)[:, :1], 5000, ValidTime(1 / (0.9056 * 0.02))),
        divided("Rössler, dt 0.1", Rossler().series(25000, dt=0.1), 5000, ValidTime(1 / (0.0714 * 0.1), 20)),
        divided(
            "Mackey–Glass 17, dt 1",
            delayed.series(every * 15000, transient=every * 1000)[::every, :1],
            5000,
            ValidTime(1 / (0.00514 * every * delayed.dt), 12),
        ),
        divided(
            "Kuramoto–Sivashinsky 22, dt 0.25",
            KuramotoSivashinsky(dt=0.25).series(20000, transient=2000),
            10000,
            ValidTime(1 / (0.0487 * 0.25), 10),
            500,
        ),
    ]


def measured(folder: Path) -> list[Case]:
    laser = np.load(folder / "santafe_laser.npy").astype(float)
    ecg = np.load(folder / "ecg.npz")["data"].astype(float)[:, None]
    rows = (folder / "sunspots_monthly.dat").read_text().splitlines()
    months = [row.split()[1:] for row in rows if row[:4].isdigit() and len(row.split()) == 13]
    sunspots = np.array(months, dtype=float).reshape(-1, 1)
    return [
        divided("sunspots, monthly", sunspots, 2000, Error(12)),
        divided("Santa Fe laser", laser[:4000], 2000, Error(1)),
        divided("electrocardiogram", ecg, 700, Error(10, 100, 1)),
    ]


def tuned(case: Case) -> dict[str, Any]:
    def model_of(training: np.ndarray, *, rng: np.random.Generator, **point: Any) -> Any:
        return made(training, case.size, rng=rng, **point)

    return search(model_of, case.training, SPACE, BUDGET, score=case.score, rng=1).point


def main(folder: Path | None) -> None:
    warnings.simplefilter("ignore")
    print(f"median (quartiles) over {len(SEEDS)} networks of {SIZE} units (Kuramoto–Sivashinsky 500)")
    for case in systems() + (measured(folder) if folder else []):
        point = tuned(case)
        default, best = (np.where(np.isnan(s := case.scores(p)), np.inf, s) for p in ({}, point))
        low, median, high = np.quantile(abs(default), (0.25, 0.5, 0.75))
        lower, middle, higher = np.quantile(abs(best), (0.25, 0.5, 0.75))
        words = ", ".join(f"{name} {value:.2g}" for name, value in point.items())
        print(
            f"{case.name:<34}{case.score.words:<28}{median:>8.3g} ({low:.3g} to {high:.3g})"
            f"{middle:>9.3g} ({lower:.3g} to {higher:.3g})   {words}",
            flush=True,
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
