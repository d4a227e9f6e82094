"""One result of a sweep over its axes, whatever they are: a line, or planes side by side."""

from collections.abc import Mapping, Sequence
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.tri import Triangulation

from cocycle.arrays import refuse_masked
from cocycle.plotting.sweeps import STYLE, bounded, extended, is_geometric, plane, signed_ticks, zero_line

PANELS = 12


def result_figure(
    values: np.ndarray,
    axes: Mapping[str, np.ndarray],
    label: str,
    labels: Mapping[str, str] | None = None,
    *,
    scattered: bool = False,
) -> Figure:
    """A figure of values (*axes, *event), NaN where nothing is known; infinite ones are shown as such: triangles at the
    edge of a line's panel, the last colour of a plane, with a pointed colour bar.

    The first two axes of floating-point numbers are the y and the x of a plane, one alone is the x of a line; without
    any, those of integers serve, or a single one of strings, bools or None.  Other axes of integers, replicas, and the
    event are averaged over, a line with a band of one standard deviation; every other axis gives a panel for each of
    its values.
    Results of both signs are coloured about zero, with their zero line.  A plane of `scattered` points, a refined one,
    is drawn on triangles between those that are known.  `label` is of the values, `labels` are of axes.

    Raises ValueError for more than twelve panels.
    """
    refuse_masked("values", values)
    names, labels = list(axes), {**{name: name for name in axes}, **(labels or {})}
    shown = _shown(axes)
    if not shown:
        raise ValueError(f"no axis has two values or more: {label} is {np.nanmean(values):.6g}")
    split = [n for n in names if n not in shown and axes[n].dtype.kind not in "iu" and len(axes[n]) > 1]
    keys = list(product(*(range(len(axes[name])) for name in split)))
    if len(keys) > PANELS:
        raise ValueError(f"{', '.join(split)} would make {len(keys)} panels; draw a part, at most {PANELS}")
    order = [names.index(name) for name in (*split, *shown)]
    rest = [i for i in range(values.ndim) if i not in order]
    ordered = values.transpose(*order, *rest)
    ordered = ordered.reshape(*ordered.shape[: len(order)], -1)
    titles = [", ".join(f"{name} = {axes[name][i]}" for name, i in zip(split, key, strict=True)) for key in keys]
    with plt.style.context(STYLE):
        columns = min(len(keys), 3)
        rows = -(-len(keys) // columns)
        figure, panels = plt.subplots(
            rows,
            columns,
            figsize=(1 + 3.6 * columns, 3.2 * rows),
            squeeze=False,
            sharex=True,
            sharey=True,
            layout="constrained",
        )
        used = panels.ravel()[: len(keys)]
        for ax in panels.ravel()[len(keys) :]:
            ax.remove()
        if len(shown) == 1:
            for ax, key in zip(used, keys, strict=True):
                _line(ax, axes[shown[0]], ordered[key], scattered)
                ax.set(ylabel=label)
        else:
            draw = _triangles if scattered else _rectangles
            _planes(figure, used, [_mean(ordered[key]) for key in keys], axes[shown[1]], axes[shown[0]], label, draw)
            for ax in panels[:, 0]:
                ax.set_ylabel(labels[shown[0]])
        for ax, title in zip(used, titles, strict=True):
            ax.set(title=title, xlabel=labels[shown[-1]])
    return figure


def table_figure(
    values: np.ndarray, columns: Mapping[str, Sequence], label: str, labels: Mapping[str, str] | None = None
) -> Figure:
    """A figure of values (row, *event) of single points, NaN where nothing is known, against each of their coordinates.

    `columns` are the coordinates (row,): numbers, or choices, which are drawn side by side in the order of their first
    rows.  The event is averaged over.  `label` is of the values, `labels` are of the columns.
    """
    refuse_masked("values", values)
    mean = _mean(values.reshape(len(values), -1))
    with plt.style.context(STYLE):
        count = len(columns)
        figure, panels = plt.subplots(
            1, count, figsize=(1 + 3.2 * count, 3.2), squeeze=False, sharey=True, layout="constrained"
        )
        for ax, (name, column) in zip(panels[0], columns.items(), strict=True):
            numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in column)
            places = {str(value): i for i, value in enumerate(dict.fromkeys(column))}
            x = np.array(column if numbers else [places[str(value)] for value in column], dtype=float)
            ax.plot(x, mean, "o", markersize=3)
            if not numbers:
                ax.set_xticks(np.arange(len(places)), list(places))
            elif len(x) and x.min() > 0 and x.max() > 100 * x.min():
                ax.set_xscale("log")
            ax.set(xlabel=(labels or {}).get(name, name))
        panels[0, 0].set_ylabel(label)
    return figure


def _shown(axes: Mapping[str, np.ndarray]) -> list[str]:
    """The axes that are drawn along, x last."""
    for kind, count in (("f", 2), ("iu", 2), ("UOb", 1)):
        names = [name for name, values in axes.items() if values.dtype.kind in kind and len(values) > 1]
        if names:
            return names[:count]
    return []


def _line(ax: Axes, x: np.ndarray, values: np.ndarray, scattered: bool) -> None:
    """The mean over the last axis, with a band of one standard deviation if there is any."""
    mean, words = _mean(values), x.dtype.kind in "UOb"
    if words:  # in their order, whatever is drawn first
        ax.set_xticks(np.arange(len(x)), [str(value) for value in x.tolist()])
        x = np.arange(len(x))
    with np.errstate(invalid="ignore"):
        spread = np.sqrt(_mean((values - mean[:, None]) ** 2))
    for sign, place, marker in ((-np.inf, 0.0, "v"), (np.inf, 1.0, "^")):
        if (mean == sign).any():
            at = x[mean == sign]
            ax.plot(at, np.full(len(at), place), marker, transform=ax.get_xaxis_transform(), clip_on=False, color="C3")
    if scattered:
        x, mean, spread = (a[np.isfinite(mean)] for a in (x, mean, spread))
    if words:
        ax.errorbar(x, mean, spread, marker="o", linestyle="", capsize=3)
        return
    (line,) = ax.plot(x, mean, marker="." if scattered or len(x) < 30 else "")
    if (spread > 0).any():
        ax.fill_between(x, mean - spread, mean + spread, color=line.get_color(), alpha=0.25, linewidth=0)
    if np.nanmin(mean, initial=0) < 0 < np.nanmax(mean, initial=0):
        ax.axhline(0, color="black", linewidth=0.8)
    if is_geometric(x):
        ax.set_xscale("log")


def _planes(figure: Figure, panels, planes: list[np.ndarray], x: np.ndarray, y: np.ndarray, label: str, draw) -> None:
    low = min(np.min(values[np.isfinite(values)], initial=np.inf) for values in planes)
    high = max(np.max(values[np.isfinite(values)], initial=-np.inf) for values in planes)
    beyond = extended(np.concatenate([values.ravel() for values in planes]))
    if low < 0 < high:
        norm, colours, label = TwoSlopeNorm(0.0, low, high), "RdBu_r", f"{label}\nscales above and below zero differ"
    else:
        norm, colours = Normalize(*((low, high) if low <= high else (0, 1))), "viridis"
    for ax, values in zip(panels, planes, strict=True):
        draw(ax, x, y, values, norm, colours)
    ticks = signed_ticks(norm) if low < 0 < high else None
    figure.colorbar(ScalarMappable(norm, colours), ax=list(panels), label=label, ticks=ticks, extend=beyond)


def _rectangles(ax: Axes, x: np.ndarray, y: np.ndarray, values: np.ndarray, norm: Normalize, colours: str) -> None:
    plane(ax, x, y, bounded(values), norm=norm, cmap=colours)
    zero_line(ax, x, y, values, color="black")


def _triangles(ax: Axes, x: np.ndarray, y: np.ndarray, values: np.ndarray, norm: Normalize, colours: str) -> None:
    """Between the points that are known, made on the scales of the axes."""
    rows, columns = np.nonzero(~np.isnan(values))
    known = bounded(values)[rows, columns]
    u, v = ((np.log(a) if is_geometric(a) else a) for a in (x, y))
    try:
        corners = Triangulation(u[columns] / np.ptp(u), v[rows] / np.ptp(v)).triangles
    except (ValueError, RuntimeError):  # fewer than three points, or all on a line
        ax.scatter(x[columns], y[rows], c=known, norm=norm, cmap=colours)
    else:
        triangles = Triangulation(x[columns], y[rows], corners)
        ax.tripcolor(triangles, known, norm=norm, cmap=colours)
        if known.min() < 0 < known.max():
            ax.tricontour(triangles, known, levels=[0.0], colors="black", linewidths=1.5)
    for axis, a in ((ax.set_xscale, x), (ax.set_yscale, y)):
        if is_geometric(a):
            axis("log")


def _mean(values: np.ndarray) -> np.ndarray:
    """Over the last axis; NaN where nothing is known."""
    known = ~np.isnan(values)
    count = known.sum(axis=-1)
    with np.errstate(invalid="ignore"):  # results of both infinities have no mean
        return np.where(count > 0, np.where(known, values, 0).sum(axis=-1) / np.maximum(count, 1), np.nan)
