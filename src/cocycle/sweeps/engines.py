"""Engines that compute the jobs of a sweep: a pool of processes, or any executor; and how dead workers are handled."""

import logging
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from traceback import walk_tb
from typing import Any, NamedTuple, final

import numpy as np

from cocycle.sweeps.computing import Call
from cocycle.sweeps.jobs import Job, Outcome, Queue, Task, WrongOutput
from cocycle.sweeps.pool import Pool, TimedOut, WorkerDied
from cocycle.sweeps.records import Records, Status
from cocycle.sweeps.workers import held_back

LOG = logging.getLogger("cocycle")
TICK = 0.5  # seconds after which the sweep looks up although no result came
OWN_SHORTEST, SHORTEST = 0.05, 0.3  # seconds of a job, fifty times what sending it costs: to our pool, to a cluster
UNKNOWN = 100  # workers, where an executor does not say how many it has
ASK_EVERY = 5.0  # seconds after which dask is asked again how many workers it has
ALL_DIE = 10  # calls that end their workers, before any does not, after which a sweep stops
OWN_DEATHS, OUTSIDE_DEATHS = 2, 6  # of a worker, after which its point is given up: by its own doing, by a signal

LOST = (
    "the executor was lost; what was done is in the archive: run again to resume.  If one point kills its worker every"
    " time, a run without an executor finds it"
)

Results = Generator[Records | None]  # None when nothing came for a while, and when all came


class _Death(NamedTuple):
    """A job whose worker died, and the error that says so."""

    job: Job
    error: BaseException


@final
class _Deaths:
    """Jobs whose worker died, each of which may have ended it, and the weight of the deaths of each point."""

    def __init__(self, task: Task):
        self._task, self.jobs, self._weights = task, deque[Job](), Counter[int]()

    def add(self, death: _Death) -> bool:
        """Record a death.  Whether the point of the job is given up."""
        points = self._task.points_of(death.job)
        if len(points) == 1:
            self._weights[points[0]] += _weight(death.error)
            if self._weights[points[0]] >= OUTSIDE_DEATHS:
                return True
        self.jobs.append(death.job)
        return False


def own_pool(call: Call, task: Task, queue: Queue, workers: int) -> Results:
    """Records from a pool of processes of our own; jobs whose worker died are computed alone at the end."""
    deaths = _Deaths(task)
    with Pool(workers, call.keep) as pool:
        yield from _Engine(pool, call, task).all_jobs(queue, lambda: workers, deaths)
    if deaths.jobs:
        with Pool(1, call.keep) as pool:
            yield from _Engine(pool, call, task).one_by_one(deaths)


def given(call: Call, task: Task, queue: Queue, executor: Executor, workers: int | None) -> Results:
    """Records from an executor that is not ours.  Raises RuntimeError when it is lost."""
    deaths, engine = _Deaths(task), _Engine(executor, call, task)
    yield from engine.all_jobs(queue, worker_count(executor, workers), deaths)
    yield from engine.one_by_one(deaths)


@final
class _Engine:
    """An executor that computes jobs of a task.

    The measure and the task are sent with a job once a process says that it lacks them.
    """

    def __init__(self, executor: Executor, call: Call, task: Task):
        self._executor, self._call, self._task = executor, call, task
        self._lacking: set[tuple[str, int]] = set()  # processes
        self._sent: set[Future] = set()  # under way, with the data

    def all_jobs(self, queue: Queue, workers: Callable[[], int], deaths: _Deaths) -> Results:
        """Records of all jobs but those whose worker died, which may be what another one did, or lack of memory."""
        any_done = False
        for found in self._found(queue, workers):
            if not isinstance(found, _Death):
                any_done |= found is not None
                yield found
                continue
            deaths.add(found)
            if not any_done and len(deaths.jobs) >= ALL_DIE and getattr(found.error, "own", True):
                raise RuntimeError(
                    f"the first {len(deaths.jobs)} calls of the measure all ended their workers, the last one"
                    f" {found.error}: the rest was not tried"
                )

    def one_by_one(self, deaths: _Deaths) -> Results:
        """Records of jobs whose worker died, when all the others are done: alone, in ever smaller parts.

        A point is given up when it has ended its worker twice, or when its worker was killed many times, each time
        after all the other jobs had another try: another process that kills workers may kill one that computes it.
        """
        while deaths.jobs:
            queue = Queue(np.zeros(0, dtype=int), 0.0)
            queue.put_back([deaths.jobs.popleft()])
            for found in self._found(queue, lambda: 1, ahead=1, fits=True):
                if not isinstance(found, _Death):
                    yield found
                elif parts := self._task.split(found.job):
                    deaths.jobs.extendleft(reversed(parts))
                elif deaths.add(found):
                    points = self._task.points_of(found.job)
                    yield self._task.without_result(points, Status.DIED, death_message(found.error))

    def _found(
        self, queue: Queue, workers: Callable[[], int], *, ahead: int = 2, fits: bool = False
    ) -> Iterator[Records | _Death | None]:
        """Records and deaths of workers in the order of completion, at most `ahead` jobs under way for each worker.

        None when nothing came for a while, and at the end.  Raises RuntimeError when the executor is lost and for an
        outcome that is not that of its job or of another source, and WrongOutput if the first job has points that do
        not fit the archive: the measure does not, then; later ones, and those of a measure that `fits`, have failed.
        When it is closed before its end, what waits in the executor is cancelled.
        """
        pending: dict[Future, Job] = {}
        try:
            while True:
                while len(pending) < ahead * workers() and (job := queue.take(workers())):
                    pending[self._submitted(job)] = job
                if not pending:
                    yield None
                    return
                done = wait(pending, timeout=TICK, return_when=FIRST_COMPLETED).done
                for future in [future for future in pending if future in done]:  # the first sent first
                    job, outcome = pending.pop(future), _outcome(future)
                    self._learn(future, outcome)
                    if isinstance(outcome, TimedOut):
                        yield self._late(queue, job, outcome)
                    elif isinstance(outcome, BaseException):
                        yield _Death(job, outcome)
                    elif outcome.records is None:
                        queue.put_back([job])
                    else:
                        _require_right(self._task, job, outcome, fits)
                        fits = True
                        queue.learn(outcome)
                        yield outcome.records
                if not done:
                    yield None
        finally:
            for future in pending:
                future.cancel()

    def _late(self, queue: Queue, job: Job, error: TimedOut) -> Records | None:
        """The record of a point that took too long; the rest of its job is put back, a block of several by points."""
        task = self._task
        late = [block for block in job.blocks if error.part in task.points(job, int(block))]
        others = job.blocks[~np.isin(job.blocks, late)]
        own = Job(np.array(late, dtype=int), job.member)
        points = task.points_of(own) if late else np.zeros(0, dtype=int)
        queue.put_back([*(task.split(own) if len(points) > 1 else []), *([Job(others)] if len(others) else [])])
        if len(points) != 1:
            return None
        return task.without_result(points, Status.FAILED, f"TimedOut: took longer than timeout = {task.timeout:g} s")

    def _submitted(self, job: Job) -> Future:
        due = len(self._lacking) > len(self._sent)
        options: Any = {"pure": False} if _dask_client(self._executor) else {}  # or a second try has the first's result
        try:
            with held_back(signal.SIGINT):  # a worker that starts now inherits that, and ignores Ctrl-C from its start
                call = self._call if due else self._call.without_data()
                future = self._executor.submit(call, job, **options)
        except BrokenExecutor:
            raise RuntimeError(LOST) from None
        if due:
            self._sent.add(future)
        return future

    def _learn(self, future: Future, outcome: Outcome | BaseException) -> None:
        """Record which process has the measure and the task."""
        if future in self._sent and self._lacking:  # a process that still lacks them reports it again
            self._lacking.pop()
        self._sent.discard(future)
        if isinstance(outcome, Outcome):
            (self._lacking.add if outcome.records is None else self._lacking.discard)(outcome.worker)


def _weight(error: BaseException) -> int:
    """How strongly a death indicates that the point did it: less if a signal may have come from outside."""
    return OUTSIDE_DEATHS // OWN_DEATHS if getattr(error, "own", True) else 1


def death_message(error: BaseException) -> str:
    """The message of a point whose worker died."""
    how = f": it {error}" if isinstance(error, WorkerDied) else ""
    return f"the worker died, also with this point alone{how}"


def worker_count(executor: Executor, workers: int | None) -> Callable[[], int]:
    """How many calls the executor runs at once, as far as it says; dask's number changes."""
    client = _dask_client(executor)
    fixed = workers or getattr(executor, "num_workers", None) or getattr(executor, "_max_workers", None)
    if fixed or client is None:
        return lambda: fixed or UNKNOWN
    asked, threads = 0.0, -1

    def count() -> int:
        nonlocal asked, threads
        if time.monotonic() - asked > ASK_EVERY:
            asked, before, threads = time.monotonic(), threads, sum(client.nthreads().values())
            if threads == 0 != before:
                LOG.warning("dask has no workers: the sweep waits for some")
        return max(threads, 16)  # more may be waiting for work

    return count


def _require_right(task: Task, job: Job, outcome: Outcome, fits: bool) -> None:
    """Raise RuntimeError for an outcome that is not that of its job, or was changed on its way, or belongs to another
    source than the sweep began with; WrongOutput for a measure that does not fit the archive."""
    records = outcome.records
    assert records is not None
    if outcome.changed:
        raise RuntimeError(
            f"the text of {outcome.changed} changed while the sweep ran, or a worker imported another version of it:"
            " its results are not kept.  Run again, with new workers or a new notebook kernel, to continue with the"
            " present text"
        )
    if outcome.wrong and not (fits and len(records)):
        raise WrongOutput(outcome.wrong)
    if outcome.warning:
        LOG.warning("%s", outcome.warning)
    done = job.blocks if outcome.left is None else job.blocks[: len(job.blocks) - len(outcome.left.blocks)]
    wanted = np.sort(task.points_of(Job(done, job.member)))
    if not outcome.job.same_as(job) or not np.array_equal(wanted, records.points):
        raise RuntimeError("the executor returned the outcome of another job than was sent: its results are not kept")
    if not records.sound.all():
        raise RuntimeError(
            "values changed on their way from a worker: their checksums are not right, and they are not kept"
        )


def _outcome(future: Future) -> Outcome | BaseException:
    """What a call came to; the error by which a worker died or was stopped."""
    try:
        outcome = future.result()
    except (BrokenExecutor, CancelledError):  # dask cancels what a lost scheduler had
        raise RuntimeError(LOST) from None
    except (WorkerDied, TimedOut, *_killed_worker()) as error:
        return error
    except ValueError as error:
        if _lost_by_dask(error):
            return error
        raise
    if not isinstance(outcome, Outcome):
        raise TypeError(f"the executor must return the result of each call; got {type(outcome).__name__}")
    return outcome


def _dask_client(executor: Executor) -> Any:
    """The client of a dask executor, None for any other."""
    return getattr(executor, "_client", None)


def _lost_by_dask(error: ValueError) -> bool:
    """Whether dask's executor failed to read the result of a task whose worker was lost at that moment."""
    frames = list(walk_tb(error.__traceback__))
    return bool(frames) and frames[-1][0].f_globals.get("__name__") == "distributed.cfexecutor"


def _killed_worker() -> tuple[type[BaseException], ...]:
    """What dask raises for a task that killed several workers."""
    distributed = sys.modules.get("distributed")
    return (distributed.KilledWorker,) if distributed else ()
