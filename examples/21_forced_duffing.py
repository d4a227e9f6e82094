# %% [markdown]
# # A forced oscillator: time that is no component of the state
#
# Duffing's equation with Ueda's force, x'' + 0.05 x' + x³ = 7.5 cos t.  `ForcedFlow` takes the time as its first
# argument and gives the map over one period of the force: two exponents, not three with one that is zero.

# %%
from itertools import repeat

import matplotlib.pyplot as plt
import numpy as np

from cocycle import ForcedFlow, frame, lyapunov_spectrum, trajectory


def duffing(t, state, damping=0.05, force=7.5):
    x, v = state
    return v, -damping * v - x**3 + force * np.cos(t)


PERIOD = 2 * np.pi
forced = ForcedFlow(duffing, dt=PERIOD / 200)
over_a_period = forced.stroboscopic(PERIOD)

# %% The states once in every period: Ueda's attractor
start = np.array([1.0, 0.5])
states = trajectory(repeat(over_a_period, 20_000), start)[100:]
fig, ax = plt.subplots(figsize=(5, 4), constrained_layout=True)
ax.plot(*states.T, ",", color="k")
ax.set(xlabel="x", ylabel="dx/dt (per unit time)", title="once in every period of the force")
plt.show()

# %% [markdown]
# Sixteen orbits at once give the exponents with the scatter over them.  Their sum is minus the damping, exactly.
# Sprott's book has 0.1034 and -0.1534 (quoted from memory).

# %%
starts = states[:: len(states) // 16][:16]
spectrum = lyapunov_spectrum(repeat(over_a_period, 4000), starts, frame(starts, 2), every="auto", transient=50)
for value, error in zip(spectrum.exponents.mean(0), spectrum.scatter / 4, strict=True):
    print(f"{value:8.4f} ± {error:.4f} per unit time")
print(f"sum {spectrum.exponents.mean(0).sum():.6f}; steps by the {spectrum.loop} loop")

# %% [markdown]
# Any other forcing is a sequence of maps, `forced.maps(steps, start=...)`: here one whose frequency changes slowly,
# which has no period.


# %%
def swept(t, state, damping=0.05, force=7.5):
    x, v = state
    return v, -damping * v - x**3 + force * np.cos(t * (1 + 1e-4 * t))


maps = ForcedFlow(swept, dt=PERIOD / 200).maps(20_000)
print(lyapunov_spectrum(maps, start, frame(start, 2), every="auto", transient=1000))

# %% With the time as one more component there is an exponent that is zero
clock = ForcedFlow(duffing, dt=PERIOD / 200).autonomous()
start = np.append(start, 0.0)
print(lyapunov_spectrum(repeat(clock, 200_000), start, frame(start, 3), every="auto", transient=5000, thin=20))
