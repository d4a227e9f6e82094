"""The units in which a network sees a series: explicit, and kept with the model."""

from dataclasses import dataclass
from typing import final

import numpy as np

from cocycle.arrays import Array, as_numpy, floating, require_finite, tolerances


@final
@dataclass(frozen=True, eq=False)
class Normalisation:
    """x -> (x - offset) / scale, component by component: offset and scale (m,), or numbers for all components.

    Raises ValueError unless both are finite and scale is positive.
    """

    offset: Array | float = 0.0
    scale: Array | float = 1.0

    def __post_init__(self):
        for name in ("offset", "scale"):
            require_finite(name, np.atleast_1d(getattr(self, name)))
        if not np.all(np.asarray(self.scale) > 0):
            raise ValueError(f"scale must be positive; got {self.scale}")

    @classmethod
    def standard(cls, *series: np.ndarray, name: str = "series") -> "Normalisation":
        """To mean 0 and standard deviation 1 of each component, over all times and members of series (time, *batch, m).

        Raises ValueError for a component that is constant.
        """
        rows = np.concatenate([as_numpy(floating(name, s)).reshape(-1, s.shape[-1]) for s in series])
        refuse_constant(name, rows)
        rows = rows.astype(np.float64, copy=False)  # sums in float32 are good to three digits after a million times
        return cls(rows.mean(axis=0), rows.std(axis=0))

    def applied(self, x: np.ndarray) -> np.ndarray:
        """x (..., m) in the network's units."""
        return (x - self.offset) / self.scale

    def undone(self, x: np.ndarray) -> np.ndarray:
        """x (..., m) in the user's units."""
        return x * self.scale + self.offset

    def part(self, components: slice, width: int) -> "Normalisation":
        """The normalisation of some components of an x of the given width."""
        return Normalisation(*(np.broadcast_to(a, width)[components] for a in (self.offset, self.scale)))


def refuse_constant(name: str, rows: np.ndarray) -> None:
    """Raise ValueError if a component of rows (time, m) is constant to rounding."""
    constant = np.ptp(rows, axis=0) <= 500 * tolerances(rows.dtype).eps * abs(rows).max(axis=0)
    if constant.any():
        raise ValueError(
            f"component {int(constant.argmax())} of the {name} is constant and has no standard deviation: leave it out,"
            " or give a Normalisation with a scale for it"
        )


RAW = Normalisation()
