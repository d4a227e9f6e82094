"""A study in a TOML file: what to measure, over which axes, kept where.

measure = "measure.py:exponent"  # a function in a file beside this one, or "package.module:function"
seed = 7

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

import importlib
import importlib.util
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import cloudpickle
import h5py
import numpy as np

from cocycle.sweeps.contents import Contents, described
from cocycle.sweeps.grid import Grid
from cocycle.sweeps.jobs import Measure

TABLES = ("axes", "block", "fixed", "outputs", "units", "long_names")
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
            if name not in ("measure", "seed", *TABLES):
                raise ValueError(f"is not one of measure, seed, {', '.join(TABLES)}")
            if name in TABLES and not isinstance(value, dict):
                raise ValueError(f"must be a table; got {value!r}")
    for name in ("measure", "seed", "axes", "outputs"):
        if name not in said:
            raise StudyError(f"{path}: {name} is missing")
    grid = _grid(said, page)
    if part:
        grid = grid.part(*part)
    with page.at("measure"):
        measure = _measure(said["measure"], path)
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
            axes[name] = _values(value)
            Grid({name: axes[name]})
    for name, length in said.get("block", {}).items():
        with page.at("block", name):
            Grid(axes, block={name: length})
    with page.at("axes"):
        return Grid(axes, block=said.get("block"))


def _values(value: Any) -> Any:
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
    if type(count) is not int or count < 1:
        raise ValueError(f"count must be an integer of at least 1; got {count!r}")
    if set(value) == {"count"}:
        return np.arange(count)
    first: Any = value.get("from")
    last: Any = value.get("to")
    if not {type(first), type(last)} <= {int, float}:
        raise ValueError(f"from and to must be numbers; got {first!r} and {last!r}")
    if spacing == "geometric" and min(first, last) <= 0:
        raise ValueError(f"geometric spacing takes positive ends; got {first} and {last}")
    return SPACINGS[spacing](first, last, count)


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


def _measure(said: Any, path: Path) -> Measure:
    """The function that "file.py:function" or "package.module:function" names."""
    source, colon, name = said.partition(":") if isinstance(said, str) else ("", "", "")
    if not colon:
        raise ValueError(f'must be "file.py:function" or "package.module:function"; got {said!r}')
    module = _from_file(path.parent / source) if source.endswith(".py") else _from_package(source)
    if not callable(getattr(module, name, None)):
        raise ValueError(f"{source} has no function {name!r}")
    return getattr(module, name)


def _from_package(name: str):
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise ValueError(f"{name} cannot be imported: {type(error).__name__}: {error}") from error


def _from_file(path: Path):
    """A module that workers get by value: they need not find its file."""
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    folder = str(path.parent.resolve())
    if folder not in sys.path:
        sys.path.append(folder)  # its neighbours
    name = f"study_{path.stem}"  # not that of a module that is there already
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ValueError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    cloudpickle.register_pickle_by_value(module)
    return module
