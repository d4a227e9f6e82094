"""Figures of one output of an archive over its axes, or against the coordinates of a table."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cocycle.arrays import refuse_masked
from cocycle.labels import words
from cocycle.plotting.facets import Result, coordinate, facets
from cocycle.plotting.panels import figure_and_axes
from cocycle.plotting.paper import own_style
from cocycle.sweeps.coordinates import position
from cocycle.sweeps.means import mean_over
from cocycle.sweeps.records import Status
from cocycle.sweeps.table import Table
from cocycle.sweeps.text import printable
from cocycle.sweeps.views import label

if TYPE_CHECKING:
    from cocycle.sweeps import Archive


def archive_figure(
    archive: "Archive",
    output: str | None = None,
    *,
    over: str | Sequence[str] | None = None,
    ax: Axes | None = None,
    **coordinates: Any,
) -> Figure:
    """One output of an archive, the first unless named, over its axes: see `result_figure`.  Of a table, against each
    of its coordinates.

    `coordinates` are fixed, by a value of their axis; `over` names the axes to be averaged, and all others are then
    drawn or give panels: archive.plot("lambda1", leak=0.5, over="realisation").  The title says what is averaged and
    what is fixed.  Axes within the output, such as starts, are averaged unless they are fixed, by an index.

    Raises KeyError for an unknown output, ValueError for axes and values that the archive does not have.
    """
    name, grid = output or next(iter(archive.outputs)), archive.grid
    labels = {key: label(archive, key) for key in (name, *grid.axes, *grid.columns)}
    if isinstance(grid, Table):
        if over is not None or coordinates:
            raise ValueError(f"{archive.name} is a table, which has no axes to fix or to average: leave them out")
        rows = [grid.values((i,)) for i in range(grid.used)]
        columns = {key: [row[key] for row in rows] for key in grid.columns}
        return table_figure(archive[name][: grid.used], columns, labels.pop(name), labels)
    return facets(_part(archive, name, over, coordinates, labels), ax)


def _part(archive: "Archive", name: str, over: Any, coordinates: Mapping[str, Any], labels: dict[str, str]) -> Result:
    """What is left of an output where some coordinates are fixed."""
    grid, values, label = archive.grid, archive[name], labels.pop(name)
    events = list(archive.contents.dims[name])
    places = {**grid.axes, **{event: np.arange(n) for event, n in zip(events, archive.outputs[name], strict=True)}}
    over = (over,) if isinstance(over, str) else over
    fixed = archive.coordinates_of(coordinates)
    unknown = [key for key in (*fixed, *(over or ())) if key not in places]
    if unknown:
        raise ValueError(f"axes must be of {', '.join(places)}; got {unknown[0]}")
    both = [key for key in fixed if key in (over or ())]
    if both:
        raise ValueError(f"an axis is fixed or averaged, not both; got {both[0]} twice")
    chosen = tuple(position(key, at, fixed[key]) if key in fixed else slice(None) for key, at in places.items())
    left_out = archive.status == Status.LEFT_OUT
    note = ", ".join(coordinate(key, places[key][at]) for key, at in zip(places, chosen, strict=True) if key in fixed)
    return Result(
        values[chosen],
        {key: _printable_words(at) for key, at in grid.axes.items() if key not in fixed},
        label,
        labels,
        over,
        [event for event in events if event not in fixed],
        left_out[chosen[: len(grid.axes)]] if left_out.any() else None,
        note,
    )


def _printable_words(values: np.ndarray) -> np.ndarray:
    return np.array([printable(word) for word in values]) if values.dtype.kind == "U" else values


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
    event are averaged over, which the title says, in a line plot with a band of one standard deviation; every other
    axis gives a panel for each of its values.
    Results of both signs have a colour scale centred at zero, symmetric or with both scales said, and a zero line.
    Of a plane of `scattered` points, from a refined grid, values that are NaN were not asked for: each is drawn with
    the colour of the nearest known point, so that cells of several sizes cover the plane.  `label` describes the
    values, `labels` the axes.  A result with one panel can be drawn on given axes `ax`.

    Raises ValueError for more than twelve panels, or more than one on given axes.
    """
    refuse_masked("values", values)
    values = np.asarray(values)
    missing = np.asarray(np.isnan(values).reshape(*values.shape[: len(axes)], -1).all(-1))
    return facets(Result(values, axes, label, dict(labels or {}), left_out=missing if scattered else None), ax)


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
    with own_style():
        count = len(columns)
        figure, panels = figure_and_axes(1, count, size=(1 + 3.2 * count, 3.2), sharey=True)
        for ax, (name, column) in zip(panels[0], columns.items(), strict=True):
            numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in column)
            places = {str(value): i for i, value in enumerate(dict.fromkeys(column))}
            x = np.array(column if numbers else [places[str(value)] for value in column], dtype=float)
            ax.plot(x, mean, "o", markersize=3)
            if not numbers:
                ax.set_xticks(np.arange(len(places)), list(places))
            elif len(x) and x.min() > 0 and x.max() > 100 * x.min():
                ax.set_xscale("log")
            ax.set(xlabel=(labels or {}).get(name, words(name)))
        panels[0, 0].set_ylabel(label)
        if values[:1].size > 1:
            figure.suptitle(f"mean of {values[0].size} values of each point")
    return figure
