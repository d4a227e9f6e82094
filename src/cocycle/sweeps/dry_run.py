"""What a sweep would take, in time and on the disk, from a few of its points."""

from dataclasses import dataclass
from typing import final

import numpy as np

from cocycle.progress import tracked
from cocycle.sweeps import new_file
from cocycle.sweeps.computing import Call
from cocycle.sweeps.contents import Contents
from cocycle.sweeps.jobs import Job, Measure, Task, WrongOutput
from cocycle.sweeps.pool import Pool, WorkerDied
from cocycle.sweeps.records import Status

TRIED = 5  # blocks, at equal distances over the grid


@final
@dataclass(frozen=True)
class DryRun:
    """`seconds` that each of the blocks that were tried took; `messages` of the points that failed in them."""

    points: int
    blocks: int
    seconds: tuple[float, ...]
    bytes: int
    messages: tuple[str, ...]

    def summary(self, workers: int) -> str:
        mean, spread = np.mean(self.seconds), np.std(self.seconds) / np.sqrt(len(self.seconds))
        total = mean * self.blocks / workers
        error = f" ± {_duration(spread * self.blocks / workers)}" if len(self.seconds) > 1 else ""
        lines = [
            f"{self.points} points in {self.blocks} calls of the measure",
            f"time: {_duration(total)}{error} on {workers} workers; a call took {_duration(min(self.seconds))} to "
            f"{_duration(max(self.seconds))}, {len(self.seconds)} tried",
            f"disk: {self.bytes / 1e6:.3g} MB",
        ]
        return "\n".join([*lines, *(f"FAILED: {message}" for message in self.messages)])


def dry_run(measure: Measure, contents: Contents) -> DryRun:
    """Time a few blocks in one worker, as `run` would compute them, and write nothing.

    Raises ValueError if the measure returns other outputs or shapes than the contents have, RuntimeError if it kills
    its worker.
    """
    grid, call = contents.grid, Call.of(measure, Task(contents))
    blocks = grid.blocks()
    tried = blocks[np.unique(np.linspace(0, len(blocks) - 1, TRIED).round().astype(int))]
    try:
        with Pool(1, call.keep) as pool:
            sent = call.without_data()
            first = pool.submit(sent, Job(tried[:1])).result()  # imports, caches
            if first.wrong:
                raise WrongOutput(first.wrong)
            outcomes = [pool.submit(sent, Job(np.array([block]))).result() for block in tracked(tried, "dry run")]
    except WorkerDied:
        raise RuntimeError("the measure killed the worker that tried it: see what it does at one point") from None
    messages = {m.decode() for o in outcomes for m in o.records.messages[o.records.status != Status.DONE]}
    seconds = tuple(outcome.pace for outcome in outcomes)
    return DryRun(len(grid), len(blocks), seconds, new_file.size(contents), tuple(sorted(messages)))


def _duration(seconds: float | np.floating) -> str:
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.2g} s" if seconds >= 0.1 else f"{1000 * seconds:.2g} ms"
