"""The points of a table as a view shows them: places of their coordinates, outputs, and what became of them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from cocycle.explorer.axes import decades
from cocycle.explorer.view import NONE, View, axes_of, value_text, words
from cocycle.sweeps.means import mean_over, quantile_over
from cocycle.sweeps.records import Status
from cocycle.sweeps.table import Table
from cocycle.sweeps.text import one_line
from cocycle.sweeps.views import plain_label

if TYPE_CHECKING:
    from cocycle.sweeps import Archive

RATIO = 100.0  # of the ends of positive numbers, from which on their axis is logarithmic


@final
@dataclass(frozen=True, eq=False)
class PointsAxis:
    """A parameter: `values` (n,) are numbers, or texts of choices; they stand at `places` (n,), numbers of a wide range
    at their decadic logarithms, choices in their order.  `ticks` are places and what stands there, None where the
    places are the values themselves."""

    label: str
    values: list[Any]
    places: np.ndarray
    ticks: dict[float, str] | None


@final
@dataclass(frozen=True, eq=False)
class Points:
    """The rows (n,) of a table that are in use: its parameters by their names; `outputs`, (n,) each, NaN where there is
    no value, with their `labels` and `words`, which say what is averaged and fixed; and the `Status` of each row."""

    axes: dict[str, PointsAxis]
    outputs: dict[str, np.ndarray]
    labels: dict[str, str]
    words: dict[str, str]
    status: np.ndarray

    def column(self, name: str) -> str:
        """What the column of a parameter or an output is called, whatever characters its name has."""
        if name in self.axes:
            return f"parameter{list(self.axes).index(name)}"
        return f"output{list(self.outputs).index(name)}"

    def place(self, name: str) -> str:
        """The column with the places of a parameter."""
        return f"{self.column(name)}_place"


def points_of(archive: "Archive", view: View, outputs: list[str]) -> Points:
    """All rows of a table, from the file as it is now, with the mean or the quantile of each output over its event."""
    table = archive.grid
    assert isinstance(table, Table)
    status = archive.status[: table.used]  # before the values: what was done then is done now
    return Points(
        {name: _axis(archive, table, name) for name in table.columns},
        {name: _values(archive, view, name, table.used) for name in outputs},
        {name: plain_label(archive, name) for name in outputs},
        {name: one_line(words(archive, view, name)) for name in outputs},
        status,
    )


def shown_outputs(archive: "Archive", view: View) -> list[str]:
    """The outputs of a view, one or two."""
    beside = [] if view.beside in (NONE, view.output) else [view.beside]
    return [view.output, *(name for name in beside if name in archive.outputs)]


def _values(archive: "Archive", view: View, output: str, used: int) -> np.ndarray:
    fixed = tuple(view.at.get(name, slice(None)) for name in axes_of(archive, output))
    values = archive[output][:used][(slice(None), *fixed)]
    over = tuple(range(1, values.ndim))
    return mean_over(values, over) if view.quantile is None else quantile_over(values, view.quantile, over)


def _axis(archive: "Archive", table: Table, name: str) -> PointsAxis:
    label, kind = plain_label(archive, name), table.parameters[name]
    stored = table.column_values(np.arange(table.used))[name]
    if isinstance(kind, tuple):
        texts = [one_line(value_text(value)) for value in kind]
        ticks = {float(i): text for i, text in enumerate(texts)}
        return PointsAxis(label, [texts[i] for i in stored.astype(int)], stored, ticks)
    if len(stored) and stored.min() > 0 and stored.max() >= RATIO * stored.min():
        places = np.log10(stored)
        return PointsAxis(label, stored.tolist(), places, decades(float(places.min()), float(places.max())))
    return PointsAxis(label, stored.tolist(), stored, None)


def lost(points: Points) -> np.ndarray:
    """Which rows (n,) failed."""
    return np.isin(points.status, (Status.FAILED, Status.DIED))
