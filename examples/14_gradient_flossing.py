# %% [markdown]
# # Gradient flossing: exponents flattened before training
#
# Gradients through a recurrent network are products of its Jacobians.  Where its exponents are far from zero they
# vanish or explode, and a task that spans many steps cannot be learned.  Engelken (NeurIPS 2023) therefore first
# minimises the mean of λᵢ², by gradient descent through the QR loop, and then trains.  The loss is `Flossing(k)`, a
# function of the maps of a network and of its initial states.
#
# The task: reproduce a random ±1 input with a delay of `DELAY` steps.  The same network, once flossed and once not,
# is trained by the same number of steps.  The results are the exponents before and after, the condition number of the
# long Jacobian on the directions that were flossed, and the loss.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

from cocycle import Layer, finite_time_exponents, frame, lyapunov_spectrum, orbit
from cocycle.networks import Flossing

SIZE, DIRECTIONS, HORIZON, DELAY, BATCH = 40, 10, 55, 20, 32
FLOSSING, TRAINING = 100, 300

torch.set_num_threads(1)
rng = np.random.default_rng(4)


def inputs(steps, batch):
    return torch.as_tensor(rng.choice([-1.0, 1.0], size=(steps, batch, 1)))


def at_rest(batch):
    return torch.zeros(batch, SIZE, dtype=torch.float64)


class Network:
    """x[t+1] = tanh(W x[t] + V u[t]), read out linearly; every parameter can be differentiated."""

    def __init__(self, seed):
        draw = np.random.default_rng(seed)
        self.w = torch.tensor(0.9 / SIZE**0.5 * draw.normal(size=(SIZE, SIZE)), requires_grad=True)
        self.v = torch.tensor(0.5 * draw.normal(size=(SIZE, 1)), requires_grad=True)
        self.out = torch.tensor(SIZE**-0.5 * draw.normal(size=(1, SIZE)), requires_grad=True)

    def steps(self, u):
        return [Layer(self.w, now @ self.v.T) for now in u]

    def loss(self, u):
        """Mean squared error of the delayed copy, over all steps but the first DELAY."""
        states = torch.stack([*orbit(self.steps(u), at_rest(u.shape[1]))])
        return (((states @ self.out.T)[DELAY:] - u[: len(u) - DELAY]) ** 2).mean()

    @torch.no_grad()
    def exponents(self):
        x = at_rest(4)
        return lyapunov_spectrum(self.steps(inputs(200, 4)), x, frame(x, DIRECTIONS), transient=10).exponents.mean(0)


# %% Flossing: the mean of λᵢ² goes to zero
flossing = Flossing(DIRECTIONS, transient=10)


def minimised(loss, parameters, rate, count):
    """The values of the loss during `count` steps of Adam."""
    optimiser, losses = torch.optim.Adam(parameters, lr=rate), []
    for _ in range(count):
        optimiser.zero_grad()
        value = loss()
        value.backward()
        optimiser.step()
        losses.append(value.item())
    return np.array(losses)


def floss(network, count):
    minimised(lambda: flossing(network.steps(inputs(HORIZON, 2)), at_rest(2)), [network.w, network.v], 5e-3, count)


def train(network, count):
    parameters = [network.w, network.v, network.out]
    return minimised(lambda: network.loss(inputs(HORIZON, BATCH)), parameters, 3e-3, count)


def conditioning(network):
    """The decades between the largest and smallest factor of the long Jacobian on the leading directions."""
    u, x = inputs(HORIZON, 8), at_rest(8)
    with torch.no_grad():
        factors = finite_time_exponents(network.steps(u), x, frame(x, DIRECTIONS)).log_factors
    return ((factors[:, 0] - factors[:, -1]) / np.log(10)).median().item()


# %%
plain, flossed = Network(1), Network(1)
before = plain.exponents()
floss(flossed, FLOSSING)
after = flossed.exponents()
print("first exponents before flossing:", before.numpy().round(3))
print("                         after :", after.numpy().round(3))
print(f"decades of the long Jacobian: {conditioning(plain):.1f} before, {conditioning(flossed):.1f} after")
assert (after**2).mean() < 0.2 * (before**2).mean()

# %% Training, from the same initial weights except for the flossing
losses = {"not flossed": train(plain, TRAINING), "flossed": train(flossed, TRAINING)}
for name, values in losses.items():
    print(f"{name:>12}: loss {values[:5].mean():.3f} at the start, {values[-10:].mean():.3f} after {TRAINING} steps")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
left.axhline(0, color="black", linewidth=0.8)
for name, values in {"before flossing": before, "after": after}.items():
    left.plot(np.arange(1, DIRECTIONS + 1), values, "o-", markersize=3, label=name)
left.set_xlabel("index i")
left.set_ylabel("exponent λᵢ (per step)")
left.legend()
for name, values in losses.items():
    right.plot(values, label=name)
right.set_xlabel("step of training")
right.set_ylabel(f"squared error, delay {DELAY}")
right.legend()
plt.show()
