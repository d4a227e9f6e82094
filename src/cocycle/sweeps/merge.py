"""Archives made of archives: one of several parts, or one with more points or outputs than another."""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cocycle.sweeps import provenance
from cocycle.sweeps.archive import Archive
from cocycle.sweeps.contents import Contents, described
from cocycle.sweeps.coordinates import keys, positions
from cocycle.sweeps.grid import Grid
from cocycle.sweeps.new_file import making
from cocycle.sweeps.records import TRIED, Records, Status, in_chunks
from cocycle.sweeps.table import Table
from cocycle.sweeps.writer import writing_new

LOG = logging.getLogger("cocycle")


def merge(parts: Sequence[Archive], path: str | os.PathLike) -> Archive:
    """A new archive at `path` over the union of the axes, with all results of the parts; the rest is to do.

    Coordinates that are the same to 12 significant digits are one; the last digits are those of the first part that
    has it, with a warning if they differ.  Raises ValueError for parts that do not belong together (other settings,
    another seed, tables), that are damaged, or that have different values for the same point; FileExistsError if there
    is something at `path`.
    """
    given: Any = parts
    archives: list[Any] = [given] if isinstance(given, Archive | str | os.PathLike) else list(given)
    if not archives:
        raise ValueError("merge takes at least one archive; got none")
    if other := [part for part in archives if not isinstance(part, Archive)]:
        raise TypeError(f"parts must be archives, [Archive.open(path), ...]; got {other[0]!r}")
    contents = _union(archives)
    return assemble(path, contents, parts=archives, status=_asked(archives, contents.grid))


def extended(
    archive: Archive,
    path: str | os.PathLike | None,
    axes: Mapping[str, Any],
    outputs: Mapping[str, Any] | None = None,
    defaults: Mapping[str, float] | None = None,
) -> Archive:
    """See `Archive.extended`."""
    grid = archive.contents.grid.over(_longer(archive.contents.grid, axes))
    more, fill = dict(outputs or {}), dict(defaults or {})
    if set(more) != set(fill):
        raise ValueError(
            "defaults must have, for each new output, the value of the points that are done, such as nan; got outputs "
            f"{', '.join(map(str, more)) or 'none'} and defaults {', '.join(map(str, fill)) or 'none'}"
        )
    old = archive.contents
    dims = described(grid, more, old.seed).dims if more else {}
    if repeated := set(dims) & set(old.dims):
        raise ValueError(f"outputs must be new ones; got {', '.join(sorted(repeated))}")
    contents = replace(old, grid=grid, dims={**old.dims, **dims})
    target = Path(path) if path is not None else archive.path.with_name(f"{archive.path.stem}-extended.h5")
    return assemble(target, contents, parts=[archive], status=_asked([archive], grid), defaults=fill)


def _longer(grid: Grid, axes: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """New values of axes, which hold the old ones to their last digits.  Raises ValueError if they do not."""
    unknown = [name for name in axes if name not in grid.axes]
    if unknown and not isinstance(grid, Table):
        raise ValueError(f"axes must be among {', '.join(grid.axes)}; got {unknown[0]}")
    found = {}
    for name, given in axes.items():
        values = Grid({name: given}).axes[name]
        if isinstance(grid, Table):
            break  # it says what to do instead
        missing = set(keys(grid.axes[name])) - set(keys(values))
        if missing:
            raise ValueError(
                f"{name} must keep its {len(grid.axes[name])} values, {len(missing)} of them are missing, such as"
                f" {min(missing)}: what was computed there would be lost"
            )
        found[name] = _with_digits_of(values, grid.axes[name])
    return found


def _with_digits_of(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The values of an axis, those that it shares with another one to the last digit."""
    made = np.array(values, dtype=values.dtype if values.dtype.kind in "OU" else np.result_type(values, others))
    made[positions(values, others)] = others
    return made


def assemble(
    path: str | os.PathLike,
    contents: Contents,
    *,
    parts: Sequence[Archive],
    status: np.ndarray,
    defaults: Mapping[str, float] | None = None,
) -> Archive:
    """A new archive with the records of others; it has its name `path` only when everything is in it.

    `status` (*grid) is that of points which the parts do not have; `defaults` are the values of outputs that the parts
    lack, at points that are done.  Raises ValueError for parts that are damaged, since a copy would have right
    checksums, or have different values for the same point; FileExistsError if there is something at `path`.
    """
    path = Path(path).resolve()
    for part in parts:
        if damage := part.damage():
            raise ValueError(f"{part.path} is damaged: {damage[0]}; nothing was made of it")
    with making(path, contents, status) as made, writing_new(Archive(made, contents)) as writer:
        for part in parts:
            for records in _new_records(part, Archive(made, contents)):
                more = _filled(records, contents, defaults or {})
                writer.commit(records.with_values(more) if more else records)
        writer.note(_note(parts))
        for part in parts:
            writer.explain(part.tracebacks())
    return Archive.open(path)


def _new_records(part: Archive, merged: Archive) -> Iterator[Records]:
    """Those of a part that are not in the merged archive yet.  Raises ValueError for other values of a point."""
    for records in _records_on(merged.grid, part):
        before = merged.records(records.points)
        both = (before.status == Status.DONE) & (records.status == Status.DONE)
        different = records.points[both & (before.checksums != records.checksums)]
        if len(different):
            index = merged.grid.index(different[0])
            raise ValueError(f"{part.path} and another part have different values at the point {index}")
        yield records[before.status != Status.DONE]


def _filled(records: Records, contents: Contents, defaults: Mapping[str, float]) -> dict[str, np.ndarray]:
    """The defaults (n, *event) of outputs, where the records are done, else NaN."""
    filled = {name: np.full((len(records), *contents.outputs[name]), float(value)) for name, value in defaults.items()}
    for values in filled.values():
        values[records.status != Status.DONE] = np.nan
    return filled


def _records_on(grid: Grid, source: Archive) -> Iterator[Records]:
    """The records of an archive's points that were tried, as points of a grid that has them too, in portions.

    Raises ValueError if a point is damaged: a copy would have a right checksum.
    """
    axes = zip(source.contents.grid.axes.values(), grid.axes.values(), strict=True)
    where = [positions(theirs, ours) for ours, theirs in axes]  # once for all portions: an axis may be long
    tried = np.flatnonzero(np.isin(source.status, TRIED))
    return (_copied(source, points, where, grid) for points in in_chunks(tried, source.contents.row_bytes()))


def _copied(source: Archive, points: np.ndarray, where: list[np.ndarray], grid: Grid) -> Records:
    """Some points of an archive as those of a grid, on whose axes its values are `where`."""
    rows = source.records(points)
    if not rows.sound.all():
        index = source.contents.grid.index(points[~rows.sound][0])
        raise ValueError(
            f"{source.path} is damaged: the point {index} is not as it was written; nothing was made of it"
        )
    index = np.unravel_index(points, source.contents.grid.shape)
    moved = np.ravel_multi_index([own[i] for own, i in zip(where, index, strict=True)], grid.shape)
    return rows.moved(moved)[np.argsort(moved)]


def _asked(parts: list[Archive], grid: Grid) -> np.ndarray:
    """The status (*grid) before records are copied: left out is what all the parts that have it leave out."""
    left, asked = np.zeros(grid.shape, dtype=bool), np.zeros(grid.shape, dtype=bool)
    for part in parts:
        where = np.ix_(*(positions(grid.axes[name], values) for name, values in part.grid.axes.items()))
        states = part.status == Status.LEFT_OUT
        left[where] |= states
        asked[where] |= ~states
    return np.where(left & ~asked, Status.LEFT_OUT, Status.TO_DO).astype("u1")


def _union(parts: list[Archive]) -> Contents:
    first = parts[0].contents
    for part in parts:
        if isinstance(part.contents.grid, Table):
            raise ValueError(f"{part.path} is a table: its rows are points of no grid that could be merged")
    for part in parts[1:]:
        alike = replace(part.contents, grid=first.grid)
        difference = first.difference(alike)
        ours, theirs = first.grid, part.grid
        if (list(theirs.axes), theirs.block, theirs.common) != (list(ours.axes), ours.block, ours.common):
            difference = difference or ours.difference(theirs)
        if difference:
            raise ValueError(f"{parts[0].path} and {part.path} are of different sweeps: {difference}")
    axes = {name: _joined(name, [part.grid for part in parts]) for name in first.grid.axes}
    parent = next((part.contents.parent for part in parts if part.contents.parent), {})
    return replace(first, grid=first.grid.over(axes), parent=parent)


def _joined(name: str, grids: list[Grid]) -> np.ndarray:
    """The values of an axis in any of the parts: in the order of the whole that they are parts of, if they are; sorted
    if all of them are; else in the order of the parts."""
    axes = [grid.axes[name] for grid in grids]
    held = [value for values in axes for value in values.tolist() if value is not None]
    if len({type(value) if isinstance(value, str | bool) else float for value in held}) > 1:
        raise ValueError(f"the parts are of different sweeps: {name} holds values of different kinds")
    by_key: dict[str, Any] = {}
    different = 0
    for values in axes:
        for own, value in zip(keys(values), values.tolist(), strict=True):
            different += by_key.setdefault(own, value) != value
    if different:
        LOG.warning(
            "the last digits of %d values of %s differ between the parts: those of the first are kept", different, name
        )
    dtype = object if any(values.dtype == object for values in axes) else np.result_type(*axes)
    whole = grids[0].whole.get(name)
    if whole is not None and all(np.array_equal(whole, grid.whole.get(name, whole)) for grid in grids):
        order = [own for own in keys(whole) if own in by_key]
        if len(order) < len(whole):
            LOG.warning("%d of the %d values of %s are in none of the parts", len(whole) - len(order), len(whole), name)
        by_key = {own: by_key[own] for own in (*order, *by_key)}
        return np.array(list(by_key.values()), dtype=dtype)
    joined = np.array(list(by_key.values()), dtype=dtype)
    sorted_ = joined.dtype.kind in "iuf" and all((np.diff(values) > 0).all() for values in axes)
    return np.sort(joined) if sorted_ else joined


def _note(parts: Sequence[Archive]) -> dict:
    """What the journal of an archive made of others says: what they are, and the measure that they ran."""
    entries = [entry for part in parts for entry in part.history]
    measures = [entry for entry in entries if "digests" in entry]
    kept = ("module", "name", "named", "file", "source", "digests")
    facts = {name: measures[-1].get(name) for name in kept} if measures else {}
    runs = [{k: v for k, v in entry.items() if k != "source"} for entry in entries]
    return {
        "event": "assembled",
        "time": provenance.now(),
        **provenance.of_process(),
        "parts": [str(part.path) for part in parts],
        "runs": runs[-20:],
        **facts,
    }
