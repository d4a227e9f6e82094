"""What a worker does with a job: call the measure for its points, and make records of what it returns."""

import os
import platform
import sys
import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np

from cocycle.sweeps import provenance
from cocycle.sweeps.coordinates import Generators
from cocycle.sweeps.failures import Failure, failure
from cocycle.sweeps.jobs import Job, Measure, Outcome, Task, WrongOutput
from cocycle.sweeps.pickling import Sent
from cocycle.sweeps.records import Records, Status
from cocycle.sweeps.worker_process import Deadline
from cocycle.sweeps.workers import one_thread

HAND_IN = 1.0  # seconds after which a worker returns the blocks that it has done: the job was longer than expected


class Call(NamedTuple):
    """What is sent with each job: a measure and a task; or only their digests, to a process that has them."""

    measure: Sent
    task: Sent

    @classmethod
    def of(cls, measure: Measure, task: Task) -> "Call":
        """Raises ValueError, which names it, for a measure that cannot be pickled."""
        return cls(Sent.of(measure, task.digests), Sent.of(task))

    def keep(self) -> None:
        """Make this process have them."""
        self.measure.keep()
        self.task.keep()

    def without_data(self) -> "Call":
        return Call(self.measure.without_data(), self.task.without_data())

    def __call__(self, job: Job) -> Outcome:
        """The outcome of a job; without records if this process lacks the measure or the task."""
        worker = (platform.node(), os.getpid())
        task = self.task.loaded()
        if task is None:
            return Outcome(job, worker, None)
        try:
            measure = self.measure.loaded()
        except Exception as error:
            wrong = f"the measure cannot be loaded by a worker: {type(error).__name__}: {error}"
            return Outcome(job, worker, Records.nothing(task.contents.columns), wrong=wrong)
        return Outcome(job, worker, None) if measure is None else Computation(task, measure).outcome(job, worker)


class _Done(NamedTuple):
    """Points (n,) and what the measure returned of them, (n, *event) for each output."""

    points: np.ndarray
    values: dict[str, np.ndarray]


class _Failed(NamedTuple):
    """Points (n,) for which the measure raised."""

    points: np.ndarray
    failure: Failure
    wrong: str = ""  # what does not fit the archive


@final
class Computation:
    """The points of a task, computed in this process."""

    def __init__(self, task: Task, measure: Measure):
        self._task, self._measure, self._contents, self._grid = task, measure, task.contents, task.grid

    def outcome(self, job: Job, worker: tuple[str, int]) -> Outcome:
        """The records of a job, or of as many of its blocks as can be had in HAND_IN seconds."""
        started, done = time.monotonic(), 0
        parts: list[_Done | _Failed] = []
        warning = ""
        with one_thread() as late_library:
            while done < len(job.blocks) and (done == 0 or time.monotonic() - started < HAND_IN):
                found, of_block = self._block(job, int(job.blocks[done]))
                if not late_library():  # else once more: the last digits of what it computed may be others
                    parts.extend(found)
                    warning, done = warning or of_block, done + 1
        left = Job(job.blocks[done:]) if done < len(job.blocks) else None
        pace = (time.monotonic() - started) / done
        return Outcome(job, worker, self._records(parts), pace, left, self._wrong(parts), warning, self._changed())

    def _wrong(self, parts: "list[_Done | _Failed]") -> str:
        """The reason why the first result that does not fit the archive does not."""
        for part in parts:
            if isinstance(part, _Failed) and part.wrong:
                return f"{part.wrong}, at {self._grid.point_text(int(part.points[0]))}"
        return ""

    def _block(self, job: Job, block: int) -> "tuple[list[_Done | _Failed], str]":
        """The parts of one block, and a warning.

        If the measure of a block raises, its points are tried one by one: only the bad ones fail.

        If none raises, the cause was temporary: the whole block is computed once more, since its points may be rounded
        differently together than one by one.  If all raise, the error of the block is kept, which came first.
        """
        points = self._task.points(job, block)
        whole = self._tried(points)
        if len(points) == 1 or isinstance(whole, _Done):
            return [whole], ""
        alone = [self._tried(points[[i]]) for i in range(len(points))]
        if all(isinstance(part, _Done) for part in alone):
            again = self._tried(points)
            if isinstance(again, _Done):
                return [again], ""
            where = self._grid.point_text(int(points[0]))
            warning = f"a block fails whose points, alone, do not, at {where}: {whole.failure.message}"
            return list(alone), warning
        if all(isinstance(part, _Failed) for part in alone):
            return [_both(whole, part) for part in alone if isinstance(part, _Failed)], ""
        return list(alone), ""

    def _tried(self, points: np.ndarray) -> "_Done | _Failed":
        if self._task.timeout is not None:
            Deadline.set(int(points[0]), self._task.timeout * len(points))
        try:
            return _Done(points, self._results(points))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit too, and what asyncio cancels with
            return _Failed(points, failure(error, __file__), str(error) if isinstance(error, WrongOutput) else "")

    def _records(self, parts: "list[_Done | _Failed]") -> Records:
        """Those of the results are made together: one by one they would cost more than to compute a quick point."""
        records = []
        for part in parts:
            if isinstance(part, _Failed):
                record = self._task.without_result(part.points, Status.FAILED, part.failure.message)
                records.append(replace(record, tracebacks=part.failure.tracebacks))
        done = [part for part in parts if isinstance(part, _Done)]
        if done:
            points = np.concatenate([part.points for part in done])
            values = {name: np.concatenate([part.values[name] for part in done]) for name in self._contents.outputs}
            records.append(Records.done(points, {**self._grid.column_values(points), **values}))
        return Records.joined(records) if records else Records.nothing(self._contents.columns)

    def _results(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """What the measure returns for points of one block: (points, *event) for each output.

        Raises what the measure raises, and WrongOutput.
        """
        fixed = deepcopy(self._contents.fixed) if self._contents.fixed else {}
        generators, outputs = self._task.generators(points), self._contents.outputs
        result = self._measure({**fixed, **self._grid.coordinates(points)}, generators)
        if isinstance(generators, Generators) and generators.first_for_all:
            raise ValueError(
                "measure used rngs[0] alone for points whose numbers differ: take a generator for each, or declare the"
                " axes over which they are the same, Grid(..., common=(...))"
            )
        returned = sorted(result) if isinstance(result, Mapping) else type(result).__name__
        if returned != sorted(outputs):
            wanted = ", ".join(f"{name!r}: ..." for name in sorted(outputs))
            raise WrongOutput(f"measure must return a mapping, {{{wanted}}}; got {returned}")
        batch = (len(points),) if self._grid.block else ()
        values = {name: _numbers(name, result[name]) for name in outputs}
        for name, event in outputs.items():
            if values[name].shape != (*batch, *event):
                raise WrongOutput(f"measure must return {name} of shape {(*batch, *event)}; got {values[name].shape}")
        return {name: value.reshape(len(points), *outputs[name]) for name, value in values.items()}

    def _changed(self) -> str:
        """Local modules that this process imported from another text than the sweep began with.

        A process that lives long, such as a notebook or a worker of dask, keeps the text that it imported first.
        """
        changed = []
        for name, digest in self._task.digests.items():
            file = getattr(sys.modules.get(name), "__file__", None)
            if file and name not in _IMPORTED:
                _IMPORTED[name] = provenance.digest_of(Path(file)) or digest  # of a text that cannot be read
            if _IMPORTED.get(name, digest) != digest:
                changed.append(name)
        return ", ".join(changed)


_IMPORTED: dict[str, str] = {}  # the digests of local modules when they were first seen in this process


def _both(first: _Failed, alone: _Failed) -> _Failed:
    """The failure of a point of a block that fails as a whole: its own if it is of the same kind, else the first."""
    kinds = [(part.failure.message.partition(":")[0], *part.failure.tracebacks) for part in (first, alone)]
    if kinds[0] == kinds[1]:
        return alone
    tracebacks = {**first.failure.tracebacks, **alone.failure.tracebacks}
    return _Failed(alone.points, Failure(first.failure.message, tracebacks), first.wrong)


def _numbers(name: str, value: Any) -> np.ndarray:
    """A copy: the measure may use its array again.  Raises WrongOutput for what is not made of real numbers."""
    array = np.asarray(value)
    if array.dtype.kind not in "biuf" or np.ma.is_masked(value):
        raise WrongOutput(f"measure must return {name} in real numbers; got {value!r}")
    return array.astype(np.float64)
