"""Colour plots over two axes: exponents with a scale centred at zero, valid times, zero lines, colour bars."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import QuadMesh
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.ticker import MaxNLocator

from cocycle.plotting.interpolation import bounded, on_scale, smooth

UNEQUAL = 4.0  # ratio of the ranges on the two sides of zero, above which each side has a scale of its own
SMALLEST = 0.1  # the range of the colours on each side of zero, at least


def exponent_plane(ax: Axes, x: np.ndarray, y: np.ndarray, exponent: np.ndarray, *, lowest: float = -2.0) -> QuadMesh:
    """Exponents (len(y), len(x)) on a diverging colour scale centred at zero, red where they are positive; if all have
    one sign, on the colours of that sign.  Those below `lowest` have its colour, infinite ones that of the end of the
    scale.

    The scale is symmetric, or, where one side is more than four times as long as the other, each side has its own:
    `colour_bar` says so."""
    known, finite = exponent[~np.isnan(exponent)], exponent[np.isfinite(exponent)]
    top, bottom = np.max(finite, initial=-np.inf), max(lowest, np.min(finite, initial=np.inf))
    if len(finite) and (known.min() > 0 or known.max() < 0):
        look = {"cmap": "Reds" if bottom > 0 else "Blues_r", "norm": Normalize(min(bottom, top), top)}
    else:
        top, bottom = max(top, SMALLEST), min(bottom, -SMALLEST)
        look = {"cmap": "RdBu_r", "norm": diverging(bottom, top)}
    return plane(ax, x, y, np.maximum(exponent, bottom), **look)


def diverging(low: float, high: float) -> Normalize:
    """A scale of colours whose middle is zero, for values from low < 0 to high > 0: symmetric, or with a scale for each
    side where they would be too different to be seen on one."""
    largest = max(-low, high)
    if largest <= UNEQUAL * min(-low, high):
        return Normalize(-largest, largest)
    return TwoSlopeNorm(0.0, low, high)


def scale_words(norm: Any) -> str:
    """What a colour bar says of its scale, on a line of its own: both scales where there are two."""
    if not isinstance(norm, TwoSlopeNorm):
        return ""
    return f"\nscales differ: blue {norm.vmin:.2g} to 0, red 0 to {norm.vmax:.2g}".replace("-", "−")


def colour_bar(
    colours: ScalarMappable, ax: Axes | Sequence[Axes], values: np.ndarray, *, label: str, location: str = "right"
) -> Colorbar:
    """The colour bar of one panel, or of several that share it, with ticks on both sides of zero, what is said of its
    scale, and ends that are pointed where values lie beyond it.

    Beside further panels it belongs above its own: location="top".
    """
    panels = list(np.ravel(np.array(ax, dtype=object)))
    norm: Any = colours.norm
    signed, short = norm.vmin < 0 < norm.vmax, location in ("top", "bottom")
    return panels[0].figure.colorbar(
        colours,
        ax=panels,
        location=location,
        label=label + scale_words(norm),
        ticks=signed_ticks(norm, count=2 if short else 4) if signed else None,
        format=_number if signed else None,
        extend=extended(values, norm),
    )


def valid_time_plane(ax: Axes, x: np.ndarray, y: np.ndarray, times: np.ndarray) -> QuadMesh:
    """Valid times (len(y), len(x)), from zero upwards; infinite ones have the colour of the longest."""
    top = np.max(times[np.isfinite(times)], initial=1.0)
    return plane(ax, x, y, np.minimum(times, top), cmap="viridis", vmin=0.0, vmax=top)


def zero_line(ax: Axes, x: np.ndarray, y: np.ndarray, exponent: np.ndarray, *, color: str):
    """The line where the exponent (len(y), len(x)) changes sign, or None where it does not.

    Between the points the exponent is interpolated by monotone cubic polynomials on the scales of the axes, which have
    no zeros of their own (Fritsch & Carlson, SIAM J. Numer. Anal. 17, 238, 1980).
    """
    if len(x) > 1 and len(y) > 1 and np.nanmin(exponent, initial=0) < 0 < np.nanmax(exponent, initial=0):
        return ax.contour(*smooth(x, y, bounded(exponent)), levels=[0.0], colors=color, linewidths=1.5)
    return None


def extended(values: np.ndarray, norm: Any) -> str:
    """The argument `extend` of matplotlib's colorbar: which ends are pointed because there are values beyond them."""
    margin = 1e-9 * abs(norm.vmax - norm.vmin)
    below, above = bool((values < norm.vmin - margin).any()), bool((values > norm.vmax + margin).any())
    return {(True, True): "both", (True, False): "min", (False, True): "max"}.get((below, above), "neither")


def plane(ax: Axes, x: np.ndarray, y: np.ndarray, values: np.ndarray, **colours) -> QuadMesh:
    """values (len(y), len(x)) as cells around their coordinates; in vector files they are an image."""
    mesh = ax.pcolormesh(_edges(x), _edges(y), values, rasterized=True, **colours)
    scale_axes(ax, x, y)
    return mesh


def scale_axes(ax: Axes, x: np.ndarray, y: np.ndarray | None = None) -> None:
    """Logarithmic scales for axes whose values are geometric sequences."""
    if on_scale(x) is not x:
        ax.set_xscale("log")
    if y is not None and on_scale(y) is not y:
        ax.set_yscale("log")


def _number(value: float, _: int) -> str:
    return f"{value:g}".replace("-", "−")


def signed_ticks(norm, *, count: int = 4) -> np.ndarray:
    """Round numbers, about `count` on each side of zero, which may have different scales."""
    locator = MaxNLocator(count)
    if norm.vmin > 0 or norm.vmax < 0:
        ticks = np.asarray(locator.tick_values(norm.vmin, norm.vmax))
        return ticks[(ticks >= norm.vmin) & (ticks <= norm.vmax)]
    below, above = (np.asarray(locator.tick_values(*ends)) for ends in ((norm.vmin, 0.0), (0.0, norm.vmax)))
    ticks = np.union1d(below[below <= 0], above[above >= 0])
    return ticks[(ticks >= norm.vmin) & (ticks <= norm.vmax)]


def _edges(values: np.ndarray) -> np.ndarray:
    """The edges of cells with centres `values`, half way between them on the scale of the axis."""
    scaled = on_scale(values)
    if scaled is not values:
        return np.exp(_edges(scaled))
    gaps = np.diff(values) / 2 if len(values) > 1 else np.array([0.5])
    return np.concatenate(
        [[values[0] - gaps[0]], values[:-1] + gaps if len(values) > 1 else [], [values[-1] + gaps[-1]]]
    )
