# %% [markdown]
# # How long does a reservoir predict the Lorenz system?
#
# Train on 120 time units, then let the network run on its own output from eight starts that it has not seen.  The
# valid time is the first time at which the error passes 0.3 of the fluctuations of the system; it differs from start
# to start.

# %%
import matplotlib.pyplot as plt
import numpy as np

from cocycle import Reservoir, forecast, train, valid_time
from cocycle.systems import Lorenz63

DT, LYAPUNOV_TIME = 0.02, 1 / (0.9056 * 0.02)  # the latter in steps
WARM_UP, HORIZON, STARTS = 300, 600, 8

series = Lorenz63().series(6000 + STARTS * (WARM_UP + HORIZON), dt=DT, rng=3)
model = train(Reservoir.gaussian(400, 3, weight_std=1.0, input_std=0.03, rng=3), series[:6000])

# %% One forecast for each start: all of them in one batch
windows = series[6000:].reshape(STARTS, WARM_UP + HORIZON, 3).swapaxes(0, 1)
truth = windows[WARM_UP:]
prediction = forecast(model, windows[:WARM_UP], HORIZON)
times = valid_time(prediction, truth, lyapunov_time=LYAPUNOV_TIME, reference=series[:6000])
print("valid times (Lyapunov times):", times.round(1), "median", np.median(times).round(1))

# %% The first of them
time = np.arange(1, HORIZON + 1) / LYAPUNOV_TIME
figure, axes = plt.subplots(3, 1, sharex=True, layout="constrained")
for ax, name, true, predicted in zip(axes, "xyz", truth[:, 0].T, prediction[:, 0].T, strict=True):
    ax.plot(time, true, color="black", label="Lorenz")
    ax.plot(time, predicted, color="tab:red", linestyle="--", label="reservoir")
    ax.axvline(times[0], color="tab:blue", label="valid time")
    ax.set_ylabel(name)
axes[0].legend(ncols=3)
axes[-1].set_xlabel("time (Lyapunov times)")
figure.savefig("predict_lorenz.png")
