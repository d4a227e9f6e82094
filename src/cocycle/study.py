"""The built-in study: where does a reservoir predict the Lorenz system, and what does its exponent say about it?

A reservoir r[t+1] = tanh(W r[t] + W_in u[t]) is driven by the Lorenz system, fully or by its second component alone,
over a plane of two scales: weight_std (variance of W: weight_std²/size) and input_std (variance of W_in: input_std²).
At every point the maximal conditional exponent and the valid times of closed-loop forecasts.  Storm, Gustavsson &
Mehlig, Mach. Learn.: Sci. Technol. 3, 045021 (2022).
"""

import os
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from cocycle.lyapunov import QRStep, collect, frame, qr_steps
from cocycle.reservoir import Forecaster, MomentSum, Reservoir, forecast, gaussian, ridge_readout, valid_time
from cocycle.sweeps import Archive, Grid
from cocycle.systems import Lorenz63
from cocycle.systems.facts import PUBLISHED

OBSERVED = {"full": [0, 1, 2], "second": [1]}
SETTINGS = {"dt": 0.02, "washout": 200, "ridge": 0.01, "warm_up": 300, "threshold": 0.3}
SIZES: dict[str, dict[str, Any]] = {
    "small": {
        "resolution": (11, 10),
        "realisations": 3,
        "starts": 8,
        "size": 400,
        "training": 6000,
        "horizon": 8.0,
    },
    "full": {
        "resolution": (41, 37),
        "realisations": 8,
        "starts": 16,
        "size": 500,
        "training": 6000,
        "horizon": 12.0,
    },
}
UNITS = {"exponent": "1/step", "exponent_error": "1/step", "valid_time": "Lyapunov times"}


def archive(path: str | os.PathLike, size: str = "small", seed: int = 1) -> Archive:
    """The study's archive at `path`, new or to be resumed; `size` is "small" (a minute) or "full" (hours).

    Outputs: exponent and exponent_error per step; drive_variance, input_std² ⟨|u|²⟩, the variance of the local field
    that comes from outside; valid_time (start,) in Lyapunov times.  Raises as `Archive.resume` does.
    """
    chosen = SIZES[size]
    rows, columns = chosen["resolution"]
    axes = {
        "observed": list(OBSERVED),
        "realisation": np.arange(chosen["realisations"]),
        "weight_std": np.linspace(0.01, 2.0, rows),
        "input_std": np.geomspace(1e-3, 1.0, columns),
    }
    fixed = SETTINGS | {name: chosen[name] for name in ("size", "training", "starts", "horizon")}
    outputs = {
        "exponent": (),
        "exponent_error": (),
        "drive_variance": (),
        "valid_time": {"start": chosen["starts"]},
    }
    grid = Grid(axes, block={"weight_std": 4, "input_std": 5})
    return Archive.resume(path, grid, outputs=outputs, seed=seed, fixed=fixed, units=UNITS)


def measure(point: dict[str, Any], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The outputs at a block of points that share one network and one series and differ in the two scales."""
    components, size, dt = OBSERVED[point["observed"]], point["size"], point["dt"]
    lyapunov_time = 1 / (PUBLISHED["Lorenz63"].exponents[0] * dt)
    horizon = round(point["horizon"] * lyapunov_time)
    window = point["warm_up"] + horizon
    samples = point["training"] + point["starts"] * window
    series = Lorenz63().series(samples, dt=dt, rng=rng)[:, components]
    reservoir = Reservoir(
        gaussian(size, rng),
        rng.normal(size=(size, len(components))),
        gain=point["weight_std"][:, None],
        input_gain=point["input_std"][:, None],
    )
    training, later = series[: point["training"]], series[point["training"] :]
    conditional, model = train_with_exponent(reservoir, training, point["washout"], point["ridge"], rng)
    windows = later.reshape(point["starts"], window, -1).swapaxes(0, 1)
    warm_up, truth = windows[: point["warm_up"]], windows[point["warm_up"] :]
    times = valid_time(
        forecast(model, warm_up, horizon),
        truth,
        lyapunov_time=lyapunov_time,
        threshold=point["threshold"],
        reference=training,
    )
    return {
        "exponent": conditional.exponents[:, 0],
        "exponent_error": conditional.standard_error[:, 0],
        "drive_variance": point["input_std"] ** 2 * (training**2).sum(axis=-1).mean(),
        "valid_time": times,
    }


def train_with_exponent(reservoir: Reservoir, series: np.ndarray, washout: int, ridge: float, rng):
    """`train` and the maximal conditional exponent in one pass over the series (time, m): (Spectrum, Forecaster)."""
    r = reservoir.rest()
    moments = MomentSum(r.shape[:-1], reservoir.dimension, reservoir.inputs)

    def remembered(loop: Iterable[QRStep], targets: np.ndarray) -> Iterator[QRStep]:
        for step, target in zip(loop, targets, strict=True):
            moments.add(step.x, target)
            yield step

    q = np.broadcast_to(frame(np.zeros(reservoir.dimension), 1, rng), (*r.shape, 1))  # one for all points
    loop = qr_steps(reservoir.driven(series[:-1]), r, q)
    for _ in range(washout):
        next(loop)
    conditional = collect(remembered(loop, series[washout + 1 :]))
    return conditional, Forecaster(reservoir, ridge_readout(moments.total(), ridge))


def planes(results: Archive) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For each observation the planes (weight_std, input_std) of the mean exponent and the median valid time.

    Over the realisations, and the starts, that are done; NaN where none is.
    """
    exponent, times = results["exponent"], results["valid_time"]
    observed = results.grid.axes["observed"]
    return {str(name): (_mean(exponent[i]), _median(times[i])) for i, name in enumerate(observed)}


def _mean(values):  # over realisations; numpy's own warns about planes that are not done yet
    done = np.isfinite(values)
    count = done.sum(axis=0)
    return np.where(count > 0, np.where(done, values, 0).sum(axis=0) / np.maximum(count, 1), np.nan)


def _median(times):  # over realisations and starts
    flat = np.moveaxis(times, 0, -2).reshape(*times.shape[1:3], -1)
    started = np.isfinite(flat).any(axis=-1)
    result = np.full(started.shape, np.nan)
    result[started] = np.nanmedian(flat[started], axis=-1)
    return result


def in_words(results: Archive) -> str:
    """What came out: a row for each observation, over the points of the plane (mean exponent over the networks, median
    valid time over networks and starts), and what the exponent says about single networks."""
    axes = results.grid.axes
    heads = ("observed", "points", "exponent < 0", "predict > 1 Lyapunov time", "longest prediction (Lyapunov times)")
    lines = ["   ".join(heads)]
    for name, (exponent, times) in planes(results).items():
        done, longest = np.isfinite(times), "-"
        if done.any():
            i, j = np.unravel_index(np.nanargmax(times), times.shape)
            where = f"weight_std {axes['weight_std'][i]:.3g}, input_std {axes['input_std'][j]:.3g}"
            longest = f"{times[i, j]:.2f} at {where}"
        cells = (name, done.sum(), (exponent < 0).sum(), (times > 1).sum(), longest)
        lines.append("   ".join(f"{cell!s:<{len(head)}}" for cell, head in zip(cells, heads, strict=True)))
    return "\n".join([*lines, "", _verdict(results)])


def _verdict(results: Archive) -> str:
    exponent, error = results["exponent"], results["exponent_error"]
    times = _median_over_starts(results["valid_time"])
    positive, negative = exponent > 2 * error, exponent < -2 * error
    return (
        f"Networks whose exponent is clearly positive (by two standard errors): {positive.sum()}, of which "
        f"{(times[positive] > 1).sum()} predict for more than one Lyapunov time.\n"
        f"Networks whose exponent is clearly negative: {negative.sum()}, of which {(times[negative] > 1).sum()} do: "
        "a negative exponent is necessary, not sufficient."
    )


def _median_over_starts(times):
    return np.median(times, axis=-1)
