"""What the file of a sweep consists of.

One HDF5 file: contiguous datasets (*grid, *event) of NaN, one for each output; of each point `status`, `checksum` and
`message`; the axes as dimension scales; the settings as attributes; in the group `provenance` a journal of the runs.
Behind all that, where HDF5 does not look, a seal: a digest of everything that no run changes.
"""

import json
from collections.abc import Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from cocycle.sweeps import coordinates, journal
from cocycle.sweeps.contents import OF_POINTS, Contents
from cocycle.sweeps.grid import Grid
from cocycle.sweeps.records import MESSAGE_BYTES, Status
from cocycle.sweeps.seal import is_sealed
from cocycle.sweeps.table import Table

SCHEMA = "cocycle sweep 3"
JOURNAL, JOURNAL_BYTES = "provenance/journal", 2**17
TYPES = {"status": "u1", "checksum": "<u4", "message": f"S{MESSAGE_BYTES}"}
LONGEST_STRINGS = 2**26  # characters of an axis of strings, all as long as the longest
RATIO = 1100  # deflate makes no file smaller than that


def open_to_read(path: Path) -> Any:
    """The file at `path`, open for reading, as it is now."""
    return h5py.File(path, "r", locking=False)  # readers do not disturb the writer, and some file systems have no locks


@contextmanager
def damage_as_value_error(path: Path):
    """What HDF5 raises for a damaged file, as one kind of error, in one line."""
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
        said = " ".join(str(error).split())[:300]
        raise ValueError(f"{path} is not an archive, or damaged: {said or type(error).__name__}") from error


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
    with damage_as_value_error(path):
        sealed = is_sealed(path)
    with damage_as_value_error(path), open_to_read(path) as file:
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
                raise ValueError(f"{name!r} is a link")
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


def rows(path: Path, contents: Contents, names: Sequence[str], points: np.ndarray) -> dict[str, np.ndarray]:
    """The rows (n, *event) of some datasets at some points, whose numbers increase."""

    def read(file, name):
        shape = (len(contents.grid), *contents.columns.get(name, ()))
        start = file[name].id.get_offset()
        if start is None:  # repacked: as much of the first axis as is needed
            each = prod(contents.grid.shape[1:])
            first, last = (int(points[0]) // each, int(points[-1]) // each + 1) if len(points) else (0, 0)
            return file[name][first:last].reshape(-1, *shape[1:])[np.asarray(points) - first * each]
        return np.array(np.memmap(path, file[name].dtype, "r", start, shape)[points])  # these pages only

    with damage_as_value_error(path), open_to_read(path) as file:
        return {name: read(file, name) for name in names}


def journal_of(path: Path) -> journal.Journal:
    """What the runs have noted: see `journal`."""
    with damage_as_value_error(path), open_to_read(path) as file:
        return journal.read(file[JOURNAL][()].ljust(JOURNAL_BYTES, b"\0"))


def rows_of_table(path: Path, table: Table) -> Table:
    """A table with the coordinates of the rows that it has now."""
    with open_to_read(path) as file:
        used = np.flatnonzero(file["status"][...] != Status.LEFT_OUT)  # before the values, which were written first
        rows = {name: file[name][: int(used[-1]) + 1 if len(used) else 0] for name in table.columns}
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


def _coordinates(dataset) -> np.ndarray:
    if "values" in dataset.attrs:
        return np.array(json.loads(dataset.attrs["values"]), dtype=object)
    if h5py.check_string_dtype(dataset.dtype):
        texts = dataset.asstr()[...]
        if len(texts) * max(map(len, texts.tolist()), default=0) > LONGEST_STRINGS:  # numpy makes all of one length
            raise ValueError(f"{dataset.name!r} has strings that would take gigabytes")
        return texts.astype(str)
    return dataset[...].astype(bool) if dataset.attrs.get("dtype") == "bool" else dataset[...]
