# %% [markdown]
# # How does a forecast follow measurements as they arrive, also when some are missing?
#
# A running forecaster keeps the state of its network.  Each observation moves it on by one step, which costs one
# product with the weights however long the past is, and from where it is it forecasts.  Where an observation is missing
# the network takes its own forecast of it: with a conditional exponent below zero it forgets the error once
# observations return.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from cocycle import Reservoir, train
from cocycle.reservoir import conditional_exponents, load
from cocycle.systems import Lorenz63

DT, EVERY, AHEAD = 0.02, 25, 25
series = Lorenz63().series(7000, dt=DT)
known, arriving = series[:6000], series[6000:].copy()
model = train(Reservoir.random(300, 3, dt=DT), known)
exponent = conditional_exponents(model, arriving, k=1).exponents[0]
print(f"the network forgets at a rate of {-exponent:.1f} per unit time")

# %% [markdown]
# One of three components fails for a time, then all observations do.

# %%
truth = arriving.copy()
arriving[300:500, 0] = np.nan  # x alone: inferred from y and z
arriving[700:850] = np.nan  # all: the network runs free
live = model.start(arriving[:100], gaps="bridge")
taken, ahead = [], []
for now in arriving[100 : 1000 - AHEAD]:
    taken.append(live.update(now))  # what the network was driven by
    ahead.append(live.forecast(AHEAD)[-1] if live.times % EVERY == 0 else np.full(3, np.nan))
taken, ahead = np.array(taken), np.array(ahead)
print(live)

# %%
time = DT * np.arange(100, 1000 - AHEAD)
figure, axes = plt.subplots(2, 1, figsize=(8, 4.8), sharex=True, layout="constrained")
axes[0].plot(DT * np.arange(1000), truth[:, 0], color="0.6", label="truth")
axes[0].plot(time, np.where(np.isnan(arriving[100 : 1000 - AHEAD, 0]), taken[:, 0], np.nan), label="bridged")
axes[0].plot(time + AHEAD * DT, ahead[:, 0], "k.", label=f"forecast {AHEAD * DT:g} time units before")
axes[0].set(ylabel="x")
figure.legend(frameon=False, ncols=3, loc="outside upper center", fontsize="small")
error = np.linalg.norm(taken - truth[100 : 1000 - AHEAD], axis=1) / truth.std(axis=0).mean()
axes[1].semilogy(time, np.where(error > 0, error, np.nan))
axes[1].set(xlabel="time", ylabel="error of what is taken\n(standard deviations)")
plt.show()
one, all_of_them = error[200:400].max(), error[600:750].max()
print(f"largest error with x missing {one:.2g}, with all missing {all_of_them:.2g} standard deviations")
assert one < 0.2

# %% [markdown]
# A running forecaster can be saved with its state, and goes on where it was, to the last bit.

# %%
path = Path(tempfile.mkdtemp()) / "live.h5"
live.save(path)
again = load(path)
assert (again.forecast(100) == live.forecast(100)).all()
print(f"saved after {again.times} observations, {path.stat().st_size / 1e6:.1f} MB")
