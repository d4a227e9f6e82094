"""How good is the largest exponent from a measured series?  Coverage of its interval, noise, and series without one.

python benchmarks/measured_series.py
"""

from collections.abc import Callable

import numpy as np
from scipy.signal import lfilter

from cocycle import exponent_from_series
from cocycle.systems import Henon, Lorenz63, Lorenz96, MackeyGlass, Rossler

SAMPLES = 10_000
FIRST_SEED = 101
RUNS = {"rosenstein": 30, "kantz": 20}
NOISES = (0.001, 0.01, 0.05, 0.1)  # of the standard deviation
LENGTHS = (1000, 2000, 5000)
REPEATS, REALISATIONS = 8, 20  # of a series with noise or of another length; of a stochastic process
SHORT = (2000, 5000)  # samples of stochastic processes and tori
LORENZ = 0.9056

Series = Callable[[int, int], np.ndarray]  # of the number of samples and a seed

SYSTEMS: dict[str, tuple[float, float, Series]] = {
    "Lorenz, dt 0.02": (LORENZ, 0.02, lambda n, seed: Lorenz63().series(n, dt=0.02, rng=seed)[:, 0]),
    "Lorenz, dt 0.05": (LORENZ, 0.05, lambda n, seed: Lorenz63().series(n, dt=0.05, rng=seed)[:, 0]),
    "Mackey-Glass, samples 1 apart": (0.00514, 1.0, lambda n, seed: MackeyGlass(points=17).series(n, rng=seed)[:, 0]),
    "the same, 2 apart": (0.00514, 2.0, lambda n, seed: MackeyGlass(points=34).series(4 * n, rng=seed)[::4, 0]),
    "Roessler, dt 0.1": (0.0714, 0.1, lambda n, seed: Rossler().series(n, dt=0.1, rng=seed)[:, 0]),
    "Henon": (0.4192, 1.0, lambda n, seed: Henon().series(n, rng=seed)[:, 0]),
}


def coverage(name: str, method: str) -> str:
    true, dt, series = SYSTEMS[name]
    seeds = range(FIRST_SEED, FIRST_SEED + RUNS[method])
    found = [exponent_from_series(series(SAMPLES, seed), dt, method=method) for seed in seeds]
    ratios = np.array([(run.exponent, run.standard_error) for run in found if run.stretch]) / true
    covered = np.mean([run.interval[0] <= true <= run.interval[1] for run in found if run.stretch])
    off = abs(ratios[:, 0] - 1)
    return (
        f"{name:<32} {method:<11} {len(ratios):>3} of {len(found):<3} {ratios[:, 0].mean():.3f} ±"
        f" {ratios[:, 0].std(ddof=1):.3f}   {ratios[:, 1].mean():.3f}   {covered:.2f}   {(off < 0.1).mean():.2f}"
        f"   {(off < 0.15).mean():.2f}"
    )


def noisy(samples: int, dt: float, noise: float) -> str:
    """Lorenz with so much noise."""
    found = []
    for seed in range(REPEATS):
        x = Lorenz63().series(samples, dt=dt, rng=seed)[:, 0]
        x = x + noise * x.std() * np.random.default_rng(seed).normal(size=samples)
        found.append(exponent_from_series(x, dt))
    known = [run for run in found if run.stretch]
    ratios = np.array([run.exponent for run in known]) / LORENZ
    covered = np.mean([run.interval[0] <= LORENZ <= run.interval[1] for run in known])
    return (
        f"{samples:>6} samples, dt {dt}, noise {noise:<5}: {len(known)} of {len(found)}, {ratios.mean():.3f} ±"
        f" {ratios.std():.3f}, covered {covered:.2f}"
    )


def autoregressive(rng: np.random.Generator, n: int, radius: float = 0.99) -> np.ndarray:
    """Noise through a resonance of period 30."""
    cosine = np.cos(2 * np.pi / 30)
    return lfilter([1], [1, -2 * radius * cosine, radius**2], rng.normal(size=n + 1000))[1000:]


def surrogate(rng: np.random.Generator, n: int) -> np.ndarray:
    """A series with the power spectrum of Lorenz and random phases."""
    x = Lorenz63().series(n, dt=0.05, rng=int(rng.integers(1000)))[:, 0]
    waves = np.fft.rfft(x - x.mean())
    return np.fft.irfft(abs(waves) * np.exp(2j * np.pi * rng.uniform(size=len(waves))), n)


def noisy_limit_cycle(rng: np.random.Generator, n: int) -> np.ndarray:
    amplitude, phase, found = 1.0, 0.0, []
    for _ in range(n):
        amplitude += -0.1 * (amplitude - 1) + 0.05 * rng.normal()
        phase += 2 * np.pi / 37 + 0.02 * rng.normal()
        found.append(amplitude * np.sin(phase))
    return np.array(found)


def torus(rng: np.random.Generator, n: int) -> np.ndarray:
    t = 2 * np.pi * np.arange(n)
    first = np.sin(t / rng.uniform(15, 60) + rng.uniform(0, 6))
    return first + rng.uniform(0.3, 1) * np.sin(t / rng.uniform(15, 60))


def noisy_sine(rng: np.random.Generator, n: int) -> np.ndarray:
    sine = np.sin(2 * np.pi * np.arange(n) / rng.uniform(8, 80))
    return sine + 10 ** rng.uniform(-4, -0.5) * rng.normal(size=n)


def smoothed(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.convolve(rng.normal(size=n + 200), np.hanning(int(rng.integers(5, 80))), mode="valid")[:n]


def first_order(rng: np.random.Generator, n: int) -> np.ndarray:
    return lfilter([1], [1, -rng.uniform(0.5, 0.99)], rng.normal(size=n + 500))[500:]


WITHOUT: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "white noise": lambda rng, n: rng.normal(size=n),
    "first order": first_order,
    "second order": autoregressive,
    "second order, narrow": lambda rng, n: autoregressive(rng, n, 0.999),
    "smoothed noise": smoothed,
    "random walk": lambda rng, n: np.cumsum(rng.normal(size=n)),
    "surrogates of Lorenz": surrogate,
    "noisy limit cycle": noisy_limit_cycle,
    "torus": torus,
    "sine and noise": noisy_sine,
}


def false_positives(name: str, samples: int) -> str:
    exponents, refused = 0, 0
    for seed in range(REALISATIONS):
        try:
            exponents += exponent_from_series(WITHOUT[name](np.random.default_rng(seed), samples)).stretch is not None
        except ValueError:  # too short for their mean period
            refused += 1
    return f"{name:<24} {samples:>6} samples: {exponents} exponents in {REALISATIONS - refused}, {refused} refused"


def main():
    print(f"(a) exponent / true, {SAMPLES} samples: mean ± sd, mean error, covered, within 10 %, within 15 %")
    for method in RUNS:
        for name in SYSTEMS:
            print(coverage(name, method), flush=True)
    print("(b) Lorenz with noise, and shorter")
    for noise in NOISES:
        print(noisy(SAMPLES, 0.02, noise), flush=True)
    for samples in LENGTHS:
        print(noisy(samples, 0.05, 0.0), flush=True)
    print("Lorenz96, 10 components:", exponent_from_series(Lorenz96(10).series(SAMPLES, dt=0.05, rng=1)[:, 0], 0.05))
    print("(c) series that have no exponent")
    for name in WITHOUT:
        for samples in SHORT:
            print(false_positives(name, samples), flush=True)


if __name__ == "__main__":
    main()
