"""Who computes the jobs of a sweep: our own pool of processes, or any executor; and what becomes of dead workers."""

import logging
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from pathlib import Path
from typing import Any

import numpy as np

from cocycle.sweeps.jobs import Job, Outcome, Queue, Task, WrongOutput
from cocycle.sweeps.records import Records
from cocycle.sweeps.workers import held_back, process_pool, require_workers

LOG = logging.getLogger("cocycle")
TICK = 0.5  # seconds after which the sweep looks up although no result came
OWN_SHORTEST, SHORTEST = 0.05, 0.3  # seconds of a job, fifty times what sending it costs: to our pool, to a cluster
UNKNOWN = 100  # workers, where an executor does not say how many it has
CENSUS = 5.0  # seconds between two questions how many there are

Results = Generator[Records | None]  # None when nothing came for a while


class EngineLost(RuntimeError):
    """The executor is gone, and these jobs with it."""

    def __init__(self, jobs: list[Job]):
        super().__init__("the executor was lost")
        self.jobs = jobs


def own_pool(task: Task, queue: Queue, workers: int) -> Results:
    """Records from a pool of processes, which is built anew when a worker dies.

    A broken pool does not say who broke it: the jobs that were under way are tried alone.
    """
    answered = False
    while True:
        try:
            with process_pool(workers) as pool:
                for _, outcome in _results(pool, task, queue, lambda: workers):
                    answered |= outcome is not None
                    yield outcome and outcome.records
            return
        except EngineLost as lost:
            suspects = Queue(np.array([], dtype=int), OWN_SHORTEST)
            suspects.put_back(lost.jobs)
        if not answered:
            require_workers()
        yield from _one_by_one(task, suspects)


def _one_by_one(task: Task, suspects: Queue) -> Results:
    """Records of jobs that may kill their worker: each alone, the guilty in ever smaller parts, to the point."""
    while True:
        try:
            with process_pool(1) as pool:
                for _, outcome in _results(pool, task, suspects, lambda: 1, ahead=1):
                    yield outcome and outcome.records
            return
        except EngineLost as lost:
            (guilty,) = lost.jobs
        parts = task.split(guilty)
        suspects.put_back(parts)
        if not parts:
            yield task.died(guilty)


def given(task: Task, queue: Queue, executor: Executor, workers: int | None, path: Path) -> Results:
    """Records from an executor that is not ours to build anew.

    Jobs that it gives up because their workers died are tried alone, after all the others: they may only have been
    waiting beside the guilty one.  Raises RuntimeError when the executor is lost.
    """
    suspects = Queue(np.array([], dtype=int), SHORTEST)
    try:
        for job, outcome in _results(executor, task, queue, census(executor, workers)):
            if job and not outcome:
                suspects.put_back([job])
            yield outcome and outcome.records
        for job, outcome in _results(executor, task, suspects, lambda: 1, ahead=1):
            if job and not outcome:
                parts = task.split(job)
                suspects.put_back(parts)
                yield None if parts else task.died(job)
            else:
                yield outcome and outcome.records
    except EngineLost:
        raise RuntimeError(
            f"the executor was lost; what was done is in {path}: run again to resume.  If one point kills its worker "
            "every time, a run without an executor finds it"
        ) from None


def census(executor: Executor, workers: int | None) -> Callable[[], int]:
    """How many calls the executor runs at once, as far as it says; dask's number changes."""
    client = _dask_client(executor)
    known = workers or getattr(executor, "num_workers", None) or getattr(executor, "_max_workers", None)
    if known or client is None:
        return lambda: known or UNKNOWN
    asked, threads = 0.0, -1

    def count() -> int:
        nonlocal asked, threads
        if time.monotonic() - asked > CENSUS:
            asked, before, threads = time.monotonic(), threads, sum(client.nthreads().values())
            if threads == 0 != before:
                LOG.warning("dask has no workers: the sweep waits for some")
        return max(threads, 16)  # more may be waiting for work

    return count


def _results(
    executor: Executor, task: Task, queue: Queue, workers: Callable[[], int], *, ahead: int = 2
) -> Iterator[tuple[Job | None, Outcome | None]]:
    """Jobs and what they came to, in the order of completion, at most `ahead` under way for each worker.

    (job, None) for one that killed its worker, where the executor lives on; (None, None) when nothing came for a
    while.  Raises EngineLost, and WrongOutput if the first job has points that do not fit the archive: the measure
    does not, then; later ones have failed.  Whoever stops it before its end, stops what waits in the executor too.
    """
    pending: dict[Future, Job] = {}
    fits = False
    try:
        while True:
            while len(pending) < ahead * workers() and (job := queue.take(workers())):
                pending[_submitted(executor, task, job, pending)] = job
            if not pending:
                return
            done = wait(pending, timeout=TICK, return_when=FIRST_COMPLETED).done
            for future in [future for future in pending if future in done]:  # the first sent first
                try:
                    outcome = _answer(future)
                    if outcome.wrong and not fits:
                        raise WrongOutput(outcome.wrong)
                    fits = True
                    queue.learn(outcome)
                except (BrokenExecutor, CancelledError):  # dask cancels what a lost scheduler had
                    raise EngineLost(list(pending.values())) from None
                except _killed_worker():
                    outcome = None
                yield pending.pop(future), outcome
            if not done:
                yield None, None
    finally:
        for future in pending:
            future.cancel()


def _submitted(executor: Executor, task: Task, job: Job, pending: dict[Future, Job]) -> Future:
    words: Any = {"pure": False} if _dask_client(executor) else {}  # or a second try has the result of the first
    try:
        with held_back(signal.SIGINT):  # a worker that starts now inherits that: deaf to Ctrl-C from birth
            return executor.submit(task.excerpt(job), job, **words)
    except BrokenExecutor:
        raise EngineLost([job, *pending.values()]) from None


def _answer(future: Future) -> Outcome:
    outcome = future.result()
    if not isinstance(outcome, Outcome):
        raise TypeError(f"the executor must return what it was given to call returns; got {type(outcome).__name__}")
    return outcome


def _dask_client(executor: Executor) -> Any:
    """The client of a dask executor, None for any other."""
    return getattr(executor, "_client", None)


def _killed_worker() -> tuple[type[BaseException], ...]:
    """What dask raises for a task that killed several workers."""
    distributed = sys.modules.get("distributed")
    return (distributed.KilledWorker,) if distributed else ()
