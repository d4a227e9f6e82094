"""What a report shows of a table: its points over two parameters that can be chosen, coloured by each output."""

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.models import BasicTicker, ColumnDataSource, CustomJS, Div, FixedTicker, Row, Select

from cocycle.explorer.colours import colours
from cocycle.explorer.controls import WIDTH
from cocycle.explorer.panels import placed
from cocycle.explorer.points import Points, points_of
from cocycle.explorer.scatter import against_output, against_parameter, coloured_panel, columns, share_ranges
from cocycle.explorer.values_as_text import points_as_text
from cocycle.explorer.view import NONE, first_view

if TYPE_CHECKING:
    from cocycle.sweeps import Archive

CHOOSE = """
const {place, label, ticker, ticks} = axes[names.indexOf(cb_obj.value)]
source.data = {...source.data, [vertical ? "y" : "x"]: source.data[place]}
for (const figure of figures) {
    const axis = vertical ? figure.left[0] : figure.below[0]
    axis.axis_label = label
    axis.ticker = ticker
    axis.major_label_overrides = new Map(ticks)
}
figures[0].reset.emit()
"""
SAY = """
const count = source.selected.indices.length
said.text = count ? count + " of " + source.data.status.length + " points selected; the others are pale" : ""
"""


def table_parts(archive: "Archive", widest: int) -> list[Any]:
    """Controls and panels of a table, without outputs of more than `widest` values at each point."""
    outputs = [name for name, event in archive.outputs.items() if prod(event) <= widest]
    view = first_view(archive)
    points = points_of(archive, view, outputs)
    source, said = ColumnDataSource(columns(points, view.x, view.y)), Div(sizing_mode="stretch_width")
    source.selected.js_on_change("indices", CustomJS(args={"source": source, "said": said}, code=SAY))  # type: ignore[attr-defined]
    known = [output for output in outputs if np.isfinite(points.outputs[output]).any()]
    if not known:
        return [Div(text="no point has a value yet")]
    if view.y == NONE:
        shown = [against_parameter(points, source, view.x, output) for output in known]
        chosen: list[Any] = []
    else:
        axes, values = (view.x, view.y), points.outputs
        shown = [coloured_panel(points, source, axes, output, colours([values[output]])) for output in outputs]
        share_ranges(shown)
        figures = [made.figure for made in shown]
        chosen = [_choice(points, source, figures, axis, vertical=axis == view.y) for axis in axes]
    if len(known) > 1:
        shown.append(against_output(points, source, known[0], view.beside if view.beside in known[1:] else known[1]))
    above = [Row(children=chosen, styles={"flex-wrap": "wrap"})] if chosen else []
    return [*above, said, *points_as_text(points, source, archive.path.stem), placed(shown)]


def _choice(points: Points, source: ColumnDataSource, figures: list[Any], name: str, *, vertical: bool) -> Select:
    """A list that chooses the parameter of an axis."""
    names = list(points.axes)
    axes = [
        {
            "place": points.place(key),
            "label": axis.label,
            "ticker": BasicTicker() if axis.ticks is None else FixedTicker(ticks=list(axis.ticks)),
            "ticks": list((axis.ticks or {}).items()),
        }
        for key, axis in points.axes.items()
    ]
    options: list[Any] = [(key, axis.label) for key, axis in points.axes.items()]
    made = Select(title=f"{'vertical' if vertical else 'horizontal'} axis", options=options, value=name, width=WIDTH)
    arguments = {"names": names, "axes": axes, "source": source, "figures": figures, "vertical": vertical}
    made.js_on_change("value", CustomJS(args=arguments, code=CHOOSE))
    return made
