"""Ten spectra of the archive beside an independent computation: scipy's LSODA on state and tangent vectors together,
with the right-hand side of dysts itself and its Jacobian by central differences.

    python experiments/dysts_spectra/spot_check.py experiments/dysts_spectra/dysts-full.h5
"""

import sys

import dysts.flows
import numpy as np
from scipy.integrate import odeint

from cocycle import Archive

NAMES = ["Lorenz", "Rossler", "Halvorsen", "Chen", "SprottB"]
NAMES += ["Thomas", "Rucklidge", "HyperRossler", "LorenzStenflo", "ShimizuMorioka"]
PERIODS, SEGMENTS, TRANSIENT = 1000, 10, 100


def spectrum(name):
    """Exponents and their standard errors from ten segments."""
    system = getattr(dysts.flows, name)()
    n = len(system.ic)
    width = 1e-6

    def rates(z, t):
        x, q = z[:n], z[n:].reshape(n, n)
        step = width * (1 + abs(x))
        jacobian = np.empty((n, n))
        for i in range(n):
            e = np.zeros(n)
            e[i] = step[i]
            ahead, behind = np.array(system.rhs(x + e, t)), np.array(system.rhs(x - e, t))
            jacobian[:, i] = (ahead - behind) / (2 * step[i])
        return np.append(system.rhs(x, t), jacobian @ q)

    time = system.period / 4
    z = np.append(system.ic, np.linalg.qr(np.random.default_rng(0).normal(size=(n, n)))[0])
    logs = []
    for _ in range(4 * (PERIODS + TRANSIENT)):
        z = odeint(rates, z, [0, time], rtol=1e-9, atol=1e-9)[-1]
        q, r = np.linalg.qr(z[n:].reshape(n, n))
        logs.append(np.log(abs(np.diag(r))) / time)
        z = np.append(z[:n], q)
    parts = np.array([part.mean(0) for part in np.array_split(np.array(logs)[4 * TRANSIENT :], SEGMENTS)])
    return parts.mean(0), parts.std(0, ddof=1) / SEGMENTS**0.5


def main(path):
    archive = Archive.open(path)
    names = archive.grid.axes["system"].tolist()
    for name in NAMES:
        found, errors = spectrum(name)
        i, n = names.index(name), len(found)
        ours, own = archive["exponents"][i][:n], archive["errors"][i][:n]
        apart = (found - ours) / np.hypot(errors, own)
        print(name, "scipy", found.round(4), "±", errors.round(4), "archive", ours.round(4), "apart by", apart.round(1))


if __name__ == "__main__":
    main(sys.argv[1])
