"""Spectra: how they settle, and how they fall."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cocycle.plotting.sweeps import STYLE


def convergence_figure(result: Any, *, unit: str = "per unit time", most: int = 10) -> Figure:
    """The running estimates of a `Spectrum` with their bands of two standard errors, beside the spectrum reached.

    `unit` is that of the exponents.  Of a batch the mean over its members, with the scatter among them as the band; no
    more than the first `most` exponents on the left.
    """
    times, exponents, errors = (np.asarray(a) for a in result.running())
    final, error = np.asarray(result.exponents), np.asarray(result.standard_error)
    if final.ndim > 1:
        members = exponents.reshape(len(times), -1, final.shape[-1])
        exponents, errors = members.mean(1), members.std(1, ddof=1) / 2
        final, error = exponents[-1], np.asarray(result.scatter)
    with plt.style.context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.1), layout="constrained")
        for i in range(min(most, len(final))):
            (line,) = left.plot(times, exponents[:, i], label=f"λ{i + 1}")
            low, high = exponents[:, i] - 2 * errors[:, i], exponents[:, i] + 2 * errors[:, i]
            left.fill_between(times, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
        left.axhline(0, color="black", linewidth=0.8)
        later = np.concatenate([exponents[len(times) // 20 :, :most].ravel(), [0.0]])  # not where it has just begun
        margin = 0.1 * np.ptp(later) + 1e-12
        left.set_ylim(later.min() - margin, later.max() + margin)
        left.set_xlabel("time")
        left.set_ylabel(f"running exponents ({unit})")
        left.legend(ncols=1, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        spectrum_points(right, final, error, unit=unit)
    return figure


def spectrum_points(ax: Axes, exponents: np.ndarray, errors: np.ndarray, *, unit: str = "per step"):
    """Exponents (k,) against their index, with bars of two errors (k,) and a line at zero."""
    ax.axhline(0, color="black", linewidth=0.8)
    points = ax.errorbar(np.arange(1, len(exponents) + 1), exponents, 2 * np.nan_to_num(errors), fmt="o", markersize=3)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("index i")
    ax.set_ylabel(f"exponent λᵢ ({unit})")
    return points
