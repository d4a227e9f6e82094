"""The one process that writes an archive, and how: values first, status last.

A commit writes values, waits until they are on the disk, then writes the status: a point is done if and only if its
status says so, whenever the writer was killed.  Readers use HDF5 as ever, also meanwhile; the writer never touches the
structure of the file (see `layout`), only bytes at fixed offsets.  This needs POSIX: file locks, and `pwrite`.
"""

import errno
import logging
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np

from cocycle.files import NEW, remove_leftovers
from cocycle.sweeps import damage, journal, layout
from cocycle.sweeps.contents import Contents
from cocycle.sweeps.locks import locked, opened_to_write, sync
from cocycle.sweeps.records import MESSAGE_BYTES, Columns, Records, Status, waiting_checksums
from cocycle.sweeps.seal import SEAL_BYTES
from cocycle.sweeps.table import Table

if TYPE_CHECKING:
    from cocycle.sweeps.archive import Archive

LOG = logging.getLogger("cocycle")
EXPLAINED = 10  # places of failures in a run whose tracebacks are kept


_FULL: set[Path] = set()  # archives whose journals this process has found full


class Replaced(OSError):
    """The archive has another file under its name than the one that is written."""


@final
class Writer:
    """Writes into an archive whose lock is held: see `Archive.writer`.

    `start` says where each dataset begins.
    """

    def __init__(self, path: Path, descriptor: int, start: dict[str, int], contents: Contents):
        self._path, self._descriptor, self._start = path, descriptor, start
        self._columns, self._mark = contents.grid.columns, contents.mark
        self._seal = self._end_of_file()
        self._explained: set[str] = set()

    def commit(self, records: Records) -> None:
        """Put records on the disk, values first, status last.

        Raises OSError if the disk does not take them, Replaced if the archive has another file under its name by now.
        """
        self._require_content()
        self._put_down(records)
        self.require_place()
        self.explain(records.tracebacks)

    def require_place(self) -> None:
        """Raise Replaced unless the file that is written is the one that has the name of the archive.

        What was written is kept under another name if the file has none any more.
        """
        self._require_content()
        ours = os.fstat(self._descriptor)
        try:
            now = os.stat(self._path)
        except FileNotFoundError:
            now = None
        if now is not None and os.path.samestat(ours, now):
            return
        what = "was removed" if now is None else "is another file now, a copy perhaps"
        kept = "the file that it was, under its new name" if ours.st_nlink else self._rescued()
        raise Replaced(f"{self._path} {what}: the sweep cannot go on in it.  All that was computed is in {kept}")

    def _require_content(self) -> None:
        """Raise Replaced if another archive was written over this one: `cp` keeps the file and changes its content."""
        if self._end_of_file() != self._seal:
            raise Replaced(f"{self._path} was overwritten: what was computed before is gone, and nothing is added")

    def _end_of_file(self) -> bytes:
        """The seal, which no run changes."""
        size = os.fstat(self._descriptor).st_size
        return os.pread(self._descriptor, SEAL_BYTES, max(0, size - SEAL_BYTES))

    def _rescued(self) -> Path:
        """A copy of the file that has no name any more."""
        path = self._path.with_name(f"{self._path.stem}.rescued-{secrets.token_hex(4)}{self._path.suffix}")
        with open(os.open(path, NEW, 0o666), "wb") as copy, open(os.dup(self._descriptor), "rb") as file:
            file.seek(0)
            shutil.copyfileobj(file, copy)
            copy.flush()
            os.fsync(copy.fileno())
        return path

    def _put_down(self, records: Records) -> None:
        runs = [records[rows] for rows in _runs(records.points)]
        for rows in runs:
            first = int(rows.points[0])
            for name, values in rows.values.items():
                self._write(name, first, np.ascontiguousarray(values, "<f8").reshape(len(rows), -1))
            self._write("checksum", first, rows.checksums.astype("<u4") ^ self._mark)
            self._write("message", first, rows.messages.astype(f"S{MESSAGE_BYTES}"))
        sync(self._descriptor)
        for rows in runs:
            self._write("status", int(rows.points[0]), rows.status.astype("u1"))

    def count(self, points: np.ndarray, status: np.ndarray) -> None:
        """Give points (n,) a status (n,) that their records have, but that a writer was killed before it wrote."""
        for rows in _runs(points):
            self._write("status", int(points[rows][0]), status[rows].astype("u1"))
        if len(points):
            sync(self._descriptor)

    def append(self, points: np.ndarray, columns: Columns) -> None:
        """Give rows of a table, the next ones, their coordinates, and make them to do."""
        for name, values in columns.items():
            self._write(name, int(points[0]), np.ascontiguousarray(values, "<f8"))
        self._write("checksum", int(points[0]), waiting_checksums(points, Status.TO_DO, columns) ^ self._mark)
        sync(self._descriptor)
        self.count(points, np.full(len(points), Status.TO_DO))

    def explain(self, tracebacks: Mapping[str, str]) -> None:
        """Keep the last frames of failures, one traceback for each place; of at most EXPLAINED places."""
        for place, text in tracebacks.items():
            if place not in self._explained and len(self._explained) < EXPLAINED:
                self._explained.add(place)
                line = journal.line_of({"event": journal.FAILURE, "place": place, "traceback": text})
                self._append(line, layout.JOURNAL_BYTES // 2)  # the other half is for the runs

    def forget(self, points: np.ndarray) -> None:
        """Make points to do again, before anything of them changes."""
        if len(points) == 0:
            return
        self.count(points, np.full(len(points), Status.TO_DO))
        columns = {name: self._numbers(name, points) for name in self._columns}
        sums = np.zeros(len(points), "<u4")
        if columns:
            sums = waiting_checksums(points, Status.TO_DO, columns) ^ self._mark
        for rows in _runs(points):
            self._write("checksum", int(points[rows][0]), sums[rows])
        sync(self._descriptor)

    def note(self, facts: journal.Facts) -> None:
        """Append facts to the journal; without the source text if that has no room; if it is full, count them."""
        running = facts.get("event") == journal.START
        if running:
            facts = journal.shorter(facts, journal.read(self._journal()).entries)
        shorter = {name: None if name == "source" else value for name, value in facts.items()}  # not that before
        lines = (journal.line_of(facts), journal.line_of(shorter))
        if not any(self._append(line, layout.JOURNAL_BYTES, running=running) for line in lines):
            self._put(journal.with_one_lost(self._journal(), running=running), layout.JOURNAL, 0)
            sync(self._descriptor)
            if self._path not in _FULL:  # once: a search may run thousands of times
                _FULL.add(self._path)
                LOG.warning("the journal of %s is full: this run, and those to come, are not in it", self._path)

    def _append(self, line: bytes, limit: int, *, running: bool | None = None) -> bool:
        """Append a line to the journal, unless that gets longer than `limit`; whether it was appended."""
        found = journal.appended(self._journal(), line, limit, running=running)
        if found is None:
            return False
        offset, header = found
        self._put(line, layout.JOURNAL, offset)
        sync(self._descriptor)
        self._put(header, layout.JOURNAL, 0)
        sync(self._descriptor)
        return True

    def _numbers(self, name: str, points: np.ndarray) -> np.ndarray:
        """What a dataset of one number for each point holds."""
        start = self._start[name]
        return np.frombuffer(b"".join(os.pread(self._descriptor, 8, start + 8 * int(i)) for i in points), "<f8")

    def _journal(self) -> bytes:
        return os.pread(self._descriptor, layout.JOURNAL_BYTES, self._start[layout.JOURNAL])

    def _write(self, name: str, first: int, rows: np.ndarray) -> None:
        """The rows of a dataset from the point `first` on."""
        self._put(rows.tobytes(), name, first * (rows.nbytes // len(rows)))

    def _put(self, data: bytes, name: str, offset: int) -> None:
        written, view = 0, memoryview(data)
        while written < len(data):  # Linux takes two gigabytes at a time
            try:
                taken = os.pwrite(self._descriptor, view[written:], self._start[name] + offset + written)
            except OSError as error:
                raise OSError(
                    error.errno, f"{self._path} cannot take more, what it has is safe: {error.strerror}"
                ) from error
            written += taken
            if taken == 0:
                raise OSError(errno.ENOSPC, f"{self._path} took {written} of {len(data)} bytes: is the disk full?")


@contextmanager
def writing(archive: "Archive") -> Iterator[Writer]:
    """The only writer of this archive; records that a killed process had written but not counted are counted first.

    Raises BlockingIOError while another process writes it, under whatever name; PermissionError for a file that
    may not be written and on Windows; ValueError for one that was repacked, or replaced by another sweep's.
    """
    with locked(archive.path):
        remove_leftovers(archive.path)
        with writing_new(archive) as writer:
            yield writer


@contextmanager
def writing_new(archive: "Archive") -> Iterator[Writer]:
    """The writer of an archive that no other process can know yet: see `merge.assembled`."""
    with opened_to_write(archive.path) as descriptor:
        now = layout.read(archive.path)
        if now.digest() != archive.contents.digest():
            difference = now.difference(archive.contents) or "the same with other last digits"
            raise ValueError(f"{archive.path} is no longer the archive that was opened, but that of: {difference}")
        with layout.open_to_read(archive.path) as file:
            start = layout.offsets(file, archive.contents)
        writer = Writer(archive.path, descriptor, start, archive.contents)
        writer.require_place()
        left = damage.uncounted(archive)
        is_table = isinstance(archive.contents.grid, Table)
        if np.isin(left.status, (Status.TO_DO, Status.LEFT_OUT)).any() and not is_table:
            LOG.warning("the status of points of %s was not that of their checksums, and is set right", archive.path)
        writer.count(left.points, left.status)
        writer.forget(left.torn)
        yield writer


def _runs(points: np.ndarray) -> list[slice]:
    """Where neighbours follow each other without a gap, as slices of increasing points."""
    cuts = [0, *(np.flatnonzero(np.diff(points) != 1) + 1).tolist(), len(points)]
    return [slice(a, b) for a, b in pairwise(cuts) if a < b]
