"""What the page of an archive shows: the output, the axes of its plane, what is fixed and what averaged, the colours.

A view and the part of an address after its "?" are made of each other, so that an address reproduces what is shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, final
from urllib.parse import parse_qsl, urlencode

import numpy as np

from cocycle.sweeps.coordinates import position
from cocycle.sweeps.table import Table
from cocycle.sweeps.views import drawn_axes

if TYPE_CHECKING:
    from cocycle.sweeps import Archive

NONE = ""  # no y axis: a line; nothing beside the output
OTHER, DIFFERENCE = "other archive", "difference of the archives"  # what may stand beside an output
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
AXIS = "axis."  # begins the name of a fixed axis in an address


@final
@dataclass(frozen=True)
class View:
    """`output` over the axes x and y (none: a line over x); beside it another output, or what compares two archives.

    `at` has the position of every axis that is fixed; all others but x and y are averaged: by their mean, or by a
    `quantile`.  Colours are linear, or `logarithmic`; `zero_line` draws where the values change sign.
    """

    output: str
    x: str
    y: str = NONE
    beside: str = NONE
    at: Mapping[str, int] = field(default_factory=dict)
    quantile: float | None = None
    logarithmic: bool = False
    zero_line: bool = True

    def averaged(self, axes: Mapping[str, Any]) -> list[str]:
        """Those of some axes that are averaged."""
        return [name for name in axes if name not in (self.x, self.y, *self.at)]

    def over(self, x: str, y: str) -> "View":
        """The view over other axes: those of the plane are neither fixed nor averaged."""
        return replace(self, x=x, y=NONE if y == x else y, at={k: i for k, i in self.at.items() if k not in (x, y)})

    def fixing(self, name: str, place: int | None) -> "View":
        """The view with an axis fixed at a position, or averaged."""
        rest = {k: i for k, i in self.at.items() if k != name}
        return replace(self, at=rest if place is None else {**rest, name: place})


def axes_of(archive: "Archive", output: str | None = None) -> dict[str, np.ndarray]:
    """The axes of the grid, of which a table has none, and those of the event of one output or all, by positions."""
    contents = archive.contents
    events = contents.events if output is None else contents.dims[output]
    axes = {} if isinstance(contents.grid, Table) else contents.grid.axes
    return {**axes, **{name: np.arange(length) for name, length in events.items()}}


def drawable(archive: "Archive") -> list[str]:
    """What may be an axis of a plane: the axes of a grid with two values at least, or the parameters of a table."""
    grid = archive.contents.grid
    return list(grid.columns) or [name for name, values in grid.axes.items() if len(values) > 1]


def first_view(archive: "Archive") -> View:
    """What is shown first: an output, beside it one of another unit, or any but its error, over the axes of a figure.

    Axes of integers (replicas) and those of events are averaged, others are fixed at their first value.  Of a table the
    axes are its first two parameters, numbers before choices.  Raises ValueError for a grid without an axis of at least
    two values.
    """
    grid, outputs = archive.contents.grid, list(archive.outputs)
    if isinstance(grid, Table):
        numbers = [name for name, kind in grid.parameters.items() if not isinstance(kind, tuple)]
        x, y = [*numbers, *(name for name in grid.columns if name not in numbers), NONE][:2]
        fixed = {}
    else:
        drawn = drawn_axes(grid.axes)
        if not drawn:
            raise ValueError(f"{archive.name} has one point on each axis: `cocycle show` prints what it holds")
        y, x = drawn if len(drawn) == 2 else (NONE, drawn[0])
        fixed = {name: 0 for name, values in grid.axes.items() if name not in drawn and values.dtype.kind not in "iu"}
    units, others = archive.contents.units, [name for name in outputs[1:] if name != f"{outputs[0]}_error"]
    unlike = [name for name in others if name in units and units[name] != units.get(outputs[0])]
    second = next(iter([*unlike, *others]), NONE)
    return View(outputs[0], x, y, second, fixed)


def address(archive: "Archive", view: View) -> str:
    """The view as the query of an address."""
    axes = axes_of(archive)
    pairs = {"output": view.output, "x": view.x, "y": view.y, "beside": view.beside}
    pairs |= {AXIS + name: str(axes[name][place]) for name, place in view.at.items()}
    if view.quantile is not None:
        pairs["quantile"] = f"{view.quantile:g}"
    pairs |= {"colours": "log" if view.logarithmic else "linear", "zero": "shown" if view.zero_line else "hidden"}
    averaged = [("average", name) for name in view.averaged(axes)]
    return urlencode([*pairs.items(), *averaged])


def view_at(archive: "Archive", query: str) -> View:
    """The view of an address, by its query; what it does not name is as in `first_view`.

    Raises ValueError for outputs, axes, values and words that the archive does not have.
    """
    view, axes = first_view(archive), axes_of(archive)
    named: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name == "average":
            view = view.fixing(_one_of("average", value, axes), None)
        else:
            named[name] = value
    grid = archive.contents.grid
    planes = grid.columns or grid.axes
    output = _one_of("output", named.pop("output", view.output), archive.outputs)
    beside = _one_of("beside", named.pop("beside", view.beside), (NONE, *archive.outputs, OTHER, DIFFERENCE))
    x = _one_of("x", named.pop("x", view.x), planes)
    y = _one_of("y", named.pop("y", view.y), (NONE, *planes))
    quantile = _fraction(named.pop("quantile", NONE))
    colours = _one_of("colours", named.pop("colours", "linear"), ("linear", "log"))
    zero = _one_of("zero", named.pop("zero", "shown"), ("shown", "hidden"))
    for key, value in named.items():
        name = _one_of("an axis", key.removeprefix(AXIS), axes)
        view = view.fixing(name, position(name, axes[name], value))
    view = replace(view, output=output, beside=beside, quantile=quantile)
    return replace(view.over(x, y), logarithmic=colours == "log", zero_line=zero == "shown")


def words(archive: "Archive", view: View, output: str) -> str:
    """How the values of an output come about: what is averaged, and over how many values, and what is fixed."""
    axes = {name: values for name, values in axes_of(archive, output).items() if name not in (view.x, view.y)}
    over = [f"{name} ({len(axes[name])} values)" for name in view.averaged(axes) if len(axes[name]) > 1]
    fixed = [f"{name} = {value_text(axes[name][view.at[name]])}" for name in axes if name in view.at]
    fixed += [f"{name} = {value_text(axes[name][0])}" for name in view.averaged(axes) if len(axes[name]) == 1]
    said = [f"{statistic(view.quantile)} over {' and '.join(over)}"] if over else ["single values"]
    return "; ".join([*said, *([", ".join(fixed)] if fixed else [])])


def statistic(quantile: float | None) -> str:
    """What values are averaged by, in words."""
    return "mean" if quantile is None else "median" if quantile == 0.5 else f"{quantile:g} quantile"


def value_text(value: Any) -> str:
    """A coordinate, to be read."""
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)


def _one_of(what: str, name: str, known: Any) -> str:
    if name not in known:
        raise ValueError(f"{what} must be one of {', '.join(known)}; got {name!r}")
    return name


def _fraction(text: str) -> float | None:
    if not text:
        return None
    try:
        fraction = float(text)
    except ValueError:
        fraction = np.nan
    if not 0 <= fraction <= 1:
        raise ValueError(f"quantile must be a number in 0..1; got {text!r}")
    return fraction
