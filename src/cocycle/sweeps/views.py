"""What an archive holds, to be looked at: one point, the best one, labelled arrays, a figure, a table."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from cocycle.labels import with_unit, without_marks, words
from cocycle.results import html_table, rounded
from cocycle.sweeps.coordinates import labels_of, position, short
from cocycle.sweeps.means import error_of_mean, mean_over
from cocycle.sweeps.records import Status
from cocycle.sweeps.table import Table
from cocycle.sweeps.text import printable

if TYPE_CHECKING:
    import xarray

    from cocycle.explorer import Served
    from cocycle.sweeps.archive import Archive


@final
@dataclass(frozen=True)
class Best:
    """Where an output is best, its mean there, the standard error of that over `count` independent values, NaN for one.

    It unpacks into the first two: point, value = archive.best("valid_time", over="realisation").
    """

    point: dict[str, Any]
    value: float
    error: float
    count: int

    def __iter__(self):
        return iter((self.point, self.value))

    def _repr_html_(self):
        mean, error = rounded(self.value, self.error)
        words = f"{mean} ± {error} over {self.count} independent values" if self.count > 1 else mean
        return html_table("Best", ("", ""), [("mean", words), *self.point.items()])


def point(archive: "Archive", /, **coordinates: Any) -> dict[str, Any]:
    """One point, by its coordinates: every output, NaN if it is not done, `status` and `message`.

    Raises ValueError for a point that is not in the archive.
    """
    record = archive.records(np.array([archive.contents.grid.number(archive.index_at(coordinates))]))
    status, values = Status(record.status[0]), {}
    for name, event in archive.outputs.items():
        value = record.values[name][0] if status == Status.DONE else np.full(event, np.nan)
        values[name] = value if event else float(value)
    return {**values, "status": status, "message": record.messages[0].decode(errors="replace")}


def best(archive: "Archive", output: str, over: str | Sequence[str] = (), *, smallest: bool = False, **at: Any) -> Best:
    """Where an output is largest, or smallest, and its value there.

    It is averaged over the axes `over`, such as realisations, and over its event, and compared among the points with
    the values `at`, best("valid_time", observed="second").  `point` has the fixed settings too: measure(point, rng), or
    `arguments(archive, point)` with a value for each axis in `over`.

    Raises KeyError for an unknown output, ValueError for other axes or values than the archive has and if no point is
    done.
    """
    over = (over,) if isinstance(over, str) else tuple(over)
    grid, values = archive.grid, archive[output]
    unknown = [name for name in over if name not in grid.axes]
    if unknown or (over and isinstance(grid, Table)):
        raise ValueError(f"over must name axes of {', '.join(grid.axes)}; got {', '.join(over)}")
    each = mean_over(values, tuple(range(len(grid.shape), values.ndim)))
    averaged = tuple(i for i, name in enumerate(grid.axes) if name in over)
    mean = np.where(_is_at(archive, at, over), np.expand_dims(mean_over(each, averaged), averaged), np.nan)
    if np.isnan(mean).all():
        done = bool((archive.status == Status.DONE).any())
        why = f"{output} is nan wherever {archive.name} is done" if done else f"no point of {archive.name} is done"
        raise ValueError(f"{why}: nothing is best yet")
    found = np.unravel_index(np.nanargmin(mean) if smallest else np.nanargmax(mean), mean.shape)
    index = tuple(int(i) for i in found)
    point = {name: value for name, value in grid.values(index).items() if name not in over}
    shared = tuple(i for i, name in enumerate(grid.axes) if name in over and name in grid.common)
    error, count = error_of_mean(each, averaged, shared)
    index_of_rest = tuple(k for i, k in enumerate(index) if i not in averaged)
    return Best(
        {**deepcopy(archive.fixed), **point}, float(mean[index]), float(error[index_of_rest]), int(count[index_of_rest])
    )


def _is_at(archive: "Archive", at: Mapping[str, Any], over: Sequence[str]) -> np.ndarray:
    """Whether a point has the values `at`, with an axis of length 1 or n for each of the grid."""
    grid, found = archive.grid, np.ones((1,) * len(archive.grid.shape), dtype=bool)
    for name, value in archive.coordinates_of(at).items():
        free = [axis for axis in grid.axes if axis not in over]
        if name not in free or isinstance(grid, Table):
            names = "none of a table" if isinstance(grid, Table) else ", ".join(free)
            raise ValueError(f"values to be kept must be of axes that are not averaged, {names}; got {name}")
        axis, values = list(grid.axes).index(name), grid.axes[name]
        kept = np.arange(len(values)) == position(name, values, value)
        found = found & kept.reshape([-1 if i == axis else 1 for i in range(found.ndim)])
    return found


def dataset(archive: "Archive") -> "xarray.Dataset":
    """Results and status as labelled arrays, with units and long names for plots; NaN where a point is not done.

    None among the values of an axis, and what stands beside it, are strings.  Of a table, the rows that are used,
    with their coordinates.

    Raises ImportError without xarray: the extra `xarray` brings it.
    """
    try:
        import xarray
    except ImportError:
        raise ImportError('labelled arrays need xarray: install cocycle with the extra xarray, ".[xarray]"') from None
    contents, grid = archive.contents, archive.grid
    axes = list(grid.axes)
    coordinates: dict[str, Any] = {name: labels_of(values) for name, values in grid.axes.items()}
    coordinates |= {name: np.arange(n) for name, n in contents.events.items()}
    status = archive.status  # before the values: what was done then is done now
    variables = {name: ([*axes, *dims], archive[name]) for name, dims in contents.dims.items()}
    for _, values in variables.values():
        values[status != Status.DONE] = np.nan
    attributes = {"seed": str(archive.seed), **{k: str(v) if v is None else v for k, v in archive.fixed.items()}}
    made = xarray.Dataset({**variables, "status": (axes, status)}, coordinates, attributes)
    made.status.attrs["meaning"] = ", ".join(f"{s.value} {s.words}" for s in Status)
    if isinstance(grid, Table):
        made = made.isel(row=slice(0, grid.used))
        rows = [grid.values((i,)) for i in range(grid.used)]
        made = made.assign_coords({name: ("row", labels_of([row[name] for row in rows])) for name in grid.columns})
    for attribute, said in (("units", contents.units), ("long_name", contents.long_names)):
        for name, word in said.items():
            made[name].attrs[attribute] = word
    return made


def sel(archive: "Archive", /, **coordinates: Any) -> "xarray.Dataset":
    """The labelled arrays of `dataset` at these coordinates: a value of an axis, a list of some, or a slice.

    Of numbers the nearest value of an axis is taken, within a millionth.  Raises ValueError for a value that is not
    on its axis, and ImportError without xarray.
    """
    data, axes, events = dataset(archive), archive.contents.grid.axes, archive.contents.events
    coordinates = archive.coordinates_of(coordinates)
    unknown = [name for name in coordinates if name not in (*axes, *events)]
    if unknown:
        raise ValueError(f"coordinates must be of {', '.join(axes)}; got {unknown[0]}")
    positions: dict[str, Any] = {}
    for name, wanted in coordinates.items():
        values = axes.get(name, np.arange(events.get(name, 0)))
        if isinstance(wanted, slice):
            data = data.sel({name: slice(_near(values, wanted.start), _near(values, wanted.stop), wanted.step)})
        elif np.ndim(wanted):
            positions[name] = [position(name, values, value) for value in wanted]
        else:
            positions[name] = position(name, values, wanted)
    return data.isel(positions)


def _near(values: np.ndarray, end: Any) -> Any:
    """The end of a slice as the value of the axis that it is to a millionth, if there is one."""
    if end is None:
        return None
    try:
        return values[position("", values, end)]
    except ValueError:
        return end


def explore(archive: "Archive", /, other: "Archive | None" = None) -> "Served":
    """The page of `cocycle explore`, in a notebook, or at an address that is printed: see `cocycle.explorer`."""
    from cocycle.explorer import explore as served  # here, because importing bokeh takes long

    return served(archive, other)


def drawn_axes(axes: Mapping[str, np.ndarray]) -> list[str]:
    """The axes over which a figure shows a result, x last: the first two of floating-point numbers with two values at
    least, a single one, or without any, those of integers, or one of strings, bools or None."""
    for kind, count in (("f", 2), ("iu", 2), ("UOb", 1)):
        names = [name for name, values in axes.items() if values.dtype.kind in kind and len(values) > 1]
        if names:
            return names[:count]
    return []


def label(archive: "Archive", name: str) -> str:
    """What a figure calls an axis or an output: in words, with its symbol and unit."""
    given = archive.contents.long_names.get(name, "")
    called = words(name) if not given or ("_" in name and name in given.split()) else given  # names in code
    return printable(with_unit(called, archive.contents.units.get(name)))


def plain_label(archive: "Archive", name: str) -> str:
    """The same as a page or a table calls it: symbols without marks of mathematical text."""
    return without_marks(label(archive, name))


def short_text(archive: "Archive") -> str:
    """An archive in one line."""
    grid, states = archive.grid, archive.status.ravel()
    table = isinstance(grid, Table)
    counts = np.bincount(states[: grid.used] if table else states, minlength=len(Status))
    words = ", ".join(f"{counts[s]} {s.words}" for s in Status if counts[s] or s <= Status.DONE)
    axes = " × ".join(f"{name} ({len(values)})" for name, values in grid.axes.items())
    points = f"{grid.used} of {len(grid)} rows ({', '.join(grid.columns)})" if table else axes
    return f"Archive {archive.name}: {points}; {words}; outputs {', '.join(archive.outputs)}"


def html(archive: "Archive") -> str:
    """An archive as a table of a notebook."""
    counts, grid = np.bincount(archive.status.ravel(), minlength=len(Status)), archive.grid
    table = [("table", f"{grid.used} of {len(grid)} rows")] if isinstance(grid, Table) else []
    rows = [
        *(table or (("axis " + name, short(values)) for name, values in grid.axes.items())),
        *(("coordinate", plain_label(archive, name)) for name in grid.columns),
        *(("output", plain_label(archive, name)) for name in archive.outputs),
        *((s.words, counts[s]) for s in Status if counts[s] and not (table and s == Status.LEFT_OUT)),
    ]
    return html_table(f"Archive {archive.name}", ("", ""), rows)
