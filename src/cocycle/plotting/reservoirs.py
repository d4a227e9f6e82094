"""Figures of reservoirs: synchronisation, memory capacity, and the result of `diagnose`."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cocycle.labels import TIMES
from cocycle.plotting.forecasts import valid_time_histogram
from cocycle.plotting.panels import figure_and_axes
from cocycle.plotting.paper import own_style, stacked
from cocycle.plotting.spectra import running_exponents, spectrum_points


def synchronisation_lines(ax: Axes, result: Any):
    """The distances of a `Synchronisation` against time, on a logarithmic axis: straight lines of slope λ₁."""
    distances = np.asarray(result.distances)
    shown = np.where(distances > 0, distances, np.nan)
    lines = ax.plot(np.arange(len(shown)) * result.dt, shown)
    ax.set(yscale="log", xlabel=TIMES[result.unit], ylabel="distance from the first copy")
    return lines


def forgetting_curve(ax: Axes, result: Any):
    """The linear memory of a `Capacity` for each delay: 1 is a perfect memory of that input."""
    memory = np.asarray(result.by_delay)
    (line,) = ax.plot(np.arange(len(memory)), memory, marker=".", label=f"sum {memory.sum():.2f}")
    ax.set(xlabel="delay (steps)", ylabel="capacity", ylim=(-0.02, 1.05))
    ax.legend(frameon=False)
    return line


def diagnosis_figure(result: Any) -> Figure:
    """A `Diagnosis` in four panels: conditional exponent, valid times, exponents of the closed loop (with those of the
    system if they were given), and the error of the climate."""
    with own_style():
        figure, panels = figure_and_axes(*((4, 1) if stacked() else (2, 2)), size=(8, 5.2))
        top, valid, closed, climate = panels.ravel()
        running_exponents(top, result.conditional)
        top.set(title="conditional exponent: negative where it synchronises")
        valid_time_histogram(valid, result.valid)
        valid.set(title="forecasts")
        if result.closed is None:
            closed.text(0.5, 0.5, "the closed loop diverges", ha="center", transform=closed.transAxes)
        else:
            spectrum_points(closed, result.closed)
        if result.true_exponents is not None:
            indices = np.arange(1, len(result.true_exponents) + 1)
            closed.plot(indices, result.true_exponents, "_", markersize=18, color="tab:red", label="the system's")
            closed.legend(frameon=False)
        closed.set(title="exponents of the closed loop")
        climate.bar(np.arange(1, len(result.climate) + 1), result.climate, color="tab:blue")
        climate.set(title="climate of a long run", xlabel="component", ylabel="distance of histograms", ylim=(0, 1))
        climate.set_xticks(np.arange(1, len(result.climate) + 1))
    return figure
