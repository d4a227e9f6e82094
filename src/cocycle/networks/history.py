"""The record of a training."""

from dataclasses import dataclass
from typing import final

import numpy as np

from cocycle.results import Plotted, html_table


@final
@dataclass(frozen=True, eq=False)
class History(Plotted):
    """The mean loss of each epoch (epochs,), and the `error` on the held-out samples after it (epochs,)."""

    loss: np.ndarray
    error: np.ndarray

    def __repr__(self):
        if not len(self.loss):
            return "History of 0 epochs"
        return f"History of {len(self.loss)} epochs: loss {self.loss[-1]:.4g}, held-out error {self.error[-1]:.4g}"

    def _repr_html_(self):
        epochs = sorted({0, len(self.loss) // 2, len(self.loss) - 1}) if len(self.loss) else []
        rows = [(i + 1, f"{self.loss[i]:.4g}", f"{self.error[i]:.4g}") for i in epochs]
        return html_table(f"History of {len(self.loss)} epochs", ("epoch", "loss", "held-out error"), rows)
