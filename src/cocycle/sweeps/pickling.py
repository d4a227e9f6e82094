"""How a measure, and what else a worker needs, travels to the workers: once, and by value if they cannot import it."""

import hashlib
import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import _lru_cache_wrapper, lru_cache, partial
from types import CellType, CodeType, FunctionType
from typing import Any, ClassVar, final

import cloudpickle

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


def dumped(thing: Any) -> bytes:
    """Raises ValueError, which names it, for something in it that cannot be pickled."""
    try:
        return _pickled(thing)
    except RecursionError:
        raise ValueError("the measure cannot be sent to workers: it refers to itself without end") from None
    except Exception as error:
        part = _unpicklable(thing)
        what = f"uses {part}, which" if part else f"({type(error).__name__}: {error})"
        raise ValueError(
            f"the measure {what} cannot be sent to workers: let it make, open or load that itself, or give what is"
            " needed through `fixed`"
        ) from error


def travels_by_value(module: str) -> bool:
    """Whether functions of a module are sent with their code, since a worker could not import it."""
    return module == "__main__" or module in cloudpickle.list_registry_pickle_by_value()


def _pickled(thing: Any) -> bytes:
    with io.BytesIO() as file:
        _Pickler(file).dump(thing)
        return file.getvalue()


class _Pickler(cloudpickle.Pickler):
    """Code with the name of its file, and functions with a cache, which a worker cannot find by their names."""

    def reducer_override(self, obj):
        if isinstance(obj, CodeType):
            made = self.dispatch_table[CodeType](obj)  # cloudpickle 3.1.3 and later names every file <dynamic-code>
            return _of_file, (*made, obj.co_filename)
        if isinstance(obj, _lru_cache_wrapper) and travels_by_value(obj.__module__):
            return _cached, (obj.__wrapped__, obj.cache_parameters())
        return super().reducer_override(obj)


def _of_file(make: Callable[..., CodeType], arguments: tuple, file: str) -> CodeType:
    return make(*arguments).replace(co_filename=file)


def _cached(function: Callable, parameters: dict[str, Any]) -> Callable:
    return lru_cache(**parameters)(function)


def _unpicklable(thing: Any, depth: int = 4) -> str:
    """The innermost named part of a measure that cannot be pickled; empty if none is found."""
    for name, part in _parts(thing):
        try:
            _pickled(part)
        except Exception:
            inner = _unpicklable(part, depth - 1) if depth else ""
            return inner or f"{name!r}, a {type(part).__name__}"
    return ""


def _parts(thing: Any) -> Iterator[tuple[str, Any]]:
    """What a measure refers to, by name."""
    if isinstance(thing, partial):
        yield from {"function": thing.func, **thing.keywords}.items()
        yield from ((f"argument {i}", value) for i, value in enumerate(thing.args))
    elif isinstance(thing, FunctionType):
        cells = thing.__closure__ or ()
        closure = zip(thing.__code__.co_freevars, cells, strict=True)
        yield from ((name, cell.cell_contents) for name, cell in closure if cell != CellType())  # an empty one
        if travels_by_value(thing.__module__):
            names = _names(thing.__code__)
            yield from ((name, value) for name, value in thing.__globals__.items() if name in names)
        yield from ((f"default {i}", value) for i, value in enumerate(thing.__defaults__ or ()))
    elif isinstance(thing, dict):
        yield from ((str(name), value) for name, value in thing.items())
    elif isinstance(thing, list | tuple):
        yield from ((f"element {i}", value) for i, value in enumerate(thing))
    elif hasattr(thing, "__self__"):
        yield "self", thing.__self__
    elif hasattr(thing, "__dict__"):
        yield from vars(thing).items()


def _names(code: CodeType) -> set[str]:
    """The names of globals that code uses, also in functions that it defines."""
    inner = (_names(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*inner)
