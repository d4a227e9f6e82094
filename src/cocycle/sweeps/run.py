"""Compute what an archive still lacks, on all cores, and lose nothing that was computed."""

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any, final

import cloudpickle
import numpy as np
from threadpoolctl import ThreadpoolController

from cocycle.progress import progress_bar
from cocycle.sweeps.archive import Archive, Record, Writer
from cocycle.sweeps.grid import Index
from cocycle.sweeps.layout import Status

Measure = Callable[[dict[str, Any], np.random.Generator], Mapping[str, Any]]

LOG = logging.getLogger("cocycle")
COMMIT_EVERY = 0.5  # seconds of results that a crash can cost
AHEAD = 1000  # blocks handed to an executor whose number of workers is not known
LOST = None  # in place of records: the worker, or the executor, died with the block
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


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
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be at least 1; got {workers}")
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
        ):
            _store(results, writer, advance, missing)
    _report(archive)
    return archive


def cores() -> int:
    """The number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _store(results: Iterator, writer: Writer, advance: Callable[[int], None], missing: np.ndarray) -> None:
    """Commit results every half second, and whatever came in when something goes wrong.

    Only of points that are `missing`: a block may hold others, and what is done is not written again.
    """
    waiting: dict[Index, Record] = {}
    committed = time.monotonic()
    try:
        for block, records in results:
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
        LOG.warning("%d of %d points failed, the first at %s: %s", len(messages), len(archive.grid), index, message)


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
        with _one_thread():
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
                    with _held_back(signal.SIGINT):  # a worker that starts now inherits that: deaf to Ctrl-C from birth
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
        with _process_pool(workers) as pool:
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
    with _process_pool(1) as pool:
        ((_, records),) = _results(pool, call, iter([(block, (coordinates, stream))]), 1)
    if records is not LOST or len(block) == 1:
        yield block, records
        return
    for i, point in enumerate(block):
        yield from _alone(call, [point], _one_of(coordinates, i), stream)


def _one_of(coordinates: dict[str, Any], i: int) -> dict[str, Any]:
    """The coordinates of the i-th point of a block, as a block of one."""
    return {name: v[i : i + 1] if isinstance(v, np.ndarray) else v for name, v in coordinates.items()}


@contextmanager
def _process_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    with _environment_of_workers():
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare_worker, initargs=(os.getpid(),))
        try:
            yield pool
        except BaseException:  # Ctrl-C above all: leave at once, not when the points under way are done
            for child in set(multiprocessing.active_children()) - others:
                child.terminate()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown()


@contextmanager
def _environment_of_workers() -> Iterator[None]:
    """While workers are started: one thread each, and no second run of the caller's script.

    A spawned process imports the parent's main module, which would run a script that has no `__main__` guard; the
    measure travels by value and does not need it.
    """
    main = sys.modules["__main__"]
    hidden = {name: getattr(main, name) for name in ("__file__", "__spec__") if hasattr(main, name)}
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    for name in hidden:
        setattr(main, name, None)
    try:
        yield
    finally:
        for name, value in hidden.items():
            setattr(main, name, value)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _held_back(number: signal.Signals) -> Iterator[None]:
    """Deliver a signal only afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare_worker(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()


def _die_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Two threads on the small products of a reservoir are ten times slower than one, and workers share the cores."""
    with ONE_THREAD, _thread_pools().limit(limits=1, user_api="openmp"):  # OpenMP counts for each thread
        yield


@final
class _OneThread:
    """While anyone is inside, one thread for linear algebra: of several callers the last one out restores the rest."""

    def __init__(self):
        self._lock, self._inside, self._restore = threading.Lock(), 0, ExitStack()

    def __enter__(self):
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._limit()

    def __exit__(self, *_):
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._restore.close()

    def _limit(self):
        torch = sys.modules.get("torch")
        if torch:
            self._restore.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(1)
        self._restore.enter_context(_thread_pools().limit(limits=1, user_api="blas"))


ONE_THREAD = _OneThread()


@cache
def _thread_pools() -> ThreadpoolController:
    return ThreadpoolController()
