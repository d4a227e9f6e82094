# %% [markdown]
# # Where does a classifier of images change its mind?  The plane through three digits
#
# A network sees an image as a point in a space of many dimensions, here 64 pixels.  A plane in this space can be drawn:
# the one through three digits x₀, x₁, x₂ of different classes holds all inputs x₀ + s (x₁ - x₀) + t (x₂ - x₀).  The
# maximal finite-time exponent over this plane, of the whole network with its soft-max, is large where the
# classification changes, as in two dimensions (`07_ridges.py`).

# %%
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from torch import nn

from cocycle import feedforward, ftle, plane_through, straight_path
from cocycle.lyapunov.ridges import distances, level_lines, ridges
from cocycle.networks import Recipe, digits, error, fit, perceptron
from cocycle.plotting import boundary_lines, colour_bar, exponent_plane, input_points, plane_labels, ridge_points
from cocycle.trajectories import end

CLASSES = (3, 5, 8)
SIDE = 201  # points along s and t

task = digits(0)  # 8 × 8 pixels between 0 and 1
network = perceptron((64, 20, 20, 20, 10), rng=0)
fit(network, task, rng=1, recipe=Recipe(loss="CrossEntropyLoss", optimiser="Adam", epochs=40))
print(f"test error {error(network, task.test):.1%}")
layers = feedforward(nn.Sequential(*network, nn.Softmax(-1)))  # inputs to probabilities of the ten classes

# %% [markdown]
# ## The field over the plane
# Nothing but the three images is needed.  `ftle` computes the inputs of a plane a chunk at a time, so that a million
# images of 784 pixels are not held in memory.  (For hours of computation `cocycle.studies.plane_field.plane_field`
# keeps the field in an archive that may be interrupted.)

# %%
x, target = task.test.inputs, task.test.targets
right = end(layers, x).argmax(-1) == target
images = [x[np.flatnonzero((target == digit) & right)[0]].reshape(8, 8) for digit in CLASSES]
axis = np.linspace(-0.5, 1.5, SIDE)
images_plane = plane_through(*images, s=axis, t=axis)
field = ftle(layers, images_plane)
probabilities = np.stack([end(layers, row) for row in images_plane])  # row by row: (t, s, classes)
winner, sure = probabilities.argmax(-1), probabilities.max(-1)
print(images_plane)
print(field)

# %% The ridges and the borders between classes
found = ridges(axis, axis, field.exponents)
first, second = np.moveaxis(np.sort(probabilities)[..., :-3:-1], -1, 0)
lines = [
    line
    for digit in np.unique(winner)
    for own in [probabilities[..., digit]]
    for line in level_lines(axis, axis, own - np.where(winner == digit, second, first))
]
away = distances(found.points, lines) / np.ptp(axis)
print(found)
print(
    f"{np.mean(away < 0.02):.0%} of the ridge points are within 2 % of the plane's width from a border of two classes"
)

# %% The figure: the three digits, the classes, the exponent
colours = plt.get_cmap("tab10").colors
figure = plt.figure(figsize=(12, 4.2), layout="constrained")
grid = figure.add_gridspec(3, 3, width_ratios=(0.55, 2, 2))
for i, (image, digit) in enumerate(zip(images, CLASSES, strict=True)):
    ax = figure.add_subplot(grid[i, 0])
    ax.imshow(image, cmap="gray_r", vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])
    ax.set_title(f"x{'₀₁₂'[i]}, a {digit}", fontsize=9, color=colours[digit])

middle = figure.add_subplot(grid[:, 1])
look = {"cmap": ListedColormap(colours), "norm": Normalize(-0.5, 9.5)}
middle.pcolormesh(axis, axis, winner, alpha=0.25 + 0.5 * sure**2, **look)
figure.colorbar(ScalarMappable(**look), ax=middle, ticks=range(10), label="most probable class", alpha=0.75)
middle.set(title="classes (pale: less certain)")

last = figure.add_subplot(grid[:, 2])
mesh = exponent_plane(last, axis, axis, field.exponents, lowest=-2.0)
colour_bar(mesh, last, field.exponents, label="maximal exponent λ₁ (per layer)")
ridge_points(last, found).set(zorder=4, sizes=[5])
last.set(title="exponent (ridges: black)")
for ax in (middle, last):
    boundary_lines(ax, axis, axis, probabilities)
    ax.plot([0, 1, 0, 0], [0, 0, 1, 0], ":", color="black", linewidth=1)  # inside: mixtures of the three digits
    input_points(ax, images_plane)
    ax.set(xlabel=plane_labels(images_plane)[0], ylabel=plane_labels(images_plane)[1], aspect="equal")
plt.show()

# %% [markdown]
# Inside the dotted triangle inputs are mixtures of the three digits; outside of it, pixels may be darker than black.
#
# ## Along a straight line from one digit to another

# %%
path = straight_path(images[0], images[1], points=201)
share, along = np.linspace(0, 1, len(path)), ftle(layers, path).exponents
of_path = end(layers, path)
figure, (top, bottom) = plt.subplots(2, 1, figsize=(6, 4.2), sharex=True, layout="constrained")
for digit in np.flatnonzero(of_path.max(0) > 0.1):
    top.plot(share, of_path[:, digit], color=colours[digit], label=f"class {digit}")
top.legend(frameon=False)
top.set(ylabel="probability")
bottom.plot(share, along, color="black")
for change in np.flatnonzero(np.diff(of_path.argmax(-1))):
    bottom.axvline((share[change] + share[change + 1]) / 2, color="tab:green", linewidth=1)
bottom.set(xlabel="s, from x₀ to x₁ (green: the class changes)", ylabel="λ₁ (per layer)")
print(f"the exponent is largest at s = {share[along.argmax()]:.2f}")
plt.show()
