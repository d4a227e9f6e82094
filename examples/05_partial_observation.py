# %% [markdown]
# # What if I observe one component only?
#
# The present value of one component does not determine the future: the network needs enough of the past to determine
# the others.  The conditional exponent measures this memory, about 1 / |λ₁| steps.

# %%
import matplotlib.pyplot as plt
import numpy as np

from cocycle import Reservoir, frame, lyapunov_spectrum, train, valid_times
from cocycle.reservoir import nrmse
from cocycle.systems import Lorenz63

LYAPUNOV_TIME = 1 / (0.9056 * 0.02)
series = Lorenz63().series(9000, dt=0.02)
training, unseen = series[:6000], series[6000:]

# %% Prediction from all three components, and from the second alone, for networks of longer and longer memory
radii = [0.1, 0.5, 0.9, 1.2, 1.4]
columns = {"all three": slice(None), "second only": slice(1, 2)}
memory, medians = [], {name: [] for name in columns}
for spectral_radius in radii:
    for name, observed in columns.items():
        network = Reservoir.random(
            300, training[:, observed].shape[1], spectral_radius=spectral_radius, bias_scaling=0.5, rng=2
        )
        model = train(network, training[:, observed], ridge=1e-8)
        medians[name].append(valid_times(model, unseen[:, observed], lyapunov_time=LYAPUNOV_TIME, starts=12))
    r = model.network.rest()
    exponent = lyapunov_spectrum(model.driven(unseen[:1500, observed]), r, frame(r, 1), transient=200).exponents[0]
    memory.append(-1 / exponent)
    print(
        f"spectral radius {spectral_radius}: λ₁ = {exponent:.3f} per step from the second component, "
        f"memory {memory[-1]:.1f} steps; median valid times "
        + ", ".join(f"{times[-1].median:.2f} ({name})" for name, times in medians.items())
    )

figure, ax = plt.subplots(figsize=(4.6, 3), layout="constrained")
for name, times in medians.items():
    low, high = np.array([t.quartiles for t in times]).T
    middle = np.array([t.median for t in times])
    ax.errorbar(radii, middle, [middle - low, high - middle], fmt="o-", markersize=3, capsize=2, label=name)
ax.set(xlabel="spectral radius", ylabel="valid time (Lyapunov times)", title="medians; bars: quartiles")
ax.legend(title="observed", frameon=False)
plt.show()

# %% [markdown]
# ## Inferring a component that is not observed
# The same network can be trained on the third component instead of the future.

# %%
observer = train(Reservoir.random(300, 1, spectral_radius=1.2, rng=2), training[:, 1:2], target=training[:, 2:])
estimate = observer.predictions(unseen[:, 1:2])
error = nrmse(estimate[200:], unseen[200:, 2:])
print(f"z from y: normalised error {error:.3f} (1: as large as for the mean)")

figure, ax = plt.subplots(figsize=(6, 2.5), layout="constrained")
time = np.arange(600) * 0.02
ax.plot(time, unseen[200:800, 2], color="black", label="z")
ax.plot(time, estimate[200:800, 0], "--", color="tab:orange", label="estimate from y")
ax.set(xlabel="time (units of the system)", ylabel="z")
ax.legend(frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
plt.show()
