"""The archive of a sweep: one HDF5 file, whole from its first moment, in which afterwards only values change.

The file is made aside and moved into place with every value allocated: contiguous datasets (*grid, *event) of NaN, one
for each output, `status` of each point, `checksum` (CRC-32 of its values) and `message` (why it failed).  A commit
writes values first, waits until they are on the disk, then writes the status: a point is done if and only if its
status says so, whenever the writer was killed.  Readers use HDF5 as ever; the writer never touches its structure.
"""

import fcntl
import json
import os
import platform
import subprocess
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, final

import h5py
import numpy as np

from cocycle.sweeps.grid import Grid, Index

SCHEMA = "cocycle sweep 1"
MESSAGE_BYTES = 200
LAYOUT = ("v108", "v108")  # readable by every HDF5 in use, and contiguous data stay where they are
sync = getattr(os, "fdatasync", os.fsync)  # macOS has only the latter


class Status(IntEnum):
    """What is known of a point."""

    TO_DO = 0
    DONE = 1
    FAILED = 2  # its measure raised: see `message`
    DIED = 3  # its worker was killed, also when the point was tried alone


class Record(NamedTuple):
    """What is committed for one point: its values, float64, one array for each output, unless it has none."""

    status: Status
    values: Mapping[str, np.ndarray]
    message: str = ""


@final
@dataclass(frozen=True, eq=False)
class Archive:
    """A sweep's grid, settings and results, in the HDF5 file `path`.  Make one with `create`, `open` or `resume`."""

    path: Path
    grid: Grid
    outputs: dict[str, tuple[int, ...]]
    seed: int
    fixed: dict[str, Any]

    @classmethod
    def create(
        cls,
        path: str | os.PathLike,
        grid: Grid,
        *,
        outputs: Mapping[str, Sequence[int] | Mapping[str, int]],
        seed: int,
        fixed: Mapping[str, Any] | None = None,
        units: Mapping[str, str] | None = None,
    ) -> "Archive":
        """A new archive with every point still to do.

        `outputs` names what the measure returns, with the shape of each value, () for a number; a mapping such as
        {"start": 8} also names the axes.  `fixed` are settings that all points share (numbers, strings, lists);
        `units` are for axes and outputs.

        Raises FileExistsError if there is such a file, ValueError for names that collide or settings that cannot be
        stored.
        """
        path, fixed = Path(path), dict(fixed or {})
        if path.exists():
            raise FileExistsError(f"{path} exists: open it with Archive.open or Archive.resume, or remove it")
        shapes = {name: _dims(name, shape) for name, shape in outputs.items()}
        _check_names(grid, shapes, fixed)
        archive = cls(path, grid, {name: tuple(dims.values()) for name, dims in shapes.items()}, int(seed), fixed)
        aside = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with h5py.File(aside, "w", libver=LAYOUT) as file:
                _write_structure(file, archive, shapes, units or {})
            with open(aside, "rb+") as written:
                os.fsync(written.fileno())
            os.replace(aside, path)
        finally:
            aside.unlink(missing_ok=True)
        return archive

    @classmethod
    def open(cls, path: str | os.PathLike) -> "Archive":
        """The archive in an existing file.

        Raises FileNotFoundError, and ValueError for a file that is not HDF5, not a sweep, or of another schema.
        """
        path = Path(path)
        if not path.exists():
            raise FileNotFoundError(f"there is no archive at {path}")
        if not path.is_file() or not h5py.is_hdf5(path):
            raise ValueError(f"{path} is not an archive: it is not an HDF5 file")
        with h5py.File(path, "r") as file:
            schema = file.attrs.get("schema")
            if schema != SCHEMA:
                raise ValueError(f"{path} is not an archive of schema {SCHEMA!r}; got schema {schema!r}")
            axes = {name: _coordinates(file[name]) for name in json.loads(file.attrs["axes"])}
            grid = Grid(axes, block=json.loads(file.attrs["block"]))
            outputs = {name: file[name].shape[len(axes) :] for name in json.loads(file.attrs["outputs"])}
            return cls(path, grid, outputs, int(file.attrs["seed"]), json.loads(file.attrs["fixed"]))

    @classmethod
    def resume(cls, path: str | os.PathLike, grid: Grid, **settings) -> "Archive":
        """The archive at `path` if there is one, else a new one: `settings` are those of `create`.

        Raises ValueError if the existing one has another grid, other outputs, seed or fixed settings, and says which.
        """
        if not Path(path).exists():
            return cls.create(path, grid, **settings)
        archive = cls.open(path)
        outputs = {name: tuple(_dims(name, shape).values()) for name, shape in settings["outputs"].items()}
        found = {"outputs": archive.outputs, "seed": archive.seed, "fixed": archive.fixed}
        wanted = {
            "outputs": outputs,
            "seed": settings["seed"],
            "fixed": _as_stored(settings.get("fixed") or {}),
        }
        lines = [f"{key}: {found[key]} against {wanted[key]}" for key in found if found[key] != wanted[key]]
        lines += [archive.grid.difference(grid)] if archive.grid != grid else []
        if lines:
            raise ValueError(f"{path} holds another sweep than the one asked for: " + "; ".join(lines))
        return archive

    @property
    def status(self) -> np.ndarray:
        """The `Status` of every point, (*grid), as it is in the file now."""
        with h5py.File(self.path, "r") as file:
            return file["status"][...]

    def __getitem__(self, name: str) -> np.ndarray:
        """The values (*grid, *event) of an output as they are in the file now; NaN where the point is not done."""
        if name not in self.outputs:
            raise KeyError(f"no output {name!r} in {self.path}: there are {', '.join(self.outputs)}")
        with h5py.File(self.path, "r") as file:
            done = file["status"][...] == Status.DONE
            values = file[name][...]
        return np.where(done.reshape(done.shape + (1,) * (values.ndim - done.ndim)), values, np.nan)

    def messages(self) -> dict[Index, str]:
        """Why points failed: a message for each index whose status is FAILED or DIED."""
        with h5py.File(self.path, "r") as file:
            status, message = file["status"][...], file["message"][...]
        return {tuple(map(int, i)): message[tuple(i)].decode() for i in np.argwhere(status >= Status.FAILED)}

    def __repr__(self):
        status = self.status
        words = ", ".join(f"{(status == s).sum()} {s.name.lower().replace('_', ' ')}" for s in Status)
        axes = " × ".join(f"{name} ({len(values)})" for name, values in self.grid.axes.items())
        return f"Archive {self.path}: {axes}; {words}; outputs {', '.join(self.outputs)}"

    @contextmanager
    def writer(self) -> Iterator["Writer"]:
        """The one writer of this archive.  Raises BlockingIOError while another process has it."""
        with open(self.path.with_name(self.path.name + ".lock"), "a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BlockingIOError(
                    f"{self.path} is being written by another process: wait for it or stop it"
                ) from None
            descriptor = os.open(self.path, os.O_RDWR)
            try:
                yield Writer(self, descriptor)
                sync(descriptor)
            finally:
                os.close(descriptor)


@final
class Writer:
    """Writes values into an archive whose lock is held: see `Archive.writer`."""

    def __init__(self, archive: Archive, descriptor: int):
        self._archive, self._descriptor = archive, descriptor
        with h5py.File(archive.path, "r") as file:
            names = (*archive.outputs, "checksum", "message", "status")
            self._place = {name: (file[name].id.get_offset(), file[name].dtype.itemsize) for name in names}

    def commit(self, records: Mapping[Index, Record]) -> None:
        """Put records on the disk, values first, status last.  Raises OSError if the disk does not take them."""
        shape = self._archive.grid.shape
        flat = {int(np.ravel_multi_index(index, shape)): record for index, record in records.items()}
        for i, record in flat.items():
            payload = [(name, np.ascontiguousarray(values, "<f8").tobytes()) for name, values in record.values.items()]
            for name, data in payload:
                self._write(name, i, data)
            checksum = zlib.crc32(b"".join(data for _, data in sorted(payload)))
            self._write("checksum", i, checksum.to_bytes(4, "little"))
            self._write("message", i, _clipped(record.message).ljust(MESSAGE_BYTES, b"\0"))
        sync(self._descriptor)
        for i, record in flat.items():
            self._write("status", i, bytes([record.status]))

    def _write(self, name: str, i: int, data: bytes) -> None:
        start, _ = self._place[name]
        written = os.pwrite(self._descriptor, data, start + i * len(data))
        if written != len(data):
            raise OSError(f"{self._archive.path} took {written} of {len(data)} bytes: is the disk full?")


def _clipped(message: str) -> bytes:
    return message.encode()[:MESSAGE_BYTES].decode(errors="ignore").encode()


def _dims(name: str, shape) -> dict[str, int]:
    if isinstance(shape, Mapping):
        return dict(shape)
    return {f"{name}_{i}": length for i, length in enumerate(shape)}


def _as_stored(fixed: Mapping) -> dict:
    """Settings as they come back from the file; raises ValueError for what JSON has no word for."""
    try:
        return json.loads(json.dumps(dict(fixed), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ValueError(f"fixed must hold numbers, strings and lists of them; got {dict(fixed)}") from error


def _check_names(grid: Grid, shapes: dict[str, dict[str, int]], fixed: dict) -> None:
    _as_stored(fixed)
    if not shapes:
        raise ValueError("outputs must name at least one output; got none")
    dims = {dim: length for shape in shapes.values() for dim, length in shape.items()}
    for shape in shapes.values():
        for dim, length in shape.items():
            if dims[dim] != length or length < 1:
                raise ValueError(f"outputs must give axis {dim!r} one positive length; got {length} and {dims[dim]}")
    names = [*grid.axes, *shapes, *dims, *fixed, "status", "checksum", "message"]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"axes, outputs and fixed settings must have different names; got {', '.join(repeated)} twice")


def _write_structure(file: h5py.File, archive: Archive, shapes: dict[str, dict[str, int]], units: Mapping) -> None:
    grid = archive.grid
    for name, values in grid.axes.items():
        text = values.dtype.kind == "U"
        file.create_dataset(
            name, data=values.astype(object) if text else values, dtype=h5py.string_dtype() if text else None
        )
    for dims in shapes.values():
        for name, length in dims.items():
            if name not in file:
                file.create_dataset(name, data=np.arange(length))
    for name in list(file):
        file[name].make_scale(name)
    for name, dims in shapes.items():
        _allocate(file, name, [*grid.axes, *dims], np.nan, "<f8")
    _allocate(file, "checksum", list(grid.axes), 0, "<u4")
    _allocate(file, "message", list(grid.axes), b"", f"S{MESSAGE_BYTES}")
    _allocate(file, "status", list(grid.axes), Status.TO_DO, "u1")
    file["status"].attrs["meaning"] = ", ".join(f"{s.value} {s.name.lower().replace('_', ' ')}" for s in Status)
    for name, unit in units.items():
        file[name].attrs["units"] = unit
    names = {"axes": list(grid.axes), "outputs": list(shapes), "block": grid.block, "fixed": archive.fixed}
    file.attrs.update({key: json.dumps(value) for key, value in names.items()})
    file.attrs.update({"schema": SCHEMA, "seed": archive.seed, **_provenance()})


def _allocate(file: h5py.File, name: str, dims: list[str], value, dtype: str) -> None:
    shape = tuple(len(file[dim]) for dim in dims)
    dataset = file.create_dataset(name, data=np.full(shape, value, dtype=dtype))
    for axis, dim in enumerate(dims):
        dataset.dims[axis].attach_scale(file[dim])


def _coordinates(dataset: h5py.Dataset) -> np.ndarray:
    return dataset.asstr()[...].astype(str) if h5py.check_string_dtype(dataset.dtype) else dataset[...]


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
