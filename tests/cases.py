"""Every map of the package, once: a map and a batch of states where its contract is to be checked."""

import copy
import dataclasses

import numpy as np
import torch
from scipy.sparse import issparse

from cocycle import (
    ERF,
    LINEAR,
    RELU,
    TANH,
    Autodiff,
    Compiled,
    Composed,
    Coupled,
    Flow,
    Layer,
    Linear,
    Map,
    Relaxed,
    Reservoir,
    Residual,
    Select,
)
from cocycle.driven import bound
from cocycle.networks import Cell, RateNetwork, RecurrentForecaster, Windowed, hopfield
from cocycle.networks.steps import Step
from cocycle.operators import LowRankUpdate
from cocycle.reservoir import (
    Deep,
    DelayLine,
    Design,
    HalfSquared,
    Polynomial,
    Readout,
    WithSquares,
    cycle,
    delay_line,
    orthogonal,
    permutation,
    small_world,
    sparse,
    train,
    uniform,
)
from cocycle.systems import (
    Bernoulli,
    Chua,
    CoupledMapLattice,
    DelayEquation,
    Halvorsen,
    Henon,
    HyperRossler,
    Ikeda,
    Interval,
    KuramotoSivashinsky,
    Logistic,
    Lorenz63,
    Lorenz84,
    Lorenz96,
    Lozi,
    MackeyGlass,
    MethodOfLines,
    Rossler,
    Sprott,
    Standard,
    Tent,
    Thomas,
    ToralAutomorphism,
)

RNG = np.random.default_rng(7)
W = RNG.normal(size=(5, 4)) / 2
SQUARE = RNG.normal(size=(4, 4)) / 2
BIAS = RNG.normal(size=5)
READOUT = RNG.normal(size=(2, 6))
RESERVOIR = Reservoir(RNG.normal(size=(6, 6)) / 2, RNG.normal(size=(6, 2)), bias=RNG.normal(size=6))
LEAKY = dataclasses.replace(RESERVOIR, leak_rate=0.3)
ONE_INPUT = Reservoir(RNG.normal(size=(6, 6)) / 2, RNG.normal(size=(6, 1)) / 20, leak_rate=0.6)
GAINS = dataclasses.replace(RESERVOIR, gain=np.array([[0.5], [1.0], [2.0]]), input_gain=np.array([[0.1], [0.2], [1.0]]))
U = RNG.normal(size=(1, 2))
torch.manual_seed(5)
CELLS = [kind(2, 4).double().requires_grad_(False) for kind in (torch.nn.RNNCell, torch.nn.GRUCell, torch.nn.LSTMCell)]
STACKS = [kind(2, 4, 3).double().requires_grad_(False) for kind in (torch.nn.RNN, torch.nn.GRU, torch.nn.LSTM)]
HEAD = torch.nn.Linear(4, 2).double().requires_grad_(False)
PERCEPTRON = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2)).double()
PERCEPTRON.requires_grad_(False)
KINDS = ((0, "rnn", 4), (1, "gru", 4), (2, "lstm", 8))
NETWORKS = {
    "uniform": uniform(6, 1),
    "orthogonal": orthogonal(6, 1),
    "permutation": permutation(6, 1),
    "cycle": cycle(6),
    "delay line": delay_line(6),
    "small world": small_world(6, 4, 0.3, 1),
    "sparse": sparse(200, 0.02, 1),  # in sparse format
}
DEEP = Deep((LEAKY, Reservoir(SQUARE, RNG.normal(size=(4, 6)) / 3)))
DELAYED = Deep((DelayLine(2, 3, 2), Reservoir(SQUARE, RNG.normal(size=(4, 6)) / 3, bias=BIAS[:4])))
SERIES = np.stack([np.sin(0.3 * np.arange(200)), np.cos(0.1 * np.arange(200))], axis=-1)


def driven(network, scale=0.5):
    return next(network.driven(U)), normal(network.dimension, scale)


def closed(network, design=None, **options):
    """The closed loop of a network that was trained: with an external input, at one value of it."""
    model = train(network, SERIES, ridge=1e-3, washout=50, normalise=False, design=design, **options)
    f = next(model.closed_with(np.ones((1, 1)))) if model.external else model.closed
    return f, normal(network.dimension + (2 if model.readout.reads_input else 0), 0.3)


def quadratic(x):
    return x[..., :2] * x[..., 1:3] - x[..., :2] ** 3


def two_delays(x, first, second, gain=2.0):
    return gain * np.tanh(first) - x * second


def delayed_pair(x, first, second, gain=2.0):
    return [np.sin(second[0]) - x[1], gain * first[1] * x[0]]


def burgers(u, u_x, u_xx, viscosity=0.3):
    return viscosity * u_xx - u * u_x


def fitzhugh_nagumo(w, w_xx, threshold=0.1):
    u, v = w
    return u * (1 - u) * (u - threshold) - v + w_xx[0], 0.1 * (u - v)


def mixed(u, u_xy, u_yy):
    return np.sin(u) + u * u_xy + u_yy


def normal(n, scale=1.0, offset=0.0):
    return np.random.default_rng(n).normal(size=(3, n)) * scale + offset


CASES: dict[str, tuple[Map, np.ndarray]] = {
    "linear": (Linear(W), normal(4)),
    "linear, a batch of matrices": (Linear(RNG.normal(size=(3, 5, 4))), normal(4)),
    "linear, low-rank update": (
        Linear(LowRankUpdate(SQUARE, RNG.normal(size=(3, 4, 2)), RNG.normal(size=(3, 2, 4)), 0.7)),
        normal(4),
    ),
    "select": (Select((2, 0)), normal(3)),
    "residual": (Residual(Layer(SQUARE, 0.1), 0.3), normal(4)),
    "relaxed": (Relaxed(Layer(SQUARE), 0.3), normal(4)),
    "composed": (Composed((Layer(W, BIAS), Linear(W.T), Layer(SQUARE, 0.1, ERF))), normal(4)),
    "logistic": (Logistic(), Logistic().start(RNG, (3,))),
    "henon": (Henon(), normal(2)),
    "ikeda": (Ikeda(), normal(2)),
    "cat": (ToralAutomorphism(), RNG.uniform(0.11, 0.22, size=(3, 2))),
    "lorenz": (Flow(Lorenz63(), 0.02), normal(3, 5, 20)),
    "lorenz, substeps": (Flow(Lorenz63(), 0.05, 3), normal(3, 5, 20)),
    "rossler": (Flow(Rossler(), 0.05), normal(3)),
    "lorenz96": (Flow(Lorenz96(7), 0.02), normal(7, 3)),
    "tent": (Tent(), np.array([[0.2], [0.7], [0.9]])),
    "bernoulli": (Bernoulli(), np.array([[0.2], [0.5], [0.9]])),
    "coupled maps": (CoupledMapLattice(dimension=6), RNG.uniform(0.1, 0.9, size=(3, 6))),
    "lozi": (Lozi(), normal(2)),
    "standard": (Standard(), RNG.uniform(1, 1.2, size=(3, 2))),
    "hyper-rossler": (Flow(HyperRossler(), 0.02), HyperRossler().start(RNG, (3,))),
    "lorenz84": (Flow(Lorenz84(), 0.02), normal(3)),
    "thomas": (Flow(Thomas(), 0.05), normal(3)),
    "halvorsen": (Flow(Halvorsen(), 0.01), normal(3)),
    "sprott": (Flow(Sprott(), 0.05), normal(3)),
    "chua": (Flow(Chua(), 0.02), np.array([[0.3, 0.1, -0.2], [2.0, 0.2, -3.0], [-2.0, 0.1, 2.0]])),
    "mackey-glass": (MackeyGlass(points=12), RNG.uniform(0.3, 1.4, size=(3, 14))),
    "delay equation, two delays": (DelayEquation(two_delays, (1.0, 0.33), points=11, substeps=2), normal(13)),
    "delay equation, two components": (DelayEquation(delayed_pair, (0.5, 1.3), points=9, components=2), normal(22)),
    "field, periodic": (Flow(MethodOfLines(burgers, Interval(9.0, 9)), 0.05), normal(9)),
    "field, no flux": (Flow(MethodOfLines(burgers, Interval(9.0, 9, "no-flux", 2)), 0.05), normal(9)),
    "field, two components": (Flow(MethodOfLines(fitzhugh_nagumo, Interval(6.0, 6), components=2), 0.05), normal(12)),
    "field, a parameter in space": (
        Flow(MethodOfLines(burgers, Interval(9.0, 9)).at(viscosity=np.linspace(0.1, 0.5, 9)), 0.05),
        normal(9),
    ),
    "field, two dimensions": (
        Flow(MethodOfLines(mixed, (Interval(5.0, 5), Interval(6.0, 6, "no-flux"))), 0.02, 2),
        normal(30),
    ),
    "kuramoto-sivashinsky": (KuramotoSivashinsky(points=16, length=12.0), normal(16)),
    "compiled": (Compiled(Flow(Lorenz63(), 0.02)), normal(3, 5, 20)),
    "layer, tanh": (Layer(W, BIAS, TANH), normal(4)),
    "layer, erf": (Layer(W, BIAS, ERF), normal(4)),
    "layer, relu": (Layer(W, BIAS, RELU), normal(4)),
    "layer, linear": (Layer(W, BIAS, LINEAR), normal(4)),
    "layer, gains": (Layer(SQUARE, 0.2, TANH, np.array([[0.3], [1.0], [2.0]])), normal(4)),
    "reservoir, driven": (next(RESERVOIR.driven(U)), normal(6)),
    "reservoir, driven, leaky": (next(LEAKY.driven(U)), normal(6)),
    "reservoir, driven, gains": (next(GAINS.driven(U)), normal(6)),
    "reservoir, closed": (RESERVOIR.closed(READOUT), normal(6)),
    "reservoir, closed, leaky": (LEAKY.closed(READOUT), normal(6)),
    "reservoir, closed, gains": (GAINS.closed(RNG.normal(size=(3, 2, 6))), normal(6)),
    "reservoir, joint": (RESERVOIR.joint, normal(8)),
    "reservoir, joint, leaky": (LEAKY.joint, normal(8)),
    "reservoir, joint, gains": (GAINS.joint, normal(8)),
    **{f"reservoir, {name}": driven(Reservoir(w, np.ones((w.shape[0], 2)), bias=0.1)) for name, w in NETWORKS.items()},
    "deep": driven(DEEP),
    "deep, closed": closed(DEEP),
    "delay line": driven(DelayLine(2, 3, 2)),
    "delayed": driven(DELAYED),
    "delayed, closed": closed(DELAYED),
    "bound": (bound(RESERVOIR.joint, U[0]), normal(6)),
    "polynomial": (Polynomial(3, (0, 1, 2, 3)), normal(3)),
    "squares": (WithSquares(), normal(4)),
    "half squared": (HalfSquared(), normal(5)),
    "readout": (Readout(RNG.normal(size=(2, 6)), slice(2, None), WithSquares(), True, slice(0, 2)), normal(5)),
    "closed, squares": closed(RESERVOIR, WithSquares()),
    "closed, direct": closed(RESERVOIR, Design(direct=True)),
    "closed, increment": closed(LEAKY, Design(increment=True)),
    "closed, external": closed(Reservoir(SQUARE, RNG.normal(size=(4, 3))), external=SERIES[:, :1] + 1),
    "closed, external, direct": closed(
        Reservoir(SQUARE, RNG.normal(size=(4, 3))), Design(direct=True), external=SERIES[:, :1] + 1
    ),
    "next generation": closed(DelayLine(2, 2), Design(Polynomial(4), increment=True)),
    "rate network": (Flow(RateNetwork(1.5 * SQUARE), 0.1), normal(4)),
    "hopfield": (hopfield(np.array([[1, 1, -1, -1], [1, -1, 1, -1]])), normal(4)),
    "rnn cell": (next(Cell(CELLS[0]).driven(U)), normal(4)),
    "gru cell": (next(Cell(CELLS[1]).driven(U)), normal(4)),
    "lstm cell": (next(Cell(CELLS[2]).driven(U)), normal(8)),
    **{f"{kind} cell, joint": (Cell(CELLS[i]).joint, normal(2 + n)) for i, kind, n in KINDS},
    **{f"{kind}, three layers": (next(Cell(STACKS[i]).driven(U)), normal(3 * n)) for i, kind, n in KINDS},
    **{f"{kind}, three layers, joint": (Cell(STACKS[i]).joint, normal(2 + 3 * n)) for i, kind, n in KINDS},
    **{f"{kind}, fed its output": (RecurrentForecaster(STACKS[i], HEAD).closed, normal(3 * n)) for i, kind, n in KINDS},
    "window": (Windowed(torch.nn.Sequential(torch.nn.Flatten(), *PERCEPTRON), 3, 2), normal(6)),
    "drive and response": (Coupled(Flow(Lorenz63(), 0.02), ONE_INPUT, Select((1,))), normal(9, 0.3)),
    "autodiff": (Autodiff(quadratic), normal(3)),
}
ONE_FOR_EACH = {"linear, a batch of matrices", "linear, low-rank update"} | {name for name in CASES if "gains" in name}


def as_torch(thing):
    """The same map with torch tensors for its numpy arrays."""
    return _converted(thing, torch.as_tensor, lambda w: torch.as_tensor(w.toarray()))


def as_single(thing):
    """The same map in single precision."""
    return _converted(
        thing, lambda a: a.astype(np.float32) if a.dtype.kind == "f" else a, lambda w: w.astype(np.float32)
    )


def _converted(thing, of_array, of_sparse):
    def converted(part):
        return _converted(part, of_array, of_sparse)

    if isinstance(thing, np.ndarray):
        return of_array(thing)
    if issparse(thing):
        return of_sparse(thing)
    if isinstance(thing, Step) and of_array is not torch.as_tensor:
        thing = copy.deepcopy(thing)  # as a whole: its modules are those of its network
        thing.network.float()
        return thing
    if isinstance(thing, torch.nn.Module):
        return thing if of_array is torch.as_tensor else copy.deepcopy(thing).float()
    if isinstance(thing, torch.Tensor):
        return thing if of_array is torch.as_tensor else thing.float()
    if isinstance(thing, tuple | list):
        return type(thing)(converted(part) for part in thing)
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        fields = {f.name: converted(getattr(thing, f.name)) for f in dataclasses.fields(thing) if f.init}
        return dataclasses.replace(thing, **fields)
    return thing
