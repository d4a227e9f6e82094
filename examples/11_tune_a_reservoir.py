# %% [markdown]
# # Tuning a reservoir to a conditional exponent, by gradient
#
# With weights that are torch tensors the exponents are differentiable: torch computes the derivative of λ₁ by any
# parameter of the maps through the QR loop.  Here the parameter is the scale of the recurrent weights, so that a
# network driven by the Lorenz system is set to a given distance from the edge of chaos by a few steps of Newton's
# method.

# %%
import torch

from cocycle import Reservoir, frame, lyapunov_spectrum
from cocycle.reservoir import gaussian
from cocycle.systems import Lorenz63

SIZE, STEPS, TARGET = 100, 400, -0.1

u = torch.as_tensor(Lorenz63().series(STEPS, rng=1)[:, 1:2])  # the second component
weight = torch.as_tensor(gaussian(SIZE, 2))
input_weight = torch.as_tensor(gaussian(SIZE, 3)[:, :1]) * 0.5


def exponent(weight_std):
    """The maximal conditional exponent per step, as a function of the scale of the recurrent weights."""
    reservoir = Reservoir(weight_std * weight, input_weight)
    x = reservoir.rest()
    return lyapunov_spectrum(reservoir.driven(u), x, frame(x, 1), transient=100).exponents[0]


# %% The derivative agrees with central differences to 1e-6
weight_std = torch.tensor(0.6, dtype=torch.float64, requires_grad=True)
(slope,) = torch.autograd.grad(exponent(weight_std), weight_std)
difference = (exponent(weight_std.detach() + 1e-5) - exponent(weight_std.detach() - 1e-5)) / 2e-5
print(f"d λ₁ / d weight_std at 0.6: {slope:.8f} by gradient, {difference:.8f} by central differences")
assert abs(slope - difference) < 1e-6

# %% Newton's method
print("weight_std   λ₁ per step   target", TARGET)
for _ in range(8):
    value = exponent(weight_std)
    (slope,) = torch.autograd.grad(value, weight_std)
    print(f"{weight_std.item():10.6f}   {value.item():+.8f}")
    if abs(value.item() - TARGET) < 1e-9:
        break
    weight_std = (weight_std - (value - TARGET) / slope).detach().requires_grad_()
assert abs(value.item() - TARGET) < 1e-6
