"""How often do error bars hold?  Runs of many lengths, in which the truth should lie within two standard errors.

Of ten independent normal means the t distribution of nine degrees says 92.3 %.  On limit cycles and tori the means of
segments agree with one another at lengths near multiples of ten periods, whatever all of them miss.

python benchmarks/error_bars.py
"""

from dataclasses import dataclass
from itertools import repeat
from typing import final

import numpy as np

from cocycle import Compiled, Flow, Map, VectorField, frame, lyapunov_spectrum
from cocycle.lyapunov.errors import batch_errors, bridge_errors
from cocycle.systems import Henon, Lorenz63

RUNS = 400
SHARE = 1  # of the lengths: every SHARE-th


@final
@dataclass(frozen=True)
class VanDerPol(VectorField):
    """x'' = mu (1 - x²) x' - x: a limit cycle, exponents 0 and, at mu = 1, -1.0593769."""

    mu: float = 1.0

    def __call__(self, x):
        u, v = x[..., 0], x[..., 1]
        return np.stack([v, self.mu * (1 - u * u) * v - u], axis=-1)

    def tangent(self, x, q):
        u, v, du, dv = x[..., 0, None], x[..., 1, None], q[..., 0, :], q[..., 1, :]
        return self(x), np.stack([dv, (-2 * self.mu * u * v - 1) * du + self.mu * (1 - u * u) * dv], axis=-2)


@final
@dataclass(frozen=True)
class Circle(Map):
    """x -> x + omega - strength / 2π sin 2πx: below strength 1 a rotation of a torus for most omega, exponent 0."""

    omega: float = (5**0.5 - 1) / 2
    strength: float = 0.5

    def __call__(self, x):
        return x + self.omega - self.strength / (2 * np.pi) * np.sin(2 * np.pi * x)

    def tangent(self, x, q):
        return self(x), (1 - self.strength * np.cos(2 * np.pi * x))[..., None] * q


@final
@dataclass(frozen=True)
class Case:
    map: Map
    start: np.ndarray
    truth: float
    exponent: int
    lengths: np.ndarray
    transient: int


def cases(rng):
    flow, dt = Compiled(Flow(VanDerPol(), 0.05)), 0.05
    on_cycle = 2 * rng.normal(size=(RUNS, 2))
    circles = [("circle map, K=0.5", Circle()), ("circle map, K=0.9", Circle(strength=0.9))]
    lorenz = Lorenz63().start(rng, (RUNS,))
    return {
        "van der Pol, first": Case(flow, on_cycle, 0.0, 0, np.arange(20, 240) / dt, 1000),
        "van der Pol, second": Case(flow, on_cycle, -1.0593769, 1, np.arange(20, 240) / dt, 1000),
        **{
            name: Case(Compiled(circle), rng.uniform(size=(RUNS, 1)), 0.0, 0, np.arange(66, 200), 100)
            for name, circle in circles
        },
        "Lorenz": Case(Compiled(Flow(Lorenz63(), 0.02)), lorenz, 0.9056, 0, np.arange(1000, 6000, 250), 1000),
        "Hénon": Case(Compiled(Henon()), Henon().start(rng, (RUNS,)), 0.419217, 0, np.arange(500, 5000, 250), 200),
    }


def coverages(case: Case) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """The share of runs (lengths,) in which the truth lies within two standard errors, by each of three, and the median
    of these errors."""
    ends = np.round(case.lengths[::SHARE]).astype(int)
    x, k = case.start, case.start.shape[-1]
    steps = repeat(case.map, case.transient + ends[-1])
    result = lyapunov_spectrum(steps, x, frame(x, min(k, 2)), transient=case.transient)
    growth, times = result.growth[..., case.exponent : case.exponent + 1], result.times
    found = growth.cumsum(0)[ends - 1] / times.cumsum(0)[ends - 1, None, None]
    batch, bridge = batch_errors(growth, times, ends), bridge_errors(growth, times, ends)
    errors = {"ten segments": batch, "bridge": bridge, "the larger": np.maximum(batch, bridge)}
    return {name: (abs(found - case.truth) < 2 * error)[..., 0].mean(1) for name, error in errors.items()}, {
        name: float(np.median(error)) for name, error in errors.items()
    }


def main():
    print(
        "| system | lengths | error bar | least coverage | mean | lengths below 0.9 | median, ratio to ten segments |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, case in cases(np.random.default_rng(1)).items():
        shares, sizes = coverages(case)
        for error, share in shares.items():
            print(
                f"| {name} | {len(share)} | {error} | {share.min():.3f} | {share.mean():.3f} | {(share < 0.9).sum()} |"
                f" {sizes[error]:.2g}, {sizes[error] / sizes['ten segments']:.2f} |"
            )


if __name__ == "__main__":
    main()
