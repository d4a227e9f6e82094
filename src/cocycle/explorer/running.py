"""How far a sweep is, in words, with the time that is left, from the status of the file alone."""

import time
from collections import deque
from typing import TYPE_CHECKING, final

import numpy as np

from cocycle.sweeps.locks import is_being_written
from cocycle.sweeps.records import WITHOUT_RESULT, Status

if TYPE_CHECKING:
    from cocycle.sweeps import Archive

WINDOW = 60.0  # seconds whose pace says how long the rest takes


@final
class Running:
    """The progress of an archive that another process may write."""

    def __init__(self, archive: "Archive"):
        self._archive = archive
        self._seen: deque[tuple[float, int]] = deque()  # when how many points were tried
        self._status = np.zeros(0)

    def look(self, now: float | None = None) -> tuple[str, bool]:
        """How far the sweep is, in words, and whether any point has another status than at the last look."""
        now = time.monotonic() if now is None else now
        status = self._archive.status
        changed = not np.array_equal(status, self._status)
        self._status = status
        counts = np.bincount(status.ravel(), minlength=len(Status))
        left, asked = int(counts[Status.TO_DO]), status.size - int(counts[Status.LEFT_OUT])
        failed = int(sum(counts[kind] for kind in WITHOUT_RESULT))
        self._seen.append((now, asked - left))
        while self._seen[0][0] < now - WINDOW:
            self._seen.popleft()
        words = f"{counts[Status.DONE]} of {asked} points done" + (f", {failed} failed" if failed else "")
        if left == 0:
            return words, changed
        if not is_being_written(self._archive.path):
            return f"{words}, {left} to do: no process computes them", changed
        return f"{words}, running: {self._left(left)}", changed

    def _left(self, left: int) -> str:
        (start, before), (now, tried) = self._seen[0], self._seen[-1]
        if tried == before:
            return f"{left} to do"
        return f"about {duration((now - start) / (tried - before) * left)} left"


def duration(seconds: float) -> str:
    """A time to be read, in its largest unit of at least two."""
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 1):.0f} s"
