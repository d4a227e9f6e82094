"""Surfaces in state space, as formulas of one number."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np


@final
@dataclass(frozen=True, eq=False)
class Height:
    """A function of a state that is zero on the surface, as a function (n,) -> (1,)."""

    surface: Callable[[Any], Any]

    @property
    def name(self) -> str:
        return "surface"

    def __call__(self, u: Any) -> Any:
        height = self.surface(u)
        shape = np.shape(getattr(height, "operands", height))
        if shape:
            raise TypeError(f"surface must give one number of a state, as lambda u: u[0] does; got shape {shape}")
        return np.stack([height])
