"""What runs in a process of our own pool: it computes the calls that it is sent, and ends when its parent does."""

import contextlib
import ctypes
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

NEVER = math.inf


class Deadline:
    """In a worker: what its call is at, and until when that may take, for the parent to see."""

    shared: Any = None  # [part, time.monotonic() of the deadline], in memory that the parent reads

    @classmethod
    def set(cls, part: int, seconds: float) -> None:
        if cls.shared is not None:
            cls.shared[1] = time.monotonic() + seconds
            cls.shared[0] = part


def serve(connection: Connection, parent: int, deadline: Any, preload: Callable[[], Any]) -> None:
    """The worker: compute calls until the connection is closed."""
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
