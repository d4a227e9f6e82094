# %% [markdown]
# # Impacts and spikes: orbits that jump
#
# A ball on a floor that gives it a little speed at every bounce: its state jumps where its height is zero.
# `HybridFlow` finds the times of the events and takes tangent vectors through them: a vector that arrives later jumps
# later.

# %%

import matplotlib.pyplot as plt
import numpy as np

from cocycle import Event, Flow, ForcedFlow, HybridFlow, ReturnMap, end, frame, lyapunov_spectrum, trajectory

GRAVITY, RESTITUTION, KICK = 9.81, 0.9, 1.0


def falling(state):
    height, speed = state
    return speed, -GRAVITY + 0 * height


floor = Event(surface=lambda u: u[0], reset=lambda u: np.stack([0 * u[0], KICK - RESTITUTION * u[1]]))
ball = HybridFlow(Flow(falling, dt=0.02), floor)
start = np.array([2.0, 0.0])
states = trajectory([ball] * 500, start)
fig, ax = plt.subplots(figsize=(6, 2.4), constrained_layout=True)
ax.plot(0.02 * np.arange(1, 501), states[:, 0], lw=0.8)
ax.set(xlabel="time (units of the system)", ylabel="height")
plt.show()

# %% [markdown]
# It ends in bounces of one height.  One exponent is zero, along the orbit, the other is ln(restitution) for every
# period.

# %%
period = 2 * KICK / (1 - RESTITUTION) / GRAVITY
spectrum = lyapunov_spectrum([ball] * 6000, start, frame(start, 2), transient=2000, every=5)
print(spectrum)
print(f"exact: 0 and {np.log(RESTITUTION) / period:.5f}")
impact = ReturnMap(ball)  # from the state after one impact to that after the next
x = end([impact] * 60, start)
result = lyapunov_spectrum([impact] * 100, x, frame(x, 1), transient=2)  # then vectors lie on the floor
print(f"per impact {result.exponents[0]:.5f}, exact {np.log(RESTITUTION):.5f}; time between {impact.times(x):.4f}")

# %% [markdown]
# A forced oscillator that hits a wall is chaotic.  Between impacts it is linear: all of the chaos comes from the jumps.

# %%
TURN = 2 * np.pi / 2.8


def oscillator(t, state, damping=0.05):
    x, v = state
    return v, -x - 2 * damping * v + np.cos(2.8 * t)


wall = Event(surface=lambda u: u[0], reset=lambda u: np.stack([u[0], -0.8 * u[1]]))
forced = HybridFlow(ForcedFlow(oscillator, dt=TURN / 40).stroboscopic(TURN), wall)
start = np.array([0.5, 0.0])
print(lyapunov_spectrum([forced] * 400, start, frame(start, 2), transient=50))
states = trajectory([forced] * 1500, start)[100:]
fig, ax = plt.subplots(figsize=(4, 3), constrained_layout=True)
ax.plot(*states.T, ".", ms=1.5, color="k")
ax.set(xlabel="x", ylabel="dx/dt (per unit time)", title="once in every period of the force")
plt.show()

# %% [markdown]
# An integrate-and-fire neuron: between spikes perturbations decay as exp(-t), yet its phase is neutral.

# %%
neuron = HybridFlow(Flow(lambda v: 1.5 - v, dt=0.05), Event(lambda v: 1 - v[0], lambda v: 0 * v))
print(lyapunov_spectrum([neuron] * 4400, np.array([0.0]), np.eye(1)))
