"""The results of an archive as a table in a text file, which every program reads."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from cocycle.progress import tracked
from cocycle.sweeps.archive import Archive
from cocycle.sweeps.coordinates import labels_of
from cocycle.sweeps.records import Status
from cocycle.sweeps.table import Table
from cocycle.sweeps.text import cell

POINTS = 10_000  # that are written together


def write_csv(archive: Archive, path: Path, outputs: Sequence[str] = ()) -> None:
    """Some outputs, or all, as a CSV file: a row for each point, and for each place along the axes of the outputs.

    The columns are the axes of the grid (of a table the row and its coordinates), the axes of the outputs, the outputs
    and `status`, each with its unit in the header, as in "rate (1/s)".  Numbers are written to the last bit, NaN as an
    empty cell; the value of an output without axes stands in every row of its point.

    Raises KeyError for outputs that are not in the archive, ValueError if two have different axes.
    """
    for name in outputs:
        if name not in archive.outputs:
            raise KeyError(f"no output {name!r} in {archive.name}: there are {', '.join(archive.outputs)}")
    chosen = list(outputs) or list(archive.outputs)
    events = _axes_of(archive, chosen)
    units = archive.contents.units
    names = [*archive.grid.axes, *archive.grid.columns, *events, *chosen, "status"]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([cell(name + (f" ({units[name]})" if name in units else "")) for name in names])
        for rows in _rows(archive, chosen, events):
            writer.writerows(rows)


def _axes_of(archive: Archive, chosen: Sequence[str]) -> dict[str, int]:
    """The axes of the outputs that have some, and their lengths.  Raises ValueError if they differ."""
    found = {name: archive.contents.dims[name] for name in chosen if archive.contents.dims[name]}
    if len({tuple(dims) for dims in found.values()}) > 1:
        words = "; ".join(f"{name}: {', '.join(dims)}" for name, dims in found.items())
        raise ValueError(
            f"outputs in one table must have the same axes, or none; got {words}: choose with --result NAME, or export"
            " to .nc, which holds all of them"
        )
    return next(iter(found.values()), {})


def _rows(archive: Archive, chosen: Sequence[str], events: dict[str, int]) -> Iterator[Iterator[tuple]]:
    """The rows of POINTS points at a time."""
    grid = archive.grid
    count = grid.used if isinstance(grid, Table) else len(grid)
    places = int(np.prod(list(events.values()), dtype=int))
    positions = [np.ravel(axis).tolist() for axis in np.indices(tuple(events.values()))]
    status = archive.status.ravel()  # before the values: what was done then is done now
    values = {name: archive[name].reshape(len(grid), -1) for name in chosen}
    labels = [labels_of(axis) for axis in grid.axes.values()]
    for first in tracked(range(0, count, POINTS), "rows", -(-count // POINTS)):
        points = np.arange(first, min(first + POINTS, count))
        where = np.unravel_index(points, grid.shape)
        coordinates = [_cells(np.asarray(axis)[index]) for axis, index in zip(labels, where, strict=True)]
        if isinstance(grid, Table):
            rows = [grid.values((int(i),)) for i in points]
            coordinates += [_cells(labels_of([row[name] for row in rows])) for name in grid.columns]
        columns = [[value for value in column for _ in range(places)] for column in coordinates]
        columns += [axis * len(points) for axis in positions]
        done = status[points] == Status.DONE
        for value in values.values():
            shown = np.where(done[:, None], np.broadcast_to(value[points], (len(points), places)), np.nan)
            columns.append(["" if number != number else number for number in shown.ravel().tolist()])
        columns.append([state for state in status[points].tolist() for _ in range(places)])
        yield zip(*columns, strict=True)


def _cells(labels: np.ndarray) -> list:
    return [cell(value) if isinstance(value, str) else value for value in labels.tolist()]
