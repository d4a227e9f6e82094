"""Figures of one output of an archive over its axes: lines or planes, one panel for each value of further axes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure, FigureBase
from matplotlib.tri import Triangulation

from cocycle.arrays import refuse_masked
from cocycle.plotting.panels import STYLE, figure_of
from cocycle.plotting.planes import bounded, extended, is_geometric, plane, scale_axes, signed_ticks, zero_line
from cocycle.sweeps.means import mean_over
from cocycle.sweeps.records import Status
from cocycle.sweeps.table import Table
from cocycle.sweeps.text import printable
from cocycle.sweeps.views import label

if TYPE_CHECKING:
    from cocycle.sweeps import Archive

PANELS = 12  # in one figure, at most


def archive_figure(archive: "Archive", output: str | None = None, *, ax: Axes | None = None) -> Figure:
    """One output of an archive, the first unless named, over its axes: see `result_figure`.

    Of a table, against each of its coordinates.
    """
    name, grid = output or next(iter(archive.outputs)), archive.grid
    labels = {key: label(archive, key) for key in (name, *grid.axes, *grid.columns)}
    if isinstance(grid, Table):
        rows = [grid.values((i,)) for i in range(grid.used)]
        columns = {key: [row[key] for row in rows] for key in grid.columns}
        return table_figure(archive[name][: grid.used], columns, labels.pop(name), labels)
    scattered = bool((archive.status == Status.LEFT_OUT).any())
    axes = {key: _printable_words(values) for key, values in grid.axes.items()}
    return result_figure(archive[name], axes, labels.pop(name), labels, scattered=scattered, ax=ax)


def _printable_words(values: np.ndarray) -> np.ndarray:
    return np.array([printable(word) for word in values]) if values.dtype.kind == "U" else values


@dataclass(frozen=True)
class _Layout:
    """The axes of a result that are drawn (`shown`, x last) and those that give panels (`split`); others are
    averaged."""

    axes: Mapping[str, np.ndarray]
    shown: list[str]
    split: list[str]

    @classmethod
    def of(cls, axes: Mapping[str, np.ndarray]) -> "_Layout":
        shown = _shown(axes)
        split = [n for n, v in axes.items() if n not in shown and v.dtype.kind not in "iu" and len(v) > 1]
        return cls(axes, shown, split)

    @property
    def keys(self) -> list[tuple[int, ...]]:
        """The indices of each panel on the axes that give panels."""
        return list(product(*(range(len(self.axes[name])) for name in self.split)))

    def title(self, key: tuple[int, ...]) -> str:
        return ", ".join(f"{name} = {self.axes[name][i]}" for name, i in zip(self.split, key, strict=True))

    def ordered(self, values: np.ndarray) -> np.ndarray:
        """values (*split, *shown, the elements to average over)."""
        order = [list(self.axes).index(name) for name in (*self.split, *self.shown)]
        rest = [i for i in range(values.ndim) if i not in order]
        values = values.transpose(*order, *rest)
        return values.reshape(*values.shape[: len(order)], -1)


def result_figure(
    values: np.ndarray,
    axes: Mapping[str, np.ndarray],
    label: str,
    labels: Mapping[str, str] | None = None,
    *,
    scattered: bool = False,
    ax: Axes | None = None,
) -> Figure:
    """A figure of values (*axes, *event), NaN where a value is missing; infinite values are triangles at the edge of a
    line plot, and the end of the scale in a plane, where the colour bar has pointed ends.

    The first two axes of floating-point numbers are the y and the x of a plane, a single one is the x of a line;
    without any, axes of integers are used, or one of strings, bools or None.  Other axes of integers (replicas) and the
    event are averaged over, in a line plot with a band of one standard deviation; every other axis gives a panel for
    each of its values.
    Results of both signs have a colour scale centred at zero, and a zero line.  A plane of `scattered` points, from a
    refined grid, is drawn as triangles between its known points.  `label` describes the values, `labels` the axes.  A
    result with one panel can be drawn on given axes `ax`.

    Raises ValueError for more than twelve panels, or more than one on given axes.
    """
    refuse_masked("values", values)
    layout, labels = _Layout.of(axes), {**{name: name for name in axes}, **(labels or {})}
    if not layout.shown:
        raise ValueError(f"axes must have one of at least two values; got none: {label} is {np.nanmean(values):.6g}")
    count = len(layout.keys)
    if count > (PANELS if ax is None else 1):
        limit, remedy = (PANELS, "draw a part") if ax is None else (1, "leave `ax` out, or draw a part")
        raise ValueError(f"{', '.join(layout.split)} must give at most {limit} panels; got {count}: {remedy}")
    if ax is not None:
        _draw(ax.figure, np.array([[ax]]), layout, layout.ordered(values), label, labels, scattered)
        return figure_of(ax)
    with plt.style.context(STYLE):
        figure, panels = _panels(count)
        _draw(figure, panels, layout, layout.ordered(values), label, labels, scattered)
    return figure


def _panels(count: int) -> tuple[Figure, np.ndarray]:
    """A figure with at least `count` panels in rows of three."""
    columns = min(count, 3)
    rows = -(-count // columns)
    return plt.subplots(
        rows,
        columns,
        figsize=(1 + 3.6 * columns, 3.2 * rows),
        squeeze=False,
        sharex=True,
        sharey=True,
        layout="constrained",
    )


def _draw(figure: FigureBase, panels, layout: _Layout, values: np.ndarray, label: str, labels, scattered: bool) -> None:
    used, keys, shown = panels.ravel()[: len(layout.keys)], layout.keys, layout.shown
    for ax in panels.ravel()[len(keys) :]:
        ax.remove()
    if len(shown) == 1:
        for ax, key in zip(used, keys, strict=True):
            _line(ax, layout.axes[shown[0]], values[key], scattered)
            ax.set(ylabel=label)
    else:
        draw, (y, x) = _triangles if scattered else _rectangles, (layout.axes[name] for name in shown)
        _planes(figure, used, [mean_over(values[key], (-1,)) for key in keys], x, y, label, draw)
        for ax in panels[:, 0]:
            ax.set_ylabel(labels[shown[0]])
    for ax, key in zip(used, keys, strict=True):
        ax.set(title=layout.title(key), xlabel=labels[shown[-1]])


def table_figure(
    values: np.ndarray, columns: Mapping[str, Sequence], label: str, labels: Mapping[str, str] | None = None
) -> Figure:
    """A figure of values (row, *event) of single points, NaN where a value is missing, against each of their
    coordinates.

    `columns` are the coordinates (row,): numbers or categories, which are drawn in the order of their first rows.  The
    event is averaged over.  `label` describes the values, `labels` the columns.
    """
    refuse_masked("values", values)
    mean = mean_over(values.reshape(len(values), -1), (-1,))
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
    """The axes that are drawn, x last."""
    for kind, count in (("f", 2), ("iu", 2), ("UOb", 1)):
        names = [name for name, values in axes.items() if values.dtype.kind in kind and len(values) > 1]
        if names:
            return names[:count]
    return []


def _line(ax: Axes, x: np.ndarray, values: np.ndarray, scattered: bool) -> None:
    """The mean over the last axis, with a band of one standard deviation if that is not zero."""
    mean, words = mean_over(values, (-1,)), x.dtype.kind in "UOb"
    if words:  # in the order of the axis
        ax.set_xticks(np.arange(len(x)), [str(value) for value in x.tolist()])
        x = np.arange(len(x))
    with np.errstate(invalid="ignore"):
        deviation = np.sqrt(mean_over((values - mean[:, None]) ** 2, (-1,)))
    for sign, place, marker in ((-np.inf, 0.0, "v"), (np.inf, 1.0, "^")):
        if (mean == sign).any():
            at = x[mean == sign]
            ax.plot(at, np.full(len(at), place), marker, transform=ax.get_xaxis_transform(), clip_on=False, color="C3")
    if scattered:
        x, mean, deviation = (a[np.isfinite(mean)] for a in (x, mean, deviation))
    if words:
        ax.errorbar(x, mean, deviation, marker="o", linestyle="", capsize=3)
        return
    (line,) = ax.plot(x, mean, marker="." if scattered or len(x) < 30 else "")
    if (deviation > 0).any():
        ax.fill_between(x, mean - deviation, mean + deviation, color=line.get_color(), alpha=0.25, linewidth=0)
    if np.nanmin(mean, initial=0) < 0 < np.nanmax(mean, initial=0):
        ax.axhline(0, color="black", linewidth=0.8)
    scale_axes(ax, x)


def _planes(
    figure: FigureBase, panels, planes: list[np.ndarray], x: np.ndarray, y: np.ndarray, label: str, draw
) -> None:
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
    """Triangles between the known points, constructed on the scales of the axes."""
    rows, columns = np.nonzero(~np.isnan(values))
    known = bounded(values)[rows, columns]
    u, v = ((np.log(a) if is_geometric(a) else a) for a in (x, y))
    try:
        corners = Triangulation(u[columns] / np.ptp(u), v[rows] / np.ptp(v)).triangles
    except (ValueError, RuntimeError):  # fewer than three points, or all on one line
        ax.scatter(x[columns], y[rows], c=known, norm=norm, cmap=colours)
    else:
        triangles = Triangulation(x[columns], y[rows], corners)
        ax.tripcolor(triangles, known, norm=norm, cmap=colours)
        if known.min() < 0 < known.max():
            ax.tricontour(triangles, known, levels=[0.0], colors="black", linewidths=1.5)
    scale_axes(ax, x, y)
