# %% [markdown]
# # Layers of any torch module: a vision transformer on digits
#
# `feedforward` takes any `nn.Module` with an example of its inputs, and finds the layers that a person would name.  The
# largest finite-time exponents of the product of their Jacobians are then found by a few products, for a whole image or
# for the perturbations of one patch of it, layer by layer, and as means over a data set.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from cocycle import feedforward, leading_exponents
from cocycle.lyapunov import component_groups, exponents_by_group, exponents_by_layer
from cocycle.networks import Recipe, digits, error, fit

SIDE, PATCH, WIDTH, BLOCKS, IMAGES = 8, 2, 16, 3, 20


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, 4, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH))

    def forward(self, x):
        y = self.norm_1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.norm_2(x))


class Transformer(nn.Module):
    """An image of 8 × 8 pixels as 16 patches, to ten classes."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(1, WIDTH, PATCH, PATCH)
        self.position = nn.Parameter(0.1 * torch.randn((SIDE // PATCH) ** 2, WIDTH))
        self.blocks = nn.Sequential(*[Block() for _ in range(BLOCKS)])
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 10)

    def forward(self, x):
        x = self.patches(x.reshape(-1, 1, SIDE, SIDE)).flatten(2).transpose(1, 2) + self.position
        return self.head(self.norm(self.blocks(x)).mean(1))


torch.manual_seed(3)
torch.set_num_threads(1)
task, network = digits(0), Transformer()
fit(network, task, rng=4, recipe=Recipe(loss="CrossEntropyLoss", optimiser="Adam", learning_rate=3e-3, epochs=40))
network.double().eval()
print(f"test error {error(network, task.test):.1%}")

# %% The layers, their shapes, and how their tangents are made
images = np.asarray(task.test.inputs, dtype=float)[:IMAGES]
layers = feedforward(network, images)
print(layers)

# %% [markdown]
# ## Layer by layer
# The largest exponents of the first l layers: `mean` over the images with its standard error.

# %%
states = layers.start(images)
by_layer = exponents_by_layer(layers, states, 3)
for layer, result in zip(layers, by_layer, strict=True):
    name = repr(layer).split(":")[0]
    print(f"{name:>12}: λ₁ = {result.mean[0]:.3f} ± {result.standard_error[0]:.3f} per layer")
print(by_layer[-1])

# %% [markdown]
# ## Patch by patch
# How far can the perturbation of one patch of the image move the output?  `component_groups` gives the indices of the
# pixels of each patch.

# %%
pixels = np.arange(SIDE**2).reshape(SIDE // PATCH, PATCH, SIDE // PATCH, PATCH)
patches = component_groups((pixels.shape[0] * pixels.shape[2], PATCH**2), 0)  # of the pixels in the order of patches
order = pixels.transpose(0, 2, 1, 3).ravel()
image = states[0]
by_patch = exponents_by_group(layers, image, [order[patch] for patch in patches])
factors = np.exp([result.log_factors[0] for result in by_patch]).reshape(SIDE // PATCH, -1)
whole = leading_exponents(layers, image)
print(
    f"largest factor {np.exp(whole.log_factors[0]):.2f}; of single patches {factors.min():.2f} to {factors.max():.2f}"
)
assert factors.max() <= np.exp(whole.log_factors[0])

# %%
figure, axes = plt.subplots(1, 4, figsize=(11, 2.8), layout="constrained")
means = np.array([result.mean for result in by_layer])
errors = np.array([result.standard_error for result in by_layer])
for i in range(3):
    axes[0].errorbar(
        np.arange(1, len(layers) + 1), means[:, i], 2 * errors[:, i], marker="o", markersize=3, label=f"λ{i + 1}"
    )
axes[0].axhline(0, color="black", linewidth=0.8)
axes[0].set(xlabel="layers l", ylabel="exponent (per layer)", title=f"mean of {IMAGES} images")
axes[0].legend()
shown = {
    "image": (image.reshape(SIDE, SIDE), "gray", None),
    "most stretched direction": (whole.right[:, 0].reshape(SIDE, SIDE), "RdBu_r", abs(whole.right).max()),
    "largest factor of each patch": (factors, "viridis", None),
}
for ax, (title, (values, colours, limit)) in zip(axes[1:], shown.items(), strict=True):
    drawn = ax.imshow(values, cmap=colours, vmin=None if limit is None else -limit, vmax=limit)
    ax.set(title=title, xticks=[], yticks=[])
    figure.colorbar(drawn, ax=ax, shrink=0.85)
plt.show()
