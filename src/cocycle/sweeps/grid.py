"""The grid of a sweep: named axes, their points, and the blocks of points that are computed together."""

from collections.abc import Mapping, Sequence
from copy import copy
from math import prod
from operator import index
from typing import Any

import numpy as np

from cocycle.sweeps import coordinates
from cocycle.sweeps.coordinates import short, words

Index = tuple[int, ...]
LARGEST = 10**9  # points of a grid


class Grid:
    """Named axes, one-dimensional arrays of values, whose product is the set of points of a sweep.

    The values of an axis are numbers, strings or bools, and None among them.  A point is numbered by its place in the
    product, the last axis fastest.

    `block` names axes along which points are computed together, with how many at a time: {"weight_std": 5} hands
    the measure five values of weight_std at once.  Blocks are cut here and nowhere else, so that values do not
    depend on workers or interruptions.

    `common` names axes over which the random numbers are the same: points that differ in these only have equal
    streams.  Statistics over them are not statistics over independent draws: `independent` counts those.

    Raises ValueError for an axis that is empty, not one-dimensional, not finite, or has two values that are the same to
    12 significant digits; for a block along an axis that does not exist, or of no whole number of values; for a
    common axis that does not exist; and for more than 10⁹ points.
    """

    def __init__(
        self,
        axes: Mapping[str, object],
        *,
        block: Mapping[str, int] | None = None,
        common: Sequence[str] = (),
    ):
        self.axes = {name: coordinates.axis(name, values) for name, values in axes.items()}
        if not self.axes:
            raise ValueError("axes must name at least one axis; got none")
        if isinstance(common, str):
            raise ValueError(f"common must be a sequence of names, such as ({common!r},); got a string")
        self.block, self.common = dict(block or {}), tuple(name for name in self.axes if name in tuple(common))
        for what, names in (("block", self.block), ("common", common)):
            strangers = [name for name in names if name not in self.axes]
            if strangers:
                raise ValueError(f"{what} must name axes of the grid, {', '.join(self.axes)}; got {strangers[0]!r}")
        self.block = {name: _length(name, length) for name, length in self.block.items()}
        self.shape = tuple(len(values) for values in self.axes.values())
        if len(self) > LARGEST:
            raise ValueError(f"a grid must have at most {LARGEST} points; got {len(self)}")
        self._lists: list[list] | None = None  # the axes, made when they are needed: see `_at_hand`
        self._known: dict[int, list[str]] | None = None  # see `_identities`
        self.whole: dict[str, np.ndarray] = {}  # axes of the grid that this one is a part of: see `part`
        self.window = tuple(slice(0, length) for length in self.shape)  # of the axes, what is at hand: see `excerpt`

    def __len__(self):
        """The number of points."""
        return prod(self.shape)

    def __eq__(self, other):
        return isinstance(other, Grid) and not self.difference(other)

    __hash__ = None  # type: ignore[assignment]

    @property
    def independent(self) -> int:
        """How many different random streams the points have."""
        return prod(len(values) for name, values in self.axes.items() if name not in self.common)

    @property
    def columns(self) -> tuple[str, ...]:
        """The coordinates that each point has for itself: none, they are those of the axes."""
        return ()

    def column_values(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """The values of `columns` as they are stored with the points, (n,) each."""
        return {}

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

    def coordinates(self, points: np.ndarray) -> dict[str, Any]:
        """The coordinates of points of one block: an array for each axis of `block`, one value for the others."""
        if not self.block:
            return self._at_hand(points[0])
        places = dict(zip(self.axes, self.local(points), strict=True))
        return {
            name: values[places[name]] if name in self.block else _value(values, places[name][0])
            for name, values in self.axes.items()
        }

    def streams(self, points: np.ndarray) -> list[tuple[int, ...]]:
        """What identifies the random stream of each point: the values of its coordinates but for the common ones."""
        own = self._identities()
        places = [self._local(point) for point in points]
        return [coordinates.stream(values[row[i]] for i, values in own.items()) for row in places]

    def excerpt(self, blocks: np.ndarray) -> "Grid":
        """This grid with no more of its axes at hand than some blocks need: to be sent with them."""
        corners = np.unravel_index(blocks, self._cuts)
        ends = zip(corners, self._sizes, self.shape, strict=True)
        cut = copy(self)
        cut._lists = cut._known = None
        cut.whole = {}
        cut.window = tuple(slice(i.min() * size, min((i.max() + 1) * size, length)) for i, size, length in ends)
        cut.axes = {name: v[part] for (name, v), part in zip(self.axes.items(), cut.window, strict=True)}
        return cut

    def local(self, points: np.ndarray) -> tuple[np.ndarray, ...]:
        """The places of points along each axis, counted from where it begins to be at hand."""
        places = np.unravel_index(points, self.shape)
        return tuple(i - part.start for i, part in zip(places, self.window, strict=True))

    def _local(self, point: int) -> list[int]:
        """The same for one point, for which numpy takes ten times as long."""
        places, rest = [], int(point)
        for length, part in zip(reversed(self.shape), reversed(self.window), strict=True):
            rest, place = divmod(rest, length)
            places.append(place - part.start)
        places.reverse()
        return places

    def _at_hand(self, point: int) -> dict[str, Any]:
        """The coordinates of one point, as plain values of Python."""
        if self._lists is None:
            self._lists = [values.tolist() for values in self.axes.values()]
        places = self._local(point)
        return {name: values[i] for name, values, i in zip(self.axes, self._lists, places, strict=True)}

    def _identities(self) -> dict[int, list[str]]:
        """For each axis that is not common, by its number, what identifies its values."""
        if self._known is None:
            own = enumerate(self.axes.items())
            self._known = {
                i: [coordinates.coordinate(name, value) for value in values.tolist()]
                for i, (name, values) in own
                if name not in self.common
            }
        return self._known

    def index(self, point: int) -> Index:
        """The place of a point along each axis."""
        return tuple(i + part.start for i, part in zip(self._local(point), self.window, strict=True))

    def number(self, index: Index) -> int:
        """The number of the point at a place.  Raises ValueError for one that is not in the grid."""
        if len(index) != len(self.shape) or any(not 0 <= i < n for i, n in zip(index, self.shape, strict=True)):
            raise ValueError(f"an index of this grid is in {self.shape}; got {index}")
        return int(np.ravel_multi_index(index, self.shape))

    def place(self, point: Mapping[str, Any] | Index) -> Index:
        """The index of the point with these coordinates; an index stays what it is.

        Of a number the nearest value of its axis is taken, within a millionth.  Raises ValueError for an axis that is
        missing or unknown, and for a value that is not on its axis.
        """
        if not isinstance(point, Mapping):
            self.number(tuple(point))
            return tuple(point)
        if set(point) != set(self.axes):
            raise ValueError(f"point must give {', '.join(self.axes)}; got {', '.join(map(str, point)) or 'nothing'}")
        return tuple(coordinates.place(name, values, point[name]) for name, values in self.axes.items())

    def values(self, index: Index) -> dict[str, Any]:
        """The coordinates of one point, at its place."""
        return {name: _value(values, i) for (name, values), i in zip(self.axes.items(), index, strict=True)}

    def in_words(self, point: int) -> str:
        """The coordinates of a point."""
        return ", ".join(f"{name} = {in_words(value)}" for name, value in self._at_hand(point).items())

    def __repr__(self):
        together = "".join(f", {length} of {name} at once" for name, length in self.block.items())
        together += f", common numbers over {', '.join(self.common)}" if self.common else ""
        return f"Grid({', '.join(f'{name}: {short(values)}' for name, values in self.axes.items())}{together})"

    def part(self, number: int, of: int) -> "Grid":
        """The part `number`, counted from 1, of this grid cut into `of` along its longest axis.

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
        part = self.over({name: self.axes[name][start : min(stop, length)]})
        part.whole = {name: self.axes[name]}
        return part

    def over(self, axes: Mapping[str, Any]) -> "Grid":
        """This grid with other values of some of its axes."""
        return Grid({**self.axes, **axes}, block=self.block, common=self.common)

    def difference(self, other: "Grid") -> str:
        """How another grid differs from this one, in words; empty if it does not.

        Values that are the same to 12 significant digits are the same.
        """
        lines = []
        if list(self.axes) != list(other.axes):
            return f"axes {list(self.axes)} against {list(other.axes)}"
        for name, values in self.axes.items():
            theirs = other.axes[name]
            if not _are_same(values, theirs):
                same = min(len(values), len(theirs))
                pairs = zip(words(values[:same]), words(theirs[:same]), strict=True)
                first = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
                where = "" if first is None else f", first {values[first]!r} against {theirs[first]!r}"
                lines.append(f"{name}: {short(values)} against {short(theirs)}{where}")
        for what in ("block", "common"):
            if getattr(self, what) != getattr(other, what):
                lines.append(f"{what}: {getattr(self, what)} against {getattr(other, what)}")
        return "; ".join(lines)

    @property
    def _sizes(self) -> list[int]:
        return [self.block.get(name, 1) for name in self.axes]

    @property
    def _cuts(self) -> list[int]:
        """How many blocks there are along each axis."""
        return [-(-length // size) for length, size in zip(self.shape, self._sizes, strict=True)]


def _value(values: np.ndarray, place: int) -> coordinates.Value:
    """One value of an axis as a plain one of Python."""
    return values[place : place + 1].tolist()[0]


def _are_same(values: np.ndarray, others: np.ndarray) -> bool:
    if len(values) != len(others):
        return False
    return (values.dtype == others.dtype and np.array_equal(values, others)) or words(values) == words(others)


def _length(name: str, length) -> int:
    if isinstance(length, bool) or not hasattr(length, "__index__") or index(length) < 1:
        raise ValueError(f"block[{name!r}] must be an integer of at least 1; got {length!r}")
    return index(length)


def in_words(value: coordinates.Value) -> str:
    """A value of a coordinate."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
