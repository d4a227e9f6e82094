"""Compute the missing points of an archive on all cores; results are stored as soon as they come."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from cocycle.progress import progress_bar
from cocycle.sweeps import engines, journal, provenance
from cocycle.sweeps.archive import Archive
from cocycle.sweeps.computing import Call
from cocycle.sweeps.grid import Grid
from cocycle.sweeps.jobs import Measure, Queue, Task
from cocycle.sweeps.pickling import travels_by_value
from cocycle.sweeps.records import WITHOUT_RESULT, Records, Status
from cocycle.sweeps.text import one_line
from cocycle.sweeps.workers import insistent_interrupt
from cocycle.sweeps.writer import Replaced, Writer

LOG = logging.getLogger("cocycle")
COMMIT_EVERY = 0.5  # seconds of results that a crash can cost
COMMIT_BYTES = 2**26  # of values that wait to be written
ALIKE = 10  # calls that all fail with one error, after which a sweep stops


class AllFail(RuntimeError):
    """The points of a sweep all fail with one error."""


def run(
    measure: Measure,
    archive: Archive,
    executor: Executor | None = None,
    *,
    workers: int | None = None,
    retry: bool = False,
    timeout: float | None = None,
    keep_going: bool = False,
    progress: bool = True,
) -> Archive:
    """Call the measure for every point of the archive that is not done, and store what it returns.

    It is called as measure(point, rng); if the grid computes points in blocks, as measure(points, rngs).  `point`
    holds the fixed settings and the coordinates, arrays along the axes of blocks; the returned mapping has every
    output, with the points of the block first.  `rng` is a generator for the point, `rngs` a sequence of one for each
    point of the block, made when they are asked for.  They follow from the archive's seed and the values of the
    coordinates, so that results do not depend on workers, order, blocks, interruptions or the rest of the grid; over
    axes that the grid declares `common` they are the same.  What a point has must not depend on the others of its
    block, which may fail or be tried alone, nor on what other points left behind: a worker loads the measure once
    for all its points.

    Without an executor the points go to `workers` processes (all cores by default) of one thread each; functions of
    a notebook or a script without a `__main__` guard may be sent.  Any `concurrent.futures.Executor` serves instead,
    such as dask's `client.get_executor()` or mpi4py's `MPIPoolExecutor()`; `workers` then says how many it has, if it
    does not say so itself.

    A point whose measure raises is FAILED with its message, and so is one that takes longer than `timeout` seconds;
    one that ends its worker, also alone, has DIED; the others, also of its block, are not affected.  `retry` computes
    those again.  Interrupt it and call it again: it does what is missing.

    Raises ValueError if the measure returns other outputs or shapes than the archive has at the first point that comes
    back (a later one has failed), or if it cannot be sent to workers; BlockingIOError if another process
    writes the archive; AllFail, a RuntimeError, once ten calls have all failed with one error and nothing is done,
    unless it is to `keep_going`; RuntimeError if a given executor is lost, if the text of a local module that the
    measure imports changes meanwhile, or if results are not those that a worker sent; OSError if the disk is full, or
    if the archive is replaced by another file.
    """
    _check(measure, archive, executor, workers, timeout)
    with insistent_interrupt() as check:
        facts = provenance.of_measure(measure)
        with archive.writer() as writer:
            task = task_of(archive, digests=_of_workers(facts), timeout=timeout)
            call = Call.of(measure, task)
            wanted = (Status.TO_DO, *WITHOUT_RESULT) if retry else (Status.TO_DO,)
            missing = np.isin(archive.status, wanted)
            _warn_of_change(facts, provenance.noted_digests(archive.history), archive)
            if missing.any():
                with _noted(facts, archive, writer):
                    writer.forget(np.flatnonzero(missing & (archive.status != Status.TO_DO)))
                    results = _results(call, task, missing, executor, workers)
                    alike = None if keep_going else _Alike(archive.grid)
                    _compute(results, archive, writer, missing, progress, check, alike)
                    _require_done(archive, writer, missing)
                    _warn_of_edit(facts, provenance.of_measure(measure), archive)
    _report(archive)
    return archive


def _check(measure, archive, executor, workers, timeout) -> None:
    if executor is not None and not isinstance(executor, Executor):
        raise TypeError(f"executor must be a concurrent.futures.Executor; got {executor!r}")
    if not callable(measure) or not isinstance(archive, Archive):
        kinds = type(measure).__name__, type(archive).__name__
        raise TypeError(f"run takes a function and an Archive, in this order; got {kinds[0]} and {kinds[1]}")
    if workers is not None and (not isinstance(workers, int | np.integer) or workers < 1):
        raise ValueError(f"workers must be an integer of at least 1; got {workers!r}")
    if timeout is not None and not (isinstance(timeout, int | float) and 0 < timeout < float("inf")):
        raise ValueError(f"timeout must be a positive number of seconds; got {timeout!r}")
    if timeout is not None and executor is not None:
        raise ValueError("timeout must be None with an executor: only our own processes can be stopped at a point")


def _results(call: Call, task: Task, missing, executor, workers) -> engines.Results:
    queue = Queue(task.grid.blocks(missing), engines.OWN_SHORTEST if executor is None else engines.SHORTEST)
    if executor is None:
        return engines.own_pool(call, task, queue, workers or cores())
    return engines.given(call, task, queue, executor, workers)


def _compute(results, archive: Archive, writer: Writer, missing, progress, check, alike) -> None:
    """The points (*grid) that are missing."""
    status = archive.status
    done, total = int((status == Status.DONE).sum()), int((status != Status.LEFT_OUT).sum())
    if done or missing.sum() <= ALIKE:  # the measure works somewhere, or there is nothing to be saved
        alike = None
    with progress_bar(total, "sweep", initial=done, delay=0, show=progress) as advance, closing(results):
        _store(results, writer, advance, missing.ravel(), check, alike)


def task_of(archive: Archive, **more: Any) -> Task:
    """What a worker needs for the points of the archive, except the measure; `more` are `digests` and `timeout`."""
    left_out = archive.status == Status.LEFT_OUT
    return Task(archive.now(), left_out if left_out.any() else None, **more)


def cores() -> int:
    """The number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Alike:
    """Whether all calls of the measure, so far, failed with one error."""

    def __init__(self, grid: Grid):
        self._kind: tuple[str, str] | None = None
        self._first = ""
        self._calls, self._together = 0, bool(grid.block)

    def add(self, records: Records) -> None:
        """Count the records of a job.  Raises AllFail after ALIKE calls; jobs, where a call is of several points."""
        if self._calls < 0:
            return
        records = records[:1] if self._together and (records.status == records.status[:1]).all() else records
        for status, message in zip(records.status.tolist(), records.messages.tolist(), strict=True):
            words = message.decode(errors="replace")
            kind = (words.partition(":")[0], words.rpartition(" (")[2])
            if status != Status.FAILED or self._kind not in (None, kind):
                self._calls = -1
                return
            self._kind, self._first, self._calls = kind, self._first or words, self._calls + 1
            if self._calls >= ALIKE:
                raise AllFail(
                    f"the first {self._calls} calls of the measure all failed with one error, {self._first}: the rest"
                    " was not tried.  Correct the measure and run again with retry=True or --retry; keep_going=True or"
                    " --keep-going continues anyway"
                )


def _store(
    results: Iterator[Records | None],
    writer: Writer,
    advance: Callable[[int], None],
    missing: np.ndarray,
    check: Callable[[], None],
    alike: _Alike | None,
) -> None:
    """Commit results every half second, when none is to come, and whatever came in when something goes wrong.

    Only of points that are `missing`: a block may hold others, and what is done is not written again.
    """
    waiting: list[Records] = []
    committed = time.monotonic()

    def commit():
        if waiting:
            records = Records.joined(waiting)
            waiting.clear()
            writer.commit(records)
            advance(len(records))

    try:
        for records in results:
            check()
            if records is not None:
                waiting.append(records[missing[records.points]])
                if alike:
                    alike.add(records)
            late = time.monotonic() - committed > COMMIT_EVERY
            if records is None or late or sum(part.nbytes for part in waiting) > COMMIT_BYTES:
                commit()
                advance(0)
                committed = time.monotonic()
    finally:
        commit()


def _require_done(archive: Archive, writer: Writer, missing: np.ndarray) -> None:
    """Raise OSError unless what was missing has a status now, in the file that has the archive's name."""
    writer.require_place()
    left = int((archive.status[missing] == Status.TO_DO).sum())
    if left:
        raise Replaced(f"{archive.path} does not hold what was written: {left} points are to do; run again")


def _of_workers(facts: journal.Facts) -> dict[str, str]:
    """The digests of the modules that workers import: not that of the measure, if it travels with its code."""
    digests = dict(facts["digests"])
    if travels_by_value(facts["module"]):
        del digests[provenance.own_name(facts["module"], facts["file"])]
    return digests


def _warn_of_change(facts: journal.Facts, before: dict[str, str] | None, archive: Archive) -> None:
    changed = provenance.changes(before, facts["digests"]) if before else ""
    if changed:
        LOG.warning(
            "the source of %s is not that of the last run of %s (%s changed): its points may not belong together;"
            " rerun compares one, another path computes all of them",
            facts["name"],
            archive.path,
            changed,
        )


def _warn_of_edit(facts: journal.Facts, now: journal.Facts, archive: Archive) -> None:
    changed = provenance.changes(facts["digests"], now["digests"])
    if changed:
        LOG.warning(
            "the text of %s changed while the sweep ran: all points of %s were computed with the one before",
            changed,
            archive.path,
        )


@contextmanager
def _noted(facts: journal.Facts, archive: Archive, writer: Writer) -> Iterator[None]:
    """Write into the archive's journal who runs it with what, and how that ended."""
    folder = Path(facts["file"]).parent if facts["file"] else None
    writer.note({"event": journal.START, "time": provenance.now(), **provenance.of_process(folder), **facts})
    try:
        yield
    except BaseException as error:
        with suppress(OSError):  # a full disk, perhaps, which is the error to raise
            writer.note(_end(f"{type(error).__name__}: {error}"[:500].rstrip(": ")))
        raise
    writer.note(_end("complete"))


def _end(outcome: str) -> dict[str, str]:
    return {"event": "end", "time": provenance.now(), "outcome": outcome}


def _report(archive: Archive) -> None:
    failed = int(np.isin(archive.status, WITHOUT_RESULT).sum())
    if failed:
        ((index, message),) = archive.messages(1).items()
        LOG.warning(
            "%d of %d points failed, the first at %s: %s.  archive.messages() has them all, retry=True, or --retry,"
            " computes them again",
            failed,
            len(archive.grid),
            one_line(archive.grid.point_text(archive.grid.number(index))),
            one_line(message),
        )
