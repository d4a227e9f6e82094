# %% [markdown]
# # For how long does a reservoir predict the Lorenz system, and why?
#
# Train on 120 time units, then run the network in closed loop from twenty starts that are not in the training data.
# The valid time is the first time at which the error passes 0.3 of the fluctuations of the system; it differs from
# start to start.

# %%
import matplotlib.pyplot as plt

from cocycle import Reservoir, diagnose, forecast, train, valid_time, valid_times
from cocycle.plotting import forecast_figure, return_map
from cocycle.reservoir import maxima
from cocycle.systems import Lorenz63

DT, LYAPUNOV_TIME = 0.02, 1 / (0.9056 * 0.02)  # the latter in steps

series = Lorenz63().series(14_000, dt=DT, rng=3)
training, unseen = series[:6000], series[6000:]
model = train(Reservoir.random(300, 3, dt=DT, rng=3), training)

# %% The distribution of valid times
times = valid_times(model, unseen, lyapunov_time=LYAPUNOV_TIME, horizon=14)
print(times)

# %% One forecast, with its valid time
prediction = forecast(model, unseen[:200], 6000)
first, truth = prediction[:600], unseen[200:800]
valid = valid_time(first, truth, lyapunov_time=LYAPUNOV_TIME, reference=training)
forecast_figure(first, truth, lyapunov_time=LYAPUNOV_TIME, valid_time=valid, names=["x", "y", "z"])
plt.show()

# %% Why: exponents, memory, local fields, climate
found = diagnose(model, unseen, lyapunov_time=LYAPUNOV_TIME, true_exponents=[0.9056, 0, -14.5723])
print(found)
found.plot()
plt.show()

# %% [markdown]
# ## What is right after the forecast has failed
# Each maximum of z against the one before it: the long run of the network, which left the true orbit long before its
# end, has the return map of the Lorenz system.

# %%
figure, ax = plt.subplots(figsize=(4, 3), layout="constrained")
return_map(ax, maxima(unseen[200:6200, 2]), name="maximum of z", color="black", label="Lorenz")
return_map(ax, maxima(prediction[:, 2]), name="maximum of z", color="tab:orange", label="reservoir")
ax.legend(frameon=False)
plt.show()
