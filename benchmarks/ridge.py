"""What the choice of the ridge costs: seconds of `train` with a number, CrossValidated() and HeldOut(), by size.

python benchmarks/ridge.py
"""

import time
import warnings

from threadpoolctl import threadpool_limits

from cocycle import Reservoir, train
from cocycle.reservoir import CrossValidated, HeldOut
from cocycle.systems import Lorenz63

SIZES, TIMES, REPEATS = (100, 300, 1000, 2000), 10_000, 3
CHOICES = {"number": 1e-6, "CrossValidated()": CrossValidated(), "HeldOut()": HeldOut()}


def seconds(network: Reservoir, series, ridge) -> float:
    """The shortest time of several."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        train(network, series, ridge=ridge)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    warnings.simplefilter("ignore")  # of ridges at the edge
    series = Lorenz63().series(TIMES, dt=0.02)
    print(f"{TIMES} times; units, then seconds and shares of HeldOut(): {', '.join(CHOICES)}")
    for size in SIZES:
        network = Reservoir.random(size, 3)
        found = [seconds(network, series, ridge) for ridge in CHOICES.values()]
        print(f"{size:>6}", *(f"{t:>8.2f} ({t / found[-1]:.2f})" for t in found), flush=True)


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
