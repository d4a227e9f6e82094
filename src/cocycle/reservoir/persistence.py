"""A trained forecaster or classifier in a file, and back: weights, readout, units, settings, versions.

`checked_file` keeps arrays and a description of them, `description` knows what they mean, `shapes` that they fit.
"""

import os
import textwrap
from pathlib import Path
from typing import Any

from cocycle.reservoir.checked_file import is_saved, read, write
from cocycle.reservoir.description import Model, built, described

REFUSED = (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError)


def save(model: Model, path: str | os.PathLike) -> None:
    """Write a forecaster, a running one with its state, or a classifier of series to the file `path`, in one step.

    The file is the old one or the new one, never a part: an HDF5 file with checksums at its end.  A model that is there
    already is replaced; a link is replaced, too, and not what it leads to.  Raises TypeError for parts that cannot be
    stored: torch tensors, maps and activations of your own; ValueError for parts that do not fit; FileExistsError if
    there is a file that is no model.
    """
    path = Path(path)
    if not isinstance(model, Model):
        raise TypeError(
            f"model must be a Forecaster, a RunningForecaster or a SeriesClassifier; got {type(model).__name__}"
        )
    if path.exists() and not (path.is_file() and is_saved(path)):
        raise FileExistsError(f"{path} exists and is no saved model: it will not be overwritten")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to save the model in")
    write(path, *described(model))


def load(path: str | os.PathLike) -> Any:
    """The Forecaster, RunningForecaster or SeriesClassifier in the file `path`: its results are those of the one saved,
    to the bit.

    Raises FileNotFoundError, and ValueError for all else: a file that was damaged or cut short, one of another schema,
    one whose parts do not fit, something that is no saved model.  Nothing in a file is ever executed.
    """
    path = Path(path)
    try:
        return built(*read(path))
    except REFUSED as error:
        why = str(error) if type(error) is ValueError else f"{type(error).__name__} {error}"
        raise ValueError(
            f"{path} is not a saved model that can be used: {textwrap.shorten(why, 300)}; take another copy of the"
            " file, or train and save the model again"
        ) from None
