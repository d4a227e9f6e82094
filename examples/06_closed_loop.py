# %% [markdown]
# # Does the closed loop have the exponents of the system that it learned, and its covariant vectors?
#
# With its output as input the trained network is an autonomous map.  Its first exponents should be those of the
# system; the others are rates at which perturbations of the network decay.  Covariant vectors show more: the direction
# that grows at each exponent, and the angles between these directions.

# %%
from itertools import repeat

import matplotlib.pyplot as plt
import numpy as np

from cocycle import Compiled, Flow, Reservoir, covariant_vectors, frame, lyapunov_spectrum, train
from cocycle.lyapunov import angles
from cocycle.plotting import angle_histograms
from cocycle.systems import Lorenz63

DT = 0.02
series = Lorenz63().series(8000, dt=DT)
model = train(Reservoir.random(100, 3, spectral_radius=0.3, dt=DT), series[:6000], ridge=1e-8)

# %% Exponents per unit time: the network knows the time between samples
r = model.warmed(series[6000:6300])
closed = lyapunov_spectrum(repeat(model.closed, 10_000), r, frame(r, 6), every=5, transient=200)
r = model.network.rest()
conditional = lyapunov_spectrum(model.driven(series[6000:]), r, frame(r, 1), transient=200)
published = (0.9056, 0.0, -14.5723)
for i, (value, error) in enumerate(zip(closed.exponents, closed.standard_error, strict=True)):
    print(f"λ{i + 1} = {value:8.3f} ± {error:.3f}" + (f"   Lorenz {published[i]}" if i < 3 else ""))
print(f"conditional λ₁ = {conditional.exponents[0]:.1f}: well below the last one of Lorenz, and does not disturb it")

# %% [markdown]
# A network whose perturbations decay more slowly than the system contracts mixes its own exponents with those of the
# system (Hart, arXiv 2401.00885).
#
# ## Covariant vectors
# Angles between the three directions, along the true flow and along the closed loop.  The vectors of the closed loop
# have 100 components, so the angles are those between their images under the readout.

# %%
flow = Compiled(Flow(Lorenz63(), dt=DT))
x = series[0]
true = [
    angles(step.v)
    for step in covariant_vectors(repeat(flow, 6000), x, frame(x, 3), transient=500, backward_transient=500)
]

r, outputs = model.warmed(series[6000:6300]), model.readout.weight
steps = covariant_vectors(repeat(model.closed, 4000), r, frame(r, 3), transient=500, backward_transient=500)
images = (model.outputs.scale[:, None] * (outputs @ step.v) for step in steps)
learned = [angles(v / np.linalg.norm(v, axis=0)) for v in images]

figure, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True, layout="constrained")
for ax, found, name in zip(axes, (true, learned), ("Lorenz", "closed loop, at its output"), strict=True):
    angle_histograms(ax, np.array(found))
    ax.set_title(name)
    ax.label_outer()
plt.show()

# %%
for name, found in (("Lorenz", true), ("closed loop", learned)):
    first, last = np.degrees(np.array(found))[:, 0, [1, 2]].T
    print(f"{name}: median angles {np.median(first):.1f}° between v1 and v2, {np.median(last):.1f}° between v1 and v3")
