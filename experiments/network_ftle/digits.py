"""What the maximal exponents of networks that read digits say about their uncertainty: measures for the sweeps.

With MNIST's four files in ./mnist it is MNIST, otherwise scikit-learn's digits.
"""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from cocycle import Archive, Grid, feedforward, ftle
from cocycle.lyapunov.ridges import overlap
from cocycle.networks.acquisition import STRATEGIES, Plan, learn_actively
from cocycle.networks.adversarial import adversarial_path, towards, with_bottleneck
from cocycle.networks.data import Dataset, dataset_named, digest, split
from cocycle.networks.ensembles import deep_ensemble, probabilities
from cocycle.networks.training import Recipe, fit, perceptron
from cocycle.networks.uncertainty import uncertainty
from cocycle.trajectories import end

NAME = "mnist" if Path("mnist").is_dir() else "digits"
SEED = 0  # of the split, the same for all networks
RECIPE = Recipe(
    loss="CrossEntropyLoss",
    learning_rate=0.05,
    epochs=100,
    options={"momentum": 0.9, "weight_decay": 1e-4},
)
BOTTLENECK = Recipe(loss="CrossEntropyLoss", optimiser="Adam", learning_rate=0.01)
FROM, TO = 9, 4  # the classes of the adversarial path
STEPS, LENGTH = 120, 2.5  # of it; images have components between 0 and 1
POINTS = ("entropy", "aleatoric", "epistemic", "wrong", "exponent", "overlap", "target")
SETTINGS = {"task": NAME, "data": digest(NAME), "split": SEED, "from": FROM, "to": TO, "length": LENGTH}


@lru_cache(maxsize=1)
def data():
    return dataset_named(NAME, SEED)


def uncertainties(path, chosen, seed):
    """One ensemble for each realisation, its first member with a bottleneck, and a path across a border."""
    samples, mixed = len(data().test), chosen["mixtures"]
    outputs = {name: {"sample": samples} for name in POINTS}
    outputs |= {"plane": {"sample": samples, "unit": 2}, "bottleneck_error": ()}
    outputs |= {"mixed_plane": {"mixed": mixed, "unit": 2}, "mixed_exponent": {"mixed": mixed}}
    outputs |= {"mixed_entropy": {"mixed": mixed}, "path_plane": {"step": STEPS + 1, "unit": 2}}
    outputs |= {name: {"step": STEPS + 1} for name in ("path_exponent", "path_entropy", "path_overlap", "path_class")}
    fixed = {name: chosen[name] for name in ("members", "mixtures")} | {"width": 20, "depth": 4}
    fixed |= SETTINGS | {"epochs": min(chosen["epochs"], RECIPE.epochs)}
    axes = {"realisation": np.arange(chosen["realisations"])}
    return measure, Archive.resume(path, Grid(axes), outputs=outputs, seed=seed, fixed=fixed)


def measure(point, rng):
    dataset, x = data(), data().test.inputs
    of_members, of_bottleneck, of_mixing = rng.spawn(3)
    recipe = replace(RECIPE, epochs=point["epochs"])
    members = deep_ensemble(maker(point, dataset), dataset, of_members, recipe, members=point["members"])
    first, hidden = members[0], feedforward(members[0])[:-1]
    narrow = with_bottleneck(first, of_bottleneck)
    history = fit(narrow, dataset, of_bottleneck, replace(BOTTLENECK, epochs=3 * point["epochs"] // 2))
    predicted, field = probabilities(members, x), ftle(hidden, x)
    wrong = (predicted.argmax(-1) != dataset.test.targets).mean(axis=0)
    uphill = towards(first, x, np.where(dataset.test.targets == TO, FROM, TO))
    found = uncertainty(predicted)._asdict() | {"wrong": wrong, "exponent": field.exponents}
    found |= {"overlap": overlap(uphill, field.directions), "target": dataset.test.targets}
    found |= {"plane": coordinates(narrow, x), "bottleneck_error": history.error[-1]}
    mixed = mixtures(dataset, point["mixtures"], of_mixing)
    found |= {"mixed_plane": coordinates(narrow, mixed), "mixed_exponent": ftle(hidden, mixed).exponents}
    found |= {"mixed_entropy": uncertainty(probabilities(members, mixed)).entropy}
    return found | along_path(members, narrow, hidden, x[start(first, dataset)])


def maker(point, dataset):
    widths = (dataset.training.inputs.shape[1], *[point["width"]] * point["depth"], dataset.outputs)
    return lambda rng: perceptron(widths, rng)


def coordinates(narrow, x):
    """The local fields of the bottleneck's two units."""
    return end(feedforward(narrow[:-1]), x)


def mixtures(dataset, count, rng):
    """Images between two of the test images, to see what lies between the clusters."""
    (a, b), share = rng.integers(len(dataset.test), size=(2, count)), rng.uniform(size=(count, 1))
    return share * dataset.test.inputs[a] + (1 - share) * dataset.test.inputs[b]


def start(net, dataset):
    """The image of FROM that is recognised most clearly."""
    return np.argmax(probabilities([net], dataset.test.inputs)[0, :, FROM] * (dataset.test.targets == FROM))


def along_path(members, narrow, hidden, x):
    first = members[0]
    path = adversarial_path(first, x, TO, length=LENGTH, steps=STEPS, bounds=(0.0, 1.0))
    field, uphill = ftle(hidden, path), towards(first, path, np.full(len(path), TO))
    return {
        "path_plane": coordinates(narrow, path),
        "path_exponent": field.exponents,
        "path_entropy": uncertainty(probabilities(members, path)).entropy,
        "path_overlap": overlap(uphill, field.directions),
        "path_class": probabilities([first], path)[0].argmax(-1),
    }


def acquisition(path, chosen, seed):
    """The accuracy of ensembles against the number of labels, for each way to choose them."""
    fixed = {"start": 40, "batch": 20, "rounds": chosen["rounds"], "members": 4, "width": 20, "depth": 2}
    fixed |= SETTINGS | {"epochs": min(chosen["epochs"], 60)}
    outputs = {"accuracy": {"strategy": len(STRATEGIES), "round": chosen["rounds"] + 1}}
    grid = Grid({"realisation": np.arange(chosen["realisations"])})
    return learned, Archive.resume(path, grid, outputs=outputs, seed=seed, fixed=fixed)


def learned(point, rng):
    dataset = data()
    pool = split(dataset.training, 0, test=0.3)
    parts, make = Dataset(pool.training, dataset.test), maker(point, dataset)
    recipe = Recipe(loss="CrossEntropyLoss", optimiser="Adam", epochs=point["epochs"])
    numbers = {name: point[name] for name in ("start", "batch", "rounds", "members")}
    seed = int(rng.integers(2**63))  # the same first labels and weights for all strategies
    plans = [Plan(strategy, **numbers) for strategy in STRATEGIES]
    return {"accuracy": [learn_actively(parts, pool.test, make, seed, plan, recipe).accuracy for plan in plans]}
