"""More points where they matter: where a result crosses a level, or changes fastest."""

import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np

from cocycle.sweeps.archive import Archive
from cocycle.sweeps.coordinates import is_geometric
from cocycle.sweeps.grid import Grid
from cocycle.sweeps.means import mean_over
from cocycle.sweeps.merge import assemble
from cocycle.sweeps.records import Status
from cocycle.sweeps.table import Table

SHARE = 0.1  # of the cells, those in which the result changes most


def refine(
    archive: Archive,
    path: str | os.PathLike,
    output: str,
    *,
    level: float | None = None,
    factor: int = 10,
    along: Sequence[str] | None = None,
) -> Archive:
    """A new archive at `path` on a grid `factor` times as fine, in which only points that matter are to do.

    Those are in the cells of the coarse grid where `output` crosses `level`, or, without a level, in the tenth of the
    cells where it changes most between corners.  The grid is refined `along` these axes: by default all that hold
    floating-point numbers.  The output is averaged over axes of integers (replicas), over failures and its event;
    other axes, of strings, bools and None, are looked at one by one.  Results of the coarse archive are copied;
    the other points are LEFT_OUT, and the file names its parent.  Refine again what came out to go further:
    two refinements by 4 cost less than one by 16.

    Raises KeyError for an unknown output, ValueError for axes that cannot be refined and where no cell matters.
    """
    grid = archive.grid
    if isinstance(grid, Table):
        raise ValueError(f"{archive.path} is a table: append points where they matter")
    along = _axes(grid, along)
    if not isinstance(factor, int) or factor < 2:
        raise ValueError(f"factor must be an integer of at least 2; got {factor}")
    mean, names = _mean(archive, output, along)
    cells = _cells(mean, [names.index(name) for name in along], level)
    if not cells.any():
        what = "changes" if level is None else f"crosses {level}"
        raise ValueError(f"there is no cell in which {output} {what}: nothing to refine")
    fine = _fine(grid, along, factor)
    wanted = _points_of(cells, names, along, fine, factor)
    status = np.where(wanted, Status.TO_DO, Status.LEFT_OUT).astype("u1")
    parent = {"file": str(Path(archive.path).resolve()), "digest": archive.contents.digest()}
    parent |= {"output": output, "level": level, "factor": factor, "along": along}
    return assemble(path, replace(archive.contents, grid=fine, parent=parent), parts=[archive], status=status)


def crossings(archive: Archive, output: str, level: float = 0.0, *, along: Sequence[str] | None = None) -> np.ndarray:
    """Where the mean of an output crosses a level between neighbours that are done, (n, len(along)), interpolated.

    `along` are the axes of floating-point numbers unless given, and the columns of what is found; the output is
    averaged over all the others.  Next to an infinite mean the crossing is half way.  Raises KeyError and
    ValueError as `refine` does.
    """
    axes, wanted = archive.grid.axes, _axes(archive.grid, along)
    along = [name for name in axes if name in wanted]
    mean, names = _mean(archive, output, along)
    over = tuple(i for i, name in enumerate(names) if name not in along)
    values = mean_over(mean, over) - level
    found = []
    for i in range(values.ndim):
        near, far = (np.moveaxis(values, i, 0)[rows] for rows in (slice(-1), slice(1, None)))
        with np.errstate(invalid="ignore"):
            pairs = np.argwhere((near < 0) != (far < 0)) if near.size else np.empty((0, values.ndim), int)
        for pair in pairs:
            a, b = near[tuple(pair)], far[tuple(pair)]
            if not (np.isnan(a) or np.isnan(b)):
                index = np.insert(pair[1:], i, pair[0]).tolist()
                reached = a / (a - b) if np.isfinite(a - b) else 0.5
                share = np.where(np.arange(values.ndim) == i, reached, 0.0).tolist()
                found.append([_between(axes[name], k, t) for name, k, t in zip(along, index, share, strict=True)])
    return np.array(found).reshape(-1, len(along))[:, [along.index(name) for name in wanted]]


def _axes(grid: Grid, along: Sequence[str] | None) -> list[str]:
    """The axes to refine: those of floating-point numbers unless given."""
    if along is None:
        along = [name for name, values in grid.axes.items() if values.dtype.kind == "f" and len(values) > 1]
    wrong = [name for name in along if name not in grid.axes or grid.axes[name].dtype.kind in "UOb"]
    if isinstance(along, str) or wrong or not along or len(set(along)) < len(along):
        raise ValueError(f"along must name axes of numbers among {', '.join(grid.axes)}, each once; got {along!r}")
    for name in along:
        steps = np.diff(grid.axes[name])
        if not ((steps > 0).all() or (steps < 0).all()):
            raise ValueError(f"axis {name!r} must be in order to have anything between; got {grid.axes[name]}")
    return list(along)


def _mean(archive: Archive, output: str, along: list[str]) -> tuple[np.ndarray, list[str]]:
    """An output averaged over its event and over axes of integers that are not refined, and the axes that are left."""
    grid, values = archive.grid, archive[output]
    over = [i for i, (name, v) in enumerate(grid.axes.items()) if name not in along and v.dtype.kind in "iu"]
    mean = mean_over(values, (*over, *range(len(grid.shape), values.ndim)))
    return mean, [name for i, name in enumerate(grid.axes) if i not in over]


def _cells(mean: np.ndarray, axes: list[int], level: float | None) -> np.ndarray:
    """Which cells, one shorter along the axes that are refined, matter; never one with a corner of NaN."""
    corners = []
    for ends in product((slice(-1), slice(1, None)), repeat=len(axes)):
        cut = [slice(None)] * mean.ndim
        for i, end in zip(axes, ends, strict=True):
            cut[i] = end
        corners.append(mean[tuple(cut)])
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    if level is not None:
        return (low <= level) & (level <= high)
    valid = ~np.isnan(low) & ~np.isnan(high)
    with np.errstate(invalid="ignore"):
        change = np.where(valid & (low != high), high - low, 0.0)
    finite = change[np.isfinite(change)]  # the infinite ones come first
    change = np.minimum(change, 2 * finite.max(initial=0.5))
    return (change > 0) & (change >= np.quantile(change[valid], 1 - SHARE)) if valid.any() else valid


def _points_of(cells: np.ndarray, names: list[str], along: list[str], fine: Grid, factor: int) -> np.ndarray:
    """The points (*fine) in the cells and on their borders."""
    wanted = np.zeros([len(fine.axes[name]) for name in names], dtype=bool)
    for offset in product(range(factor + 1), repeat=len(along)):
        cut = [slice(None)] * wanted.ndim
        for name, first in zip(along, offset, strict=True):
            i = names.index(name)
            cut[i] = slice(first, first + factor * (cells.shape[i] - 1) + 1, factor)
        wanted[tuple(cut)] |= cells
    averaged = tuple(i for i, name in enumerate(fine.axes) if name not in names)
    return np.broadcast_to(np.expand_dims(wanted, averaged), fine.shape)


def _fine(grid: Grid, along: list[str], factor: int) -> Grid:
    axes = {}
    for name in along:
        values = grid.axes[name]
        between = [_between(values, i, j / factor) for i in range(len(values) - 1) for j in range(factor)]
        axes[name] = np.array([*between, values[-1]], dtype=float)
        axes[name][::factor] = values  # to the last bit
    return grid.over(axes)


def _between(values: np.ndarray, i: int, share: float) -> float:
    """The value that far from the i-th to the next one, on the scale of the axis: geometric if it is."""
    if share == 0:
        return float(values[i])
    if is_geometric(values):
        return float(values[i] * (values[i + 1] / values[i]) ** share)
    return float(values[i] + share * (values[i + 1] - values[i]))
