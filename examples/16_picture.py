# %% [markdown]
# # One loop, both figures
#
# The figure of the README: reservoirs driven by the Lorenz system, which can predict it only where their conditional
# exponent is negative, and a deep classifier, whose maximal exponent has its ridge on the decision boundary.  One loop
# over tangent maps computes both.

# %%
import matplotlib.pyplot as plt
import numpy as np

from cocycle import (
    Archive,
    Grid,
    Reservoir,
    feedforward,
    frame,
    ftle,
    lyapunov_spectrum,
    plane,
    run,
    train,
    valid_times,
)
from cocycle.lyapunov.ridges import ridges
from cocycle.networks import Recipe, circle, fit, perceptron
from cocycle.plotting import boundary_lines, colour_bar, exponent_plane, ridge_points, valid_time_plane, zero_line
from cocycle.systems import Lorenz63
from cocycle.trajectories import end

LYAPUNOV_TIME = 1 / (0.9056 * 0.02)  # steps


def measure(point, rng):
    u = Lorenz63().series(6000, dt=0.02, rng=rng)
    network = Reservoir.gaussian(150, 3, weight_std=point["weight_std"], input_std=point["input_std"], rng=rng)
    r = network.rest()
    exponent = lyapunov_spectrum(network.driven(u[:1200]), r, frame(r, 1), transient=200).exponents[0]
    model = train(network, u[:4000], normalise=False, ridge=1e-4)
    return {"exponent": exponent, "valid_time": valid_times(model, u[4000:], lyapunov_time=LYAPUNOV_TIME).median}


grid = Grid({"weight_std": np.linspace(0.1, 2.3, 9), "input_std": np.geomspace(1e-3, 1, 9)})
units = {"exponent": "1/step", "valid_time": "Lyapunov times"}
archive = run(measure, Archive.resume("picture.h5", grid, outputs={name: () for name in units}, seed=1, units=units))
exponent, times = archive["exponent"], archive["valid_time"]
print(f"{(times[exponent > 0.01] > 1).sum()} of {(exponent > 0.01).sum()} networks with a positive exponent predict")
print(f"{(times[exponent < -0.01] > 1).sum()} of {(exponent < -0.01).sum()} with a negative one")

# %%
X = np.linspace(-1, 1, 161)
network = perceptron((2, *[10] * 8, 1), rng=1, head="Tanh")
history = fit(network, circle(1, samples=4000), rng=2, recipe=Recipe(optimiser="Adam", epochs=40))
print(history)
layers = feedforward(network)
field = ftle(layers[:-1], plane(X, X))

# %%
x, y = grid.axes["input_std"], grid.axes["weight_std"]
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 4.8), layout="constrained")
mesh = exponent_plane(left, x, y, exponent)
colour_bar(mesh, left, exponent, label="conditional exponent λ₁ (per step)", location="bottom")
mesh = valid_time_plane(middle, x, y, times)
colour_bar(mesh, middle, times, label="median valid time (Lyapunov times)", location="bottom")
zero_line(left, x, y, exponent, color="black")
zero_line(middle, x, y, exponent, color="white")
inputs = r"input scale $σ_\mathrm{in}$ (per unit of the signal)"
left.set(title="reservoirs driven by Lorenz", xlabel=inputs, ylabel="weight scale $σ_W$")
middle.set(title="their closed loops predict", xlabel=inputs)
mesh = exponent_plane(right, X, X, field.exponents)
colour_bar(mesh, right, field.exponents, label="maximal exponent λ₁ (per layer)", location="bottom")
ridge_points(right, ridges(X, X, field.exponents))
boundary_lines(right, X, X, end(layers, plane(X, X)))
right.set(title="a deep classifier over its inputs", xlabel="x₁", ylabel="x₂", aspect="equal")
figure.savefig("one-engine.png")
plt.show()
