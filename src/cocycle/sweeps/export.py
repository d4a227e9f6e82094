"""Files that are made of an archive: pictures, tables.  An archive is never replaced by one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from cocycle.files import replacing
from cocycle.sweeps.layout import open_to_read
from cocycle.sweeps.new_file import require_folder
from cocycle.sweeps.seal import SEAL, SEAL_BYTES


def is_archive(path: Path) -> bool:
    """Whether the file at `path`, if there is one, is an archive of any schema, or may be one that is damaged."""
    if not path.is_file():
        return False
    with open(path, "rb") as raw:
        raw.seek(max(0, path.stat().st_size - SEAL_BYTES))
        if raw.read().startswith(SEAL):
            return True
    if not h5py.is_hdf5(path):
        return False
    try:
        with open_to_read(path) as file:
            return str(file.attrs.get("schema", "")).startswith("cocycle sweep")
    except Exception:  # whatever it was, it is not to be lost
        return True


@contextmanager
def exported(path: Path) -> Iterator[Path]:
    """A file to be written that takes the place of `path`.  Raises ValueError if an archive, or no file, is there."""
    require_folder(path)
    if is_archive(path):
        raise ValueError(f"{path} is an archive, which an export would destroy: choose another name")
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is not a regular file: choose another name")
    with replacing(path) as made:
        yield made
