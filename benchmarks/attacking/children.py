"""Processes that may be killed, crash or never end: forks of this one, which have everything imported."""

import os
import resource
import signal
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import psutil

FORK = get_context("fork")


def started(function: Callable[..., Any], *arguments: Any):
    """A fork that calls a function; this returns at the moment before the call, so that delays count from there."""
    ours, theirs = FORK.Pipe()
    process = FORK.Process(target=_begin, args=(theirs, function, arguments))
    process.start()
    theirs.close()
    ours.recv()
    ours.close()
    return process


def _begin(theirs: Connection, function: Callable[..., Any], arguments: tuple) -> None:
    quiet()
    theirs.send(None)
    theirs.close()
    function(*arguments)


def quiet() -> None:
    """What a process that is attacked prints is no result."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)


def called(function: Callable[..., Any], *arguments: Any, seconds: float = 60.0, memory: int | None = None) -> tuple:
    """Call a function in a fork: ("value", value), ("error", exception), ("hang", words) or ("crash", words).

    `memory` are the bytes of address space that it may have.
    """
    ours, theirs = FORK.Pipe()
    process = FORK.Process(target=_answer, args=(theirs, function, arguments, memory))
    process.start()
    theirs.close()
    try:
        answer = ours.recv() if ours.poll(seconds) else ("hang", f"no answer in {seconds:g} s")
    except EOFError:
        process.join()
        answer = ("crash", f"exit code {process.exitcode}")
    kill_tree(process.pid)
    process.join()
    return answer


def _answer(theirs: Connection, function: Callable[..., Any], arguments: tuple, memory: int | None) -> None:
    quiet()
    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    try:
        answer = ("value", function(*arguments))
    except BaseException as error:
        answer = ("error", type(error)(str(error)) if _is_plain(error) else RuntimeError(repr(error)))
    theirs.send(answer)


def _is_plain(error: BaseException) -> bool:
    """Whether it can be made again of its words, which must be its own type's to be sent."""
    return type(error).__module__ == "builtins" and not isinstance(error, UnicodeError)


def descendants(process: int) -> list[psutil.Process]:
    try:
        return psutil.Process(process).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def kill_tree(process: int | None) -> None:
    """Kill a process that we started, and all that it started."""
    for victim in [*descendants(process), process] if process else []:
        kill(victim.pid if isinstance(victim, psutil.Process) else victim)


def kill(process: int) -> bool:
    """Whether there was such a process."""
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(0.02)
