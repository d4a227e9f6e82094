"""One archive of several: parts of a grid that were computed on machines that do not know of each other."""

import logging
import os
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from cocycle.sweeps import layout, provenance
from cocycle.sweeps.archive import ROWS, Archive
from cocycle.sweeps.contents import Contents
from cocycle.sweeps.grid import Grid
from cocycle.sweeps.records import TRIED, Records, Status

LOG = logging.getLogger("cocycle")


def merge(parts: Sequence[Archive], path: str | os.PathLike) -> Archive:
    """A new archive at `path` over the union of the axes, with all that the parts know; the rest is to do.

    Raises ValueError for parts that do not belong together (other settings, another seed, other random streams for the
    same coordinates), that are damaged, or that have different values for the same point; FileExistsError if there is
    something at `path`.
    """
    parts = list(parts)
    if not parts:
        raise ValueError("merge takes at least one archive; got none")
    contents = _union(parts)
    for part in parts:
        damage = part.damage()
        if damage:
            raise ValueError(f"{part.path} is damaged: {damage[0]}")
    with assembled(path, contents, _asked(parts, contents.grid)) as (merged, writer):
        for part in parts:
            _copy(part, merged, writer)
        writer.note(origin(parts))
        for part in parts:
            writer.explain(part.tracebacks())
    return Archive.open(path)


@contextmanager
def assembled(path: str | os.PathLike, contents: Contents, status: np.ndarray | None = None):
    """A new archive and its writer; it has its name `path` only when everything is in it.

    Raises FileExistsError if there is something at `path`.
    """
    path = Path(path)
    if path.exists():
        raise FileExistsError(f"{path} exists: remove it, or choose another name")
    aside = path.with_name(f".{path.name}.{os.getpid()}.aside")
    try:
        archive = Archive.made(aside, contents, status)
        with archive.writer() as writer:
            yield archive, writer
        layout.publish(aside, path)
    finally:
        aside.unlink(missing_ok=True)
        aside.with_name(aside.name + ".lock").unlink(missing_ok=True)


def copied(source: Archive, points: np.ndarray, grid: Grid) -> Records:
    """Records of points of one archive as points of a grid that has them too, at other places."""
    rows = source.records(points)
    index = np.unravel_index(points, source.grid.shape)
    axes = zip(source.grid.axes.values(), grid.axes.values(), index, strict=True)
    places = [_where(theirs, ours[i]) for ours, theirs, i in axes]
    moved = np.ravel_multi_index(places, grid.shape)
    order = np.argsort(moved)
    return rows.moved(moved)[order]


def _asked(parts: list[Archive], grid: Grid) -> np.ndarray:
    """The status (*grid) before anything is known: left out is what all the parts that have it leave out."""
    left, asked = np.zeros(grid.shape, dtype=bool), np.zeros(grid.shape, dtype=bool)
    for part in parts:
        places = np.ix_(*(_where(grid.axes[name], values) for name, values in part.grid.axes.items()))
        states = part.status == Status.LEFT_OUT
        left[places] |= states
        asked[places] |= ~states
    return np.where(left & ~asked, Status.LEFT_OUT, Status.TO_DO).astype("u1")


def _copy(part: Archive, merged: Archive, writer) -> None:
    known = np.flatnonzero(np.isin(part.status, TRIED))
    for i in range(0, len(known), ROWS):
        rows = copied(part, known[i : i + ROWS], merged.grid)
        before = merged.records(rows.points)
        both = (before.status == Status.DONE) & (rows.status == Status.DONE)
        different = both & (before.checksums != rows.checksums)
        if different.any():
            index = merged.grid.index(rows.points[different][0])
            raise ValueError(f"{part.path} and another part have different values at the point {index}")
        new = rows[before.status != Status.DONE]
        writer.forget(new.points)
        writer.commit(new)


def _union(parts: list[Archive]) -> Contents:
    first = parts[0].contents
    for part in parts[1:]:
        alike = Contents(first.grid, **{k: v for k, v in vars(part.contents).items() if k != "grid"})
        difference = first.difference(alike)
        if list(part.grid.axes) != list(first.grid.axes) or part.grid.block != first.grid.block:
            difference = difference or first.grid.difference(part.grid)
        if difference:
            raise ValueError(f"{parts[0].path} and {part.path} are of different sweeps: {difference}")
    axes, streams = {}, {}
    for name in first.grid.axes:
        axes[name], streams[name] = _joined(name, [part.grid for part in parts])
    grid = Grid(axes, block=first.grid.block, streams=streams)
    return Contents(grid, **{k: v for k, v in vars(first).items() if k != "grid"})


def _joined(name: str, grids: list[Grid]) -> tuple[np.ndarray, np.ndarray]:
    """The values of an axis in any of the grids, and their streams, in the order of the parts' own."""
    values = np.concatenate([grid.axes[name] for grid in grids])
    streams = np.concatenate([grid.streams[name] for grid in grids])
    values, first = np.unique(values, return_index=True)
    for grid in grids:
        if not np.array_equal(streams[first][_where(values, grid.axes[name])], grid.streams[name]):
            raise ValueError(
                f"the parts draw {name} from different random streams: they must be parts of one grid, as "
                "Grid.part makes them, or have the same axis"
            )
    streams = streams[first]
    missing = np.setdiff1d(np.arange(streams.max() + 1), streams)
    if len(missing):
        LOG.warning("of %s, %d values between those of the parts are missing: is a part?", name, len(missing))
    if len(np.unique(streams)) < len(streams):
        raise ValueError(
            f"the parts draw different values of {name} from the same random stream: they must be parts of one grid, "
            "as Grid.part makes them"
        )
    refined = any((np.diff(grid.streams[name]) < 0).any() for grid in grids)  # the order of parts is that of streams
    order = np.arange(len(values)) if refined else np.argsort(streams)
    return values[order], streams[order]


def _where(values: np.ndarray, some: np.ndarray) -> np.ndarray:
    """The places of some of the values."""
    order = np.argsort(values)
    return order[np.searchsorted(values, some, sorter=order)]


def origin(parts: list[Archive]) -> dict:
    """What the journal of an archive made of others says: what they are, and the measure that they ran."""
    entries = [entry for part in parts for entry in part.history]
    measures = [entry for entry in entries if entry.get("source")]
    facts = {name: measures[-1][name] for name in ("module", "name", "file", "source")} if measures else {}
    runs = [{k: v for k, v in entry.items() if k != "source"} for entry in entries]
    return {
        "event": "assembled",
        "time": provenance.now(),
        **provenance.of_process(),
        "parts": [str(part.path) for part in parts],
        "runs": runs[-20:],
        **facts,
    }
