"""The archive of a sweep: one HDF5 file, whole from its first moment, in which afterwards only values change.

A commit writes values first, waits until they are on the disk, then writes the status: a point is done if and only if
its status says so, whenever the writer was killed.  Readers use HDF5 as ever, also meanwhile; the writer never touches
the structure of the file (see `layout`), only bytes at known places.
"""

import fcntl
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np

from cocycle.sweeps import layout
from cocycle.sweeps.grid import Grid, Index
from cocycle.sweeps.layout import Contents, Status

sync = getattr(os, "fdatasync", os.fsync)  # macOS has only the latter


class Record(NamedTuple):
    """What is committed for one point: its values, float64, one array for each output, or none if it failed."""

    status: Status
    values: Mapping[str, np.ndarray]
    message: str = ""


@final
@dataclass(frozen=True, eq=False)
class Archive:
    """A sweep's settings and results in the HDF5 file `path`.  Make one with `create`, `open` or `resume`."""

    path: Path
    contents: Contents

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
        path = Path(path)
        contents = _contents(grid, outputs, seed, fixed, units)
        try:
            layout.write(path, contents)
        except FileExistsError:
            message = f"{path} exists: open it with Archive.open or Archive.resume, or remove it"
            raise FileExistsError(message) from None
        return cls(path, contents)

    @classmethod
    def open(cls, path: str | os.PathLike) -> "Archive":
        """The archive in an existing file.

        Raises FileNotFoundError, and ValueError for a file that is not HDF5, not a sweep, or of another schema.
        """
        return cls(Path(path), layout.read(Path(path)))

    @classmethod
    def resume(cls, path: str | os.PathLike, grid: Grid, *, outputs, seed, fixed=None, units=None) -> "Archive":
        """The archive at `path` if there is one, else a new one; the settings are those of `create`.

        Raises ValueError if the existing one is of another sweep, and says how they differ.
        """
        if not Path(path).exists():
            with suppress(FileExistsError):  # another process was quicker: it made the same one, or it is refused below
                return cls.create(path, grid, outputs=outputs, seed=seed, fixed=fixed, units=units)
        archive = cls.open(path)
        difference = archive.contents.difference(_contents(grid, outputs, seed, fixed, units))
        if difference:
            raise ValueError(f"{path} holds another sweep than the one asked for: {difference}")
        return archive

    @property
    def grid(self) -> Grid:
        return self.contents.grid

    @property
    def seed(self) -> int:
        return self.contents.seed

    @property
    def fixed(self) -> dict[str, Any]:
        """The settings that all points share."""
        return self.contents.fixed

    @property
    def outputs(self) -> dict[str, tuple[int, ...]]:
        """The shape of what each point has of each output."""
        return {name: tuple(dims.values()) for name, dims in self.contents.dims.items()}

    @property
    def status(self) -> np.ndarray:
        """The `Status` of every point, (*grid), as it is in the file now."""
        with layout.open_to_read(self.path) as file:
            return file["status"][...]

    def __getitem__(self, name: str) -> np.ndarray:
        """The values (*grid, *event) of an output as they are in the file now; NaN where the point is not done."""
        if name not in self.outputs:
            raise KeyError(f"no output {name!r} in {self.path}: there are {', '.join(self.outputs)}")
        with layout.open_to_read(self.path) as file:
            done = file["status"][...] == Status.DONE  # before the values: what was done then is done now
            values = file[name][...]
        return np.where(done.reshape(done.shape + (1,) * (values.ndim - done.ndim)), values, np.nan)

    def messages(self) -> dict[Index, str]:
        """Why points failed: a message for each index whose status is FAILED or DIED."""
        with layout.open_to_read(self.path) as file:
            status, message = file["status"][...], file["message"][...]
        return {tuple(map(int, i)): message[tuple(i)].decode() for i in np.argwhere(status >= Status.FAILED)}

    def __repr__(self):
        status = self.status
        words = ", ".join(f"{(status == s).sum()} {s.words}" for s in Status)
        axes = " × ".join(f"{name} ({len(values)})" for name, values in self.grid.axes.items())
        return f"Archive {self.path}: {axes}; {words}; outputs {', '.join(self.outputs)}"

    @contextmanager
    def writer(self) -> Iterator["Writer"]:
        """The one writer of this archive.  Raises BlockingIOError while another process has it."""
        with open(self.path.with_name(self.path.name + ".lock"), "a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                message = f"{self.path} is being written by another process: wait for it or stop it"
                raise BlockingIOError(message) from None
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
        with layout.open_to_read(archive.path) as file:
            names = (*archive.outputs, "checksum", "message", "status")
            self._start = {name: file[name].id.get_offset() for name in names}

    def commit(self, records: Mapping[Index, Record]) -> None:
        """Put records on the disk, values first, status last.  Raises OSError if the disk does not take them."""
        shape = self._archive.grid.shape
        flat = {int(np.ravel_multi_index(index, shape)): record for index, record in records.items()}
        for i, record in flat.items():
            payload = [np.ascontiguousarray(record.values[name], "<f8").tobytes() for name in sorted(record.values)]
            for name, data in zip(sorted(record.values), payload, strict=True):
                self._write(name, i, data)
            self._write("checksum", i, zlib.crc32(b"".join(payload)).to_bytes(4, "little"))
            self._write("message", i, _clipped(record.message))
        sync(self._descriptor)
        for i, record in flat.items():
            self._write("status", i, bytes([record.status]))

    def _write(self, name: str, i: int, data: bytes) -> None:
        written = os.pwrite(self._descriptor, data, self._start[name] + i * len(data))
        if written != len(data):
            raise OSError(f"{self._archive.path} took {written} of {len(data)} bytes: is the disk full?")


def _contents(grid, outputs, seed, fixed, units) -> Contents:
    if not isinstance(grid, Grid):
        raise TypeError(f"grid must be a Grid; got {type(grid).__name__}")
    if not isinstance(outputs, Mapping):
        raise TypeError(f'outputs must map names to shapes, such as {{"exponent": ()}}; got {outputs!r}')
    dims = {name: _dims(name, shape) for name, shape in outputs.items()}
    try:
        seed = index(seed)
    except TypeError:
        raise ValueError(f"seed must be an integer; got {seed!r}") from None
    return Contents(grid, dims, seed, layout.as_stored(dict(fixed or {})), dict(units or {}))


def _dims(name: str, shape: Any) -> dict[str, int]:
    """The axes of an output's event and their lengths."""
    try:
        lengths = dict(shape) if isinstance(shape, Mapping) else dict(enumerate(shape))
        return {axis if isinstance(axis, str) else f"{name}_{axis}": index(n) for axis, n in lengths.items()}
    except TypeError:
        raise ValueError(
            f"outputs[{name!r}] must be a shape: () for a number, (8,), or axes such as {{'start': 8}}; got {shape!r}"
        ) from None


def _clipped(message: str) -> bytes:
    """At most MESSAGE_BYTES of UTF-8, no character cut in two, padded with zeros."""
    whole = message.encode()[: layout.MESSAGE_BYTES].decode(errors="ignore").encode()
    return whole.ljust(layout.MESSAGE_BYTES, b"\0")
