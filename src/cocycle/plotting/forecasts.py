"""Forecasts beside the truth."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from cocycle.plotting.sweeps import STYLE


def forecast_figure(
    prediction: np.ndarray,
    truth: np.ndarray,
    *,
    lyapunov_time: float,
    valid_time: float | None = None,
    names: Sequence[str] | None = None,
) -> Figure:
    """Prediction and truth (time, m), one component above the other, against time in Lyapunov times.

    `lyapunov_time` in steps; `valid_time`, in Lyapunov times, is marked if given.  Raises ValueError for shapes that
    do not fit.
    """
    prediction, truth = np.asarray(prediction), np.asarray(truth)
    if prediction.shape != truth.shape or truth.ndim != 2:
        raise ValueError(f"prediction and truth must both have shape (time, m); got {prediction.shape}, {truth.shape}")
    names = names or [f"component {i + 1}" for i in range(truth.shape[1])]
    time = np.arange(1, len(truth) + 1) / lyapunov_time
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(
            len(names), 1, figsize=(8, 1 + 1.4 * len(names)), sharex=True, squeeze=False, layout="constrained"
        )
        for ax, name, true, predicted in zip(axes[:, 0], names, truth.T, prediction.T, strict=True):
            ax.plot(time, true, color="black", label="truth")
            ax.plot(time, predicted, color="tab:orange", linestyle="--", label="forecast")
            if valid_time is not None:
                ax.axvline(valid_time, color="tab:blue", linewidth=1, label="valid time")
            ax.set_ylabel(name)
        axes[0, 0].legend(ncols=3, loc="upper right")
        axes[-1, 0].set_xlabel("time (Lyapunov times)")
    return figure
