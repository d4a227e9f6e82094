"""Trained reservoirs of other packages taken over: the same forecasts, then all that this package has for its own.

Every echo state network with a linear readout is five arrays and a pointwise function,

    r[t+1] = (1 - leak) r[t] + leak g(W r[t] + W_in u[t] + bias),    y[t] = W_out r[t+1] + intercept,

from r = 0, y[t] being the output after the input u[t].  What is taken over is compared: the outputs on a series must be
those of the other package, to 1e-10 of the largest, or the model is refused.
"""

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from cocycle.arrays import Array, as_numpy, is_sparse
from cocycle.networks import ERF, LINEAR, RELU, SIGMOID, TANH, Activation
from cocycle.reservoir import Forecaster, Readout, Reservoir

SAME = 1e-10  # of the largest output: what two orders of summation may differ by in a network that forgets
ACTIVATIONS = {"tanh": TANH, "sigmoid": SIGMOID, "relu": RELU, "identity": LINEAR, "linear": LINEAR, "erf": ERF}
NAMES = {
    "W": ("W", "W_", "weight_hh", "recurrent_weights_"),
    "W_in": ("W_in", "W_in_", "Win", "weight_feedback", "input_weights_"),
    "W_out": ("W_out", "W_out_", "coef_"),
    "bias": ("bias", "bias_", "bias_h"),
    "leak": ("leak", "leak_rate", "leaking_rate", "lr"),
    "intercept": ("intercept", "intercept_"),
    "activation": ("activation", "activation_"),
}


@final
@dataclass(frozen=True, eq=False)
class Arrays:
    """A trained reservoir as arrays: W (n, n), also sparse; W_in (n, m); W_out (k, n), or (k, m + n) if it reads
    [u | r]; bias (n,), leak in (0, 1], intercept (k,), numbers for all units too; activation, an `Activation`, or the
    name of one, or a function of that name: tanh, sigmoid, relu, identity, linear, erf.  dt is the time between inputs.
    """

    W: Any
    W_in: Any
    W_out: Any
    bias: Any = 0.0
    leak: Any = 1.0
    intercept: Any = 0.0
    activation: Activation | str | Callable = "tanh"
    dt: float = 1.0


def from_arrays(arrays: Arrays, series: Array, predictions: Array) -> Forecaster:
    """The reservoir that consists of `arrays`; its outputs on series (time, m), from rest, must be `predictions`
    (time, k): row t is the output after series[t].

    Raises ValueError if they are not, to 1e-10 of the largest, and for arrays that do not fit or another function than
    `Arrays` names.
    """
    return _compared(_forecaster(arrays), series, predictions)


def from_reservoirpy(model: Any, series: Array, *, dt: float = 1.0) -> Forecaster:
    """A trained model of reservoirpy, a Reservoir and a Ridge (`reservoir >> readout`, or an ESN), taken over.

    Its outputs on series (time, m), such as the one it was trained on, are computed by reservoirpy, in a copy that
    starts from rest, and compared.  The model is not changed.  Raises ValueError for other nodes, one that is not
    trained, and outputs that differ: feedback into the reservoir, noise, the equation "external".
    Trouvain, Pedrelli, Dinh & Hinaut, ICANN (2020).
    """
    nodes = list(model.nodes)
    reservoir = _single(nodes, "W", "a Reservoir")
    readout = _single(nodes, "Wout", "a readout such as Ridge")
    if callable(reservoir.W) or callable(readout.Wout):
        raise ValueError("model must be trained, its weights are not drawn yet: call its `fit` first")
    weights = np.asarray(readout.Wout).T
    if weights.shape[1] > reservoir.units:  # of [r | u]
        weights = np.roll(weights, weights.shape[1] - reservoir.units, axis=1)
    arrays = Arrays(reservoir.W, reservoir.Win, weights, reservoir.bias, reservoir.lr, np.ravel(readout.bias),
                    reservoir.activation, dt)  # fmt: skip
    theirs = deepcopy(model)  # it keeps the state of its last run
    theirs.reset()
    return _compared(_forecaster(arrays), series, theirs.run(as_numpy(series)))


def from_estimator(estimator: Any, series: Array, *, dt: float = 1.0) -> Forecaster:
    """A trained reservoir of any class that has `predict(series)` and, under one of the names in `NAMES`, W, W_in and
    W_out, and where it has them bias, leak rate, intercept and activation.

    Its predictions on series (time, m) are compared.  Raises ValueError for attributes that are missing and for
    predictions that differ.
    """
    found = {part: _attribute(estimator, names) for part, names in NAMES.items()}
    missing = [f"{part} ({', '.join(NAMES[part])})" for part in ("W", "W_in", "W_out") if found[part] is None]
    if missing:
        raise ValueError(
            f"estimator must have the attributes of a trained reservoir; {type(estimator).__name__} has no"
            f" {'; no '.join(missing)}: train it, or give its arrays to `from_arrays`"
        )
    arrays = Arrays(**{part: value for part, value in found.items() if value is not None}, dt=dt)
    return _compared(_forecaster(arrays), series, estimator.predict(as_numpy(series)))


def _forecaster(arrays: Arrays) -> Forecaster:
    weight = arrays.W if is_sparse(arrays.W) else _dense("W", arrays.W)
    inputs, outputs = _dense("W_in", arrays.W_in), _dense("W_out", arrays.W_out)
    bias, intercept = np.ravel(_dense("bias", arrays.bias)), np.ravel(_dense("intercept", arrays.intercept))
    network = Reservoir(
        weight,
        inputs,
        bias=bias if bias.size > 1 else float(bias[0]),
        leak_rate=_equal("leak", arrays.leak),
        activation=_activation(arrays.activation),
        dt=arrays.dt,
    )
    if outputs.ndim != 2 or outputs.shape[1] not in (network.dimension, network.dimension + network.inputs):
        raise ValueError(
            f"W_out must have shape (k, n={network.dimension}), or (k, {network.dimension + network.inputs}) for"
            f" [u | r]; got {outputs.shape}: other packages have its transpose"
        )
    width = outputs.shape[0]
    readout = Readout(
        outputs, reads_input=outputs.shape[1] > network.dimension, offset=np.broadcast_to(intercept, width).copy()
    )
    return Forecaster(network, readout, closable=width == network.inputs, settings={"trained by": "another package"})


def _compared(model: Forecaster, series: Array, theirs: Any) -> Forecaster:
    """The model, if its outputs on the series are `theirs`."""
    ours, theirs = model.predictions(as_numpy(series)), _dense("predictions", theirs)
    theirs = theirs.reshape(len(theirs), -1) if theirs.ndim else theirs
    if ours.shape != theirs.shape:
        raise ValueError(f"predictions must have shape {ours.shape}, row t after series[t]; got {theirs.shape}")
    differences, largest = abs(ours - theirs).max(axis=1), float(abs(theirs).max())
    if not (differences <= SAME * largest).all():
        first = int(np.argmax(~(differences <= SAME * largest)))
        raise ValueError(
            f"forecasts must be those of the other package to {SAME * largest:.1e} on the series; they differ by"
            f" {np.nanmax(differences):.3g}, first in row {first} by {differences[first]:.3g}: what is taken over"
            " starts from r = 0 and has no feedback, noise or single precision; row t is the output after series[t]"
        )
    return model


def _single(nodes: Iterable[Any], name: str, what: str) -> Any:
    """The one node with an attribute of that name."""
    found = [node for node in nodes if getattr(node, name, None) is not None]
    if len(found) != 1:
        raise ValueError(
            f"model must have {what}, one node with {name}; got {len(found)} in {', '.join(map(str, nodes))}"
        )
    return found[0]


def _attribute(thing: Any, names: Iterable[str]) -> Any:
    return next((value for name in names if (value := getattr(thing, name, None)) is not None), None)


def _dense(name: str, value: Any) -> np.ndarray:
    """The numbers in double precision."""
    array = np.asarray(value.toarray() if is_sparse(value) else as_numpy(value))
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name} must be an array of numbers; got {type(value).__name__}")
    return np.atleast_1d(array.astype(np.float64))


def _equal(name: str, value: Any) -> float:
    numbers = _dense(name, value)
    if np.ptp(numbers) > 0:
        raise ValueError(f"{name} must be the same for all units; got {numbers.min():g} to {numbers.max():g}")
    return float(numbers.flat[0])


def _activation(given: Activation | str | Callable) -> Activation:
    if isinstance(given, Activation):
        return given
    name = given if isinstance(given, str) else getattr(given, "__name__", type(given).__name__)
    if name.lower() not in ACTIVATIONS:
        raise ValueError(
            f"activation must be one of {', '.join(ACTIVATIONS)}; got {name}: give an Activation(name, value, slope)"
        )
    return ACTIVATIONS[name.lower()]
