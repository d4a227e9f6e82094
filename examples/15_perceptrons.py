# %% [markdown]
# # Why are ridges of the exponent decision boundaries?
#
# The smallest classifiers, with weights set by hand.  A perceptron trained by Hebb's rule learns what a line can
# separate, and not XOR; two layers do XOR; more layers do the parity of more bits with few units.  Beside each
# decision boundary: the maximal finite-time exponent over the plane of inputs.  Far from a boundary every unit is
# saturated and a change of the input has no effect; where the output changes, the input is stretched. (Mehlig,
# Machine Learning with Neural Networks, Cambridge University Press 2021, chapters 2, 5 and 7.)

# %%
from itertools import product

import matplotlib.pyplot as plt
import numpy as np

from cocycle import Layer, ftle, plane
from cocycle.lyapunov.ridges import distances, level_lines, ridges
from cocycle.plotting import boundary_lines, colour_bar, exponent_plane, ridge_points
from cocycle.trajectories import end

GAIN = 4.0  # the larger, the sharper is the transition of a unit
X = np.linspace(-2, 2, 201)
BITS = np.array(list(product([-1.0, 1.0], repeat=2)))


def unit(weight, bias):
    """tanh(GAIN (w x + b)): nearly the sign of w x + b."""
    return Layer(GAIN * np.atleast_2d(weight), GAIN * np.asarray(bias, dtype=float))


def outputs(layers, x):
    return end(layers, x)[..., 0]


# %% Hebb's rule: w = ⟨t x⟩, and the threshold is the weight of a constant input
def hebb(targets):
    return unit((targets[:, None] * BITS).mean(0), [targets.mean()])


both, different = BITS.min(1), np.where(BITS[:, 0] != BITS[:, 1], 1.0, -1.0)
learned = {"both (Hebb)": ([hebb(both)], both), "XOR (Hebb)": ([hebb(different)], different)}
for name, (layers, targets) in learned.items():
    right = np.sign(outputs(layers, BITS)) == targets
    print(
        f"{name}: weights {layers[0].weight[0] / GAIN}, threshold {layers[0].bias[0] / GAIN}, {right.sum()} of 4 right"
    )
assert not np.any(learned["XOR (Hebb)"][0][0].weight)  # ⟨t x⟩ = 0: the targets do not correlate with the inputs


# %% Two layers: "or" without "and"; and the parity of four bits as a tree of such blocks
def xor_blocks(pairs):
    """The layers that make one bit of each of so many pairs."""
    inner, outer = np.zeros((2 * pairs, 2 * pairs)), np.zeros((pairs, 2 * pairs))
    for i in range(pairs):
        inner[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = 1.0
        outer[i, 2 * i : 2 * i + 2] = -1.0, 1.0
    return [unit(inner, np.tile([-1.0, 1.0], pairs)), unit(outer, -np.ones(pairs))]


signs = unit([[1, 0], [0, 1], [1, 1], [1, -1]], np.zeros(4))  # on which side of four lines
networks = {
    "both (Hebb)": learned["both (Hebb)"][0],
    "XOR, two layers": xor_blocks(1),
    "parity of four bits, five layers": [signs, *xor_blocks(2), *xor_blocks(1)],
}
assert (np.sign(outputs(networks["XOR, two layers"], BITS)) == different).all()
angles = (np.arange(8) + 0.5) * np.pi / 4
sectors = np.sign(
    outputs(networks["parity of four bits, five layers"], 2 * np.stack([np.cos(angles), np.sin(angles)], -1))
)
print("parity over the eight sectors between four lines:", sectors.astype(int))
assert (sectors[1:] == -sectors[:-1]).all()

# %% The figure
figure, panels = plt.subplots(1, 3, figsize=(12, 5.2), layout="constrained")
for ax, (name, layers) in zip(panels, networks.items(), strict=True):
    field, y = ftle(layers, plane(X, X)), outputs(layers, plane(X, X))
    found = ridges(X, X, field.exponents)
    mesh = exponent_plane(ax, X, X, field.exponents, lowest=-6.0)
    colour_bar(mesh, ax, field.exponents, label="λ₁ (per layer)", location="bottom")
    ridge_points(ax, found)
    boundary_lines(ax, X, X, y)
    ax.set(title=name, xlabel="x₁", ylabel="x₂", aspect="equal")
    away = distances(found.points, level_lines(X, X, y)) / np.ptp(X)
    print(f"{name}: {np.mean(away < 0.02):.0%} of the ridge points are on a boundary, within 2 % of the plane's width")
plt.show()
