"""The map from event to event of a flow with events."""

import dataclasses
from typing import Any, final

import numpy as np

from cocycle.events import HybridFlow
from cocycle.formulas.of_time import depends_on_time
from cocycle.maps import Map


@final
@dataclasses.dataclass(frozen=True, eq=False)
class ReturnMap(Map):
    """The map from the state after one event to the state after the next: the impact map.

    It takes the time 1, so that exponents are per event; `times` are those between events.  Its values lie on the
    surface after the reset, so that one exponent is -inf: take at most n - 1 vectors.  Raises ArithmeticError
    where there is no event within the time `longest`, ValueError for an equation that depends on time: its state needs
    the time, `ForcedFlow.autonomous`.
    """

    flow: HybridFlow
    longest: float = 1000.0

    def __post_init__(self):
        if not self.longest > 0:
            raise ValueError(f"longest must be a positive time; got {self.longest!r}")
        if not isinstance(self.flow, HybridFlow):
            raise TypeError(f"flow must be one with events, HybridFlow(flow, event); got {type(self.flow).__name__}")
        if depends_on_time(self.flow.flow.equation):
            raise ValueError(
                "flow must not depend on time: take ForcedFlow(...).autonomous(), whose state has the time"
            )

    @property
    def order(self):
        return self.flow.order

    @property
    def batch(self):
        return self.flow.batch

    def refined(self):
        return dataclasses.replace(self, flow=self.flow.refined())

    def __call__(self, x):
        return self._advanced(x)[0][0]

    def tangent(self, x, q):
        return self._advanced(x, q)[0]

    def times(self, x: np.ndarray) -> np.ndarray:
        """The times (*batch,) from the states (*batch, n) to the next event."""
        return self._advanced(x)[1]

    def _advanced(self, *parts: Any) -> tuple[tuple, np.ndarray]:
        batch, rows = self.flow.rows(parts)
        rows = tuple(row.copy() for row in rows)
        active, flow = np.flatnonzero(np.isfinite(rows[0]).all(-1)), self.flow.pieces[0]
        times = np.zeros(len(rows[0]))
        for _ in range(int(np.ceil(self.longest / flow.dt))):
            own, some = flow.of_members(active), tuple(row[active] for row in rows)
            end = own.applied(some)
            passed = self.flow.passed(end[0])
            hit = passed.any(0)
            for row, moved in zip(rows, end, strict=True):
                row[active] = moved
            times[active[~hit]] += flow.dt
            if hit.any():
                here, start = tuple(part[hit] for part in some), np.zeros((int(hit.sum()), 1))
                found, step = self.flow.next_event(
                    own.of_members(hit), here, start, passed[:, hit], at_fixed_time=False
                )
                for row, jumped in zip(rows, found, strict=True):
                    row[active[hit]] = jumped
                times[active[hit]] += step[:, 0]
            active = active[~hit & np.isfinite(end[0]).all(-1)]
            if not len(active):
                whole = tuple(row.reshape(*batch, *row.shape[1:]) for row in rows)
                return whole, times.reshape(batch)
        start = parts[0].reshape(-1, rows[0].shape[-1])[active[0] if self.batch == () else 0]
        raise ArithmeticError(
            f"an event must be reached within longest={self.longest:g}; from {start} it is not: take a longer time, or"
            " another surface"
        )
