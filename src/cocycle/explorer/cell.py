"""What a click shows below the planes: points with results, what computes one again, its study's look."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from html import escape
from typing import TYPE_CHECKING, Any, final

from bokeh.document import Document
from bokeh.models import Button, Column, Div, Select

from cocycle.explorer import look
from cocycle.explorer.panels import placed
from cocycle.explorer.sight_panels import sight_panel

if TYPE_CHECKING:
    from cocycle.sweeps import Archive
    from cocycle.sweeps.grid import Index

WIDE: dict[str, Any] = {"sizing_mode": "stretch_width"}


@final
class Cell:
    """Points of an archive, in the column `root`; a look is computed beside the page, which stays alive meanwhile."""

    def __init__(self, document: Document, archive: "Archive"):
        self._document, self._archive, self._pool = document, archive, ThreadPoolExecutor(1)
        self.root = Column(children=[Div()], **WIDE)

    def close(self) -> None:
        self._pool.shutdown(wait=False)

    def show(self, points: Sequence["Index"]) -> None:
        """A table of points, or nothing if there are none."""
        if not points:
            self.root.children = [Div()]
            return
        listed = points[: look.MOST]
        options = [(str(i), look.point_words(self._archive, index)) for i, index in enumerate(listed)]
        which = Select(title="point", options=list[Any](options), value="0", max_width=620, **WIDE)
        code, again = Div(**WIDE), Button(label="look: compute it here", width=220)
        found = Column(children=[Div()], **WIDE)

        def chosen() -> None:
            words = escape(look.calls(self._archive, listed[int(which.value)]))
            code.text = f"<pre style='white-space: pre-wrap; overflow-wrap: anywhere'>{words}</pre>"

        which.on_change("value", lambda attr, old, new: chosen())
        again.on_click(lambda: self._look(listed[int(which.value)], found))
        chosen()
        table = Div(text=look.cell_table(self._archive, points), styles={"overflow-x": "auto"}, **WIDE)
        self.root.children = [table, which, code, again, found]

    def _look(self, index: "Index", found: Column) -> None:
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
