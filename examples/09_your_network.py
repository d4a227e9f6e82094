# %% [markdown]
# # Bring your own torch network
#
# Any `torch.nn.Sequential` in evaluation mode is a tuple of maps: convolutions, pooling, normalisation, attention,
# residual blocks of your own.  Weights are shared, not copied; modules that are not affine and then pointwise
# are differentiated automatically.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn
from torch.func import jacrev, vmap

from cocycle import feedforward, finite_time_exponents, frame, ftle, lyapunov_spectrum
from cocycle.networks import Cell


class Block(nn.Module):
    """A residual block: not a module of torch, so it is a step of its own."""

    def __init__(self, channels):
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU())

    def forward(self, x):
        return x + self.inner(x)


torch.manual_seed(1)
network = nn.Sequential(
    nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), Block(4), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(64, 10)
)
network = network.double().eval()

# %% Images are flat states; `shape` is that of one input
steps = feedforward(network, (1, 8, 8))
for number, step in enumerate(steps, 1):
    print(f"step {number}: {type(step).__name__}")
images = np.random.default_rng(2).uniform(size=(200, 64))
field = ftle(steps, images)
print(field)

# %% The same from torch.func: every Jacobian, and its singular values
jacobians = vmap(jacrev(lambda x: network(x.reshape(1, 1, 8, 8))[0]))(torch.as_tensor(images)).detach()
singular = torch.linalg.svdvals(jacobians).numpy()
print(f"largest difference of ln Λ₁: {abs(field.log_factors - np.log(singular[:, 0])).max():.1e}")

# %% All singular values, however far apart, after each layer
x = torch.as_tensor(images[:1])
figure, ax = plt.subplots(figsize=(5, 3), layout="constrained")
for layer in range(1, len(steps) + 1):
    factors = finite_time_exponents(steps[:layer], x, frame(x, 64)).log_factors[0].detach().numpy()
    ax.plot(np.arange(1, len(factors) + 1), factors, ".-", markersize=3, label=f"after step {layer}")
ax.set(xlabel="index i", ylabel="ln Λᵢ", ylim=(-8, None))
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# ## Recurrent networks
# An RNN, GRU or LSTM is driven by its sequence, like a reservoir; the state of an LSTM is [h | c].

# %%
u = np.random.default_rng(3).normal(size=(500, 3))
for kind in (nn.RNN, nn.GRU, nn.LSTM):
    torch.manual_seed(4)
    cell = Cell.of(kind(3, 32).double())
    state = cell.rest()
    print(f"{kind.__name__}: {lyapunov_spectrum(cell.driven(u), state, frame(state, 2), transient=50)}")
