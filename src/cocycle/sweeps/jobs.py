"""Jobs of a sweep: parts of its grid that are handed out to workers, and what comes back."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, final

import numpy as np

from cocycle.sweeps.contents import Contents
from cocycle.sweeps.coordinates import Generators, generator
from cocycle.sweeps.grid import Grid
from cocycle.sweeps.records import Records, Status

Measure = Callable[[dict[str, Any], Any], Mapping[str, Any]]

LONGEST = 0.5  # seconds of work in a job, about: what a killed worker can cost


class WrongOutput(ValueError):
    """The measure and the archive disagree about what a point has: if the first one does, all of them will."""


@final
@dataclass(frozen=True, eq=False)
class Job:
    """Blocks of the grid, by their numbers, or only one `member` of one block."""

    blocks: np.ndarray
    member: int | None = None

    def same_as(self, other: "Job") -> bool:
        return self.member == other.member and np.array_equal(self.blocks, other.blocks)


class Outcome(NamedTuple):
    """What a job came to.

    The job itself; who computed it; records, None from a process that lacks the measure or the task; the seconds that a
    block took; what was left undone; what does not fit the archive; a warning; and modules whose text is
    not the one that the sweep began with.
    """

    job: Job
    worker: tuple[str, int]
    records: Records | None
    pace: float = 0.0
    left: Job | None = None
    wrong: str = ""
    warning: str = ""
    changed: str = ""


@final
@dataclass(frozen=True, eq=False)
class Task:
    """What a worker needs for any job of a sweep, except the measure and the job.

    `left_out` are the points (*grid) that are never computed, `digests` those of the local modules that workers import,
    and `timeout` the seconds that a point may take.
    """

    contents: Contents
    left_out: np.ndarray | None = None
    digests: dict[str, str] = field(default_factory=dict)
    timeout: float | None = None

    @property
    def grid(self) -> Grid:
        return self.contents.grid

    def points(self, job: Job, block: int) -> np.ndarray:
        """The points to compute in one block of a job."""
        points = self.grid.points(block)
        if self.left_out is not None:
            points = points[~self.left_out.flat[points]]
        return points if job.member is None else points[[job.member]]

    def points_of(self, job: Job) -> np.ndarray:
        """All the points of a job."""
        return np.concatenate([self.points(job, int(block)) for block in job.blocks])

    def split(self, job: Job) -> list[Job]:
        """The same in smaller jobs: the blocks, then the points of a block; empty for a single point."""
        if len(job.blocks) > 1:
            return [Job(job.blocks[i : i + 1]) for i in range(len(job.blocks))]
        count = len(self.points(job, int(job.blocks[0])))
        return [Job(job.blocks, member) for member in range(count)] if count > 1 else []

    def without_result(self, points: np.ndarray, status: Status, message: str) -> Records:
        """Records of points that have no result, and why."""
        return Records.without_result(points, status, message, self.contents.outputs, self.grid.column_values(points))

    def generators(self, points: np.ndarray) -> Generators | np.random.Generator:
        """The random numbers of points of one block: a generator for each, or, without blocks, that of the one."""
        streams, seed = self.grid.streams(points), self.contents.seed
        return Generators(seed, streams) if self.grid.block else generator(seed, streams[0])


@final
class Queue:
    """The blocks that no worker has yet, handed out in jobs of about LONGEST seconds, of less towards the end.

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
        """Record how long a block took, and what was left undone."""
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
        share = self._left * self._pace / (2 * workers)  # at the end no worker should wait for a long job
        return max(1, int(min(LONGEST, max(share, self._shortest)) / self._pace))
