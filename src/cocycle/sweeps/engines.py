"""Who computes the jobs of a sweep: our own pool of processes, or any executor; and what becomes of dead workers."""

import logging
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np

from cocycle.sweeps.jobs import Job, Outcome, Queue, Task, WrongOutput
from cocycle.sweeps.pool import Pool, TimedOut, WorkerDied
from cocycle.sweeps.records import Records, Status
from cocycle.sweeps.workers import held_back

LOG = logging.getLogger("cocycle")
TICK = 0.5  # seconds after which the sweep looks up although no result came
OWN_SHORTEST, SHORTEST = 0.05, 0.3  # seconds of a job, fifty times what sending it costs: to our pool, to a cluster
UNKNOWN = 100  # workers, where an executor does not say how many it has
CENSUS = 5.0  # seconds between two questions how many there are
ALL_DIE = 10  # calls that end their workers, before any does not, after which a sweep stops
OWN_DEATHS, OUTSIDE_DEATHS = 2, 6  # of a worker, after which its point is given up: by its own doing, by a signal

Results = Generator[Records | None]  # None when nothing came for a while, and when all came


class EngineLost(RuntimeError):
    """The executor is gone."""


class _Answer(NamedTuple):
    """A job, and its outcome, or the error by which it has none."""

    job: Job
    outcome: Outcome | None
    error: BaseException | None = None


@final
class _Suspects:
    """Jobs whose worker died, and how much the deaths of each point say about it."""

    def __init__(self, task: Task):
        self._task, self.jobs, self._deaths = task, deque[Job](), Counter[int]()

    def add(self, job: Job, error: BaseException | None) -> bool:
        """Take in a death.  Whether the point of the job is given up."""
        points = self._task.points_of(job)
        if len(points) > 1:
            self.jobs.append(job)
            return False
        self._deaths[points[0]] += _weight(error)
        if self._deaths[points[0]] >= OUTSIDE_DEATHS:
            return True
        self.jobs.append(job)
        return False


def own_pool(task: Task, queue: Queue, workers: int) -> Results:
    """Records from a pool of processes of our own; suspects have the machine for themselves."""
    suspects = _Suspects(task)
    with Pool(workers, task.measure.keep) as pool:
        yield from _computed(task, queue, pool, lambda: workers, suspects)
    if suspects.jobs:
        with Pool(1, task.measure.keep) as pool:
            yield from _one_by_one(task, pool, suspects)


def given(task: Task, queue: Queue, executor: Executor, workers: int | None, path: Path) -> Results:
    """Records from an executor that is not ours.  Raises RuntimeError when it is lost."""
    suspects = _Suspects(task)
    try:
        yield from _computed(task, queue, executor, census(executor, workers), suspects)
        yield from _one_by_one(task, executor, suspects)
    except EngineLost:
        raise RuntimeError(
            f"the executor was lost; what was done is in {path}: run again to resume.  If one point kills its worker "
            "every time, a run without an executor finds it"
        ) from None


def _computed(task: Task, queue: Queue, executor: Executor, workers: Callable[[], int], suspects: _Suspects) -> Results:
    """Records of all jobs but those whose worker died, which may be what another one did, or lack of memory."""
    lives = False
    for answer in _answers(executor, task, queue, workers):
        if answer is None or answer.outcome:
            lives |= answer is not None
            yield answer and answer.outcome and answer.outcome.records
        elif isinstance(answer.error, TimedOut):
            yield from _late(task, queue, answer)
        else:
            suspects.add(answer.job, answer.error)
            if not lives and len(suspects.jobs) >= ALL_DIE and getattr(answer.error, "own", True):
                raise RuntimeError(
                    f"the first {len(suspects.jobs)} calls of the measure all ended their workers, the last one"
                    f" {answer.error}: the rest was not tried"
                )


def _one_by_one(task: Task, executor: Executor, suspects: _Suspects) -> Results:
    """Records of jobs that may kill their worker, when all the others are done: alone, in ever smaller parts.

    A point is given up when it has ended its worker twice, or when its worker was killed many times, each time
    after all the other suspects had another try: whoever kills workers from outside may kill one that computes it.
    """
    while suspects.jobs:
        queue = Queue(np.array([], dtype=int), SHORTEST)
        queue.put_back([suspects.jobs.popleft()])
        for answer in _answers(executor, task, queue, lambda: 1, ahead=1, fits=True):
            if answer is None or answer.outcome:
                yield answer and answer.outcome and answer.outcome.records
            elif isinstance(answer.error, TimedOut):
                yield from _late(task, queue, answer)
            elif parts := task.split(answer.job):
                suspects.jobs.extendleft(reversed(parts))
            elif suspects.add(answer.job, answer.error):
                yield task.without_result(task.points_of(answer.job), Status.DIED, obituary(answer.error))


def _weight(error: BaseException | None) -> int:
    """How much a death says about the point: less if a signal from outside may have done it."""
    return OUTSIDE_DEATHS // OWN_DEATHS if getattr(error, "own", True) else 1


def obituary(error: BaseException | None) -> str:
    how = f": it {error}" if isinstance(error, WorkerDied) else ""
    return f"the worker died, also with this point alone{how}"


def _late(task: Task, queue: Queue, answer: _Answer) -> Results:
    """The record of a point that took too long; the rest of its job is put back, a block of several point by point."""
    job, error = answer.job, answer.error
    assert isinstance(error, TimedOut)
    late = [block for block in job.blocks if error.part in task.points(job, int(block))]
    others = job.blocks[~np.isin(job.blocks, late)]
    own = Job(np.array(late, dtype=int), job.place)
    points = task.points_of(own) if late else np.zeros(0, dtype=int)
    if len(points) == 1:
        yield task.without_result(points, Status.FAILED, f"TimedOut: took longer than timeout = {task.timeout:g} s")
    queue.put_back([*(task.split(own) if len(points) > 1 else []), *([Job(others)] if len(others) else [])])
    yield None


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


@final
class _Deliveries:
    """To which processes the measure still has to go: it is sent with a job once a process says that it lacks it."""

    def __init__(self):
        self._lacking: set[tuple[str, int]] = set()
        self._under_way: set[Future] = set()

    def is_due(self) -> bool:
        return len(self._lacking) > len(self._under_way)

    def sent(self, future: Future) -> None:
        self._under_way.add(future)

    def learn(self, future: Future, outcome: Outcome | None) -> None:
        if future in self._under_way and self._lacking:  # whoever lacks it still says so again
            self._lacking.pop()
        self._under_way.discard(future)
        if outcome and outcome.records is None:
            self._lacking.add(outcome.worker)
        elif outcome:
            self._lacking.discard(outcome.worker)


def _answers(
    executor: Executor, task: Task, queue: Queue, workers: Callable[[], int], *, ahead: int = 2, fits: bool = False
) -> Iterator[_Answer | None]:
    """Jobs and what they came to, in the order of completion, at most `ahead` under way for each worker.

    None when nothing came for a while, and at the end.  Raises EngineLost, RuntimeError for an outcome that is not that
    of its job or of another source, and WrongOutput if the first job has points that do not fit the archive: the
    measure does not, then; later ones, and those of a measure that `fits`, have failed.  Whoever stops it before its
    end, stops what waits in the executor too.
    """
    pending: dict[Future, Job] = {}
    deliveries = _Deliveries()
    try:
        while True:
            while len(pending) < ahead * workers() and (job := queue.take(workers())):
                due = deliveries.is_due()
                future = _submitted(executor, task.excerpt(job, measure=due), job)
                pending[future] = job
                if due:
                    deliveries.sent(future)
            if not pending:
                yield None
                return
            done = wait(pending, timeout=TICK, return_when=FIRST_COMPLETED).done
            for future in [future for future in pending if future in done]:  # the first sent first
                job = pending.pop(future)
                answer = _answer(job, future)
                deliveries.learn(future, answer.outcome)
                if answer.outcome and answer.outcome.records is None:
                    queue.put_back([job])
                    continue
                if answer.outcome:
                    _require_right(task, job, answer.outcome, fits)
                    fits = True
                    queue.learn(answer.outcome)
                yield answer
            if not done:
                yield None
    finally:
        for future in pending:
            future.cancel()


def _require_right(task: Task, job: Job, outcome: Outcome, fits: bool) -> None:
    """Raise RuntimeError for an outcome that is not that of its job, or was changed on its way, or belongs to another
    source than the sweep began with; WrongOutput for a measure that does not fit the archive."""
    records = outcome.records
    assert records is not None
    if outcome.changed:
        raise RuntimeError(
            f"the text of {outcome.changed} changed while the sweep ran, or was another one when a worker imported it:"
            " what it computed is not kept.  Run again, with new workers or a new notebook kernel, to go on with the"
            " text of now"
        )
    if outcome.wrong and not (fits and len(records)):
        raise WrongOutput(outcome.wrong)
    if outcome.told:
        LOG.warning("%s", outcome.told)
    done = job.blocks if outcome.left is None else job.blocks[: len(job.blocks) - len(outcome.left.blocks)]
    wanted = np.sort(task.points_of(Job(done, job.place)))
    if not outcome.job.same_as(job) or not np.array_equal(wanted, records.points):
        raise RuntimeError("the executor returned the outcome of another job than was sent: its results are not kept")
    if not records.sound.all():
        raise RuntimeError(
            "values changed on their way from a worker: their checksums are not right, and they are not kept"
        )


def _submitted(executor: Executor, task: Task, job: Job) -> Future:
    words: Any = {"pure": False} if _dask_client(executor) else {}  # or a second try has the result of the first
    try:
        with held_back(signal.SIGINT):  # a worker that starts now inherits that: deaf to Ctrl-C from birth
            return executor.submit(task, job, **words)
    except BrokenExecutor:
        raise EngineLost from None


def _answer(job: Job, future: Future) -> _Answer:
    try:
        outcome = future.result()
    except (BrokenExecutor, CancelledError):  # dask cancels what a lost scheduler had
        raise EngineLost from None
    except (WorkerDied, TimedOut, *_killed_worker()) as error:
        return _Answer(job, None, error)
    if not isinstance(outcome, Outcome):
        raise TypeError(f"the executor must return what it was given to call returns; got {type(outcome).__name__}")
    return _Answer(job, outcome)


def _dask_client(executor: Executor) -> Any:
    """The client of a dask executor, None for any other."""
    return getattr(executor, "_client", None)


def _killed_worker() -> tuple[type[BaseException], ...]:
    """What dask raises for a task that killed several workers."""
    distributed = sys.modules.get("distributed")
    return (distributed.KilledWorker,) if distributed else ()
