"""From which size and up to which density is a sparse matrix faster?  The rule of `cocycle.reservoir.compact`.

    python benchmarks/sparse.py

One thread: the time of W times a number of vectors in sparse format, as a ratio to that in dense format.
"""

import time

import numpy as np
from scipy.sparse import random_array
from threadpoolctl import threadpool_limits

from cocycle.operators import linear

SIZES, DENSITIES, VECTORS, REPEATS = (50, 100, 200, 500, 1000), (0.01, 0.05, 0.1, 0.2), (1, 2, 10, 50), 50


def seconds(call):
    """The best of five times."""
    call()
    times = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(REPEATS):
            call()
        times.append((time.perf_counter() - start) / REPEATS)
    return min(times)


def main():
    rng = np.random.default_rng(1)
    print("time in sparse format, ratio to dense, by density")
    print(f"{'units':>6}{'vectors':>9}" + "".join(f"{density:>8g}" for density in DENSITIES))
    for size in SIZES:
        dense = rng.normal(size=(size, size))
        for count in VECTORS:
            x = rng.normal(size=(count, size)) if count > 1 else rng.normal(size=size)
            base = seconds(lambda w=dense, x=x: linear(w, x))
            weights = [random_array((size, size), density=d, format="csr", rng=rng) for d in DENSITIES]
            ratios = [seconds(lambda w=w, x=x: linear(w, x)) / base for w in weights]
            print(f"{size:>6}{count:>9}" + "".join(f"{ratio:>8.2f}" for ratio in ratios))


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
