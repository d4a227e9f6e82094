"""Figures of the training of a network, and of its accuracy against its uncertainty."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes


def training_lines(ax: Axes, result: Any):
    """Loss and held-out error of a `History` against the epoch, on a logarithmic axis, where zeros are left out."""
    epochs = np.arange(1, len(result.loss) + 1)
    lines = []
    for values, label in ((result.loss, "loss"), (result.error, "held-out error")):
        values = np.asarray(values)
        lines += ax.plot(epochs, np.where(values > 0, values, np.nan), label=label)
    ax.set(yscale="log", xlabel="epoch", ylabel="loss, error")
    ax.legend(frameon=False)
    return lines


def accuracy_plane(ax: Axes, result: Any):
    """The accuracy of an `AccuracyMap` over entropy and mutual information, with colour bar; empty bins are white."""
    mesh = ax.pcolormesh(result.entropy, result.epistemic, result.accuracy.T, cmap="viridis", vmin=0.0, vmax=1.0)
    ax.set(xlabel="predictive entropy (nats)", ylabel="mutual information (nats)")
    ax.figure.colorbar(mesh, ax=ax, label="accuracy")
    return mesh
