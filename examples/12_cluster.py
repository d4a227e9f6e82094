# %% [markdown]
# # From a laptop to a cluster
#
# The same measure and the same grid, on the cores of this machine, on any executor, or in parts on machines without a
# connection.  Every point has a random stream of its own, so that the numbers are the same wherever they are computed.

# %%
from concurrent.futures import ThreadPoolExecutor

import matplotlib.pyplot as plt
import numpy as np

from cocycle import Archive, Grid, Reservoir, frame, lyapunov_spectrum, run
from cocycle.sweeps import merge
from cocycle.systems import Rossler


def measure(point, rng):
    """The conditional exponent of a network driven by the Rössler system."""
    u = Rossler().series(800, dt=0.1, rng=rng)
    network = Reservoir.gaussian(point["size"], 3, weight_std=point["weight_std"], input_std=0.1, rng=rng)
    r = network.rest()
    return {"exponent": lyapunov_spectrum(network.driven(u), r, frame(r, 1), transient=200).exponents[0]}


grid = Grid({"weight_std": np.linspace(0.3, 2.4, 8), "realisation": np.arange(4)})
settings = {"outputs": {"exponent": ()}, "seed": 7, "fixed": {"size": 60}, "units": {"exponent": "1/step"}}

# %% On this machine: a process for each core, one thread each
laptop = run(measure, Archive.resume("laptop.h5", grid, **settings))
print(laptop)

# %% On any executor of the standard library's interface: dask's `client.get_executor()`, `MPIPoolExecutor`, loky
with ThreadPoolExecutor(1) as executor:
    elsewhere = run(measure, Archive.resume("elsewhere.h5", grid, **settings), executor=executor)
print("the same numbers:", np.array_equal(laptop["exponent"], elsewhere["exponent"]))

# %% In parts, as the jobs of an array: each has an archive of its own, and in the end they are merged
parts = [
    run(measure, Archive.resume(f"part-{number}.h5", grid.part(number, 2), **settings), workers=1) for number in (1, 2)
]
whole = merge(parts, "whole.h5")
print("merged, and again the same:", np.array_equal(laptop["exponent"], whole["exponent"]))

# %%
whole.plot()
plt.show()

# %% [markdown]
# ## On the cluster
# With the measure in a Python file and the grid in a [TOML](https://toml.io) file, a study, no script is needed:
#
# ```sh
# cocycle sweep study.toml --dry-run                 # estimates time and disk space from a few points
# cocycle sweep study.toml --part 3/10               # one of ten jobs of an array
# cocycle merge study-*-of-10.h5 --output study.h5
# cocycle sweep study.toml --dask scheduler.json     # or on dask; --mpi under mpiexec
# cocycle watch study.h5                             # from anywhere, while it runs
# ```
#
# `examples/cluster/` has the job scripts for SLURM, and docs/clusters.md describes what happens when a job is killed.
