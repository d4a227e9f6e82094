"""Gradient flossing on the delayed copy of a random binary input: an archive of trained networks.

    python experiments/gradient_flossing/sweep.py

Some fifteen minutes on one core; resumes when run again.  The networks of one delay and realisation are the same before
flossing, and so are their inputs.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from cocycle import Archive, Grid, Layer, finite_time_exponents, frame, lyapunov_spectrum, run
from cocycle.networks import Flossing

METHODS = ("none", "before", "before and during")
SIZE, BATCH, MEASURED = 80, 32, 100
SETTINGS = {
    "delays": [10, 20, 40],
    "realisations": 5,
    "directions": 40,
    "flossing": 100,
    "training": 500,
    "every": 100,  # steps of training between two bouts of flossing
    "bout": 10,
    "settled": 10,  # first steps, not counted in the exponents
    "file": "gradient_flossing.h5",
}


class Network:
    """x[t+1] = tanh(W x[t] + V u[t]), read out linearly: y[t] = R x[t+1]."""

    def __init__(self, rng):
        stds = {"w": SIZE**-0.5, "v": 1.0, "r": SIZE**-0.5}
        shapes = {"w": (SIZE, SIZE), "v": (SIZE, 1), "r": (1, SIZE)}
        self.weights = {
            name: torch.tensor(std * rng.normal(size=shapes[name]), requires_grad=True) for name, std in stds.items()
        }

    def steps(self, u):
        return [Layer(self.weights["w"], now @ self.weights["v"].T) for now in u]

    def outputs(self, u):
        x, found = torch.zeros(u.shape[1], SIZE, dtype=torch.float64), []
        for f in self.steps(u):
            x = f(x)
            found.append(x @ self.weights["r"].T)
        return torch.stack(found)


def inputs(rng, steps, batch):
    return torch.as_tensor(rng.choice([-1.0, 1.0], size=(steps, batch, 1)))


def rest(batch):
    return torch.zeros(batch, SIZE, dtype=torch.float64)


def floss(network, rng, count, settings):
    optimiser = torch.optim.Adam([network.weights["w"], network.weights["v"]], lr=5e-3)
    loss = Flossing(settings["directions"], transient=settings["settled"])
    for _ in range(count):
        optimiser.zero_grad()
        loss(network.steps(inputs(rng, settings["settled"] + 50, 2)), rest(2)).backward()
        optimiser.step()


def train(network, rngs, delay, settings, during):
    optimiser, losses = torch.optim.Adam(network.weights.values(), lr=1e-3), []
    for count in range(settings["training"]):
        if during and count and count % settings["every"] == 0:
            floss(network, rngs[0], settings["bout"], settings)
        u = inputs(rngs[1], delay + 50, BATCH)
        optimiser.zero_grad()
        loss = ((network.outputs(u)[delay:] - u[: len(u) - delay]) ** 2).mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def accuracy(network, rng, delay):
    """The share of the bits that are right, after the first `delay` steps."""
    u = inputs(rng, delay + 200, BATCH)
    return ((network.outputs(u)[delay:] * u[: len(u) - delay]) > 0).double().mean().item()


@torch.no_grad()
def exponents(network, rng, k):
    u, x = inputs(rng, 200, 4), rest(4)
    return lyapunov_spectrum(network.steps(u), x, frame(x, k), transient=10, every="auto").exponents.mean(0).numpy()


@torch.no_grad()
def decades(network, rng, k):
    """log10 of the ratio of the first and k-th singular values of the Jacobian of MEASURED steps: median of 8."""
    u, x = inputs(rng, MEASURED, 8), rest(8)
    factors = finite_time_exponents(network.steps(u), x, frame(x, k)).log_factors
    return ((factors[:, 0] - factors[:, -1]) / np.log(10)).median().item()


def measure(point, rng, *, settings=SETTINGS):
    torch.set_num_threads(1)
    delay, method, k = int(point["delay"]), point["method"], settings["directions"]
    first, flossing, training, test = rng.spawn(4)
    network = Network(first)
    if method != "none":
        floss(network, flossing, settings["flossing"], settings)
    before, ratio = exponents(network, np.random.default_rng(0), k), decades(network, np.random.default_rng(0), k)
    losses = train(network, (flossing, training), delay, settings, method == "before and during")
    return {
        "losses": losses,
        "accuracy": accuracy(network, test, delay),
        "before": before,
        "after": exponents(network, np.random.default_rng(0), k),
        "decades_before": ratio,
        "decades_after": decades(network, np.random.default_rng(0), k),
    }


def archive(settings):
    if Path(settings["file"]).exists():
        return Archive.open(settings["file"])
    axes = {"delay": settings["delays"], "method": list(METHODS), "realisation": np.arange(settings["realisations"])}
    k, fixed = settings["directions"], {name: v for name, v in settings.items() if name != "file"}
    outputs = {
        "losses": {"training_step": settings["training"]},
        "accuracy": (),
        "decades_before": (),
        "decades_after": (),
    }
    outputs |= {"before": {"index": k}, "after": {"index": k}}
    return Archive.create(settings["file"], Grid(axes, common=("method",)), outputs=outputs, seed=1, fixed=fixed)


def main(settings=SETTINGS):
    found = archive(settings)

    def measured(point, rng):
        return measure(point, rng, settings=settings)

    return run(measured, found, workers=1)


if __name__ == "__main__":
    sys.exit(main() is None)
