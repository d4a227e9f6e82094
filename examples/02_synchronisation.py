# %% [markdown]
# # Does my reservoir synchronise with its drive?
#
# A driven network is one map for each input.  Its *conditional* exponents, at a given input, show whether it forgets
# its initial state: copies of it converge if the largest is negative.  A network that does not synchronise cannot
# predict: its state is not a function of the past input.

# %%
import matplotlib.pyplot as plt
import numpy as np

from cocycle import Reservoir, frame, lyapunov_spectrum
from cocycle.plotting import synchronisation_lines
from cocycle.reservoir import consistency, synchronisation
from cocycle.systems import Lorenz63

u = Lorenz63().series(2000, dt=0.02)

# %% Copies of two networks, from different initial states
figure, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True, layout="constrained")
for ax, weight_std in zip(axes, (0.9, 2.5), strict=True):
    network = Reservoir.gaussian(200, 3, weight_std=weight_std, input_std=0.02, rng=1)
    r = network.rest()
    exponent = lyapunov_spectrum(network.driven(u), r, frame(r, 1), transient=200)
    found = synchronisation(network, u)
    print(f"weight_std {weight_std}: conditional exponent {exponent}")
    print(f"    {found}; consistency {consistency(network, u):.3f}")
    synchronisation_lines(ax, found)
    ax.set_title(f"$σ_W$ = {weight_std}: λ₁ = {exponent.exponents[0]:.3f} per step")
    ax.label_outer()
plt.show()

# %% [markdown]
# The rate at which copies converge is the exponent, measured without tangents.  Where the exponent is positive, copies
# stay apart: the dynamics of the network is chaotic.
#
# ## Where is the border?
# Networks that share their random matrices and differ in their scale are a batch: one matrix product serves all of
# them.

# %%
scales = np.linspace(0.5, 2.5, 21)
network = Reservoir.gaussian(200, 3, weight_std=1.0, input_std=0.02, rng=1)
batch = Reservoir(network.weight, network.input_weight, gain=scales[:, None])
r = batch.rest()
result = lyapunov_spectrum(batch.driven(u[:, None]), r, frame(r, 1), transient=200)
exponents, errors = result.exponents[:, 0], result.standard_error[:, 0]
border = np.interp(0, exponents, scales)
print(f"λ₁ changes sign at weight_std {border:.2f}; without a drive it would at about 1")

figure, ax = plt.subplots(figsize=(4.6, 3), layout="constrained")
ax.errorbar(scales, exponents, 2 * errors, fmt="o-", markersize=3)
ax.axhline(0, color="black", linewidth=0.8)
ax.set(xlabel="weight scale $σ_W$", ylabel="conditional exponent λ₁ (per step)")
plt.show()
