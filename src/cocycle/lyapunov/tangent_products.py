"""The product of tangent maps at one state, as products with few vectors and covectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import final

import numpy as np

from cocycle.arrays import Frame, State, as_numpy, like
from cocycle.maps import Map, cotangent, orbit

AT_ONCE = 16  # vectors that are pushed together


@final
@dataclass(eq=False)
class Product:
    """J = Df_L ... Df_1 at one state, as products with vectors (n, k) and covectors (p, k) in double precision.

    `states` are those before each map and the last; `parts` the products with the derivative of each map and with its
    transpose.  Each map is divided by a number of `scales`, so that nothing overflows.  `count` is the number of
    products with single vectors so far.
    """

    steps: tuple[Map, ...]
    states: list[State]
    parts: list[tuple[Callable, Callable]]
    scales: list[float]
    count: int

    @classmethod
    def at(cls, steps: Sequence[Map], x: State) -> Product:
        """The product at the state x (n,), scaled by its effect on a random vector."""
        states, scales = [x, *orbit(steps, x)], []
        parts: list[tuple[Callable, Callable]] = [
            (partial(_pushed, step, state), partial(cotangent, step, state))
            for step, state in zip(steps, states[:-1], strict=True)
        ]
        vector = np.random.default_rng(0).normal(size=(x.shape[-1], 1))
        for push, _ in parts:
            vector = as_numpy(push(like(vector, x))).astype(float)
            largest = float(abs(vector).max())  # squares might underflow or overflow
            size = largest * float(np.linalg.norm(vector / largest)) if 0 < largest < np.inf else 0.0
            scales.append(size if 0 < size < np.inf else 1.0)
            vector = vector / scales[-1]
        return cls(tuple(steps), states, parts, scales, 1)

    def linearise(self, memory: float) -> None:
        """Trace the derivatives of the maps once, as far as these need so much memory and many products gain by it."""
        for i, (step, state) in enumerate(zip(self.steps, self.states[:-1], strict=True)):
            shared = step.linearised(state, memory)
            if shared is not None:
                memory -= shared.memory
                self.parts[i] = shared.pushed, shared.pulled

    def first(self, count: int) -> Product:
        """The product of the first maps only, with one product so far."""
        return Product(self.steps[:count], self.states[: count + 1], self.parts[:count], self.scales[:count], 1)

    @property
    def dimensions(self) -> list[int]:
        """Those of the states."""
        return [state.shape[-1] for state in self.states]

    @property
    def finite(self) -> bool:
        """Whether all states are."""
        return all(bool(np.isfinite(as_numpy(state)).all()) for state in self.states)

    @property
    def log_scale(self) -> float:
        """The logarithm of the product of the scales."""
        return float(np.log(self.scales).sum())

    def pushed(self, q: np.ndarray) -> np.ndarray:
        """J q / exp(log_scale)."""
        return self._through(q, [push for push, _ in self.parts], self.scales)

    def pulled(self, p: np.ndarray) -> np.ndarray:
        """Jᵀ p / exp(log_scale)."""
        return self._through(p, [pull for _, pull in reversed(self.parts)], self.scales[::-1])

    def _through(self, q: np.ndarray, products: Sequence[Callable], scales: Sequence[float]) -> np.ndarray:
        self.count += q.shape[-1]
        done = []
        for i in range(0, q.shape[-1], AT_ONCE):
            block = like(q[:, i : i + AT_ONCE], self.states[0])
            for product, scale in zip(products, scales, strict=True):
                block = product(block) / scale
            done.append(as_numpy(block).astype(float))
        return np.concatenate(done, axis=-1)


def _pushed(step: Map, x: State, q: Frame) -> Frame:
    return step.tangent(x, q)[1]
