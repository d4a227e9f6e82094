"""One writer of an archive at a time, under whatever name the file is opened.

Two locks are held.  One on a file beside the archive, NAME.lock, which says who writes; and one on the archive itself,
so that a hard link, another name of a renamed archive, or a lock file that was removed do not let a second writer
in.  The second is a lock of the open file (F_OFD_SETLK, Linux): it does not keep readers out, HDF5's own locks are of
another kind.  Other systems have no such lock: there only the first one keeps a second writer out.
"""

import errno
import logging
import os
import platform
import stat
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cocycle.files import fcntl

LOG = logging.getLogger("cocycle")
WAIT = 1.0  # seconds that a writer tries again: a process that looks for a writer may hold the lock for a moment
OPEN_FILE_LOCKS = sys.platform == "linux" and hasattr(fcntl, "F_OFD_SETLK")  # macOS has another struct flock
LONGEST = 500  # bytes of the words in a lock file
UNSUPPORTED = (errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS, errno.EINVAL)
OPEN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock beside the archive.

    Raises BlockingIOError while another process has it, PermissionError where there are no such locks or the lock is
    no file that may be written.
    """
    require_posix(path)
    lock = _opened_lock(path)
    if lock is None:
        yield
        return
    with os.fdopen(lock, "r+") as file, not_in_children(lock):
        _hold(path, lambda: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB), lambda: _holder(file))
        if os.fstat(lock).st_nlink == 1:  # else it is another file, too, perhaps that of a backup
            _say_who(file)
        yield


def _say_who(file) -> None:
    try:
        file.truncate(0)
        file.seek(0)
        file.write(f"another process, {os.getpid()} on {platform.node()}\n")
        file.flush()
    except OSError:  # a full disk: the lock holds all the same
        os.ftruncate(file.fileno(), 0)


@contextmanager
def opened_to_write(path: Path) -> Iterator[int]:
    """A descriptor of the archive, locked, whose bytes are on the disk at the end.

    Raises BlockingIOError while another process writes the same file, also under another name.
    """
    with path_in_errors(path):
        descriptor = os.open(path, os.O_RDWR | OPEN)
    try:
        with not_in_children(descriptor):
            if OPEN_FILE_LOCKS:
                _hold(path, lambda: fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _whole_file(fcntl.F_WRLCK)), lambda: "")
            yield descriptor
            sync(descriptor)
    finally:
        os.close(descriptor)


def sync(descriptor: int) -> None:
    """Wait until what was written is on the disk."""
    getattr(os, "fdatasync", os.fsync)(descriptor)  # macOS has only the latter


def require_posix(path: Path) -> None:
    if fcntl is None or not hasattr(os, "pwrite"):
        raise PermissionError(
            f"a sweep can be written on Linux and macOS only; got {path} on {platform.system()}.  All else works here,"
            " as do reading, plotting and exporting an archive; to write one, use WSL or another machine"
        )


def is_being_written(path: Path) -> bool:
    """Whether a process writes the archive, as far as the file system says."""
    if fcntl is None:
        return False
    try:
        if OPEN_FILE_LOCKS:  # asks, and takes nothing that a writer could miss
            with open(path, "rb") as file:
                answer = fcntl.fcntl(file, fcntl.F_OFD_GETLK, _whole_file(fcntl.F_WRLCK))
            return struct.unpack_from("h", answer)[0] != fcntl.F_UNLCK
        with open(_lock_of(path)) as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # never written, or a file system without locks
        return False
    return False


def _lock_of(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def _opened_lock(path: Path) -> int | None:
    """A descriptor of the file beside the archive; None where the disk has no room for another file."""
    beside = _lock_of(path)
    try:
        with path_in_errors(path):
            descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | OPEN, 0o666)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT) and OPEN_FILE_LOCKS:
            LOG.warning("there is no room for %s: the archive itself is locked", beside)
            return None
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise PermissionError(f"{path} cannot be locked: {beside} is no regular file; remove it") from None
        raise
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_size > LONGEST:
        os.close(descriptor)
        what = "holds something else" if stat.S_ISREG(found.st_mode) else "is no regular file"
        raise PermissionError(f"{path} cannot be locked: {beside} {what}; remove it")
    return descriptor


def _hold(path: Path, lock, holder) -> None:
    until = time.monotonic() + WAIT
    while True:
        try:
            lock()
            return
        except OSError as error:
            if error.errno in UNSUPPORTED:
                LOG.warning("the file system of %s has no locks: make sure that no other process writes it", path)
                return
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            if time.monotonic() > until:
                words = holder() or "another process, perhaps under another name of the file"
                raise BlockingIOError(f"{path} is being written by {words}: wait for it or stop it") from None
        time.sleep(0.05)


def _holder(file) -> str:
    file.seek(0)
    words = file.read(LONGEST).strip()
    return words if words.isprintable() else "another process"


def _whole_file(kind: int) -> bytes:
    """struct flock for all bytes of a file."""
    return struct.pack("hhqqi4x", kind, os.SEEK_SET, 0, 0, 0)


HELD: set[int] = set()


def _let_go() -> None:
    for descriptor in HELD:
        os.close(descriptor)
    HELD.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


@contextmanager
def not_in_children(descriptor: int) -> Iterator[None]:
    """A process that is forked meanwhile, such as a worker, must not keep a lock when its parent is gone."""
    HELD.add(descriptor)
    try:
        yield
    finally:
        HELD.discard(descriptor)


@contextmanager
def path_in_errors(path: Path) -> Iterator[None]:
    """Name the archive where the system does not allow a file."""
    try:
        yield
    except PermissionError as error:
        raise PermissionError(f"{path} cannot be written: {error.strerror} ({error.filename})") from None
