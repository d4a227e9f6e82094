# %% [markdown]
# # Bring your own system, or your own data
#
# An equation is a `VectorField`: its value beside its linearisation.  `check_map` compares the two with each other
# and with central differences.

# %%
from itertools import repeat

import matplotlib.pyplot as plt
import numpy as np

from cocycle import (
    Flow,
    Reservoir,
    VectorField,
    forecast,
    frame,
    lyapunov_spectrum,
    train,
    trajectory,
    valid_time,
    valid_times,
)
from cocycle.plotting import phase_portrait
from cocycle.reservoir import CrossValidated
from cocycle.testing import check_map


class Duffing(VectorField):
    """x' = v, v' = x - x³ - δ v + γ cos φ, φ' = ω: a driven particle in two wells; the phase φ makes it autonomous."""

    delta, gamma, omega = 0.3, 0.5, 1.2

    def __call__(self, state):
        x, v, phase = np.moveaxis(state, -1, 0)
        force = x - x**3 - self.delta * v + self.gamma * np.cos(phase)
        return np.stack([v, force, self.omega + 0 * x], axis=-1)

    def tangent(self, state, q):
        x, phase = state[..., 0, None], state[..., 2, None]
        dx, dv, dphase = np.moveaxis(q, -2, 0)
        dforce = (1 - 3 * x**2) * dx - self.delta * dv - self.gamma * np.sin(phase) * dphase
        return self(state), np.stack([dv, dforce, 0 * dphase], axis=-2)


flow = Flow(Duffing(), dt=0.05)
states = np.random.default_rng(1).normal(size=(5, 3))
check_map(flow, states, frame(states, 2))

# %% Exponents: one is zero, along the phase; their sum is -δ, the rate at which volumes shrink
x = np.array([0.1, 0.0, 0.0])
result = lyapunov_spectrum(repeat(flow, 40_000), x, frame(x, 3), every=5, transient=2000)
print(result)
print(f"sum {result.exponents.sum():.6f}, -δ = {-Duffing.delta}")

# %% [markdown]
# ## Your own data
# Any array (time, components) serves: from `np.loadtxt`, a data frame's `.to_numpy()`, an experiment.  Here the
# position and velocity of the particle; the phase of the force is not predicted but given, as an `external` input.

# %%
series = trajectory(repeat(flow, 9500), result.x)
data = series[:, :2]  # what an experiment would measure
force = np.stack([np.cos(series[:, 2]), np.sin(series[:, 2])], axis=-1)
ridges = CrossValidated(ridges=10.0 ** np.arange(-14, 3))  # data without noise: very small ones too
model = train(Reservoir.random(300, 4, spectral_radius=0.5, rng=2), data[:6000], external=force[:6000], ridge=ridges)
start, steps, exponent = 6300, 3000, result.exponents[0]
prediction = forecast(model, data[6000:start], steps, external=force[6000 : start + steps])
truth = data[start : start + steps]
valid = valid_time(prediction, truth, lyapunov_time=1 / (exponent * 0.05), reference=data)
print(f"valid time {valid:.2f} Lyapunov times")
print(f"ridge chosen {model.settings['ridge']:.1e}; one Lyapunov time is {1 / exponent:.1f} time units")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3), width_ratios=(1, 2), layout="constrained")
phase_portrait(left, data, names=["position", "velocity"])
time = np.arange(steps) * 0.05 * exponent
right.plot(time, truth[:, 0], color="black", label="measured")
right.plot(time, prediction[:, 0], "--", color="tab:orange", label="forecast")
right.set(xlabel="time (Lyapunov times)", ylabel="position")
right.legend(frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
plt.show()

# %% Without the force as input the network has to infer its phase
alone = train(Reservoir.random(300, 2, spectral_radius=0.9, rng=2), data[:6000], ridge=ridges)
print("without the force:", valid_times(alone, data[6000:], lyapunov_time=1 / (exponent * 0.05), horizon=4.0))

# %% [markdown]
# A gap in the data raises an error with its position, before anything is computed:

# %%
broken = data.copy()
broken[1234, 0] = np.nan
try:
    train(Reservoir.random(300, 2), broken)
except ValueError as error:
    print(error)
