"""What a saved model may be made of, and how its parts have to fit."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from cocycle.arrays import is_sparse
from cocycle.driven import Driven
from cocycle.maps import Composed, Linear, Map, Select
from cocycle.networks.activations import ERF, LINEAR, RELU, SIGMOID, TANH, Activation
from cocycle.reservoir.classification import SeriesClassifier
from cocycle.reservoir.features import HalfSquared, Polynomial, WithSquares
from cocycle.reservoir.forecast import Forecaster
from cocycle.reservoir.layered import Deep, DelayLine
from cocycle.reservoir.normalisation import Normalisation
from cocycle.reservoir.readout import Readout
from cocycle.reservoir.reservoir import Reservoir
from cocycle.reservoir.running import RunningForecaster
from cocycle.reservoir.shapes import check_classifier, check_loop, check_readout, check_units

ACTIVATIONS = {activation.name: activation for activation in (TANH, ERF, RELU, LINEAR, SIGMOID)}


def _is(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kinds)


def _several(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, tuple | list) and all(isinstance(part, kinds) for part in value)


def in_rows(value: Any) -> bool:
    return is_sparse(value) and value.format == "csr"


def _is_numeric(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "biuf"


def _is_matrix(value: Any) -> bool:
    return _is_numeric(value) or in_rows(value)


def _is_weight(value: Any) -> bool:
    return _is_matrix(value) and value.dtype in (np.float32, np.float64)


def _are_indices(value: Any) -> bool:
    return isinstance(value, slice) or _is_numeric(value) or _several(int, np.integer)(value)


def _are_numbers(value: Any) -> bool:
    return isinstance(value, float | int | np.number) or _is_numeric(value)


def _are_labels(value: Any) -> bool:
    """Whether they are labels of classes, in increasing order."""
    kind = isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "biufU"
    return kind and bool((value[:-1] < value[1:]).all())


def _is_dense(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype in (np.float32, np.float64)


def _are_windows(value: Any) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool))


_is_truth, _is_count = _is(bool, np.bool_), _is(int, np.integer)
_is_number = _is(float, int, np.number)
PARTS: dict[type, dict[str, Callable[[Any], bool]]] = {
    Forecaster: {
        "network": _is(Driven),
        "readout": _is(Readout),
        "inputs": _is(Normalisation),
        "outputs": _is(Normalisation),
        "external": _is_count,
        "closable": _is_truth,
        "settings": _is(Mapping),
    },
    RunningForecaster: {
        "model": _is(Forecaster),
        "state": _is_numeric,
        "last_input": _is_numeric,
        "starts": _is_count,
        "times": _is_count,
        "gaps": _is(str, type(None)),
        "labels": _is(type(None)),
    },
    SeriesClassifier: {
        "network": _is(Driven),
        "weight": _is_dense,
        "offset": _is_dense,
        "labels": _are_labels,
        "windows": _are_windows,
        "inputs": _is(Normalisation),
        "ridge": lambda value: isinstance(value, float) and 0 <= value < np.inf,
    },
    Reservoir: {
        "weight": _is_weight,
        "input_weight": _is_weight,
        "bias": _are_numbers,
        "leak_rate": _is_number,
        "activation": _is(Activation),
        "gain": _are_numbers,
        "input_gain": _are_numbers,
        "dt": _is_number,
    },
    Deep: {"layers": _several(Driven)},
    DelayLine: {"inputs": _is_count, "taps": _is_count, "spacing": _is_count, "dt": _is_number},
    Readout: {
        "weight": _is_matrix,
        "components": _are_indices,
        "functions": _is(Map, type(None)),
        "reads_input": _is_truth,
        "added": lambda value: value is None or _are_indices(value),
        "offset": _are_numbers,
    },
    Normalisation: {"offset": _are_numbers, "scale": _are_numbers},
    Polynomial: {"inputs": _is_count, "degrees": _are_indices},
    WithSquares: {},
    HalfSquared: {},
    Select: {"components": _are_indices, "dt": _is_number},
    Linear: {"weight": _is_matrix, "dt": _is_number},
    Composed: {"maps": _several(Map)},
}
CLASSES: dict[str, Any] = {kind.__name__: kind for kind in PARTS}


def fields_of(value: Any) -> dict[str, Any]:
    return {part.name: getattr(value, part.name) for part in dataclasses.fields(value)}


def _check(fields: dict[str, Any], room: int) -> None:
    """Raise ValueError unless the parts of a forecaster fit together."""
    network, readout = fields["network"], fields["readout"]
    check_readout(network, readout, room)
    check_loop(network, readout, fields["external"], fields["closable"])
    check_units("inputs", fields["inputs"], network.inputs)
    check_units("outputs", fields["outputs"], readout.weight.shape[-2])


def _check_classes(fields: dict[str, Any], room: int) -> None:
    """Raise ValueError unless the parts of a classifier fit together."""
    network = fields["network"]
    check_classifier(network, fields["weight"], fields["windows"], room)
    shapes = {name: fields[name].shape for name in ("offset", "labels")}
    if set(shapes.values()) != {fields["weight"].shape[:1]}:
        raise ValueError(f"offset and labels must be one for each row of the weight; got {shapes}")
    check_units("inputs", fields["inputs"], network.inputs)


CHECKS: dict[type, Callable[[dict[str, Any], int], None]] = {Forecaster: _check, SeriesClassifier: _check_classes}
