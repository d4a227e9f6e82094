# %% [markdown]
# # One function for four kinds of system
#
# A system is an iterable of maps of any kind.  `lyapunov_spectrum` pushes tangent vectors through it and averages their
# growth.

# %%
from itertools import repeat

import numpy as np

from cocycle import Compiled, Coupled, Flow, Reservoir, Select, frame, lyapunov_spectrum, train
from cocycle.systems import Henon, Lorenz63

# %% A map, repeated
x = Henon().series(1)[0]
print(
    "Hénon                 ",
    lyapunov_spectrum(repeat(Compiled(Henon()), 50_000), x, frame(x, 2), every=5, transient=100),
)

# %% A flow is the map of its time step; `Compiled` makes one orbit ten times faster
series = Lorenz63().series(8000, dt=0.02)
flow = Compiled(Flow(Lorenz63(), dt=0.02))
x = series[0]
print("Lorenz, per unit time ", lyapunov_spectrum(repeat(flow, 50_000), x, frame(x, 3), every=5, transient=500))

# %% A driven reservoir is one map for each input: its exponents are conditional on the drive
model = train(Reservoir.random(300, 3, spectral_radius=0.3, leak_rate=1.0, rng=1), series[:6000])
r = model.network.rest()
print("reservoir, per step   ", lyapunov_spectrum(model.driven(series), r, frame(r, 2), transient=200))

# %% The trained network with its output as input is a map again, with the exponents of Lorenz and more negative ones
warm = model.warmed(series[6000:6300])
result = lyapunov_spectrum(repeat(model.closed, 6000), warm, frame(r, 4), every=5, transient=500)
print("closed loop, per time ", (result.exponents / 0.02).round(2), "±", (result.standard_error / 0.02).round(2))

# %% Drive and response together: the union of the first two
small = Reservoir.gaussian(50, 1, weight_std=0.9, input_std=0.05, rng=1)
x = np.concatenate([series[0], small.rest()])
both = lyapunov_spectrum(repeat(Coupled(flow, small, Select((1,))), 5000), x, frame(x, 4), transient=1000)
print("drive and response    ", both)
