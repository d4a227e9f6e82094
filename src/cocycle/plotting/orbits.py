"""Figures of orbits: phase portraits and return maps."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from cocycle.arrays import refuse_masked


def phase_portrait(
    ax: Axes,
    series: np.ndarray,
    components: tuple[int, int] = (0, 1),
    *,
    names: Sequence[str] | None = None,
    points: bool = False,
    **style,
):
    """Two components of a series (time, m) against each other, as a line, or as `points` for the orbit of a map.

    `style` goes to matplotlib's plot.  Raises ValueError for another shape.
    """
    refuse_masked("series", series)
    series = np.asarray(series)
    if series.ndim != 2 or not all(-series.shape[1] <= i < series.shape[1] for i in components):
        raise ValueError(f"series must have shape (time, m) with components {components}; got {series.shape}")
    names = names or [f"component {i + 1}" for i in range(series.shape[1])]
    first, second = components
    look = {"linestyle": "", "marker": ".", "markersize": 1} if points else {"linewidth": 0.5}
    (drawn,) = ax.plot(series[:, first], series[:, second], **{**look, **style})
    ax.set(xlabel=names[first], ylabel=names[second])
    return drawn


def return_map(ax: Axes, values: np.ndarray, *, name: str = "maximum", **style):
    """Each of values (m,), such as successive maxima, against the one before it: points, and the diagonal.

    `style` goes to matplotlib's plot.  Lorenz, J. Atmos. Sci. 20, 130 (1963).  Raises ValueError for another shape.
    """
    refuse_masked("values", values)
    values = np.asarray(values)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"values must have shape (m,), at least two of them; got {values.shape}")
    ax.axline((values.min(), values.min()), slope=1, color="0.7", linewidth=0.8)
    (drawn,) = ax.plot(values[:-1], values[1:], **{"linestyle": "", "marker": ".", "markersize": 3, **style})
    ax.set(xlabel=name, ylabel=f"next {name}")
    return drawn
