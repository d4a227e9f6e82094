"""Cells that a box selects, in a plane or by their values, points of a table, and the file that keeps them."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cocycle.explorer.planes import Plane
from cocycle.explorer.points import Points
from cocycle.explorer.view import View, value_text
from cocycle.sweeps.records import Status
from cocycle.sweeps.text import cell

if TYPE_CHECKING:
    from cocycle.sweeps import Archive

Box = Mapping[str, float]


def in_box(plane: Plane, box: Box) -> np.ndarray:
    """The cells (len(y), len(x)) with their centres in a box of places."""
    columns, rows = (
        (box[f"{name}0"] <= axis.centres) & (axis.centres <= box[f"{name}1"])
        for name, axis in (("x", plane.x), ("y", plane.y))
    )
    return rows[:, None] & columns


def with_values_in_box(a: Plane, b: Plane, box: Box) -> np.ndarray:
    """The cells where the values of a and of b are in a box."""
    return (box["x0"] <= a.values) & (a.values <= box["x1"]) & (box["y0"] <= b.values) & (b.values <= box["y1"])


def selection_words(planes: Sequence[Plane], chosen: np.ndarray) -> str:
    """How many cells are selected, and what their values are on average."""
    said = [f"{int(chosen.sum())} of {chosen.size} cells selected"]
    return "; ".join([*said, *_means((plane.label, plane.values[chosen]) for plane in planes)])


def selection_csv(archive: "Archive", view: View, planes: Sequence[Plane], chosen: np.ndarray) -> str:
    """A row for each selected cell: its coordinates, and values, errors and counts of each plane."""
    first, written = planes[0], io.StringIO()
    axes = archive.contents.grid.axes
    fixed = {name: axes[name][place] for name, place in view.at.items() if name in axes}
    table = csv.writer(written, lineterminator="\n")
    heads = [
        word for plane in planes for word in (plane.label, f"standard error of {plane.label}", "independent values")
    ]
    table.writerow(map(cell, (first.y.name, first.x.name, *fixed, *heads)))
    for row, column in np.argwhere(chosen):
        numbers = [(p.values[row, column], p.errors[row, column], p.counts[row, column]) for p in planes]
        found = (first.y.values[row], first.x.values[column], *fixed.values())
        table.writerow([*map(_text, found), *(repr(n.item()) for triple in numbers for n in triple)])
    return written.getvalue()


def _text(value) -> str:
    number = value.item() if isinstance(value, np.number) else value
    return repr(number) if isinstance(number, int | float) else cell(value_text(value))


def points_words(points: Points, rows: np.ndarray) -> str:
    """How many points of a table are selected, and what their outputs are on average."""
    said = [f"{len(rows)} of {len(points.status)} points selected"]
    return "; ".join([*said, *_means((points.labels[name], values[rows]) for name, values in points.outputs.items())])


def points_csv(points: Points, rows: np.ndarray) -> str:
    """A row for each selected point of a table: its row, its parameters, its outputs and its status."""
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow(map(cell, ("row", *points.axes, *points.labels.values(), "status")))
    for row in rows.tolist():
        own = [axis.values[row] for axis in points.axes.values()]
        numbers = [repr(values[row].item()) for values in points.outputs.values()]
        table.writerow([row, *map(_text, own), *numbers, Status(points.status[row]).words])
    return written.getvalue()


def _means(found: Iterable[tuple[str, np.ndarray]]) -> list[str]:
    """The mean and the ends of those values that are finite, of each output."""
    finite = ((label, values[np.isfinite(values)]) for label, values in found)
    return [f"{name}: mean {v.mean():.4g}, {v.min():.4g} to {v.max():.4g}" for name, v in finite if len(v)]
