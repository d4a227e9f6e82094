"""What a sweep is, apart from its results."""

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from operator import index
from typing import Any, final

import numpy as np

from cocycle.sweeps.grid import Grid
from cocycle.sweeps.records import MESSAGE_BYTES
from cocycle.sweeps.table import Table

SEED_BITS = 128
OF_POINTS = ("status", "checksum", "message")  # what the file holds of each point besides its results


@final
@dataclass(frozen=True)
class Contents:
    """What a sweep is, apart from its results: `dims` names the axes of each output's event, with their lengths."""

    grid: Grid
    dims: dict[str, dict[str, int]]
    seed: int
    fixed: dict[str, Any]
    units: dict[str, str]
    long_names: dict[str, str] = field(default_factory=dict)
    parent: dict[str, Any] = field(default_factory=dict)  # the archive that this one refines, and how

    def __post_init__(self):
        _check(self)

    def difference(self, other: "Contents") -> str:
        """How another sweep differs from this one; empty if it does not."""
        names = ("outputs", "seed", "fixed", "units")
        ours, theirs = self.settings(), other.settings()
        lines = [f"{name}: {ours[name]} against {theirs[name]}" for name in names if ours[name] != theirs[name]]
        return "; ".join([*lines, *filter(None, [self.grid.difference(other.grid)])])

    def settings(self) -> dict[str, Any]:
        """All but the grid."""
        names = ("seed", "fixed", "units", "long_names", "parent")
        return {"outputs": self.dims, **{name: getattr(self, name) for name in names}}

    @property
    def outputs(self) -> dict[str, tuple[int, ...]]:
        """The shape of what each point has of each output."""
        return {name: tuple(dims.values()) for name, dims in self.dims.items()}

    @property
    def columns(self) -> dict[str, tuple[int, ...]]:
        """The shape of all the numbers that the file holds of each point: its outputs, and coordinates of its own."""
        return {**dict.fromkeys(self.grid.columns, ()), **self.outputs}

    @property
    def events(self) -> dict[str, int]:
        """The axes of the outputs, and their lengths."""
        return {axis: length for shape in self.dims.values() for axis, length in shape.items()}

    def digest(self) -> str:
        """SHA-256 of everything that gives the results their meaning."""
        grid = self.grid
        parameters = grid.parameters if isinstance(grid, Table) else {}
        facts = [self.settings(), grid.block, grid.common, list(grid.axes), {k: str(v) for k, v in parameters.items()}]
        whole = hashlib.sha256(json.dumps(facts).encode())
        for values in grid.axes.values():
            whole.update(values.dtype.str.encode())
            whole.update(json.dumps(values.tolist()).encode() if values.dtype == object else values.tobytes())
        return whole.hexdigest()

    @cached_property
    def mark(self) -> np.uint32:
        """What the checksums in the file are combined with: a row of one sweep is not sound in the file of another."""
        return np.uint32(zlib.crc32(self.digest().encode()))

    def row_bytes(self) -> int:
        """The bytes of one point in the file."""
        return sum(8 * prod(shape) for shape in self.columns.values()) + 5 + MESSAGE_BYTES

    def size(self) -> int:
        """The bytes of all points in the file."""
        return self.row_bytes() * len(self.grid)


def described(grid, outputs, seed, fixed=None, units=None, long_names=None) -> Contents:
    """The contents that the arguments of `Archive.create` describe.  Raises TypeError and ValueError."""
    if not isinstance(grid, Grid):
        raise TypeError(f"grid must be a Grid; got {type(grid).__name__}")
    if not isinstance(outputs, Mapping):
        raise TypeError(f'outputs must map names to shapes, such as {{"exponent": ()}}; got {outputs!r}')
    for what, given in {"outputs": outputs, "fixed": fixed, "units": units, "long_names": long_names}.items():
        if given is not None and not isinstance(given, Mapping):
            raise TypeError(f'{what} must be a mapping of names, such as {{"x": ...}}; got {given!r}')
        for name in given or {}:
            if not isinstance(name, str):
                raise TypeError(f"names of {what} must be strings; got {name!r}")
    if isinstance(seed, bool) or not hasattr(seed, "__index__"):
        raise ValueError(f"seed must be an integer; got {seed!r}")
    dims = {name: _dims(name, shape) for name, shape in outputs.items()}
    stored = {name: _as_stored(name, value) for name, value in (fixed or {}).items()}
    return Contents(grid, dims, index(seed), stored, dict(units or {}), dict(long_names or {}))


def _dims(name: str, shape: Any) -> dict[str, int]:
    """The axes of an output's event and their lengths."""
    try:
        lengths = dict(shape) if isinstance(shape, Mapping) else dict(enumerate(shape))
        return {axis if isinstance(axis, str) else f"{name}_{axis}": index(n) for axis, n in lengths.items()}
    except TypeError:
        raise ValueError(
            f"outputs[{name!r}] must be a shape: () for a number, (8,), or axes such as {{'start': 8}}; got {shape!r}"
        ) from None


def _as_stored(name: str, value: Any) -> Any:
    """A setting as it comes back from the file; raises ValueError for what cannot be written as JSON."""
    try:
        return json.loads(json.dumps(value, allow_nan=False, default=_plain))
    except (TypeError, ValueError) as error:
        raise ValueError(f"fixed[{name!r}] must hold numbers, strings and lists of them; got {value!r}") from error


def _plain(value):
    if isinstance(value, np.generic | np.ndarray) and not np.ma.is_masked(value):
        return value.tolist()
    raise TypeError(f"JSON has no form of {value!r}")


def _check(contents: Contents) -> None:
    if contents.seed < 0:
        raise ValueError(f"seed must not be negative; got {contents.seed}")
    if contents.seed >= 2**SEED_BITS:  # a longer one could run into the numbers that identify a stream
        raise ValueError(f"seed must have at most {SEED_BITS} bits; got {contents.seed.bit_length()}")
    if not contents.dims:
        raise ValueError("outputs must name at least one output; got none")
    events = contents.events
    for shape in contents.dims.values():
        for axis, length in shape.items():
            if events[axis] != length or length < 1:
                raise ValueError(f"outputs must give axis {axis!r} one positive length; got {length}, {events[axis]}")
    axes = (*contents.grid.axes, *contents.grid.columns)
    if contents.size() >= 2**60:
        raise ValueError(f"outputs must fit on a disk; all points together would take {contents.size()} bytes")
    names = [*axes, *contents.dims, *events, *contents.fixed, *OF_POINTS, "provenance", "seed"]
    wrong = sorted(name for name in names if not name.isprintable() or "/" in name or name in ("", ".", ".."))
    if wrong:
        raise ValueError(
            "axes, outputs and settings must have names without '/' and control characters, which are not '.' or '..';"
            f" got {', '.join(map(repr, wrong))}"
        )
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"axes, outputs and fixed settings must have different names; got {', '.join(repeated)} twice")
    for what, given in (("units", contents.units), ("long_names", contents.long_names)):
        named = (*axes, *contents.dims, *events)
        for name, text in given.items():
            if name not in named:
                raise ValueError(f"{what} must be of axes and outputs, {', '.join(named)}; got {name!r}")
            if not isinstance(text, str):
                raise ValueError(f"{what}[{name!r}] must be a string; got {text!r}")
