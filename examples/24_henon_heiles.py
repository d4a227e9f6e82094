# %% [markdown]
# # A Hamiltonian system: energy, sections, exponents in pairs
#
# Stars in a galaxy after Hénon and Heiles, H = (p² + q²)/2 + x² y - y³/3 with the state (q, p).  `Symplectic` steps
# keep the error of the energy bounded, and exponents come in pairs.

# %%
from itertools import repeat

import matplotlib.pyplot as plt
import numpy as np

from cocycle import Flow, Symplectic, frame, lyapunov_spectrum, poincare_section, trajectory


def henon_heiles(state):
    x, y, px, py = state
    return px, py, -x - 2 * x * y, -y - x**2 + y**2


def energy(states):
    x, y, px, py = np.moveaxis(states, -1, 0)
    return (px**2 + py**2 + x**2 + y**2) / 2 + x**2 * y - y**3 / 3


def start_at(total, y, py=0.0):
    """A state with this energy and x = 0."""
    return np.array([0.0, y, np.sqrt(2 * total - py**2 - y**2 + 2 * y**3 / 3), py])


# %% The energy over a hundred thousand steps
start = start_at(0.125, 0.1)
steps = 100_000
for name, flow in (("symplectic", Flow(henon_heiles, 0.1, integrator=Symplectic())), ("RK4", Flow(henon_heiles, 0.1))):
    error = abs(energy(trajectory(repeat(flow, steps), start)) - 0.125)
    print(f"{name:>10}: largest error of the energy {error[: steps // 10].max():.1e} then {error.max():.1e}")

# %% Sections at x = 0 for two energies: regular orbits, and the chaotic sea between islands
flow = Flow(henon_heiles, 0.1, integrator=Symplectic())
fig, axes = plt.subplots(1, 2, figsize=(8, 3.6), constrained_layout=True)
for ax, total in zip(axes, (1 / 12, 1 / 6 - 1e-3), strict=True):
    for y in (-0.3, -0.15, 0.0, 0.1, 0.2, 0.3):
        section = poincare_section(flow, start_at(total, y), lambda u: u[0], crossings=600)
        ax.plot(section.states[:, 1], section.states[:, 3], ".", ms=1.5)
    ax.set(xlabel="y", ylabel="p_y", title=f"energy {total:.4f}")
plt.show()

# %% Exponents of a chaotic orbit: pairs of opposite sign
start = start_at(1 / 6 - 1e-3, 0.0)
spectrum = lyapunov_spectrum(repeat(flow, 400_000), start, frame(start, 4), every="auto", thin=20)
print(spectrum)
print(f"their sum: {spectrum.exponents.sum():.0e}")
