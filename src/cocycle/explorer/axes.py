"""An axis of a plane on a page: where its values stand, and what is written there.

Values at equal distances stand where they are, a geometric sequence by its decadic logarithms, and all others, words
too, in their order: in each case the cells of an image have one width.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from cocycle.explorer.view import value_text
from cocycle.sweeps.coordinates import is_geometric
from cocycle.sweeps.text import one_line

TICKS = 7  # on an axis, about
SUBDIVISIONS = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0))  # of a decade


@final
@dataclass(frozen=True, eq=False)
class PlaneAxis:
    """values (n,) stand at `start` + (i + 1/2) `step` for i = 0..n-1; `ticks` are places and what stands there, none
    where the places are the values themselves."""

    name: str
    label: str
    values: np.ndarray
    start: float
    step: float
    ticks: dict[float, str]

    @property
    def length(self) -> float:
        return self.step * len(self.values)

    @property
    def end(self) -> float:
        return self.start + self.length

    @property
    def centres(self) -> np.ndarray:
        """Where the values stand, (n,)."""
        return self.start + (np.arange(len(self.values)) + 0.5) * self.step

    @property
    def texts(self) -> list[str]:
        """The values, to be read."""
        return [one_line(value_text(value)) for value in self.values]

    def cell(self, place: float) -> int | None:
        """The number of the cell at a place, None beside them all."""
        i = int(np.floor((place - self.start) / self.step)) if np.isfinite(place) else -1
        return i if 0 <= i < len(self.values) else None


def plane_axis(name: str, label: str, values: np.ndarray) -> PlaneAxis:
    """The axis with these values."""
    if values.dtype.kind in "iuf" and len(values) > 1:
        gaps = np.diff(values.astype(float))
        if gaps[0] > 0 and np.ptp(gaps) <= 1e-6 * gaps[0]:
            step = float(values[-1] - values[0]) / (len(values) - 1)
            return PlaneAxis(name, label, values, float(values[0]) - step / 2, step, {})
        if is_geometric(values) and values[1] > values[0]:
            low, high = np.log10(values[[0, -1]].astype(float))
            step = float(high - low) / (len(values) - 1)
            return PlaneAxis(name, label, values, float(low) - step / 2, step, decades(low - step / 2, high + step / 2))
    return PlaneAxis(name, label, values, -0.5, 1.0, _in_order(values))


def decades(low: float, high: float) -> dict[float, str]:
    """Ticks at 1, 2, 5, or fewer, in each decade."""
    found: dict[float, str] = {}
    for factors in SUBDIVISIONS:
        powers = range(int(np.floor(low)), int(np.ceil(high)) + 1)
        places = [float(np.log10(factor) + power) for power in powers for factor in factors]
        ticks = {place: f"{10**place:.3g}" for place in places if low <= place <= high}
        if found and len(ticks) > TICKS:
            break
        found = ticks
    every = -(-len(found) // TICKS)
    return dict(list(found.items())[::every]) if found else {low: f"{10**low:.3g}", high: f"{10**high:.3g}"}


def _in_order(values: np.ndarray) -> dict[float, str]:
    every = -(-len(values) // TICKS) if values.dtype.kind in "iuf" else 1
    return {float(i): one_line(value_text(values[i])) for i in range(0, len(values), every)}
