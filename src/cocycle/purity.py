"""What a map depends on besides its arguments: its attributes, and generators of random numbers.

A traced formula is valid only as long as these do not change.
"""

import dataclasses
import pickle
import random
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from operator import length_hint
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, final

import numpy as np

CONSTANT = (int, float, complex, str, bytes, bool, type(None), np.number)
LARGEST = 20_000  # elements of a variable that is examined
LIBRARIES = ("numpy", "torch", "scipy", "builtins", "math", "numba")
CLOCKS = ("time", "datetime")
DEFAULTS = ("__defaults__", "__kwdefaults__")  # of the parameters of functions
CHECKED = 4096  # calls from one comparison of a traced formula with its map to the next


@final
class Dependencies:
    """The present attributes of `owner` and of all its parts, and the variables that its functions read."""

    def __init__(self, owner: object):
        self.attributes: list[tuple[Any, Any]] = []  # dictionaries and lists, each with a copy
        self.arrays: list[tuple[np.ndarray, bytes]] = []
        self.tensors: list[tuple[Any, int]] = []  # of torch, each with the number of changes in place
        self.variables: list[tuple[Mapping[str, Any], str, Any]] = []  # global ones: where, name, value
        self.cells: list[tuple[CellType, Any]] = []  # variables of closures
        for part in _parts(owner):
            if isinstance(part, FunctionType) and not _of_library(part):
                self.variables += _globals(part)
                self.variables += [(_Attributes(part), name, getattr(part, name)) for name in DEFAULTS]
                self.cells += [(cell, cell.cell_contents) for cell in _filled_cells(part)]
            elif isinstance(part, np.ndarray):
                self.arrays.append((part, part.tobytes()))
            elif isinstance(part, dict | list):
                self.attributes.append((part, part.copy()))
            elif _is_tensor(part):
                self.tensors.append((part, _version(part)))
            elif _has_attributes(part) and not _is_constant(part) and not hasattr(type(part), "depends_on"):
                self.attributes.append((vars(part), vars(part).copy()))
            self.variables += [(_Attributes(part), name, getattr(part, name)) for name in _slots(part)]
            self.variables += _class_variables(part)

    def changed(self) -> bool:
        """Whether any of the attributes has changed."""
        try:
            return (
                any(now != then for now, then in self.attributes)
                or any(now.tobytes() != then for now, then in self.arrays)
                or any(_version(tensor) != then for tensor, then in self.tensors)
            )
        except (ValueError, RuntimeError):  # the comparison of a replaced array has no single truth value
            return True

    def rebound(self) -> bool:
        """Whether a global variable, or one of a closure, that a function reads is now something else."""
        try:
            return any(_differs(scope.get(name), then) for scope, name, then in self.variables) or any(
                _differs(cell.cell_contents, then) for cell, then in self.cells
            )
        except (ValueError, RuntimeError):
            return True


@final
class _Attributes(dict):
    """The attributes of an object that has no dictionary of them, by name."""

    def __init__(self, owner: object):
        super().__init__()
        self.owner = owner

    def get(self, name: str, default: Any = None) -> Any:
        return getattr(self.owner, name, default)


def _version(tensor: Any) -> int:
    """How often a tensor has been changed in place."""
    return tensor._version


def _is_tensor(part: object) -> bool:
    return type(part).__module__.partition(".")[0] == "torch" and hasattr(part, "_version")


def _slots(part: object) -> list[str]:
    """The attributes in slots of an object of the user."""
    if type(part).__module__.partition(".")[0] in (*LIBRARIES, "cocycle", "collections"):
        return []
    names = [name for kind in type(part).__mro__ for name in getattr(kind, "__slots__", ()) if name[:2] != "__"]
    return [name for name in names if hasattr(part, name)]


def _class_variables(part: object) -> list[tuple[Mapping[str, Any], str, Any]]:
    """The data that the classes of an object of the user hold."""
    kinds = [kind for kind in type(part).__mro__ if not _is_library(kind.__module__)]
    return [
        (vars(kind), name, value)
        for kind in kinds
        for name, value in vars(kind).items()
        if name[:2] != "__" and not callable(value) and not hasattr(value, "__get__")
    ]


def _differs(now: Any, then: Any) -> bool:
    return now is not then and bool(now != then)


def has_iterator(owner: object) -> bool:
    """Whether `owner` holds an iterator, whose state cannot be read."""
    return any(isinstance(part, Iterator) for part in _parts(owner))


@contextmanager
def random_numbers_unused(owner: object) -> Iterator[Callable[[], bool]]:
    """A function that returns whether no random number has been drawn since, by numpy, python, torch, or a generator of
    `owner`.  On leaving the context all generators have their former states."""
    sources = [*_global_generators(), *_generators(owner)]
    before = [read() for read, _ in sources]

    def changed() -> list[int]:
        pairs = zip(sources, before, strict=True)
        return [i for i, ((read, _), state) in enumerate(pairs) if pickle.dumps(read()) != pickle.dumps(state)]

    try:
        yield lambda: not changed()
    finally:
        for i in changed():
            sources[i][1](before[i])


def _global_generators() -> Iterator[tuple[Callable, Callable]]:
    """For each global generator, the functions that read and write its state; none while other threads may draw from
    them."""
    if threading.active_count() > 1:
        return
    yield np.random.get_state, np.random.set_state
    yield random.getstate, random.setstate
    torch = sys.modules.get("torch")
    if torch is not None:
        yield lambda: torch.get_rng_state().numpy(), lambda state: torch.set_rng_state(torch.as_tensor(state))


def _generators(owner: object) -> Iterator[tuple[Callable, Callable]]:
    for part in _parts(owner):
        if isinstance(part, np.random.Generator | np.random.RandomState):
            bits = part.bit_generator if isinstance(part, np.random.Generator) else part._bit_generator
            yield lambda bits=bits: bits.state, lambda state, bits=bits: setattr(bits, "state", state)
        elif isinstance(part, random.Random):
            yield part.getstate, part.setstate


def _parts(owner: object) -> list[object]:
    """`owner` and all objects reachable from it through attributes, containers, closures and named globals."""
    found, waiting, seen = [], [owner], set()
    while waiting:
        part = waiting.pop()
        if id(part) in seen or isinstance(part, (*CONSTANT, type, ModuleType)):
            continue
        seen.add(id(part))
        found.append(part)
        waiting.extend(_referred_to(part))
    return found


def _referred_to(part: Any) -> Iterator[object]:
    if hasattr(type(part), "depends_on"):  # a formula: its traces are no part of it
        yield from part.depends_on()
    elif isinstance(part, dict):
        yield from part.values()
    elif isinstance(part, list | tuple | set | frozenset):
        yield from part
    elif isinstance(part, MethodType):
        yield from (part.__self__, part.__func__)
    elif isinstance(part, partial):
        yield from (part.func, part.args, part.keywords)
    elif isinstance(part, FunctionType):
        yield from (cell.cell_contents for cell in _filled_cells(part))
        generators = (np.random.Generator, np.random.RandomState, random.Random)
        changing = (*generators, Iterator, list, dict, np.ndarray, FunctionType)
        yield from (
            thing
            for _, _, thing in _globals(part)
            if (isinstance(thing, changing) and _is_small(thing)) or _has_attributes(thing)
        )
        yield from part.__defaults__ or ()
    elif _has_attributes(part):
        yield from vars(part).values()
        yield from (getattr(part, name) for name in _slots(part))
        if not type(part).__module__.startswith("cocycle."):
            yield from (f for kind in type(part).__mro__ for f in vars(kind).values() if isinstance(f, FunctionType))


def _is_library(module: str | None) -> bool:
    return (module or "").partition(".")[0] in (*LIBRARIES, "cocycle")


def _of_library(thing: Any) -> bool:
    """Whether it is a function of a library or of this package, which are taken as pure."""
    return isinstance(thing, FunctionType) and _is_library(thing.__module__)


def _is_small(thing: Any) -> bool:
    return (thing.size if isinstance(thing, np.ndarray) else length_hint(thing, 0)) <= LARGEST


def _names(code: CodeType) -> set[str]:
    """The names of global variables, among others, that a function reads, or a function written in it."""
    return {*code.co_names}.union(*(_names(part) for part in code.co_consts if isinstance(part, CodeType)))


def _globals(function: FunctionType) -> Iterator[tuple[Mapping[str, Any], str, Any]]:
    """The global variables that a function reads, and those of modules and classes of the user: where, name, value."""
    names = _names(function.__code__)
    for name in names & function.__globals__.keys():
        value = function.__globals__[name]
        if isinstance(value, ModuleType | type):
            if not _is_library(value.__name__ if isinstance(value, ModuleType) else value.__module__):
                found = vars(value)
                yield from ((found, attribute, found[attribute]) for attribute in names & found.keys())
        elif not _of_library(value):
            yield function.__globals__, name, value


def reads_clock(owner: object) -> bool:
    """Whether a function of `owner` reads a clock."""
    functions = [part for part in _parts(owner) if isinstance(part, FunctionType) and not _of_library(part)]
    for function in functions:
        names = _names(function.__code__)
        read = [function.__globals__[name] for name in names & function.__globals__.keys()]
        for value in read:
            module = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", "")
            if module in CLOCKS and (isinstance(value, ModuleType | type) or callable(value)):
                return True
    return False


def _filled_cells(function: FunctionType) -> Iterator[CellType]:
    """The variables that a function closes over, but for those without a value yet."""
    for cell in function.__closure__ or ():
        with suppress(ValueError):
            cell.cell_contents  # noqa: B018
            yield cell


def _has_attributes(part: object) -> bool:
    library = type(part).__module__.partition(".")[0] in LIBRARIES
    return (
        isinstance(getattr(part, "__dict__", None), dict)
        and not library
        and not isinstance(part, FunctionType | MethodType)
    )


def _is_constant(part: Any) -> bool:
    """Whether its attributes cannot be set; the objects that they refer to are examined separately."""
    return dataclasses.is_dataclass(part) and getattr(type(part), "__dataclass_params__").frozen  # noqa: B009


def time_to_check(calls: int) -> bool:
    """At calls 1, 2, 4, ..., then at every multiple of CHECKED, which takes about a hundredth of the time."""
    return calls % CHECKED == 0 or (calls < CHECKED and calls & (calls - 1) == 0)


def require_same(traced: np.ndarray, expected: np.ndarray, name: str, eps: float = 2.3e-16) -> None:
    """Raise RuntimeError unless both agree except for the last digits of precision `eps`, or neither is finite."""
    finite, tolerance = np.isfinite(expected), max(1e-9, 1e4 * eps)
    scale = abs(expected[finite]).max(initial=0)
    if traced.shape != expected.shape or (
        not np.allclose(traced[finite], expected[finite], rtol=tolerance, atol=tolerance * scale)
        or np.isfinite(traced[~finite]).any()
    ):
        raise RuntimeError(
            f"the traced formula of {name} must give the values of {name} itself; they differ, because {name} depends"
            " on something other than its attributes and its arguments, or does what a trace does not see, and the"
            " latest results may be wrong: make that an input, a parameter or an attribute, or do not use Compiled"
        )
