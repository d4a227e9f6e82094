"""Our own pool of processes: one that dies takes no other with it, and no point but its own.

The executors of the standard library give up all their workers when one dies, and all that these compute.  Here a call
that kills its worker has the exception `WorkerDied`, one that takes too long `TimedOut`; the others go on.
"""

import contextlib
import ctypes
import math
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, final

from cocycle.sweeps.workers import ENVIRONMENT_OF_WORKERS

ATTEMPTS = 50  # to start a worker that is killed as it starts, before it is given up
GRACE = 3.0  # seconds that a worker has to end by itself: a measure may have left threads or processes behind
LOOK = 0.25  # seconds between two looks at deadlines
OUR_OWN = ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP")  # what code does to itself
NEVER = math.inf


class WorkerDied(Exception):
    """The worker ended while it computed the call; `own` says that the call ended it, as far as its exit tells."""

    def __init__(self, exit_code: int):
        name = signal.Signals(-exit_code).name if -exit_code in set(signal.Signals) else ""
        super().__init__(f"was killed by {name}" if name else f"ended with status {exit_code}")
        self.own = not name or name in OUR_OWN


class TimedOut(Exception):
    """The call took longer than it may; `part` is what it said that it was at."""

    def __init__(self, part: int):
        super().__init__("took too long")
        self.part = part


@final
@dataclass(eq=False)
class _Call:
    future: Future
    function: Callable[..., Any]
    arguments: tuple


class Deadline:
    """In a worker: what its call is at, and until when that may take, for the parent to see."""

    shared: Any = None  # [part, time.monotonic() of the deadline], in memory that the parent reads

    @classmethod
    def set(cls, part: int, seconds: float) -> None:
        if cls.shared is not None:
            cls.shared[1] = time.monotonic() + seconds
            cls.shared[0] = part


@final
class _Worker:
    """One process, and the call that it computes."""

    def __init__(self, context, preload: Callable[[], Any]):
        self.connection, theirs = context.Pipe()
        self.deadline = context.Array("d", [-1.0, NEVER], lock=False)
        self.call: _Call | None = None
        self.ready = False
        self.process = context.Process(target=_serve, args=(theirs, os.getpid(), self.deadline, preload))
        self.process.start()
        theirs.close()

    def give(self, call: _Call) -> None:
        self.call = call
        self.deadline[:] = [-1.0, NEVER]
        self.connection.send((call.function, call.arguments))

    def is_late(self) -> bool:
        return self.call is not None and time.monotonic() > self.deadline[1]

    def end(self, grace: float) -> int:
        """Wait for the end of the process, kill it if it is late, and what it left behind; its exit code."""
        self.process.join(grace)
        if self.process.exitcode is None:
            self.kill()
            self.process.join()
        self._kill_group()
        self.connection.close()
        code = self.process.exitcode
        return 0 if code is None else code

    def kill(self) -> None:
        self._kill_group()
        self.process.kill()

    def _kill_group(self) -> None:
        """The processes that a measure started are of the worker's group: see `_serve`."""
        if self.ready and hasattr(os, "killpg") and self.process.pid is not None:
            with contextlib.suppress(OSError):
                os.killpg(self.process.pid, signal.SIGKILL)


@final
class Pool(Executor):
    """Calls computed by up to `workers` processes, which are spawned by a thread that lives as long as the pool.

    `preload` is called once in each of them, before its first call.  A pool that cannot start a worker gives all calls
    a RuntimeError.
    """

    def __init__(self, workers: int, preload: Callable[[], Any] = int):
        self._max_workers, self._preload = workers, preload  # the first name is that of the standard library
        self._context = multiprocessing.get_context("spawn")
        self._waiting: deque[_Call] = deque()
        self._workers: list[_Worker] = []
        self._lock, self._closed, self._killed, self._failed_starts = threading.Lock(), False, False, 0
        self._wake_up, self._woken = self._context.Pipe()
        self._thread = threading.Thread(target=self._serve_calls, daemon=True)
        ENVIRONMENT_OF_WORKERS.__enter__()
        self._thread.start()

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future:  # type: ignore[override]
        future: Future = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("the pool is closed")
            self._waiting.append(_Call(future, function, arguments))
        self._wake_up.send_bytes(b"1")
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let what is under way end; what still waits too, unless cancelled.

        Workers that do not end by themselves within a few seconds are killed.  Without `wait` all are, at once.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if cancel_futures or not wait:
                while self._waiting:
                    self._waiting.popleft().future.cancel()
        if not wait:
            self._killed = True
            for worker in list(self._workers):
                worker.kill()
        self._wake_up.send_bytes(b"1")
        try:
            self._thread.join()
        finally:  # also if Ctrl-C comes meanwhile
            ENVIRONMENT_OF_WORKERS.__exit__()

    def __exit__(self, kind, *_):
        self.shutdown(wait=kind is None, cancel_futures=kind is not None)

    def _serve_calls(self) -> None:
        """The pool's thread: give out calls, take back results, notice deaths and deadlines."""
        looked = time.monotonic()
        try:
            while self._goes_on():
                self._give_out()
                senders = {worker.connection: worker for worker in self._workers}
                for ready in wait([self._woken, *senders], LOOK):
                    if ready is self._woken:
                        self._woken.recv_bytes()
                    else:
                        self._receive(senders[ready])
                if time.monotonic() - looked >= LOOK:
                    looked = time.monotonic()
                    self._look()
        except BaseException as error:  # what nobody thought of: no call may wait for ever
            self._fail(error)
            raise
        finally:
            self._end()

    def _goes_on(self) -> bool:
        with self._lock:
            return not self._closed or bool(self._waiting) or any(worker.call for worker in self._workers)

    def _give_out(self) -> None:
        idle = [worker for worker in self._workers if worker.ready and not worker.call]
        starting = sum(not worker.ready for worker in self._workers)
        for worker in idle:
            call = self._next()
            if call is None:
                return
            try:
                worker.give(call)
            except OSError:  # it died idle: that is not the call's doing
                worker.call = None
                self._put_back(call)
            except Exception as error:  # what cannot be pickled
                worker.call = None
                call.future.set_exception(error)
        with self._lock:
            wanted = min(len(self._waiting) - starting, self._max_workers - len(self._workers))
        for _ in range(wanted):
            if hasattr(signal, "pthread_sigmask"):  # a worker inherits it: Ctrl-C is the parent's to handle
                resource_tracker.ensure_running()  # which, when it starts, lets all signals through
                signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
            self._workers.append(_Worker(self._context, self._preload))

    def _next(self) -> _Call | None:
        with self._lock:
            while self._waiting:
                call = self._waiting.popleft()
                if call.future.running() or call.future.set_running_or_notify_cancel():
                    return call
        return None

    def _put_back(self, call: _Call) -> None:
        with self._lock:
            self._waiting.appendleft(call)

    def _look(self) -> None:
        """Stop workers that are late, and notice deaths that a process which the dead one started conceals."""
        for worker in list(self._workers):
            if worker.is_late():
                part = int(worker.deadline[0])
                worker.kill()
                self._bury(worker, TimedOut(part))
            elif not worker.process.is_alive() and not worker.connection.poll():
                self._bury(worker)

    def _receive(self, worker: _Worker) -> None:
        """Take what a worker sent: that it is ready, or a result; or notice that it died."""
        try:
            result, error = worker.connection.recv()
        except (EOFError, OSError):
            self._bury(worker)
            return
        call, worker.call = worker.call, None
        if not worker.ready:
            worker.ready, self._failed_starts = True, 0
            if error is not None:
                self._fail(error)
        elif call is not None and error is not None:
            call.future.set_exception(error)
        elif call is not None:
            call.future.set_result(result)

    def _bury(self, worker: _Worker, error: Exception | None = None) -> None:
        self._workers.remove(worker)
        code = worker.end(GRACE)
        if worker.call is not None:
            worker.call.future.set_exception(error or WorkerDied(code))
        elif not worker.ready:
            self._failed_starts += 1
            if code > 0 or self._failed_starts >= ATTEMPTS:
                self._fail(
                    RuntimeError(
                        "worker processes die before they compute anything: is there a file beside the script with the"
                        " name of a module of python's own, or too little memory?"
                    )
                )

    def _fail(self, error: BaseException) -> None:
        while (call := self._next()) is not None:
            call.future.set_exception(error)
        for worker in self._workers:
            if worker.call is not None:
                worker.call.future.set_exception(error)
                worker.call = None

    def _end(self) -> None:
        """Let the processes end, which have nothing left to do, and kill those that do not."""
        until = time.monotonic() + (0 if self._killed else GRACE)
        for worker in self._workers:
            with contextlib.suppress(OSError):
                worker.connection.send(None)
        for worker in self._workers:
            worker.end(max(0.0, until - time.monotonic()))


def _serve(connection: Connection, parent: int, deadline: Any, preload: Callable[[], Any]) -> None:
    """The worker: compute what comes, until nothing does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setpgrp"):
        os.setpgrp()  # the processes that a measure starts are of this group, and end with the worker
    if hasattr(os, "register_at_fork"):  # else a process that the measure forks would keep the parent waiting
        os.register_at_fork(after_in_child=connection.close)
    _die_with(parent)
    Deadline.shared = deadline
    connection.send(_outcome(preload, ()))
    while True:
        try:
            received = connection.recv()
        except (EOFError, OSError):
            return
        if received is None:
            return
        outcome = _outcome(*received)
        Deadline.set(-1, NEVER)
        try:
            connection.send(outcome)
        except Exception as error:  # what cannot be pickled
            connection.send(
                (None, RuntimeError(f"a worker could not send its result: {type(error).__name__}: {error}"))
            )


def _outcome(function: Callable[..., Any], arguments: tuple) -> tuple[Any, BaseException | None]:
    try:
        return function(*arguments), None
    except Exception as error:
        return None, error


def _die_with(parent: int) -> None:
    """End when the parent does: at once where the system sends a signal then, else within a second or so."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: also while the measure holds python's lock
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
