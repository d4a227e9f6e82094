"""Datasets for deep networks: labelled arrays, the circle of Storm et al., and handwritten digits."""

import gzip
import hashlib
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from cocycle.arrays import floating, generator, refuse_masked, require_finite

RADIUS = float(np.sqrt(2 / np.pi))  # the circle has half the area of the square [-1, 1]²
IDX_FILES = {
    "training": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
IDX_BYTES = 0x08  # the code of the element type unsigned byte


@final
@dataclass(frozen=True, eq=False)
class Labelled:
    """Inputs (samples, n) and the targets of a network for them.

    Targets are integers (samples,), the class of each input, or real numbers (samples, outputs).  Raises ValueError
    for shapes that do not fit, no samples, and numbers that are not finite.
    """

    inputs: np.ndarray
    targets: np.ndarray

    def __post_init__(self):
        refuse_masked("targets", self.targets)
        inputs, targets = floating("inputs", self.inputs), np.asarray(self.targets)
        if inputs.ndim != 2 or not len(inputs):
            raise ValueError(f"inputs must have shape (samples, n); got {inputs.shape}{_flattened(inputs.shape)}")
        require_finite("inputs", inputs)
        if targets.dtype.kind in "iu":
            if targets.shape != (len(inputs),) or targets.min() < 0:
                raise ValueError(
                    f"targets must be classes 0, 1, ... of shape ({len(inputs)},), one for each input; got"
                    f" {_found_classes(targets)}"
                )
        elif targets.ndim != 2 or len(targets) != len(inputs):
            raise ValueError(
                f"targets must be integers ({len(inputs)},) or real numbers ({len(inputs)}, outputs); got "
                f"{targets.dtype} of shape {targets.shape}"
            )
        else:
            require_finite("targets", floating("targets", targets))
        object.__setattr__(self, "inputs", inputs)
        object.__setattr__(self, "targets", targets if targets.dtype.kind in "iu" else floating("targets", targets))

    def __len__(self):
        return len(self.inputs)

    def __getitem__(self, rows) -> "Labelled":
        """The samples that a slice, a mask or an array of indices selects."""
        return Labelled(self.inputs[rows], self.targets[rows])


@final
@dataclass(frozen=True, eq=False)
class Dataset:
    """A training set and a test set.

    Raises TypeError for parts that are not Labelled, ValueError for parts with different numbers of inputs or outputs.
    """

    training: Labelled
    test: Labelled

    def __post_init__(self):
        for name in ("training", "test"):
            if not isinstance(getattr(self, name), Labelled):
                raise TypeError(f"{name} must be Labelled(inputs, targets); got {type(getattr(self, name)).__name__}")
        ours, theirs = ((p.inputs.shape[1:], p.targets.shape[1:], p.targets.dtype.kind == "f") for p in self)
        if ours != theirs:
            raise ValueError(f"training and test must have inputs and targets of one kind; got {ours} and {theirs}")

    def __iter__(self):
        return iter((self.training, self.test))

    @property
    def outputs(self) -> int:
        """The number of classes, or of real targets of one input."""
        targets = [part.targets for part in self]
        return targets[0].shape[1] if targets[0].ndim == 2 else 1 + int(max(t.max() for t in targets))


def split(samples: Labelled, rng: np.random.Generator | int, *, test: float = 0.1) -> Dataset:
    """The samples split at random into a training set and a test set, which gets the share `test`.

    Raises ValueError if either is empty.
    """
    if not isinstance(samples, Labelled):
        raise TypeError(f"samples must be Labelled(inputs, targets); got {type(samples).__name__}")
    held_out = round(test * len(samples))
    if not 0 < held_out < len(samples):
        raise ValueError(
            f"test must leave samples for training and test; got the share {test} of {len(samples)} samples"
        )
    order = generator(rng).permutation(len(samples))
    return Dataset(samples[order[held_out:]], samples[order[:held_out]])


def circle(rng: np.random.Generator | int, *, samples: int = 40_000, test: float = 0.1) -> Dataset:
    """Points of the square [-1, 1]², target -1 inside a circle of half its area, +1 outside.

    The two-dimensional example of Storm et al., Phys. Rev. Lett. 132, 057301 (2024).
    """
    rng = generator(rng)
    inputs = rng.uniform(-1, 1, size=(samples, 2))
    inside = (inputs**2).sum(axis=1, keepdims=True) < RADIUS**2
    return split(Labelled(inputs, np.where(inside, -1.0, 1.0)), rng, test=test)


def digits(rng: np.random.Generator | int, *, test: float = 0.3) -> Dataset:
    """The 1797 handwritten digits of scikit-learn, 8 × 8 pixels between 0 and 1, flattened.

    Raises ImportError without scikit-learn, which the extra `sklearn` installs.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ImportError('the digits need scikit-learn: install cocycle with ".[sklearn]"') from None
    found: Any = load_digits()
    return split(Labelled(found.data / 16, found.target), rng, test=test)


def mnist(folder: str | os.PathLike) -> Dataset:
    """MNIST from its four idx files in `folder`, plain or gzipped (.gz): 28 × 28 pixels between 0 and 1, flattened.

    Raises FileNotFoundError, which names the files, and ValueError for a damaged file.
    """
    folder = Path(folder)
    parts = {}
    for part, names in IDX_FILES.items():
        images, labels = (_idx(_found(folder, name)) for name in names)
        if images.ndim != 3 or labels.shape != (len(images),):
            raise ValueError(
                f"{folder / names[0]} and its labels do not fit; got shapes {images.shape}, {labels.shape}"
            )
        parts[part] = Labelled(images.reshape(len(images), -1) / 255, labels.astype(np.int64))
    return Dataset(**parts)


WITHOUT_FILES = {"circle": circle, "digits": digits}


def dataset_named(name: str, rng: np.random.Generator | int) -> Dataset:
    """The dataset that the setting `task` of a sweep names: "circle", "digits", a folder with the files of MNIST, or an
    .npz file with arrays `inputs` and `targets` as in `Labelled`.

    Raises ValueError for another name.
    """
    if name in WITHOUT_FILES:
        return WITHOUT_FILES[name](rng)
    path = Path(name)
    if path.is_dir():
        return mnist(path)
    if path.suffix == ".npz" and path.is_file():
        with np.load(path) as file:
            missing = [key for key in ("inputs", "targets") if key not in file]
            if missing:
                raise ValueError(f"{path} must hold inputs and targets; it has no {' and no '.join(missing)}")
            return split(Labelled(file["inputs"], file["targets"]), rng)
    raise ValueError(
        f"task must be {', '.join(WITHOUT_FILES)}, a folder with MNIST's files, or an .npz file; got {name!r}"
    )


def digest(name: str) -> str:
    """SHA-256 of the files of a dataset, given its name; empty for a dataset without files."""
    path, whole = Path(name), hashlib.sha256()
    if name in WITHOUT_FILES or not path.exists():
        return ""
    files = [_found(path, file) for names in IDX_FILES.values() for file in names] if path.is_dir() else [path]
    for file in files:
        whole.update(file.read_bytes())
    return whole.hexdigest()


def _flattened(shape: tuple[int, ...]) -> str:
    """The remedy for inputs with several axes, such as images."""
    return f": flatten to {(shape[0], int(np.prod(shape[1:])))}" if len(shape) > 2 and shape[0] else ""


def _found_classes(targets: np.ndarray) -> str:
    return f"shape {targets.shape}" + (f", the smallest {targets.min()}" if targets.size else "")


def _found(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    wanted = ", ".join(file for names in IDX_FILES.values() for file in names)
    raise FileNotFoundError(f"there is no {name} in {folder}: put MNIST's files there, {wanted}, with or without .gz")


def _idx(path: Path) -> np.ndarray:
    """An array of bytes, in the format of LeCun's MNIST page: 0, 0, type, number of axes, their lengths, elements."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            content = file.read()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    axes = content[3] if len(content) > 3 else 0
    start = 4 + 4 * axes
    if content[:3] != bytes((0, 0, IDX_BYTES)) or not axes or len(content) < start:
        raise ValueError(f"{path} is not an idx file of bytes: it begins with {content[:4]!r}")
    shape = struct.unpack(f">{axes}I", content[4:start])
    if len(content) - start != np.prod(shape):
        raise ValueError(f"{path} is damaged: {len(content) - start} elements for a shape of {shape}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
