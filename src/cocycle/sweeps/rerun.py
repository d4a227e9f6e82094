"""One point of an archive computed again, from the archive alone, and held against what is stored."""

from collections.abc import Mapping
from concurrent.futures import BrokenExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from cocycle.sweeps import provenance
from cocycle.sweeps.archive import Archive
from cocycle.sweeps.grid import Grid, Index
from cocycle.sweeps.jobs import Job, Measure
from cocycle.sweeps.records import Records, Status
from cocycle.sweeps.run import task_of
from cocycle.sweeps.workers import process_pool


@final
@dataclass(frozen=True, eq=False)
class Comparison:
    """A point as it is stored and as it came out again; each Records has this one row."""

    coordinates: dict[str, Any]
    stored: Records
    computed: Records
    sources: int = 1  # different source texts that the archive was computed with

    @property
    def same(self) -> bool:
        """Whether every bit is the same, the message included."""
        return self.stored.checksums[0] == self.computed.checksums[0]

    def __str__(self):
        where = ", ".join(f"{name} = {value}" for name, value in self.coordinates.items())
        states = [Status(rows.status[0]).words for rows in (self.stored, self.computed)]
        lines = [f"point {where}", f"status: stored {states[0]}, now {states[1]}"]
        for name in self.stored.values:
            old, new = (rows.values[name][0] for rows in (self.stored, self.computed))
            same = "the same" if np.array_equal(old, new, equal_nan=True) else f"differ by up to {_largest(old - new)}"
            lines.append(f"{name}: stored {_short(old)}, now {_short(new)}: {same}")
        lines += [f"message now: {m.decode()}" for m in self.computed.messages if m]
        if not self.same and self.sources > 1:
            lines.append(f"the archive was computed with {self.sources} source texts, this is the last of them")
        return "\n".join([*lines, "every bit is the same" if self.same else "NOT the same"])


def rerun(archive: Archive, point: Mapping[str, Any] | Index, measure: Measure | None = None) -> Comparison:
    """Compute one point again, in a worker of its own as `run` does it, and compare.

    `point` gives its coordinates (the nearest value of each axis is taken, within a millionth) or its index.  Without a
    measure it is the source text in the archive that runs, on the packages of today: do this with archives that you
    trust.

    Raises ValueError for coordinates that are not in the grid, for a point that was not computed, and where the
    archive's source text does not give the measure.
    """
    index = place(archive.grid, point) if isinstance(point, Mapping) else tuple(point)
    task = task_of(measure or measure_of(archive), archive)
    number, block = archive.grid.number(index), _block(archive.grid, index)
    stored = archive.records(np.array([number]))
    if stored.status[0] in (Status.TO_DO, Status.LEFT_OUT):
        raise ValueError(f"the point {index} is {Status(stored.status[0]).words}: there is nothing to compare with")
    job = Job(np.array([block]))
    records = task.died(Job(job.blocks, int(np.flatnonzero(task.points(job, block) == number)[0])))
    with suppress(BrokenExecutor), process_pool(1) as pool:
        records = pool.submit(task.excerpt(job), job).result().records
    coordinates = {name: values[i].item() for (name, values), i in zip(archive.grid.axes.items(), index, strict=True)}
    sources = sum(bool(entry.get("source")) for entry in archive.history)
    return Comparison(coordinates, stored, records[records.points == number], sources)


def arguments(archive: Archive, point: Mapping[str, Any] | Index) -> tuple[dict[str, Any], np.random.Generator]:
    """What `run` calls the measure with at a point: measure(*arguments(archive, {"r": 3.5})), to see where it fails.

    In a block they are those of the whole block.  Raises ValueError for a point that is not in the grid.
    """
    index = place(archive.grid, point) if isinstance(point, Mapping) else tuple(point)
    archive.grid.number(index)
    points = archive.grid.points(_block(archive.grid, index))
    generator = task_of(lambda *_: {}, archive).generator(points)
    return {**archive.fixed, **archive.grid.coordinates(points)}, generator


def measure_of(archive: Archive) -> Measure:
    """The measure of the archive's last run, from the source text that the journal kept.

    Raises ValueError if it was never run, or the text does not give it.
    """
    facts = [entry for entry in archive.history if "name" in entry]
    if not facts:
        raise ValueError(f"{archive.path} was never run: it does not know its measure")
    sources = [entry["source"] for entry in facts if entry.get("source")]
    names = ("module", "name", "file", "lacks")
    return provenance.measure_from(
        {**{name: facts[-1].get(name, "") for name in names}, "source": (sources or [""])[-1]}
    )


def place(grid: Grid, point: Mapping[str, Any]) -> Index:
    """The index of the point with these coordinates.

    Raises ValueError for an axis that is missing or unknown, and a value that is not on its axis.
    """
    if set(point) != set(grid.axes):
        raise ValueError(f"point must give {', '.join(grid.axes)}; got {', '.join(map(str, point)) or 'nothing'}")
    return tuple(_place(name, values, point[name]) for name, values in grid.axes.items())


def _place(name: str, values: np.ndarray, value: Any) -> int:
    if values.dtype.kind == "U":
        found = np.flatnonzero(values == str(value))
    else:
        found = np.flatnonzero(values == _number_of(name, value))
        if len(found) == 0 and values.dtype.kind == "f":
            nearest = int(np.argmin(abs(values - float(value))))
            found = [nearest] if np.isclose(values[nearest], float(value), rtol=1e-6, atol=0) else []
    if len(found) == 0:
        raise ValueError(f"{name} must be one of {_short(values)}; got {value}")
    return int(found[0])


def _number_of(name: str, value: Any) -> int | float:
    for kind in (int, float):
        with suppress(ValueError, TypeError):
            number = kind(value)
            if not isinstance(value, float) or number == value:
                return number
    raise ValueError(f"{name} must be a number; got {value!r}")


def _block(grid: Grid, index: Index) -> int:
    """The number of the block with that point."""
    wanted = np.zeros(grid.shape, dtype=bool)
    wanted[index] = True
    return int(grid.blocks(wanted)[0])


def _short(values: np.ndarray) -> str:
    return np.array2string(np.asarray(values), threshold=6, edgeitems=2, separator=", ")


def _largest(differences: np.ndarray) -> str:
    known = abs(differences[~np.isnan(differences)])
    return f"{known.max():.3g}" if known.size else "NaN"
