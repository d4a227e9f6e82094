"""One file of HTML that shows an archive without network, server or Python: its planes, provenance and failures."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import product
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
from bokeh.embed import file_html
from bokeh.models import Column, CustomJS, Div, Row, Select
from bokeh.resources import INLINE

from cocycle.explorer.colours import colours
from cocycle.explorer.controls import axis_slider
from cocycle.explorer.panels import Panel, Shared, columns, heading, panel, placed
from cocycle.explorer.planes import Plane, plane
from cocycle.explorer.relation import Relation, relation_heading
from cocycle.explorer.table_report import table_parts
from cocycle.explorer.template import PAGE
from cocycle.explorer.values_as_text import cells_as_text
from cocycle.explorer.view import NONE, View, axes_of, first_view, value_text
from cocycle.progress import tracked
from cocycle.results import html_table
from cocycle.sweeps.export import exported
from cocycle.sweeps.records import WITHOUT_RESULT
from cocycle.sweeps.show import summary
from cocycle.sweeps.table import Table
from cocycle.sweeps.text import cell, one_line
from cocycle.sweeps.views import plain_label, short_text

if TYPE_CHECKING:
    from cocycle.sweeps import Archive

LARGEST = 50_000_000  # bytes of values in a file, about, above which axes are averaged instead of given a slider
BYTES = 15  # of a cell of a slice in the file: value and error in single precision, counts and status, as text
WIDE = 1000  # values that an output may have at a point: a longer one, such as a network's weights, is not drawn
FAILURES = 500  # that are listed
OF_GRID = "dark grey: all points of the cell failed; light grey: to do; white: no value; drag a box to select cells"
OF_TABLE = "dark crosses: failed; small dots: to do; click a point, or drag a box to select some"
CHOOSE = """
const place = ({widget, texts}) => texts ? texts.indexOf(widget.value) : widget.value
const k = controls.reduce((sum, control) => sum + control.stride * place(control), 0)
for (const {slices, sources, heading} of panels) {
    heading.text = slices[k].heading
    for (const name of Object.keys(sources)) sources[name].data = slices[k][name]
}
"""
BRUSH_PLANE = """
const {type, x0, x1, y0, y1} = cb_obj.geometry
if (!cb_obj.final || type != "rect") return
const shown = selection.data.image[0]
let count = 0
for (let j = 0; j < rows; j++)
    for (let i = 0; i < columns; i++) {
        const x = x_start + (i + 0.5) * x_step, y = y_start + (j + 0.5) * y_step
        count += shown[j * columns + i] = x0 <= x && x <= x1 && y0 <= y && y <= y1
    }
"""
BRUSH_VALUES = """
const {type, x0, x1, y0, y1} = cb_obj.geometry
if (!cb_obj.final || type != "rect") return
const shown = selection.data.image[0], [u, v] = [a.data.image[0], b.data.image[0]]
let count = 0
for (let k = 0; k < shown.length; k++)
    count += shown[k] = x0 <= u[k] && u[k] <= x1 && y0 <= v[k] && v[k] <= y1
"""
SHOW_SELECTION = """
selection.change.emit()
said.text = count + " of " + shown.length + " cells selected; the others are pale in every plane"
"""
CLEAR_SELECTION = """
selection.data.image[0].fill(1)
selection.change.emit()
said.text = ""
"""


@final
@dataclass(frozen=True, eq=False)
class _Slices:
    """The views of a report: over the axes that have a control, each output at every combination of their values."""

    view: View
    controls: dict[str, np.ndarray]

    @classmethod
    def of(cls, archive: "Archive", outputs: Sequence[str]) -> "_Slices":
        """With controls for as many axes as the file has room for, the shortest first; the others are averaged."""
        view, axes = first_view(archive), axes_of(archive)
        cells = len(axes[view.x]) * (len(axes[view.y]) if view.y != NONE else 1) * len(outputs) * BYTES
        chosen: dict[str, np.ndarray] = {}
        for name in sorted(view.at, key=lambda name: len(axes[name])):
            if cells * prod(map(len, chosen.values())) * len(axes[name]) <= LARGEST:
                chosen[name] = axes[name]
            else:
                view = view.fixing(name, None)
        return cls(view, {name: values for name, values in chosen.items() if len(values) > 1})

    def views(self) -> list[View]:
        """In the order of the controls, the last one fastest."""
        places = product(*(range(len(values)) for values in self.controls.values()))
        return [self._at(dict(zip(self.controls, place, strict=True))) for place in places]

    def _at(self, places: Mapping[str, int]) -> View:
        view = self.view
        for name, place in places.items():
            view = view.fixing(name, place)
        return view


def report(archive: "Archive", path: str | os.PathLike) -> Path:
    """Write the file `path`, .html: the planes of every output, with errors and counts under the pointer, controls for
    axes that are not averaged, cells that a box marks in all planes, their values as CSV, provenance, and the failures;
    of a table its points, over two parameters that can be chosen.

    All that it shows was computed here; it needs no network.  Raises ValueError for another ending.
    """
    path = Path(path)
    if path.suffix != ".html":
        raise ValueError(f"the report must be a file that ends in .html; got {path}")
    of_table = isinstance(archive.contents.grid, Table)
    left = [name for name, event in archive.outputs.items() if prod(event) > WIDE]
    drawn = table_parts(archive, WIDE) if of_table else _parts(archive)
    parts = [_title(archive, left, OF_TABLE if of_table else OF_GRID), *drawn, *_texts(archive)]
    page = Column(children=parts, sizing_mode="stretch_width")
    with exported(path) as aside:
        aside.write_text(file_html(page, INLINE, f"{one_line(archive.name)}: report", template=PAGE), "utf-8")
    return path


def _parts(archive: "Archive") -> list[Any]:
    outputs = [name for name, event in archive.outputs.items() if prod(event) <= WIDE]
    slices = _Slices.of(archive, outputs)
    drawn = _planes(archive, slices, outputs)
    first = drawn[outputs[0]][0]
    every = np.ones(first.values.shape, dtype=bool)  # an array that the browser marks cells in
    shared, said = Shared.of(first, every), Div(sizing_mode="stretch_width")
    scales = {output: colours([one.values for one in planes]) for output, planes in drawn.items()}
    panels = {output: panel(planes[0], shared, scales[output]) for output, planes in drawn.items()}
    slides = [_slides(panels[output], planes, scales[output].words) for output, planes in drawn.items()]
    shown = list(panels.values())
    if not first.is_line and len(outputs) > 1:
        second = slices.view.beside or outputs[1]
        pairs = list(zip(drawn[outputs[0]], drawn[second], strict=True))
        relation = Relation.of(pairs)
        between = relation.panel(*pairs[0])
        values = {"a": panels[outputs[0]].sources["values"], "b": panels[second].sources["values"]}
        _brush(between, BRUSH_VALUES, shared, said, **values)
        slides.append(_related(between, relation, pairs))
        shown.append(between)
    for output in outputs if not first.is_line else ():
        _brush(panels[output], BRUSH_PLANE, shared, said, **_places(first))
    controls = _controls(archive, slices, slides)
    widgets = [control["widget"] for control in controls]
    above = [Row(children=widgets, styles={"flex-wrap": "wrap"})] if widgets else []
    sources = [panels[output].sources["values"] for output in outputs]
    planes, selected = {name: found[0] for name, found in drawn.items()}, None if first.is_line else shared.selection
    text = cells_as_text(planes, sources, controls, selected, archive.path.stem)
    return [*above, said, *text, placed(shown)]


def _planes(archive: "Archive", slices: _Slices, outputs: Sequence[str]) -> dict[str, list[Plane]]:
    """The planes of each output, in the order of the views."""
    views = slices.views()
    work = [(output, view) for output in outputs for view in views]
    found = iter([plane(archive, view, output) for output, view in tracked(work, "planes of the report")])
    return {output: [next(found) for _ in views] for output in outputs}


def _slides(made: Panel, planes: Sequence[Plane], said: str) -> dict[str, Any]:
    slices = [{**columns(one, zero_line=True), "heading": heading(one, said)} for one in planes]
    return {"slices": slices, "sources": dict(made.sources), "heading": made.heading}


def _related(made: Panel, relation: Relation, pairs: Sequence[tuple[Plane, Plane]]) -> dict[str, Any]:
    slices = [{"values": relation.columns(*pair), "heading": relation_heading(*pair)} for pair in pairs]
    return {"slices": slices, "sources": dict(made.sources), "heading": made.heading}


def _controls(archive: "Archive", slices: _Slices, panels: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A slider for each axis of numbers, a list for others, each with its name and words: they show slices that are in
    the file."""
    lengths = [len(values) for values in slices.controls.values()]
    controls = []
    for i, (name, values) in enumerate(slices.controls.items()):
        title, texts = plain_label(archive, name), [one_line(value_text(value)) for value in values]
        said = {"stride": prod(lengths[i + 1 :]), "name": cell(name), "words": [cell(text) for text in texts]}
        if values.dtype.kind in "iuf":
            controls.append({"widget": axis_slider(title, texts, start=0, value=0), **said})
        else:
            widget = Select(options=list[Any](texts), value=texts[0], title=title, width=220)
            controls.append({"widget": widget, "texts": texts, **said})
    for control in controls:
        control["widget"].js_on_change("value", CustomJS(args={"controls": controls, "panels": panels}, code=CHOOSE))
    return controls


def _brush(made: Panel, code: str, shared: Shared, said: Div, **arguments: Any) -> None:
    """A box in this panel marks cells in all planes; a double click unmarks them."""
    more = {"selection": shared.selection, "said": said}
    made.figure.js_on_event("selectiongeometry", CustomJS(args={**more, **arguments}, code=code + SHOW_SELECTION))
    made.figure.js_on_event("doubletap", CustomJS(args=more, code=CLEAR_SELECTION))
    made.figure.js_on_event("reset", CustomJS(args=more, code=CLEAR_SELECTION))


def _places(plane: Plane) -> dict[str, float]:
    x, y = plane.x, plane.y
    sizes = {"rows": len(y.values), "columns": len(x.values)}
    return {**sizes, "x_start": x.start, "x_step": x.step, "y_start": y.start, "y_step": y.step}


def _title(archive: "Archive", left: Sequence[str], legend: str) -> Div:
    missing = f"; not drawn, of more than {WIDE} values: {', '.join(left)}" if left else ""
    words = escape(one_line(short_text(archive)) + missing)
    return Div(text=f"<p>{words}</p><p><small>{legend}</small></p>", sizing_mode="stretch_width")


def _texts(archive: "Archive") -> list[Div]:
    """Where it comes from, and what failed."""
    shown: dict[str, Any] = {"sizing_mode": "stretch_width", "styles": {"overflow-x": "auto"}}
    provenance = f"<h2>Provenance</h2><pre>{escape(summary(archive))}</pre>"
    table = {**shown, "styles": {"overflow": "auto", "max-height": "420px"}}
    return [Div(text=failures(archive), **table), Div(text=provenance, **shown)]


def failures(archive: "Archive") -> str:
    """The table of the points that failed, as HTML."""
    count = int(np.isin(archive.status, WITHOUT_RESULT).sum())
    if not count:
        return "<h2>Failures</h2><p>no point failed</p>"
    grid = archive.grid
    messages = archive.messages(FAILURES)
    rows = [(*map(value_text, grid.values(index).values()), one_line(said)) for index, said in messages.items()]
    names = grid.columns or grid.axes
    more = f"<p>and {count - len(rows)} more: archive.messages()</p>" if count > len(rows) else ""
    return "<h2>Failures</h2>" + html_table(f"{count} points failed", (*names, "message"), rows) + more
