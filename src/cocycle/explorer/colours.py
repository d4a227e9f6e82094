"""The colours of planes: diverging and symmetric about zero where values have both signs, else from low to high."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from bokeh.models import ContinuousColorMapper, LinearColorMapper, LogColorMapper
from bokeh.palettes import RdBu11, Viridis256, interp_palette

from cocycle.explorer.planes import Plane
from cocycle.sweeps.records import Status

TAIL = 0.005  # of the values at either end, that have the colour of the end: one outlier must not hide all others
CLEAR = "#00000000"
STATES = {Status.TO_DO: "#e4e4e4", Status.DONE: CLEAR, Status.FAILED: "#3d3d3d", Status.DIED: "#3d3d3d"}
STATES |= {Status.LEFT_OUT: CLEAR}
DIVERGING = tuple(interp_palette(RdBu11, 256))  # from blue to red


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
        return DIVERGING if self.diverging else Viridis256

    def mapper(self) -> ContinuousColorMapper:
        kind = LogColorMapper if self.logarithmic else LinearColorMapper
        return kind(palette=self.palette, low=self.low, high=self.high, nan_color=CLEAR)


def colours(planes: Sequence[Plane], *, logarithmic: bool = False) -> Colours:
    """One scale for several planes.  Of a logarithmic scale, the values above zero have colours."""
    values = np.concatenate([plane.values.ravel() for plane in planes])
    finite = values[np.isfinite(values)]
    shown = finite[finite > 0] if logarithmic else finite
    if not len(shown):
        return Colours(0.1, 1.0, False, logarithmic, "no value has a colour")
    low, high = (float(end) for end in np.quantile(shown, (TAIL, 1 - TAIL)))
    diverging = not logarithmic and float(shown.min()) < 0 < float(shown.max())
    if diverging:
        high = max(-low, high)
        low = -high
    if not low < high:
        low, high = (low / 2, low * 2) if logarithmic else (low - max(abs(low), 1) / 2, low + max(abs(low), 1) / 2)
    return Colours(low, high, diverging, logarithmic, _words(values, low, high, logarithmic))


def _words(values: np.ndarray, low: float, high: float, logarithmic: bool) -> str:
    said = []
    beyond = int((values > high).sum() + ((values < low) & ((values > 0) | (not logarithmic))).sum())
    if beyond:
        said.append(f"colours end at {low:.3g} and {high:.3g}, {beyond} values are beyond")
    below = int((values <= 0).sum()) if logarithmic else 0
    if below:
        said.append(f"{below} values ≤ 0 have no colour on a logarithmic scale")
    return "; ".join(said)
