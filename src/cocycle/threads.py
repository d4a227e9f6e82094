"""One thread where products are small: more threads then wait for one another longer than they work.

On a busy machine the difference is ten times and more: the threads of a library spin until the last of them has had its
turn.  The crossover is measured by benchmarks/threads.py.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from math import prod
from threading import Lock
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from cocycle.arrays import Array, namespace

CROSSOVER = 5e8  # multiplications in one product, below which more threads than one lose more than they gain
LIBRARIES = ("scipy.linalg", "torch")  # that bring thread pools of their own when they are imported


@contextmanager
def one_thread_if_small(x: Array, vectors: int = 0, width: int | None = None) -> Iterator[None]:
    """Within it, linear algebra has one thread if maps of states like x (*batch, n), with so many tangent vectors, have
    products of fewer than CROSSOVER multiplications; as many as before otherwise.  `width`: of the widest layer, n by
    default."""
    n = width or x.shape[-1]
    if prod(x.shape[:-1]) * n * n * (1 + vectors) >= CROSSOVER:
        yield
        return
    torch = namespace(x)
    with _limit_of(None), _limit_of(torch) if torch is not np else nullcontext():
        yield


_lock, _entered, _undo = Lock(), Counter(), {}


@contextmanager
def _limit_of(torch: Any) -> Iterator[None]:
    """One thread for BLAS, or for torch if it is given, until the last of those that run at the same time has left."""
    with _lock:
        if not _entered[torch]:
            _undo[torch] = _limited(torch)
        _entered[torch] += 1
    try:
        yield
    finally:
        with _lock:
            _entered[torch] -= 1
            if not _entered[torch]:
                _undo.pop(torch)()


def _limited(torch: Any) -> Callable[[], object]:
    """Take one thread; what gives the others back."""
    if torch is None:
        limit = _pools(tuple(name in sys.modules for name in LIBRARIES)).limit(limits=1)
        return limit.restore_original_limits
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    return lambda: torch.set_num_threads(before)


@lru_cache(maxsize=4)
def _pools(loaded: tuple[bool, ...]) -> ThreadpoolController:
    """The thread pools of the libraries that are loaded: finding them takes as long as a hundred small products."""
    return ThreadpoolController()
