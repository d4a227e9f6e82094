"""Figures of forecast intervals, and of what mattered in a search."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cocycle.arrays import as_numpy, refuse_masked
from cocycle.labels import words
from cocycle.plotting.panels import figure_and_axes, figure_of
from cocycle.plotting.paper import own_style
from cocycle.reservoir.space import Range


def interval_band(ax: Axes, result: Any, component: int = 0, *, truth: Any = None):
    """The band of `ForecastIntervals` for one component, its median, the quantiles of the attractor (dotted), and the
    time from which on the band is as wide (a line); with the truth (steps, m), if it is given."""
    time = np.arange(1, len(result.lower) + 1) * result.dt
    lower, median, upper = (a[:, component] for a in (result.lower, result.median, result.upper))
    label = f"{result.coverage:.0%} interval".replace("%", " %")
    band = ax.fill_between(time, lower, upper, color="tab:orange", alpha=0.35, linewidth=0, label=label)
    ax.plot(time, median, color="tab:orange", linewidth=1, label="median")
    if truth is not None:
        ax.plot(time, truth[:, component], color="black", linewidth=1, label="truth")
    for level in result.attractor[:, component]:
        ax.axhline(level, color="grey", linestyle=":", linewidth=1)
    if np.isfinite(result.horizon[component]):
        ax.axvline(result.horizon[component], color="tab:blue", linewidth=1, label="as wide as the attractor")
    ax.set(xlabel="steps" if result.dt == 1 else "time", ylabel=f"component {component + 1}", xlim=(0, time[-1]))
    return band


def interval_figure(
    result: Any, truth: Any = None, *, names: Sequence[str] | None = None, ax: Axes | None = None
) -> Figure:
    """`interval_band` of all components, one above the other; on axes `ax` only that of the first.

    Raises ValueError for a truth of another shape.
    """
    if truth is not None:
        refuse_masked("truth", truth)
        truth = np.asarray(as_numpy(truth))
        if truth.shape != result.lower.shape:
            raise ValueError(f"truth must have shape (steps, m)={result.lower.shape}; got {truth.shape}")
    if ax is not None:
        interval_band(ax, result, truth=truth)
        return figure_of(ax)
    m = result.lower.shape[1]
    with own_style():
        figure, axes = figure_and_axes(m, 1, size=(8, 1 + 1.4 * m), sharex=True)
        for i, panel in enumerate(axes[:, 0]):
            interval_band(panel, result, i, truth=truth)
            if names is not None:
                panel.set(ylabel=names[i])
            panel.label_outer()
        axes[0, 0].legend(ncols=4, loc="lower right", bbox_to_anchor=(1.0, 1.0))
    return figure


def search_figure(result: Any, *, ax: Axes | None = None) -> Figure:
    """The scores of a search against each parameter, the best one marked, and the marginal expected score.

    A title is the parameter's share of the variance of the expected score.  On axes `ax` only the first parameter.
    """
    marginals, names = result.marginals(), list(result.space)
    if ax is not None:
        _parameter(ax, result, names[0], marginals)
        return figure_of(ax)
    columns = min(len(names), 3)
    rows = -(-len(names) // columns)
    with own_style():
        figure, axes = figure_and_axes(rows, columns, size=(1 + 2.6 * columns, 0.4 + 2.6 * rows), sharey=True)
        for panel, name in zip(axes.flat, names, strict=False):
            _parameter(panel, result, name, marginals)
        for panel in axes.flat[len(names) :]:
            panel.set_visible(False)
        for panel in axes[:, 0]:
            panel.set(ylabel="score")
        axes[0, 0].legend(frameon=False)
    return figure


def _parameter(ax: Axes, result: Any, name: str, marginals: dict) -> None:
    values = result.space[name]
    own = [point[name] for point in result.points]
    of_range = isinstance(values, Range)
    place = np.array(own) if of_range else np.array([values.index(value) for value in own], dtype=float)
    ax.scatter(place, result.scores, s=14, color="tab:blue", label="one model")
    best = np.nanargmax(result.scores)
    ax.scatter(place[best], result.scores[best], s=60, marker="*", color="tab:red", label="best", zorder=3)
    if name in marginals:
        grid, means, share = marginals[name]
        shown = grid if of_range else np.arange(len(grid))
        ax.plot(shown, means, "-" if of_range else "o-", color="black", label="marginal mean")
        ax.set(title=f"{share:.0%} of the variance".replace("%", " %"))
    ax.set(xlabel=words(name))
    if of_range and values.log:
        ax.set(xscale="log")
    if not of_range:
        ax.set_xticks(np.arange(len(values)), [f"{v:.3g}" if isinstance(v, float) else str(v) for v in values])
        ax.set(xlim=(-0.5, len(values) - 0.5))
