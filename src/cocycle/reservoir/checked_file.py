"""A file of arrays and a description of them, with checksums: it is read as it was written, or refused.

    body     an HDF5 file, for other programs: each array a dataset in one piece, the description an attribute
    index    JSON: the SHA-256 of the body, the description, the dtype, shape, order and place of each array
    foot     one line: the schema, the length of the index, the SHA-256 of the index

`read` looks at the foot, then at the index, then at the body, each only after its checksum is known, and leaves HDF5
out: a file that was damaged, or made to do harm, can crash it or keep it busy for ever.  Nothing is unpickled.
"""

import hashlib
import json
import os
import re
from dataclasses import dataclass
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, final

import h5py
import numpy as np

from cocycle.files import LIBRARY_VERSIONS, replacing, reserve

SCHEMA = "cocycle model 2"
FOOT, FOOT_BYTES = re.compile(rb"(cocycle model \d+) (\d{16}) ([0-9a-f]{64})\n\Z"), 128  # at most
FIRST_SCHEMA = b"cocycle model 1"  # which had no checksum: an attribute, near the beginning of the file
INDEX_BYTES = 2**24  # at most: parsed, JSON takes some twenty times its length
DTYPES = {"|b1", "|i1", "|u1", *(f"{end}{kind}{size}" for end in "<>" for kind in "fiu" for size in (2, 4, 8))}
PIECE = 2**20  # bytes read at a time where they are not kept


def write(path: Path, description: Any, arrays: dict[str, np.ndarray]) -> None:
    """Put the file at `path` in one step: what is there is the old file or the new one, never a part.

    Raises TypeError for arrays of other than real numbers, ValueError for a description that is too long.
    """
    for name, array in arrays.items():
        if array.dtype.str not in DTYPES:
            raise TypeError(f"{name} cannot be stored: its dtype is {array.dtype}")
    with replacing(path) as made:
        places = _write_body(made, description, arrays)
        with open(made, "rb+") as file:
            body = hashlib.sha256()
            _skip(file, _size(file), body)
            index = json.dumps({"body": body.hexdigest(), "description": description, "arrays": places}).encode()
            if len(index) > INDEX_BYTES:
                raise ValueError(f"settings and indices must take at most {INDEX_BYTES} bytes; they take {len(index)}")
            file.write(index + f"{SCHEMA} {len(index):016d} {hashlib.sha256(index).hexdigest()}\n".encode())


def _write_body(made: Path, description: Any, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """What the index says of each array, which is written as a dataset."""
    places = {}
    reserve(made, len(json.dumps(description)) + sum(array.nbytes for array in arrays.values()))
    with h5py.File(made, "w", libver=LIBRARY_VERSIONS, locking=False) as body:
        body.attrs["schema"], body.attrs["description"] = SCHEMA, json.dumps(description)
        body.attrs["versions"] = json.dumps({name: version(name) for name in ("cocycle", "numpy", "scipy", "h5py")})
        for name, array in arrays.items():
            dataset = body.create_dataset(f"model/{name}", data=array)
            # products round differently for another order in memory
            order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
            start = dataset.id.get_offset() or 0  # None of an array without elements
            places[name] = {"dtype": array.dtype.str, "shape": array.shape, "order": order, "start": start}
    return places


def is_saved(path: Path) -> bool:
    """Whether the file at `path` ends as those do that `write` makes, of any schema."""
    try:
        with _opened(path) as file:
            return _foot(file, _size(file)) is not None
    except ValueError:
        return False


def read(path: Path) -> tuple[Any, dict[str, np.ndarray], int]:
    """The description, the arrays by name, and the length of the file.

    Raises FileNotFoundError, and ValueError for all that `write` did not make or that was changed since: before its
    checksum is known nothing is interpreted, and no array takes more memory than it takes in the file.
    """
    with _opened(path) as file:
        size = _size(file)
        foot = _foot(file, size)
        _check_schema(file, size, foot)
        length, digest = foot[2], foot[3]
        end = size - len(foot[0]) - int(length)
        if end < 0 or int(length) > INDEX_BYTES:
            raise ValueError(_DAMAGED)
        file.seek(end)
        index = file.read(int(length))
        if hashlib.sha256(index).hexdigest() != digest.decode():
            raise ValueError(_DAMAGED)
        index = json.loads(index, object_pairs_hook=_without_doubles)
        if not isinstance(index, dict) or set(index) != {"body", "description", "arrays"}:
            raise ValueError("its index must have a checksum, a description and arrays")
        return index["description"], _read_arrays(file, index, end), size


_DAMAGED = "it is damaged: its checksum is not that of what it holds"


def _opened(path: Path) -> BinaryIO:
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if not path.is_file():
        raise ValueError("it is not a regular file")
    return open(path, "rb", opener=_at_once)


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a FIFO that is there by now would wait for ever


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _foot(file: BinaryIO, size: int) -> Any:
    file.seek(max(0, size - FOOT_BYTES))
    return FOOT.search(file.read(FOOT_BYTES))


def _check_schema(file: BinaryIO, size: int, foot: Any) -> None:
    if size == 0:
        raise ValueError("it is empty")
    if foot is None:
        file.seek(0)
        if FIRST_SCHEMA in file.read(PIECE):
            raise ValueError(f"it is of schema {FIRST_SCHEMA.decode()!r}, without a checksum, and not {SCHEMA!r}")
        raise ValueError("it has no checksum at its end: it was cut short, or is something else")
    if foot[1].decode() != SCHEMA:
        raise ValueError(f"it is of schema {foot[1].decode()!r}, not {SCHEMA!r}")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name in its index is there twice")
    return found


@final
@dataclass(frozen=True)
class _Place:
    """Where in the body an array is.  Raises ValueError for what `write` does not write, or more than the body has."""

    dtype: str
    shape: list[int]
    order: str
    start: int
    end: int  # of the body

    def __post_init__(self):
        whole = isinstance(self.shape, list) and all(type(n) is int and n >= 0 for n in [*self.shape, self.start])
        if not whole or self.dtype not in DTYPES or self.order not in ("C", "F"):
            raise ValueError(f"no array is like {self.dtype!r:.40}, {self.shape!r:.80}, {self.order!r:.40}")
        at_least_one = prod(max(n, 1) for n in self.shape)  # without elements, too, shapes are not to be large
        if at_least_one * np.dtype(self.dtype).itemsize > self.end or self.start + self.bytes > self.end:
            raise ValueError(f"an array of shape {self.shape!r:.80} is larger than the file")

    @property
    def bytes(self) -> int:
        return prod(self.shape) * np.dtype(self.dtype).itemsize


def _read_arrays(file: BinaryIO, index: dict[str, Any], end: int) -> dict[str, np.ndarray]:
    """The arrays, in one pass over the body that also finds its checksum: what is returned is what was checked."""
    places = {name: _Place(**place, end=end) for name, place in index["arrays"].items()}
    arrays, position, whole = {}, 0, hashlib.sha256()
    file.seek(0)
    for name, place in sorted(places.items(), key=lambda item: (item[1].start, item[1].bytes)):
        if place.bytes and place.start < position:
            raise ValueError(f"{name!r:.80} overlaps another array")
        if place.bytes:
            _skip(file, place.start - position, whole)
            position = place.start + place.bytes
        arrays[name] = _read_array(file, place, whole)
    _skip(file, end - position, whole)
    if whole.hexdigest() != index["body"]:
        raise ValueError(_DAMAGED)
    for name, array in arrays.items():
        if array.dtype == bool and array.view(np.uint8).max(initial=0) > 1:
            raise ValueError(f"{name!r:.80} holds other values than true and false")
    return {name: np.asfortranarray(a) if places[name].order == "F" else a for name, a in arrays.items()}


def _read_array(file: BinaryIO, place: _Place, whole: Any) -> np.ndarray:
    array = np.empty(place.shape, place.dtype)
    content = array.reshape(-1).view(np.uint8)
    if file.readinto(content) != content.size:  # type: ignore[attr-defined]
        raise ValueError("it became shorter while it was read")
    whole.update(content)
    return array


def _skip(file: BinaryIO, count: int, whole: Any) -> None:
    """Read on by `count` bytes, which only the checksum `whole` needs."""
    while count > 0:
        piece = file.read(min(count, PIECE))
        if not piece:
            raise ValueError("it became shorter while it was read")
        whole.update(piece)
        count -= len(piece)
