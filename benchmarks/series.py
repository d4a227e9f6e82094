"""A Lorenz series of 10⁵ samples: cocycle against scipy's odeint at like accuracy, side by side in one run.

    python benchmarks/series.py

"Like accuracy" is measured: the error after one Lyapunov time against odeint at 1e-13, for odeint at tolerances
around the one that matches ours.  The claim is the ratio to the most tolerant odeint that is at least as accurate.
"""

import time

import numpy as np
from scipy.integrate import odeint

from cocycle.systems import Lorenz63

SAMPLES, DT = 100_000, 0.02
SYSTEM = Lorenz63()
START = SYSTEM.series(1, dt=DT, transient=5000)[0]


def right_hand_side(state, t):
    x, y, z = state
    return SYSTEM.sigma * (y - x), x * (SYSTEM.rho - z) - y, x * y - SYSTEM.beta * z


def by_odeint(samples, tolerance):
    return odeint(right_hand_side, START, DT * np.arange(samples), rtol=tolerance, atol=tolerance)


def by_cocycle(samples):
    return SYSTEM.series(samples, dt=DT, transient=5000)


def seconds(call, repeats=3):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def main():
    lyapunov_time = round(1 / (0.9056 * DT))
    exact = by_odeint(lyapunov_time + 1, 1e-13)[-1]
    ours, error = seconds(lambda: by_cocycle(SAMPLES)), abs(by_cocycle(lyapunov_time + 1)[-1] - exact).max()
    print(f"{'method':<18}{'seconds':>9}{'error after one Lyapunov time':>32}{'ratio':>8}")
    print(f"{'cocycle':<18}{ours:>9.3f}{error:>32.1e}{1:>8.1f}")
    for tolerance in (1e-4, 1e-5, 1e-6, 1.5e-8):
        taken = seconds(lambda tolerance=tolerance: by_odeint(SAMPLES, tolerance))
        theirs = abs(by_odeint(lyapunov_time + 1, tolerance)[-1] - exact).max()
        print(f"{f'odeint {tolerance:.1e}':<18}{taken:>9.3f}{theirs:>32.1e}{taken / ours:>8.1f}")


if __name__ == "__main__":
    main()
