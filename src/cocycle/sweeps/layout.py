"""What the file of a sweep consists of, and who made it.

One HDF5 file: contiguous datasets (*grid, *event) of NaN, one for each output; `status` of each point, `checksum`
(CRC-32 of its values) and `message` (why it failed); the axes as dimension scales; settings and provenance as
attributes.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

import h5py
import numpy as np

from cocycle.sweeps.grid import Grid

SCHEMA = "cocycle sweep 1"
MESSAGE_BYTES = 200
LIBRARY_VERSIONS = ("v108", "v108")  # readable by every HDF5 in use


class Status(IntEnum):
    """What is known of a point."""

    TO_DO = 0
    DONE = 1
    FAILED = 2  # its measure raised: see `message`
    DIED = 3  # its worker was killed, also when the point was tried alone

    @property
    def words(self) -> str:
        return self.name.lower().replace("_", " ")


@final
@dataclass(frozen=True)
class Contents:
    """What a sweep is, apart from its results: `dims` names the axes of each output's event, with their lengths."""

    grid: Grid
    dims: dict[str, dict[str, int]]
    seed: int
    fixed: dict[str, Any]
    units: dict[str, str]

    def __post_init__(self):
        _check(self)

    def difference(self, other: "Contents") -> str:
        """How another sweep differs from this one, in words; empty if it does not."""
        ours, theirs = ({"outputs": c.dims, "seed": c.seed, "fixed": c.fixed, "units": c.units} for c in (self, other))
        lines = [f"{name}: {ours[name]} against {theirs[name]}" for name in ours if ours[name] != theirs[name]]
        return "; ".join([*lines, *filter(None, [self.grid.difference(other.grid)])])


def open_to_read(path: Path) -> Any:
    """The file at `path`, open for reading, as it is now."""
    return h5py.File(path, "r")


def write(path: Path, contents: Contents) -> None:
    """Make the file, all its space allocated, at `path`: whole or not at all.

    Raises FileExistsError if something is there by then: another process may have been quicker.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to put the archive in")
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with h5py.File(aside, "w", libver=LIBRARY_VERSIONS) as file:
            _write_axes(file, contents)
            _write_results(file, contents)
            _write_attributes(file, contents)
        with open(aside, "rb+") as written:
            os.fsync(written.fileno())
        _publish(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def _publish(aside: Path, path: Path) -> None:
    """Give the file its name: a link, unlike a rename, never replaces a file that another process may be writing."""
    try:
        os.link(aside, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists():
            raise FileExistsError(path) from None
        os.replace(aside, path)


def read(path: Path) -> Contents:
    """The contents of an existing file.

    Raises FileNotFoundError, and ValueError for a file that is not HDF5, not a sweep, or of another schema.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no archive at {path}")
    if not path.is_file() or not h5py.is_hdf5(path):
        raise ValueError(f"{path} is not an archive: it is not an HDF5 file")
    try:
        with open_to_read(path) as file:
            schema = file.attrs.get("schema")
            if schema == SCHEMA:
                return _contents(file)
    except (OSError, KeyError) as error:
        raise ValueError(f"{path} is not an archive, or damaged: {error}") from error
    raise ValueError(f"{path} is not an archive of schema {SCHEMA!r}; got schema {schema!r}")


def _contents(file) -> Contents:
    stored = {name: json.loads(file.attrs[name]) for name in ("axes", "block", "outputs", "fixed", "units")}
    grid = Grid({name: _coordinates(file[name]) for name in stored["axes"]}, block=stored["block"])
    return Contents(grid, stored["outputs"], int(file.attrs["seed"]), stored["fixed"], stored["units"])


def _write_axes(file, contents: Contents) -> None:
    for name, values in contents.grid.axes.items():
        if values.dtype.kind == "U":
            file.create_dataset(name, data=values.astype(object), dtype=h5py.string_dtype())
        else:
            file.create_dataset(name, data=values)
    for name, length in _events(contents.dims).items():
        file.create_dataset(name, data=np.arange(length))
    for name in list(file):
        file[name].make_scale(name)


def _write_results(file, contents: Contents) -> None:
    def allocate(name, value, dtype, dims=()):
        axes = [*contents.grid.axes, *dims]
        dataset = file.create_dataset(name, data=np.full([len(file[axis]) for axis in axes], value, dtype=dtype))
        for i, axis in enumerate(axes):
            dataset.dims[i].attach_scale(file[axis])

    for name, dims in contents.dims.items():
        allocate(name, np.nan, "<f8", dims)
    allocate("checksum", 0, "<u4")
    allocate("message", b"", f"S{MESSAGE_BYTES}")
    allocate("status", Status.TO_DO, "u1")
    file["status"].attrs["meaning"] = ", ".join(f"{s.value} {s.words}" for s in Status)
    for name, unit in contents.units.items():
        file[name].attrs["units"] = unit


def _write_attributes(file, contents: Contents) -> None:
    stored = {
        "axes": list(contents.grid.axes),
        "block": contents.grid.block,
        "outputs": contents.dims,
        "fixed": contents.fixed,
        "units": contents.units,
    }
    file.attrs.update({name: json.dumps(value) for name, value in stored.items()})
    file.attrs.update({"schema": SCHEMA, "seed": str(contents.seed), **_provenance()})  # a seed may have 128 bits


def _coordinates(dataset) -> np.ndarray:
    return dataset.asstr()[...].astype(str) if h5py.check_string_dtype(dataset.dtype) else dataset[...]


def _events(dims: dict[str, dict[str, int]]) -> dict[str, int]:
    return {axis: length for shape in dims.values() for axis, length in shape.items()}


def as_stored(fixed: Mapping) -> dict[str, Any]:
    """Settings as they come back from the file; raises ValueError for what JSON has no word for."""
    try:
        return json.loads(json.dumps(fixed, allow_nan=False, default=_plain))
    except (TypeError, ValueError) as error:
        raise ValueError(f"fixed must hold numbers, strings and lists of them; got {fixed}") from error


def _plain(value):
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"no word for {value!r}")


def _check(contents: Contents) -> None:
    if contents.seed < 0:
        raise ValueError(f"seed must not be negative; got {contents.seed}")
    if not contents.dims:
        raise ValueError("outputs must name at least one output; got none")
    events = _events(contents.dims)
    for shape in contents.dims.values():
        for axis, length in shape.items():
            if events[axis] != length or length < 1:
                raise ValueError(f"outputs must give axis {axis!r} one positive length; got {length}, {events[axis]}")
    names = [*contents.grid.axes, *contents.dims, *events, *contents.fixed, "status", "checksum", "message"]
    wrong = sorted(name for name in names if not name or "/" in name or name == ".")
    if wrong:
        raise ValueError(f"axes and outputs must have names without '/'; got {', '.join(map(repr, wrong))}")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"axes, outputs and fixed settings must have different names; got {', '.join(repeated)} twice")
    strangers = sorted(set(contents.units) - {*contents.grid.axes, *contents.dims})
    if strangers:
        raise ValueError(f"units must be of axes and outputs; got {', '.join(strangers)}")


def _provenance() -> dict[str, str]:
    """Who made the file, with what, from which commit of the repository in the working directory."""
    packages = {f"{name}_version": version(name) for name in ("cocycle", "numpy", "scipy", "h5py")}
    commit, changes = _git("rev-parse", "HEAD"), _git("status", "--porcelain")
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(sys.argv),
        "host": platform.node(),
        "python_version": platform.python_version(),
        "git_commit": commit + (" with uncommitted changes" if changes else ""),
        **packages,
    }


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
