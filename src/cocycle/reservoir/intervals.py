"""Forecast intervals: quantiles of an ensemble of forecasts, calibrated where the truth is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from cocycle.arrays import as_numpy, generator
from cocycle.driven import check_inputs
from cocycle.progress import tracked
from cocycle.reservoir.forecast import Forecaster, forecast
from cocycle.reservoir.reservoir import Reservoir
from cocycle.reservoir.training import train
from cocycle.results import Plotted, html_facts

TRAINED_ON = 2 / 3  # of the series, where networks are given without readouts


@final
@dataclass(frozen=True, eq=False)
class ForecastIntervals(Plotted):
    """lower, median and upper (steps, m): the future value is between lower and upper with probability `coverage`.

    For each step and component by itself, not for all together.  `median` is that of the ensemble, `factor` (steps, m)
    what the calibration multiplied the distances of its quantiles from the median with.  `measured` (steps, m) is the
    share of `starts` held-out starts whose true value was inside, each calibrated on the other half, with its
    standard `error`.  `attractor` (2, m) are the same quantiles of the series, `dt` is the time of a step.
    """

    lower: np.ndarray
    median: np.ndarray
    upper: np.ndarray
    coverage: float
    factor: np.ndarray
    measured: np.ndarray
    starts: int
    attractor: np.ndarray
    dt: float = 1.0

    @property
    def error(self) -> float:
        """√(2 p (1 - p) / starts): that of the share p of starts, and as much from the calibration on half of them.

        It counts the starts as independent: those nearer than a Lyapunov time are not.
        """
        return float(np.sqrt(2 * self.coverage * (1 - self.coverage) / self.starts))

    @property
    def relative_width(self) -> np.ndarray:
        """(steps, m): the width of the band in units of that of the attractor, between the same quantiles."""
        return (self.upper - self.lower) / (self.attractor[1] - self.attractor[0])

    @property
    def horizon(self) -> np.ndarray:
        """(m,): the time from which on the forecast of a component says no more than the statistics of the series.

        That of the first step at which the band is as wide as the attractor; NaN where it never is.
        """
        wide = self.relative_width >= 1
        return np.where(wide.any(axis=0), (wide.argmax(axis=0) + 1) * self.dt, np.nan)

    def __repr__(self):
        steps, m = self.lower.shape
        said = ", ".join("not reached" if np.isnan(h) else f"{h:.4g}" for h in self.horizon)
        return (
            f"intervals of coverage {self.coverage:g} over {steps} steps of {m} components; as wide as the attractor"
            f" from time: {said}; on {self.starts} held-out starts {self.measured.mean():.3f} were inside"
        )

    def _repr_html_(self):
        said = ", ".join("not reached" if np.isnan(h) else f"{h:.4g}" for h in self.horizon)
        rows = [("coverage", f"{self.coverage:g}"), (f"measured, {self.starts} starts", f"{self.measured.mean():.3f}")]
        return html_facts("Forecast intervals", [*rows, ("as wide as the attractor from time", said)])


def forecast_intervals(
    networks: Sequence[Reservoir] | Sequence[Forecaster],
    series: np.ndarray,
    warm_up: np.ndarray,
    steps: int,
    *,
    coverage: float = 0.9,
    starts: int = 100,
    copies: int = 3,
    rng: np.random.Generator | int = 0,
) -> ForecastIntervals:
    """Intervals of the `steps` values that follow warm_up (time, m): lower and upper (steps, m), at a stated coverage.

    The ensemble are `copies` forecasts of each network, with normal noise on the warm-up whose standard deviation is
    the root mean square error of the network's one-step forecasts on held-out times.  At every step t and component,
    l and h are its quantiles (1 ± coverage) / 2 and c its median; the interval is [c - f (c - l), c + f (h - c)].
    The factor f[t] is the ⌈coverage (n + 1)⌉-th smallest of what would have been needed at n held-out `starts`
    (conformal calibration): if starts are exchangeable the coverage is `coverage` to 1 / (n + 1).  What lies outside
    the range of the series, where it never was, is cut off.

    Networks without readouts are trained on the first two thirds of series (time, m), and calibrated on the last;
    `Forecaster`s, which `train` makes, are calibrated on the whole series, on which they must not have been trained.

    Raises ValueError for fewer than two networks, a coverage outside (0, 1), so few starts that it cannot be reached, a
    series that is too short for two separate warm-ups and forecasts, forecasts that all diverge.
    Romano, Patterson & Candès, NeurIPS 32, 3543 (2019).
    """
    models, held_out = _trained(networks, series)
    warm_up = as_numpy(check_inputs("warm_up", warm_up, held_out.shape[1]))
    if warm_up.ndim != 2 or len(warm_up) < 1:
        raise ValueError(f"warm_up must have shape (time, m) and at least one time; got {warm_up.shape}")
    _check(coverage, starts, copies, steps)
    windows, halves = _windows(held_out, len(warm_up), steps, starts)
    rng = generator(rng)
    everything = np.concatenate([windows[: len(warm_up)], warm_up[:, None]], axis=1)
    members = _ensemble(models, held_out, everything, steps, copies, rng)
    tails = np.array([(1 - coverage) / 2, 0.5, (1 + coverage) / 2])
    low, median, high = np.nanquantile(members, tails, axis=1)  # (steps, starts + 1, m) each
    truth = windows[len(warm_up) :]
    needed = _needed(truth, low[:, :-1], median[:, :-1], high[:, :-1])
    factor = _smallest_enough(needed, coverage)
    inside = [needed[:, ~half] <= _smallest_enough(needed[:, half], coverage)[:, None] for half in (halves, ~halves)]
    c, below, above = (a[:, -1] for a in (median, median - low, high - median))
    least, largest = np.min(as_numpy(series), axis=0), np.max(as_numpy(series), axis=0)
    return ForecastIntervals(
        lower=np.clip(c - factor * below, least, largest),
        median=np.clip(c, least, largest),
        upper=np.clip(c + factor * above, least, largest),
        coverage=coverage,
        factor=factor,
        measured=np.concatenate(inside, axis=1).mean(axis=1),
        starts=starts,
        attractor=np.quantile(as_numpy(series), tails[[0, 2]], axis=0),
        dt=models[0].network.joint.dt,
    )


def _trained(networks, series) -> tuple[list[Forecaster], np.ndarray]:
    """The forecasters, and the part of the series that they do not know."""
    if isinstance(networks, Reservoir | Forecaster) or not isinstance(networks, Sequence) or len(networks) < 2:
        raise ValueError(
            "networks must be a list of at least two, such as [Reservoir.random(300, 3, rng=i) for i in range(8)]; got"
            f" {networks!r}"
        )
    kinds = {type(network) for network in networks}
    if len(kinds) > 1 or not kinds <= {Reservoir, Forecaster}:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise TypeError(f"networks must all be Reservoirs, or all Forecasters; got {names}")
    inner = [network.network if isinstance(network, Forecaster) else network for network in networks]
    if any(network.batch for network in inner):
        raise ValueError("networks must be single ones, in a list; got one with a batch axis")
    series = as_numpy(check_inputs("series", series, inner[0].inputs))
    if series.ndim != 2:
        raise ValueError(f"series must have shape (time, m); got {series.shape}")
    if isinstance(networks[0], Forecaster):
        if any(model.external or not model.closable for model in networks):
            raise ValueError("networks must be trained to give the next value of the series, without external input")
        return list(networks), series
    border = int(TRAINED_ON * len(series))
    return [train(network, series[:border]) for network in networks], series[border:]


def _check(coverage: float, starts: int, copies: int, steps: int) -> None:
    for name, value, least in (("starts", starts, 4), ("copies", copies, 1), ("steps", steps, 1)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{name} must be an integer of at least {least}; got {value!r}")
    if not 0 < coverage < 1:
        raise ValueError(f"coverage must be between 0 and 1; got {coverage!r}")
    if coverage * (starts // 2 + 1) > starts // 2:
        least = 2 * int(np.ceil(coverage / (1 - coverage)))
        raise ValueError(
            f"starts must be at least {least} for a coverage of {coverage:g}, since it is calibrated on half of them;"
            f" got {starts}"
        )


def _windows(held_out: np.ndarray, warm_up: int, steps: int, starts: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows (warm_up + steps, starts, m) of the series, and which are in its first half: none is in both."""
    length, half = warm_up + steps, len(held_out) // 2
    if half < length:
        raise ValueError(
            f"the held-out series must hold two warm-ups and forecasts, 2 x ({warm_up} + {steps}) times; it has"
            f" {len(held_out)}: take fewer steps, or a longer series"
        )
    first = np.linspace(0, half - length, starts // 2).round().astype(int)
    second = np.linspace(half, len(held_out) - length, starts - starts // 2).round().astype(int)
    begins = np.concatenate([first, second])
    return np.stack([held_out[i : i + length] for i in begins], axis=1), begins < half


def _ensemble(
    models: list[Forecaster], held_out: np.ndarray, warm_ups: np.ndarray, steps: int, copies: int, rng
) -> np.ndarray:
    """Forecasts (steps, members, starts, m) after warm_ups (time, starts, m)."""
    found, (times, starts, m) = [], warm_ups.shape
    for model in tracked(models, "ensemble"):
        missed = (model.predictions(held_out[:-1]) - held_out[1:])[min(200, len(held_out) // 4) :]
        noise = np.sqrt((missed**2).mean(axis=0)) * rng.normal(size=(times, copies, starts, m))
        moved = (warm_ups[:, None] + noise).reshape(times, copies * starts, m)
        found.append(forecast(model, moved, steps).reshape(steps, copies, starts, m))
    members = np.concatenate(found, axis=1)
    if np.isnan(members).all(axis=1).any():
        raise ValueError("all forecasts from one of the starts diverge: take more networks, or others")
    return members


def _needed(truth, low, median, high) -> np.ndarray:
    """The least factor f with which the truth is within [c - f (c - l), c + f (h - c)]."""
    smallest = np.finfo(float).tiny
    return np.maximum(
        (median - truth) / np.maximum(median - low, smallest), (truth - median) / np.maximum(high - median, smallest)
    )


def _smallest_enough(needed: np.ndarray, coverage: float) -> np.ndarray:
    """The ⌈coverage (n + 1)⌉-th smallest of needed (steps, n, m) over n starts: (steps, m)."""
    n = needed.shape[1]
    place = min(int(np.ceil(coverage * (n + 1) - 1e-9)), n) - 1
    return np.partition(needed, place, axis=1)[:, place]
