# %% [markdown]
# # Where is the decision boundary of a classifier?  On a ridge of its maximal exponent
#
# A deep network is the tuple of its layers, and time is the layer index.  Where the product of their Jacobians
# stretches most, a small change of the input changes the output most: ridges of the maximal finite-time exponent
# (FTLE) lie on decision boundaries (Storm, Linander, Bec, Gustavsson & Mehlig, Phys. Rev. Lett. 132, 057301, 2024).

# %%
import matplotlib.pyplot as plt
import numpy as np

from cocycle import feedforward, ftle, plane
from cocycle.lyapunov.ridges import distances, level_lines, ridges
from cocycle.networks import Recipe, circle, fit, perceptron
from cocycle.plotting import boundary_lines, colour_bar, exponent_plane, ridge_figure, ridge_points
from cocycle.trajectories import end

X = np.linspace(-1, 1, 121)
task = circle(1, samples=4000)  # inside a circle of half the square's area, or outside


def trained(width, depth, recipe):
    network = perceptron((2, *[width] * depth, 1), rng=2, head="Tanh")
    return network, fit(network, task, rng=3, recipe=recipe)


# %% One network
network, history = trained(width=10, depth=8, recipe=Recipe(optimiser="Adam", epochs=40))
print(history)
steps = feedforward(network)[:-1]  # up to the last hidden layer
field = ftle(steps, plane(X, X))
outputs = end(feedforward(network), plane(X, X))
print(field)
field.plot(outputs)
plt.show()

# %% How well do ridge and boundary agree, and is the stretching direction normal to the ridge?
found = ridges(X, X, field.exponents)
away = distances(found.points, level_lines(X, X, outputs[..., 0])) / 2  # the square is 2 wide
aligned = found.alignment(ftle(steps, found.points).directions)
print(found)
print(f"median distance {np.median(away):.2%} of the width, median |cos(stretching, normal)| {np.median(aligned):.4f}")
ridge_figure(away, aligned, found.contrasts)
plt.show()

# %% [markdown]
# ## The wider the network, the fainter the ridge
# Its many hidden units embed the inputs so that a linear readout is sufficient: inputs far from the boundary are no
# longer contracted.  (Short ridges away from the boundary belong to bumps of the field in the corners.)  Trained as in
# the paper, by plain stochastic gradient descent; Adam moves wide networks further.

# %%
descent = Recipe(learning_rate=0.05, epochs=40)
figure, axes = plt.subplots(1, 3, figsize=(11, 4.8), layout="constrained")
for ax, width in zip(axes, (10, 40, 160), strict=True):
    network, history = trained(width, depth=4, recipe=descent)
    field = ftle(feedforward(network)[:-1], plane(X, X))
    found = ridges(X, X, field.exponents)
    mesh = exponent_plane(ax, X, X, field.log_factors)
    colour_bar(mesh, ax, field.log_factors, label="ln Λ₁ = L λ₁", location="bottom")
    boundary_lines(ax, X, X, end(feedforward(network), plane(X, X)))
    ridge_points(ax, found)
    ax.set(title=f"width {width}: error {history.error[-1]:.1%}", xlabel="x₁", ylabel="x₂", aspect="equal")
    ridge, centre = 4 * np.median(found.heights), field.log_factors[50:71, 50:71].mean()
    print(
        f"width {width}: ln Λ₁ is {ridge:.2f} on the ridge, {centre:.2f} at the centre, difference {ridge - centre:.2f}"
    )
plt.show()
