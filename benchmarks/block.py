"""A block of points that share one network against the same points one by one, one thread, side by side in one run.

    python benchmarks/block.py

N = 500, 5 weight scales x 5 input scales, 5,000 training steps, exponents included: training and conditional exponent
in one pass (`reservoir_constraints.train_with_exponent`), by the same code for 25 points and for one.  The last lines
tell how much of the ratio is the matrix product alone: a product with few rows is less efficient than one with many.
"""

import time

import numpy as np
from threadpoolctl import threadpool_limits

from cocycle import Reservoir
from cocycle.reservoir import gaussian
from cocycle.studies.reservoir_constraints import train_with_exponent
from cocycle.systems import Lorenz63

SIZE, STEPS, WASHOUT = 500, 5_000, 200
SCALES = np.array([(w, i) for w in np.linspace(0.1, 1.5, 5) for i in np.geomspace(1e-3, 1, 5)])


def block(scales):
    """Exponents (B,) of the points `scales` (B, 2), from series and network on: what a worker does for a block."""
    rng = np.random.default_rng(1)
    series = Lorenz63().series(STEPS + WASHOUT + 1, rng=rng)
    reservoir = Reservoir(gaussian(SIZE, rng), rng.normal(size=(SIZE, 3)), gain=scales[:, :1], input_gain=scales[:, 1:])
    return train_with_exponent(reservoir, series, WASHOUT, rng)[0].exponents[:, 0]


def seconds(call):
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def product(rows, repeats=300):
    """Microseconds of one product of `rows` rows with a shared weight."""
    x, w = np.ones((rows, SIZE)), np.ones((SIZE, SIZE))
    return seconds(lambda: [x @ w.T for _ in range(repeats)])[0] / repeats * 1e6


def main(repeats=2):
    print("run   block (s)   one by one (s)   ratio   largest difference of the exponents")
    for run in range(repeats):
        together, exponents = seconds(lambda: block(SCALES))
        apart, singles = seconds(lambda: np.concatenate([block(SCALES[i : i + 1]) for i in range(len(SCALES))]))
        difference = abs(exponents - singles).max()
        print(f"{run:<6}{together:<12.2f}{apart:<17.2f}{apart / together:<8.2f}{difference:.1e}")
    print("\nproducts with W alone: state and tangent vector of one point share one of 2 rows, those of 25 one of 50")
    for rows in (1, 2, 50):
        print(f"  {rows:>2} rows: {product(rows):7.1f} µs, {product(rows) / rows:6.1f} µs a row")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
