"""Figures of one result over its axes: lines or planes, one panel for each value of further axes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, FigureBase

from cocycle.labels import words
from cocycle.plotting.interpolation import between, bounded, cells
from cocycle.plotting.panels import figure_and_axes, figure_of
from cocycle.plotting.paper import in_paper, own_style, stacked
from cocycle.plotting.planes import colour_bar, diverging, plane, scale_axes, zero_line
from cocycle.sweeps.means import mean_over

PANELS = 12  # in one figure, at most
WIDE = 50  # characters of a title in one line
COLUMNS = {1: 1, 2: 2, 3: 3, 4: 2, 5: 3, 6: 3, 9: 3}  # of so many panels; four of others


@dataclass(frozen=True, eq=False)
class Result:
    """values (*axes, *events) of one result, NaN where one is missing, with the words for its figure.

    `over` are the axes to be averaged; None chooses those of integers that are not drawn.  `left_out` (*axes) are the
    points that a refinement did not ask for.  `note` says which part of the result this is.
    """

    values: np.ndarray
    axes: Mapping[str, np.ndarray]
    label: str
    labels: Mapping[str, str] = field(default_factory=dict)
    over: Sequence[str] | None = None
    events: Sequence[str] = ()
    left_out: np.ndarray | None = None
    note: str = ""

    @property
    def free(self) -> list[str]:
        """The axes of more than one value that are not to be averaged."""
        return [name for name, values in self.axes.items() if len(values) > 1 and name not in (self.over or ())]

    @property
    def shown(self) -> list[str]:
        """The axes that are drawn, x last: the first two of floating-point numbers; without any, of integers, or one of
        words."""
        for kind, count in (("f", 2), ("iu", 2), ("UOb", 1)):
            names = [name for name in self.free if self.axes[name].dtype.kind in kind]
            if names:
                return names[:count]
        return []

    @property
    def split(self) -> list[str]:
        """The axes that give panels."""
        kinds = "iu" if self.over is None else ""
        return [name for name in self.free if name not in self.shown and self.axes[name].dtype.kind not in kinds]

    @property
    def keys(self) -> list[tuple[int, ...]]:
        """The indices of each panel on the axes that give panels."""
        return list(product(*(range(len(self.axes[name])) for name in self.split)))

    def ordered(self, values: np.ndarray) -> np.ndarray:
        """values (*split, *shown, the elements to average over)."""
        order = [list(self.axes).index(name) for name in (*self.split, *self.shown)]
        rest = [i for i in range(values.ndim) if i not in order]
        values = values.transpose(*order, *rest)
        return values.reshape(*values.shape[: len(order)], -1)

    def title(self, key: tuple[int, ...]) -> str:
        """The coordinates of a panel."""
        return ", ".join(coordinate(name, self.axes[name][i]) for name, i in zip(self.split, key, strict=True))

    @property
    def averages(self) -> str:
        """The number of values that each point is a mean of: 6 × realisation, 8 × start."""
        kept = (*self.shown, *self.split)
        counts = [(name, len(values)) for name, values in self.axes.items() if name not in kept]
        ends = self.values.shape[len(self.axes) :]
        names = [*self.events, *["values of each point"] * len(ends)][: len(ends)]
        counts += zip(names, ends, strict=True)
        return ", ".join(f"{count} × {words(name)}" for name, count in counts if count > 1)

    @property
    def heading(self) -> str:
        """What is averaged, and which part of the result this is."""
        parts = [part for part in (f"mean of {self.averages}" if self.averages else "", self.note) if part]
        return (";\n" if len("; ".join(parts)) > WIDE else "; ").join(parts)

    def named(self, name: str) -> str:
        return self.labels.get(name, words(name))


def coordinate(name: str, value: object) -> str:
    """weight scale σ_w = 0.5"""
    number = isinstance(value, float | np.floating)
    return f"{words(name)} = {value:.3g}" if number else f"{words(name)} = {value}"


def facets(result: Result, ax: Axes | None = None) -> Figure:
    """The figure of a result, or its only panel on axes `ax`.  Raises ValueError for too many panels, or none."""
    if not result.shown:
        what = f"{result.label} is {np.nanmean(result.values):.6g}"
        raise ValueError(f"axes must have one of at least two values; got none: {what}")
    count = len(result.keys)
    if count > (PANELS if ax is None else 1):
        limit, remedy = (PANELS, "draw a part") if ax is None else (1, "leave `ax` out, or draw a part")
        names = ", ".join(result.split)
        raise ValueError(f"{names} must give at most {limit} panels; got {count}: {remedy}, such as {names}=value")
    if ax is not None:
        _draw(ax.figure, np.array([[ax]]), result)
        return figure_of(ax)
    with own_style():
        columns = min(COLUMNS.get(count, 4), 2 if stacked() else 3 if in_paper() else 4)
        rows = -(-count // columns)
        size = (1 + 3.6 * columns, 3.2 * rows) if columns < 3 else (1 + 2.6 * columns, 2.5 * rows)
        figure, panels = figure_and_axes(rows, columns, size=size, sharex=True, sharey=True)
        _draw(figure, panels, result)
    return figure


def _draw(figure: FigureBase, panels: np.ndarray, result: Result) -> None:
    keys, shown, rows = result.keys, result.shown, panels.shape[0]
    used = panels.ravel()[: len(keys)]
    if len(shown) == 1:
        _lines(used, result)
    else:
        _planes(used, result)
    for i, (ax, key) in enumerate(zip(panels.ravel(), keys, strict=False)):
        lowest = i + panels.shape[1] >= len(keys)
        ax.set(title=result.title(key), xlabel=result.named(shown[-1]) if lowest else "")
        if rows > 1 and lowest:  # also where the place below is empty
            ax.tick_params(labelbottom=True)
    for ax in panels[:, 0]:
        ax.set_ylabel(result.label if len(shown) == 1 else result.named(shown[0]))
    for ax in panels.ravel()[len(keys) :]:
        ax.remove()
    if len(keys) > 1 and isinstance(figure, Figure):
        figure.suptitle(result.heading)
    elif result.heading:
        used[0].set_title(result.heading)


def _lines(panels: Iterable[Axes], result: Result) -> None:
    values, x = result.ordered(result.values), result.axes[result.shown[0]]
    for ax, key in zip(panels, result.keys, strict=True):
        _line(ax, x, values[key], result)


def _line(ax: Axes, x: np.ndarray, values: np.ndarray, result: Result) -> None:
    """The mean over the last axis, with a band of one standard deviation if that is not zero."""
    mean, categories = mean_over(values, (-1,)), x.dtype.kind in "UOb"
    if categories:  # in the order of the axis
        ax.set_xticks(np.arange(len(x)), [str(value) for value in x.tolist()])
        x = np.arange(len(x))
    with np.errstate(invalid="ignore"):
        deviation = np.sqrt(mean_over((values - mean[:, None]) ** 2, (-1,)))
    for sign, place, marker in ((-np.inf, 0.0, "v"), (np.inf, 1.0, "^")):
        if (mean == sign).any():
            at = x[mean == sign]
            ax.plot(at, np.full(len(at), place), marker, transform=ax.get_xaxis_transform(), clip_on=False, color="C3")
    refined = result.left_out is not None
    if refined:
        x, mean, deviation = (a[np.isfinite(mean)] for a in (x, mean, deviation))
    band = f"± standard deviation of {result.averages}"
    if categories:
        ax.errorbar(x, mean, deviation, marker="o", linestyle="", capsize=3, label=band)
    else:
        (line,) = ax.plot(x, mean, marker="." if refined or len(x) < 30 else "")
        if (deviation > 0).any():
            edges = mean - deviation, mean + deviation
            ax.fill_between(x, *edges, color=line.get_color(), alpha=0.25, linewidth=0, label=band)
        if np.nanmin(mean, initial=0) < 0 < np.nanmax(mean, initial=0):
            ax.axhline(0, color="black", linewidth=0.8)
        scale_axes(ax, x)
    if (deviation > 0).any():
        ax.legend(frameon=False, loc="best")


def _planes(panels: np.ndarray, result: Result) -> None:
    values, (y, x) = result.ordered(result.values), (result.axes[name] for name in result.shown)
    left_out = None if result.left_out is None else result.ordered(result.left_out)
    planes = [mean_over(values[key], (-1,)) for key in result.keys]
    every = np.concatenate([part.ravel() for part in planes])
    finite = every[np.isfinite(every)]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 1.0)
    norm, colours = (diverging(low, high), "RdBu_r") if low < 0 < high else (Normalize(low, high), "viridis")
    for ax, key, part in zip(panels, result.keys, planes, strict=True):
        if left_out is None:
            drawn = known = bounded(part)
        else:
            mask = left_out[key].all(-1)
            drawn, known = cells(bounded(part), mask), between(bounded(part), mask)
        plane(ax, x, y, drawn, norm=norm, cmap=colours)
        zero_line(ax, x, y, known, color="black")
    colour_bar(ScalarMappable(norm, colours), panels.tolist(), every, label=result.label)
