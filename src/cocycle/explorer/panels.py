"""What a page draws: for each output an image over two axes, or a line with its error over one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, final

import contourpy
import numpy as np
from bokeh.models import (
    ColorBar,
    Column,
    ColumnDataSource,
    CustomJSHover,
    Div,
    FixedTicker,
    HoverTool,
    LinearColorMapper,
    Range1d,
    Row,
)
from bokeh.plotting import figure

from cocycle.explorer.axes import PlaneAxis
from cocycle.explorer.colours import CLEAR, STATES, Colours
from cocycle.explorer.planes import Plane

Columns = dict[str, Any]

HEIGHT, NARROWEST, WIDEST = 400, 300, 620  # pixels of a panel
DIMMED = "#ffffffc8"  # cells that are not selected
FIRST = "#1f5a94"  # of lines
COORDINATE = "return texts[Math.floor((special_vars.{} - start) / step)]"  # which Python wrote
NUMBERS = [("value", "@image{%.6g}"), ("standard error", "@error{%.2g}"), ("independent values", "@count")]
FORMATS: dict[str, Any] = {"@image": "printf", "@error": "printf"}


@final
@dataclass(frozen=True, eq=False)
class Shared:
    """What the panels of one plane have in common: their ranges, and which cells are selected."""

    x: Range1d
    y: Range1d
    selection: ColumnDataSource

    @classmethod
    def of(cls, plane: Plane, chosen: np.ndarray | None = None) -> "Shared":
        x, y = (Range1d(start=axis.start, end=axis.end, bounds="auto") for axis in (plane.x, plane.y))
        return cls(x, y, ColumnDataSource(selection(plane, chosen)))


@final
@dataclass(frozen=True, eq=False)
class Panel:
    """A figure below its heading, and the sources of what it draws, by their names in `columns`."""

    figure: Any
    heading: Div
    sources: Mapping[str, ColumnDataSource]
    mapper: Any = None

    def show(self, plane: Plane, colours: Colours, *, zero_line: bool) -> None:
        """Draw another plane over the same axes."""
        self.heading.text = heading(plane, colours.words)
        if self.mapper:
            recoloured(self.mapper, colours)
        else:
            self.figure.yaxis.axis_label = plane.label
        for name, found in columns(plane, zero_line=zero_line).items():
            self.sources[name].data = found


def panel(plane: Plane, shared: Shared, colours: Colours, *, zero_line: bool = True) -> Panel:
    """The panel of a plane: an image, or a line where it has one row."""
    sources = {name: ColumnDataSource(found) for name, found in columns(plane, zero_line=zero_line).items()}
    mapper = None if plane.is_line else colours.mapper()
    drawn = _image(plane, shared, mapper, sources) if mapper else _line(plane, shared, sources)
    return Panel(drawn, Div(text=heading(plane, colours.words), sizing_mode="stretch_width"), sources, mapper)


def recoloured(mapper: Any, colours: Colours) -> None:
    """Give a mapper other colours; each part that is set makes the browser colour the image again."""
    palette = list(colours.palette)
    parts = {"low": colours.low, "high": colours.high, "palette": palette}
    for name, value in parts.items():
        if getattr(mapper, name) != value:
            setattr(mapper, name, value)


def placed(panels: Sequence[Panel]) -> Row:
    """Panels beside each other, below each other where the page is narrow."""
    widths: dict[str, Any] = {"min_width": NARROWEST, "max_width": WIDEST, "sizing_mode": "stretch_width"}
    styles: dict[str, Any] = {"flex": f"1 1 {NARROWEST}px", "margin": "0 12px 16px 0"}
    columns = [Column(children=[panel.heading, panel.figure], styles=styles, **widths) for panel in panels]
    return Row(children=list[Any](columns), sizing_mode="stretch_width", styles={"flex-wrap": "wrap"})


def heading(plane: Plane, *more: str) -> str:
    """What a panel shows, as HTML: the output, what is averaged and fixed, and more that there is to say."""
    said = "; ".join(filter(None, (plane.words, *(() if plane.is_line else more))))  # of colours: a line has none
    return heading_html(plane.label, said)


def heading_html(title: str, *said: str) -> str:
    """What stands above a panel, as HTML."""
    return f"<b>{escape(title)}</b><br><small>{escape('; '.join(said))}</small>"


def columns(plane: Plane, *, zero_line: bool) -> dict[str, Columns]:
    """What is drawn of a plane, in single precision: `values` and their errors, with the states of cells without a
    value; the lines `zero` where the values change sign.  What is the same everywhere is one number."""
    if plane.is_line:
        return {"values": _line_columns(plane), "zero": {"y": [0.0] if zero_line else []}}
    below = {name: [_short(getattr(plane, name + "s"))] for name in ("error", "count")}
    state = _small(plane.states)
    values = {
        "image": [plane.values.astype("f4")],
        "state": [state[:1, :1] if (state == state[0, 0]).all() else state],
        **below,
        "failed": [_short(plane.failed)],
        **_extent(plane),
    }
    return {"values": values, "zero": _zero_lines(plane, shown=zero_line)}


def selection(plane: Plane, chosen: np.ndarray | None) -> Columns:
    """What dims all cells but those of a mask (len(y), len(x)); none without one."""
    shown = np.ones((1, 1), "u1") if chosen is None else chosen.astype("u1")
    return {"image": [shown], **_extent(plane)}


def _image(plane: Plane, shared: Shared, mapper: Any, sources: Mapping[str, ColumnDataSource]) -> Any:
    drawn = _figure(plane, shared, "pan,wheel_zoom,box_zoom,box_select,reset,save,tap")
    box = {"x": "x", "y": "y", "dw": "dw", "dh": "dh"}
    drawn.background_fill_color = "white"
    states = LinearColorMapper(palette=list(STATES.values()), low=-0.5, high=len(STATES) - 0.5)
    values = drawn.image("image", source=sources["values"], color_mapper=mapper, **box)
    drawn.image("state", source=sources["values"], color_mapper=states, **box)
    drawn.line("x", "y", source=sources["zero"], color="black", line_width=1.6)
    dim = LinearColorMapper(palette=[DIMMED, CLEAR], low=-0.5, high=1.5)
    drawn.image("image", source=shared.selection, color_mapper=dim, **box)
    tooltips = [(plane.x.label, "$x{custom}"), (plane.y.label, "$y{custom}"), *NUMBERS, ("failed points", "@failed")]
    places = {f"${name}": _coordinate(name, axis) for name, axis in (("x", plane.x), ("y", plane.y))}
    drawn.add_tools(HoverTool(renderers=[values], tooltips=tooltips, formatters={**FORMATS, **places}))
    drawn.add_layout(ColorBar(color_mapper=mapper, padding=0, height=12), "above")
    return drawn


def _line(plane: Plane, shared: Shared, sources: Mapping[str, ColumnDataSource]) -> Any:
    drawn: Any = figure(
        x_range=shared.x, y_axis_label=plane.label, tools="pan,wheel_zoom,box_zoom,reset,save,tap", **size()
    )
    _label(drawn.xaxis, plane.x)
    source = sources["values"]
    drawn.varea("x", "low", "high", source=source, fill_color=FIRST, fill_alpha=0.25)
    drawn.line("x", "image", source=source, color=FIRST)
    marks = drawn.scatter("x", "image", source=source, color=FIRST, size=5)
    drawn.hspan(y="y", source=sources["zero"], line_width=0.8, color="black")
    tooltips = [(plane.x.label, "@text"), *NUMBERS, ("failed points", "@failed")]
    drawn.add_tools(HoverTool(renderers=[marks], tooltips=tooltips, formatters=FORMATS, mode="vline"))
    return drawn


def _line_columns(plane: Plane) -> Columns:
    """Of the one row of a plane: its values, and the band of one standard error."""
    value, error = plane.values[0], np.nan_to_num(plane.errors[0])
    found = {"x": plane.x.centres, "text": plane.x.texts, "image": value, "error": plane.errors[0]}
    return {**found, "low": value - error, "high": value + error, "count": plane.counts[0], "failed": plane.failed[0]}


def _figure(plane: Plane, shared: Shared, tools: str) -> Any:
    made: Any = figure(x_range=shared.x, y_range=shared.y, tools=tools, active_scroll=None, **size())
    _label(made.xaxis, plane.x)
    _label(made.yaxis, plane.y)
    made.grid.visible = False
    return made


def size() -> dict[str, Any]:
    """How large a figure is, and where its tools are."""
    return {"height": HEIGHT, "sizing_mode": "stretch_width", "toolbar_location": "below", "min_border_right": 12}


def _label(drawn: Any, axis: PlaneAxis) -> None:
    drawn.axis_label = axis.label
    if axis.ticks:
        drawn.ticker = FixedTicker(ticks=list(axis.ticks))
        drawn.major_label_overrides = axis.ticks


def _coordinate(name: str, axis: PlaneAxis) -> CustomJSHover:
    arguments = {"texts": axis.texts, "start": axis.start, "step": axis.step}
    return CustomJSHover(args=arguments, code=COORDINATE.format(name))


def _extent(plane: Plane) -> Columns:
    x, y = plane.x, plane.y
    return {"x": [x.start], "y": [y.start], "dw": [x.length], "dh": [y.length]}


def _small(numbers: np.ndarray) -> np.ndarray:
    """In as few bytes as drawing needs."""
    if numbers.dtype.kind == "f":
        return numbers.astype("f4")
    return numbers.astype("u1" if numbers.max(initial=0) < 256 else "i4")


def _short(numbers: np.ndarray) -> Any:
    """An array for the browser, or one number if all are the same."""
    first = numbers.flat[0]
    same = np.isnan(numbers).all() if np.isnan(first) else (numbers == first).all()
    return first.item() if same else _small(numbers)


def _zero_lines(plane: Plane, *, shown: bool) -> Columns:
    """Where linear interpolation between the cells' centres is zero, lines with NaN between them; infinite values count
    by their sign."""
    if not shown or min(plane.values.shape) < 2:
        return {"x": [], "y": []}
    largest = 2 * np.max(abs(plane.values[np.isfinite(plane.values)]), initial=0.5)
    values = np.ma.masked_invalid(np.clip(plane.values, -largest, largest))
    kind = contourpy.LineType.ChunkCombinedNan
    contours: Any = contourpy.contour_generator(plane.x.centres, plane.y.centres, values, line_type=kind)
    ((line,),) = contours.lines(0.0)
    return {"x": [], "y": []} if line is None else {"x": line[:, 0], "y": line[:, 1]}
