"""The grid of a sweep: named axes, their points, and the blocks of points that are computed together."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import final

import numpy as np

Index = tuple[int, ...]


@final
class Grid:
    """Named axes, one-dimensional arrays of numbers or strings, whose product is the set of points of a sweep.

    `block` names axes along which points are computed together, with how many at a time: {"weight_std": 5} hands
    the measure five values of weight_std at once.  Blocks are cut here and nowhere else, so that values do not
    depend on workers or interruptions; all blocks that agree in the other coordinates share one random stream.

    Raises ValueError for an empty axis, one that is not one-dimensional or repeats a value, NaN among the values,
    and a block along an axis that does not exist.
    """

    def __init__(self, axes: Mapping[str, object], *, block: Mapping[str, int] | None = None):
        self.axes = {name: _axis(name, values) for name, values in axes.items()}
        self.block = {name: int(length) for name, length in (block or {}).items()}
        if not self.axes:
            raise ValueError("axes must name at least one axis; got none")
        for name, length in self.block.items():
            if name not in self.axes:
                raise ValueError(f"block must name axes of the grid, {', '.join(self.axes)}; got {name!r}")
            if length < 1:
                raise ValueError(f"block[{name!r}] must be at least 1; got {length}")

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(values) for values in self.axes.values())

    def __len__(self):
        """The number of points."""
        return int(np.prod(self.shape))

    def __eq__(self, other):
        return isinstance(other, Grid) and not self.difference(other)

    __hash__ = None  # type: ignore[assignment]

    def blocks(self) -> Iterator[list[Index]]:
        """The points, as index tuples, block by block in the order of the axes."""
        cuts = [
            [range(i, min(i + size, length)) for i in range(0, length, size)]
            for length, size in zip(self.shape, self._sizes(), strict=True)
        ]
        for tile in product(*cuts):
            yield list(product(*tile))

    def coordinates(self, points: list[Index]) -> dict[str, object]:
        """The coordinates of the points of one block: an array for each axis of `block`, one value for the others."""
        columns = dict(zip(self.axes, zip(*points, strict=True), strict=True))
        return {
            name: values[list(columns[name])] if name in self.block else values[columns[name][0]].item()
            for name, values in self.axes.items()
        }

    def stream(self, points: list[Index]) -> Index:
        """What identifies the random stream of a block: its index along every axis that is not in `block`."""
        return tuple(i for name, i in zip(self.axes, points[0], strict=True) if name not in self.block)

    def difference(self, other: "Grid") -> str:
        """How another grid differs from this one, in words; empty if it does not."""
        lines = []
        if list(self.axes) != list(other.axes):
            return f"axes {list(self.axes)} against {list(other.axes)}"
        for name, values in self.axes.items():
            theirs = other.axes[name]
            if not np.array_equal(values, theirs):
                lines.append(f"{name}: {_short(values)} against {_short(theirs)}")
        if self.block != other.block:
            lines.append(f"block: {self.block} against {other.block}")
        return "; ".join(lines)

    def _sizes(self):
        return [self.block.get(name, 1) for name in self.axes]


def _axis(name: str, values) -> np.ndarray:
    values = np.array(values)  # a copy: the caller may change his
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(f"axis {name!r} must be one-dimensional and not empty; got shape {values.shape}")
    if values.dtype.kind not in "iufU":
        raise ValueError(f"axis {name!r} must hold numbers or strings; got dtype {values.dtype}")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError(f"axis {name!r} must be finite; got {_short(values)}")
    if len(np.unique(values)) != len(values):
        raise ValueError(f"axis {name!r} must not repeat a value; got {_short(values)}")
    values.flags.writeable = False
    return values


def _short(values: np.ndarray) -> str:
    return f"{len(values)} values " + np.array2string(values, threshold=6, edgeitems=2, separator=", ")
