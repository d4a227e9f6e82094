# %% [markdown]
# # Do ridges show where a classifier of digits is uncertain?
#
# An ensemble of networks measures its uncertainty: the entropy of its mean prediction, and the part of it that comes
# from disagreement between members, the mutual information (epistemic).  The maximal exponent of a single network is
# large at the same digits.

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import spearmanr

from cocycle import feedforward, ftle
from cocycle.networks import (
    Recipe,
    accuracy_map,
    adversarial_path,
    binned,
    deep_ensemble,
    digits,
    fit,
    perceptron,
    probabilities,
    uncertainty,
    with_bottleneck,
)
from cocycle.trajectories import end

task = digits(0)  # scikit-learn's 8 × 8 pixels; mnist(folder) reads the files of MNIST
recipe = Recipe(loss="CrossEntropyLoss", optimiser="Adam", epochs=30)
members = deep_ensemble(lambda rng: perceptron((64, 20, 20, 20, 10), rng), task, 1, recipe, members=5)

x, target = task.test.inputs, task.test.targets
predicted = probabilities(members, x)
known = uncertainty(predicted)
right = predicted.mean(0).argmax(-1) == target
print(f"{len(x)} test digits, {right.mean():.1%} right")

# %% Error and uncertainty against the exponent of each member, in bins
exponents = np.mean([ftle(feedforward(member)[:-1], x).exponents for member in members], axis=0)
figure, (left, middle) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
for ax, values, label in (
    (left, 1.0 - right, "share of wrong predictions"),
    (middle, known.entropy, "entropy H (nats)"),
):
    bins = binned(exponents, values, bins=8)
    ax.plot(bins.centres, bins.means, "o-", markersize=3)
    ax.set(xlabel="mean maximal exponent λ₁ (per layer)", ylabel=label)
    print(f"{label}: rank correlation with λ₁ over bins {spearmanr(bins.centres, bins.means)[0]:.2f}")
plt.show()

# %% How accurate are predictions at each entropy and mutual information?
accuracy_map(known, right, bins=8).plot()
plt.show()

# %% [markdown]
# ## The classes in a plane
# A bottleneck of two units in place of the readout, trained alone; and a path from one class to another.

# %%
narrow = with_bottleneck(members[0], rng=4)
history = fit(narrow, task, rng=5, recipe=Recipe(loss="CrossEntropyLoss", optimiser="Adam", epochs=100))
to_plane = feedforward(narrow)[:-1]
print(f"test error through the bottleneck {history.error[-1]:.1%}")
nine = x[np.flatnonzero((target == 9) & right)[0]]
path = adversarial_path(narrow, nine, 4, length=1.5, bounds=(0.0, 1.0))
along = ftle(feedforward(narrow), path).exponents
classes = end(feedforward(narrow), path).argmax(-1)
print(f"class along the path: {classes[0]} at its start, {classes[-1]} at its end")

figure, (left, right_ax) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
places = end(to_plane, x)
points = left.scatter(*places.T, c=ftle(feedforward(narrow), x).exponents, s=6, cmap="viridis")
figure.colorbar(points, ax=left, label="λ₁ (per layer)")
for digit in range(10):
    left.annotate(str(digit), np.median(places[target == digit], axis=0), weight="bold")
left.plot(*end(to_plane, path).T, color="tab:red")
left.set(xlabel="local field of unit 1", ylabel="local field of unit 2")
right_ax.plot(np.arange(len(path)), along)
for step in np.flatnonzero(np.diff(classes)) + 1:
    right_ax.axvline(step, color="black", linewidth=0.8)
right_ax.set(xlabel="step of the path (lines: the class changes)", ylabel="λ₁ (per layer)")
plt.show()
