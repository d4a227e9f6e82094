"""A large sparse reservoir, one thread: where the time and the memory go.

    python benchmarks/large.py

N = 10,000 units with 100 connections each, 10,000 steps of the Lorenz system, one readout.
"""

import resource
import time

import numpy as np
from threadpoolctl import threadpool_limits

from cocycle import Reservoir, forecast, frame, lyapunov_spectrum, train
from cocycle.maps import orbit
from cocycle.reservoir import MomentSum, ridge_readout, scaled, sparse
from cocycle.systems import Lorenz63
from cocycle.trajectories import end

SIZE, CONNECTIONS, STEPS, WASHOUT = 10_000, 100, 10_000, 200


def stage(name, call):
    start = time.perf_counter()
    result = call()
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{name:<44}{time.perf_counter() - start:8.1f} s   at most {used:6.2f} GB so far", flush=True)
    return result


def accumulated(network, u):
    moments = MomentSum((), SIZE, 3)
    for t, r in enumerate(orbit(network.driven(u[:-1]), network.rest())):
        if t >= WASHOUT:
            moments.add(r, u[t + 1])
    return moments.total()


def main():
    series = Lorenz63().series(STEPS + 1, dt=0.02)
    u = (series - series.mean(0)) / series.std(0)
    rng = np.random.default_rng(1)
    weight = stage(
        "weights, scaled to their spectral radius",
        lambda: scaled(sparse(SIZE, min(1.0, CONNECTIONS / SIZE), rng), spectral_radius=0.9),
    )
    network = Reservoir(weight, rng.uniform(-0.3, 0.3, (SIZE, 3)), bias=rng.uniform(-1, 1, SIZE))
    stage("driving alone", lambda: end(network.driven(u[:-1]), network.rest()))
    moments = stage("driving and moments", lambda: accumulated(network, u))
    stage("solving for the readout", lambda m=moments: ridge_readout(m, 1e-4))
    del moments
    model = stage("all of it: train", lambda: train(network, series, ridge=1e-4, washout=WASHOUT))
    r = network.rest()
    stage("conditional exponent, 1,000 steps", lambda: lyapunov_spectrum(network.driven(u[:1000]), r, frame(r, 1)))
    stage("forecast, 1,000 steps", lambda: forecast(model, series[-WASHOUT:], 1000))


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
