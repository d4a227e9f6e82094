"""Do intervals cover where a run stops by itself?  Runs that end once the standard error is as small as wished.

The true value is that of one run of ten million steps; it should lie within two standard errors of the first exponent
in at least 90 % of the runs.  Of ten independent normal means the t distribution of nine degrees says 92.3 %.

python benchmarks/stopping.py
"""

import warnings
from itertools import repeat

import numpy as np

from cocycle import Flow, Map, frame, lyapunov_spectrum
from cocycle.formulas import Formula

RUNS, LONG, MOST = 1000, 10_000_000, 2_000_000


def lorenz(u, sigma=10.0, rho=28.0, beta=8 / 3):
    x, y, z = u
    return sigma * (y - x), x * (rho - z) - y, x * y - beta * z


def rossler(u, a=0.2, b=0.2, c=5.7):
    x, y, z = u
    return -y - z, x + a * y, b + z * (x - c)


def henon(x, a=1.4, b=0.3):
    return 1 - a * x[0] ** 2 + x[1], b * x[0]


def logistic(x, r=3.9):
    return r * x * (1 - x)


def van_der_pol(u, mu=1.0):
    x, v = u
    return v, mu * (1 - x * x) * v - x


CASES: dict[str, tuple[Map, tuple[float, ...], int, tuple[float, ...]]] = {  # map, near the attractor, exponent, wishes
    "Lorenz": (Flow(lorenz, 0.01), (1.0, 1.0, 20.0), 0, (0.03, 0.01)),
    "Rössler": (Flow(rossler, 0.05), (1.0, 1.0, 0.1), 0, (0.01, 0.003)),
    "Hénon": (Formula(henon), (0.1, 0.1), 0, (0.02, 0.005)),
    "logistic": (Formula(logistic), (0.3,), 0, (0.02, 0.005)),
    "van der Pol": (Flow(van_der_pol, 0.05), (1.0, 1.0), 1, (0.02, 0.005)),
}


def stopped(f: Map, x: np.ndarray, exponent: int, wish: float) -> tuple[float, float, int]:
    """Exponent, standard error and number of maps of a run that ends by itself."""
    k = min(len(x), 2)
    until = [np.inf] * k
    until[exponent] = wish
    result = lyapunov_spectrum(repeat(f, MOST), x, frame(x, k), every="auto", transient=2000, until=until)
    return float(result.exponents[exponent]), float(result.standard_error[exponent]), result.maps


def main() -> None:
    rng = np.random.default_rng(0)
    warnings.simplefilter("ignore")
    for name, (f, place, exponent, wishes) in CASES.items():
        x = np.array(place)
        k = min(len(x), 2)
        long = lyapunov_spectrum(repeat(f, LONG), x, frame(x, k), every="auto", transient=2000, thin=100)
        truth = float(long.exponents[exponent])
        for wish in wishes:
            starts = x * (1 + 0.01 * rng.normal(size=(RUNS, len(x))))
            found, error, maps = np.array([stopped(f, start, exponent, wish) for start in starts]).T
            covered = abs(found - truth) < 2 * error
            print(
                f"{name:<12} truth {truth:9.5f}({float(long.standard_error[exponent]):.0e})  wish {wish:<6}"
                f" covered {covered.mean():.3f}  rms error / wish {np.sqrt(np.mean((found - truth) ** 2)) / wish:.2f}"
                f"  median {np.median(maps):.0f} maps",
                flush=True,
            )


if __name__ == "__main__":
    main()
