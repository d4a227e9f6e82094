"""One thread where matrix products are small: several threads would then wait for one another longer than they compute.

On a busy machine they can be ten times slower than one, because the threads of a library spin until the last of them
has finished.  The crossover is measured by benchmarks/threads.py.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from math import prod
from threading import Lock
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from cocycle.arrays import State, namespace

CROSSOVER = 5e8  # multiplications in one product: below it one thread is faster than several
LIBRARIES = ("scipy.linalg", "torch")  # with thread pools of their own from their import on


@contextmanager
def one_thread_if_small(x: State, vectors: int = 0, width: int | None = None) -> Iterator[None]:
    """A context in which linear algebra uses one thread, if maps of states like x with so many tangent `vectors` have
    products of fewer than CROSSOVER multiplications.  `width` is that of the widest layer, n by default."""
    n = width or x.shape[-1]
    if prod(x.shape[:-1]) * n * n * (1 + vectors) >= CROSSOVER:
        yield
        return
    torch = namespace(x)
    libraries = (None,) if torch is np else (None, torch)
    _enter(libraries)
    try:
        yield
    finally:
        _leave(libraries)


_lock, _entered, _undo = Lock(), Counter(), {}


def _enter(libraries: tuple[Any, ...]) -> None:
    """One thread for BLAS (None) and for torch, if it is given, until the last of all simultaneous contexts is left."""
    with _lock:
        for torch in libraries:
            if not _entered[torch]:
                _undo[torch] = _limited(torch)
            _entered[torch] += 1


def _leave(libraries: tuple[Any, ...]) -> None:
    with _lock:
        for torch in reversed(libraries):  # torch may share the pool of BLAS
            _entered[torch] -= 1
            if not _entered[torch]:
                _undo.pop(torch)()


def _limited(torch: Any) -> Callable[[], object]:
    """Set the number of threads to one; returns the function that restores it."""
    if torch is None:
        pools = _pools(tuple(name in sys.modules for name in LIBRARIES)).lib_controllers
        # not `.limit()`, which asks for names and versions as well: as long as a product of 300 units
        several = [(pool, count) for pool in pools if (count := pool.get_num_threads()) != 1]
        for pool, _ in several:
            pool.set_num_threads(1)
        return lambda: [pool.set_num_threads(count) for pool, count in several]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    return lambda: torch.set_num_threads(before)


@lru_cache(maxsize=4)
def _pools(loaded: tuple[bool, ...]) -> ThreadpoolController:
    """The thread pools of the loaded libraries; cached, because finding them takes as long as a hundred small
    products."""
    return ThreadpoolController()
