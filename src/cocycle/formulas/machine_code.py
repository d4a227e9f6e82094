"""Source compiled by numba, and kept for the next process in a folder that only this user can write."""

import hashlib
import importlib.util
import os
import stat
import sys
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from cocycle.files import replacing


@lru_cache(maxsize=1)
def available() -> bool:
    """Whether numba is installed: the extra `compiled`."""
    return importlib.util.find_spec("numba") is not None


@lru_cache(maxsize=64)
def loaded(source: str) -> dict[str, Any]:
    """The functions of the source, from the cache of this user if it has been compiled before."""
    name = f"cocycle_kernel_{hashlib.sha256(source.encode()).hexdigest()[:24]}"
    folder = private_folder()
    if folder is not None:
        with suppress(OSError):
            return _imported(name, _written(folder / f"{name}.py", source.replace("{cached}", "True")))
    scope: dict[str, Any] = {}
    exec(compile(source.replace("{cached}", "False"), f"<{name}>", "exec"), scope)
    return scope


def _imported(name: str, path: Path) -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # numba looks for it there
    spec.loader.exec_module(module)
    return vars(module)


def _written(path: Path, source: str) -> Path:
    if not path.exists():
        with replacing(path) as made:
            made.write_text(source)
    if path.read_text() != source:
        raise OSError(f"{path} is not what was written")
    return path


def private_folder() -> Path | None:
    """A folder that nobody else can write, for compiled kernels, which are executed; None where there is none."""
    if not hasattr(os, "getuid"):
        return None
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cocycle" / "kernels"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = os.lstat(folder)
        private = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022
        return folder if private and os.access(folder, os.W_OK) else None
    except (OSError, RuntimeError):  # without a home
        return None
