"""Planes of an archive as a view shows them: values, errors, how many values, and what failed, as arrays."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

import numpy as np

from cocycle.explorer.axes import PlaneAxis, plane_axis
from cocycle.explorer.view import DIFFERENCE, NONE, OTHER, View, axes_of, value_text, words
from cocycle.sweeps.coordinates import keys
from cocycle.sweeps.means import error_of_mean, mean_over, quantile_over
from cocycle.sweeps.records import WITHOUT_RESULT, Status
from cocycle.sweeps.text import one_line
from cocycle.sweeps.views import plain_label

if TYPE_CHECKING:
    from cocycle.sweeps import Archive

LINE = "line"  # the one row of a result over one axis


@final
@dataclass(frozen=True, eq=False)
class Plane:
    """An output over x and y, arrays (len(y), len(x)): `values`, NaN where there are none; their standard errors, NaN
    where there are fewer than two independent ones; `counts` of independent values; points of a cell that `failed`
    and that are `to_do`.  `words` say what is averaged and what is fixed.
    """

    output: str
    label: str
    words: str
    x: PlaneAxis
    y: PlaneAxis
    values: np.ndarray
    errors: np.ndarray
    counts: np.ndarray
    failed: np.ndarray
    to_do: np.ndarray

    @property
    def is_line(self) -> bool:
        return self.y.name == LINE

    @property
    def states(self) -> np.ndarray:
        """Of cells without a value why that is so, a `Status`; of others DONE."""
        lost = np.where(self.failed > 0, Status.FAILED, np.where(self.to_do > 0, Status.TO_DO, Status.LEFT_OUT))
        return np.where(np.isnan(self.values) & ((self.failed > 0) | (self.counts == 0)), lost, Status.DONE)


def plane(archive: "Archive", view: View, output: str) -> Plane:
    """The plane of an output as a view shows it, from the file as it is now.

    The error is that of a mean: first over the event and over axes with common random numbers, then over independent
    streams.  A quantile has none.
    """
    grid, axes = archive.contents.grid, axes_of(archive, output)
    status = archive.status  # before the values: what was done then is done now
    values, names = _fixed(archive[output], list(axes), view)
    states, of_grid = _fixed(status, list(grid.axes), view)
    over = tuple(i for i, name in enumerate(names) if name not in (view.x, view.y))
    value = mean_over(values, over) if view.quantile is None else quantile_over(values, view.quantile, over)
    events = tuple(i for i, name in enumerate(names) if name not in grid.axes)
    streams = tuple(i for i in over if i not in events)
    shared = tuple(i for i in streams if names[i] in grid.common)
    error, count = error_of_mean(mean_over(values, events), streams, shared)
    if view.quantile is not None:
        error = np.full_like(value, np.nan)
    states_over = tuple(i for i, name in enumerate(of_grid) if name not in (view.x, view.y))
    failed, to_do = (np.isin(states, kinds).sum(axis=states_over) for kinds in (WITHOUT_RESULT, (Status.TO_DO,)))
    kept = [name for name in names if name in (view.x, view.y)]
    arrays = [_turned(array, kept, view) for array in (value, error, count, failed, to_do)]
    x, y = (_axis(archive, name) for name in (view.x, view.y))
    return Plane(output, plain_label(archive, output), one_line(words(archive, view, output)), x, y, *arrays)


def planes(archive: "Archive", view: View, other: "Archive | None" = None) -> list[Plane]:
    """The plane of the view, and what is beside it.  Raises ValueError where a second archive is needed."""
    first = plane(archive, view, view.output)
    if view.beside == NONE or view.beside == view.output:
        return [first]
    if view.beside not in (OTHER, DIFFERENCE):
        return [first, plane(archive, view, view.beside)]
    if other is None:
        raise ValueError(f"{view.beside} needs a second archive: cocycle explore {archive.name} OTHER.h5")
    second = compared(archive, other, view)
    if view.beside == OTHER:
        return [first, second]
    values, errors = first.values - second.values, np.hypot(first.errors, second.errors)
    said = f"{archive.name} minus {other.name}; {first.words}"
    counts = np.minimum(first.counts, second.counts)
    return [
        first,
        replace(first, label=f"difference of {first.label}", words=said, values=values, errors=errors, counts=counts),
    ]


def compared(archive: "Archive", other: "Archive", view: View) -> Plane:
    """The plane of the other archive at the coordinates of the first: without values where it does not have them.

    Raises ValueError if it lacks the output or an axis.
    """
    if view.output not in other.outputs or list(axes_of(other, view.output)) != list(axes_of(archive, view.output)):
        names = ", ".join(axes_of(archive, view.output))
        raise ValueError(f"{other.name} must have the output {view.output} over the axes {names} to be compared")
    ours, theirs = axes_of(archive, view.output), axes_of(other, view.output)
    wanted = {name: _places(theirs[name], ours[name][[i]])[0] for name, i in view.at.items() if name in ours}
    missing = [name for name, place in wanted.items() if place < 0]
    if missing:
        value = value_text(ours[missing[0]][view.at[missing[0]]])
        raise ValueError(f"{other.name} has no {missing[0]} = {value}: choose another value, or average")
    found = plane(other, replace(view, at={name: int(place) for name, place in wanted.items()}), view.output)
    x, y = (_axis(archive, name) for name in (view.x, view.y))
    columns, rows = (_places(theirs_.values, ours_.values) for theirs_, ours_ in ((found.x, x), (found.y, y)))
    there = (rows[:, None] >= 0) & (columns >= 0)

    def at_ours(array: np.ndarray, empty: float) -> np.ndarray:
        return np.where(there, array[np.ix_(rows, columns)], empty)

    arrays = {name: at_ours(getattr(found, name), np.nan) for name in ("values", "errors")}
    arrays |= {name: at_ours(getattr(found, name), 0) for name in ("counts", "failed", "to_do")}
    return replace(found, words=f"{one_line(other.name)}: {found.words}", x=x, y=y, **arrays)


def _places(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where on an axis the wanted values are, -1 for those that are not there."""
    by_key = {key: i for i, key in enumerate(keys(values))}
    return np.array([by_key.get(key, -1) for key in keys(wanted)], dtype=int)


def _axis(archive: "Archive", name: str) -> PlaneAxis:
    if name == NONE:
        return plane_axis(LINE, "", np.zeros(1))
    return plane_axis(name, plain_label(archive, name), archive.contents.grid.axes[name])


def _fixed(values: np.ndarray, names: list[str], view: View) -> tuple[np.ndarray, list[str]]:
    """values (*names) at the positions of the axes that are fixed or have but one, and the axes that are left."""
    single = {name: 0 for name, n in zip(names, values.shape, strict=True) if n == 1 and name not in (view.x, view.y)}
    at = {**single, **view.at}
    return values[tuple(at.get(name, slice(None)) for name in names)], [name for name in names if name not in at]


def _turned(values: np.ndarray, names: list[str], view: View) -> np.ndarray:
    """values over x and y, in whatever order, as (len(y), len(x))."""
    if view.y == NONE:
        return values[None, :]
    return values if names == [view.y, view.x] else values.T
