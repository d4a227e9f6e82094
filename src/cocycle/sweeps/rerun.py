"""One point of an archive computed again, and compared with the stored result."""

import logging
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from cocycle.results import html_table
from cocycle.sweeps import provenance
from cocycle.sweeps.archive import Archive
from cocycle.sweeps.computing import Call
from cocycle.sweeps.engines import death_message
from cocycle.sweeps.grid import Grid, Index
from cocycle.sweeps.imports import measure_of
from cocycle.sweeps.jobs import Job, Measure
from cocycle.sweeps.pool import Pool, WorkerDied
from cocycle.sweeps.records import Records, Status
from cocycle.sweeps.run import task_of
from cocycle.sweeps.text import printable
from cocycle.sweeps.workers import limit_to_one_thread

LOG = logging.getLogger("cocycle")


@final
@dataclass(frozen=True, eq=False)
class Comparison:
    """A point as it is stored and as it came out again; each Records has this one row.

    `changed` names the modules whose text is not the one that the last run noted.
    """

    coordinates: dict[str, Any]
    stored: Records
    computed: Records
    changed: str = ""

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
        lines += [f"message now: {m.decode(errors='replace')}" for m in self.computed.messages if m]
        if self.changed:
            lines.append(f"the text of {self.changed} is not that of the last run")
        return "\n".join([*lines, "every bit is the same" if self.same else "NOT the same"])

    def _repr_html_(self):
        rows = []
        for name in self.stored.values:
            old, new = (rows.values[name][0] for rows in (self.stored, self.computed))
            same = np.array_equal(old, new, equal_nan=True)
            rows.append((name, _short(old), _short(new), "" if same else _largest(old - new)))
        states = (Status(records.status[0]).words for records in (self.stored, self.computed))
        where = ", ".join(f"{name} = {value}" for name, value in self.coordinates.items())
        verdict = "every bit is the same" if self.same else "not the same"
        changed = f"; the text of {self.changed} is not that of the last run" if self.changed else ""
        head = ("", "stored", "now", "largest difference")
        return html_table(printable(f"{where}: {verdict}{changed}"), head, [("status", *states, ""), *rows])


def rerun(archive: Archive, point: Mapping[str, Any] | Index, measure: Measure | None = None) -> Comparison:
    """Compute one point again, in a worker of its own as `run` does it, and compare.

    `point` gives its coordinates (of a number the nearest value of its axis is taken, within a millionth) or its index.
    Without a measure, that of the last run is imported from where it was, if its text and those of the local modules
    that it imports are still the same.

    Raises ValueError for coordinates that are not in the grid, for a point that was not computed, and where the measure
    cannot be imported so: the message says what is needed.
    """
    index = archive.index_at(point)
    measure = measure or measure_of(archive.history, archive.name)
    task, grid = task_of(archive), archive.contents.grid
    call = Call.of(measure, task)
    number, job = grid.number(index), _job(grid, index)
    stored = archive.records(np.array([number]))
    if stored.status[0] in (Status.TO_DO, Status.LEFT_OUT):
        raise ValueError(f"the point {index} is {Status(stored.status[0]).words}: there is nothing to compare with")
    with Pool(1, call.keep) as pool:
        try:
            records = pool.submit(call.without_data(), job).result().records
        except WorkerDied as error:
            records = task.without_result(np.array([number]), Status.DIED, death_message(error))
    before = provenance.noted_digests(archive.history)
    changed = provenance.changes(before, provenance.of_measure(measure)["digests"]) if before else ""
    return Comparison(archive.grid.values(index), stored, records[records.points == number], changed)


def arguments(
    archive: Archive, point: Mapping[str, Any] | Index
) -> tuple[dict[str, Any], np.random.Generator | Sequence[np.random.Generator]]:
    """What `run` calls the measure with at a point: measure(*arguments(archive, {"r": 3.5})), to see where it fails.

    In a block they are those of the whole block.  So that the measure gives the archived bits, linear algebra has one
    thread in this process from now on, as it has in a worker, and a message says so once.  Raises ValueError for a
    point that is not in the grid.
    """
    index = archive.index_at(point)
    job = _job(archive.contents.grid, index)
    return _arguments(archive, index, task_of(archive).points(job, int(job.blocks[0])))


def arguments_alone(archive: Archive, point: Mapping[str, Any] | Index):
    """The same, in a block of this point alone: what `run` calls the measure with after the block has failed."""
    index = archive.index_at(point)
    return _arguments(archive, index, np.array([archive.contents.grid.number(index)]))


def _arguments(archive: Archive, index: Index, points: np.ndarray):
    state = Status(archive.status[index])
    if state == Status.LEFT_OUT:
        raise ValueError(f"the point {index} is {state.words}: the measure is not called there")
    task = task_of(archive)
    if limit_to_one_thread():
        LOG.warning("linear algebra has one thread in this process from now on, as in the workers of a sweep")
    return {**deepcopy(archive.fixed), **task.grid.coordinates(points)}, task.generators(points)


def _job(grid: Grid, index: Index) -> Job:
    """The block with that point."""
    wanted = np.zeros(grid.shape, dtype=bool)
    wanted[index] = True
    return Job(grid.blocks(wanted))


def _short(values: np.ndarray) -> str:
    return np.array2string(np.asarray(values), threshold=6, edgeitems=2, separator=", ")


def _largest(differences: np.ndarray) -> str:
    sizes = abs(differences[~np.isnan(differences)])
    return f"{sizes.max():.3g}" if sizes.size else "NaN"
