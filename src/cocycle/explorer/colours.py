"""The colours of planes: from low to high, or diverging from zero where values have both signs.

A diverging scale is symmetric, or, where one side would have no colours so, has a scale for each side, which is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from bokeh.models import ContinuousColorMapper, LinearColorMapper, LogColorMapper
from bokeh.palettes import RdBu11, Viridis256, interp_palette

from cocycle.sweeps.records import Status

TAIL = 0.005  # of many values at either end, that have the colour of the end: one outlier must not hide all others
CLEAR = "#00000000"
STATES = {Status.TO_DO: "#e4e4e4", Status.DONE: CLEAR, Status.FAILED: "#3d3d3d", Status.DIED: "#3d3d3d"}
STATES |= {Status.LEFT_OUT: CLEAR}
STEPS = 1024  # of a diverging scale
BLUE_TO_RED = tuple(interp_palette(RdBu11, STEPS))
UNEQUAL = 4.0  # ratio of the ranges on the two sides of zero above which each has a scale of its own


@final
@dataclass(frozen=True)
class Colours:
    """The colours of the values from `low` to `high`, and what is said of them."""

    low: float
    high: float
    diverging: bool
    logarithmic: bool
    words: str

    @property
    def palette(self) -> Sequence[str]:
        if not self.diverging:
            return Viridis256
        values = np.linspace(self.low, self.high, STEPS)
        parts = values / np.where(values < 0, -self.low, self.high)  # -1 blue, 0 white, 1 red
        return [BLUE_TO_RED[i] for i in np.rint((parts + 1) / 2 * (STEPS - 1)).astype(int)]

    def mapper(self, without_value: str = CLEAR) -> ContinuousColorMapper:
        kind = LogColorMapper if self.logarithmic else LinearColorMapper
        return kind(palette=self.palette, low=self.low, high=self.high, nan_color=without_value)


def colours(arrays: Sequence[np.ndarray], *, logarithmic: bool = False) -> Colours:
    """One scale for several arrays of values.  Of a logarithmic scale, the values above zero have colours."""
    values = np.concatenate([array.ravel() for array in arrays])
    finite = values[np.isfinite(values)]
    shown = finite[finite > 0] if logarithmic else finite
    if not len(shown):
        return Colours(0.1, 1.0, False, logarithmic, "no value has a colour")
    tail = TAIL if len(shown) * TAIL >= 1 else 0.0
    low, high = (float(end) for end in np.quantile(shown, (tail, 1 - tail)))
    diverging = not logarithmic and float(shown.min()) < 0 < float(shown.max())
    if diverging:
        low, high = _diverging(min(low, float(shown.min()) * TAIL), max(high, float(shown.max()) * TAIL))
    if not low < high:
        low, high = (low / 2, low * 2) if logarithmic else (low - max(abs(low), 1) / 2, low + max(abs(low), 1) / 2)
    split = [f"two scales: blue {low:.3g} to 0, red 0 to {high:.3g}"] if diverging and low != -high else []
    return Colours(low, high, diverging, logarithmic, "; ".join([*split, *_beyond(values, low, high, logarithmic)]))


def _diverging(low: float, high: float) -> tuple[float, float]:
    """The ends of a scale with its middle at zero, for values from low < 0 to high > 0."""
    largest = max(-low, high)
    return (-largest, largest) if largest <= UNEQUAL * min(-low, high) else (low, high)


def _beyond(values: np.ndarray, low: float, high: float, logarithmic: bool) -> list[str]:
    said = []
    beyond = int((values > high).sum() + ((values < low) & ((values > 0) | (not logarithmic))).sum())
    if beyond:
        said.append(f"colours end at {low:.3g} and {high:.3g}, {beyond} values are beyond")
    below = int((values <= 0).sum()) if logarithmic else 0
    if below:
        said.append(f"{below} values ≤ 0 have no colour on a logarithmic scale")
    return said
