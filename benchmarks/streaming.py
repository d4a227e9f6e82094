"""What the update of a running forecaster by one observation costs beside its bare products.

    python benchmarks/streaming.py

One thread: `live.update(observation)` beside W r, W_in u and tanh of their sum, then with `live.one_step` beside
W_out r, too; measured in turns.  A block of a hundred observations shares what an update costs besides products.
"""

import time

import numpy as np
from threadpoolctl import threadpool_limits

from cocycle import Reservoir, train
from cocycle.reservoir.running import RunningForecaster

SIZES, SPARSE_SIZES, TIMES, UPDATES, REPEATS, BLOCK = (500, 1000, 2000), (500, 2000), 1500, 200, 15, 100


def seconds(calls):
    """The median over repeats of the time of each call, in turns."""
    times = []
    for _ in range(REPEATS):
        row = []
        for call in calls:
            start = time.perf_counter()
            call()
            row.append(time.perf_counter() - start)
        times.append(row)
    return np.median(times, axis=0) / UPDATES


def products(model, u, *, output):
    """UPDATES steps of the network by bare products of numpy, and of its readout if `output`."""
    w, w_in, w_out = model.network.weight, model.network.input_weight, model.readout.weight
    r = np.zeros(model.network.dimension)
    for now in u:
        r = np.tanh(w @ r + w_in @ now)
        if output:
            w_out @ r


def updates(live: RunningForecaster, u, *, output):
    """UPDATES steps of a running forecaster, each with its one-step forecast if `output`."""
    for now in u:
        live.update(now)
        if output:
            _ = live.one_step


def blocks(live, u):
    """UPDATES observations in blocks."""
    for begin in range(0, UPDATES, BLOCK):
        live.update(u[begin : begin + BLOCK])


def main():
    rng = np.random.default_rng(1)
    series = np.cumsum(rng.normal(size=(TIMES, 3)), axis=0)
    u = rng.normal(size=(UPDATES, 3))
    print("microseconds of bare products and of an update; ratio, that with the one-step forecast, that in blocks")
    networks = [("dense", size, Reservoir.gaussian(size, 3)) for size in SIZES]
    networks += [("sparse", size, Reservoir.random(size, 3)) for size in SPARSE_SIZES]
    for kind, size, network in networks:
        model = train(network, series, normalise=True)
        live = model.start(series[:10])
        found = seconds(
            [
                lambda m=model: products(m, u, output=False),
                lambda x=live: updates(x, u, output=False),
                lambda m=model: products(m, u, output=True),
                lambda x=live: updates(x, u, output=True),
                lambda x=live: blocks(x, u),
            ]
        )
        bare, update, bare_output, output, block = found * 1e6
        print(
            f"{kind:<7}{size:>5}{bare:>9.1f}{update:>9.1f}{update / bare:>7.2f}"
            f"{output / bare_output:>7.2f}{block / bare:>7.2f}"
        )


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
