"""A forecaster, also a running one, or a classifier as a JSON description and arrays, and what is made from both."""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import scipy

from cocycle.arrays import refuse_masked
from cocycle.networks.activations import Activation
from cocycle.reservoir.checked_file import DTYPES
from cocycle.reservoir.classification import SeriesClassifier
from cocycle.reservoir.forecast import Forecaster
from cocycle.reservoir.layered import DelayLine
from cocycle.reservoir.running import RunningForecaster
from cocycle.reservoir.shapes import ROOM
from cocycle.reservoir.stored import ACTIVATIONS, CHECKS, CLASSES, PARTS, fields_of, in_rows

DEEPEST = 16  # so deep parts may be in one another


Model = Forecaster | RunningForecaster | SeriesClassifier


def described(model: Model) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What JSON says of the model, and its arrays by name.

    Raises TypeError for parts that cannot be stored, ValueError for parts that do not fit.
    """
    arrays: dict[str, np.ndarray] = {}
    if isinstance(model, RunningForecaster):
        model = dataclasses.replace(model, labels=None)
    description = _described("", model, arrays)
    checked = model.model if isinstance(model, RunningForecaster) else model
    CHECKS[type(checked)](fields_of(checked), _room(sum(array.nbytes for array in arrays.values())))
    return description, arrays


def built(description: Any, arrays: dict[str, np.ndarray], size: int) -> Model:
    """The model of a description and its arrays, from a file of `size` bytes, which limits the size of its states.

    Raises one of `persistence.REFUSED` for a description or arrays that `described` does not make.
    """
    parts = _Parts(arrays, _room(size))
    model = parts.built("", description)
    if not isinstance(model, Model) or parts.used != set(arrays):
        raise ValueError("it must hold a Forecaster or a SeriesClassifier and nothing else")
    return model


def _room(size: int) -> int:
    """How many numbers states and features may take for a file of that size."""
    return ROOM + size // 4


def _described(name: str, value: Any, arrays: dict[str, np.ndarray], depth: int = 0) -> dict[str, Any]:
    """What JSON says of `value`, whose arrays go to `arrays` by names that begin with its own."""
    if depth > DEEPEST:
        raise ValueError(f"parts of a model must be at most {DEEPEST} deep in one another")
    if isinstance(value, np.ndarray):
        refuse_masked(name, value)
        if value.dtype.kind == "U":
            return {"kind": "texts", "value": value.tolist()}
        arrays[name] = value
        return {"kind": "array"}
    if isinstance(value, np.generic) and value.dtype.str in DTYPES:
        return {"kind": "number", "dtype": value.dtype.str, "value": value.item()}
    if in_rows(value):
        for part in ("data", "indices", "indptr"):
            arrays[_within(name, part)] = getattr(value, part)
        return {"kind": "sparse", "shape": [int(n) for n in value.shape]}
    if isinstance(value, Activation) and value == ACTIVATIONS.get(value.name):
        return {"kind": "activation", "name": value.name}
    if type(value) in PARTS:
        return {"kind": type(value).__name__, "parts": _described_parts(name, value, arrays, depth)}
    if isinstance(value, tuple | list) and any(dataclasses.is_dataclass(part) for part in value):
        parts = [_described(_within(name, str(i)), part, arrays, depth + 1) for i, part in enumerate(value)]
        return {"kind": "sequence", "parts": parts}
    if isinstance(value, slice):
        return {"kind": "slice", "ends": _plain(name, [value.start, value.stop, value.step])}
    return {"kind": "plain", "value": _plain(name, value)}


def _described_parts(name: str, value: Any, arrays: dict[str, np.ndarray], depth: int) -> dict[str, Any]:
    found = {}
    for part, content in fields_of(value).items():
        whole = _within(name, part)
        found[part] = _described(whole, content, arrays, depth + 1)
        if not PARTS[type(value)][part](content):
            raise TypeError(f"{whole} cannot be stored: a {type(content).__name__} is none of the package's own")
        if part == "weight" and isinstance(content, np.ndarray) and not content.flags.forc:
            raise ValueError(f"{whole} has gaps in memory, with which products round differently: copy it first")
    return found


def _within(name: str, part: str) -> str:
    return f"{name}/{part}" if name else part


def _plain(name: str, value: Any) -> Any:
    try:
        return json.loads(json.dumps(value, default=_number))
    except TypeError:
        raise TypeError(f"{name} cannot be stored: a {type(value).__name__} is none of the package's own") from None


def _number(value: Any) -> Any:
    found = value.tolist() if isinstance(value, np.generic | np.ndarray) else value
    if found is value or isinstance(found, np.generic):  # no number, or one of a precision that only numpy has
        raise TypeError
    return found


@final
@dataclass
class _Parts:
    """Builds the parts that a description is of; no array is used that it does not name.

    `room` is how many numbers the states of all networks may take that are not in the file.
    """

    arrays: dict[str, np.ndarray]
    room: int
    used: set[str] = field(default_factory=set)

    def built(self, name: str, node: Any, depth: int = 0) -> Any:
        if depth > DEEPEST:
            raise ValueError(f"its parts must be at most {DEEPEST} deep in one another")
        kind = node["kind"]
        if kind == "array":
            return self._array(name)
        if kind == "texts":
            return _texts(node["value"], self.room)
        if kind == "number":
            return _number_of(node["dtype"], node["value"])
        if kind == "sparse":
            return self._sparse(name, node["shape"])
        if kind == "activation":
            return ACTIVATIONS[node["name"]]
        if kind == "sequence":
            return tuple(self.built(_within(name, str(i)), part, depth + 1) for i, part in enumerate(node["parts"]))
        if kind == "slice":
            return slice(*node["ends"])
        if kind == "plain":
            return tuple(node["value"]) if isinstance(node["value"], list) else node["value"]
        return self._of_class(name, CLASSES[kind], node["parts"], depth)

    def _of_class(self, name: str, kind: Any, nodes: dict[str, Any], depth: int) -> Any:
        if set(nodes) != set(PARTS[kind]):
            raise ValueError(f"the parts of a {kind.__name__} must be {', '.join(PARTS[kind]) or 'none'}")
        fields = {}
        for part, node in nodes.items():
            whole = _within(name, part)
            fields[part] = self.built(whole, node, depth + 1)
            if not PARTS[kind][part](fields[part]):
                raise ValueError(f"{whole} must not be a {type(fields[part]).__name__} of that kind")
        if kind in CHECKS:
            CHECKS[kind](fields, self.room)
        value: Any = kind(**fields)
        if kind is DelayLine:  # its state is not in the file, and layers behind it take the memory of a state
            self.room -= int(value.inputs) * ((int(value.taps) - 1) * int(value.spacing) + 1)
        if self.room < 0:
            raise ValueError("its delays are longer than such a file can be about")
        return value

    def _array(self, name: str) -> np.ndarray:
        self.used.add(name)
        if name not in self.arrays:
            raise ValueError(f"there is no array {name}")
        return self.arrays[name]

    def _sparse(self, name: str, shape: list[int]) -> "scipy.sparse.csr_array":
        data, indices, indptr = (self._array(_within(name, part)) for part in ("data", "indices", "indptr"))
        _check_sparse(name, shape, data, indices, indptr)
        matrix = scipy.sparse.csr_array((data, indices, indptr), shape=tuple(shape))
        matrix.check_format(full_check=True)
        return matrix


def _check_sparse(name: str, shape: Any, data: np.ndarray, indices: np.ndarray, indptr: np.ndarray) -> None:
    """Raise ValueError unless the arrays are a matrix in rows: products would read and write outside of them."""
    if len(shape) != 2 or not all(type(n) is int and 0 <= n < 2**31 for n in shape):
        raise ValueError(f"{name} must have a shape of two numbers")
    if any(a.ndim != 1 for a in (data, indices, indptr)) or len(data) != len(indices) or len(indptr) != shape[0] + 1:
        raise ValueError(f"the arrays of {name} must be of its {shape[0]} rows and of one length")
    if any(a.dtype not in (np.int32, np.int64) for a in (indices, indptr)):
        raise ValueError(f"the indices of {name} must be integers of 4 or 8 bytes")
    if indptr[0] != 0 or indptr[-1] != len(data) or (indptr[1:] < indptr[:-1]).any():
        raise ValueError(f"the rows of {name} must follow one another, from 0 to its {len(data)} values")
    if len(indices) and not 0 <= indices.min() <= indices.max() < shape[1]:
        raise ValueError(f"the columns of {name} must be in 0..{shape[1] - 1}")


def _texts(values: Any, room: int) -> np.ndarray:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("texts must be a list of them")
    if len(values) * max(map(len, values), default=0) > room:  # numpy takes the memory of the longest for each
        raise ValueError("its texts are longer than such a file can be about")
    return np.array(values, dtype=str)


def _number_of(dtype: Any, value: Any) -> Any:
    if dtype not in DTYPES or not isinstance(value, bool | int | float):
        raise ValueError(f"no number is like {dtype!r:.40}")
    return np.dtype(dtype).type(value)
