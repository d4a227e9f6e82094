# %% [markdown]
# # How sure is a forecast, and for how long?
#
# An ensemble of networks, each started from warm-ups with a little noise, gives quantiles at every step.  On starts
# where the truth is known their distances from the median are scaled until the stated share of truths is inside.  The
# band grows with the chaos of the system until it is as wide as the attractor: from then on the forecast says no more
# than the statistics of the series.

# %%
import matplotlib.pyplot as plt
import numpy as np

from cocycle import Reservoir
from cocycle.reservoir import forecast_intervals
from cocycle.systems import Lorenz63

DT, STEPS, WARM_UP = 0.02, 500, 100
series = Lorenz63().series(10000, dt=DT)
known, unseen = series[:9000], series[9000:]

networks = [Reservoir.random(100, 3, dt=DT, rng=seed) for seed in range(5)]
intervals = forecast_intervals(networks, known, unseen[:WARM_UP], STEPS, coverage=0.9, starts=80)
print(intervals)

# %% The band, and what happened
truth = unseen[WARM_UP : WARM_UP + STEPS]
figure = intervals.plot(truth, names=["x", "y", "z"])
inside = (intervals.lower <= truth) & (truth <= intervals.upper)
print("of this one forecast", ", ".join(f"{share:.0%}" for share in inside.mean(axis=0)), "of the times are inside")
plt.show()

# %% [markdown]
# ## Is the coverage what it says?
# Each half of the held-out starts is calibrated on the other half.  The error bars count starts as independent, which
# those are that lie a Lyapunov time apart.

# %%
lyapunov_time = 1 / 0.9056
time = np.arange(1, STEPS + 1) * DT / lyapunov_time
figure, (coverage, width) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
every = slice(0, None, 25)
for i, name in enumerate("xyz"):
    coverage.errorbar(time[every], intervals.measured[every, i], intervals.error, fmt="o", markersize=3, label=name)
    width.semilogy(time, intervals.relative_width[:, i], label=name)
coverage.axhline(intervals.coverage, color="black", linewidth=1)
coverage.set(xlabel="horizon (Lyapunov times)", ylabel="share of starts inside", ylim=(0.5, 1.02))
width.axhline(1, color="black", linewidth=1)
width.set(xlabel="horizon (Lyapunov times)", ylabel="width of the band / attractor")
width.legend(frameon=False)
plt.show()
worst = abs(intervals.measured - intervals.coverage).max() / intervals.error
print(f"mean coverage {intervals.measured.mean():.3f}; the worst horizon is {worst:.1f} standard errors away")
assert worst < 5
