"""Trained multilayer perceptrons over widths, depths and initial scales: their errors, exponents, and checkpoints.

After Storm, Linander, Bec, Gustavsson & Mehlig, Phys. Rev. Lett. 132, 057301 (2024).
"""

import os
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from cocycle.lyapunov import ftle, plane
from cocycle.lyapunov.ridges import level_lines, overlap, ridges
from cocycle.maps import Map
from cocycle.networks.data import RADIUS, dataset_named, digest
from cocycle.networks.feed_forward import feedforward
from cocycle.networks.training import Recipe, error, fit, perceptron
from cocycle.sweeps import Archive, Grid, Status
from cocycle.sweeps.contents import Contents, described
from cocycle.sweeps.sights import Lines, Sight, Surface
from cocycle.trajectories import end

SETTINGS: dict[str, Any] = {
    "task": "circle",  # or "digits", a folder with MNIST's files, an .npz file: see `networks.data.dataset_named`
    "data_seed": None,  # of a task that all points share, instead of one for each
    "width": 50,
    "depth": 4,  # hidden layers
    "weight_std": 1.0,  # of initial weights, times 1/√(inputs of the layer)
    "first_fan": "inputs",  # the first layer's is divided by √inputs, or, "width", by √width
    "threshold_std": 0.0,
    "trained": "all",  # or "readout": the hidden layers stay as they were drawn
    "loss": "MSELoss",
    "optimiser": "SGD",
    "options": {},
    "learning_rate": 0.01,
    "batch": 64,
    "epochs": 200,
    "stop_at": 0.99,
}
WORDS = {"first_fan": ("inputs", "width"), "trained": ("all", "readout")}
QUANTILES = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
SAMPLES = 2000  # test inputs at which exponents are computed
RAYS = 400  # from the centre of the circle, along which its boundary is looked for
LOOK = 121  # inputs along each side of the square, of which `look` computes exponents
CENTRE = 0.1  # radius of what is called the centre
OF_RECIPE = tuple(field.name for field in fields(Recipe))
OF_CIRCLE = ("boundary", "centre", "alignment")
UNITS = {name: "1/layer" for name in ("initial_exponent", "exponent", "exponent_mean", "exponent_std")}
LONG_NAMES = {
    "width": "width N",
    "depth": "hidden layers L",
    "error": "test error",
    "training_loss": "training loss",
    "initial_exponent": "quantiles of λ₁ before training",
    "exponent": "quantiles of λ₁",
    "exponent_mean": "mean λ₁",
    "exponent_std": "standard deviation of λ₁",
    "movement": "relative change of the hidden weights",
    "boundary": "L λ₁ on the decision boundary",
    "centre": "L λ₁ at the centre",
    "alignment": "|cos(stretching direction, boundary's normal)|",
}


def sweep(
    path: str | os.PathLike, axes: dict[str, Any], seed: int, *, checkpoints: bool = True, **settings: Any
) -> Archive:
    """An archive for `measure` over `axes`: some of SETTINGS, and `realisation`.  Other settings are those of SETTINGS.

    task is "circle", "digits", a folder with MNIST's files, or an .npz file with `inputs` (samples, n) and `targets`,
    see `Labelled`; the other settings are explained beside SETTINGS.  A network ends in tanh if the loss is MSELoss.

    Outputs: error, the share of test inputs that are wrong; training_loss at the end of training, after
    trained_epochs; movement ‖ΔW‖/‖W‖ of the hidden weights; QUANTILES of the maximal exponents over test inputs, per
    hidden layer, before and after training; their mean and standard deviation.  Of the circle also boundary and centre,
    the means of L λ₁ on the network's own decision boundary and within 0.1 of the centre, and alignment of the
    stretching direction with the boundary's normal; NaN where the network has no boundary.  With checkpoints all
    parameters, in as many numbers as the largest network has: `network` makes it again.

    Raises as `Archive.resume` does, and ValueError for settings that are not known.
    """
    return Archive.resumed(path, contents_of(axes, seed, checkpoints=checkpoints, **settings))


def contents_of(axes: dict[str, Any], seed: int, *, checkpoints: bool = True, **settings: Any) -> Contents:
    """What a sweep of `measure` over axes is: see `sweep`."""
    unknown = sorted({*axes, *settings} - {*SETTINGS, "realisation"})
    if unknown:
        raise ValueError(f"settings must be among {', '.join(SETTINGS)}; got {', '.join(unknown)}")
    if "task" in axes:
        raise ValueError("task must be a setting, not an axis: make an archive for each task")
    fixed = {name: value for name, value in (SETTINGS | settings).items() if name not in axes}
    for setting, value in fixed.items():
        _check(setting, value)
    for axis, values in axes.items():
        for value in np.asarray(values).tolist():
            _check(axis, value)
    fixed["data"], fixed["ends"] = digest(fixed["task"]), _ends(fixed["task"])
    largest = {name: max(axes.get(name, [fixed.get(name)])) for name in ("width", "depth")}
    size = _count(_drawn(SETTINGS | largest, fixed["ends"], 0))
    fixed["checkpoint"] = size if checkpoints else 0
    numbers = ["error", "training_loss", "trained_epochs", "movement", "exponent_mean", "exponent_std"]
    numbers += [*OF_CIRCLE] if fixed["task"] == "circle" else []
    outputs: dict[str, Any] = dict.fromkeys(numbers, ())
    outputs |= {name: {"quantile": len(QUANTILES)} for name in ("initial_exponent", "exponent")}
    outputs |= {"parameters": {"parameter": fixed["checkpoint"]}} if checkpoints else {}
    named = {*axes, *outputs}
    units, names = ({key: word for key, word in words.items() if key in named} for words in (UNITS, LONG_NAMES))
    return described(Grid(axes), outputs, seed, fixed, units, names)


def measure(point: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """The outputs at one point: a task and a network are drawn, and the network is trained."""
    of_task, of_weights, of_training = rng.spawn(3)
    if point["data"] != digest(point["task"]):
        raise ValueError(
            f"the files of {point['task']} changed since the archive was made: restore them, or make a new archive"
        )
    task = dataset_named(point["task"], of_task if point["data_seed"] is None else point["data_seed"])
    net = _drawn(point, point["ends"], of_weights)
    x, steps = task.test.inputs[:SAMPLES], hidden(net)  # which share the weights that training changes
    initial, before = ftle(steps, x).exponents, _hidden_weights(net)
    history = fit(net, task, of_training, recipe(point))
    after, exponents = _hidden_weights(net), ftle(steps, x).exponents
    found = {
        "error": error(net, task.test),
        "training_loss": history.loss[-1] if len(history.loss) else np.nan,
        "trained_epochs": len(history.loss),
        "movement": float((after - before).norm() / before.norm()),
        "initial_exponent": np.quantile(initial, QUANTILES),
        "exponent": np.quantile(exponents, QUANTILES),
        "exponent_mean": exponents.mean(),
        "exponent_std": exponents.std(),
    }
    if point["checkpoint"]:
        found["parameters"] = _padded(parameters_to_vector(net.parameters()).detach().numpy(), point["checkpoint"])
    return found | (ring(net) if point["task"] == "circle" else {})


def look(point: dict[str, Any], rng: np.random.Generator) -> list[Sight]:
    """What `cocycle explore` shows of one point: the network is trained again as by the measure; its loss, and, where
    it has two inputs, the field of its exponents over the square, with the ridge and the decision boundary."""
    of_task, of_weights, of_training = rng.spawn(3)
    task = dataset_named(point["task"], of_task if point["data_seed"] is None else point["data_seed"])
    net = _drawn(point, point["ends"], of_weights)
    history = fit(net, task, of_training, recipe(point))
    epochs = np.arange(1, len(history.loss) + 1)
    losses = {"training": np.asarray(history.loss)}
    shown: list[Sight] = [Lines("training", epochs, losses, "epochs", "training loss")]
    if point["ends"][0] != 2:
        return shown
    x = np.linspace(-1, 1, LOOK)
    field, outputs = ftle(hidden(net), plane(x, x)).exponents, end(feedforward(net), plane(x, x))
    curves = {"decision boundary": level_lines(x, x, outputs[..., 0])} if outputs.shape[-1] == 1 else {}
    marks = {"ridge": ridges(x, x, field).points}
    words = ("first input", "second input", "maximal exponent λ₁ (per layer)")
    return [Surface("maximal exponents of the hidden layers", x, x, field, *words, curves, marks), *shown]


def recipe(point: dict[str, Any]) -> Recipe:
    """How the network at a point is trained."""
    return Recipe(**{name: point[name] for name in OF_RECIPE})


def hidden(net: nn.Sequential) -> tuple[Map, ...]:
    """The hidden layers as maps: all but the readout."""
    return feedforward(net)[:-1]


def ring(net: nn.Sequential) -> dict[str, float]:
    """Of a network of the circle: L λ₁ on its decision boundary and at the centre, and the alignment there."""
    steps, rng = feedforward(net), np.random.default_rng(0)
    radius, angle = CENTRE * np.sqrt(rng.uniform(size=RAYS)), rng.uniform(0, 2 * np.pi, RAYS)
    centre = ftle(steps[:-1], torch.as_tensor(radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)))
    x = boundary(net)
    if not len(x):
        return dict.fromkeys(OF_CIRCLE, np.nan) | {"centre": float(centre.log_factors.mean())}
    found, normal = ftle(steps[:-1], x), ftle(steps, x).directions  # of the one output: along its gradient
    return {
        "boundary": float(found.log_factors.mean()),
        "centre": float(centre.log_factors.mean()),
        "alignment": float(overlap(found.directions, normal).mean()),
    }


@torch.no_grad()
def boundary(net: nn.Sequential) -> torch.Tensor:
    """Points (m, 2) where the output of a network of the circle is zero: on each ray the one nearest to the circle."""
    angle = torch.arange(RAYS, dtype=torch.float64) * (2 * torch.pi / RAYS)
    radius = torch.linspace(0.0, 1.0, 501, dtype=torch.float64)
    rays = torch.stack([angle.cos(), angle.sin()], -1)
    y = net(radius[:, None, None] * rays)[..., 0]
    low, high = y[:-1], y[1:]
    at = radius[:-1, None] + (radius[1] - radius[0]) * low / (low - high)
    nearest, where = torch.where((low < 0) != (high < 0), (at - RADIUS).abs(), torch.inf).min(0)
    return (at.gather(0, where[None])[0][:, None] * rays)[nearest.isfinite()]


def network(archive: Archive, **point: Any) -> nn.Sequential:
    """The trained network at a point of an archive with checkpoints: network(archive, width=10, realisation=0).

    Raises ValueError for a point that is not in the grid or not done, KeyError for an archive without checkpoints.
    """
    index = archive.grid.index_at(point)
    record = archive.records(np.array([archive.grid.number(index)]))
    if "parameters" not in record.values:
        raise KeyError(f"{archive.name} has no checkpoints: they are kept with sweep(..., checkpoints=True)")
    if record.status[0] != Status.DONE:
        raise ValueError(f"the network at {point} is {Status(record.status[0]).words}")
    net = _drawn(archive.fixed | point, archive.fixed["ends"], 0)
    stored = record.values["parameters"][0]
    vector_to_parameters(torch.as_tensor(stored[: _count(net)]), net.parameters())
    return net.eval()


def _drawn(point: dict[str, Any], ends: list[int], rng: np.random.Generator | int) -> nn.Sequential:
    inputs, outputs = ends
    widths = (inputs, *[int(point["width"])] * int(point["depth"]), outputs)
    head = "Tanh" if point["loss"] == "MSELoss" else None
    net = perceptron(widths, rng, weight_std=point["weight_std"], threshold_std=point["threshold_std"], head=head)
    if point["first_fan"] == "width":
        net[0].weight.data *= (inputs / widths[1]) ** 0.5
    if point["trained"] == "readout":
        net[: 2 * int(point["depth"])].requires_grad_(False)
    return net


def _ends(name: str) -> list[int]:
    """The numbers of inputs and outputs of a task."""
    task = dataset_named(name, 0)
    return [task.training.inputs.shape[1], task.outputs]


def _check(name: str, value: Any) -> None:
    """Raise ValueError for a value that a setting cannot have."""
    if name in ("width", "depth") and (value != int(value) or value < 1):
        raise ValueError(f"{name} must be a whole number of at least 1; got {value}")
    if name in WORDS and value not in WORDS[name]:
        raise ValueError(f"{name} must be one of {', '.join(WORDS[name])}; got {value!r}")
    if name in OF_RECIPE:
        recipe(SETTINGS | {name: value})
    if name in ("weight_std", "threshold_std"):
        perceptron((1, 1), 0, **{name: value})


def _count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def _hidden_weights(net: nn.Sequential) -> torch.Tensor:
    layers = [layer for layer in net if isinstance(layer, nn.Linear)]
    return torch.cat([layer.weight.detach().ravel() for layer in layers[:-1]])


def _padded(values: np.ndarray, length: int) -> np.ndarray:
    return np.concatenate([values, np.full(length - len(values), np.nan)])
