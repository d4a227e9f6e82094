"""Spectra beside those of other packages, on one core, in one run; what is not installed is left out.

    python -m pip install lyapax pynamicalsys
    python benchmarks/peers.py

lyapax (JAX, compiled, any function of one state) and pynamicalsys (numba, compiled, one trajectory of a low-dimensional
system).  Compiling is not counted: every call is made once before it is timed.  Ours is a batch of replicas in low
dimension, which also gives the error bar, and a single network in high dimension.  Nanoseconds are for one trajectory
and one step.
"""

import importlib
import os
import time
from itertools import repeat

if __name__ == "__main__":
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1", NUMBA_NUM_THREADS="1")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import numpy as np

from cocycle import Compiled, Flow, Layer, frame, lyapunov_spectrum
from cocycle.systems import Henon, Lorenz63

REPLICAS, STEPS, NETWORK_STEPS, REPEATS = 1000, 20_000, 300, 3
DT = 0.01


def ours(step, x, k, steps, every):
    def call():
        return lyapunov_spectrum(repeat(step, steps), x, frame(x, k), every=every).exponents.reshape(-1, k).mean(0)

    return call


def network(n):
    return 1.5 * np.random.default_rng(0).normal(size=(n, n)) / n**0.5


def lyapax_call(step, x, k, steps, every):
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    lyapunov_spectrum = importlib.import_module("lyapax").lyapunov_spectrum
    run = jax.jit(lambda x: lyapunov_spectrum(step, x, 1.0, steps // every * every, k=k, renorm_every=every).exponents)
    x = jax.numpy.asarray(x)
    return lambda: np.asarray(run(x))


def lyapax_henon():
    jnp = importlib.import_module("jax.numpy")

    def step(x):
        return jnp.stack([1 - 1.4 * x[0] ** 2 + x[1], 0.3 * x[0]])

    return lyapax_call(step, [0.1, 0.1], 2, STEPS, 5)


def lyapax_lorenz():
    jnp = importlib.import_module("jax.numpy")
    lyapax = importlib.import_module("lyapax")

    def rate(x, t=None):
        return jnp.stack([10 * (x[1] - x[0]), x[0] * (28 - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]])

    return lyapax_call(lyapax.ode_step(rate, DT, "rk4"), [1.0, 2.0, 20.0], 3, STEPS, 20)


def lyapax_network(n, k):
    jnp = importlib.import_module("jax.numpy")
    w = jnp.asarray(network(n))
    return lyapax_call(lambda x: jnp.tanh(w @ x), 0.1 * np.ones(n), k, NETWORK_STEPS, 1)


def pynamicalsys_henon():
    system = importlib.import_module("pynamicalsys").DiscreteDynamicalSystem(model="henon map")
    return lambda: system.lyapunov([0.1, 0.1], 10 * STEPS, parameters=[1.4, 0.3])


def pynamicalsys_lorenz():
    system = importlib.import_module("pynamicalsys").ContinuousDynamicalSystem(model="lorenz system")
    system.integrator("rk4", time_step=DT)
    return lambda: system.lyapunov([1.0, 2.0, 20.0], STEPS * DT, parameters=[10.0, 28.0, 8 / 3])


def replicas(system):
    return system.start(np.random.default_rng(0), (REPLICAS,))


def contests():
    """(what, (ours, trajectory-steps), {peer: (call, trajectory-steps)}), every call made when its turn comes."""
    batch = STEPS // 10
    yield (
        "Hénon, 2 exponents",
        (ours(Compiled(Henon()), replicas(Henon()), 2, batch, 5), REPLICAS * batch),
        {"lyapax": (lyapax_henon, STEPS), "pynamicalsys": (pynamicalsys_henon, 10 * STEPS)},
    )
    flow = Compiled(Flow(Lorenz63(), DT))
    yield (
        "Lorenz RK4, 3 exponents",
        (ours(flow, replicas(Lorenz63()), 3, batch, 20), REPLICAS * batch),
        {"lyapax": (lyapax_lorenz, STEPS), "pynamicalsys": (pynamicalsys_lorenz, STEPS)},
    )
    for n, k in ((500, 20), (100, 100)):
        yield (
            f"tanh network, n={n}, k={k}",
            (ours(Layer(network(n)), 0.1 * np.ones(n), k, NETWORK_STEPS, "auto"), NETWORK_STEPS),
            {"lyapax": (lambda n=n, k=k: lyapax_network(n, k), NETWORK_STEPS)},
        )
    yield (
        "Hénon, one trajectory",
        (ours(Compiled(Henon()), np.array([0.1, 0.1]), 2, STEPS, 5), STEPS),
        {"lyapax": (lyapax_henon, STEPS), "pynamicalsys": (pynamicalsys_henon, 10 * STEPS)},
    )


def nanoseconds(call, steps):
    """The best of a few, for one trajectory and one step, and the first exponent found."""
    exponent = np.ravel(call())[0]
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times) / steps * 1e9, exponent


def main():
    print(f"{'what':<26}{'who':<14}{'ns':>12}{'ratio to ours':>15}{'λ₁':>10}")
    for what, (call, steps), peers in contests():
        mine, exponent = nanoseconds(call, steps)
        print(f"{what:<26}{'cocycle':<14}{mine:>12.0f}{1:>15.2f}{exponent:>10.4f}")
        for name, (make, count) in peers.items():
            try:
                theirs, exponent = nanoseconds(make(), count)
            except ImportError:
                print(f"{'':<26}{name:<14}{'not installed':>12}")
                continue
            print(f"{'':<26}{name:<14}{theirs:>12.0f}{theirs / mine:>15.2f}{exponent:>10.4f}")


if __name__ == "__main__":
    main()
