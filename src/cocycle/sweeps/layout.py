"""What the file of a sweep consists of.

One HDF5 file: contiguous datasets (*grid, *event) of NaN, one for each output; of each point `status`, `checksum` and
`message`; the axes as dimension scales; the settings as attributes; in the group `provenance` a journal of the runs.
Behind all that, where HDF5 does not look, a seal: a digest of everything that no run changes.
"""

import hashlib
import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from cocycle.sweeps import provenance
from cocycle.sweeps.contents import OF_POINTS, Contents
from cocycle.sweeps.grid import Grid
from cocycle.sweeps.records import MESSAGE_BYTES, Status

SCHEMA = "cocycle sweep 2"
LIBRARY_VERSIONS = ("v108", "v108")  # readable by every HDF5 in use
JOURNAL, JOURNAL_BYTES = "provenance/journal", 2**17
FAILURE = "failure"  # the event of a line of the journal that is of a failure, not of a run
SEAL, SEAL_BYTES = b"cocycle seal ", 2**14  # one line at the end of the file


def open_to_read(path: Path) -> Any:
    """The file at `path`, open for reading, as it is now."""
    return h5py.File(path, "r", locking=False)  # the writer does not mind readers, and some file systems have no locks


def write(path: Path, contents: Contents, status: np.ndarray | None = None) -> None:
    """Make the file, all its space allocated, at `path`: whole or not at all.  `status` (*grid) if not all is to do.

    Raises FileExistsError if something is there by then: another process may have been quicker; OSError if there is no
    room.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to put the archive in")
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        _reserve(aside, size(contents))
        with h5py.File(aside, "w", libver=LIBRARY_VERSIONS) as file:
            _write_axes(file, contents)
            _write_results(file, contents, status)
            _write_attributes(file, contents)
        _seal(aside)
        publish(aside, path)
    except FileExistsError:
        raise
    except OSError as error:
        raise OSError(f"no archive could be made at {path}: {error}") from error
    finally:
        aside.unlink(missing_ok=True)


def size(contents: Contents) -> int:
    """The bytes of an archive, but for HDF5's own."""
    return contents.size() + JOURNAL_BYTES + SEAL_BYTES


def _reserve(aside: Path, size: int) -> None:
    """Find out whether there is room before HDF5 does: it takes a full disk badly."""
    with open(aside, "wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)


def _seal(aside: Path) -> None:
    """Append the digest of all that no run changes, and wait until the file is on the disk."""
    with open_to_read(aside) as file:
        outputs = json.loads(file.attrs["outputs"])
        datasets = [file[name] for name in (*outputs, *OF_POINTS, JOURNAL)]
        changing = sorted((d.id.get_offset(), d.id.get_storage_size()) for d in datasets)
    size = aside.stat().st_size
    facts = {"size": size, "changing": changing, "digest": _digest(aside, size, changing)}
    with open(aside, "rb+") as written:
        written.seek(size)
        written.write((SEAL + provenance.line_of(facts)).ljust(SEAL_BYTES, b"\0"))
        written.flush()
        os.fsync(written.fileno())


def publish(aside: Path, path: Path) -> None:
    """Give the file its name: a link, unlike a rename, never replaces a file that another process may be writing."""
    try:
        os.link(aside, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists():
            raise FileExistsError(path) from None
        os.replace(aside, path)


@contextmanager
def in_words(path: Path):
    """What HDF5 says of a damaged file, as one kind of error."""
    try:
        yield
    except (OSError, KeyError, RuntimeError, TypeError, AttributeError, UnicodeError, ValueError) as error:
        raise ValueError(f"{path} is not an archive, or damaged: {error}") from error


def read(path: Path) -> Contents:
    """The contents of an existing file.

    Raises FileNotFoundError, and ValueError for a file that is not HDF5, not a sweep, of another schema, or damaged.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no archive at {path}")
    if not path.is_file() or not h5py.is_hdf5(path):
        raise ValueError(f"{path} is not an archive: it is not an HDF5 file")
    sealed = _is_sealed(path)
    with in_words(path), open_to_read(path) as file:
        schema = file.attrs.get("schema")
        contents = _contents(file) if schema == SCHEMA else None
        whole = contents is None or contents.digest() == file.attrs["digest"]
        whole &= contents is None or sealed or file["status"].id.get_offset() is None  # repacked
    if contents is None:
        raise ValueError(f"{path} is not an archive of schema {SCHEMA!r}; got schema {schema!r}")
    if not whole:
        raise ValueError(
            f"{path} is damaged: its settings or coordinates are not those it was made with, or its end is gone"
        )
    return contents


def offsets(file: Any, contents: Contents) -> dict[str, int]:
    """Where in the file each dataset begins that runs write into.

    Raises ValueError for a file that was repacked: its datasets are no longer in one piece.
    """
    found = {name: file[name].id.get_offset() for name in (*contents.dims, *OF_POINTS, JOURNAL)}
    if None in found.values():
        raise ValueError(f"{file.filename} was repacked: it can be read, but not written by a sweep")
    return found


def _is_sealed(path: Path) -> bool:
    """Whether there is a seal at the end of the file.

    Raises ValueError if the file is not as it was sealed: it is looked at before HDF5 is, which a damaged file can
    keep busy for ever.
    """
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - SEAL_BYTES))
        line = file.read()
    if not line.startswith(SEAL):
        return False
    facts = provenance.facts_of(line[len(SEAL) :])
    if not facts or facts[0]["digest"] != _digest(path, facts[0]["size"], facts[0]["changing"]):
        raise ValueError(f"{path} is damaged: its structure is not as it was made")
    return True


def _digest(path: Path, size: int, changing: list[tuple[int, int]]) -> str:
    """SHA-256 of the first `size` bytes, without those that runs change."""
    whole, position = hashlib.sha256(), 0
    with open(path, "rb") as raw:
        for start, length in [*changing, (size, 0)]:
            raw.seek(position)
            whole.update(raw.read(start - position))
            position = start + length
    return whole.hexdigest()


def journal(path: Path) -> list[dict[str, Any]]:
    """What the runs have noted: see `provenance`."""
    with open_to_read(path) as file:
        return provenance.facts_of(file[JOURNAL][()])


def _contents(file) -> Contents:
    names = ("axes", "block", "outputs", "fixed", "units", "long_names", "parent", "streams")
    stored = {name: json.loads(file.attrs[name]) for name in names}
    axes = {name: _coordinates(file[name]) for name in stored["axes"]}
    grid = Grid(axes, block=stored["block"], streams=stored["streams"])
    settings = (stored[name] for name in ("fixed", "units", "long_names", "parent"))
    return Contents(grid, stored["outputs"], int(file.attrs["seed"]), *settings)


def _write_axes(file, contents: Contents) -> None:
    for name, values in contents.grid.axes.items():
        if values.dtype.kind == "U":
            file.create_dataset(name, data=values.astype(object), dtype=h5py.string_dtype())
        else:
            file.create_dataset(name, data=values)
    for name, length in contents.events.items():
        file.create_dataset(name, data=np.arange(length))
    for name in list(file):
        file[name].make_scale(name)


def _write_results(file, contents: Contents, status: np.ndarray | None) -> None:
    def allocate(name, value, dtype, dims=()):
        axes = [*contents.grid.axes, *dims]
        early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)  # filled on the disk, not in memory
        shape = [len(file[axis]) for axis in axes]
        dataset = file.create_dataset(name, shape=shape, dtype=dtype, fillvalue=value, dcpl=early)
        for i, axis in enumerate(axes):
            dataset.dims[i].attach_scale(file[axis])
        return dataset

    for name, dims in contents.dims.items():
        allocate(name, np.nan, "<f8", dims)
    allocate("checksum", 0, "<u4")
    allocate("message", b"", f"S{MESSAGE_BYTES}")
    states = allocate("status", Status.TO_DO, "u1")
    states.attrs["meaning"] = ", ".join(f"{s.value} {s.words}" for s in Status)
    if status is not None:
        states[...] = status
    file.create_dataset(JOURNAL, data=np.array(b"", dtype=f"S{JOURNAL_BYTES}"))
    for attribute, of_names in (("units", contents.units), ("long_name", contents.long_names)):
        for name, words in of_names.items():
            file[name].attrs[attribute] = words


def _write_attributes(file, contents: Contents) -> None:
    grid = contents.grid
    moved = {k: v.tolist() for k, v in grid.streams.items() if not np.array_equal(v, np.arange(len(v)))}
    stored = {**contents.settings(), "axes": list(grid.axes), "block": grid.block, "streams": moved}
    del stored["seed"]
    file.attrs.update({name: json.dumps(value) for name, value in stored.items()})
    file.attrs.update({"schema": SCHEMA, "seed": str(contents.seed), "digest": contents.digest()})  # 128 bits, a seed
    file.attrs.update({"created": provenance.now(), **provenance.of_process()})


def _coordinates(dataset) -> np.ndarray:
    return dataset.asstr()[...].astype(str) if h5py.check_string_dtype(dataset.dtype) else dataset[...]
