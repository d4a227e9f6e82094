"""The panels of a table on the live page: its points over two parameters, and one output against another."""

from html import escape
from typing import TYPE_CHECKING, Any, final

import numpy as np
from bokeh.models import Column, ColumnDataSource, Div

from cocycle.explorer.colours import Colours, colours
from cocycle.explorer.drawing import Drawing, Told
from cocycle.explorer.panels import Panel, placed, recoloured
from cocycle.explorer.points import points_of, shown_outputs
from cocycle.explorer.scatter import (
    against_output,
    against_parameter,
    coloured_panel,
    columns,
    heading,
    share_ranges,
    show_axis,
)
from cocycle.explorer.selections import points_csv, points_words
from cocycle.explorer.view import NONE, View

if TYPE_CHECKING:
    from cocycle.sweeps import Archive


@final
class TableDrawing(Drawing):
    """Points stay selected when other parameters or outputs are shown."""

    def __init__(self, archive: "Archive", told: Told):
        self._archive, self._told = archive, told
        self._panels: dict[str, Panel] = {}
        self._source = ColumnDataSource()
        self._source.selected.on_change("indices", self._selected)  # type: ignore[attr-defined]
        self.root = Column(sizing_mode="stretch_width")

    def show(self, view: View) -> None:
        self.view = view
        self._read()
        points, source = self._points, self._source
        self._with_values = self._outputs_with_values()
        if view.y == NONE:
            found = [against_parameter(points, source, view.x, output) for output in self._with_values]
        else:
            axes = view.x, view.y
            found = [coloured_panel(points, source, axes, output, self._scale(output)) for output in points.outputs]
            share_ranges(found)
        self._panels = dict(zip(self._with_values if view.y == NONE else points.outputs, found, strict=True))
        if len(self._with_values) == 2:
            found.append(against_output(points, source, *points.outputs))
        self.root.children = [placed(found)] if len(points.status) and found else [Div(text="no point has a value yet")]
        self._tell()

    def refresh(self) -> None:
        self._read()
        if self._outputs_with_values() != self._with_values:
            self.show(self.view)
            return
        for output, made in self._panels.items():
            if made.mapper:
                scale = self._scale(output)
                recoloured(made.mapper, scale)
                show_axis(made.figure.yaxis, self._points.axes[self.view.y])
                made.heading.text = heading(self._points, output, scale.words)
            else:
                made.heading.text = heading(self._points, output)
            show_axis(made.figure.xaxis, self._points.axes[self.view.x])
        self._tell()

    def _read(self) -> None:
        self._points = points_of(self._archive, self.view, shown_outputs(self._archive, self.view))
        self._source.data = columns(self._points, self.view.x, self.view.y)

    def _outputs_with_values(self) -> list[str]:
        """Without a finite value there is no axis of values."""
        return [name for name, values in self._points.outputs.items() if np.isfinite(values).any()]

    def _scale(self, output: str) -> Colours:
        return colours([self._points.outputs[output]], logarithmic=self.view.logarithmic)

    def _selected(self, attribute: str, old: Any, new: Any) -> None:
        self._tell()
        self._told.clicked([(int(row),) for row in self._rows()])

    def _rows(self) -> np.ndarray:
        return np.array(sorted(self._source.selected.indices), dtype=int)  # type: ignore[attr-defined]

    def _tell(self) -> None:
        rows = self._rows()
        if len(rows):
            self._told.marked(escape(points_words(self._points, rows)), points_csv(self._points, rows))
        else:
            self._told.marked("", "")
