"""Figures of spectra: running exponents, final exponents, angles of covariant vectors."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cocycle.arrays import as_numpy
from cocycle.plotting.panels import STYLE


def running_exponents(ax: Axes, result: Any, *, unit: str | None = None, most: int = 10):
    """The running estimates of a `Spectrum` against time, with bands of two standard errors and a line at zero.

    For a batch the lines are means over its members, and the bands their scatter.  Only the first `most` are shown.
    Exponents of -inf, as of a projection, appear in the legend only.
    """
    with np.errstate(invalid="ignore"):  # an exponent of -inf has no error
        times, exponents, errors = map(as_numpy, result.running())
    if exponents.ndim > 2:
        members = exponents.reshape(len(times), -1, exponents.shape[-1])
        with np.errstate(invalid="ignore"):  # an exponent of -inf has no scatter
            exponents, errors = members.mean(1), members.std(1, ddof=1) / 2
    lines = []
    for i in range(min(most, exponents.shape[-1])):
        end = ", -∞" if np.isneginf(exponents[-1, i]) else ""
        lines += ax.plot(times, exponents[:, i], label=f"λ{i + 1}{end}")
        low, high = exponents[:, i] - 2 * errors[:, i], exponents[:, i] + 2 * errors[:, i]
        ax.fill_between(times, low, high, color=lines[-1].get_color(), alpha=0.2, linewidth=0)
    ax.axhline(0, color="black", linewidth=0.8)
    later = np.concatenate(
        [exponents[len(times) // 20 :, :most].ravel(), [0.0]]
    )  # without the first twentieth, which varies most
    later = later[np.isfinite(later)]
    margin = 0.1 * np.ptp(later) + 1e-12
    ax.set(
        ylim=(later.min() - margin, later.max() + margin),
        xlabel="time",
        ylabel=f"running exponents ({unit or result.unit})",
    )
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
    """`running_exponents` and `spectrum_points` of a `Spectrum`; the unit is that of the result unless given."""
    with plt.style.context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.1), layout="constrained")
        running_exponents(left, result, unit=unit, most=most)
        left.legend(ncols=1, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        spectrum_points(right, result, unit=unit)
    return figure


def angle_histograms(ax: Axes, angles: np.ndarray, *, bins: int = 60):
    """The distributions of the angles (time, k, k) between covariant vectors, in degrees: a line for each pair.

    At an angle of zero two directions are tangent.
    """
    angles, lines = np.degrees(as_numpy(angles)), []
    if angles.ndim != 3 or angles.shape[1] != angles.shape[2] or angles.shape[1] < 2:
        raise ValueError(f"angles must have shape (time, k, k), k at least 2; got {angles.shape}")
    for i in range(angles.shape[1]):
        for j in range(i + 1, angles.shape[1]):
            density, borders = np.histogram(angles[:, i, j], bins=bins, range=(0, 90), density=True)
            lines.append(ax.stairs(density, borders, label=f"v{i + 1}, v{j + 1}"))
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
    filled = result.converged.reshape(each.shape).all(0)
    bars = ax.errorbar(index, result.mean, 2 * np.nan_to_num(result.standard_error), fmt="none", ecolor="C0")
    ax.plot(index[filled], result.mean[filled], "o", color="C0", markersize=4)
    ax.plot(index[~filled], result.mean[~filled], "o", color="C0", markersize=4, fillstyle="none")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="index i", ylabel="exponent λᵢ (per layer)")
    return bars
