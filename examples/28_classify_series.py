# %% [markdown]
# # Which class does a series belong to?
#
# A network is driven by a series, and a linear function of its states says which label the series has.  The states are
# summed up by their means over a few consecutive windows, so that the order of events matters and the length does not.
# Here an image of a digit is read row by row: a series of eight times and eight components.

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import RidgeClassifierCV

from cocycle import Reservoir
from cocycle.reservoir import ReservoirClassifier, train_classifier

images, labels = load_digits(return_X_y=True)
images = images.reshape(-1, 8, 8)  # (samples, time, components)
training, unseen = slice(0, 1000), slice(1000, None)

classifier = ReservoirClassifier(100).fit(images[training], labels[training])
print(f"{classifier.score(images[unseen], labels[unseen]):.1%} of {len(labels[unseen])} unseen images are right")

# %% [markdown]
# ## What the readout sees
# Without a network, from the mean row alone; with one from the last state, the mean state, and the means of windows.
# Bars are quartiles over five networks.

# %%
SEEDS, READOUTS = range(5), {"last state": None, "mean state": 1, "2 windows": 2, "4 windows": 4}
found = {}
for name, windows in READOUTS.items():
    networks = [Reservoir.random(100, 8, spectral_radius=0.6, input_scaling=0.6, rng=seed) for seed in SEEDS]
    models = [train_classifier(network, images[training], labels[training], windows=windows) for network in networks]
    found[name] = [model.accuracy(images[unseen], labels[unseen]) for model in models]
    print(f"{name:>12}: median {np.median(found[name]):.1%}, ridge of the first {models[0].ridge:g}")
rows = images.mean(axis=1)
mean_row = RidgeClassifierCV(10.0 ** np.arange(-3, 6)).fit(rows[training], labels[training])
without = mean_row.score(rows[unseen], labels[unseen])
print(f"mean row, no network: {without:.1%}")
assert np.median(found["4 windows"]) > without

# %% The digits that are confused
guessed = classifier.predict(images[unseen])
confusion = np.zeros((10, 10), dtype=int)
np.add.at(confusion, (labels[unseen], guessed), 1)
wrong = confusion - np.diag(np.diag(confusion))
most = np.unravel_index(wrong.argmax(), wrong.shape)
print(f"most often confused: {most[0]} taken for {most[1]}, {wrong.max()} times")

figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
low, middle, high = (np.array([np.quantile(values, q) for values in found.values()]) for q in (0.25, 0.5, 0.75))
axes[0].errorbar(range(len(found)), middle, [middle - low, high - middle], fmt="o", capsize=3)
axes[0].axhline(without, color="grey", linestyle=":", label="mean row, no network")
axes[0].set_xticks(range(len(found)), found)
axes[0].set(ylabel="share of unseen images that are right", xlabel="the readout sees")
axes[0].legend(frameon=False)
drawn = axes[1].imshow(wrong, cmap="Reds")
axes[1].set(xlabel="found", ylabel="digit", xticks=range(10), yticks=range(10), title="errors")
figure.colorbar(drawn, ax=axes[1], label="images")
plt.show()
