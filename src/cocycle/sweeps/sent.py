"""Objects that go to a worker process once, pickled, and stay there: the measure of a sweep, and its grid."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, final

import cloudpickle

from cocycle.sweeps.pickling import dumped

KEPT = 8  # objects that a process keeps, those that were used last
SMALL = 4096  # bytes that may go along with every job: fewer than a question whether the process has them costs


@final
@dataclass(frozen=True, eq=False)
class Sent:
    """A pickled object on its way to a process; or only its digest, for a process that has it."""

    digest: str
    data: bytes | None = field(repr=False, default=None)

    _ARRIVED: ClassVar[dict[str, bytes | None]] = {}  # before any job, and not loaded yet
    _LOADED: ClassVar[OrderedDict[str, Any]] = OrderedDict()
    _LOCK: ClassVar[threading.Lock] = threading.Lock()

    @classmethod
    def of(cls, thing: Any, digests: Mapping[str, str] | None = None) -> "Sent":
        """A thing whose modules have these digests: where one changes, the same name is another thing.

        Raises ValueError, which names it, for a measure that cannot be pickled.
        """
        data = dumped(thing)
        return cls(hashlib.sha256(data + repr(sorted((digests or {}).items())).encode()).hexdigest(), data)

    def keep(self) -> None:
        """Make this process have it: see `Pool`."""
        self._ARRIVED[self.digest] = self.data

    def loaded(self) -> Any:
        """Once for each process, like a module that is imported; None where only the digest arrived."""
        with self._LOCK:
            if self.digest not in self._LOADED:
                data = self.data if self.data is not None else self._ARRIVED.pop(self.digest, None)
                if data is None:
                    return None
                self._LOADED[self.digest] = cloudpickle.loads(data)
                while len(self._LOADED) > KEPT:
                    self._LOADED.popitem(last=False)
            self._LOADED.move_to_end(self.digest)
            return self._LOADED[self.digest]

    def without_data(self) -> "Sent":
        return self if self.data is None or len(self.data) <= SMALL else replace(self, data=None)
