"""Values of coordinates: what an axis may hold, which values are the same, and the random streams that belong to them.

A coordinate is identified by its value, not by its position on an axis: numbers by DIGITS significant digits, since
two grids make the same 0.3 with different last bits.  So a longer axis, a part of a grid, a refinement, a merged
archive and another order of axes give a point the same random numbers, and another point others.
"""

import hashlib
import json
import struct
from collections.abc import Iterable, Sequence
from typing import Any, overload

import numpy as np

from cocycle.arrays import refuse_masked

DIGITS = 12  # significant ones, of a number
WORDS = struct.Struct("<4I")  # of 32 bits, as numpy's seeds are made of

Value = bool | int | float | str | None


def key(value: Value) -> str:
    """What identifies a value: two values with the same key are one coordinate.

    The integer 1 and the number 1.0 are the same, -0.0 and 0.0 too; an integer of more than DIGITS significant digits
    counts to its last one.  Bools, strings and None are no numbers.
    """
    if isinstance(value, str | bool) or value is None:
        return json.dumps(value)
    if isinstance(value, int) and (abs(value) >= 2**63 or len(str(abs(value)).rstrip("0")) > DIGITS):
        return str(value)
    return f"{value + 0.0:.{DIGITS - 1}e}"  # -0.0 + 0.0 is 0.0


def keys(values: np.ndarray) -> list[str]:
    """The key of each value of an axis."""
    return [key(value) for value in values.tolist()]


def coordinate(name: str, value: Value) -> str:
    """What identifies a value on an axis."""
    return json.dumps([name, key(value)])


def stream(coordinates: Iterable[str]) -> tuple[int, ...]:
    """The numbers, 128 bits of a hash, that identify the random stream of a point, from each `coordinate` of it.

    Their order does not matter.
    """
    text = f"[{', '.join(sorted(coordinates))}]"
    return WORDS.unpack(hashlib.blake2b(text.encode(), digest_size=16).digest())


def generator(seed: int, stream: tuple[int, ...]) -> np.random.Generator:
    """A new generator at the beginning of a stream.

    All streams have as many numbers, so that what `spawn` makes of one, which has more, is never that of another point.
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=stream)))


class Generators(Sequence[np.random.Generator]):
    """A generator for each point of a block, made when it is first asked for; `streams` identify them."""

    def __init__(self, seed: int, streams: Sequence[tuple[int, ...]]):
        self._seed, self._streams = seed, streams
        self._made: dict[int, np.random.Generator] = {}

    def __len__(self):
        return len(self._streams)

    @property
    def first_for_all(self) -> bool:
        """Whether only the first generator was asked for, although the others are different."""
        return set(self._made) == {0} and len(set(self._streams)) > 1

    def __getattr__(self, name: str):
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(
            f"the points of a block have a generator each: [rng.{name}(...) for rng in rngs], or rngs[0] where the grid"
            " declares common numbers"
        )

    @overload
    def __getitem__(self, index: int) -> np.random.Generator: ...
    @overload
    def __getitem__(self, index: slice) -> list[np.random.Generator]: ...
    def __getitem__(self, index):
        member = range(len(self))[index]  # IndexError beyond the end; counts from the end
        if isinstance(member, range):
            return [self[i] for i in member]
        if member not in self._made:
            self._made[member] = generator(self._seed, self._streams[member])
        return self._made[member]


def axis(name: str, values: Any) -> np.ndarray:
    """The values of an axis, (n,): numbers, strings or bools, of one kind, and None among them; read-only, a copy.

    Raises TypeError for a name that is none, ValueError for other values, none at all, or two that are the same.
    """
    if not isinstance(name, str):
        raise TypeError(f"axes must have names; got {name!r}")
    refuse_masked(f"axis {name!r}", values)
    values = _array(name, values)
    if not all(np.isfinite(value) for value in values.tolist() if isinstance(value, float)):
        raise ValueError(f"axis {name!r} must be finite; got {short(values)}")
    _require_different(name, values)
    values.flags.writeable = False
    return values


def _array(name: str, values: Any) -> np.ndarray:
    if isinstance(values, np.ndarray) and values.dtype == object and values.ndim == 1:
        values = values.tolist()  # of an axis with None, perhaps a part without
    kinds = {_kind(value) for value in values} if isinstance(values, list | tuple) else set()
    if len(kinds - {"None"}) > 1 or "other" in kinds:
        raise ValueError(
            f"axis {name!r} must hold numbers or strings or bools, of one kind, and may hold None; got {list(values)!r}"
        )
    try:
        array = np.array(values, dtype=object if "None" in kinds else None)  # a copy: the caller may change his
    except (ValueError, OverflowError) as error:
        raise ValueError(f"axis {name!r} must be one-dimensional: {error}") from None
    if array.ndim != 1 or len(array) == 0:
        raise ValueError(f"axis {name!r} must be one-dimensional and not empty; got shape {array.shape}")
    if array.dtype.kind not in ("O" if "None" in kinds else "biufU"):
        raise ValueError(f"axis {name!r} must hold numbers of 64 bits, strings or bools; got dtype {array.dtype}")
    if "None" in kinds:
        array[:] = [value.item() if isinstance(value, np.generic) else value for value in array]
    if array.dtype.kind == "U":
        array = np.array(array.tolist())  # as long as the longest, as they come back from a file
    return array.astype(float) if array.dtype.kind == "f" and array.itemsize > 8 else array


def _kind(value: Any) -> str:
    if value is None:
        return "None"
    kinds = {"string": str, "bool": bool | np.bool_, "number": int | float | np.integer | np.floating}
    return next(
        (name for name, kind in kinds.items() if isinstance(value, kind)), "array" if np.ndim(value) else "other"
    )


def _require_different(name: str, values: np.ndarray) -> None:
    if values.dtype.kind in "iu" and len(np.unique(values)) == len(values):  # integers count to the last digit
        return
    by_key: dict[str, Value] = {}
    for value, own in zip(values.tolist(), keys(values), strict=True):
        if own in by_key:
            raise ValueError(
                f"axis {name!r} must not repeat a value, to {DIGITS} significant digits; got"
                f" {by_key[own]!r} and {value!r}"
            )
        by_key[own] = value


def positions(values: np.ndarray, some: np.ndarray) -> np.ndarray:
    """Where on an axis some of its values are.  Raises KeyError for one that is not there."""
    if len(some) == len(values) and np.array_equal(values, some):
        return np.arange(len(values))
    by_key = {own: i for i, own in enumerate(keys(values))}
    return np.array([by_key[own] for own in keys(some)], dtype=int)


def position(name: str, values: np.ndarray, value: Any) -> int:
    """Where on an axis a value is; of a number the nearest one, within a millionth.  Text of a command line will do.

    Raises ValueError for a value that is not there.
    """
    wanted = value.item() if isinstance(value, np.generic) else value
    by_key = {own: i for i, own in enumerate(keys(values))}
    for candidate in (wanted, *_read(wanted)):
        if candidate is None or isinstance(candidate, bool | int | float | str):
            if key(candidate) in by_key:
                return by_key[key(candidate)]
            if values.dtype.kind == "f" and isinstance(candidate, int | float) and abs(candidate) < 2**1000:
                number = float(candidate)
                nearest = int(np.argmin(abs(values - number)))
                if np.isclose(values[nearest], number, rtol=1e-6, atol=0) and not isinstance(candidate, bool):
                    return nearest
    raise ValueError(f"{name} must be one of {short(values)}; got {value!r}")


def _read(text: Any) -> list[Value]:
    """What text of a command line may mean besides itself."""
    if not isinstance(text, str):
        return []
    found: list[Value] = (
        [{"None": None, "True": True, "False": False}[text]] if text in ("None", "True", "False") else []
    )
    for kind in (int, float):
        try:
            found.append(kind(text))
        except ValueError:
            continue
    return found


def is_geometric(values: np.ndarray) -> bool:
    """Whether numbers are a geometric sequence, of three at least: their axis is logarithmic."""
    return len(values) > 2 and values.min() > 0 and bool(np.ptp(np.diff(np.log(values))) < 1e-6)


def labels_of(values: Any) -> np.ndarray:
    """Values as labels of an array: as they are, or, with None among them, as strings."""
    plain = values.tolist() if isinstance(values, np.ndarray) else list(values)
    return np.array([str(value) for value in plain] if None in plain else values)


def short(values: np.ndarray) -> str:
    """How many values there are, and the first and last of them."""
    return f"{len(values)} values " + np.array2string(values, threshold=6, edgeitems=2, separator=", ")
