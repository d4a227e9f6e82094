"""How a measure travels to the workers: by value where they could not import it, and with the names of its files."""

import io
from collections.abc import Callable, Iterator
from functools import _lru_cache_wrapper, lru_cache, partial
from types import CellType, CodeType, FunctionType
from typing import Any

import cloudpickle


def dumped(thing: Any) -> bytes:
    """Raises ValueError, which names it, for something in it that cannot be pickled."""
    try:
        return _pickled(thing)
    except RecursionError:
        raise ValueError("the measure cannot be sent to workers: it refers to itself without end") from None
    except Exception as error:
        culprit = _culprit(thing[0] if isinstance(thing, tuple) else thing)
        what = f"uses {culprit}, which" if culprit else f"({type(error).__name__}: {error})"
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


def _culprit(thing: Any, depth: int = 4) -> str:
    """The innermost named part of a measure that cannot be pickled, in words; empty if none is found."""
    for name, part in _parts(thing):
        try:
            _pickled(part)
        except Exception:
            inner = _culprit(part, depth - 1) if depth else ""
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
