"""A study in a TOML file: what to measure, over which axes, kept where.

measure = "measure.py:exponent"  # a function in a file beside this one, or "package.module:function"
seed = 7
common = ["weight_std"]  # optional: axes over which the random numbers are the same

[axes]
weight_std = { from = 0.05, to = 2.0, count = 40 }
input_std = { from = 1e-3, to = 1.0, count = 40, spacing = "geometric" }
observed = ["full", "second"]
realisation = { count = 5 }  # 0, 1, 2, 3, 4

[block]  # optional, as are the tables below: computed together
weight_std = 4

[fixed]
size = 500

[outputs]
exponent = []  # a number
valid_time = { start = 8 }  # eight numbers along an axis of their own

[units]
exponent = "1/step"

[long_names]
exponent = "conditional Lyapunov exponent"
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import h5py
import numpy as np

from cocycle.sweeps.contents import Contents, described
from cocycle.sweeps.grid import Grid
from cocycle.sweeps.imports import imported
from cocycle.sweeps.jobs import Measure

TABLES = ("axes", "block", "fixed", "outputs", "units", "long_names")
LONGEST = 10**7  # values of an axis
SPACINGS = {"linear": np.linspace, "geometric": np.geomspace}


class StudyError(ValueError):
    """A study file is wrong: which, where and why."""


@final
@dataclass(frozen=True, eq=False)
class Study:
    """What a study file says."""

    measure: Measure
    contents: Contents


def read_study(path: Path, part: tuple[int, int] | None = None) -> Study:
    """The study in a TOML file, or one part (number, of how many) of its grid.

    Raises FileNotFoundError, and StudyError, which names the file and the key; also if its measure cannot be imported.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no study at {path}")
    if h5py.is_hdf5(path):
        raise StudyError(f"{path} is an archive, not a study: `cocycle resume {path}` goes on with it")
    try:
        return _study(tomllib.loads(path.read_text(encoding="utf-8")), path.parent, part)
    except (ValueError, TypeError) as error:  # also what tomllib raises, which names line and column
        raise StudyError(f"{path}: {error}") from None


def _study(said: Mapping[str, Any], folder: Path, part: tuple[int, int] | None) -> Study:
    for name, value in said.items():
        if name not in ("measure", "seed", "common", *TABLES):
            raise ValueError(f"keys must be among measure, seed, common, {', '.join(TABLES)}; got {name}")
        if name in TABLES and not isinstance(value, dict):
            raise ValueError(f"{name} must be a table; got {value!r}")
    missing = [name for name in ("measure", "seed", "axes", "outputs") if name not in said]
    if missing:
        raise ValueError(f"{missing[0]} is missing")
    axes = {name: axis_values(name, value) for name, value in said["axes"].items()}
    grid = Grid(axes, block=said.get("block"), common=said.get("common", ()))
    contents = described(
        grid.part(*part) if part else grid,
        **{name: said.get(name) for name in ("outputs", "seed", "fixed", "units", "long_names")},
    )
    return Study(imported(said["measure"], folder), contents)


def axis_values(name: str, value: Any) -> Any:
    """The values of an axis: a list, or a table of from, to, count and spacing."""
    if isinstance(value, list):
        return value
    if not isinstance(value, dict) or "count" not in value or set(value) - {"from", "to", "count", "spacing"}:
        raise ValueError(
            f"axes.{name} must be a list, {{ count = n }}, or {{ from = a, to = b, count = n, spacing ="
            f' "geometric" }}; got {value!r}'
        )
    spacing, count = value.get("spacing", "linear"), value["count"]
    if spacing not in list(SPACINGS):
        raise ValueError(f"axes.{name}.spacing must be {' or '.join(SPACINGS)}; got {spacing!r}")
    if type(count) is not int or not 1 <= count <= LONGEST:
        raise ValueError(f"axes.{name}.count must be an integer in 1..{LONGEST}; got {count!r}")
    if set(value) == {"count"}:
        return np.arange(count)
    first: Any = value.get("from")
    last: Any = value.get("to")
    if not {type(first), type(last)} <= {int, float}:
        raise ValueError(f"axes.{name}.from and .to must be numbers; got {first!r} and {last!r}")
    if spacing == "geometric" and min(first, last) <= 0:
        raise ValueError(f"axes.{name}.from and .to must be positive for geometric spacing; got {first} and {last}")
    return SPACINGS[spacing](first, last, count)


def given_axes(words: Sequence[str]) -> dict[str, Any]:
    """Axes on a command line, such as "realisation = { count = 8 }", as a study writes them."""
    return {name: axis_values(name, value) for name, value in _given("--axis", words).items()}


def given_outputs(words: Sequence[str]) -> dict[str, Any]:
    """Outputs on a command line, such as "valid_time = { start = 8 }", as a study writes them."""
    return _given("--result", words)


def given_numbers(option: str, words: Sequence[str]) -> dict[str, float]:
    """Numbers on a command line, such as "valid_time = nan".  Raises ValueError for anything else."""
    found = _given(option, words)
    for name, value in found.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{option} must give numbers; got {name} = {value!r}")
    return found


def _given(option: str, words: Sequence[str]) -> dict[str, Any]:
    try:
        return tomllib.loads("\n".join(words))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{option} must be as in a study, NAME=VALUE; got {', '.join(words)}: {error}") from None
