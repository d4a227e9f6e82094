"""The product of tangent maps at one state, as products with few vectors and covectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from cocycle.arrays import State, as_numpy, like
from cocycle.maps import Map, cotangent

AT_ONCE = 16  # vectors that are pushed together


class Product:
    """J = Df_L ... Df_1 at one state, as products with vectors (n, k) and covectors (p, k) in double precision.

    Each map is divided by a number, so that neither overflows; `log_scale` is the logarithm of their product.
    `dimensions` are those of the states, `count` the number of products with single vectors so far.
    """

    def __init__(self, steps: Sequence[Map], x: State, memory: float):
        self.kind, self.count = x, 0
        self.parts: list[tuple[Callable, Callable]] = []
        self.dimensions, self.scales = [x.shape[-1]], []
        vector = np.random.default_rng(0).normal(size=(x.shape[-1], 1))
        for step in steps:
            push, pull, x, kept = _products(step, x, memory)
            memory -= kept
            self.parts.append((push, pull))
            self.dimensions.append(x.shape[-1])
            vector = as_numpy(push(like(vector, self.kind))).astype(float)
            size = float(np.linalg.norm(vector))
            self.scales.append(size if 0 < size < np.inf else 1.0)
            vector = vector / self.scales[-1]
        self.count = 1
        self.finite = bool(np.isfinite(as_numpy(x)).all())

    def first(self, count: int) -> Product:
        """The product of the first maps only."""
        part = object.__new__(Product)
        part.kind, part.count, part.finite = self.kind, 0, self.finite
        part.parts, part.scales = self.parts[:count], self.scales[:count]
        part.dimensions = self.dimensions[: count + 1]
        return part

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


def _products(step: Map, x: State, memory: float) -> tuple[Callable, Callable, State, float]:
    """The products with Df(x) and its transpose, the value, and the bytes that they keep."""
    shared = step.linearised(x, memory)
    if shared is not None:
        return shared.pushed, shared.pulled, shared.value, shared.memory
    return (
        lambda q: step.tangent(x, q)[1],
        lambda p: cotangent(step, x, p),
        step(x),
        float(as_numpy(x).nbytes),
    )
