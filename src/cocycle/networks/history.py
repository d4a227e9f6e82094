"""The record of a training."""

from dataclasses import dataclass
from typing import final

import numpy as np

from cocycle.results import Plotted


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
