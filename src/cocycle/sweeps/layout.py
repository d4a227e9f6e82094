"""What the file of a sweep consists of.

One HDF5 file: contiguous datasets (*grid, *event) of NaN, one for each output; of each point `status`, `checksum` and
`message`; the axes as dimension scales; the settings as attributes; in the group `provenance` a journal of the runs.
Behind all that, where HDF5 does not look, a seal: a digest of everything that no run changes.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from cocycle.files import LIBRARY_VERSIONS, aside, publish, replacing, reserve
from cocycle.sweeps import coordinates, journal, provenance
from cocycle.sweeps.contents import OF_POINTS, Contents
from cocycle.sweeps.coordinates import labels_of
from cocycle.sweeps.grid import Grid
from cocycle.sweeps.records import MESSAGE_BYTES, Status, waiting_checksums
from cocycle.sweeps.table import Table

SCHEMA = "cocycle sweep 3"
JOURNAL, JOURNAL_BYTES = "provenance/journal", 2**17
SEAL, SEAL_BYTES = b"cocycle seal ", 2**14  # one line at the end of the file
SEAL_BLOCKS = [2**i for i in range(12)]  # of so many times these bytes: it is long if there are many outputs
TYPES = {"status": "u1", "checksum": "<u4", "message": f"S{MESSAGE_BYTES}"}
LONGEST_STRINGS = 2**26  # characters of an axis of strings, all as long as the longest
RATIO = 1100  # deflate makes no file smaller than that


def open_to_read(path: Path) -> Any:
    """The file at `path`, open for reading, as it is now."""
    return h5py.File(path, "r", locking=False)  # the writer does not mind readers, and some file systems have no locks


def write(path: Path, contents: Contents, status: np.ndarray | None = None) -> None:
    """Make the file, all its space allocated, at `path`: whole or not at all.  `status` (*grid) if not all is to do.

    Raises FileExistsError if something is there by then: another process may have been quicker; OSError if there is no
    room.
    """
    require_folder(path)
    try:
        with aside(path) as made:
            fill(made, contents, status)
            publish(made, path)
    except FileExistsError:
        raise
    except OSError as error:
        raise OSError(f"no archive could be made at {path}: {error}") from error


def require_folder(path: Path) -> None:
    """Raise FileNotFoundError if there is no folder for a file at `path`."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to put the archive in")


def fill(made: Path, contents: Contents, status: np.ndarray | None) -> None:
    """Write the whole file into an empty one."""
    reserve(made, size(contents))
    with h5py.File(made, "w", libver=LIBRARY_VERSIONS, locking=False) as file:
        _write_axes(file, contents)
        _write_results(file, contents, status)
        _write_attributes(file, contents)
    _seal(made, contents)


def size(contents: Contents) -> int:
    """The bytes of an archive, but for HDF5's own."""
    return contents.size() + JOURNAL_BYTES + SEAL_BYTES


def _seal(made: Path, contents: Contents) -> None:
    """Append the digest of all that no run changes, and wait until the file is on the disk."""
    with open_to_read(made) as file:
        datasets = [file[name] for name in (*contents.columns, *OF_POINTS, JOURNAL)]
        changing = _merged(sorted((d.id.get_offset(), d.id.get_storage_size()) for d in datasets))
    size = made.stat().st_size
    facts = {"size": size, "changing": changing, "digest": _digest(made, size, changing)}
    line = SEAL + journal.line_of(facts)
    with open(made, "rb+") as written:
        written.seek(size)
        written.write(line.ljust(next(n * SEAL_BYTES for n in SEAL_BLOCKS if n * SEAL_BYTES >= len(line)), b"\0"))
        written.flush()
        os.fsync(written.fileno())


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans of bytes, (start, length), those that touch as one."""
    found: list[tuple[int, int]] = []
    for start, length in spans:
        if found and sum(found[-1]) == start:
            found[-1] = found[-1][0], found[-1][1] + length
        else:
            found.append((start, length))
    return found


@contextmanager
def in_words(path: Path):
    """What HDF5 says of a damaged file, as one kind of error of one line."""
    try:
        yield
    except (
        OSError,
        LookupError,
        RuntimeError,
        TypeError,
        AttributeError,
        UnicodeError,
        ValueError,
        OverflowError,
        MemoryError,
    ) as error:
        words = " ".join(str(error).split())[:300]
        raise ValueError(f"{path} is not an archive, or damaged: {words or type(error).__name__}") from error


def read(path: Path) -> Contents:
    """The contents of an existing file.

    Raises FileNotFoundError, and ValueError for a file that is not HDF5, not a sweep, of another schema, or damaged,
    or that refers to other files.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no archive at {path}")
    if not path.is_file() or not h5py.is_hdf5(path):
        empty = path.is_file() and path.stat().st_size == 0
        why = "it is empty: a process died that was about to make it; remove it" if empty else "it is not an HDF5 file"
        raise ValueError(f"{path} is not an archive: {why}")
    with in_words(path):
        sealed = _is_sealed(path)
    with in_words(path), open_to_read(path) as file:
        schema = file.attrs.get("schema")
        contents = whole = None
        if isinstance(schema, str) and schema == SCHEMA:
            _require_plain(file, path.stat().st_size)
            contents = _contents(file)
            _require_shapes(file, contents)
            whole = contents.digest() == str(file.attrs["digest"])
            whole &= sealed or file["status"].id.get_offset() is None  # repacked
    if contents is None:
        raise ValueError(f"{path} is not an archive of schema {SCHEMA!r}; got schema {str(schema)[:50]!r}")
    if not whole:
        raise ValueError(
            f"{path} is damaged: its settings or coordinates are not those it was made with, or its end is gone"
        )
    return contents


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


def offsets(file: Any, contents: Contents) -> dict[str, int]:
    """Where in the file each dataset begins that runs write into.

    Raises ValueError for a file that was repacked: its datasets are no longer in one piece.
    """
    found = {name: file[name].id.get_offset() for name in (*contents.columns, *OF_POINTS, JOURNAL)}
    if None in found.values():
        raise ValueError(f"{file.filename} was repacked: it can be read, but not written by a sweep")
    return found


def _require_plain(file: Any, size: int) -> None:
    """Raise ValueError for what may refer to other files, or would take more memory than a file of this size holds."""
    for group in (file, file.get("provenance", file)):
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{name!r} is a link to another place or file")
            item = group[name]
            if isinstance(item, h5py.Group):
                if group is not file or name != "provenance":
                    raise ValueError(f"{name!r} is a group")
                continue
            if item.is_virtual or item.external:
                raise ValueError(f"{name!r} lies in another file")
            stored, start = item.id.get_storage_size(), item.id.get_offset()
            most = stored if start is not None else RATIO * stored
            if item.nbytes > most or stored > size or (start or 0) + (stored if start is not None else 0) > size:
                raise ValueError(f"{name!r} has {item.nbytes} bytes, more than the file can hold")


def _require_shapes(file: Any, contents: Contents) -> None:
    """Raise ValueError unless each dataset of points has the type and shape that the settings say."""
    of_points: dict[str, tuple[int, ...]] = {**contents.columns, **dict.fromkeys(OF_POINTS, ())}
    for name, event in of_points.items():
        shape, dtype = (*contents.grid.shape, *event), np.dtype(TYPES.get(name, "<f8"))
        if file[name].shape != shape or file[name].dtype != dtype:
            raise ValueError(f"{name!r} is {file[name].dtype} {file[name].shape} instead of {dtype} {shape}")
    if file[JOURNAL].shape != () or file[JOURNAL].dtype != np.dtype(f"S{JOURNAL_BYTES}"):
        raise ValueError("the journal has another size")


def _is_sealed(path: Path) -> bool:
    """Whether there is a seal at the end of the file.

    Raises ValueError if the file is not as it was sealed: it is looked at before HDF5 is, which a damaged file can
    keep busy for ever.
    """
    end = path.stat().st_size
    with open(path, "rb") as file:
        for blocks in SEAL_BLOCKS:
            file.seek(max(0, end - blocks * SEAL_BYTES))
            line = file.read(blocks * SEAL_BYTES)
            if line.startswith(SEAL):
                break
        else:
            return False
    facts = journal.facts_of(line[len(SEAL) :])
    if not facts or facts[0]["digest"] != _digest(path, int(facts[0]["size"]), facts[0]["changing"]):
        raise ValueError("its structure is not as it was made")
    return True


def _digest(path: Path, size: int, changing: list[tuple[int, int]]) -> str:
    """SHA-256 of the first `size` bytes, without those that runs change."""
    whole, position = hashlib.sha256(), 0
    with open(path, "rb") as raw:
        for start, length in [*changing, (size, 0)]:
            raw.seek(position)
            left = start - position
            if left < 0 or length < 0:
                raise ValueError("its seal is not of this file")
            while left and (data := raw.read(min(left, 2**20))):
                whole.update(data)
                left -= len(data)
            position = start + length
    return whole.hexdigest()


def journal_of(path: Path) -> journal.Journal:
    """What the runs have noted: see `journal`."""
    with in_words(path), open_to_read(path) as file:
        return journal.read(file[JOURNAL][()].ljust(JOURNAL_BYTES, b"\0"))


def rows_of_table(path: Path, table: Table) -> Table:
    """A table with the coordinates of the rows that it has now."""
    with open_to_read(path) as file:
        known = np.flatnonzero(file["status"][...] != Status.LEFT_OUT)  # before the values, which were written first
        rows = {name: file[name][: int(known[-1]) + 1 if len(known) else 0] for name in table.columns}
    whole = np.logical_and.accumulate(np.all([np.isfinite(values) for values in rows.values()], axis=0))
    return table.with_rows({name: values[: int(whole.sum())] for name, values in rows.items()})


def _contents(file) -> Contents:
    names = ("axes", "block", "common", "whole", "outputs", "fixed", "units", "long_names", "parent", "parameters")
    stored = {name: json.loads(file.attrs[name]) for name in names}
    for name, value in stored.items():
        kinds = list if name in ("axes", "common") else dict
        if not isinstance(value, kinds):
            raise ValueError(f"the setting {name} is no {kinds.__name__}")
    axes = {name: _coordinates(file[name]) for name in stored["axes"]}
    if stored["parameters"]:
        kinds = {"float": float, "int": int}
        parameters = {k: kinds[v] if isinstance(v, str) else v for k, v in stored["parameters"].items()}
        grid: Grid = Table(parameters, len(axes["row"]))
    else:
        grid = Grid(axes, block=stored["block"], common=stored["common"])
        grid.whole = {name: coordinates.axis(name, values) for name, values in stored["whole"].items()}
    settings = (stored[name] for name in ("fixed", "units", "long_names", "parent"))
    return Contents(grid, stored["outputs"], int(file.attrs["seed"]), *settings)


def _write_axes(file, contents: Contents) -> None:
    """Bools and None as other readers know them: xarray reads the first, and names the second."""
    for name, values in contents.grid.axes.items():
        if values.dtype.kind in "UO":
            texts = labels_of(values).astype(object)
            dataset = file.create_dataset(name, data=texts, dtype=h5py.string_dtype())
            if values.dtype.kind == "O":
                dataset.attrs["values"] = json.dumps(values.tolist())
        elif values.dtype.kind == "b":
            file.create_dataset(name, data=values.astype("i1")).attrs["dtype"] = "bool"
        else:
            file.create_dataset(name, data=values)
    for name, length in contents.events.items():
        file.create_dataset(name, data=np.arange(length))
    for name in list(file):
        file[name].make_scale(name)


def _coordinates(dataset) -> np.ndarray:
    if "values" in dataset.attrs:
        return np.array(json.loads(dataset.attrs["values"]), dtype=object)
    if h5py.check_string_dtype(dataset.dtype):
        texts = dataset.asstr()[...]
        if len(texts) * max(map(len, texts.tolist()), default=0) > LONGEST_STRINGS:  # numpy makes all of one length
            raise ValueError(f"{dataset.name!r} has strings that would take gigabytes")
        return texts.astype(str)
    return dataset[...].astype(bool) if dataset.attrs.get("dtype") == "bool" else dataset[...]


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

    for name in contents.grid.columns:
        allocate(name, np.nan, "<f8")
    for name, dims in contents.dims.items():
        allocate(name, np.nan, "<f8", dims)
    table = isinstance(contents.grid, Table)  # whose rows have no coordinates yet
    sums = allocate("checksum", 0, TYPES["checksum"])
    allocate("message", b"", TYPES["message"])
    states = allocate("status", Status.LEFT_OUT if table else Status.TO_DO, TYPES["status"])
    states.attrs["meaning"] = ", ".join(f"{s.value} {s.words}" for s in Status)
    if status is not None:
        states[...] = status
        left = np.flatnonzero(status == Status.LEFT_OUT)
        marked = np.zeros(prod(status.shape), TYPES["checksum"])
        marked[left] = waiting_checksums(left, Status.LEFT_OUT, {}) ^ contents.mark
        sums[...] = marked.reshape(status.shape)
    file.create_dataset(JOURNAL, data=np.array(b"", dtype=f"S{JOURNAL_BYTES}"))
    for attribute, of_names in (("units", contents.units), ("long_name", contents.long_names)):
        for name, words in of_names.items():
            file[name].attrs[attribute] = words


def _write_attributes(file, contents: Contents) -> None:
    grid = contents.grid
    kinds = grid.parameters if isinstance(grid, Table) else {}
    parameters = {name: kind.__name__ if kind in (float, int) else list(kind) for name, kind in kinds.items()}
    stored = {**contents.settings(), "axes": list(grid.axes), "block": grid.block, "common": grid.common}
    stored |= {"parameters": parameters, "whole": {name: values.tolist() for name, values in grid.whole.items()}}
    del stored["seed"]
    file.attrs.update({name: json.dumps(value) for name, value in stored.items()})
    file.attrs.update({"schema": SCHEMA, "seed": str(contents.seed), "digest": contents.digest()})  # 128 bits, a seed
    file.attrs.update({"created": provenance.now(), **provenance.of_process()})
