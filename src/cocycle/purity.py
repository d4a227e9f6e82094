"""What a map depends on besides its arguments: its attributes, and generators of random numbers.

A traced formula is valid only as long as these do not change.
"""

import dataclasses
import pickle
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from operator import length_hint
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, final

import numpy as np

CONSTANT = (int, float, complex, str, bytes, bool, type(None), np.number)
LARGEST = 1000  # elements of a global variable that is examined
LIBRARIES = ("numpy", "torch", "scipy", "builtins")
CHECKED = 4096  # calls from one comparison of a traced formula with its map to the next


@final
class Dependencies:
    """The present attributes of `owner` and of all its parts, and the variables that its functions read."""

    def __init__(self, owner: object):
        self.attributes: list[tuple[Any, Any]] = []  # dictionaries and lists, each with a copy
        self.arrays: list[tuple[np.ndarray, bytes]] = []
        self.variables: list[tuple[dict[str, Any], str, Any]] = []  # global ones: where, name, value
        self.cells: list[tuple[CellType, Any]] = []  # variables of closures
        for part in _parts(owner):
            if isinstance(part, FunctionType) and not _of_library(part):
                self.variables += [(part.__globals__, name, value) for name, value in _globals(part)]
                self.cells += [(cell, cell.cell_contents) for cell in _filled_cells(part)]
            elif isinstance(part, np.ndarray):
                self.arrays.append((part, part.tobytes()))
            elif isinstance(part, dict | list):
                self.attributes.append((part, part.copy()))
            elif _has_attributes(part) and not _is_constant(part):
                self.attributes.append((vars(part), vars(part).copy()))

    def changed(self) -> bool:
        """Whether any of the attributes has changed."""
        try:
            return any(now != then for now, then in self.attributes) or any(
                now.tobytes() != then for now, then in self.arrays
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
    """For each global generator, the functions that read and write its state."""
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
    if isinstance(part, dict):
        yield from part.values()
    elif isinstance(part, list | tuple | set | frozenset):
        yield from part
    elif isinstance(part, MethodType):
        yield from (part.__self__, part.__func__)
    elif isinstance(part, FunctionType):
        yield from (cell.cell_contents for cell in _filled_cells(part))
        generators = (np.random.Generator, np.random.RandomState, random.Random)
        changing = (*generators, Iterator, list, dict, np.ndarray, FunctionType)
        yield from (
            thing
            for _, thing in _globals(part)
            if (isinstance(thing, changing) and _is_small(thing)) or _has_attributes(thing)
        )
        yield from part.__defaults__ or ()
    elif _has_attributes(part):
        yield from vars(part).values()
        if not type(part).__module__.startswith("cocycle."):
            yield from (f for kind in type(part).__mro__ for f in vars(kind).values() if isinstance(f, FunctionType))


def _of_library(thing: Any) -> bool:
    """Whether it is a function of a library or of this package, which are taken as pure."""
    return isinstance(thing, FunctionType) and (thing.__module__ or "").partition(".")[0] in (*LIBRARIES, "cocycle")


def _is_small(thing: Any) -> bool:
    return (thing.size if isinstance(thing, np.ndarray) else length_hint(thing, 0)) <= LARGEST


def _names(code: CodeType) -> set[str]:
    """The names of global variables, among others, that a function reads, or a function written in it."""
    return {*code.co_names}.union(*(_names(part) for part in code.co_consts if isinstance(part, CodeType)))


def _globals(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Name and value of the global variables that a function reads, but for modules, classes and libraries."""
    for name in _names(function.__code__) & function.__globals__.keys():
        value = function.__globals__[name]
        if not isinstance(value, ModuleType | type) and not _of_library(value):
            yield name, value


def _filled_cells(function: FunctionType) -> Iterator[CellType]:
    """The variables that a function closes over, but for those without a value yet."""
    for cell in function.__closure__ or ():
        with suppress(ValueError):
            cell.cell_contents  # noqa: B018
            yield cell


def _has_attributes(part: object) -> bool:
    library = type(part).__module__.partition(".")[0] in LIBRARIES
    return hasattr(part, "__dict__") and not library and not isinstance(part, FunctionType | MethodType)


def _is_constant(part: Any) -> bool:
    """Whether its attributes cannot be set; the objects that they refer to are examined separately."""
    return dataclasses.is_dataclass(part) and getattr(type(part), "__dataclass_params__").frozen  # noqa: B009


def time_to_check(calls: int) -> bool:
    """At calls 1, 2, 4, ..., then at every multiple of CHECKED, which takes about a hundredth of the time."""
    return calls % CHECKED == 0 or (calls < CHECKED and calls & (calls - 1) == 0)


def require_same(traced: np.ndarray, expected: np.ndarray, name: str) -> None:
    """Raise RuntimeError unless both agree except for the last digits, or neither is finite."""
    finite = np.isfinite(expected)
    scale = abs(expected[finite]).max(initial=0)
    if (
        not np.allclose(traced[finite], expected[finite], rtol=1e-9, atol=1e-9 * scale)
        or np.isfinite(traced[~finite]).any()
    ):
        raise RuntimeError(
            f"the traced formula of {name} must give the values of {name} itself; they differ, because {name} depends"
            " on something other than its attributes and its arguments, and the latest results may be wrong: make that"
            " an input or an attribute, or do not use Compiled"
        )
