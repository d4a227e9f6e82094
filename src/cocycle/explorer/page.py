"""The live page: controls, the panels of a view, what is selected, what a click shows, the sweep's progress."""

import time
from html import escape
from typing import TYPE_CHECKING, Any, final

from bokeh.document import Document
from bokeh.models import Button, Checkbox, Column, ColumnDataSource, CustomJS, Div, Row, Select, TextInput

from cocycle.explorer import look
from cocycle.explorer.cell import Cell
from cocycle.explorer.controls import controls, needed_axes
from cocycle.explorer.drawing import Drawing, Told
from cocycle.explorer.grid_drawing import GridDrawing
from cocycle.explorer.running import Running
from cocycle.explorer.table_drawing import TableDrawing
from cocycle.explorer.template import PAGE, SAVE
from cocycle.explorer.view import View, address, first_view, view_at
from cocycle.sweeps.table import Table
from cocycle.sweeps.text import one_line

if TYPE_CHECKING:
    from cocycle.sweeps import Archive

EVERY = 1000  # milliseconds between two looks at the file
PATIENCE = 5  # times as long as an update takes, the page waits before the next one
ADDRESS = 'history.replaceState(null, "", "?" + cb_obj.value)'
SAVED = f"const text = source.data.text[0], name = source.data.name[0]\n{SAVE}"
OF_GRID = "dark grey: all points of the cell failed; light grey: to do; white: no value; click a cell to look into it"
OF_TABLE = "dark crosses: failed; small dots: to do; click a point to look into it, drag a box to select some"


@final
class Page:
    """The page of an archive in one document of bokeh; `other` is compared with it."""

    def __init__(self, document: Document, archive: "Archive", other: "Archive | None", query: str):
        self._archive, self._other = archive, other
        self._running, self._rest, self._cell = Running(archive), 0.0, Cell(document, archive)
        wide: dict[str, Any] = {"sizing_mode": "stretch_width"}
        self._progress, self._said, self._error = Div(**wide), Div(**wide), Div(**wide)
        self._controls = Row(styles={"flex-wrap": "wrap"}, **wide)
        self._address = TextInput(title="address of this view, after the ?", **wide)
        self._address.js_on_change("value", CustomJS(code=ADDRESS))
        self._csv = ColumnDataSource({"text": [""], "name": [""]})
        self._save = Button(label="save the selection (CSV)", visible=False, width=220)
        self._save.js_on_click(CustomJS(args={"source": self._csv}, code=SAVED))
        self._progress.text, _ = self._running.look()
        told = Told(self._marked, self._cell.show)
        of_table = isinstance(archive.contents.grid, Table)
        self._drawing: Drawing = TableDrawing(archive, told) if of_table else GridDrawing(archive, other, told)
        self._start(query)
        marked = Row(children=[self._said, self._save], styles={"flex-wrap": "wrap"}, **wide)
        above = [self._title(OF_TABLE if of_table else OF_GRID), self._progress, self._controls, self._error, marked]
        document.add_root(Column(children=[*above, self._drawing.root, self._cell.root, self._address], **wide))
        document.template, document.title = PAGE, one_line(archive.name)  # type: ignore[assignment]
        document.add_periodic_callback(self._refresh, EVERY)
        document.on_session_destroyed(lambda context: self._cell.close())

    def show(self, view: View) -> None:
        """Show another view; an error says why that cannot be, and the page stays as it is."""
        before = self._drawing.view
        if view == before:
            return
        try:
            self._drawing.show(view)
        except ValueError as error:
            self._error.text = look.error_html(error)
            self._controls.children = self._widgets()
            return
        self._error.text = ""
        if self._controlled(before) != self._controlled(view):
            self._controls.children = self._widgets()
        self._address.value = address(self._archive, view)

    def _start(self, query: str) -> None:
        """Show the view of an address; where it cannot be shown, the first one, and why."""
        try:
            self._drawing.show(view_at(self._archive, query))
        except ValueError as error:
            self._error.text = look.error_html(error)
            self._drawing.show(first_view(self._archive))
        self._controls.children = self._widgets()
        self._address.value = address(self._archive, self._drawing.view)

    def _title(self, legend: str) -> Div:
        names = [self._archive.name, *([f"compared with {self._other.name}"] if self._other else [])]
        return Div(text=f"<b>{escape(one_line(' '.join(names)))}</b><br><small>{legend}</small>")

    def _controlled(self, view: View) -> tuple[Any, ...]:
        """What decides which controls there are; they show their other values themselves."""
        return view.x, view.y, needed_axes(self._archive, view)

    def _widgets(self) -> list[Any]:
        """The controls of the view.  Those that are shown already stay: a value that is chosen in one that is replaced
        at the same moment would be lost."""
        compared = self._other is not None
        shown = {_name(widget): widget for widget in self._controls.children}
        made = controls(self._archive, lambda: self._drawing.view, self.show, compared=compared)
        return [_updated(shown.get(_name(widget)), widget) for widget in made]

    def _refresh(self) -> None:
        if time.monotonic() < self._rest:
            return
        self._progress.text, changed = self._running.look()
        if changed:
            started = time.monotonic()
            self._drawing.refresh()
            self._rest = time.monotonic() + PATIENCE * (time.monotonic() - started)

    def _marked(self, words: str, text: str) -> None:
        self._said.text, self._save.visible = words, bool(words)
        self._csv.data = {"text": [text], "name": [f"{self._archive.path.stem}-selection.csv"]}


def _name(widget: Any) -> tuple[type, str]:
    return type(widget), widget.label if isinstance(widget, Checkbox) else widget.title


def _updated(old: Any, new: Any) -> Any:
    """The old widget with the value of the new one, where they offer the same; else the new one."""
    if old is None or (isinstance(new, Select) and old.options != new.options):
        return new
    chosen = "active" if isinstance(new, Checkbox) else "value"
    setattr(old, chosen, getattr(new, chosen))
    return old
