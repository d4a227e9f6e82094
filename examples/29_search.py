# %% [markdown]
# # Which parameters should my reservoir have?
#
# `search` draws points of a space, trains a model of each on the first 70 % of a series, and scores it on the rest by
# the median valid time of forecasts from many starts.  Half of the points are random; then a Gaussian process proposes
# those with the largest expected improvement.  All are kept in an archive, which the same call with a larger budget
# continues.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

from cocycle import Reservoir, train, valid_times
from cocycle.reservoir import MedianValidTime, Range, search
from cocycle.systems import Lorenz63

LYAPUNOV_TIME = 1 / (0.9056 * 0.02)  # in steps
series = Lorenz63().series(6000, dt=0.02)
known, unseen = series[:4000], series[4000:]  # the search does not see the second part


def model_of(training, *, rng, ridge, **settings):
    return train(Reservoir.random(80, 3, rng=rng, **settings), training, ridge=ridge)


space = {
    "spectral_radius": Range(0.05, 1.5),
    "input_scaling": Range(0.01, 3.0, log=True),
    "ridge": Range(1e-10, 1e-1, log=True),
}
path = Path(tempfile.mkdtemp()) / "search.h5"
score = MedianValidTime(starts=10)
found = search(model_of, known, space, 16, score=score, path=path)
print(found)

# %% More points in the same archive
found = search(model_of, known, space, 30, score=score, path=path)
print(found)
for name, (_, _, share) in found.marginals().items():
    print(f"{name}: {share:.0%} of the variance of the expected score")
figure = found.plot()
plt.show()

# %% [markdown]
# ## How good is the best one?
# The best of many scores is too good by chance: the model is tested on the part of the series that the search did not
# see, beside a network that nobody tuned.

# %%
untuned = train(Reservoir.random(80, 3, rng=1), known)
for name, model in {"searched": found.best, "untuned": untuned}.items():
    print(f"{name}: {valid_times(model, unseen, lyapunov_time=LYAPUNOV_TIME, starts=30)}")
