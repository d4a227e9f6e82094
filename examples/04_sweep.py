# %% [markdown]
# # Where does prediction succeed?  A sweep, an archive, a figure
#
# A measure takes a point of the grid and a random generator, and returns numbers.  The archive is a file with
# the grid, the settings, the seed and every result as soon as it is computed; the run may be interrupted at any
# moment, and computes the missing points when it is started again.

# %%
import matplotlib.pyplot as plt
import numpy as np

from cocycle import Archive, Grid, Reservoir, frame, lyapunov_spectrum, run, train, valid_times
from cocycle.plotting import colour_bar, exponent_plane, valid_time_plane, zero_line
from cocycle.systems import Lorenz63


def measure(point, rng):
    """Conditional exponent and median valid time of one network."""
    u = Lorenz63().series(5000, dt=0.02, rng=rng)
    network = Reservoir.gaussian(
        point["size"], 3, weight_std=point["weight_std"], input_std=point["input_std"], rng=rng
    )
    r = network.rest()
    exponent = lyapunov_spectrum(network.driven(u[:1200]), r, frame(r, 1), transient=200).exponents[0]
    model = train(network, u[:3000], normalise=False, ridge=point["ridge"])
    times = valid_times(model, u[3000:], lyapunov_time=1 / (0.9056 * 0.02), starts=6, horizon=6.0)
    return {"exponent": exponent, "valid_time": times.median}


# %%
grid = Grid({"weight_std": np.linspace(0.2, 2.2, 7), "input_std": np.geomspace(1e-3, 1, 7)})
archive = Archive.resume(
    "where.h5",
    grid,
    outputs={"exponent": (), "valid_time": ()},
    seed=1,
    fixed={"size": 100, "ridge": 1e-4},
    units={"exponent": "1/step", "valid_time": "Lyapunov times"},
)
archive = run(measure, archive)  # on all cores; if this cell is run again, no point is missing
print(archive)

# %% [markdown]
# One call draws a result over its axes, `cocycle.plot(archive, "exponent")`.  Here both results, with the line on which
# the exponent is zero:

# %%
x, y = grid.axes["input_std"], grid.axes["weight_std"]
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6), sharey=True, layout="constrained")
mesh = exponent_plane(left, x, y, archive["exponent"])
colour_bar(mesh, left, archive["exponent"], label="conditional exponent λ₁ (per step)", location="top")
mesh = valid_time_plane(right, x, y, archive["valid_time"])
colour_bar(mesh, right, archive["valid_time"], label="valid time (Lyapunov times)", location="top")
zero_line(left, x, y, archive["exponent"], color="black")
zero_line(right, x, y, archive["exponent"], color="white")
inputs = r"input scale $σ_\mathrm{in}$ (per unit of the signal)"
left.set(xlabel=inputs, ylabel="weight scale $σ_W$")
right.set(xlabel=inputs)
plt.show()

# %%
positive, longest = archive["exponent"] > 0.01, archive["valid_time"]
print(f"exponent > 0.01: {positive.sum()} networks, longest valid time {longest[positive].max():.2f}")
print(f"the others: {(~positive).sum()} networks, of which {(longest[~positive] > 1).sum()} predict for more than 1")

# %% [markdown]
# A negative exponent is necessary, not sufficient (Storm, Gustavsson & Mehlig, arXiv 2206.02575).  h5py and xarray
# read the archive too: `archive.dataset()` has labels and units.
