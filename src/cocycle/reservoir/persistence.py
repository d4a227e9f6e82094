"""A trained forecaster in an HDF5 file, and back: weights, readout, units, settings, versions."""

import dataclasses
import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy.sparse import csr_array, issparse

from cocycle.maps import Composed, Linear, Select
from cocycle.networks.activations import ERF, LINEAR, RELU, SIGMOID, TANH
from cocycle.reservoir.features import HalfSquared, Polynomial, WithSquares
from cocycle.reservoir.forecast import Forecaster
from cocycle.reservoir.layered import Deep, DelayLine
from cocycle.reservoir.normalisation import Normalisation
from cocycle.reservoir.readout import Readout
from cocycle.reservoir.reservoir import Reservoir

SCHEMA = "cocycle model 1"
CLASSES = {
    kind.__name__: kind
    for kind in (
        Forecaster,
        Reservoir,
        Deep,
        DelayLine,
        Readout,
        Normalisation,
        Polynomial,
        WithSquares,
        HalfSquared,
        Select,
        Linear,
        Composed,
    )
}
ACTIVATIONS = {activation.name: activation for activation in (TANH, ERF, RELU, LINEAR, SIGMOID)}


def save(model: Forecaster, path: str | os.PathLike) -> None:
    """Write the model to the HDF5 file `path`, in one step: the file is the old one or the new one, never a part.

    A model that is there already is replaced.  Raises TypeError for parts that cannot be stored: torch tensors, maps
    and activations of your own; FileExistsError if there is a file that is no model.
    """
    path = Path(path)
    if not isinstance(model, Forecaster):
        raise TypeError(f"model must be a Forecaster; got {type(model).__name__}")
    if path.exists() and not _is_model(path):
        raise FileExistsError(f"{path} exists and is no saved model: it will not be overwritten")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to save the model in")
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with h5py.File(aside, "w") as file:
            file.attrs["schema"] = SCHEMA
            file.attrs["versions"] = json.dumps({name: version(name) for name in ("cocycle", "numpy", "scipy", "h5py")})
            _write(file, "model", model)
            file.flush()
        with open(aside, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def load(path: str | os.PathLike) -> Forecaster:
    """The model in the file `path`: its forecasts are those of the one that was saved, bit for bit.

    Raises FileNotFoundError, and ValueError for a file that is no saved model, or one of another schema.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if not _is_model(path):
        raise ValueError(f"{path} is not a saved model of {SCHEMA!r}")
    with h5py.File(path, "r") as file:
        return _read(file["model"])


def _is_model(path: Path) -> bool:
    try:
        with h5py.File(path, "r") as file:
            return file.attrs.get("schema") == SCHEMA
    except OSError:
        return False


def _write(parent: Any, name: str, value: Any) -> None:
    """`value` as the member `name` of an HDF5 group: an array as a dataset, anything else as a group of its parts."""
    if isinstance(value, np.ndarray):
        dataset = parent.create_dataset(name, data=value)
        # products round differently for another order in memory
        dataset.attrs["order"] = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
        return
    group = parent.create_group(name)
    if issparse(value):
        group.attrs["kind"], group.attrs["shape"] = "sparse", value.shape
        for part in ("data", "indices", "indptr"):
            group.create_dataset(part, data=getattr(value, part))
    elif getattr(value, "name", None) in ACTIVATIONS and value == ACTIVATIONS[value.name]:
        group.attrs["kind"], group.attrs["name"] = "activation", value.name
    elif type(value) in CLASSES.values():
        group.attrs["kind"] = type(value).__name__
        for field in dataclasses.fields(value):
            _write(group, field.name, getattr(value, field.name))
    elif isinstance(value, tuple | list) and any(dataclasses.is_dataclass(part) for part in value):
        group.attrs["kind"], group.attrs["length"] = "sequence", len(value)
        for i, part in enumerate(value):
            _write(group, str(i), part)
    elif isinstance(value, slice):
        group.attrs["kind"], group.attrs["ends"] = "slice", json.dumps([value.start, value.stop, value.step])
    else:
        group.attrs["kind"], group.attrs["value"] = "plain", _plain(name, value)


def _plain(name: str, value: Any) -> str:
    try:
        return json.dumps(value, default=_number)
    except TypeError:
        raise TypeError(f"{name} cannot be stored: a {type(value).__name__} is none of the package's own") from None


def _number(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError


def _read(member: Any) -> Any:
    if isinstance(member, h5py.Dataset):
        return np.asfortranarray(member[...]) if member.attrs["order"] == "F" else member[...]
    kind = member.attrs["kind"]
    if kind in CLASSES:
        return CLASSES[kind](**{name: _read(part) for name, part in member.items()})
    if kind == "sparse":
        return csr_array(
            tuple(member[part][...] for part in ("data", "indices", "indptr")), shape=member.attrs["shape"]
        )
    if kind == "activation":
        return ACTIVATIONS[member.attrs["name"]]
    if kind == "sequence":
        return tuple(_read(member[str(i)]) for i in range(member.attrs["length"]))
    if kind == "slice":
        return slice(*json.loads(member.attrs["ends"]))
    value = json.loads(member.attrs["value"])
    return tuple(value) if isinstance(value, list) else value
