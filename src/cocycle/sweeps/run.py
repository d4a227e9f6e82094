"""Compute what an archive still lacks, on all cores, and lose nothing that was computed."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import numpy as np

from cocycle.progress import progress_bar
from cocycle.sweeps import engines, provenance
from cocycle.sweeps.archive import Archive
from cocycle.sweeps.jobs import Measure, Queue, Task, task
from cocycle.sweeps.records import WITHOUT_RESULT, Records, Status
from cocycle.sweeps.workers import insistent_interrupt
from cocycle.sweeps.writer import Writer

LOG = logging.getLogger("cocycle")
COMMIT_EVERY = 0.5  # seconds of results that a crash can cost


def run(
    measure: Measure,
    archive: Archive,
    executor: Executor | None = None,
    *,
    workers: int | None = None,
    retry: bool = False,
    progress: bool = True,
) -> Archive:
    """Call `measure(point, rng)` for every point of the archive that is not done, and store what it returns.

    `point` holds the fixed settings and the coordinates, arrays along the axes that the grid computes in blocks; the
    returned mapping has every output, with the points of the block first.  `rng` is seeded by the archive's seed and
    the point's place in the grid, so values do not depend on workers, order or interruptions.  The points of a block
    share one; `rng.spawn(n)` gives each of its n points one of its own, whatever the block it is in.  What a point
    has must not depend on the others of its block, which may fail or be tried alone, nor on what other points left
    behind: a worker loads the measure once for all its points.

    Without an executor the points go to `workers` processes (all cores by default) of one thread each; functions of
    a notebook or a script without a `__main__` guard may be sent.  Any `concurrent.futures.Executor` serves instead,
    such as dask's `client.get_executor()` or mpi4py's `MPIPoolExecutor()`; `workers` then says how many it has, if it
    does not say so itself.

    A point whose measure raises is FAILED with its message; one that kills its worker, also alone, has DIED; the
    others, also of its block, are not affected.  `retry` computes those again.  Interrupt it and call it again: it does
    what is missing.

    Raises ValueError if measure returns other outputs or shapes than the archive has at the first point that comes back
    (a later one has failed), BlockingIOError if another
    process writes it, RuntimeError if a given executor is lost.
    """
    if executor is not None and not isinstance(executor, Executor):
        raise TypeError(f"executor must be a concurrent.futures.Executor; got {executor!r}")
    if not callable(measure) or not isinstance(archive, Archive):
        kinds = type(measure).__name__, type(archive).__name__
        raise TypeError(f"run takes a function and an Archive, in this order; got {kinds[0]} and {kinds[1]}")
    if workers is not None and (not isinstance(workers, int | np.integer) or workers < 1):
        raise ValueError(f"workers must be an integer of at least 1; got {workers!r}")
    with insistent_interrupt() as check:
        work = task_of(measure, archive)
        with archive.writer() as writer:
            missing = _missing(archive, writer, retry)
            if missing.any():
                _compute(measure, work, archive, writer, missing, executor, workers, progress, check)
    _report(archive)
    return archive


def _compute(
    measure, work: Task, archive: Archive, writer: Writer, missing, executor, workers, progress, check
) -> None:
    """The points (*grid) that are missing."""
    with _noted(measure, archive, writer):
        queue = Queue(archive.grid.blocks(missing), engines.OWN_SHORTEST if executor is None else engines.SHORTEST)
        if executor is None:
            results = engines.own_pool(work, queue, workers or cores())
        else:
            results = engines.given(work, queue, executor, workers, archive.path)
        done, total = int((archive.status == Status.DONE).sum()), int((archive.status != Status.LEFT_OUT).sum())
        with progress_bar(total, "sweep", initial=done, delay=0, show=progress) as advance, closing(results):
            _store(results, writer, advance, missing.ravel(), check)


def task_of(measure: Measure, archive: Archive) -> Task:
    """What a worker needs to compute points of the archive."""
    left_out = archive.status == Status.LEFT_OUT
    return task(measure, archive.contents, left_out if left_out.any() else None)


def cores() -> int:
    """The number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _missing(archive: Archive, writer: Writer, retry: bool) -> np.ndarray:
    """Which points (*grid) are to be computed."""
    status = archive.status
    if retry:
        again = np.isin(status, WITHOUT_RESULT)
        writer.forget(np.flatnonzero(again))
        status[again] = Status.TO_DO
    return status == Status.TO_DO


def _store(
    results: Iterator[Records | None],
    writer: Writer,
    advance: Callable[[int], None],
    missing: np.ndarray,
    check: Callable[[], None],
) -> None:
    """Commit results every half second, and whatever came in when something goes wrong.

    Only of points that are `missing`: a block may hold others, and what is done is not written again.
    """
    waiting: list[Records] = []
    committed = time.monotonic()

    def commit():
        if waiting:
            records = Records.joined(waiting)
            writer.commit(records)
            waiting.clear()
            advance(len(records))

    try:
        for records in results:
            check()
            if records is not None:
                waiting.append(records[missing[records.points]])
            if time.monotonic() - committed > COMMIT_EVERY:
                commit()
                advance(0)
                committed = time.monotonic()
    finally:
        commit()


@contextmanager
def _noted(measure: Measure, archive: Archive, writer: Writer) -> Iterator[None]:
    """Write into the archive's journal who runs it with what, and how that ended."""
    facts = provenance.of_measure(measure)
    sources = [entry for entry in archive.history if entry.get("source")]
    if sources and sources[-1]["source"] == facts["source"]:
        del facts["source"]  # as before
    elif sources and facts["source"]:
        LOG.warning(
            "the source of %s is not that of the last run of %s: its points may not belong together",
            facts["name"],
            archive.path,
        )
    folder = Path(facts["file"]).parent if facts["file"] else None
    writer.note({"event": "start", "time": provenance.now(), **provenance.of_process(folder), **facts})
    try:
        yield
    except BaseException as error:
        with suppress(OSError):  # a full disk, perhaps, which is the error to be told
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
            archive.grid.in_words(archive.grid.number(index)),
            message,
        )
