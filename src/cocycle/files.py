"""Files that are written under another name and renamed when they are complete: no process sees a part of one.

A file is made under a hidden name with a random part, which no other process has and no link can stand at.  The name
also says which process makes it, so that what a dead one left is recognised and removed.
"""

import os
import platform
import re
import secrets
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import fcntl
else:
    try:
        import fcntl
    except ImportError:  # Windows
        fcntl = None

ASIDE = ".aside"
LIBRARY_VERSIONS = ("v108", "v108")  # of HDF5 files: readable by every HDF5 in use
NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """An empty file beside `path`, with its ending, to be written and given a name; removed unless it got one.

    What processes left that died while they made a file for `path` is removed first.
    """
    remove_leftovers(path)
    made = path.with_name(f".{path.name}.{_host()}-{os.getpid()}-{secrets.token_hex(8)}{ASIDE}{path.suffix}")
    os.close(os.open(made, NEW, 0o666))
    try:
        yield made
    finally:
        made.unlink(missing_ok=True)


def remove_leftovers(path: Path) -> None:
    """Remove what dead processes of this machine left beside `path` while they made a file for it."""
    if fcntl is None:  # Windows, where one cannot ask whether a process lives
        return
    ours = re.compile(re.escape(f".{path.name}.{_host()}-") + r"(\d+)-[0-9a-f]+" + re.escape(ASIDE + path.suffix))
    with suppress(OSError):
        for left in os.listdir(path.parent):
            name = ours.fullmatch(left)
            if name and not _lives(int(name[1])):
                with suppress(OSError):  # another process was quicker
                    path.with_name(left).unlink()


def _host() -> str:
    return f"{zlib.crc32(platform.node().encode()):08x}"


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def publish(made: Path, path: Path) -> None:
    """Give a file its name: never that of a file that is there, which another process may be writing.

    Raises FileExistsError if there is one.
    """
    try:
        os.link(made, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: an empty file claims the name
        os.close(os.open(path, NEW, 0o666))
        os.replace(made, path)
    _sync_folder(path)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file to be written that takes the place of `path` in one step: there is the old file or the new one."""
    with aside(path) as made:
        yield made
        with open(made, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(made, path)
    _sync_folder(path)


def reserve(made: Path, size: int) -> None:
    """Raise OSError unless the disk has room for `size` bytes: HDF5, which writes next, does not survive a full one."""
    with open(made, "rb+") as file:
        if size and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)


def _sync_folder(path: Path) -> None:
    """Wait until the name of a file is on the disk."""
    with suppress(OSError):  # not all file systems, and not Windows
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
