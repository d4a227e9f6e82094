"""A figure of one panel in the style of the package, or the panel on given axes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

STYLE = Path(__file__).with_name("cocycle.mplstyle")
SIZE = (4.6, 3.1)  # inches


def one_panel(
    draw: Callable[..., Any], *what: Any, ax: Axes | None = None, size: tuple[float, float] = SIZE, **options: Any
) -> Figure:
    """A figure with one panel, drawn by `draw(ax, *what, **options)`; that of `ax`, if it is given."""
    if ax is not None:
        draw(ax, *what, **options)
        return figure_of(ax)
    with plt.style.context(STYLE):
        figure, ax = plt.subplots(figsize=size, layout="constrained")
        draw(ax, *what, **options)
    return figure


def figure_of(ax: Axes) -> Figure:
    """The whole figure that `ax` belongs to, also where it is on a part of it, a SubFigure."""
    figure = ax.figure
    return figure if isinstance(figure, Figure) else figure.figure
