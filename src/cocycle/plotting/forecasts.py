"""Figures of forecasts with the true series, and of valid times."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cocycle.arrays import refuse_masked
from cocycle.plotting.panels import figure_and_axes
from cocycle.plotting.paper import own_style
from cocycle.reservoir.tables import labelled, names_of


def forecast_lines(
    ax: Axes, prediction: np.ndarray, truth: np.ndarray, *, lyapunov_time: float, valid_time: float | None = None
):
    """One component of prediction and truth (time,) against time in Lyapunov times; `lyapunov_time` is in steps.

    `valid_time`, in Lyapunov times, is marked by a line if given.  Raises ValueError for shapes that do not fit.
    """
    prediction, truth = _checked(prediction, truth, 1)
    time = np.arange(1, len(truth) + 1) / lyapunov_time
    lines = ax.plot(time, truth, color="black", label="truth")
    lines += ax.plot(time, prediction, color="tab:orange", linestyle="--", label="forecast")
    if valid_time is not None:
        lines.append(ax.axvline(valid_time, color="tab:blue", linewidth=1, label="valid time"))
    ax.set_xlabel("time (Lyapunov times)")
    return lines


def forecast_figure(
    prediction: Any,
    truth: Any,
    *,
    lyapunov_time: float,
    valid_time: float | None = None,
    names: Sequence[str] | None = None,
) -> Figure:
    """`forecast_lines` of all components of prediction and truth (time, m), one above the other.

    The names of tables (pandas, xarray, polars by `timed`) are those of the axes, unless others are given.
    Raises ValueError for shapes that do not fit.
    """
    names = names or names_of(prediction) or names_of(truth)
    prediction, truth = (labelled(name, x).values for name, x in (("prediction", prediction), ("truth", truth)))
    prediction, truth = _checked(prediction, truth, 2)
    names = names or [f"component {i + 1}" for i in range(truth.shape[1])]
    with own_style():
        figure, axes = figure_and_axes(len(names), 1, size=(8, 1 + 1.4 * len(names)), sharex=True)
        for ax, name, true, predicted in zip(axes[:, 0], names, truth.T, prediction.T, strict=True):
            forecast_lines(ax, predicted, true, lyapunov_time=lyapunov_time, valid_time=valid_time)
            ax.set(ylabel=name)
            ax.label_outer()
        axes[0, 0].legend(ncols=3, loc="lower right", bbox_to_anchor=(1.0, 1.0))
    return figure


def _checked(prediction: np.ndarray, truth: np.ndarray, axes: int) -> tuple[np.ndarray, np.ndarray]:
    refuse_masked("prediction", prediction)
    refuse_masked("truth", truth)
    prediction, truth = np.asarray(prediction), np.asarray(truth)
    if prediction.shape != truth.shape or truth.ndim != axes:
        shape = "(time,)" if axes == 1 else "(time, m)"
        raise ValueError(f"prediction and truth must both have shape {shape}; got {prediction.shape}, {truth.shape}")
    return prediction, truth


def valid_time_histogram(ax: Axes, result: Any, *, bins: int = 20):
    """The distribution of `ValidTimes` over starts (and networks) up to the horizon, with its median.

    Forecasts that are still valid at the horizon are in the last bin.
    """
    times = np.minimum(np.asarray(result.times).ravel(), result.horizon)
    _, _, bars = ax.hist(times, bins=bins, range=(0, result.horizon), color="tab:blue")
    median = np.median(times)
    ax.axvline(median, color="black", linewidth=1, label=f"median {median:.2f}")
    ax.set(xlabel="valid time (Lyapunov times)", ylabel="forecasts", xlim=(0, result.horizon))
    ax.legend(frameon=False)
    return bars
