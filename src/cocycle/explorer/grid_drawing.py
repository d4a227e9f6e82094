"""The panels of a grid on the live page: images of one or two outputs, and one against the other."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any, final

import numpy as np
from bokeh.events import DoubleTap, Reset, SelectionGeometry, Tap
from bokeh.models import Column

from cocycle.explorer.colours import Colours, colours
from cocycle.explorer.drawing import Drawing, Told
from cocycle.explorer.look import points_of_cell
from cocycle.explorer.panels import Panel, Shared, panel, placed, selection
from cocycle.explorer.planes import Plane, planes
from cocycle.explorer.relation import Relation
from cocycle.explorer.selections import in_box, selection_csv, selection_words, with_values_in_box
from cocycle.explorer.view import View

if TYPE_CHECKING:
    from cocycle.sweeps import Archive


@final
class GridDrawing(Drawing):
    """`other` is an archive that is compared with the first."""

    def __init__(self, archive: "Archive", other: "Archive | None", told: Told):
        self._archive, self._other, self._told = archive, other, told
        self._panels: list[Panel] = []
        self._relation: tuple[Relation, Panel] | None = None
        self.root = Column(sizing_mode="stretch_width")

    def show(self, view: View) -> None:
        found = planes(self._archive, view, self._other)
        alike = bool(self._panels) and _like(self.view, self._planes) == _like(view, found)
        self.view, self._planes = view, found
        if alike:
            self._show_again()
        else:
            self._draw()

    def refresh(self) -> None:
        self._planes = planes(self._archive, self.view, self._other)
        self._show_again()

    def _scales(self) -> list[Colours]:
        """Of the other archive the colours of the first, so that they can be compared."""
        found, logarithmic = self._planes, self.view.logarithmic
        values = [one.values for one in found]
        if len(found) == 2 and found[0].label == found[1].label:
            return [colours(values, logarithmic=logarithmic)] * 2
        return [colours([one], logarithmic=logarithmic) for one in values]

    def _draw(self) -> None:
        self._shared = Shared.of(self._planes[0])
        pairs = list(zip(self._planes, self._scales(), strict=True))
        self._panels = [panel(one, self._shared, scale, zero_line=self.view.zero_line) for one, scale in pairs]
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
        self.root.children = [placed(shown)]
        self._select(None)

    def _show_again(self) -> None:
        for made, one, scale in zip(self._panels, self._planes, self._scales(), strict=True):
            made.show(one, scale, zero_line=self.view.zero_line)
        if self._relation:
            relation = Relation.of([(self._planes[0], self._planes[1])])
            self._relation = relation, self._relation[1]
            relation.move(self._relation[1], self._planes[0], self._planes[1])
        self._select(self._chosen)

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
        if chosen is None:
            self._told.marked("", "")
        else:
            text = selection_csv(self._archive, self.view, self._planes, chosen)
            self._told.marked(escape(selection_words(self._planes, chosen)), text)

    def _tapped(self, event: Tap) -> None:
        first = self._planes[0]
        if event.x is None or event.y is None:
            return
        column, row = first.x.cell(event.x), 0 if first.is_line else first.y.cell(event.y)
        if column is not None and row is not None:
            self._told.clicked(points_of_cell(self._archive, self.view, row, column))


def _box(event: SelectionGeometry) -> Any:
    """The rectangle that was drawn, when it is finished."""
    geometry: Any = event.geometry
    return geometry if event.final and geometry and geometry["type"] == "rect" else None


def _like(view: View, found: Sequence[Plane]) -> tuple[Any, ...]:
    """What a view must share with another to be drawn by the same panels."""
    return view.x, view.y, view.logarithmic, len(found)
