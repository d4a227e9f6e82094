"""Panels of the points of a table: one output as the colour over two parameters, or its values against another number.

All panels draw from one source, so that points that are selected in one are selected in all of them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from bokeh.models import (
    BasicTicker,
    BoxSelectTool,
    ColorBar,
    ColumnDataSource,
    DataRange1d,
    Div,
    FixedTicker,
    HoverTool,
    TapTool,
)
from bokeh.plotting import figure

from cocycle.explorer.colours import STATES, Colours
from cocycle.explorer.panels import FIRST, Columns, Panel, heading_html, size
from cocycle.explorer.points import Points, PointsAxis, lost
from cocycle.sweeps.records import Status

FAILED = STATES[Status.FAILED]
SIZES = {300: 10, 3000: 7, 30_000: 4}  # of a point in pixels, for at most so many points
SMALLEST = 2
TOOLS = "pan,wheel_zoom,box_zoom,reset,save"


def columns(points: Points, x: str, y: str) -> Columns:
    """What the panels draw: of each parameter its values and places, those over which outputs are drawn as "x" and "y"
    too; of each output its values; and states."""
    found: Columns = {points.column(name): axis.values for name, axis in points.axes.items()}
    found |= {points.place(name): axis.places for name, axis in points.axes.items()}
    found |= {letter: points.axes[name].places for letter, name in (("x", x), ("y", y or x))}
    found |= {points.column(name): values for name, values in points.outputs.items()}
    failed, waiting = lost(points), points.status == Status.TO_DO
    marker = np.where(failed, "x", np.where(waiting, "dot", "circle")).tolist()
    return {**found, "marker": marker, "status": [Status(state).words for state in points.status]}


def coloured_panel(
    points: Points, source: ColumnDataSource, axes: tuple[str, str], output: str, scale: Colours
) -> Panel:
    """One output as the colour of points over two parameters; failed ones are dark crosses."""
    mapper = scale.mapper(FAILED)
    x, y = (points.axes[name] for name in axes)
    colour = {"field": points.column(output), "transform": mapper}
    drawn, marks = _scatter(points, source, ("x", "y"), colour)
    show_axis(drawn.xaxis, x)
    show_axis(drawn.yaxis, y)
    drawn.add_layout(ColorBar(color_mapper=mapper, padding=0, height=12), "above")
    _hover(drawn, marks, points, [output])
    return Panel(drawn, Div(text=heading(points, output, scale.words), sizing_mode="stretch_width"), {}, mapper)


def against_parameter(points: Points, source: ColumnDataSource, name: str, output: str) -> Panel:
    """The values of an output against a parameter."""
    drawn, marks = _scatter(points, source, ("x", points.column(output)), FIRST)
    show_axis(drawn.xaxis, points.axes[name])
    drawn.yaxis.axis_label = points.labels[output]
    _hover(drawn, marks, points, [output])
    return Panel(drawn, Div(text=heading(points, output), sizing_mode="stretch_width"), {})


def against_output(points: Points, source: ColumnDataSource, a: str, b: str) -> Panel:
    """The values of output b against those of a."""
    drawn, marks = _scatter(points, source, (points.column(a), points.column(b)), FIRST)
    drawn.xaxis.axis_label, drawn.yaxis.axis_label = points.labels[a], points.labels[b]
    drawn.toolbar.active_drag = drawn.select_one(BoxSelectTool)
    _hover(drawn, marks, points, [a, b])
    said = "one point each; drag a box to select points in all panels"
    text = heading_html(f"{points.labels[b]} against {points.labels[a]}", said)
    return Panel(drawn, Div(text=text, sizing_mode="stretch_width"), {})


def heading(points: Points, output: str, *more: str) -> str:
    """What a panel shows, as HTML: the output, what is averaged, where its extremes are, and more."""
    values = points.outputs[output]
    known = np.flatnonzero(np.isfinite(values))
    said = [points.words[output], f"{len(known)} of {len(values)} points with a value"]
    if len(known):
        low, high = known[np.argmin(values[known])], known[np.argmax(values[known])]
        said.append(f"least {values[low]:.4g} in row {low}, largest {values[high]:.4g} in row {high}")
    return heading_html(points.labels[output], *said, *filter(None, more))


def show_axis(drawn: Any, axis: PointsAxis) -> None:
    """Label an axis with its name and ticks."""
    drawn.axis_label = axis.label
    drawn.ticker = BasicTicker() if axis.ticks is None else FixedTicker(ticks=list(axis.ticks))
    drawn.major_label_overrides = axis.ticks or {}


def share_ranges(panels: Sequence[Panel]) -> None:
    """Panels over the same two parameters zoom together."""
    for panel in panels[1:]:
        panel.figure.x_range, panel.figure.y_range = panels[0].figure.x_range, panels[0].figure.y_range


def _scatter(points: Points, source: ColumnDataSource, fields: tuple[str, str], colour: Any) -> tuple[Any, Any]:
    drawn: Any = figure(x_range=DataRange1d(), y_range=DataRange1d(), tools=TOOLS, active_scroll=None, **size())
    drawn.add_tools(BoxSelectTool(), tap := TapTool())
    drawn.toolbar.active_tap = tap
    radius = next((size for most, size in SIZES.items() if len(points.status) <= most), SMALLEST)
    x, y = fields
    outline = {"line_color": FAILED, "line_alpha": 0.7, "line_width": 0.8 if len(points.status) <= max(SIZES) else 0.3}
    outline |= {"nonselection_fill_alpha": 0.15, "nonselection_line_alpha": 0.3}
    marks = drawn.scatter(x, y, source=source, marker="marker", size=radius, fill_color=colour, **outline)
    return drawn, marks


def _hover(drawn: Any, marks: Any, points: Points, outputs: Sequence[str]) -> None:
    words = [name for name, axis in points.axes.items() if any(isinstance(value, str) for value in axis.values[:1])]
    labels = {name: axis.label for name, axis in points.axes.items()} | {name: points.labels[name] for name in outputs}
    shown = [(label, f"@{points.column(name)}" + "{%.6g}" * (name not in words)) for name, label in labels.items()]
    formats: Any = {f"@{points.column(name)}": "printf" for name in labels if name not in words}
    tips: Any = [("row", "$index"), *shown, ("status", "@status")]
    drawn.add_tools(HoverTool(renderers=[marks], tooltips=tips, formatters=formats))
