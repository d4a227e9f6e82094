"""The field of maximal exponents over a plane of inputs, row by row into an archive: it may be interrupted, and takes
several processes."""

import hashlib
import io
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, final

import cloudpickle
import numpy as np

from cocycle.arrays import as_numpy, like, namespace
from cocycle.lyapunov import Field, Plane, ftle
from cocycle.lyapunov.units import unit_of
from cocycle.maps import Map
from cocycle.sweeps import Archive, Grid, Status, run
from cocycle.sweeps.contents import Contents, described

TOGETHER = 2**10  # inputs of a block of rows, about
NAME = re.compile("[0-9a-f]{32}")  # cloudpickle's, of a class of a script: another one in every process
LONG_NAMES = {
    "exponent": "maximal exponent λ₁",
    "log_factor": "ln Λ₁",
    "direction": "components of the stretching direction along a and b",
}


def plane_field(path: str | os.PathLike, steps: Sequence[Map], plane: Plane, *, workers: int | None = None) -> Field:
    """ftle(steps, plane), computed in blocks of rows by so many processes and kept in the archive at `path`.

    Call it again after an interruption: it computes what is missing.  Exponents and directions are those of `ftle` to
    rounding, and do not depend on workers and interruptions.  The axes of the archive are t and s, its outputs
    `exponent`, `log_factor` and `direction`, as in a `Field`.

    Raises ValueError if the archive is that of another network or plane, by the digests of their numbers, and for maps
    that cannot be sent to processes; RuntimeError if rows fail; and as `ftle` and `run` do.
    """
    if not isinstance(plane, Plane):
        raise TypeError(f"plane must be a Plane, plane(origin, a, b); got a {type(plane).__name__}")
    steps = tuple(steps)
    one = ftle(steps, plane.flat[:1])
    archive = _archive(Path(path), contents_of(steps, plane, one.time))
    run(Measure(steps, plane), archive, workers=workers, retry=True)
    lost = int((archive.status != Status.DONE).sum())
    if lost:
        message = next(iter(archive.messages(1).values()), "no message")
        raise RuntimeError(f"{lost} of {len(archive.grid)} points of {archive.name} failed, the first with: {message}")
    factors, directions = like(archive["log_factor"], one.log_factors), like(archive["direction"], one.directions)
    return Field(plane, factors, directions, one.time, one.unit)


def contents_of(steps: Sequence[Map], plane: Plane, time: float) -> Contents:
    """What the archive of a field is."""
    rows = min(len(plane.t), max(1, TOGETHER // len(plane.s)))
    grid = Grid({"t": plane.t, "s": plane.s}, block={"t": rows, "s": len(plane.s)}, common=("t", "s"))
    fixed = {"network": digest(steps), "plane": digest((plane.origin, plane.a, plane.b)), "time": time}
    outputs = {"exponent": (), "log_factor": (), "direction": {"component": 2}}
    axes = ("s", "t")
    units = {"exponent": unit_of(steps).replace("per ", "1/"), "log_factor": "1"}
    units |= dict(zip(axes, plane.units, strict=True))
    return described(grid, outputs, 0, fixed, units, LONG_NAMES | dict(zip(axes, plane.names, strict=True)))


@final
@dataclass(frozen=True, eq=False)
class Measure:
    """The exponents and directions at a block of points of the plane."""

    steps: tuple[Map, ...]
    plane: Plane

    def __call__(self, points: dict[str, Any], rngs: object) -> dict[str, np.ndarray]:
        found = ftle(self.steps, self.plane.at(points["s"], points["t"]))
        directions = as_numpy(self.plane.components(found.directions))
        return {
            "exponent": as_numpy(found.exponents),
            "log_factor": as_numpy(found.log_factors),
            "direction": directions,
        }


def digest(thing: Any) -> str:
    """SHA-256 of all arrays, numbers, words, classes and code of functions in a thing, such as maps with their weights,
    and of which of its objects are the same.

    Raises ValueError for a thing that cannot be pickled.
    """
    numbers = _Numbers()
    try:
        numbers.dump(thing)
    except Exception as error:
        raise ValueError(f"steps must be maps that can be sent to other processes: {error}") from error
    return numbers.found.hexdigest()


def _archive(path: Path, contents: Contents) -> Archive:
    """The archive of a field, new or to be resumed."""
    if path.exists():
        archive = Archive.open(path)
        for what in ("network", "plane") if (archive.status != Status.TO_DO).any() else ():
            theirs, ours = archive.fixed.get(what), contents.fixed[what]
            if theirs not in (None, ours):
                raise ValueError(
                    f"{path} holds the field of another {what}, with the digest {theirs[:8]}; got one with {ours[:8]}:"
                    f" take another path, or the {what} it was begun with"
                )
    return Archive.resumed(path, contents)


class _Numbers(cloudpickle.Pickler):
    """What pickling comes across in an object; the files of functions, their lines and cloudpickle's own names do not
    count."""

    def __init__(self):
        super().__init__(io.BytesIO())
        self.found = hashlib.sha256()
        self.met: dict[int, tuple[int, object]] = {}  # by identity: in which order, and the object, to keep it alive

    def persistent_id(self, obj):
        if isinstance(obj, CodeType) or (isinstance(obj, dict) and "__file__" in obj):  # of a function: see there
            return "code"
        if isinstance(obj, set | frozenset):  # in an order that differs from process to process
            self.found.update("".join(sorted(map(digest, obj))).encode())
            return "set"
        if namespace(obj) is not np or (isinstance(obj, np.ndarray) and obj.dtype != object):
            array = as_numpy(obj)
            self.found.update(f"{array.dtype.str}{array.shape}".encode() + array.tobytes())
            return "array"
        if isinstance(obj, FunctionType | type):
            code = _operations(obj.__code__) if isinstance(obj, FunctionType) else ()
            self.found.update(f"{obj.__qualname__}{code}".encode())
        elif isinstance(obj, bool | int | float | complex | bytes | str) and not NAME.fullmatch(str(obj)):
            self.found.update(repr(obj).encode())
        elif hasattr(obj, "__dict__"):  # the same map twice is pickled once: that it comes again counts
            number, _ = self.met.setdefault(id(obj), (len(self.met), obj))
            self.found.update(f"object {number}".encode())
        return None


def _operations(code: CodeType) -> tuple:
    """The operations of a function with their constants and names."""
    constants = (_operations(c) if isinstance(c, CodeType) else digest(c) for c in code.co_consts)
    return code.co_code, code.co_names, tuple(constants)
