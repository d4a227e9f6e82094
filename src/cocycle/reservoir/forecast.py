"""From a series to a forecast: train the readout with the series as drive, then let the network drive itself."""

from dataclasses import dataclass
from itertools import chain, islice, repeat
from typing import final

import numpy as np

from cocycle.arrays import floating, linear, require_finite
from cocycle.maps import orbit
from cocycle.progress import tracked
from cocycle.reservoir.readout import MomentSum, check_ridge, ridge_readout
from cocycle.reservoir.reservoir import Reservoir


@final
@dataclass(frozen=True, eq=False)
class Forecaster:
    """A reservoir and its trained readout W_out (*batch, m, n): the output W_out r[t] estimates the input u[t]."""

    reservoir: Reservoir
    readout: np.ndarray

    @property
    def closed(self):
        """The autonomous map of the network that is fed its own output."""
        return self.reservoir.closed(self.readout)


def train(reservoir: Reservoir, series: np.ndarray, *, ridge: float = 1e-6, washout: int = 200) -> Forecaster:
    """Train the readout to give the next value of series (time, *batch, m) while the series drives the reservoir.

    From r = 0, driven by u[0], ..., u[T-2]; the first `washout` states are dropped; W_out solves the ridge
    regression of u[t] on r[t], with `ridge` added to the sum over times.

    Raises ValueError for a series of another shape, with values that are not finite or not longer than the
    washout, a negative ridge, and moments that are singular to rounding.
    """
    series = _checked("series", series, reservoir)
    if not 0 <= washout < len(series) - 1:
        raise ValueError(f"series must be longer than washout + 1 = {washout + 1}; got {len(series)} times")
    check_ridge(ridge)
    r = reservoir.rest(series.shape[1:-1])
    moments = MomentSum(r.shape[:-1], reservoir.dimension, reservoir.inputs)
    states = orbit(tracked(reservoir.driven(series[:-1]), "training"), r)
    for r, target in islice(zip(states, series[1:], strict=True), washout, None):
        moments.add(r, target)
    return Forecaster(reservoir, ridge_readout(moments.total(), ridge))


def forecast(model: Forecaster, warm_up: np.ndarray, steps: int) -> np.ndarray:
    """The `steps` values that follow the series warm_up (time, *starts, m): shape (steps, *networks, *starts, m).

    The reservoir is driven from r = 0 by the warm-up, then by its own output.  An orbit that leaves every bound is
    an ordinary result: NaN from there on.

    Raises ValueError for a warm-up of another shape, an empty one, or with values that are not finite.
    """
    warm_up = _checked("warm_up", warm_up, model.reservoir)
    if steps < 1 or len(warm_up) < 1:
        raise ValueError(f"steps and the length of warm_up must be at least 1; got {steps} and {len(warm_up)}")
    axes = warm_up.ndim - 2
    reservoir = model.reservoir.spread(axes)
    readout = model.readout.reshape(*model.readout.shape[:-2], *[1] * axes, *model.readout.shape[-2:])
    r = reservoir.rest(warm_up.shape[1:-1])
    for step in reservoir.driven(warm_up):
        r = step(r)
    closed = tracked(repeat(reservoir.closed(readout), steps - 1), "forecast")
    with np.errstate(over="ignore", invalid="ignore"):
        outputs = np.stack([linear(readout, r) for r in chain([r], orbit(closed, r))])
    failed = np.logical_or.accumulate(~np.isfinite(outputs).all(axis=-1), axis=0)
    outputs[failed] = np.nan
    return outputs


def _checked(name: str, series: np.ndarray, reservoir: Reservoir) -> np.ndarray:
    series = floating(name, series)
    if series.ndim < 2 or series.shape[-1] != reservoir.inputs:
        raise ValueError(f"{name} must have shape (time, *batch, m={reservoir.inputs}); got {series.shape}")
    require_finite(name, series)
    return series
