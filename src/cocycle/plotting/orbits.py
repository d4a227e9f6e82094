"""Figures of orbits: phase portraits and return maps."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cocycle.arrays import as_numpy, refuse_masked
from cocycle.labels import indexed
from cocycle.plotting.panels import figure_and_axes
from cocycle.plotting.paper import own_style


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


def section_points(ax: Axes, result: Any, *, components: tuple[int, int] | None = None, **style):
    """Two components of the states of a `Section` against each other, unless given the two that vary most, without
    those that only grow, as phases do."""
    states = result.states
    if components is None:
        varied = _varied(states)
        first, second = sorted(varied[:2]) if len(varied) > 1 else (varied[0], varied[0])
        components = first, second
    return phase_portrait(ax, states, components, points=True, **style)


def _varied(states: np.ndarray) -> list[int]:
    """The components of states (time, n), those that vary most first, without those that only grow or fall, unless
    there are no others."""
    size = np.ptp(states, axis=0) if len(states) else np.ones(states.shape[1])
    change = np.diff(states, axis=0)
    drifting = [len(change) > 2 and bool((column > 0).all() or (column < 0).all()) for column in change.T]
    return sorted(range(states.shape[1]), key=lambda i: (drifting[i], -size[i]))


def bifurcation_points(ax: Axes, result: Any, *, component: int | None = None, most: int = 200_000, **style):
    """A component of the states of a `BifurcationDiagram` against the parameter; at most so many points, the last ones
    at each value.  Without `component` it is the first that varies."""
    component = _first_varied(result.states) if component is None else component
    states = result.states[..., component][:, -max(1, most // len(result.values)) :]
    values = np.repeat(result.values, states.shape[1])
    dots = {"marker": ","} if states.size > 50_000 else {"marker": ".", "markersize": 1.5, "markeredgewidth": 0}
    look = {"linestyle": "", "color": "black", "alpha": 0.5, "rasterized": True, **dots}
    (drawn,) = ax.plot(values, states.ravel(), **{**look, **style})
    ax.set(xlabel=result.name, ylabel=f"component {component + 1}")
    return drawn


def _first_varied(states: np.ndarray) -> int:
    """The first component of states (m, samples, n) that is not constant but for rounding, as that of a surface is."""
    flat = states.reshape(-1, states.shape[-1])
    flat = flat[np.isfinite(flat).all(-1)]
    size = np.ptp(flat, axis=0) if len(flat) else np.ones(states.shape[-1])
    return int(np.argmax(size > 1e-9 * size.max()))


def parameter_exponents(ax: Axes, result: Any, *, least: float | None = None):
    """The exponents of a `BifurcationDiagram` against the parameter, with bands of two standard errors and a line at
    zero.  The axis ends at `least`, twice the largest one below zero unless given: periodic orbits may be very
    stable."""
    exponents, errors = result.exponents, as_numpy(result.spectrum.standard_error)
    lines = []
    for i in range(exponents.shape[1]):
        lines += ax.plot(result.values, exponents[:, i], linewidth=0.8, label=indexed("λ", i + 1))
        low, high = exponents[:, i] - 2 * errors[:, i], exponents[:, i] + 2 * errors[:, i]
        ax.fill_between(result.values, low, high, color=lines[-1].get_color(), alpha=0.2, linewidth=0)
    ax.axhline(0, color="black", linewidth=0.8)
    finite = exponents[np.isfinite(exponents)]
    if len(finite):
        top = max(finite.max(), 0.0)
        bottom = max(finite.min(), -2 * top) if least is None and top > 1e-3 * abs(finite.min()) else finite.min()
        ax.set_ylim(bottom if least is None else least, top + 0.05 * (top - bottom) + 1e-12)
    ax.set(xlabel=result.name, ylabel=f"λ ({result.spectrum.unit})")
    if len(lines) > 1:
        ax.legend(frameon=False, ncols=len(lines))
    return lines


def bifurcation_figure(result: Any, *, component: int | None = None) -> Figure:
    """States above, exponents below, against the same parameter."""
    with own_style():
        figure, panels = figure_and_axes(2, 1, size=(6.4, 4.8), sharex=True, height_ratios=(2, 1))
        top, bottom = panels[:, 0]
        bifurcation_points(top, result, component=component)
        parameter_exponents(bottom, result)
        top.set_xlabel("")
        figure.supxlabel("bands: ± 2 standard errors", fontsize="small")
    return figure
