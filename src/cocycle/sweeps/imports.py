"""Measures by their names: imported from a file or a package, never made from the text that an archive keeps."""

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cloudpickle

from cocycle.sweeps import provenance
from cocycle.sweeps.jobs import Measure

OF_FILE = "study_"  # begins the name of a module that was imported from a file


def imported(said: Any, folder: Path) -> Measure:
    """The function that "file.py:function", from a folder on, or "package.module:function" names.

    Raises ValueError for anything else, and where it cannot be imported.
    """
    source, colon, name = said.partition(":") if isinstance(said, str) else ("", "", "")
    if not colon:
        raise ValueError(f'measure must be "file.py:function" or "package.module:function"; got {said!r}')
    module = _from_file(folder / source) if source.endswith(".py") else _from_package(source)
    if not callable(getattr(module, name, None)):
        raise ValueError(f"{source} has no function {name!r}")
    return getattr(module, name)


def measure_of(history: list[dict[str, Any]], name: str) -> Measure:
    """The measure of the last run of the archive `name`, imported from where it was; the archive's text never runs.

    Raises ValueError, which says what is needed: where it was never run, its measure was in a script or a notebook or
    made by other code, is of a library (its maker chose which), cannot be imported, or where a text is
    not the one that was run.
    """
    facts: Mapping[str, Any] = next((entry for entry in reversed(history) if "name" in entry), {})
    remedy = f"give the study, or call run(measure, Archive.open({name!r})) or rerun from python with the measure"
    if not facts:
        raise ValueError(f"{name} was never run and does not know its measure: {remedy}")
    module, function, file = (str(facts.get(key, "")) for key in ("module", "name", "file"))
    which = f"{name} was computed with {function} of {file or module}"
    if module == "__main__":
        raise ValueError(
            f"{which}, a script or notebook: run that again, which goes on with its own archive, or {remedy}"
        )
    if not facts.get("named") or not function.isidentifier():
        raise ValueError(f"{which}, with arguments or variables that no name gives back: {remedy}")
    found = None if module.startswith(OF_FILE) else provenance.file_of_module(module)
    by_file = module.startswith(OF_FILE) or (found is None and Path(file).name == f"{module}.py")
    found = Path(file) if by_file else found
    if found is not None and provenance.is_library(str(found)) and not _is_ours(module, function, found):
        raise ValueError(f"{which}, which is of a library and not imported on the word of a file: {remedy}")
    differ = _differences(facts, module, file, found)
    if differ:
        raise ValueError(f"{which}; the text of {differ} is not the one that was run, or is not there: {remedy}")
    try:
        return imported(f"{file if by_file else module}:{function}", Path())
    except ValueError as error:
        raise ValueError(f"{which}, which cannot be imported: {error}; {remedy}") from None


def _is_ours(module: str, function: str, file: Path) -> bool:
    """Whether it is the measure of a study of this package."""
    return module.startswith("cocycle.") and function == "measure" and provenance.PACKAGE in file.parents


def _differences(facts: Mapping[str, Any], module: str, file: str, found: Path | None) -> str:
    """Whose text is not the one that was noted; looked at before anything is imported."""
    noted = facts.get("digests")
    if not isinstance(noted, dict) or found is None or str(found) != file:
        return provenance.own_name(module, file)
    now = {name: provenance.digest_of(path) for name, path in provenance.local_modules(module, found).items()}
    return provenance.changes(noted, {**now, provenance.own_name(module, file): provenance.digest_of(found)})


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
    name = f"{OF_FILE}{path.stem}"  # not that of a module that is there already
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
