# %% [markdown]
# # Where does a system become chaotic?
#
# `bifurcation_diagram` follows one orbit for each value of a parameter: the states in which it ends, and its exponents.
# It takes a map, or an equation and a surface that its orbits cross.

# %%
from itertools import pairwise, repeat

import matplotlib.pyplot as plt
import numpy as np
from scipy.signal import find_peaks

from cocycle import Flow, Formula, bifurcation_diagram, frame, lyapunov_spectrum


def logistic(x, r=4.0):
    return r * x * (1 - x)


def henon(x, a=1.4, b=0.3):
    return np.stack([1 - a * x[0] ** 2 + x[1], b * x[0]])


def rossler(state, a=0.2, b=0.2, c=5.7):
    x, y, z = state
    return -y - z, x + a * y, b + z * (x - c)


# %% [markdown]
# ## The logistic map
# The values of the parameter are divided among two threads.  Between period doublings the exponent has a minimum,
# -∞ where the orbit contains the maximum of the map, x = 1/2.

# %%
start = np.array([0.3])
diagram = bifurcation_diagram(Formula(logistic), start, r=np.linspace(2.8, 4, 1000), threads=2)
print(diagram)
print("loop:", diagram.spectrum.loop)
figure = diagram.plot()
figure.axes[0].set_ylabel("x")
plt.show()

# %% The period is the number of different states; at r = 4 the exponent is ln 2
some = bifurcation_diagram(Formula(logistic), start, r=[2.9, 3.2, 3.5, 3.55, 3.83, 4.0], steps=100_000)
for r, states, exponent, error in zip(
    some.values, some.states, some.exponents[:, 0], some.spectrum.standard_error[:, 0], strict=True
):
    period = len(np.unique(states.round(6)))
    words = f"period {period}" if period < 20 else "no short period"
    print(f"r = {r}: λ1 = {exponent:9.5f} ± {error:.5f}, {words}")
print(f"ln 2 = {np.log(2):.5f}")

# %% [markdown]
# At a period doubling λ1 is zero, and negative on both sides.  Of a finite run it is slightly below zero there, because
# the orbit approaches the cycle slowly.  The ratio of successive distances tends to Feigenbaum's constant, 4.6692.

# %%
r = np.linspace(2.9, 3.5665, 4000)
cascade = bifurcation_diagram(Formula(logistic), start, r=r, steps=4000, transient=4000, threads=2)
peaks = find_peaks(cascade.exponents[:, 0], height=-0.05)[0]
doublings = r[peaks]
for value, exponent in zip(doublings, cascade.exponents[peaks, 0], strict=True):
    print(f"r = {value:.4f} ± {r[1] - r[0]:.4f}: λ1 = {exponent:.5f}")
print(f"exact: 3 and 1 + √6 = {1 + 6**0.5:.4f}")
print("ratios of distances:", ", ".join(f"{a / b:.2f}" for a, b in pairwise(np.diff(doublings))))

# %% [markdown]
# ## Hénon's map, with both exponents
# Their sum is ln b for every a.  Where both are equal, the multipliers of the cycle are a complex pair.

# %%
start = np.array([0.1, 0.1])
diagram = bifurcation_diagram(Formula(henon), start, a=np.linspace(0, 1.4, 1000), k=2, threads=2)
print(diagram)
print(f"λ1 + λ2 = ln 0.3 = {np.log(0.3):.6f} to {abs(diagram.exponents.sum(-1) - np.log(0.3)).max():.0e}")
doublings = diagram.values[find_peaks(diagram.exponents[:, 0], height=-0.02)[0]][:2]
print(f"first doublings at a = {doublings.round(3)}; exact: {3 * 0.7**2 / 4:.4f} and {0.7**2 + 1.3**2 / 4:.4f}")
figure = diagram.plot()
figure.axes[0].set_ylabel("x")
plt.show()

# %% [markdown]
# ## The Rössler equation, by its section
# The states are those at which y passes zero and grows.  One exponent of an equation is zero, along its flow: on a
# cycle it is λ1, and a period doubling is where λ2 is zero too.  Where λ1 is positive, λ2 is zero.

# %%
diagram = bifurcation_diagram(
    Flow(rossler, dt=0.05),
    np.array([1.0, 1.0, 0.0]),
    surface=lambda u: u[1],
    c=np.linspace(2, 5.8, 300),
    k=2,
    steps=20_000,
    transient=5000,
    samples=100,
    threads=2,
)
print(diagram)
print("loop:", diagram.spectrum.loop)
figure = diagram.plot()
figure.axes[0].set_ylabel("x where y = 0")
plt.show()

# %% [markdown]
# A value of interest deserves a longer run, with all exponents.  This one, at c = 5.7, ends when the standard error of
# λ1 is at most 0.002; the others may have any error.

# %%
flow, x = Flow(rossler, dt=0.05), np.array([1.0, 1.0, 0.0])
until = (0.002, np.inf, np.inf)
result = lyapunov_spectrum(repeat(flow, 5_000_000), x, frame(x, 3), every="auto", transient=5000, until=until)
print(result)
print(f"{result.maps} steps; λ1 published 0.0714")
