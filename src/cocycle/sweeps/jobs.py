"""What a worker of a sweep is given to do, and what it does with it."""

import hashlib
import os
import platform
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, final

import cloudpickle
import numpy as np

from cocycle.sweeps import provenance
from cocycle.sweeps.contents import Contents
from cocycle.sweeps.coordinates import Generators, generator
from cocycle.sweeps.failures import Failure, failure
from cocycle.sweeps.grid import Grid
from cocycle.sweeps.pickling import dumped
from cocycle.sweeps.pool import Deadline
from cocycle.sweeps.records import Records, Status
from cocycle.sweeps.workers import one_thread

Measure = Callable[[dict[str, Any], Any], Mapping[str, Any]]

LONGEST = 0.5  # seconds of work in a job, about: what a killed worker can cost
PATIENCE = 1.0  # seconds after which a worker hands in what it has: the job was longer than it seemed
KEPT = 4  # measures that a process keeps


class WrongOutput(ValueError):
    """The measure and the archive disagree about what a point has: if the first one does, all of them will."""


@final
@dataclass(frozen=True, eq=False)
class Job:
    """Blocks of the grid, by their numbers, or only the point at `place` in one block."""

    blocks: np.ndarray
    place: int | None = None

    def same_as(self, other: "Job") -> bool:
        return self.place == other.place and np.array_equal(self.blocks, other.blocks)


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
    """What a job came to.

    The job itself; who computed it; records, None from a process that has not got the measure; the seconds that a
    block took; what was left undone; what does not fit the archive; what to tell the user; and modules whose text is
    not the one that the sweep began with.
    """

    job: Job
    worker: tuple[str, int]
    records: Records | None
    pace: float = 0.0
    left: Job | None = None
    wrong: str = ""
    told: str = ""
    changed: str = ""


@final
@dataclass(frozen=True, eq=False)
class Sent:
    """A pickled measure, with the settings that all points share, on its way to a process; or only its digest, for
    one that has it."""

    digest: str
    data: bytes | None = field(repr=False, default=None)

    _LOADED: ClassVar[dict[str, tuple[Measure, dict[str, Any]]]] = {}
    _LOCK: ClassVar[threading.Lock] = threading.Lock()

    @classmethod
    def of(cls, measure: Measure, fixed: dict[str, Any], digests: Mapping[str, str] | None = None) -> "Sent":
        """A measure whose modules have these digests: where one changes, the same name is another measure.

        Raises ValueError, which names it, for a measure that cannot be pickled.
        """
        data = dumped((measure, fixed))
        return cls(hashlib.sha256(data + repr(sorted((digests or {}).items())).encode()).hexdigest(), data)

    def keep(self) -> None:
        """Make this process have it: see `Pool`."""
        _KEPT[self.digest] = self.data

    def loaded(self) -> tuple[Measure, dict[str, Any]] | None:
        """Once for each process, like a module that is imported; None where only the digest arrived."""
        if found := self._LOADED.get(self.digest):
            return found
        with self._LOCK:
            if self.digest not in self._LOADED:
                data = self.data if self.data is not None else _KEPT.pop(self.digest, None)
                if data is None:
                    return None
                while len(self._LOADED) >= KEPT:
                    del self._LOADED[next(iter(self._LOADED))]
                self._LOADED[self.digest] = cloudpickle.loads(data)
            return self._LOADED[self.digest]

    def without_data(self) -> "Sent":
        return replace(self, data=None)


_KEPT: dict[str, bytes | None] = {}  # measures that arrived before any job


@final
@dataclass(frozen=True, eq=False)
class Task:
    """What a worker needs for any job of a sweep, except the job.

    `digests` are those of the local modules that workers import, and `timeout` the seconds that a point may take.
    """

    measure: Sent
    grid: Grid
    outputs: dict[str, tuple[int, ...]]
    seed: int
    left_out: np.ndarray | None = None  # which points (*grid) are never computed
    digests: dict[str, str] = field(default_factory=dict)
    timeout: float | None = None

    def excerpt(self, job: Job, *, measure: bool = True) -> "Task":
        """What a worker needs for this job alone: a grid may be large, and goes along with every job."""
        grid = self.grid.excerpt(job.blocks)
        left_out = None if self.left_out is None else self.left_out[grid.window]
        sent = self.measure if measure else self.measure.without_data()
        return replace(self, measure=sent, grid=grid, left_out=left_out)

    def points(self, job: Job, block: int) -> np.ndarray:
        """The points to compute in one block of a job."""
        points = self.grid.points(block)
        if self.left_out is not None:
            points = points[~self.left_out[self.grid.local(points)]]
        return points if job.place is None else points[[job.place]]

    def points_of(self, job: Job) -> np.ndarray:
        """All the points of a job."""
        return np.concatenate([self.points(job, int(block)) for block in job.blocks])

    def split(self, job: Job) -> list[Job]:
        """The same in smaller jobs: the blocks, then the points of a block; empty for a single point."""
        if len(job.blocks) > 1:
            return [Job(job.blocks[i : i + 1]) for i in range(len(job.blocks))]
        count = len(self.points(job, int(job.blocks[0])))
        return [Job(job.blocks, place) for place in range(count)] if count > 1 else []

    def __call__(self, job: Job) -> Outcome:
        """The records of a job, or of as many of its blocks as can be had in PATIENCE seconds."""
        worker = (platform.node(), os.getpid())
        started, done = time.monotonic(), 0
        parts: list[_Done | _Failed] = []
        told = ""
        try:
            if self.measure.loaded() is None:
                return Outcome(job, worker, None)
        except Exception as error:
            words = f"the measure cannot be loaded by a worker: {type(error).__name__}: {error}"
            return Outcome(job, worker, Records.nothing(self._columns), wrong=words)
        with one_thread() as late_library:
            while done < len(job.blocks) and (done == 0 or time.monotonic() - started < PATIENCE):
                found, words = self._block(job, int(job.blocks[done]))
                if not late_library():  # else once more: the last digits of what it computed may be others
                    parts.extend(found)
                    told, done = told or words, done + 1
        left = Job(job.blocks[done:]) if done < len(job.blocks) else None
        pace = (time.monotonic() - started) / done
        return Outcome(job, worker, self._records(parts), pace, left, self._wrong(parts), told, self._changed())

    def _wrong(self, parts: "list[_Done | _Failed]") -> str:
        """What of the first point that does not fit the archive."""
        for part in parts:
            if isinstance(part, _Failed) and part.misfit:
                return f"{part.misfit}, at {self.grid.in_words(int(part.points[0]))}"
        return ""

    def _block(self, job: Job, block: int) -> "tuple[list[_Done | _Failed], str]":
        """The parts of one block, and what to tell.

        If the measure of a block raises, its points are tried one by one: only the bad ones fail.

        If none does, whatever it was is over: the block is tried once more, since together points may round in another
        way than alone.  If all do, the error of the block is kept: it came first.
        """
        points = self.points(job, block)
        whole = self._tried(points)
        if len(points) == 1 or isinstance(whole, _Done):
            return [whole], ""
        alone = [self._tried(points[[i]]) for i in range(len(points))]
        if all(isinstance(part, _Done) for part in alone):
            again = self._tried(points)
            if isinstance(again, _Done):
                return [again], ""
            where = self.grid.in_words(int(points[0]))
            words = f"a block fails whose points, alone, do not, at {where}: {whole.failure.message}"
            return list(alone), words
        if all(isinstance(part, _Failed) for part in alone):
            return [_both(whole, part) for part in alone if isinstance(part, _Failed)], ""
        return list(alone), ""

    def _tried(self, points: np.ndarray) -> "_Done | _Failed":
        if self.timeout is not None:
            Deadline.set(int(points[0]), self.timeout * len(points))
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
                record = self.without_result(part.points, Status.FAILED, part.failure.message)
                records.append(replace(record, tracebacks=part.failure.tracebacks))
        done = [part for part in parts if isinstance(part, _Done)]
        if done:
            points = np.concatenate([part.points for part in done])
            values = {name: np.concatenate([part.values[name] for part in done]) for name in self.outputs}
            records.append(Records.done(points, {**self.grid.column_values(points), **values}))
        return Records.joined(records) if records else Records.nothing(self._columns)

    def without_result(self, points: np.ndarray, status: Status, message: str) -> Records:
        """Records of points that have no result, and why."""
        return Records.without_result(points, status, message, self.outputs, self.grid.column_values(points))

    @property
    def _columns(self) -> dict[str, tuple[int, ...]]:
        return {**dict.fromkeys(self.grid.columns, ()), **self.outputs}

    def results(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """What the measure returns for points of one block: (points, *event) for each output.

        Raises what the measure raises, and WrongOutput.
        """
        loaded = self.measure.loaded()
        assert loaded is not None
        measure, fixed = loaded
        own = deepcopy(fixed) if fixed else {}
        generators = self.generators(points)
        result = measure({**own, **self.grid.coordinates(points)}, generators)
        if isinstance(generators, Generators) and generators.first_for_all:
            raise ValueError(
                "measure used rngs[0] alone for points whose numbers differ: take a generator for each, or declare the"
                " axes over which they are the same, Grid(..., common=(...))"
            )
        returned = sorted(result) if isinstance(result, Mapping) else type(result).__name__
        if returned != sorted(self.outputs):
            raise WrongOutput(f"measure must return {sorted(self.outputs)}; got {returned}")
        batch = (len(points),) if self.grid.block else ()
        values = {name: _numbers(name, result[name]) for name in self.outputs}
        for name, event in self.outputs.items():
            if values[name].shape != (*batch, *event):
                raise WrongOutput(f"measure must return {name} of shape {(*batch, *event)}; got {values[name].shape}")
        return {name: value.reshape(len(points), *self.outputs[name]) for name, value in values.items()}

    def generators(self, points: np.ndarray) -> Generators | np.random.Generator:
        """The random numbers of points of one block: a generator for each, or, without blocks, that of the one."""
        streams = self.grid.streams(points)
        return Generators(self.seed, streams) if self.grid.block else generator(self.seed, streams[0])

    def _changed(self) -> str:
        """Local modules that this process imported from another text than the sweep began with.

        A process that lives long, such as a notebook or a worker of dask, keeps the text that it imported first.
        """
        changed = []
        for name, digest in self.digests.items():
            file = getattr(sys.modules.get(name), "__file__", None)
            if file and name not in _IMPORTED:
                _IMPORTED[name] = provenance.digest_of(Path(file)) or digest  # of a text that cannot be read
            if _IMPORTED.get(name, digest) != digest:
                changed.append(name)
        return ", ".join(changed)


_IMPORTED: dict[str, str] = {}  # the digests of local modules when they were first seen in this process


def task(
    measure: Measure,
    contents: Contents,
    left_out: np.ndarray | None = None,
    *,
    digests: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> Task:
    """The task of a sweep of these contents; `digests` are those of the local modules that workers import."""
    sent = Sent.of(measure, contents.fixed, digests)
    return Task(sent, contents.grid, contents.outputs, contents.seed, left_out, dict(digests or {}), timeout)


def _both(first: _Failed, alone: _Failed) -> _Failed:
    """The failure of a point of a block that fails as a whole: its own if it is of the same kind, else the first."""
    kinds = [(part.failure.message.partition(":")[0], *part.failure.tracebacks) for part in (first, alone)]
    if kinds[0] == kinds[1]:
        return alone
    known = {**first.failure.tracebacks, **alone.failure.tracebacks}
    return _Failed(alone.points, Failure(first.failure.message, known), first.misfit)


def _numbers(name: str, value: Any) -> np.ndarray:
    """A copy: the measure may use its array again.  Raises WrongOutput for what is not made of real numbers."""
    array = np.asarray(value)
    if array.dtype.kind not in "biuf" or np.ma.is_masked(value):
        raise WrongOutput(f"measure must return {name} in real numbers; got {value!r}")
    return array.astype(np.float64)


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
        self._ready.extend(jobs)

    def _size(self, workers: int) -> int:
        if self._pace is None:
            return 1
        share = self._left * self._pace / (2 * workers)  # at the end nobody should wait for a long job
        return max(1, int(min(LONGEST, max(share, self._shortest)) / self._pace))
