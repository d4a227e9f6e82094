# %% [markdown]
# # Equations with memory, and fields in space
#
# A delay equation is a map of its history, a field is a vector field of its values on a grid.  Both are made of the
# right-hand side alone, as a plain function; their tangents are exact.

# %%
from itertools import repeat

import matplotlib.pyplot as plt
import numpy as np

from cocycle import Flow, frame, lyapunov_spectrum, trajectory
from cocycle.systems import DelayEquation, Interval, MethodOfLines
from cocycle.trajectories import end

# %% [markdown]
# ## One delay: the dimension grows with it
# The equation of Mackey and Glass.  The delay is a parameter of the rate, so that `at` changes it.  Ten orbits are
# computed together; the errors are those of their mean.


# %%
def mackey_glass(x, delayed, beta=0.2, gamma=0.1, tau=17.0):
    return beta * delayed / (1 + delayed**10) - gamma * x


equation = DelayEquation(mackey_glass, "tau", points=120)
for tau in (17.0, 23.0, 30.0):
    one = equation.at(tau=tau)
    x = one.start(np.random.default_rng(0), (10,))
    result = lyapunov_spectrum(repeat(one, 12_000), x, frame(x, 5), every=20, transient=5000)
    mean, error = result.exponents.mean(0), result.scatter / np.sqrt(10)
    words = ", ".join(f"{m:.4f}({round(1e4 * e)})" for m, e in zip(mean[:4], error, strict=False))
    print(f"delay {tau}: {words}; dimension {np.mean(result.kaplan_yorke):.2f}")

# %% [markdown]
# ## Two delays, one of them between the points of the history
# The exponents of a linear equation are the real parts of the roots of λ + 0.5 = -1.2 exp(-λ) + 0.9 exp(-λ τ).  Those
# of a complex pair, averaged over a time T, have an error of about 1/T, here 0.003.


# %%
def two_delays(x, first, second):
    return -0.5 * x - 1.2 * first + 0.9 * second


for tau in (0.7283, 2.0):
    equation = DelayEquation(two_delays, (1.0, tau))
    x = equation.start(np.random.default_rng(0))
    found = lyapunov_spectrum(repeat(equation, 40_000), x, frame(x, 1), every=10, transient=4000).exponents[0]
    root = found + 1.5j
    for _ in range(50):  # Newton's method for the root of which this is the real part
        terms = -1.2 * np.exp(-root), 0.9 * np.exp(-root * tau)
        root -= (root + 0.5 - sum(terms)) / (1 + terms[0] + tau * terms[1])
    print(f"τ = {tau}: λ1 = {found:.4f}, root {root:.4f}")

# %% [markdown]
# ## A field: turbulence of the Ginzburg-Landau equation
# A_t = A + (1 + i b) A_xx - (1 + i c) |A|² A, with two components, Re A and Im A.


# %%
def ginzburg_landau(w, w_xx, b=2.0, c=-1.2):
    (re, im), square = w, w[0] ** 2 + w[1] ** 2
    return (
        re + w_xx[0] - b * w_xx[1] - square * (re - c * im),
        im + w_xx[1] + b * w_xx[0] - square * (im + c * re),
    )


field = MethodOfLines(ginzburg_landau, Interval(50.0, 80), components=2)
flow = Flow(field, dt=0.05)
x = end(repeat(flow, 2000), field.start(np.random.default_rng(1)))
states = trajectory(repeat(flow, 1600), x)
modulus = np.hypot(*np.moveaxis(field.fields(states), 1, 0))
figure, axes = plt.subplots()
image = axes.imshow(modulus, origin="lower", aspect="auto", extent=(0, 50, 0, 80))
axes.set(xlabel="place x", ylabel="time t (units of the system)")
figure.colorbar(image, label="|A|")
plt.show()

# %% [markdown]
# The exponents of a large field depend on their number per length alone: those of half the length are every other one.

# %%
spectra = {}
for length in (50.0, 100.0):
    field = MethodOfLines(ginzburg_landau, Interval(length, int(1.6 * length)), components=2)
    flow = Flow(field, dt=0.05)
    x = end(repeat(flow, 2000), field.start(np.random.default_rng(1)))
    k = int(0.4 * length)
    result = lyapunov_spectrum(repeat(flow, 3000), x, frame(x, k), every=10, transient=1000)
    spectra[length] = result
    print(f"length {length:.0f}: λ1 = {result.exponents[0]:.3f}, positive {(result.exponents > 0.01).sum()}")
figure, axes = plt.subplots()
for length, result in spectra.items():
    axes.plot((np.arange(len(result.exponents)) + 0.5) / length, result.exponents, "o", label=f"length {length:.0f}")
axes.axhline(0, color="grey", linewidth=0.5)
axes.set(xlabel="number of exponents per length", ylabel="exponent λᵢ (per unit time)")
axes.legend()
plt.show()
