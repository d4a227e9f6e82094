"""From which size on do two threads pay?  Products and QRs of the sizes that maps have, on one thread and on all.

On a machine that is busy with something else threads wait for one another.  Ratios above 1 mean that one thread is
faster.

python benchmarks/threads.py
"""

import time
from statistics import median

import numpy as np
from threadpoolctl import threadpool_limits

from cocycle.threads import CROSSOVER

SIZES = ((50, 1), (200, 10), (500, 1), (500, 10), (500, 500), (1500, 3), (1500, 100), (3000, 3), (3000, 300))
REPEATS = 7


def seconds(call, count):
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        for _ in range(count):
            call()
        times.append((time.perf_counter() - start) / count)
    return median(times)


def main():
    print("units  vectors  multiplications   one thread   ratio all to one: product      QR")
    for n, k in SIZES:
        w, rows = np.random.default_rng(0).normal(size=(n, n)), np.random.default_rng(1).normal(size=(k + 1, n))
        multiplications = n * n * (k + 1)
        count = max(1, int(1e7 / multiplications))
        times = {}
        for threads in (1, None):
            with threadpool_limits(threads):
                product = seconds(lambda w=w, rows=rows: rows @ w.T, count)
                times[threads] = product, seconds(lambda rows=rows: np.linalg.qr(rows.T), max(1, count // 5))
        ratios = [some / one for some, one in zip(times[None], times[1], strict=True)]
        mark = "" if multiplications < CROSSOVER else "   beyond the crossover"
        print(
            f"{n:5} {k:8} {multiplications:16.1e} {1e3 * times[1][0]:9.3f} ms {ratios[0]:24.2f} {ratios[1]:9.2f}{mark}"
        )


if __name__ == "__main__":
    main()
