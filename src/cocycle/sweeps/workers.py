"""What a process that computes a sweep must be: one thread of linear algebra, and a parent that Ctrl-C reaches."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import final

from threadpoolctl import ThreadpoolController

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@contextmanager
def _environment_of_workers() -> Iterator[None]:
    """While workers are started: one thread each, and no second run of the caller's script.

    A spawned process imports the parent's main module, which would run a script that has no `__main__` guard; the
    measure travels by value and does not need it.
    """
    main = sys.modules["__main__"]
    hidden = {name: getattr(main, name) for name in ("__file__", "__spec__") if hasattr(main, name)}
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    for name in hidden:
        setattr(main, name, None)
    try:
        yield
    finally:
        for name, value in hidden.items():
            setattr(main, name, value)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def insistent_interrupt() -> Iterator[Callable[[], None]]:
    """A function that raises KeyboardInterrupt if Ctrl-C was pressed before, and lost.

    Python drops an interrupt that falls into a callback of its own, such as that of a weak reference.
    """
    came: list[int] = []

    def interrupt(number, frame):
        came.append(number)
        raise KeyboardInterrupt from None  # whatever exception Python is handling just then

    def check() -> None:
        if came:
            raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield check
        return
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def held_back(number: signal.Signals) -> Iterator[None]:
    """Deliver a signal only afterwards, and never to processes that are started meanwhile.

    The mask is for them, who inherit it.  Here it is not enough: it holds for this thread alone, and a signal that
    another one takes, such as those of linear algebra, is handled in the main thread all the same.
    """
    came: list[tuple] = []
    main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(number, lambda *details: came.append(details)) if main else None
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if main:
            signal.signal(number, handler)
            if came and callable(handler):
                handler(*came[0])


@contextmanager
def one_thread() -> Iterator[Callable[[], bool]]:
    """Two threads on the small products of a reservoir are ten times slower than one, and workers share the cores.

    Gives a function that says whether, since it was last called, a library appeared that computed with several threads;
    from then on that has one, too.
    """
    seen = len(_LATE)

    def appeared() -> bool:
        nonlocal seen
        if _found_late():
            ONE_THREAD.renew()
            limits.enter_context(_thread_pools().limit(limits=1, user_api="openmp"))
        before, seen = seen, len(_LATE)
        return seen > before

    with ONE_THREAD, ExitStack() as limits:
        limits.enter_context(_thread_pools().limit(limits=1, user_api="openmp"))  # OpenMP counts for each thread
        yield appeared


def limit_to_one_thread() -> bool:
    """Limit the libraries of this process to one thread, for good; whether one that is loaded had more."""
    late = _found_several()
    os.environ.update(dict.fromkeys(THREADS, "1"))  # those that are loaded later
    if late:
        _thread_pools().limit(limits=1)
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(1)
    return bool(late)


@final
class _Shared:
    """A context that several threads are in: the first one enters it, the last one out leaves it."""

    def __init__(self, context: Callable[[], AbstractContextManager]):
        self._context, self._lock, self._inside, self._stack = context, threading.Lock(), 0, ExitStack()

    def __enter__(self):
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._stack.enter_context(self._context())

    def renew(self) -> None:
        """Enter the context once more: it covers what appeared meanwhile."""
        with self._lock:
            self._stack.enter_context(self._context())

    def __exit__(self, *_):
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._stack.close()


@contextmanager
def _one_thread_of_algebra() -> Iterator[None]:
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 0
    if torch:
        torch.set_num_threads(1)
    try:
        with _thread_pools().limit(limits=1, user_api="blas"):
            yield
    finally:
        if torch:
            torch.set_num_threads(before)


ONE_THREAD, ENVIRONMENT_OF_WORKERS = _Shared(_one_thread_of_algebra), _Shared(_environment_of_workers)


_controller: ThreadpoolController | None = None
_modules_seen = 0  # how many modules there were when the libraries were last looked at
_modules_searched, _SEARCH = 0, threading.Lock()  # and when one of them was last looked for that has several threads
_LATE: set[str] = set()  # libraries that were loaded while a worker computed, and used several threads


def _thread_pools() -> ThreadpoolController:
    """The libraries that compute with threads, as far as they are loaded now."""
    global _controller, _modules_seen
    if _controller is None or len(sys.modules) != _modules_seen:
        _modules_seen, _controller = len(sys.modules), ThreadpoolController()
    return _controller


def _found_late() -> bool:
    """Whether there is a library that computes with several threads, although one is all that it should have."""
    global _modules_searched
    with _SEARCH:
        if len(sys.modules) == _modules_searched:
            return False
        late = _found_several()
        _modules_searched = len(sys.modules)
        _LATE.update(late)
        return bool(late)


def _found_several() -> set[str]:
    """The libraries that are loaded and compute with several threads."""
    several = {pool["filepath"] for pool in _thread_pools().info() if pool["num_threads"] > 1}
    torch = sys.modules.get("torch")
    return several | ({"torch"} if torch and torch.get_num_threads() > 1 else set())
