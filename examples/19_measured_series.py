# %% [markdown]
# # Is a measured series chaotic, and for how long can it be predicted?
#
# A series of one component is all there is: no equation.  Its largest exponent follows from the growth of distances
# between vectors of delayed values that were close once.  Where distances do not grow exponentially there is none.

# %%
import warnings
from itertools import repeat

import matplotlib.pyplot as plt
import numpy as np

from cocycle import (
    Reservoir,
    embedding_delay,
    embedding_dimension,
    exponent_from_series,
    frame,
    lyapunov_spectrum,
    train,
    valid_times,
)
from cocycle.systems import Henon, Lorenz63, MackeyGlass, Rossler

DT = 0.02
states = Lorenz63().series(14_000, dt=DT, rng=1)
measured = states[:10_000, 0]

# %% How the vectors are chosen
delay = embedding_delay(measured)
dimension = embedding_dimension(measured, delay.delay)
print(delay, dimension, embedding_dimension(measured, delay.delay, method="false neighbours"), sep="\n")
figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
delay.plot(ax=axes[0])
dimension.plot(ax=axes[1])
plt.show()

# %% The exponent, by the nearest neighbours and by all neighbours within three radii; that of the equation is 0.906
found = exponent_from_series(measured, DT)
other = exponent_from_series(measured, DT, method="kantz")
print(found, other, sep="\n")
figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained", sharey=True)
for ax, result in zip(axes, (found, other), strict=True):
    result.plot(ax=ax)
    ax.set_title(result.method)
plt.show()

# %% [markdown]
# ## Other systems
# The bold part of the curve above is the stretch that was found to be linear.  Noise has none, because distances reach
# their final size at once, and a periodic orbit has none, because they do not grow.

# %%
rng, t = np.random.default_rng(1), np.arange(5000)
wave = np.sin(2 * np.pi * t / 37.3)
cases = {
    "Hénon, 0.419": (Henon().series(10_000)[:, 0], 1.0),
    "Rössler, 0.0714": (Rossler().series(10_000, dt=0.1)[:, 0], 0.1),
    "Mackey-Glass, 0.00514": (MackeyGlass(points=17).series(10_000)[:, 0], 1.0),
    "white noise": (rng.normal(size=5000), 1.0),
    "sine": (wave, 1.0),
    "sine with noise": (wave + 0.02 * rng.normal(size=5000), 1.0),
    "two frequencies": (wave + 0.7 * np.sin(2 * np.pi * t / 23.1), 1.0),
}
for name, (x, dt) in cases.items():
    print(f"{name}: {exponent_from_series(x, dt)}")

# %% [markdown]
# ## Reservoirs that learned the same system
# Valid times are in Lyapunov times, here that of the series.  A trained closed loop should have its exponent: `compare`
# warns where the two differ by more than three combined standard errors.  One network is trained on all three
# components, the other on the measured one: it predicts for a while, but its closed loop ends in a periodic orbit.

# %%
cases = {
    "three components": (states, Reservoir.random(100, 3, spectral_radius=0.3, dt=DT)),
    "one component": (states[:, :1], Reservoir.random(300, 1, spectral_radius=0.9, bias_scaling=0.5, dt=DT, rng=2)),
}
for name, (observed, network) in cases.items():
    model = train(network, observed[:10_000], ridge=1e-8)
    print(f"{name}: {valid_times(model, observed[10_000:], lyapunov_time=found.lyapunov_time)}")
    r = model.warmed(observed[10_000:10_300])
    closed = lyapunov_spectrum(repeat(model.closed, 10_000), r, frame(r, 1), every=5, transient=1000)
    with warnings.catch_warnings(record=True, action="always") as warned:
        difference = found.compare(closed.exponents[0], closed.standard_error[0])
    print(
        f"  {closed}; {difference:.1f} combined standard errors from the series",
        *(w.message for w in warned),
        sep="\n  ",
    )
