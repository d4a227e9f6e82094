"""Compute what an archive still lacks, on all cores, and lose nothing that was computed."""

import logging
import os
import signal
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any, final

import cloudpickle
import numpy as np

from cocycle.progress import progress_bar
from cocycle.sweeps.archive import Archive, Record, Writer
from cocycle.sweeps.grid import Index
from cocycle.sweeps.layout import Status
from cocycle.sweeps.workers import held_back, insistent_interrupt, one_thread, process_pool

Measure = Callable[[dict[str, Any], np.random.Generator], Mapping[str, Any]]

LOG = logging.getLogger("cocycle")
COMMIT_EVERY = 0.5  # seconds of results that a crash can cost
AHEAD = 1000  # blocks handed to an executor whose number of workers is not known
LOST = None  # in place of records: the worker, or the executor, died with the block


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
    the point's place in the grid, so values do not depend on workers, order or interruptions.

    Without an executor the points go to `workers` processes (all cores by default) of one thread each; functions of
    a notebook or a script without a `__main__` guard may be sent.  Any `concurrent.futures.Executor` serves instead.

    A point whose measure raises is FAILED with its message; one that kills its worker, also alone, has DIED; the
    others, also of its block, are not affected.  `retry` computes those again.  Interrupt it and call it again: it does
    what is missing.

    Raises ValueError if measure returns other outputs or shapes than the archive has, BlockingIOError if another
    process writes it, RuntimeError if a given executor is lost.
    """
    if not callable(measure) or not isinstance(archive, Archive):
        kinds = type(measure).__name__, type(archive).__name__
        raise TypeError(f"run takes a function and an Archive, in this order; got {kinds[0]} and {kinds[1]}")
    if workers is not None and (not isinstance(workers, int) or workers < 1):
        raise ValueError(f"workers must be an integer of at least 1; got {workers!r}")
    with archive.writer() as writer:
        status = archive.status
        missing = status != Status.DONE if retry else status == Status.TO_DO
        blocks = [block for block in archive.grid.blocks() if any(missing[i] for i in block)]
        call = Call(cloudpickle.dumps(measure), archive.outputs, archive.seed, archive.fixed)
        jobs = ((block, (archive.grid.coordinates(block), archive.grid.stream(block))) for block in blocks)
        count = workers or cores()
        results = _own_pool(call, jobs, count) if executor is None else _given(call, jobs, executor, archive)
        done = len(archive.grid) - int(missing.sum())
        with (
            progress_bar(len(archive.grid), "sweep", initial=done, delay=0, show=progress) as advance,
            closing(results),
            insistent_interrupt() as check,
        ):
            _store(results, writer, advance, missing, check)
    _report(archive)
    return archive


def cores() -> int:
    """The number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _store(
    results: Iterator,
    writer: Writer,
    advance: Callable[[int], None],
    missing: np.ndarray,
    check: Callable[[], None],
) -> None:
    """Commit results every half second, and whatever came in when something goes wrong.

    Only of points that are `missing`: a block may hold others, and what is done is not written again.
    """
    waiting: dict[Index, Record] = {}
    committed = time.monotonic()
    try:
        for block, records in results:
            check()
            if records is LOST:
                records = [Record(Status.DIED, {}, "the worker died, also with this block alone")] * len(block)
            waiting.update((i, record) for i, record in zip(block, records, strict=True) if missing[i])
            if time.monotonic() - committed > COMMIT_EVERY:
                writer.commit(waiting)
                advance(len(waiting))
                waiting, committed = {}, time.monotonic()
    finally:
        writer.commit(waiting)
        advance(len(waiting))


def _report(archive: Archive) -> None:
    messages = archive.messages()
    if messages:
        index, message = next(iter(messages.items()))
        LOG.warning(
            "%d of %d points failed, the first at %s: %s.  archive.messages() has them all, retry=True computes them"
            " again",
            len(messages),
            len(archive.grid),
            index,
            message,
        )


@final
@dataclass(frozen=True)
class Call:
    """What a worker needs for any block, except the block."""

    measure: bytes
    outputs: dict[str, tuple[int, ...]]
    seed: int
    fixed: dict[str, Any]

    def __call__(self, coordinates: dict[str, Any], stream: Index) -> list[Record]:
        """The records of a block.  If its measure raises, its points are tried one by one: only the bad ones fail."""
        measure = cloudpickle.loads(self.measure)
        columns = {name: values for name, values in coordinates.items() if isinstance(values, np.ndarray)}
        with one_thread():
            try:
                return self._records(measure, coordinates, stream, columns)
            except Exception as error:
                length = len(next(iter(columns.values()), [0]))
                if isinstance(error, WrongOutput):
                    raise
                if length == 1:
                    return [Record(Status.FAILED, {}, f"{type(error).__name__}: {error}")]
        return [record for i in range(length) for record in self(_one_of(coordinates, i), stream)]

    def _records(self, measure, coordinates, stream, columns) -> list[Record]:
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=stream))
        result = measure({**self.fixed, **coordinates}, rng)
        batch = next(iter(columns.values())).shape if columns else ()
        returned = sorted(result) if isinstance(result, Mapping) else type(result).__name__
        if returned != sorted(self.outputs):
            raise WrongOutput(f"measure must return {sorted(self.outputs)}; got {returned}")
        values = {}
        for name, event in self.outputs.items():
            value = np.asarray(result[name], dtype=np.float64)
            if value.shape != (*batch, *event):
                raise WrongOutput(f"measure must return {name} of shape {(*batch, *event)}; got {value.shape}")
            values[name] = value if columns else value[None]
        length = len(values[next(iter(values))])
        return [Record(Status.DONE, {name: value[i] for name, value in values.items()}) for i in range(length)]


class WrongOutput(ValueError):
    """The measure and the archive disagree about what a point has: a mistake in the script, not in a point."""


def _results(executor: Executor, call: Call, jobs: Iterator, capacity: int) -> Iterator[tuple[list[Index], Any]]:
    """(block, records) in the order of completion, with at most `capacity` blocks under way.

    When the executor breaks, each block under way comes back LOST and the iteration ends.  Whoever stops it before
    its end, stops what waits in the executor too.
    """
    pending: dict[Future, list[Index]] = {}
    try:
        while True:
            for block, arguments in islice(jobs, capacity - len(pending)):
                try:
                    with held_back(signal.SIGINT):  # a worker that starts now inherits that: deaf to Ctrl-C from birth
                        pending[executor.submit(call, *arguments)] = block
                except BrokenExecutor:
                    yield from ((lost, LOST) for lost in (block, *pending.values()))
                    return
            if not pending:
                return
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                block = pending.pop(future)
                try:
                    yield block, future.result()
                except (BrokenExecutor, CancelledError):  # dask cancels what a lost scheduler had
                    yield from ((lost, LOST) for lost in (block, *pending.values()))
                    return
    finally:
        for future in pending:
            future.cancel()


def _given(call: Call, jobs: Iterator, executor: Executor, archive: Archive) -> Generator:
    for block, records in _results(executor, call, jobs, AHEAD):
        if records is LOST:
            raise RuntimeError(f"the executor was lost; what was done is in {archive.path}: run again to resume")
        yield block, records


def _own_pool(call: Call, jobs: Iterable, workers: int) -> Generator:
    """Results from a pool of processes, which is built anew when a worker dies.

    A broken pool does not say who broke it: the blocks that were under way are tried alone, in a pool of one, then
    their points, and come back LOST only if they break that too.
    """
    jobs = iter(jobs)
    arguments: dict[Index, Any] = {}

    def remembered():
        for block, given in jobs:
            arguments[block[0]] = given
            yield block, given

    source, broken = remembered(), True
    while broken:
        suspects = []
        with process_pool(workers) as pool:
            for block, records in _results(pool, call, source, 2 * workers):
                if records is LOST:
                    suspects.append(block)
                else:
                    del arguments[block[0]]
                    yield block, records
        for block in suspects:
            yield from _alone(call, block, *arguments.pop(block[0]))
        broken = bool(suspects)


def _alone(call: Call, block: list[Index], coordinates: dict[str, Any], stream: Index) -> Generator:
    with process_pool(1) as pool:
        ((_, records),) = _results(pool, call, iter([(block, (coordinates, stream))]), 1)
    if records is not LOST or len(block) == 1:
        yield block, records
        return
    for i, point in enumerate(block):
        yield from _alone(call, [point], _one_of(coordinates, i), stream)


def _one_of(coordinates: dict[str, Any], i: int) -> dict[str, Any]:
    """The coordinates of the i-th point of a block, as a block of one."""
    return {name: v[i : i + 1] if isinstance(v, np.ndarray) else v for name, v in coordinates.items()}
