"""What a click on a cell shows: its points with results and messages, how to compute one again, its study's look."""

import sys
from collections.abc import Sequence
from html import escape
from itertools import product
from shlex import quote
from typing import TYPE_CHECKING, Any

import numpy as np

from cocycle.explorer.view import View, value_text
from cocycle.results import html_table
from cocycle.sweeps.imports import measure_of
from cocycle.sweeps.records import Status
from cocycle.sweeps.rerun import arguments_alone
from cocycle.sweeps.sights import Sight
from cocycle.sweeps.text import one_line

if TYPE_CHECKING:
    from cocycle.sweeps import Archive
    from cocycle.sweeps.grid import Index

MOST = 60  # points that are listed
FEW = 6  # values of an output that are written out


def points_of_cell(archive: "Archive", view: View, row: int, column: int) -> list["Index"]:
    """The indices of the points of a cell: one, or those that are averaged."""
    places = {**view.at, view.x: column, view.y: row}
    axes = archive.contents.grid.axes
    return list(product(*([places[name]] if name in places else range(len(axes[name])) for name in axes)))


def cell_table(archive: "Archive", points: Sequence["Index"]) -> str:
    """Points as a table of HTML: coordinates, status, every output, message."""
    grid, shown = archive.grid, list(points)[:MOST]
    records = archive.records(np.array([grid.number(index) for index in shown]))
    own = ("row",) if grid.columns else ()  # of a table
    rows = []
    for i, index in enumerate(shown):
        status = Status(records.status[i])
        values = [_short(records.values[name][i]) if status == Status.DONE else "" for name in archive.outputs]
        message = one_line(records.messages[i].decode(errors="replace"))
        coordinates = (*index[: len(own)], *map(value_text, grid.values(index).values()))
        rows.append((*coordinates, status.words, *values, message))
    more = f" (the first {MOST} of {len(points)})" if len(points) > MOST else ""
    head = [one_line(name) for name in (*own, *grid.values(shown[0]), "status", *archive.outputs, "message")]
    return html_table(f"points{more}", head, rows)


def calls(archive: "Archive", index: "Index") -> str:
    """What computes a point again: on the command line, and in Python, to see where it fails."""
    coordinates = archive.grid.values(index)
    pairs = ",".join(f"{name}={value}" for name, value in coordinates.items())
    return (
        f"cocycle rerun {quote(archive.name)} --point {quote(pairs)}\n"
        f"measure(*arguments(Archive.open({archive.name!r}), {coordinates!r}))"
    )


def point_words(archive: "Archive", index: "Index") -> str:
    """The coordinates of a point, to be read."""
    grid = archive.grid
    return one_line(grid.point_text(grid.number(index)))


def sights(archive: "Archive", index: "Index") -> list[Sight]:
    """What the study of an archive shows of a point: look(point, rng), or look(point, rngs) of one point in a grid with
    blocks, a function beside its measure, called with what `run` calls the measure with.

    Raises ValueError where the measure cannot be imported, see `measure_of`, or has no look beside it.
    """
    measure = measure_of(archive.history, archive.name)
    look: Any = getattr(sys.modules[measure.__module__], "look", None)
    if look is None:
        raise ValueError(f"the study of {archive.name} has no function look beside its measure {measure.__name__}")
    return list(look(*arguments_alone(archive, index)))


def error_html(error: BaseException) -> str:
    return f"<p>{escape(one_line(f'{type(error).__name__}: {error}'))}</p>"


def _short(values: np.ndarray) -> str:
    flat = np.ravel(values)
    return ", ".join(f"{value:.4g}" for value in flat[:FEW]) + (f", … ({len(flat)})" if len(flat) > FEW else "")
