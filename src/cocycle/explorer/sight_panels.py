"""What a study shows of a point, drawn: lines, and planes with curves on them."""

from html import escape
from typing import Any

import numpy as np
from bokeh.models import ColorBar, Div, LinearColorMapper
from bokeh.palettes import Category10_10, Viridis256
from bokeh.plotting import figure

from cocycle.explorer.panels import HEIGHT, Panel
from cocycle.sweeps.sights import Lines, Sight, Surface

CURVES = ("white", "black", "red")


def sight_panel(sight: Sight) -> Panel:
    """The panel of what a study shows."""
    drawn: Any = figure(
        x_axis_label=sight.x_label,
        y_axis_label=sight.y_label,
        tools="pan,wheel_zoom,box_zoom,reset,save",
        active_scroll=None,
        toolbar_location="below",
        height=HEIGHT,
        sizing_mode="stretch_width",
    )
    if isinstance(sight, Lines):
        _lines(drawn, sight)
    else:
        _surface(drawn, sight)
    return Panel(drawn, Div(text=f"<b>{escape(sight.title)}</b>", sizing_mode="stretch_width"), {})


def _lines(drawn: Any, sight: Lines) -> None:
    for colour, (name, values) in zip(Category10_10, sight.lines.items(), strict=False):
        drawn.line(np.asarray(sight.x), np.asarray(values), color=colour, legend_label=name, line_width=1.5)
    drawn.legend[0].update(click_policy="hide", spacing=0, padding=2, border_line_color=None)
    drawn.add_layout(drawn.legend[0], "above")  # it hides no curve there


def _surface(drawn: Any, sight: Surface) -> None:
    (x0, x1), (y0, y1) = (_ends(axis) for axis in (sight.x, sight.y))
    finite = sight.values[np.isfinite(sight.values)]
    mapper = LinearColorMapper(palette=Viridis256, low=float(finite.min()), high=float(finite.max()))
    drawn.image([sight.values.astype("f4")], x0, y0, x1 - x0, y1 - y0, color_mapper=mapper)
    for colour, (name, curves) in zip(CURVES, sight.curves.items(), strict=False):
        pairs = [np.asarray(curve) for curve in curves]
        if pairs:
            xs, ys = ([curve[:, i] for curve in pairs] for i in (0, 1))
            drawn.multi_line(xs, ys, color=colour, line_width=1.5, legend_label=name)
    for name, points in sight.marks.items():
        drawn.scatter(points[:, 0], points[:, 1], color="black", size=3, legend_label=name)
    drawn.x_range.update(start=x0, end=x1)
    drawn.y_range.update(start=y0, end=y1)
    drawn.add_layout(ColorBar(color_mapper=mapper, title=sight.label, padding=0, height=12), "above")


def _ends(values: np.ndarray) -> tuple[float, float]:
    """The ends of an image with cells around evenly spaced values."""
    half = float(values[-1] - values[0]) / (2 * (len(values) - 1))
    return float(values[0]) - half, float(values[-1]) + half
