"""The product of tangent maps at one state, as products with few vectors and covectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from cocycle.arrays import Frame, State, as_numpy, like
from cocycle.maps import Map, cotangent, orbit

AT_ONCE = 16  # vectors that are pushed together


class Product:
    """J = Df_L ... Df_1 at one state, as products with vectors (n, k) and covectors (p, k) in double precision.

    Each map is divided by a number, so that neither overflows; `log_scale` is the logarithm of their product.
    `dimensions` are those of the states, `count` the number of products with single vectors so far.
    """

    def __init__(self, steps: Sequence[Map], x: State):
        self.kind, self.count = x, 0
        self.steps, self.states = tuple(steps), [x, *orbit(steps, x)]
        self.parts: list[tuple[Callable, Callable]] = [
            (partial(_pushed, step, state), partial(cotangent, step, state))
            for step, state in zip(self.steps, self.states, strict=False)
        ]
        self.dimensions = [state.shape[-1] for state in self.states]
        self.scales: list[float] = []
        vector = np.random.default_rng(0).normal(size=(x.shape[-1], 1))
        for push, _ in self.parts:
            vector = as_numpy(push(like(vector, self.kind))).astype(float)
            largest = float(abs(vector).max())  # squares might underflow or overflow
            size = largest * float(np.linalg.norm(vector / largest)) if 0 < largest < np.inf else 0.0
            self.scales.append(size if 0 < size < np.inf else 1.0)
            vector = vector / self.scales[-1]
            self.count = 1

    def linearise(self, memory: float) -> None:
        """Trace the derivatives of the maps once, as far as these need so much memory and many products gain by it."""
        for i, (step, state) in enumerate(zip(self.steps, self.states, strict=False)):
            shared = step.linearised(state, memory)
            if shared is not None:
                memory -= shared.memory
                self.parts[i] = shared.pushed, shared.pulled

    def first(self, count: int) -> Product:
        """The product of the first maps only."""
        part = object.__new__(Product)
        part.kind, part.count = self.kind, 0
        part.steps, part.states = self.steps[:count], self.states[: count + 1]
        part.parts, part.scales = self.parts[:count], self.scales[:count]
        part.dimensions = self.dimensions[: count + 1]
        return part

    @property
    def finite(self) -> bool:
        """Whether all states are."""
        return all(bool(np.isfinite(as_numpy(state)).all()) for state in self.states)

    @property
    def log_scale(self) -> float:
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
            block = like(q[:, i : i + AT_ONCE], self.kind)
            for product, scale in zip(products, scales, strict=True):
                block = product(block) / scale
            done.append(as_numpy(block).astype(float))
        return np.concatenate(done, axis=-1)


def _pushed(step: Map, x: State, q: Frame) -> Frame:
    return step.tangent(x, q)[1]
