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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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

    Raises FileNotFoundError, and StudyError, which names file, line and key; also if its measure cannot be imported.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no study at {path}")
    if h5py.is_hdf5(path):
        raise StudyError(f"{path} is an archive, not a study: `cocycle resume {path}` goes on with it")
    try:
        text = path.read_text(encoding="utf-8")
        said = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: {error}") from None
    page = _Page(path, text)
    for name, value in said.items():
        with page.at(name):
            if name not in ("measure", "seed", "common", *TABLES):
                raise ValueError(f"is not one of measure, seed, common, {', '.join(TABLES)}")
            if name in TABLES and not isinstance(value, dict):
                raise ValueError(f"must be a table; got {value!r}")
    for name in ("measure", "seed", "axes", "outputs"):
        if name not in said:
            raise StudyError(f"{path}: {name} is missing")
    grid = _grid(said, page)
    if part:
        grid = grid.part(*part)
    with page.at("measure"):
        measure = imported(said["measure"], path.parent)
    return Study(measure, _contents(said, grid, page))


@final
class _Page:
    """The text of a study, in which errors are given their line: tomllib does not say where its values were."""

    def __init__(self, path: Path, text: str):
        self._path, self._lines, table = path, {}, ()
        for number, line in enumerate(text.splitlines(), 1):
            words = line.split("#")[0].strip()
            if words.startswith("["):
                table = _keys(words.strip("[]"))
                self._lines.setdefault(table, number)
            elif "=" in words:
                self._lines.setdefault((*table, *_keys(words.split("=")[0])), number)

    @contextmanager
    def at(self, *keys: str) -> Iterator[None]:
        """Say of an error that it is about this key."""
        try:
            yield
        except StudyError:
            raise
        except (ValueError, TypeError) as error:
            known = next((keys[:n] for n in range(len(keys), 0, -1) if keys[:n] in self._lines), None)
            line = f", line {self._lines[known]}" if known else ""
            raise StudyError(f"{self._path}{line}: {'.'.join(keys)}: {error}") from None


def _keys(words: str) -> tuple[str, ...]:
    return tuple(word.strip().strip("'\"") for word in words.split("."))


def _grid(said: Mapping[str, Any], page: _Page) -> Grid:
    axes = {}
    for name, value in said["axes"].items():
        with page.at("axes", name):
            axes[name] = axis_values(value)
            Grid({name: axes[name]})
    for name, length in said.get("block", {}).items():
        with page.at("block", name):
            Grid(axes, block={name: length})
    with page.at("common"):
        Grid(axes, common=said.get("common", ()))
    with page.at("axes"):
        return Grid(axes, block=said.get("block"), common=said.get("common", ()))


def axis_values(value: Any) -> Any:
    """The values of an axis: a list, or a table of from, to, count and spacing."""
    if isinstance(value, list):
        return value
    unknown = sorted(set(value) - {"from", "to", "count", "spacing"}) if isinstance(value, dict) else []
    if not isinstance(value, dict) or "count" not in value:
        strange = f", with the unknown {', '.join(unknown)}" if unknown else ""
        raise ValueError(
            f"must be a list, {{ count = n }}, or {{ from = a, to = b, count = n }}; got {value!r}{strange}"
        )
    spacing, count = value.get("spacing", "linear"), value["count"]
    if unknown or spacing not in list(SPACINGS):
        raise ValueError(f"takes from, to, count, and spacing = {' or '.join(SPACINGS)}; got {value!r}")
    if type(count) is not int or not 1 <= count <= LONGEST:
        raise ValueError(f"count must be an integer of 1 to {LONGEST}; got {count!r}")
    if set(value) == {"count"}:
        return np.arange(count)
    first: Any = value.get("from")
    last: Any = value.get("to")
    if not {type(first), type(last)} <= {int, float}:
        raise ValueError(f"from and to must be numbers; got {first!r} and {last!r}")
    if spacing == "geometric" and min(first, last) <= 0:
        raise ValueError(f"geometric spacing takes positive ends; got {first} and {last}")
    return SPACINGS[spacing](first, last, count)


def given_axes(words: Sequence[str]) -> dict[str, Any]:
    """Axes on a command line, such as "realisation = { count = 8 }", as a study writes them."""
    return {name: axis_values(value) for name, value in _given("--axis", words).items()}


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


def _contents(said: Mapping[str, Any], grid: Grid, page: _Page) -> Contents:
    """Each table is tried alone first, so that an error is of its line."""
    outputs, seed, fixed = said["outputs"], said["seed"], said.get("fixed", {})
    for name, shape in outputs.items():
        with page.at("outputs", name):
            described(grid, {name: shape}, 0)
    with page.at("outputs"):
        described(grid, outputs, 0)
    with page.at("seed"):
        described(grid, outputs, seed)
    for name, value in fixed.items():
        with page.at("fixed", name):
            described(grid, outputs, seed, {name: value})
    for table in ("units", "long_names"):
        for name, words in said.get(table, {}).items():
            with page.at(table, name):
                if not isinstance(words, str):
                    raise ValueError(f"must be a string; got {words!r}")
                described(grid, outputs, seed, **{table: {name: words}})
    return described(grid, outputs, seed, fixed, said.get("units"), said.get("long_names"))
