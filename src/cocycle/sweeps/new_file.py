"""How the file of a new archive is made: whole, with all its space allocated, before it gets its name."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path

import h5py
import numpy as np

from cocycle.files import LIBRARY_VERSIONS, aside, publish, reserve
from cocycle.sweeps import provenance
from cocycle.sweeps.contents import OF_POINTS, Contents
from cocycle.sweeps.coordinates import labels_of
from cocycle.sweeps.layout import JOURNAL, JOURNAL_BYTES, SCHEMA, TYPES, open_to_read
from cocycle.sweeps.records import Status, waiting_checksums
from cocycle.sweeps.seal import SEAL_BYTES, seal
from cocycle.sweeps.table import Table


def write(path: Path, contents: Contents, status: np.ndarray | None = None) -> None:
    """Make the file at `path`, whole or not at all.  Raises OSError if there is no room, and as `making` does."""
    try:
        with making(path, contents, status):
            pass
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError as error:
        raise OSError(f"no archive could be made at {path}: {error}") from error


@contextmanager
def making(path: Path, contents: Contents, status: np.ndarray | None = None) -> Iterator[Path]:
    """The whole file under another name; in the end it gets the name `path`.  `status` (*grid) if not all is to do.

    Raises FileExistsError if something is there, also if another process made it meanwhile, and FileNotFoundError if
    there is no such folder.
    """
    require_folder(path)
    exists = FileExistsError(f"{path} exists: remove it, or choose another name; Archive.open and resume go on with it")
    if path.exists():
        raise exists
    with aside(path) as made:
        _fill(made, contents, status)
        yield made
        try:
            publish(made, path)
        except FileExistsError:
            raise exists from None


def require_folder(path: Path) -> None:
    """Raise FileNotFoundError if there is no folder for a file at `path`."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to put {path.name} in")


def _fill(made: Path, contents: Contents, status: np.ndarray | None) -> None:
    reserve(made, size(contents))
    with h5py.File(made, "w", libver=LIBRARY_VERSIONS, locking=False) as file:
        _write_axes(file, contents)
        _write_results(file, contents, status)
        _write_attributes(file, contents)
    with open_to_read(made) as file:
        datasets = [file[name] for name in (*contents.columns, *OF_POINTS, JOURNAL)]
        spans = [(d.id.get_offset(), d.id.get_storage_size()) for d in datasets]
    seal(made, spans)


def size(contents: Contents) -> int:
    """The bytes of an archive, but for HDF5's own."""
    return contents.size() + JOURNAL_BYTES + SEAL_BYTES


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
