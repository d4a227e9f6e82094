"""How two outputs depend on each other: the number of cells with values in each rectangle of a plane of values."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from bokeh.models import ColumnDataSource, Div, HoverTool, LogColorMapper, Range1d
from bokeh.palettes import Greys256
from bokeh.plotting import figure

from cocycle.explorer.colours import CLEAR
from cocycle.explorer.panels import Columns, Panel, heading_html, size
from cocycle.explorer.planes import Plane

BINS = 60  # along each axis


@final
@dataclass(frozen=True, eq=False)
class Relation:
    """Values a and b of cells, between `low` and `high` (2,): a histogram with BINS² rectangles."""

    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, pairs: list[tuple[Plane, Plane]]) -> "Relation":
        """The rectangle that holds the values of all pairs of planes."""
        ends = []
        for which in (0, 1):
            values = np.concatenate([pair[which].values.ravel() for pair in pairs])
            values = values[np.isfinite(values)]
            low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
            margin = (high - low) / 50 or 0.5
            ends.append((low - margin, high + margin))
        low, high = np.array(ends, dtype=float).T
        return cls(low, high)

    def columns(self, a: Plane, b: Plane, chosen: np.ndarray | None = None) -> Columns:
        """The numbers of cells (BINS of b, BINS of a), or of those that are chosen by a mask."""
        known = np.isfinite(a.values) & np.isfinite(b.values) & (True if chosen is None else chosen)
        size = self.high - self.low
        i, j = (
            np.floor((plane.values[known] - low) * (BINS / length)).astype(int)
            for plane, low, length in zip((a, b), self.low, size, strict=True)
        )
        inside = (i >= 0) & (i < BINS) & (j >= 0) & (j < BINS)
        counts = np.bincount(j[inside] * BINS + i[inside], minlength=BINS**2).reshape(BINS, BINS)
        box = {"x": [self.low[0]], "y": [self.low[1]], "dw": [size[0]], "dh": [size[1]]}
        return {"image": [np.where(counts > 0, counts, np.nan).astype("f4")], **box}

    def move(self, panel: Panel, a: Plane, b: Plane) -> None:
        """Show this rectangle, of these planes, in a panel that showed another."""
        panel.heading.text = relation_heading(a, b)
        panel.figure.xaxis.axis_label, panel.figure.yaxis.axis_label = a.label, b.label
        for span, low, high in zip((panel.figure.x_range, panel.figure.y_range), self.low, self.high, strict=True):
            span.update(start=low, end=high)

    def panel(self, a: Plane, b: Plane) -> Panel:
        """The panel of two planes over the same axes."""
        sources = {"values": ColumnDataSource(self.columns(a, b))}
        most = float(np.nanmax(sources["values"].data["image"][0], initial=1.0))
        drawn: Any = figure(
            x_range=Range1d(self.low[0], self.high[0]),
            y_range=Range1d(self.low[1], self.high[1]),
            x_axis_label=a.label,
            y_axis_label=b.label,
            tools="pan,wheel_zoom,box_select,reset,save",
            active_drag="box_select",
            active_scroll=None,
            **size(),
        )
        mapper = LogColorMapper(palette=Greys256[200::-1], low=0.5, high=2 * most, nan_color=CLEAR)
        image = drawn.image("image", "x", "y", "dw", "dh", source=sources["values"], color_mapper=mapper)
        drawn.add_tools(HoverTool(renderers=[image], tooltips=[("cells", "@image{0}")]))
        return Panel(drawn, Div(text=relation_heading(a, b), sizing_mode="stretch_width"), sources)


def relation_heading(a: Plane, b: Plane) -> str:
    """What the panel shows, as HTML."""
    said = "number of cells with these values; drag a box to mark them in the planes"
    return heading_html(f"{b.label} against {a.label}", said)
