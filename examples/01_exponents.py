# %% [markdown]
# # What are the exponents of a map and of a flow, and how accurate are they?
#
# A system is an iterable of maps; `lyapunov_spectrum` pushes a frame of tangent vectors through it and averages their
# growth.  Every exponent comes with a standard error: from the scatter of ten consecutive segments of the orbit, and
# from how far the average depends on where the orbit ends.

# %%
from itertools import repeat

import matplotlib.pyplot as plt
import numpy as np

from cocycle import Compiled, Flow, frame, kaplan_yorke, lyapunov_spectrum
from cocycle.plotting import phase_portrait, spectrum_points
from cocycle.systems import Henon, Lorenz63

# %% [markdown]
# ## A map
# Its exponents are per iteration.  Their sum is ln |det| = ln 0.3 at every step of every orbit.

# %%
henon = Henon()
x = henon.series(1)[0]  # a point of the attractor
result = lyapunov_spectrum(repeat(Compiled(henon), 50_000), x, frame(x, 2), every=5)
print(result)
print(f"sum {result.exponents.sum():.12f}, ln 0.3 = {np.log(0.3):.12f}")

# %% [markdown]
# ## A flow
# `Flow` makes a map of a vector field and a time step, `Compiled` compiles it to Python without arrays.  Exponents
# of a flow are per unit time; one of them is zero, in the direction of the flow.

# %%
lorenz = Lorenz63()
series = lorenz.series(5000, dt=0.02)
x = series[0]
result = lyapunov_spectrum(repeat(Compiled(Flow(lorenz, dt=0.02)), 50_000), x, frame(x, 3), every=5, transient=500)
print(result)
dimension, error = kaplan_yorke(result, neutral=1)
print(f"Kaplan-Yorke dimension {dimension:.4f} ± {error:.4f}; published 2.062")
result.plot()
plt.show()

# %% [markdown]
# ## Many orbits at once
# A batch of replicas costs little more than one orbit, and shows how much finite-time estimates scatter: this error
# bar needs no assumption about correlations.

# %%
starts = lorenz.start(np.random.default_rng(1), (200,))
replicas = lyapunov_spectrum(repeat(Flow(lorenz, dt=0.02), 3000), starts, frame(starts, 3), every=5, transient=1000)
mean, error = replicas.exponents.mean(0), replicas.scatter / np.sqrt(len(starts))
print("mean over replicas", ", ".join(f"{m:.4f} ± {e:.4f}" for m, e in zip(mean, error, strict=True)))

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
phase_portrait(left, series, (0, 2), names=["x", "y", "z"])
spectrum_points(right, replicas)
plt.show()
