"""The grid of a sweep: named axes, their points, and the blocks of points that are computed together."""

from collections.abc import Mapping
from copy import copy
from math import prod
from operator import index
from typing import final

import numpy as np

Index = tuple[int, ...]


@final
class Grid:
    """Named axes, one-dimensional arrays of numbers or strings, whose product is the set of points of a sweep.

    A point is numbered by its place in the product, the last axis fastest.

    `block` names axes along which points are computed together, with how many at a time: {"weight_std": 5} hands
    the measure five values of weight_std at once.  Blocks are cut here and nowhere else, so that values do not
    depend on workers or interruptions.

    `streams` gives the values of an axis other numbers than their places to make random streams from: the parts and
    the refinements of a grid keep those of the whole.

    Raises ValueError for an empty axis, one that is not one-dimensional or repeats a value, NaN among the values,
    a block along an axis that does not exist, or of no whole number of values.
    """

    def __init__(
        self,
        axes: Mapping[str, object],
        *,
        block: Mapping[str, int] | None = None,
        streams: Mapping[str, object] | None = None,
    ):
        self.axes = {name: _axis(name, values) for name, values in axes.items()}
        if not self.axes:
            raise ValueError("axes must name at least one axis; got none")
        self.block, given = dict(block or {}), dict(streams or {})
        for what, names in (("block", self.block), ("streams", given)):
            strangers = [name for name in names if name not in self.axes]
            if strangers:
                raise ValueError(f"{what} must name axes of the grid, {', '.join(self.axes)}; got {strangers[0]!r}")
        self.block = {name: _length(name, length) for name, length in self.block.items()}
        self.streams = {name: _numbers(name, given.get(name), len(v)) for name, v in self.axes.items()}
        self.shape = tuple(len(values) for values in self.axes.values())
        self.window = tuple(slice(0, length) for length in self.shape)  # of the axes, what is at hand: see `excerpt`

    def __len__(self):
        """The number of points."""
        return prod(self.shape)

    def __eq__(self, other):
        return isinstance(other, Grid) and not self.difference(other)

    __hash__ = None  # type: ignore[assignment]

    def blocks(self, wanted: np.ndarray | None = None) -> np.ndarray:
        """The numbers of the blocks, in the order of the axes; of those with a `wanted` point (*grid) only."""
        if wanted is None:
            return np.arange(prod(self._cuts))
        places = [i // size for i, size in zip(np.nonzero(wanted), self._sizes, strict=True)]
        return np.unique(np.ravel_multi_index(places, self._cuts))

    def points(self, block: int) -> np.ndarray:
        """The numbers of the points of one block."""
        if not self.block:
            return np.array([block])
        corner = np.unravel_index(block, self._cuts)
        edges = zip(corner, self._sizes, self.shape, strict=True)
        ranges = [np.arange(i * size, min((i + 1) * size, length)) for i, size, length in edges]
        return np.ravel_multi_index(np.ix_(*ranges), self.shape).ravel()

    def coordinates(self, points: np.ndarray) -> dict[str, object]:
        """The coordinates of points of one block: an array for each axis of `block`, one value for the others."""
        if not self.block:
            axes = zip(self.axes.items(), self.index(points[0]), self.window, strict=True)
            return {name: values[i - part.start].item() for (name, values), i, part in axes}
        places = dict(zip(self.axes, self.local(points), strict=True))
        return {
            name: values[places[name]] if name in self.block else values[places[name][0]].item()
            for name, values in self.axes.items()
        }

    def stream(self, points: np.ndarray) -> tuple[Index, list[Index]]:
        """What identifies the random stream that points of one block share, and that of each of them.

        The shared one has a number for every axis that is not in `block`, their own have one for every axis.
        """
        if not self.block:
            axes = zip(self.streams.values(), self.index(points[0]), self.window, strict=True)
            alone = tuple(int(numbers[i - part.start]) for numbers, i, part in axes)
            return alone, [alone]
        places = self.local(points)
        own = np.stack([numbers[i] for numbers, i in zip(self.streams.values(), places, strict=True)], axis=-1)
        shared = tuple(int(i) for name, i in zip(self.axes, own[0], strict=True) if name not in self.block)
        return shared, [tuple(map(int, row)) for row in own]

    def excerpt(self, blocks: np.ndarray) -> "Grid":
        """This grid with no more of its axes at hand than some blocks need: to be sent with them."""
        corners = np.unravel_index(blocks, self._cuts)
        ends = zip(corners, self._sizes, self.shape, strict=True)
        cut = copy(self)
        cut.window = tuple(slice(i.min() * size, min((i.max() + 1) * size, length)) for i, size, length in ends)
        cut.axes, cut.streams = (
            {name: values[part] for (name, values), part in zip(whole.items(), cut.window, strict=True)}
            for whole in (self.axes, self.streams)
        )
        return cut

    def local(self, points: np.ndarray) -> tuple[np.ndarray, ...]:
        """The places of points along each axis, counted from where it begins to be at hand."""
        places = np.unravel_index(points, self.shape)
        return tuple(i - part.start for i, part in zip(places, self.window, strict=True))

    def index(self, point: int) -> Index:
        """The place of a point along each axis."""
        places, rest = [], int(point)
        for length in reversed(self.shape):  # numpy takes ten times as long for one point
            rest, place = divmod(rest, length)
            places.append(place)
        return tuple(reversed(places))

    def number(self, index: Index) -> int:
        """The number of the point at a place.  Raises ValueError for one that is not in the grid."""
        if len(index) != len(self.shape) or any(not 0 <= i < n for i, n in zip(index, self.shape, strict=True)):
            raise ValueError(f"an index of this grid is in {self.shape}; got {index}")
        return int(np.ravel_multi_index(index, self.shape))

    def in_words(self, point: int) -> str:
        """The coordinates of a point."""
        values = (axis[i - part.start] for axis, i, part in
                  zip(self.axes.values(), self.index(point), self.window, strict=True))  # fmt: skip
        return ", ".join(f"{name} = {value:.6g}" if isinstance(value, float) else f"{name} = {value}"
                         for name, value in zip(self.axes, values, strict=True))  # fmt: skip

    def __repr__(self):
        together = "".join(f", {length} of {name} at once" for name, length in self.block.items())
        return f"Grid({', '.join(f'{name}: {short(values)}' for name, values in self.axes.items())}{together})"

    def part(self, number: int, of: int) -> "Grid":
        """The part `number`, counted from 1, of this grid cut into `of` along its longest axis; it keeps its streams.

        Sweeps of all the parts, on machines that do not know of each other, merge into that of the whole.
        """
        name = max(self.axes, key=lambda name: -(-len(self.axes[name]) // self.block.get(name, 1)))
        size, length = self.block.get(name, 1), len(self.axes[name])
        blocks = -(-length // size)
        if of > blocks:
            raise ValueError(f"part must be of at most {blocks} parts, what the longest axis can be cut into; got {of}")
        if not 1 <= number <= of:
            raise ValueError(f"part must be one of 1..{of}; got {number}")
        start, stop = (blocks * i // of * size for i in (number - 1, number))
        axes, streams = (
            {**values, name: values[name][start : min(stop, length)]} for values in (self.axes, self.streams)
        )
        return Grid(axes, block=self.block, streams=streams)

    def difference(self, other: "Grid") -> str:
        """How another grid differs from this one, in words; empty if it does not."""
        lines = []
        if list(self.axes) != list(other.axes):
            return f"axes {list(self.axes)} against {list(other.axes)}"
        for name, values in self.axes.items():
            theirs = other.axes[name]
            if not np.array_equal(values, theirs):
                same = min(len(values), len(theirs))
                first = next((i for i in range(same) if values[i] != theirs[i]), None)
                where = "" if first is None else f", first {values[first]!r} against {theirs[first]!r}"
                lines.append(f"{name}: {short(values)} against {short(theirs)}{where}")
            elif not np.array_equal(self.streams[name], other.streams[name]):
                lines.append(f"random streams of {name}: a part or a refinement against a grid of its own")
        if self.block != other.block:
            lines.append(f"block: {self.block} against {other.block}")
        return "; ".join(lines)

    @property
    def _sizes(self) -> list[int]:
        return [self.block.get(name, 1) for name in self.axes]

    @property
    def _cuts(self) -> list[int]:
        """How many blocks there are along each axis."""
        return [-(-length // size) for length, size in zip(self.shape, self._sizes, strict=True)]


def _axis(name: str, values) -> np.ndarray:
    if not isinstance(name, str):
        raise TypeError(f"axes must have names; got {name!r}")
    refuse_masked(f"axis {name!r}", values)
    try:
        mixed = isinstance(values, list | tuple) and len({isinstance(value, str) for value in values}) > 1
        values = np.array(values)  # a copy: the caller may change his
    except ValueError as error:
        raise ValueError(f"axis {name!r} must be one-dimensional: {error}") from None
    if values.dtype.kind == "U":
        values = np.array(values.tolist())  # as long as the longest, as they come back from a file
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(f"axis {name!r} must be one-dimensional and not empty; got shape {values.shape}")
    if values.dtype.kind not in "iufU" or mixed:
        raise ValueError(f"axis {name!r} must hold numbers or strings; got dtype {values.dtype}")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError(f"axis {name!r} must be finite; got {short(values)}")
    if len(np.unique(values)) != len(values):
        raise ValueError(f"axis {name!r} must not repeat a value; got {short(values)}")
    values.flags.writeable = False
    return values


def _length(name: str, length) -> int:
    if isinstance(length, bool) or not hasattr(length, "__index__") or index(length) < 1:
        raise ValueError(f"block[{name!r}] must be an integer of at least 1; got {length!r}")
    return index(length)


def _numbers(name: str, numbers, length: int) -> np.ndarray:
    refuse_masked(f"streams[{name!r}]", numbers)
    numbers = np.arange(length) if numbers is None else np.array(numbers)
    whole = numbers.shape == (length,) and numbers.dtype.kind in "iu"
    if not whole or numbers.min() < 0 or len(np.unique(numbers)) != length:
        raise ValueError(f"streams[{name!r}] must be {length} different integers >= 0; got {short(numbers)}")
    numbers.flags.writeable = False
    return numbers


def refuse_masked(name: str, values) -> None:
    """Raise ValueError for a masked array with values missing, of which numpy would take the fill values."""
    parts = values if isinstance(values, list | tuple) else [values]
    if any(np.ma.is_masked(part) for part in parts):
        raise ValueError(f"{name} must not be a masked array with values missing; leave them out, or fill them")


def short(values: np.ndarray) -> str:
    return f"{len(values)} values " + np.array2string(values, threshold=6, edgeitems=2, separator=", ")
