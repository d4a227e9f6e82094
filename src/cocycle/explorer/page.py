"""The live page: controls, planes, what a box selects, what a click shows, and the progress of the sweep."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from html import escape
from typing import TYPE_CHECKING, Any, final

import numpy as np
from bokeh.document import Document
from bokeh.events import DoubleTap, Reset, SelectionGeometry, Tap
from bokeh.models import Button, Column, ColumnDataSource, CustomJS, Div, Row, Select, TextInput

from cocycle.explorer import look
from cocycle.explorer.colours import Colours, colours
from cocycle.explorer.controls import controls, needed_axes
from cocycle.explorer.panels import Panel, Shared, panel, placed, selection
from cocycle.explorer.planes import Plane, planes
from cocycle.explorer.relation import Relation
from cocycle.explorer.running import Running
from cocycle.explorer.selections import in_box, selection_csv, selection_words, with_values_in_box
from cocycle.explorer.sight_panels import sight_panel
from cocycle.explorer.template import PAGE
from cocycle.explorer.view import View, address, first_view, view_at
from cocycle.sweeps.text import one_line

if TYPE_CHECKING:
    from cocycle.sweeps import Archive

EVERY = 1000  # milliseconds between two looks at the file
PATIENCE = 5  # times as long as an update takes, the page waits before the next one
ADDRESS = 'history.replaceState(null, "", "?" + cb_obj.value)'
SAVE = """
const link = document.createElement("a")
link.href = URL.createObjectURL(new Blob([source.data.text[0]], {type: "text/csv"}))
link.download = source.data.name[0]
link.click()
URL.revokeObjectURL(link.href)
"""
LEGEND = "dark grey: all points of the cell failed; light grey: to do; white: no value; click a cell to look into it"


@final
class Page:
    """The page of an archive in one document of bokeh; `other` is compared with it."""

    def __init__(self, document: Document, archive: "Archive", other: "Archive | None", query: str):
        self._document, self._archive, self._other = document, archive, other
        self._running, self._rest, self._pool = Running(archive), 0.0, ThreadPoolExecutor(1)
        self._panels: list[Panel] = []
        self._relation: tuple[Relation, Panel] | None = None
        wide: dict[str, Any] = {"sizing_mode": "stretch_width"}
        self._progress, self._said, self._error = Div(**wide), Div(**wide), Div(**wide)
        self._controls = Row(styles={"flex-wrap": "wrap"}, **wide)
        self._drawn, self._cell = Column(**wide), Column(children=[Div()], **wide)
        self._address = TextInput(title="address of this view, after the ?", **wide)
        self._address.js_on_change("value", CustomJS(code=ADDRESS))
        self._csv = ColumnDataSource({"text": [""], "name": ["selection.csv"]})
        self._save = Button(label="save the selection (CSV)", visible=False, width=220)
        self._save.js_on_click(CustomJS(args={"source": self._csv}, code=SAVE))
        self._progress.text, _ = self._running.look()
        self._start(query)
        marked = Row(children=[self._said, self._save], styles={"flex-wrap": "wrap"}, **wide)
        parts = [self._title(), self._progress, self._controls, self._error, marked, self._drawn, self._cell]
        document.add_root(Column(children=[*parts, self._address], **wide))
        document.template, document.title = PAGE, one_line(archive.name)  # type: ignore[assignment]
        document.add_periodic_callback(self._refresh, EVERY)
        document.on_session_destroyed(lambda context: self._pool.shutdown(wait=False))

    def show(self, view: View) -> None:
        """Show another view; an error says why that cannot be, and the page stays as it is."""
        try:
            found = planes(self._archive, view, self._other)
        except ValueError as error:
            self._error.text = look.error_html(error)
            self._controls.children = self._widgets()
            return
        self._error.text = ""
        alike = bool(self._panels) and _like(self._view, self._planes) == _like(view, found)
        same_controls = bool(self._panels) and self._controlled(self._view) == self._controlled(view)
        self._view, self._planes = view, found
        if alike:
            self._show_again()
        else:
            self._draw()
        if not same_controls:
            self._controls.children = self._widgets()
        self._address.value = address(self._archive, view)

    def _start(self, query: str) -> None:
        """Show the view of an address; where it cannot be shown, the first one, and why."""
        words = ""
        try:
            view = view_at(self._archive, query)
            planes(self._archive, view, self._other)
        except ValueError as error:
            view, words = first_view(self._archive), look.error_html(error)
        self.show(view)
        self._error.text = words

    def _title(self) -> Div:
        names = [self._archive.name, *([f"compared with {self._other.name}"] if self._other else [])]
        return Div(text=f"<b>{escape(one_line(' '.join(names)))}</b><br><small>{LEGEND}</small>")

    def _controlled(self, view: View) -> tuple[Any, ...]:
        """What decides which controls there are; they show their other values themselves."""
        return view.x, view.y, needed_axes(self._archive, view)

    def _widgets(self) -> list[Any]:
        return controls(self._archive, lambda: self._view, self.show, compared=self._other is not None)

    def _scales(self) -> list[Colours]:
        """Of the other archive the colours of the first, so that they can be compared."""
        found, logarithmic = self._planes, self._view.logarithmic
        if len(found) == 2 and found[0].label == found[1].label:
            return [colours(found, logarithmic=logarithmic)] * 2
        return [colours([one], logarithmic=logarithmic) for one in found]

    def _draw(self) -> None:
        self._shared = Shared.of(self._planes[0])
        pairs = list(zip(self._planes, self._scales(), strict=True))
        self._panels = [panel(one, self._shared, scale, zero_line=self._view.zero_line) for one, scale in pairs]
        shown, self._relation = [*self._panels], None
        for made in self._panels:
            made.figure.on_event(Tap, self._tapped)
            made.figure.on_event(SelectionGeometry, self._boxed)
        if len(self._planes) == 2 and not self._planes[0].is_line:
            relation = Relation.of([(self._planes[0], self._planes[1])])
            between = relation.panel(self._planes[0], self._planes[1])
            between.figure.on_event(SelectionGeometry, self._boxed_values)
            self._relation = relation, between
            shown.append(between)
        for made in shown:
            made.figure.on_event(DoubleTap, lambda event: self._select(None))
            made.figure.on_event(Reset, lambda event: self._select(None))
        self._drawn.children = [placed(shown)]
        self._select(None)

    def _show_again(self) -> None:
        for made, one, scale in zip(self._panels, self._planes, self._scales(), strict=True):
            made.show(one, scale, zero_line=self._view.zero_line)
        if self._relation:
            relation = Relation.of([(self._planes[0], self._planes[1])])
            self._relation = relation, self._relation[1]
            relation.move(self._relation[1], self._planes[0], self._planes[1])
        self._select(self._chosen)

    def _refresh(self) -> None:
        if time.monotonic() < self._rest:
            return
        self._progress.text, changed = self._running.look()
        if changed:
            started = time.monotonic()
            self._planes = planes(self._archive, self._view, self._other)
            self._show_again()
            self._rest = time.monotonic() + PATIENCE * (time.monotonic() - started)

    def _boxed(self, event: SelectionGeometry) -> None:
        box = _box(event)
        if box and not self._planes[0].is_line:
            self._select(in_box(self._planes[0], box))

    def _boxed_values(self, event: SelectionGeometry) -> None:
        box = _box(event)
        if box:
            self._select(with_values_in_box(self._planes[0], self._planes[1], box))

    def _select(self, chosen: np.ndarray | None) -> None:
        """Mark cells in all panels, and keep them for the file."""
        self._chosen = chosen
        self._shared.selection.data = selection(self._planes[0], chosen)
        if self._relation:
            relation, between = self._relation
            between.sources["values"].data = relation.columns(self._planes[0], self._planes[1], chosen)
        self._save.visible = chosen is not None
        self._said.text = "" if chosen is None else escape(selection_words(self._planes, chosen))
        text = "" if chosen is None else selection_csv(self._archive, self._view, self._planes, chosen)
        self._csv.data = {"text": [text], "name": [f"{self._archive.path.stem}-selection.csv"]}

    def _tapped(self, event: Tap) -> None:
        first = self._planes[0]
        if event.x is None or event.y is None:
            return
        column, row = first.x.cell(event.x), 0 if first.is_line else first.y.cell(event.y)
        if column is not None and row is not None:
            self._show_cell(look.points_of_cell(self._archive, self._view, row, column))

    def _show_cell(self, points: list[Any]) -> None:
        listed = points[: look.MOST]
        options = [(str(i), look.point_words(self._archive, index)) for i, index in enumerate(listed)]
        which = Select(title="point", options=list[Any](options), value="0", sizing_mode="stretch_width", max_width=620)
        code, again = Div(sizing_mode="stretch_width"), Button(label="look: compute it here", width=220)
        found = Column(children=[Div()], sizing_mode="stretch_width")

        def chosen() -> None:
            words = escape(look.calls(self._archive, listed[int(which.value)]))
            code.text = f"<pre style='white-space: pre-wrap; overflow-wrap: anywhere'>{words}</pre>"

        which.on_change("value", lambda attr, old, new: chosen())
        again.on_click(lambda: self._look(listed[int(which.value)], found))
        chosen()
        table = Div(
            text=look.cell_table(self._archive, points), styles={"overflow-x": "auto"}, sizing_mode="stretch_width"
        )
        self._cell.children = [table, which, code, again, found]

    def _look(self, index: Any, found: Column) -> None:
        """Compute the look of a point beside the page, which stays alive meanwhile."""
        found.children = [Div(text="computing ...")]

        def compute() -> None:
            try:
                made: list[Any] = look.sights(self._archive, index)
                self._document.add_next_tick_callback(lambda: self._show_sights(made, found))
            except Exception as error:  # of the study's own code
                words = look.error_html(error)
                self._document.add_next_tick_callback(lambda: setattr(found, "children", [Div(text=words)]))

        self._pool.submit(compute)

    def _show_sights(self, made: list[Any], found: Column) -> None:
        found.children = [placed([sight_panel(sight) for sight in made])]


def _box(event: SelectionGeometry) -> Any:
    """The rectangle that was drawn, when it is finished."""
    geometry: Any = event.geometry
    return geometry if event.final and geometry and geometry["type"] == "rect" else None


def _like(view: View, found: Sequence[Plane]) -> tuple[Any, ...]:
    """What a view must share with another to be drawn by the same panels."""
    return view.x, view.y, view.logarithmic, len(found)
