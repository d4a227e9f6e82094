"""Figures of spectra: running exponents, final exponents, angles of covariant vectors."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cocycle.arrays import as_numpy
from cocycle.labels import TIMES, indexed
from cocycle.plotting.panels import mosaic
from cocycle.plotting.paper import own_style, stacked

FEW = 6  # exponents with an axis for each
APART = 10.0  # times the range within which each exponent converges: then they share no axis
DISTINCT = 10  # colours of matplotlib's cycle
NAMED = 8  # lines of more than that which a legend names


def running_exponents(ax: Axes, result: Any, *, unit: str | None = None, most: int = 10):
    """The running estimates of a `Spectrum` against time, with bands of two standard errors and a line at zero.

    For a batch the lines are means over its members, and the bands their standard deviation.  Only the first `most` are
    shown.  Exponents of -inf, as of a projection, appear in the legend only.
    """
    times, exponents, errors = _running(result)
    count = min(most, exponents.shape[-1])
    lines = []
    for i, colour in enumerate(_colours(count)):
        lines += _line(ax, times, exponents[:, i], errors[:, i], colour)
        lines[-1].set_label(_name(i, exponents[-1, i]) if i in _named(count) else f"_{i}")
    ax.axhline(0, color="black", linewidth=0.8)
    _limit(ax, exponents[:, :count], 0.0)
    ax.set(xlabel=TIMES[result.unit], ylabel=f"running exponents ({unit or result.unit})")
    return lines


def spectrum_points(ax: Axes, result: Any, *, unit: str | None = None):
    """The exponents of a `Spectrum` against their index, with bars of two standard errors and a line at zero.

    For a batch these are means over its members, with bars of two standard deviations.  Exponents of -inf are triangles
    at the lower edge.
    """
    exponents, errors = as_numpy(result.exponents), as_numpy(result.standard_error)
    if exponents.ndim > 1:
        exponents, errors = exponents.reshape(-1, exponents.shape[-1]).mean(0), as_numpy(result.scatter)
    ax.axhline(0, color="black", linewidth=0.8)
    points = ax.errorbar(np.arange(1, len(exponents) + 1), exponents, 2 * np.nan_to_num(errors), fmt="o", markersize=3)
    below = np.flatnonzero(np.isneginf(exponents)) + 1
    if len(below):  # an empty line that is not clipped takes the room of the whole figure
        ax.plot(below, np.zeros(len(below)), "v", transform=ax.get_xaxis_transform(), clip_on=False, label="-∞")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="index i", ylabel=f"exponent λᵢ ({unit or result.unit})")
    return points


def convergence_figure(result: Any, *, unit: str | None = None, most: int = 10) -> Figure:
    """The running exponents and the final ones of a `Spectrum`; the unit is that of the result unless given.

    Up to six exponents whose values differ by more than ten times the range within which they converge have an axis
    each; others share the axis of `running_exponents`.  The figure says what bands and bars are.
    """
    times, exponents, errors = _running(result)
    shown = [i for i in range(min(most, exponents.shape[-1])) if np.isfinite(exponents[-1, i])]
    apart = 1 < len(shown) <= FEW and len(shown) == exponents.shape[-1] and _apart(exponents)
    names = [f"λ{i}" for i in (shown if apart else [0])]
    places = [[name] for name in names] + [["all"], ["all"]] if stacked() else [[name, "all"] for name in names]
    with own_style():
        figure, axes = mosaic(places, size=(8, max(3.1, 1.1 * len(places))))
        left, right = [axes[name] for name in names], axes["all"]
        if apart:
            for ax, i, colour in zip(left, shown, _colours(len(shown)), strict=True):
                _line(ax, times, exponents[:, i], errors[:, i], colour)
                _limit(ax, exponents[:, [i]])
                ax.set(ylabel=indexed("λ", i + 1))
            for ax in left[:-1]:
                ax.sharex(left[-1])
                ax.tick_params(labelbottom=False)
            left[-1].set(xlabel=TIMES[result.unit])
            left[0].set_title(f"running exponents ({unit or result.unit})")
        else:
            running_exponents(left[0], result, unit=unit, most=most)
            left[0].legend(ncols=1, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        spectrum_points(right, result, unit=unit)
        figure.supxlabel(_caption(result, min(most, exponents.shape[-1])), fontsize="small")
    return figure


def _running(result: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times, exponents and half the width of their bands; of a batch, mean and standard deviation."""
    with np.errstate(invalid="ignore"):  # an exponent of -inf has no error
        times, exponents, errors = map(as_numpy, result.running())
        if exponents.ndim == 2:
            return times, exponents, 2 * errors
        members = exponents.reshape(len(times), -1, exponents.shape[-1])
        return times, members.mean(1), members.std(1, ddof=1) if members.shape[1] > 1 else np.nan * members[:, 0]


def _line(ax: Axes, times: np.ndarray, values: np.ndarray, width: np.ndarray, colour: Any) -> list:
    ax.fill_between(times, values - width, values + width, color=colour, alpha=0.2, linewidth=0)
    return ax.plot(times, values, color=colour)


def _caption(result: Any, shown: int) -> str:
    """What bands and bars are, and how many exponents are not drawn."""
    count, total = int(np.prod(result.exponents.shape[:-1])), result.exponents.shape[-1]
    words = (
        f"lines: mean of {count} members; bands: ± 1, bars: ± 2 standard deviations over them"
        if result.exponents.ndim > 1
        else "bands and bars: ± 2 standard errors"
    )
    return words + (f"; running: the first {shown} of {total}" if shown < total else "")


def _colours(count: int) -> Iterable[Any]:
    """Colours of lines: those of matplotlib, or, of many, a sequence from the first to the last."""
    if count <= DISTINCT:
        return [f"C{i}" for i in range(count)]
    return colormaps["viridis"](np.linspace(0, 0.9, count))


def _named(count: int) -> set[int]:
    """Which lines have an entry in the legend: all of a few, some of many, with the first and the last."""
    if count <= DISTINCT:
        return set(range(count))
    return set(np.linspace(0, count - 1, NAMED).round().astype(int).tolist())


def _name(i: int, value: float) -> str:
    return indexed("λ", i + 1) + (", -∞" if np.isneginf(value) else "")


def _later(exponents: np.ndarray) -> np.ndarray:
    """Without the first twentieth, which varies most."""
    return exponents[len(exponents) // 20 :]


def _apart(exponents: np.ndarray) -> bool:
    """Whether one axis for all would show some as straight lines."""
    later = _later(exponents)
    smallest = max(float(np.ptp(later, axis=0).min()), 1e-12)
    return float(np.ptp(later)) > APART * smallest


def _limit(ax: Axes, exponents: np.ndarray, *also: float) -> None:
    """The range of the lines and of other values, without that of the beginning."""
    later = np.concatenate([_later(exponents).ravel(), also])
    later = later[np.isfinite(later)]
    if len(later):
        margin = max(0.1 * float(np.ptp(later)), 0.005 * float(abs(later).max()), 1e-12)
        ax.set_ylim(later.min() - margin, later.max() + margin)


def angle_histograms(ax: Axes, angles: np.ndarray, *, bins: int = 60):
    """The distributions of the angles (time, k, k) between covariant vectors, in degrees: a line for each pair.

    At an angle of zero two directions are tangent.  Of more than ten pairs the legend names some.
    """
    angles, lines = np.degrees(as_numpy(angles)), []
    if angles.ndim != 3 or angles.shape[1] != angles.shape[2] or angles.shape[1] < 2:
        raise ValueError(f"angles must have shape (time, k, k), k at least 2; got {angles.shape}")
    pairs = [(i, j) for i in range(angles.shape[1]) for j in range(i + 1, angles.shape[1])]
    for number, ((i, j), colour) in enumerate(zip(pairs, _colours(len(pairs)), strict=True)):
        density, borders = np.histogram(angles[:, i, j], bins=bins, range=(0, 90), density=True)
        lines.append(ax.stairs(density, borders, color=colour))
        named = number in _named(len(pairs))
        lines[-1].set_label(f"{indexed('v', i + 1)}, {indexed('v', j + 1)}" if named else f"_{number}")
    ax.set(xlabel="angle between covariant vectors (degrees)", ylabel="density (per degree)", xlim=(0, 90))
    ax.legend(frameon=False)
    return lines


def leading_points(ax: Axes, result: Any):
    """The exponents of `LeadingExponents` against their index, with a line at zero.

    For many inputs these are their means, with bars of two standard errors, and those of each input in grey.  Exponents
    that have not converged are open circles.
    """
    each = as_numpy(result.exponents).reshape(-1, result.residuals.shape[-1])
    index = np.arange(1, each.shape[1] + 1)
    ax.axhline(0, color="black", linewidth=0.8)
    if len(each) > 1:
        ax.plot(index, each.T, ".", color="0.7", markersize=2, zorder=1)
        ax.set_title(f"mean of {len(each)} inputs (grey: each), bars: ± 2 standard errors")
    filled = result.converged.reshape(each.shape).all(0)
    bars = ax.errorbar(index, result.mean, 2 * np.nan_to_num(result.standard_error), fmt="none", ecolor="C0")
    ax.plot(index[filled], result.mean[filled], "o", color="C0", markersize=4)
    ax.plot(index[~filled], result.mean[~filled], "o", color="C0", markersize=4, fillstyle="none")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="index i", ylabel=f"exponent λᵢ ({result.unit})")
    return bars
