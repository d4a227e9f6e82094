"""How a measure travels to the workers: by value where they could not import it, and with the names of its files."""

import io
from collections.abc import Callable
from functools import _lru_cache_wrapper, lru_cache
from types import CodeType
from typing import Any

import cloudpickle


def dumped(thing: Any) -> bytes:
    with io.BytesIO() as file:
        _Pickler(file).dump(thing)
        return file.getvalue()


class _Pickler(cloudpickle.Pickler):
    """Code with the name of its file, and functions with a cache, which a worker cannot find by their names."""

    def reducer_override(self, obj):
        if isinstance(obj, CodeType):
            made = self.dispatch_table[CodeType](obj)  # cloudpickle 3.1.3 and later names every file <dynamic-code>
            return _of_file, (*made, obj.co_filename)
        if isinstance(obj, _lru_cache_wrapper) and not _is_importable(obj):
            return _cached, (obj.__wrapped__, obj.cache_parameters())
        return super().reducer_override(obj)


def _of_file(make: Callable[..., CodeType], arguments: tuple, file: str) -> CodeType:
    return make(*arguments).replace(co_filename=file)


def _is_importable(function: Any) -> bool:
    return function.__module__ != "__main__" and function.__module__ not in cloudpickle.list_registry_pickle_by_value()


def _cached(function: Callable, parameters: dict[str, Any]) -> Callable:
    return lru_cache(**parameters)(function)
