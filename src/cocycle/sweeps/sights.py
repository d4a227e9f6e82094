"""What a study's `look(point, rng)` returns, to be drawn by whoever asked: lines, and planes with curves on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np


@final
@dataclass(frozen=True, eq=False)
class Lines:
    """`lines` (n,) against x (n,), by their names."""

    title: str
    x: np.ndarray
    lines: Mapping[str, np.ndarray]
    x_label: str
    y_label: str


@final
@dataclass(frozen=True, eq=False)
class Surface:
    """`values` (len(y), len(x)) over evenly spaced x and y; on that plane `curves`, each (m, 2), and single points
    `marks` (m, 2), by their names."""

    title: str
    x: np.ndarray
    y: np.ndarray
    values: np.ndarray
    x_label: str
    y_label: str
    label: str
    curves: Mapping[str, Sequence[np.ndarray]] = field(default_factory=dict)
    marks: Mapping[str, np.ndarray] = field(default_factory=dict)


Sight = Lines | Surface
