# %% [markdown]
# # Stiff equations, and steps that choose themselves
#
# Van der Pol's oscillator with μ = 100 moves slowly, then jumps; perturbations decay at rates of up to 300 all the
# while.  Its exponents are 0 and -178.08, the mean divergence along the limit cycle.

# %%
import warnings
from itertools import repeat

import matplotlib.pyplot as plt
import numpy as np

from cocycle import DormandPrince, Flow, Radau, frame, lyapunov_spectrum, time_step, trajectory


def van_der_pol(state, mu=100.0):
    x, v = state
    return v, mu * (1 - x**2) * v - x


start = np.array([2.0, 0.0])
states = trajectory(repeat(Flow(van_der_pol, 0.05, integrator=Radau()), 8000), start)
fig, ax = plt.subplots(figsize=(6, 2.4), constrained_layout=True)
ax.plot(0.05 * np.arange(len(states)), states[:, 0], lw=0.8)
ax.set(xlabel="time (units of the system)", ylabel="x")
plt.show()

# %% [markdown]
# Explicit steps must follow the fastest rate.  Where they are too long the result is wrong, and says so: with
# Runge-Kutta steps of 0.005 the oscillator looks chaotic.

# %%
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    flow = Flow(van_der_pol, 0.005)
    print(lyapunov_spectrum(repeat(flow, 100_000), start, frame(start, 2), every="auto"))
    print("warning:", caught[-1].message)

# %% [markdown]
# An implicit step is stable at any length, so that the orbit above is right with dt = 0.05.  The exponents still need
# steps of about 1/300: what decays within a step decays too slowly.  `time_step` gives such a dt.

# %%
for dt in (0.05, time_step(van_der_pol, start, integrator=Radau())):
    flow = Flow(van_der_pol, dt, integrator=Radau())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        steps = round(820 / dt)  # five periods
        spectrum = lyapunov_spectrum(repeat(flow, steps), start, frame(start, 2), every="auto", transient=steps // 5)
    values = " and ".join(f"{value:.2f}" for value in spectrum.exponents)
    print(f"dt = {dt}: {values}" + (" with a warning" if caught else ""))

# %% [markdown]
# Of an equation that is not stiff, `DormandPrince` chooses explicit steps by their error.  The map still takes the time
# dt; its tangent follows the steps that the state has chosen.


# %%
def lorenz(state, sigma=10.0, rho=28.0, beta=8 / 3):
    x, y, z = state
    return sigma * (y - x), x * (rho - z) - y, x * y - beta * z


start = np.array([-6.0, -8.5, 20.0])
flow = Flow(lorenz, 0.1, integrator=DormandPrince(rtol=1e-9))
print(lyapunov_spectrum(repeat(flow, 20_000), start, frame(start, 3), every="auto", transient=500))
print("a Runge-Kutta step that does:", time_step(lorenz, start))
