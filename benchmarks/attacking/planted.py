"""What somebody planted beside an archive, or in its journal, to be followed, written into or executed."""

import fcntl
import hashlib
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attacking import scenes
from attacking.forged import HOSTILE
from attacking.phrased import AS_NOBODY, noted
from cocycle.sweeps.provenance import digest_of

MARK = "open({path!r}, 'w').write('executed')"


def output(path: Path) -> None:
    for name in ("out.csv", "out.nc", "out.png", "out-merged.h5", "out-more.h5", "out-fine.h5"):
        path.with_name(name).symlink_to(path.with_name("precious"))


def _lock_of(path: Path) -> Path:
    lock = path.with_name(path.name + ".lock")
    lock.unlink(missing_ok=True)
    return lock


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(path.parent)  # its name must be short
        server.bind(_lock_of(path).name)


def _hard_link(path: Path) -> None:
    path.with_name("precious").write_text("precious")
    os.link(path.with_name("precious"), _lock_of(path))


def _unreadable(path: Path) -> int:
    """Without the rights of root."""
    _lock_of(path).touch(0o000)
    for each in (path.parent, path):
        each.chmod(0o777)
    return AS_NOBODY


def _read_only(path: Path) -> int:
    _lock_of(path).touch(0o644)
    path.chmod(0o444)
    path.parent.chmod(0o755)
    return AS_NOBODY


def _held(path: Path) -> None:
    """By a process that calls itself something that a terminal obeys, and outlives this one."""
    lock = _lock_of(path)
    lock.write_text(HOSTILE)
    if os.fork() == 0:
        if os.fork() == 0:
            with open(lock) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                path.with_name("held").touch()
                time.sleep(20)
        os._exit(0)
    os.wait()
    while not path.with_name("held").exists():
        time.sleep(0.01)


LOCKS: dict[str, Callable[[Path], Any]] = {
    "a FIFO": lambda path: os.mkfifo(_lock_of(path)),
    "a symlink": lambda path: _lock_of(path).symlink_to(path.with_name("precious")),
    "a symlink to nothing": lambda path: _lock_of(path).symlink_to(path.with_name("executed")),
    "a symlink to itself": lambda path: _lock_of(path).symlink_to(path.name + ".lock"),
    "a symlink to the archive": lambda path: _lock_of(path).symlink_to(path),
    "a folder": lambda path: _lock_of(path).mkdir(),
    "a socket": _socket,
    "a device": lambda path: os.mknod(_lock_of(path), 0o020666, os.makedev(1, 5)),
    "a hard link to another file": _hard_link,
    "a hard link to the archive": lambda path: os.link(path, _lock_of(path)),
    "unreadable": _unreadable,
    "of another user": _read_only,
    "hostile words": _held,
}


def _source(**facts: Any) -> Callable[[Path], None]:
    """A journal whose last run names this measure, with a text that must never run."""

    def maker(path: Path) -> None:
        text = MARK.format(path=str(path.with_name("executed")))
        known = {key: value(path) if callable(value) else value for key, value in facts.items()}
        own = {"event": "start", "named": True, "source": text, "digests": {}, "file": "", **known}
        noted(own, {"event": "end", "outcome": "complete"})(path)

    return maker


def _evil(path: Path) -> str:
    """A file beside the archive."""
    text = MARK.format(path=str(path.with_name("executed")))
    path.with_name("evil.py").write_text(f"{text}\ndef f(point, rng):\n    return {{}}\n")
    return str(path.with_name("evil.py"))


def _browser(path: Path) -> dict[str, str]:
    """The text of `antigravity`, whose import opens a browser; the browser is a script that leaves a mark."""
    script = path.with_name("browser")
    script.write_text(f"#!/bin/sh\ntouch {path.with_name('executed')}\n")
    script.chmod(0o755)
    return {"antigravity": digest_of(_library("antigravity"))}


def _library(name: str) -> Path:
    return Path(os.__file__).resolve().with_name(f"{name}.py")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


RUNS = "__import__('os').system('touch executed')"
SOURCES: dict[str, Callable[[Path], Any]] = {
    "of a script": _source(module="__main__", name="f"),
    "of a notebook": _source(module="__main__", name="<lambda>", file="/tmp/ipykernel_1/2.py"),
    "a file that is not there": _source(module="study_gone", name="f", file="/nowhere/gone.py"),
    "a module that is not there": _source(module="no_such_module", name="f"),
    "of a file that has another text": _source(module="study_evil", name="f", file=_evil, digests={"study_evil": "0"}),
    "of a module here that has another text": _source(module="evil", name="f", file=_evil, digests={"evil": "0"}),
    "digests of the text in the journal": _source(
        module="study_evil", name="f", file=_evil, digests=lambda path: {"study_evil": _digest("")}
    ),
    "a name that is a program": _source(module="os", name=RUNS),
    "a module that is a program": _source(module=RUNS, name="f"),
    "a module with dots": _source(module="..evil", name="f", file=_evil),
    "a private function": _source(module="os", name="_exit", file=str(_library("os"))),
    "a function of the standard library": _source(
        module="os", name="abort", file=str(_library("os")), digests={"os": digest_of(_library("os"))}
    ),
    "a module of the standard library that acts when it is imported": _source(
        module="antigravity", name="geohash", file=str(_library("antigravity")), digests=_browser
    ),
    "a file of the standard library that acts when it is imported": _source(
        module="study_antigravity", name="geohash", file=str(_library("antigravity")),
        digests=lambda path: {"study_antigravity": _browser(path)["antigravity"]},
    ),
    "the measure, with a hostile text": _source(
        module="attacking.scenes", name="mixed", file=scenes.__file__,
        digests={"attacking.scenes": digest_of(Path(scenes.__file__))},
    ),
}  # fmt: skip
