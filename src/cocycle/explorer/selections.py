"""Cells that a box selects, in a plane or by their values, and the file that keeps them."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cocycle.explorer.planes import Plane
from cocycle.explorer.view import View, value_text
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
    for plane in planes:
        values = plane.values[chosen & np.isfinite(plane.values)]
        if len(values):
            said.append(f"{plane.label}: mean {values.mean():.4g}, {values.min():.4g} to {values.max():.4g}")
    return "; ".join(said)


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
    return repr(value.item()) if isinstance(value, np.number) else cell(value_text(value))
