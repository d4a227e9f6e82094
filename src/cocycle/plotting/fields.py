"""Figures of maximal exponents over a plane of inputs: ridges, stretching directions, decision boundaries."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from cocycle.arrays import as_numpy
from cocycle.plotting.panels import figure_and_axes, one_panel
from cocycle.plotting.paper import own_style, stacked
from cocycle.plotting.planes import colour_bar, exponent_plane

if TYPE_CHECKING:
    from cocycle.lyapunov import Plane
    from cocycle.lyapunov.ridges import Ridges

LINES = 18  # directions along each axis of a plane
SUBSCRIPTS = "₀₁₂"


def ridge_points(ax: Axes, ridges: "Ridges"):
    """Points on the ridges."""
    return ax.scatter(*ridges.points.T, s=2, color="black", linewidths=0, label="ridge")


def boundary_lines(ax: Axes, x: np.ndarray, y: np.ndarray, outputs: np.ndarray):
    """Where one output (len(y), len(x)) is zero, or the class with the largest of several (len(y), len(x), classes)
    changes.  Raises ValueError for another shape, and for labels in place of outputs."""
    outputs = as_numpy(outputs)
    if outputs.shape[:2] != (len(y), len(x)) or outputs.ndim not in (2, 3) or outputs.dtype.kind != "f":
        wanted = f"real numbers, of shape ({len(y)}, {len(x)}) or ({len(y)}, {len(x)}, classes), as end(steps, plane)"
        raise ValueError(f"outputs must be {wanted}; got {outputs.dtype} of shape {outputs.shape}")
    if outputs.ndim == 3 and outputs.shape[-1] > 1:
        second, first = np.moveaxis(np.sort(outputs, axis=-1)[..., -2:], -1, 0)
        for number in range(outputs.shape[-1]):  # the border of the region where each class has the largest output
            own = outputs[..., number]
            ax.contour(x, y, own - np.where(own == first, second, first), [0.0], colors="tab:green", linewidths=1)
        return None
    outputs = outputs.reshape(len(y), len(x))
    return ax.contour(x, y, outputs, levels=[0.0], colors="tab:green", linewidths=1.5, linestyles="--")


def input_points(ax: Axes, plane: "Plane") -> None:
    """The inputs x₀, x₁, x₂ through which a plane was laid, where they are in it; nothing for a plane of directions."""
    for (s, t), number in zip(plane.inputs, SUBSCRIPTS, strict=False):
        ax.plot(s, t, "o", markersize=5, color="white", markeredgecolor="black", clip_on=False, zorder=5)
        look = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
        ax.annotate(f"x{number}", (s, t), (6, 6), textcoords="offset points", bbox=look, zorder=5)


def plane_labels(plane: "Plane") -> tuple[str, str]:
    """What the axes of a plane are, with their units."""
    (s, t), (first, second) = plane.names, plane.units
    return f"{s} (unit {first})", f"{t} (unit {second})"


def stretching_lines(ax: Axes, x: np.ndarray, y: np.ndarray, directions: np.ndarray):
    """Short lines along directions (len(y), len(x), 2), whose signs are arbitrary, at some points."""
    rows, columns = (np.linspace(0, len(a) - 1, min(LINES, len(a))).round().astype(int) for a in (y, x))
    chosen = directions[np.ix_(rows, columns)]
    return ax.quiver(
        x[columns],
        y[rows],
        chosen[..., 0],
        chosen[..., 1],
        pivot="middle",
        angles="xy",
        headwidth=0,
        headlength=0,
        headaxislength=0,
        scale=1.6 * LINES,
        width=0.003,
        color="0.25",
    )


def field_panel(
    ax: Axes,
    x: np.ndarray,
    y: np.ndarray,
    exponents: np.ndarray,
    directions: np.ndarray | None = None,
    ridges: "Ridges | None" = None,
    outputs: np.ndarray | None = None,
    *,
    label: str = "maximal exponent λ₁ (per layer)",
    labels: Sequence[str] = ("input x₁", "input x₂"),
) -> None:
    """Exponents (len(y), len(x)) on a colour scale centred at zero; if given, directions of maximal stretching
    (len(y), len(x), 2) as short lines, ridges as points, and the zero line of `outputs` dashed."""
    mesh = exponent_plane(ax, x, y, exponents, lowest=-np.inf)
    colour_bar(mesh, ax, exponents, label=label)
    figure, shown = ax.figure, {}
    if directions is not None:
        stretching_lines(ax, x, y, directions)
        shown["maximal stretching"] = {"color": "0.25", "linewidth": 0.8}
    if outputs is not None:
        boundary_lines(ax, x, y, outputs)
        shown["decision boundary"] = {"color": "tab:green", "linestyle": "--"}
    if ridges is not None:
        ridge_points(ax, ridges)
        shown["ridge"] = {"color": "black", "marker": ".", "linestyle": ""}
    ax.set(xlabel=labels[0], ylabel=labels[1], aspect="equal" if np.isclose(np.ptp(x), np.ptp(y)) else "auto")
    handles = [Line2D([], [], label=word, **look) for word, look in reversed(shown.items())]
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)


def field_figure(*what: Any, ax: Axes | None = None, **options: Any) -> Figure:
    """A figure with the `field_panel` of the arguments; that of `ax`, if it is given."""
    return one_panel(field_panel, *what, ax=ax, size=(5.2, 4.2), **options)


def ridge_figure(distances: np.ndarray, alignment: np.ndarray, contrasts: np.ndarray) -> Figure:
    """Histograms over the points on ridges: their distances from the decision boundary in units of the domain's width,
    |cos| of the angle between stretching direction and ridge normal, and their heights above the background."""
    words = ("distance from the boundary (domain's width)", "|cos(stretching, normal)|", "height above background")
    with own_style():
        figure, panels = figure_and_axes(*((3, 1) if stacked() else (1, 3)), size=(9, 2.8))
        axes = panels.ravel()
        for ax, values, word in zip(axes, (distances, alignment, contrasts), words, strict=True):
            ax.hist(values, bins=30, color="tab:blue")
            ax.axvline(np.median(values), color="black", linewidth=1, label=f"median {np.median(values):.3g}")
            ax.set(xlabel=word)
            ax.xaxis.set_major_locator(MaxNLocator(4))
            ax.legend(frameon=False)
        axes[0].set_ylabel("points on ridges")
    return figure
