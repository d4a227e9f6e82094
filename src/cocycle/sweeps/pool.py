"""A pool of processes in which the death of one affects neither the others nor their points.

The executors of the standard library give up all their workers when one dies, and all that these compute.  Here a call
that kills its worker has the exception `WorkerDied`, one that takes too long `TimedOut`; the others go on.

Tried in its place in November 2026: pebble, whose workers share one pipe, so that a worker killed in the middle of a
result stops the others, one killed while idle breaks the pool, and a call that ends its worker with status 0 never
ends; and loky, which gives up all calls when one worker dies.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from typing import Any, final

from cocycle.sweeps.worker_process import NEVER, serve
from cocycle.sweeps.workers import ENVIRONMENT_OF_WORKERS

ATTEMPTS = 50  # to start a worker that is killed as it starts, before it is given up
GRACE = 3.0  # seconds that a worker has to end by itself: a measure may have left threads or processes behind
LOOK = 0.25  # seconds between two looks at deadlines
OUR_OWN = ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP")  # what code does to itself


class WorkerDied(Exception):
    """The worker ended while it computed the call; `own` if the call ended it, as far as the exit status shows."""

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


@final
class _Worker:
    """One process, and the call that it computes."""

    def __init__(self, context, preload: Callable[[], Any]):
        self.connection, theirs = context.Pipe()
        self.deadline = context.Array("d", [-1.0, NEVER], lock=False)
        self.call: _Call | None = None
        self.ready = False
        self.process = context.Process(target=serve, args=(theirs, os.getpid(), self.deadline, preload))
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
        """The processes that a measure started are of the worker's group: see `serve`."""
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
        except BaseException as error:  # an unexpected one: no call may wait for ever
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
        """Stop workers that are late, and notice deaths that a process which the dead one started hides."""
        for worker in list(self._workers):
            if worker.is_late():
                part = int(worker.deadline[0])
                worker.kill()
                self._remove(worker, TimedOut(part))
            elif not worker.process.is_alive() and not worker.connection.poll():
                self._remove(worker)

    def _receive(self, worker: _Worker) -> None:
        """Take what a worker sent: that it is ready, or a result; or notice that it died."""
        try:
            result, error = worker.connection.recv()
        except (EOFError, OSError):
            self._remove(worker)
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

    def _remove(self, worker: _Worker, error: Exception | None = None) -> None:
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
