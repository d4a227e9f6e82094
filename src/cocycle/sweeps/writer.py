"""The one process that writes an archive, and how: values first, status last.

A commit writes values, waits until they are on the disk, then writes the status: a point is done if and only if its
status says so, whenever the writer was killed.  Readers use HDF5 as ever, also meanwhile; the writer never touches the
structure of the file (see `layout`), only bytes at known places.  This needs POSIX: file locks, and writes at a place.
"""

import errno
import logging
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from cocycle.sweeps import layout, provenance
from cocycle.sweeps.records import MESSAGE_BYTES, Records, Status

if TYPE_CHECKING:
    import fcntl
else:
    try:
        import fcntl
    except ImportError:  # Windows
        fcntl = None

LOG = logging.getLogger("cocycle")
EXPLAINED = 10  # places of failures in a run whose tracebacks are kept
sync = getattr(os, "fdatasync", os.fsync)  # macOS has only the latter


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock beside the archive.

    Raises BlockingIOError while another process has it, PermissionError where there are no such locks.
    """
    _require_posix(path)
    beside = path.with_name(path.name + ".lock")
    with _in_words(path):
        lock = open(beside, "a+")  # noqa: SIM115 -- closed below; what happens meanwhile has words of its own
    with lock, _not_in_children(lock.fileno()):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "another process"
            raise BlockingIOError(f"{path} is being written by {holder}: wait for it or stop it") from None
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS):
                raise
            LOG.warning("the file system of %s has no locks: make sure that nobody else writes it", path)
        lock.truncate(0)
        lock.write(f"another process, {os.getpid()} on {platform.node()}\n")
        lock.flush()
        yield


def _require_posix(path: Path) -> None:
    if fcntl is None or not hasattr(os, "pwrite"):
        raise PermissionError(
            f"a sweep can be written on Linux and macOS only; got {path} on {platform.system()}.  All else works here,"
            " as do reading, plotting and exporting an archive; to write one, use WSL or another machine"
        )


def is_being_written(path: Path) -> bool:
    """Whether a process holds the lock beside the archive, as far as the file system says."""
    if fcntl is None:
        return False
    try:
        with open(path.with_name(path.name + ".lock")) as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # never written, or a file system without locks
        return False
    return False


HELD: set[int] = set()


def _let_go() -> None:
    for descriptor in HELD:
        os.close(descriptor)
    HELD.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


@contextmanager
def _not_in_children(descriptor: int) -> Iterator[None]:
    """A process that is forked meanwhile, such as a worker, must not keep a lock when its parent is gone."""
    HELD.add(descriptor)
    try:
        yield
    finally:
        HELD.discard(descriptor)


@contextmanager
def opened_to_write(path: Path) -> Iterator[int]:
    """A descriptor, whose bytes are on the disk at the end."""
    with _in_words(path):
        descriptor = os.open(path, os.O_RDWR)
    try:
        yield descriptor
        sync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise PermissionError(f"{path} cannot be written: {error.strerror} ({error.filename})") from None


@final
class Writer:
    """Writes into an archive whose lock is held: see `Archive.writer`.  `start` says where each dataset begins."""

    def __init__(self, path: Path, descriptor: int, start: dict[str, int]):
        self._path, self._descriptor, self._start = path, descriptor, start
        self._explained: set[str] = set()

    def commit(self, records: Records) -> None:
        """Put records on the disk, values first, status last.  Raises OSError if the disk does not take them."""
        runs = [records[rows] for rows in _runs(records.points)]
        for rows in runs:
            first = int(rows.points[0])
            for name, values in rows.values.items():
                self._write(name, first, np.ascontiguousarray(values, "<f8").reshape(len(rows), -1))
            self._write("checksum", first, rows.checksums.astype("<u4"))
            self._write("message", first, rows.messages.astype(f"S{MESSAGE_BYTES}"))
        sync(self._descriptor)
        for rows in runs:
            self._write("status", int(rows.points[0]), rows.status.astype("u1"))
        self.explain(records.tracebacks)

    def explain(self, tracebacks: Mapping[str, str]) -> None:
        """Keep the last frames of failures, one traceback for each place; of at most EXPLAINED places."""
        for place, text in tracebacks.items():
            if place not in self._explained and len(self._explained) < EXPLAINED:
                self._explained.add(place)
                line = provenance.line_of({"event": layout.FAILURE, "place": place, "traceback": text})
                self._append(line, layout.JOURNAL_BYTES // 2)  # the other half is for the runs

    def forget(self, points: np.ndarray) -> None:
        """Make points to do again, before anything of them changes."""
        for rows in _runs(points):
            self._write("status", int(points[rows][0]), np.full(len(points[rows]), Status.TO_DO, "u1"))
        sync(self._descriptor)

    def note(self, facts: dict[str, Any]) -> None:
        """Append facts to the journal; without the source text if that has no place, and not at all if it is full."""
        shorter = {name: value for name, value in facts.items() if name != "source"}
        lines = (provenance.line_of(facts), provenance.line_of(shorter))
        if not any(self._append(line, layout.JOURNAL_BYTES) for line in lines):
            LOG.warning("the journal of %s is full: this run is not in it", self._path)

    def _append(self, line: bytes, limit: int) -> bool:
        """Append a line to the journal, unless that gets longer than `limit`; whether it was appended."""
        whole = os.pread(self._descriptor, layout.JOURNAL_BYTES, self._start[layout.JOURNAL])
        used = sum(len(provenance.line_of(known)) for known in provenance.facts_of(whole))
        if used + len(line) > limit:
            return False
        self._put(line.ljust(min(len(line) + 1, layout.JOURNAL_BYTES - used), b"\0"), layout.JOURNAL, used)
        sync(self._descriptor)
        return True

    def _write(self, name: str, first: int, rows: np.ndarray) -> None:
        """The rows of a dataset from the point `first` on."""
        self._put(rows.tobytes(), name, first * (rows.nbytes // len(rows)))

    def _put(self, data: bytes, name: str, place: int) -> None:
        try:
            written = os.pwrite(self._descriptor, data, self._start[name] + place)
        except OSError as error:
            raise OSError(
                error.errno, f"{self._path} cannot take more, what it has is safe: {error.strerror}"
            ) from error
        if written != len(data):
            raise OSError(errno.ENOSPC, f"{self._path} took {written} of {len(data)} bytes: is the disk full?")


def _runs(points: np.ndarray) -> list[slice]:
    """Where neighbours follow each other without a gap, as slices of increasing points."""
    cuts = [0, *(np.flatnonzero(np.diff(points) != 1) + 1).tolist(), len(points)]
    return [slice(a, b) for a, b in pairwise(cuts) if a < b]
