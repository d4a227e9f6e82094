"""A run that ends when the standard errors of its exponents are as small as wished.

A run that stops at the first error bar below the wish stops, more often than not, at one that is too small by chance.
So the wish must hold for the error bars of the last few checks together, each scaled to the present length of the
record, T^(-1/2), and the checks are far apart: `benchmarks/stopping.py` measures how many of the intervals cover.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Sequence
from typing import final

import numpy as np

from cocycle.arrays import Array, as_numpy, namespace
from cocycle.lyapunov.errors import standard_errors

FIRST = 100  # groups before the first check
FACTOR = 1.25  # by which the record grows between two checks, at least
CHECKS = 5  # of which all must find the errors small enough


@final
class Stopping:
    """Whether the standard errors of k exponents are at most `wish`, a number or one for each, inf for any error.

    Raises ValueError for a wish that is not positive, or of another shape.
    """

    def __init__(self, wish: float | Sequence[float], k: int):
        wishes = np.asarray(wish, dtype=float)
        if wishes.shape not in ((), (k,)) or not (wishes > 0).all() or (wishes == np.inf).all():
            raise ValueError(
                f"until must be a positive standard error, or one for each of the k={k} exponents, inf for any that may"
                f" have any; got {wish!r}"
            )
        self.wish = np.broadcast_to(wishes, (k,))
        self.next, self.fraction, self.reached = FIRST, np.nan, False
        self.found: deque[np.ndarray] = deque(maxlen=CHECKS)

    def enough(self, growth: Sequence[Array], times: Sequence[np.ndarray]) -> bool:
        """Whether the records of growth (groups, *batch, k) and times (groups,), one after the other, are enough."""
        count = sum(map(len, times))
        if count < self.next:
            return False
        self.next = int(np.ceil(FACTOR * count))
        whole, clock = namespace(growth[0]).concatenate(list(growth)), np.concatenate(times)
        like = namespace(whole).asarray(clock, dtype=whole.dtype, device=whole.device)
        with np.errstate(all="ignore"):
            errors = as_numpy(standard_errors(whole, like, np.array([count])))[0]
            relative = (errors / self.wish).reshape(-1, len(self.wish))
        healthy = np.isfinite(as_numpy(whole[-1])).all(-1).ravel()
        self.found.append(relative[healthy].max() * clock.sum() ** 0.5)
        self.fraction = max(self.found) / clock.sum() ** 0.5
        self.reached = len(self.found) == CHECKS and bool(self.fraction <= 1)
        return self.reached

    def expected(self, transient: int, maps: int, total: int | None) -> int | None:
        """The number of maps in all, from the errors after so many, which fall as T^(-1/2); at most `total`."""
        if not np.isfinite(self.fraction):
            return total
        wanted = transient + int(maps * max(self.fraction, 1.0) ** 2)
        return wanted if total is None else min(wanted, total)

    def warn(self, stacklevel: int) -> None:
        """Warn unless the last checks found the errors small enough."""
        if not self.reached:
            warnings.warn(
                f"the standard errors of the exponents are {self.fraction:.2g} times those wished with `until`: take"
                f" about {max(self.fraction, 1.1) ** 2:.2g} times as many steps",
                stacklevel=stacklevel,
            )
