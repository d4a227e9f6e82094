"""The grid of a sweep: named axes, their points, and the blocks of points that are computed together."""

from collections.abc import Mapping, Sequence, Set
from functools import cached_property
from math import prod
from operator import index
from typing import Any

import numpy as np

from cocycle.sweeps import coordinates
from cocycle.sweeps.coordinates import keys, short

Index = tuple[int, ...]
LARGEST = 10**9  # points of a grid


class Grid:
    """Named axes, one-dimensional arrays of values, whose product is the set of points of a sweep.

    The values of an axis are numbers, strings or bools, and None among them.  A point has a number, in
    the order of the product, the last axis fastest, and an index, its position on each axis.

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
        if not isinstance(axes, Mapping) or not axes:
            raise ValueError(f'axes must map at least one name to values, such as {{"x": [1, 2]}}; got {axes!r}')
        if block is not None and not isinstance(block, Mapping):
            raise ValueError(f'block must map names of axes to numbers of values, such as {{"x": 5}}; got {block!r}')
        if isinstance(common, str) or not isinstance(common, Sequence | Set):
            raise ValueError(f'common must be a sequence of names, such as ("x",); got {common!r}')
        self.axes = {name: coordinates.axis(name, values) for name, values in axes.items()}
        self.block, self.common = dict(block or {}), tuple(name for name in self.axes if name in tuple(common))
        for what, names in (("block", self.block), ("common", common)):
            unknown = [name for name in names if name not in self.axes]
            if unknown:
                raise ValueError(f"{what} must name axes of the grid, {', '.join(self.axes)}; got {unknown[0]!r}")
        self.block = {name: _length(name, length) for name, length in self.block.items()}
        self.shape = tuple(len(values) for values in self.axes.values())
        if len(self) > LARGEST:
            raise ValueError(f"a grid must have at most {LARGEST} points; got {len(self)}")
        self.whole: dict[str, np.ndarray] = {}  # axes of the grid that this one is a part of: see `part`

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name not in ("_values", "_own_coordinates")}

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
        cuts = [i // size for i, size in zip(np.nonzero(wanted), self._sizes, strict=True)]
        return np.unique(np.ravel_multi_index(cuts, self._cuts))

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
            return self.values(self.index(points[0]))
        positions = dict(zip(self.axes, np.unravel_index(points, self.shape), strict=True))
        return {
            name: values[positions[name]] if name in self.block else self._values[name][positions[name][0]]
            for name, values in self.axes.items()
        }

    def streams(self, points: np.ndarray) -> list[tuple[int, ...]]:
        """What identifies the random stream of each point: the values of its coordinates but for the common ones."""
        indices = [self.index(point) for point in points]
        return [coordinates.stream(own[index[i]] for i, own in self._own_coordinates.items()) for index in indices]

    @cached_property
    def _values(self) -> dict[str, list]:
        """The axes as plain values of Python: to look one up is ten times as fast as in an array."""
        return {name: values.tolist() for name, values in self.axes.items()}

    @cached_property
    def _own_coordinates(self) -> dict[int, list[str]]:
        """For each axis that is not common, by its position among them, what identifies its values."""
        return {
            i: [coordinates.coordinate(name, value) for value in values]
            for i, (name, values) in enumerate(self._values.items())
            if name not in self.common
        }

    def index(self, number: int) -> Index:
        """The position of a point on each axis; `numpy.unravel_index` takes ten times as long for one point."""
        positions, rest = [], int(number)
        for length in reversed(self.shape):
            rest, position = divmod(rest, length)
            positions.append(position)
        return tuple(reversed(positions))

    def number(self, index: Index) -> int:
        """The number of the point with an index.  Raises ValueError for one that is not in the grid."""
        if len(index) != len(self.shape):
            raise ValueError(
                f"an index must have {len(self.shape)} positions, on {', '.join(self.axes)}; got {tuple(index)}"
            )
        for name, length, position in zip(self.axes, self.shape, index, strict=True):
            if not 0 <= position < length:
                raise ValueError(f"the index on {name}, of {length} values, must be in 0..{length - 1}; got {position}")
        return int(np.ravel_multi_index(index, self.shape))

    def index_at(self, point: Mapping[str, Any] | Index) -> Index:
        """The index of the point with these coordinates; an index stays what it is.

        Of a number the nearest value of its axis is taken, within a millionth.  Raises ValueError for an axis that is
        missing or unknown, and for a value that is not on its axis.
        """
        if not isinstance(point, Mapping):
            self.number(tuple(point))
            return tuple(point)
        if set(point) != set(self.axes):
            raise ValueError(f"point must give {', '.join(self.axes)}; got {', '.join(map(str, point)) or 'nothing'}")
        return tuple(coordinates.position(name, values, point[name]) for name, values in self.axes.items())

    def values(self, index: Index) -> dict[str, Any]:
        """The coordinates of one point, by its index."""
        return {name: values[i] for (name, values), i in zip(self._values.items(), index, strict=True)}

    def point_text(self, number: int) -> str:
        """The coordinates of a point, to be read."""
        return ", ".join(f"{name} = {_text(value)}" for name, value in self.values(self.index(number)).items())

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
        """How another grid differs from this one; empty if it does not.

        Values that are the same to 12 significant digits are the same.
        """
        lines = []
        if list(self.axes) != list(other.axes):
            return f"axes {list(self.axes)} against {list(other.axes)}"
        for name, values in self.axes.items():
            theirs = other.axes[name]
            if not _are_same(values, theirs):
                same = min(len(values), len(theirs))
                pairs = zip(keys(values[:same]), keys(theirs[:same]), strict=True)
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


def _are_same(values: np.ndarray, others: np.ndarray) -> bool:
    if len(values) != len(others):
        return False
    return (values.dtype == others.dtype and np.array_equal(values, others)) or keys(values) == keys(others)


def _length(name: str, length) -> int:
    if isinstance(length, bool) or not hasattr(length, "__index__") or index(length) < 1:
        raise ValueError(f"block[{name!r}] must be an integer of at least 1; got {length!r}")
    return index(length)


def _text(value: coordinates.Value) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
