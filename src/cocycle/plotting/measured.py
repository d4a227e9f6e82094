"""Figures of measured series: the growth of distances, and how delay and dimension of an embedding were chosen."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from cocycle.labels import TIMES


def divergence_curves(ax: Axes, result: Any, **style):
    """The mean ln d of a `SeriesExponent` against time, a line for each neighbourhood size, and the stretch whose slope
    is the exponent, in bold, with its line of that slope continued beyond both ends.  `style` is that of the curves."""
    sizes = len(result.curves)
    lines = []
    for k, curve in enumerate(result.curves):
        look = {"color": "0.2" if k == 0 else f"{0.4 + 0.4 * k / sizes:.2f}", "linewidth": 0.9, **style}
        lines += ax.plot(result.times, curve, **look)
    if result.stretch is None:
        ax.set_title("no exponential divergence")
    else:
        inside = _inside(result)
        times, curve = result.times[inside], result.curves[0, inside]
        ax.plot(times, curve, color="tab:red", linewidth=2.5, alpha=0.6)
        middle = times.mean(), curve.mean()
        ax.axline(
            middle,
            slope=result.exponent,
            color="tab:red",
            linestyle="--",
            linewidth=0.9,
            label=f"λ₁ = {result.in_words}",
        )
        ax.set_ylim(*_limits(result.curves))
        ax.legend(frameon=False, loc="lower right")
    ax.set(xlabel=TIMES[result.unit], ylabel="mean ln(distance / std)")
    return lines


def information_curve(ax: Axes, result: Any, **style):
    """The mutual information of an `EmbeddingDelay` against the lag, and a line at the delay that was chosen."""
    information = result.information[1:]  # at lag 0 it is the entropy
    (line,) = ax.plot(np.arange(1, len(information) + 1), information, **{"color": "0.2", **style})
    ax.axvline(result.delay, color="tab:red", linestyle="--", linewidth=0.9, label=f"delay {result.delay}")
    ax.set(xlabel="lag (samples)", ylabel="mutual information (nats)", title=result.rule)
    ax.legend(frameon=False)
    return line


def dimension_curve(ax: Axes, result: Any, **style):
    """E1 and E2 of an `EmbeddingDimension`, or the fraction of false neighbours, against the dimension, and a line at
    the one that was chosen."""
    dimensions = np.arange(1, len(result.curve) + 1)
    first = "false neighbours" if result.second is None else "E1"
    look = {"marker": "o", "markersize": 3}
    lines = ax.plot(dimensions, result.curve, **{**look, "color": "0.2", "label": first, **style})
    if result.second is not None:
        lines += ax.plot(dimensions, result.second, **{**look, "color": "0.6", "label": "E2", **style})
    ax.axvline(result.dimension, color="tab:red", linestyle="--", linewidth=0.9, label=f"dimension {result.dimension}")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="dimension", ylabel="fraction" if result.second is None else "E1, E2")
    ax.legend(frameon=False)
    return lines


def _inside(result: Any) -> np.ndarray:
    """Which times are in the stretch, to rounding."""
    start, end = result.stretch
    margin = 1e-9 * end
    return (result.times >= start - margin) & (result.times <= end + margin)


def _limits(curves: np.ndarray) -> tuple[float, float]:
    """The range of the curves with a margin, so that the line of the slope does not widen it."""
    margin = 0.08 * float(np.ptp(curves))
    return float(curves.min()) - margin, float(curves.max()) + margin
