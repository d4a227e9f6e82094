"""Colour plots over two axes: exponents with a scale centred at zero, valid times, zero lines, ticks of colour bars."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.ticker import MaxNLocator


def exponent_plane(ax: Axes, x: np.ndarray, y: np.ndarray, exponent: np.ndarray, *, lowest: float = -2.0) -> QuadMesh:
    """Exponents (len(y), len(x)) on a diverging colour scale centred at zero, red where they are positive; if all have
    one sign, on the colours of that sign.  Those below `lowest` have its colour, infinite ones that of the end of the
    scale."""
    known, finite = exponent[~np.isnan(exponent)], exponent[np.isfinite(exponent)]
    top, bottom = np.max(finite, initial=-np.inf), max(lowest, np.min(finite, initial=np.inf))
    if len(finite) and (known.min() > 0 or known.max() < 0):
        look = {"cmap": "Reds" if bottom > 0 else "Blues_r", "norm": Normalize(min(bottom, top), top)}
    else:
        top, bottom = max(top, 0.1), min(bottom, -0.1)
        look = {"cmap": "RdBu_r", "norm": TwoSlopeNorm(0.0, bottom, top)}
    return plane(ax, x, y, np.maximum(exponent, bottom), **look)


def valid_time_plane(ax: Axes, x: np.ndarray, y: np.ndarray, times: np.ndarray) -> QuadMesh:
    """Valid times (len(y), len(x)), from zero upwards; infinite ones have the colour of the longest."""
    top = np.max(times[np.isfinite(times)], initial=1.0)
    return plane(ax, x, y, np.minimum(times, top), cmap="viridis", vmin=0.0, vmax=top)


def zero_line(ax: Axes, x: np.ndarray, y: np.ndarray, exponent: np.ndarray, *, color: str):
    """The line where the exponent changes sign, or None where it does not."""
    if len(x) > 1 and len(y) > 1 and np.nanmin(exponent, initial=0) < 0 < np.nanmax(exponent, initial=0):
        return ax.contour(x, y, bounded(exponent), levels=[0.0], colors=color, linewidths=1.5)
    return None


def bounded(values: np.ndarray) -> np.ndarray:
    """values with infinities at twice the largest finite modulus, so that contour lines near them are drawn."""
    largest = 2 * np.max(abs(values[np.isfinite(values)]), initial=0.5)
    return np.clip(values, -largest, largest)


def extended(values: np.ndarray) -> str:
    """The argument `extend` of matplotlib's colorbar: which ends are pointed because there are infinite values."""
    below, above = bool(np.isneginf(values).any()), bool(np.isposinf(values).any())
    return {(True, True): "both", (True, False): "min", (False, True): "max"}.get((below, above), "neither")


def plane(ax: Axes, x: np.ndarray, y: np.ndarray, values: np.ndarray, **colours) -> QuadMesh:
    mesh = ax.pcolormesh(_edges(x), _edges(y), values, **colours)
    scale_axes(ax, x, y)
    return mesh


def scale_axes(ax: Axes, x: np.ndarray, y: np.ndarray | None = None) -> None:
    """Logarithmic scales for axes whose values are geometric sequences."""
    if is_geometric(x):
        ax.set_xscale("log")
    if y is not None and is_geometric(y):
        ax.set_yscale("log")


def signed_ticks(norm) -> np.ndarray:
    """Round numbers on both sides of zero, because the two halves of a TwoSlopeNorm have different scales."""
    locator = MaxNLocator(4)
    if norm.vmin > 0 or norm.vmax < 0:
        ticks = np.asarray(locator.tick_values(norm.vmin, norm.vmax))
        return ticks[(ticks >= norm.vmin) & (ticks <= norm.vmax)]
    below, above = (np.asarray(locator.tick_values(*ends)) for ends in ((norm.vmin, 0.0), (0.0, norm.vmax)))
    ticks = np.union1d(below[below <= 0], above[above >= 0])
    return ticks[(ticks >= norm.vmin) & (ticks <= norm.vmax)]


def is_geometric(values: np.ndarray) -> bool:
    return len(values) > 2 and values.min() > 0 and bool(np.ptp(np.diff(np.log(values))) < 1e-6)


def _edges(values: np.ndarray) -> np.ndarray:
    """The edges of cells with centres `values`, half way between them on the scale of the axis."""
    if is_geometric(values):
        return np.exp(_edges(np.log(values)))
    gaps = np.diff(values) / 2 if len(values) > 1 else np.array([0.5])
    return np.concatenate(
        [[values[0] - gaps[0]], values[:-1] + gaps if len(values) > 1 else [], [values[-1] + gaps[-1]]]
    )
