"""Robustness of perceptrons trained with the exponents of their early layers suppressed: an archive for each task.

    python experiments/early_stretching/sweep.py

Some twelve minutes on one core; resumes when run again.  Networks of one realisation start from the same weights and
see the same samples in the same order, whatever is added to their loss.
"""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from cocycle import Archive, Grid, feedforward, ftle, run
from cocycle.networks import (
    Dataset,
    EarlyStretching,
    JacobianNorm,
    Labelled,
    digits,
    error,
    perceptron,
    split,
)

EARLY = 2  # layers whose exponent is suppressed
TASKS = {  # widths, radii of perturbations (Euclidean)
    "moons": {"widths": [2, 20, 20, 20, 20, 20, 2], "radii": [0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3]},
    "digits": {"widths": [64, 40, 40, 40, 40, 10], "radii": [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2]},
}
METHODS = ("none", "early 0.1", "early 1", "Jacobian 0.001", "Jacobian 0.01")
SETTINGS = {"realisations": 5, "epochs": 30, "batch": 64, "learning_rate": 3e-3, "samples": 1000, "attack_steps": 30}
SETTINGS |= {"tasks": list(TASKS), "folder": "."}


def moons(rng, samples, noise=0.2):
    """Two half circles of radius 1, the second shifted by (1, 1/2) and reflected; Gaussian noise; half held out."""
    angle, target = rng.uniform(0, np.pi, 2 * samples), np.arange(2 * samples) % 2
    first = np.stack([np.cos(angle), np.sin(angle)], -1)
    points = np.where(target[:, None] == 0, first, np.array([1.0, 0.5]) - first)
    return split(Labelled(points + noise * rng.normal(size=points.shape), target), rng, test=0.5)


def dataset_of(task, rng, settings) -> Dataset:
    return moons(rng, settings["samples"]) if task == "moons" else digits(rng)


def added_loss(method, rng):
    """What is added to the cross-entropy, with its strength; None for nothing."""
    kind, _, strength = method.partition(" ")
    if kind == "none":
        return None, 0.0
    return (EarlyStretching(EARLY) if kind == "early" else JacobianNorm(1, rng)), float(strength)


def train(network, samples, method, rng, settings):
    x, y = torch.as_tensor(samples.inputs), torch.as_tensor(samples.targets).long()
    order, projections = rng.spawn(2)
    loss, strength = added_loss(method, projections)
    optimiser = torch.optim.Adam(network.parameters(), lr=settings["learning_rate"])
    steps = feedforward(network)
    for _ in range(settings["epochs"]):
        for part in torch.as_tensor(order.permutation(len(x))).split(settings["batch"]):
            optimiser.zero_grad()
            value = nn.functional.cross_entropy(network(x[part]), y[part])
            if loss is not None:
                value = value + strength * loss(steps, x[part])
            value.backward()
            optimiser.step()


def perturbed(network, x, y, radius, steps):
    """Inputs at a Euclidean distance of at most `radius` from x, by projected gradient ascent of the cross-entropy from
    x (Madry et al., ICLR 2018)."""
    moved = x.clone()
    for _ in range(steps):
        moved.requires_grad_()
        loss = nn.functional.cross_entropy(network(moved), y, reduction="sum")
        (slope,) = torch.autograd.grad(loss, moved)
        slope = slope / slope.norm(dim=-1, keepdim=True).clamp(min=1e-300)
        step = moved.detach() + 2.5 * radius / steps * slope - x
        moved = x + step * (radius / step.norm(dim=-1, keepdim=True).clamp(min=1e-300)).clamp(max=1.0)
    return moved


def accuracies(network, samples, radii, steps):
    """The share of test inputs that are right at the input and wherever an attack of the radius arrives."""
    x, y = torch.as_tensor(samples.inputs), torch.as_tensor(samples.targets).long()
    right, found = torch.ones(len(x), dtype=torch.bool), []
    for radius in radii:
        right &= network(perturbed(network, x, y, radius, steps)).argmax(-1) == y
        found.append(right.double().mean().item())
    return found


@torch.no_grad()
def exponents_of(network, samples):
    """Medians over the test inputs of the maximal exponent after the early layers, and of that of all, per layer."""

    steps, x = feedforward(network), torch.as_tensor(samples.inputs)
    return [float(ftle(part, x).exponents.median()) for part in (steps[:EARLY], steps)]


def measure(point, rng, *, task, settings):
    torch.set_num_threads(1)
    data, weights, training = rng.spawn(3)
    dataset, chosen = dataset_of(task, data, settings), TASKS[task]
    network = perceptron(chosen["widths"], weights)
    train(network, dataset.training, point["method"], training, settings)
    network.eval().requires_grad_(False)
    early, whole = exponents_of(network, dataset.test)
    return {
        "accuracy": accuracies(network, dataset.test, chosen["radii"], settings["attack_steps"]),
        "training_accuracy": 1 - error(network, dataset.training),
        "early_exponent": early,
        "exponent": whole,
    }


def archive(task, settings):
    path = Path(settings["folder"]) / f"early_stretching_{task}.h5"
    if path.exists():
        return Archive.open(path)
    axes = {"method": list(METHODS), "realisation": np.arange(settings["realisations"])}
    outputs = {"accuracy": {"radius": len(TASKS[task]["radii"])}, "training_accuracy": (), "early_exponent": ()}
    fixed = {name: v for name, v in settings.items() if name not in ("tasks", "folder", "realisations")}
    grid = Grid(axes, common=("method",))
    return Archive.create(path, grid, outputs=outputs | {"exponent": ()}, seed=1, fixed=fixed | {"task": task})


def main(settings=SETTINGS):
    for task in settings["tasks"]:
        run(partial(measure, task=task, settings=settings), archive(task, settings), workers=1)


if __name__ == "__main__":
    main()
