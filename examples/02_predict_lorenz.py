# %% [markdown]
# # How long does a reservoir predict the Lorenz system, and why?
#
# Train on 120 time units, then let the network run on its own output from twenty starts that it has not seen.  The
# valid time is the first time at which the error passes 0.3 of the fluctuations of the system; it differs from start
# to start.

# %%
import matplotlib.pyplot as plt
import numpy as np

from cocycle import Reservoir, diagnose, forecast, train, valid_time
from cocycle.plotting import forecast_figure
from cocycle.reservoir import maxima, valid_times
from cocycle.systems import Lorenz63

DT, LYAPUNOV_TIME = 0.02, 1 / (0.9056 * 0.02)  # the latter in steps

series = Lorenz63().series(14_000, dt=DT, rng=3)
training, unseen = series[:6000], series[6000:]
model = train(Reservoir.random(300, 3, rng=3), training)

# %% The distribution of valid times
print(valid_times(model, unseen, lyapunov_time=LYAPUNOV_TIME))

# %% Why: exponents, memory, local fields, climate
print(diagnose(model, unseen, lyapunov_time=LYAPUNOV_TIME, true_exponents=np.array([0.9056, 0, -14.5723]) * DT))

# %% One forecast, and the return map of the maxima of z in a long run: what is kept when the orbit is lost
prediction = forecast(model, unseen[:200], 6000)
time = np.arange(1, 601) / LYAPUNOV_TIME
figure, axes = plt.subplots(1, 2, figsize=(9, 3), width_ratios=(2, 1), layout="constrained")
axes[0].plot(time, unseen[200:800, 2], color="black", label="Lorenz")
axes[0].plot(time, prediction[:600, 2], color="tab:red", linestyle="--", label="reservoir")
axes[0].set(xlabel="time (Lyapunov times)", ylabel="z")
axes[0].legend(ncols=2)
for values, color in ((unseen[200:6200, 2], "black"), (prediction[:, 2], "tab:red")):
    tops = maxima(values)
    axes[1].plot(tops[:-1], tops[1:], ".", markersize=3, color=color)
axes[1].set(xlabel="maximum of z", ylabel="next maximum of z")
figure.savefig("predict_lorenz.png")

# %% All components of one forecast, with its valid time, in one call
prediction = prediction[:600]
valid = valid_time(prediction, unseen[200:800], lyapunov_time=LYAPUNOV_TIME, reference=training)
figure = forecast_figure(
    prediction, unseen[200:800], lyapunov_time=LYAPUNOV_TIME, valid_time=valid, names=["x", "y", "z"]
)
figure.savefig("predict_lorenz_components.png")
