"""The processes that compute a sweep: one thread each, deaf to Ctrl-C, gone when their parent is."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from typing import final

from threadpoolctl import ThreadpoolController

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


ATTEMPTS = 50  # to start a worker that is killed, before it is given up


@contextmanager
def process_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    context = multiprocessing.get_context("spawn")
    with ENVIRONMENT_OF_WORKERS:
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare_worker, initargs=(os.getpid(),))
        try:
            yield pool
        except BaseException:  # Ctrl-C above all: leave at once, not when the points under way are done
            for child in list((pool._processes or {}).values()):
                child.terminate()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown()


def require_workers() -> None:
    """Raise RuntimeError if a worker cannot even start: one that is killed is tried again."""
    for _ in range(ATTEMPTS):
        process = multiprocessing.get_context("spawn").Process(target=_prepare_worker, args=(os.getpid(),))
        with ENVIRONMENT_OF_WORKERS:
            process.start()
        process.join()
        if process.exitcode == 0:
            return
        if process.exitcode is not None and process.exitcode > 0:
            break
    raise RuntimeError(
        "worker processes die before they compute anything: is there a file beside the script with the name of a"
        " module of python's own, or too little memory?"
    )


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
        raise KeyboardInterrupt

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


def _prepare_worker(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()


def _die_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


@contextmanager
def one_thread() -> Iterator[None]:
    """Two threads on the small products of a reservoir are ten times slower than one, and workers share the cores."""
    with ONE_THREAD, _thread_pools().limit(limits=1, user_api="openmp"):  # OpenMP counts for each thread
        yield


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


@cache
def _thread_pools() -> ThreadpoolController:
    return ThreadpoolController()
