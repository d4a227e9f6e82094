"""Versions and devices of this installation, and a self-check of a few seconds: known exponents, an archive."""

import platform
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from itertools import repeat
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from cocycle.compiled import Compiled
from cocycle.lyapunov import frame, lyapunov_spectrum
from cocycle.networks import Layer
from cocycle.reservoir import Reservoir, synchronisation
from cocycle.sweeps import Archive, Grid, run
from cocycle.sweeps.run import cores
from cocycle.systems import Henon, Lorenz63
from cocycle.threads import CROSSOVER

NEEDED = (
    "cocycle",
    "numpy",
    "scipy",
    "h5py",
    "matplotlib",
    "contourpy",
    "tqdm",
    "threadpoolctl",
    "cloudpickle",
    "lazy_loader",
)
OPTIONAL = (
    "torch",
    "numba",
    "xarray",
    "h5netcdf",
    "zarr",
    "scikit-learn",
    "bokeh",
    "distributed",
    "mpi4py",
    "jupytext",
)


def report() -> str:
    """Versions, threads and devices, a line each."""
    lines = [f"python        {platform.python_version()} on {platform.platform()}"]
    for name in (*NEEDED, *OPTIONAL):
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "not installed" + (" (optional)" if name in OPTIONAL else "")
        lines.append(f"{name:<13} {found}")
    lines.append(f"cores         {cores()}")
    for pool in threadpool_info():
        threads, library = pool["num_threads"], pool.get("internal_api", pool["user_api"])
        lines.append(f"threads       {threads} of {library} {pool.get('version') or ''}".rstrip())
    return "\n".join([*lines, f"devices       {', '.join(_devices())}"])


def _devices() -> list[str]:
    try:
        import torch
    except ImportError:
        return ["CPU (torch, which finds other devices, is not installed)"]
    count = torch.cuda.device_count()
    return ["CPU", *(f"{torch.cuda.get_device_name(i)} (cuda:{i})" for i in range(count))]


def _require(right: bool, words: object) -> None:
    if not right:
        raise ArithmeticError(words)


def henon() -> str:
    """Exponents of the Hénon map: their sum is ln 0.3 at every step, the first one is published."""
    x = Henon().series(1)[0]
    result = lyapunov_spectrum(repeat(Compiled(Henon()), 20_000), x, frame(x, 2), every=5)
    _require(abs(result.exponents.sum() - np.log(0.3)) < 1e-10, f"sum {result.exponents.sum()}, not ln 0.3")
    _require(abs(result.exponents[0] - 0.41922) < 5 * result.standard_error[0], f"{result}, not 0.41922")
    return str(result)


def reservoir() -> str:
    """Copies of a driven reservoir converge at the rate of its conditional exponent."""
    network, u = Reservoir.gaussian(100, 3, weight_std=0.9, input_std=0.02, rng=1), Lorenz63().series(1000)
    r = network.rest()
    exponent = float(lyapunov_spectrum(network.driven(u), r, frame(r, 1), transient=200).exponents[0])
    rate = synchronisation(network, u).rate
    _require(abs(rate - exponent) < 0.1 * abs(exponent), f"copies converge at {rate}, not at the exponent {exponent}")
    return f"conditional exponent {exponent:.4f}, copies converge at the rate {rate:.4f} per step"


def archive() -> str:
    """A sweep by worker processes, its archive read back and verified."""
    with tempfile.TemporaryDirectory() as folder:
        grid = Grid({"x": np.arange(8.0)})
        found = run(_square, Archive.create(Path(folder) / "check.h5", grid, outputs={"square": ()}, seed=1), workers=2)
        _require(np.array_equal(found["square"], np.arange(8.0) ** 2), f"squares came back as {found['square']}")
        _require(not found.damage(), found.damage())
    return "eight points by two workers, read back and verified"


def _square(point, rng):
    return {"square": point["x"] ** 2}


def torch() -> str:
    """Maximal exponents of a layer by numpy and by torch."""
    try:
        from torch import as_tensor
    except ImportError:
        return "skipped: torch is not installed"
    from cocycle.lyapunov import ftle

    rng = np.random.default_rng(1)
    weight, x = rng.normal(size=(20, 2)), rng.normal(size=(50, 2))
    ours, theirs = ftle([Layer(weight)], x), ftle([Layer(as_tensor(weight))], as_tensor(x))
    difference = float(abs(ours.log_factors - theirs.log_factors.numpy()).max())
    _require(difference < 1e-12, f"numpy and torch differ by {difference}")
    return f"numpy and torch agree to {difference:.0e}"


def threads() -> str:
    """A product on one thread and on all: more threads are slower where other processes use the cores too."""
    rng = np.random.default_rng(1)
    weight, rows = rng.normal(size=(1000, 1000)), rng.normal(size=(4, 1000))
    times = []
    for limit in (1, None):
        with threadpool_limits(limit):
            times.append(min(_seconds(lambda: rows @ weight.T) for _ in range(20)))
    return (
        f"a product of 1000 units takes {1e3 * times[0]:.2f} ms on one thread, {1e3 * times[1]:.2f} ms on all: below"
        f" {CROSSOVER:.0e} multiplications the package uses one thread"
    )


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


CHECKS: tuple[Callable[[], str], ...] = (henon, reservoir, archive, torch, threads)


def self_check() -> bool:
    """Run all checks, print the result of each, and return whether all are right."""
    fine = True
    for check in CHECKS:
        start = time.perf_counter()
        try:
            words, mark = check(), "ok"
        except Exception as error:  # any failure is a result of the check
            words, mark, fine = f"{type(error).__name__}: {error}", "WRONG", False
        print(f"{check.__name__:<13} {mark:<6} {time.perf_counter() - start:4.1f} s   {words}", flush=True)
    return fine
