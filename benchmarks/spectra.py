"""What a spectrum costs beside what it cannot avoid, one thread, side by side in one run.

    python benchmarks/spectra.py

(a) A driven reservoir of 500 units with k tangent vectors, beside the bare products of W with state and vectors, and
for all 500 exponents beside products and LAPACK's QRs as often as the automatic interval needs them.  (b) One exponent
beside driving alone.  (c) A thousand Lorenz orbits together beside one at a time.  (d) How time grows with n, k, the
number of steps and the batch.
"""

import time
from collections import deque
from itertools import repeat

import numpy as np
from threadpoolctl import threadpool_limits

from cocycle import Compiled, Flow, Layer, Reservoir, frame, lyapunov_spectrum, orbit
from cocycle.systems import Lorenz63

SIZE, STEPS, REPLICAS, REPEATS = 500, 600, 1000, 3


def seconds(call):
    """The best of a few."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def driven():
    reservoir = Reservoir.gaussian(SIZE, 3, weight_std=0.9, input_std=0.05, rng=1)
    return reservoir, Lorenz63().series(STEPS), reservoir.rest()


def products_and_qrs():
    reservoir, u, x = driven()
    print("(a) driven reservoir of", SIZE, "units, µs a step")
    print(f"{'k':>5}{'spectrum':>10}{'products':>10}{'QRs':>8}{'QRs done':>10}{'ratio':>8}")
    for k in (1, 2, 10, 20, 50, 100, SIZE):
        k, q = min(k, SIZE), frame(x, min(k, SIZE))
        groups = len(lyapunov_spectrum(reservoir.driven(u), x, q, every="auto").times)
        whole = seconds(lambda q=q: lyapunov_spectrum(reservoir.driven(u), x, q, every="auto")) / STEPS * 1e6
        rows, count = np.random.default_rng(0).normal(size=(k + 1, SIZE)), max(1, STEPS // 10)
        bare = seconds(lambda rows=rows, count=count: [rows @ reservoir.weight.T for _ in range(count)]) / count * 1e6
        qr = seconds(lambda q=q: [np.linalg.qr(q) for _ in range(3)]) / 3 * groups / STEPS * 1e6
        unavoidable = bare + (qr if k == SIZE else 0.0)
        print(f"{k:>5}{whole:>10.0f}{bare:>10.0f}{qr:>8.0f}{groups:>10}{whole / unavoidable:>8.2f}")


def one_exponent():
    reservoir, u, x = driven()
    q = frame(x, 1)
    drive = seconds(lambda: deque(orbit(reservoir.driven(u), x), maxlen=0)) / STEPS * 1e6
    whole = seconds(lambda: lyapunov_spectrum(reservoir.driven(u), x, q, every="auto")) / STEPS * 1e6
    w, rows = reservoir.weight, np.ones((2, SIZE))
    one = seconds(lambda: [w @ rows[0] for _ in range(STEPS)]) / STEPS * 1e6
    two = seconds(lambda: [rows @ w.T for _ in range(STEPS)]) / STEPS * 1e6
    print(f"\n(b) driving alone {drive:.0f} µs a step, with one exponent {whole:.0f}: ratio {whole / drive:.2f}")
    print(f"    the product with one vector {one:.0f} µs, with two at once {two:.0f}: the BLAS decides")


def together():
    flow, steps = Compiled(Flow(Lorenz63(), 0.01)), 10 * STEPS
    x = Lorenz63().start(np.random.default_rng(0), (REPLICAS,))
    many = seconds(lambda: lyapunov_spectrum(repeat(flow, STEPS), x, frame(x, 3), every=20)) / (STEPS * REPLICAS) * 1e9
    one = seconds(lambda: lyapunov_spectrum(repeat(flow, steps), x[0], frame(x[0], 3), every=20)) / steps * 1e9
    print(
        f"\n(c) Lorenz, full tangent: {many:.0f} ns a step for each of {REPLICAS} orbits together, {one:.0f} ns for one"
    )
    print(f"    alone: ratio {one / many:.1f}")


def growth():
    def cost(n=SIZE, k=20, steps=STEPS // 4, batch=1):
        w = np.random.default_rng(0).normal(size=(n, n)) / n**0.5
        x = np.full((batch, n), 0.1)
        q = frame(x, min(k, n))
        return seconds(lambda: lyapunov_spectrum(repeat(Layer(w), steps), x, q))

    print("\n(d) exponent of the growth of time: theory 2 (n), 1 (k: product; 2: QR), 1 (steps), 1 (batch)")
    for name, values in (
        ("n", (SIZE // 4, SIZE // 2, SIZE)),
        ("k", (10, 20, 40, 80)),
        ("steps", (STEPS // 8, STEPS // 4, STEPS // 2)),
        ("batch", (1, 2, 4, 8)),
    ):
        times = [cost(**{name: value}) for value in values]
        slope = np.polyfit(np.log(values), np.log(times), 1)[0]
        print(f"    {name:<6} {values}: {slope:.2f}")


def main():
    products_and_qrs()
    one_exponent()
    together()
    growth()


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
