"""One long orbit, and a thousand: time per step of the spectrum, beside other packages where they are installed.

python benchmarks/orbits.py
"""

import importlib.util
import time
from collections.abc import Callable
from itertools import repeat

import numpy as np

from cocycle import Compiled, Flow, frame, lyapunov_spectrum
from cocycle.formulas import Formula
from cocycle.systems import Henon, Lorenz63

STEPS, REPEATS = 400_000, 3


def lorenz(u, sigma=10.0, rho=28.0, beta=8 / 3):
    x, y, z = u
    return sigma * (y - x), x * (rho - z) - y, x * y - beta * z


def henon(x, a=1.4, b=0.3):
    return np.stack([1 - a * x[0] ** 2 + x[1], b * x[0]])


def best(call: Callable[[int], object], steps: int) -> float:
    """Nanoseconds per step, of the fastest of some runs; the first, which compiles, does not count."""
    call(steps)
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call(steps)
        times.append(time.perf_counter() - start)
    return 1e9 * min(times) / steps


def main() -> None:
    steps = STEPS
    flow, x = Flow(lorenz, 0.01), Lorenz63().series(1, dt=0.01)[0]
    h = Henon().series(1)[0]
    many = x + 1e-6 * np.random.default_rng(0).normal(size=(1000, 3))

    def spectrum(f, start, k, every, listed=False, threads=1):
        q = frame(start, k)
        return lambda n: lyapunov_spectrum([f] * n if listed else repeat(f, n), start, q, every=every, threads=threads)

    rows = {
        "Lorenz, 3 exponents, auto": (spectrum(flow, x, 3, "auto"), steps),
        "Lorenz, 3 exponents, every step": (spectrum(flow, x, 3, 1), steps),
        "Lorenz, step by step": (spectrum(Compiled(Flow(Lorenz63(), 0.01)), x, 3, "auto", listed=True), steps // 20),
        "Hénon, 2 exponents, auto": (spectrum(Formula(henon), h, 2, "auto"), steps),
        "Hénon, 2 exponents, every step": (spectrum(Formula(henon), h, 2, 1), steps),
        "Hénon, step by step": (spectrum(Compiled(Henon()), h, 2, "auto", listed=True), steps // 20),
        "1000 Lorenz orbits": (spectrum(flow, many, 3, "auto"), steps // 100),
        "1000 Lorenz orbits, 2 threads": (spectrum(flow, many, 3, "auto", threads=2), steps // 100),
        "1000 Lorenz orbits, step by step": (
            spectrum(Compiled(Flow(Lorenz63(), 0.01)), many, 3, "auto", listed=True),
            steps // 400,
        ),
    }
    for name, (call, count) in (rows | peers(steps)).items():
        print(f"{name:<40} {best(call, count):12.1f} ns/step", flush=True)


def peers(steps: int) -> dict[str, tuple[Callable[[int], object], int]]:
    """The same by other packages."""
    found: dict[str, tuple[Callable[[int], object], int]] = {}
    if importlib.util.find_spec("pynamicalsys"):
        from pynamicalsys import ContinuousDynamicalSystem, DiscreteDynamicalSystem

        system = DiscreteDynamicalSystem(model="henon map")
        found["Hénon, pynamicalsys"] = (
            lambda n: system.lyapunov([0.1, 0.1], n, parameters=[1.4, 0.3]),
            steps,
        )
        equation = ContinuousDynamicalSystem(model="lorenz system")
        equation.integrator("rk4", time_step=0.01)
        found["Lorenz, pynamicalsys, every step"] = (
            lambda n: equation.lyapunov([1.0, 1.0, 20.0], 0.01 * n, parameters=[10.0, 28.0, 8 / 3]),
            steps,
        )
    if importlib.util.find_spec("lyapax"):
        found |= _of_lyapax(steps)
    return found


def _of_lyapax(steps: int) -> dict[str, tuple[Callable[[int], object], int]]:
    import jax
    import jax.numpy as jnp
    import lyapax

    jax.config.update("jax_enable_x64", True)

    def step(x):
        return jnp.stack([1 - 1.4 * x[0] ** 2 + x[1], 0.3 * x[0]])

    def rate(u, *_):
        x, y, z = u
        return jnp.stack([10.0 * (y - x), x * (28.0 - z) - y, x * y - 8 / 3 * z])

    def flow(u):
        dt = 0.01
        a = rate(u)
        b = rate(u + dt / 2 * a)
        c = rate(u + dt / 2 * b)
        d = rate(u + dt * c)
        return u + dt / 6 * (a + 2 * b + 2 * c + d)

    def call(f, start, dt, every):
        run = jax.jit(lambda x, n=steps: lyapax.lyapunov_spectrum(f, x, dt, n, renorm_every=every).exponents)
        return lambda n: run(jnp.array(start)).block_until_ready()

    return {
        "Lorenz, lyapax, every 50 steps": (call(flow, [1.0, 1.0, 20.0], 0.01, 50), steps),
        "Lorenz, lyapax, every step": (call(flow, [1.0, 1.0, 20.0], 0.01, 1), steps),
        "Hénon, lyapax, every 5 steps": (call(step, [0.1, 0.1], 1.0, 5), steps),
    }


if __name__ == "__main__":
    main()
