"""What a worker of a sweep is given to do, and what it does with it."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple, final

import cloudpickle
import numpy as np
from numpy.random.bit_generator import ISpawnableSeedSequence

from cocycle.sweeps.contents import Contents
from cocycle.sweeps.failures import Failure, failure
from cocycle.sweeps.grid import Grid, Index
from cocycle.sweeps.pickling import dumped
from cocycle.sweeps.records import Records, Status
from cocycle.sweeps.workers import one_thread

Measure = Callable[[dict[str, Any], np.random.Generator], Mapping[str, Any]]

LONGEST = 0.5  # seconds of work in a job, about: what a killed worker can cost
PATIENCE = 1.0  # seconds after which a worker hands in what it has: the job was longer than it seemed


class WrongOutput(ValueError):
    """The measure and the archive disagree about what a point has: if the first one does, all of them will."""


@final
@dataclass(frozen=True, eq=False)
class Job:
    """Blocks of the grid, by their numbers, or only the point at `place` in one block."""

    blocks: np.ndarray
    place: int | None = None


class _Done(NamedTuple):
    """Points (n,) and what the measure returned of them, (n, *event) for each output."""

    points: np.ndarray
    values: dict[str, np.ndarray]


class _Failed(NamedTuple):
    """Points (n,) for which the measure raised."""

    points: np.ndarray
    failure: Failure
    misfit: str = ""  # what does not fit the archive


class Outcome(NamedTuple):
    """What a job came to: records, the seconds a block took, what it left undone, and what does not fit the archive."""

    records: Records
    pace: float
    left: Job | None
    wrong: str = ""


@final
@dataclass(frozen=True, eq=False)
class Task:
    """What a worker needs for any job of a sweep, except the job."""

    measure: bytes  # pickled, with the settings that all points share: see `task`
    grid: Grid
    outputs: dict[str, tuple[int, ...]]
    seed: int
    left_out: np.ndarray | None = None  # which points (*grid) are never computed

    def excerpt(self, job: Job) -> "Task":
        """What a worker needs for this job alone: a grid may be large, and goes along with every job."""
        grid = self.grid.excerpt(job.blocks)
        left_out = None if self.left_out is None else self.left_out[grid.window]
        return replace(self, grid=grid, left_out=left_out)

    def points(self, job: Job, block: int) -> np.ndarray:
        """The points to compute in one block of a job."""
        points = self.grid.points(block)
        if self.left_out is not None:
            points = points[~self.left_out[self.grid.local(points)]]
        return points if job.place is None else points[[job.place]]

    def split(self, job: Job) -> list[Job]:
        """The same in smaller jobs: the blocks, then the points of a block; empty for a single point."""
        if len(job.blocks) > 1:
            return [Job(job.blocks[i : i + 1]) for i in range(len(job.blocks))]
        count = len(self.points(job, int(job.blocks[0])))
        return [Job(job.blocks, place) for place in range(count)] if count > 1 else []

    def __call__(self, job: Job) -> Outcome:
        """The records of a job, or of as many of its blocks as can be had in PATIENCE seconds."""
        started, done = time.monotonic(), 0
        parts: list[_Done | _Failed] = []
        with one_thread():
            while done < len(job.blocks) and (done == 0 or time.monotonic() - started < PATIENCE):
                parts += self._block(self.points(job, int(job.blocks[done])))
                done += 1
        left = Job(job.blocks[done:]) if done < len(job.blocks) else None
        pace = (time.monotonic() - started) / done
        return Outcome(self._records(parts), pace, left, self._wrong(parts))

    def _wrong(self, parts: "list[_Done | _Failed]") -> str:
        """What of the first point that does not fit the archive."""
        for part in parts:
            if isinstance(part, _Failed) and part.misfit:
                return f"{part.misfit}, at {self.grid.in_words(int(part.points[0]))}"
        return ""

    def _block(self, points: np.ndarray) -> "list[_Done | _Failed]":
        """If the measure of a block raises, its points are tried one by one: only the bad ones fail.

        If none does, whatever it was is over: the block is tried once more, since together points may round in another
        way than alone.
        """
        whole = self._tried(points)
        if len(points) == 1 or isinstance(whole, _Done):
            return [whole]
        alone = [self._tried(points[[i]]) for i in range(len(points))]
        again = self._tried(points) if all(isinstance(part, _Done) for part in alone) else whole
        return [again] if isinstance(again, _Done) else alone

    def _tried(self, points: np.ndarray) -> "_Done | _Failed":
        try:
            return _Done(points, self.results(points))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit too, and what asyncio cancels with
            return _Failed(points, failure(error, __file__), str(error) if isinstance(error, WrongOutput) else "")

    def _records(self, parts: "list[_Done | _Failed]") -> Records:
        """Those of the results are made together: one by one they would cost more than to compute a quick point."""
        records = []
        for part in parts:
            if isinstance(part, _Failed):
                record = Records.without_result(part.points, Status.FAILED, part.failure.message, self.outputs)
                records.append(replace(record, tracebacks=part.failure.tracebacks))
        done = [part for part in parts if isinstance(part, _Done)]
        if done:
            values = {name: np.concatenate([part.values[name] for part in done]) for name in self.outputs}
            records.append(Records.done(np.concatenate([part.points for part in done]), values))
        return Records.joined(records)

    def results(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """What the measure returns for points of one block: (points, *event) for each output.

        Raises what the measure raises, and WrongOutput.
        """
        measure, fixed = _loaded(self.measure)
        result = measure({**deepcopy(fixed), **self.grid.coordinates(points)}, self.generator(points))
        returned = sorted(result) if isinstance(result, Mapping) else type(result).__name__
        if returned != sorted(self.outputs):
            raise WrongOutput(f"measure must return {sorted(self.outputs)}; got {returned}")
        batch = (len(points),) if self.grid.block else ()
        values = {name: _numbers(name, result[name]) for name in self.outputs}
        for name, event in self.outputs.items():
            if values[name].shape != (*batch, *event):
                raise WrongOutput(f"measure must return {name} of shape {(*batch, *event)}; got {values[name].shape}")
        return {name: value.reshape(len(points), *self.outputs[name]) for name, value in values.items()}

    def generator(self, points: np.ndarray) -> np.random.Generator:
        """The random stream that points of one block share."""
        shared, own = self.grid.stream(points)
        seeds = np.random.SeedSequence(self.seed, spawn_key=shared)
        streams: Any = _Streams(seeds, self.seed, own) if self.grid.block else seeds
        return np.random.default_rng(streams)

    def died(self, job: Job) -> Records:
        """The record of a point that kills its worker."""
        points = self.points(job, int(job.blocks[0]))
        message = "the worker died, also with this point alone"
        return Records.without_result(points, Status.DIED, message, self.outputs)


def task(measure: Measure, contents: Contents, left_out: np.ndarray | None = None) -> Task:
    """The task of a sweep of these contents."""
    return Task(dumped((measure, contents.fixed)), contents.grid, contents.outputs, contents.seed, left_out)


@lru_cache(maxsize=4)
def _loaded(measure: bytes) -> tuple[Measure, dict[str, Any]]:
    """Once for each process, like a module that is imported."""
    return cloudpickle.loads(measure)


def _numbers(name: str, value: Any) -> np.ndarray:
    """A copy: the measure may use its array again.  Raises WrongOutput for what is not made of real numbers."""
    array = np.asarray(value)
    if array.dtype.kind not in "biuf" or np.ma.is_masked(value):
        raise WrongOutput(f"measure must return {name} in real numbers; got {value!r}")
    return array.astype(np.float64)


@final
class _Streams(ISpawnableSeedSequence):
    """The seed of what the points of a block share; its children, one for each point, are the points' own."""

    def __init__(self, shared: np.random.SeedSequence, root: int, own: list[Index]):
        self._shared, self._spawned = shared, False
        self._own = [np.random.SeedSequence(root, spawn_key=key) for key in own]

    def generate_state(self, n_words, dtype=np.uint32):
        return self._shared.generate_state(n_words, dtype)

    def spawn(self, n_children):
        if n_children != len(self._own):
            raise ValueError(
                f"rng.spawn gives each point of the block its own stream, here {len(self._own)}; got {n_children}"
            )
        if self._spawned:
            return [own.spawn(1)[0] for own in self._own]
        self._spawned = True
        return self._own


@final
class Queue:
    """The blocks that nobody computes yet, handed out in jobs of about LONGEST seconds, of less towards the end.

    No job is shorter than `shortest` seconds, so that what it costs to send one does not count.
    """

    def __init__(self, blocks: np.ndarray, shortest: float):
        self._parts = deque([blocks]) if len(blocks) else deque()
        self._ready: deque[Job] = deque()
        self._left, self._shortest = len(blocks), shortest
        self._pace: float | None = None  # seconds that a block takes, of late

    def take(self, workers: int) -> Job | None:
        """The next job, or None if there is none now."""
        if self._ready:
            return self._ready.popleft()
        if not self._parts:
            return None
        part = self._parts.popleft()
        size = min(self._size(workers), len(part))
        if size < len(part):
            self._parts.appendleft(part[size:])
        self._left -= size
        return Job(part[:size])

    def learn(self, outcome: Outcome) -> None:
        """Take in how long a block took, and what was left undone."""
        pace = max(outcome.pace, 1e-6)
        self._pace = pace if self._pace is None else (self._pace + pace) / 2
        if outcome.left:
            self._parts.appendleft(outcome.left.blocks)
            self._left += len(outcome.left.blocks)

    def put_back(self, jobs: list[Job]) -> None:
        """Jobs to be handed out next, as they are."""
        self._ready.extendleft(reversed(jobs))

    def _size(self, workers: int) -> int:
        if self._pace is None:
            return 1
        share = self._left * self._pace / (2 * workers)  # at the end nobody should wait for a long job
        return max(1, int(min(LONGEST, max(share, self._shortest)) / self._pace))
