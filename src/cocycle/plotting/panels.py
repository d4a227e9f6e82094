"""Figures of one panel or more in the style of the package, or the panel on given axes."""

from collections.abc import Callable
from typing import Any, final

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cocycle.plotting.paper import own_style, sized

SIZE = (4.6, 3.1)  # inches
INLINE = ("inline", "module://matplotlib_inline.backend_inline")  # of notebooks, by matplotlib's version


@final
class ResultFigure(Figure):
    """A figure that appears once where a cell of a notebook ends with it.

    The inline backend shows all open figures after a cell, and the notebook shows what the cell returns: the figure
    that is shown as a value is no longer among the open ones.
    """

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        if matplotlib.get_backend().lower() in INLINE:
            plt.close(self)
        return {}  # the formats of the notebook, png or svg, follow


def figure_and_axes(rows: int = 1, columns: int = 1, *, size: tuple[float, float] = SIZE, **options: Any) -> Any:
    """The figure and array of axes (rows, columns) of matplotlib's `subplots`, for a figure of `size` inches on a
    screen."""
    return plt.subplots(
        rows,
        columns,
        figsize=sized(*size, rows),
        squeeze=False,
        layout="constrained",
        FigureClass=ResultFigure,
        **options,
    )


def mosaic(places: list[list[str]], *, size: tuple[float, float]) -> Any:
    """The figure and named axes of matplotlib's `subplot_mosaic`, for a figure of `size` inches on a screen."""
    shape: Any = places
    look: Any = {"figsize": sized(*size, len(places)), "layout": "constrained", "FigureClass": ResultFigure}
    return plt.subplot_mosaic(shape, **look)


def one_panel(
    draw: Callable[..., Any], *what: Any, ax: Axes | None = None, size: tuple[float, float] = SIZE, **options: Any
) -> Figure:
    """A figure with one panel, drawn by `draw(ax, *what, **options)`; that of `ax`, if it is given."""
    if ax is not None:
        draw(ax, *what, **options)
        return figure_of(ax)
    with own_style():
        figure, panels = figure_and_axes(size=size)
        draw(panels[0, 0], *what, **options)
    return figure


def figure_of(ax: Axes) -> Figure:
    """The whole figure that `ax` belongs to, also where it is on a part of it, a SubFigure."""
    figure = ax.figure
    return figure if isinstance(figure, Figure) else figure.figure
