"""Who computed an archive, when, with what: facts of the process, the repository, and the source of the measure."""

import ast
import hashlib
import importlib.util
import inspect
import marshal
import os
import platform
import subprocess
import sys
import sysconfig
import textwrap
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache, lru_cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import CellType, FunctionType, ModuleType
from typing import Any

PACKAGE = Path(__file__).parents[1]
LIBRARIES = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
GENERATED = ("<string>", "<frozen ", "<__array_function__")  # names of code that is no file of a person
PACKAGES = ("cocycle", "numpy", "scipy", "torch", "h5py")


def of_process(folder: Path | None = None) -> dict[str, str]:
    """The command, the machine, the versions, and the commit of the repository of `folder`.

    Without a folder it is that of the running script, or the working directory.
    """
    main = getattr(sys.modules["__main__"], "__file__", None)
    folder = folder or (Path(main).resolve().parent if main else Path.cwd())
    if Path(sys.prefix) in folder.parents or PACKAGE in (folder, *folder.parents):  # our command: not the caller's
        folder = Path.cwd()
    return {
        "command": " ".join(sys.argv),
        "directory": str(Path.cwd()),
        "host": platform.node(),
        "python_version": platform.python_version(),
        **{f"{name}_version": found for name in PACKAGES if (found := _version(name))},
        **_commit(folder),
    }


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def of_measure(measure: Callable) -> dict[str, Any]:
    """Where a measure comes from: `module`, `name` and `file`; `source`, the text of its module, of the function alone
    in a notebook; `digests`, SHA-256 of that text (of the code, where there is no text) and of those of the local
    modules that it imports, by their names; `named`, whether it is what the module has under that name.

    The text is kept to be read and compared; nothing ever runs it.
    """
    function = function_of(measure)
    module = sys.modules.get(function.__module__)
    facts = {"module": function.__module__, "name": function.__qualname__, "file": _file(module), "source": ""}
    for source in (lambda: Path(facts["file"]).read_text("utf-8"), lambda: inspect.getsource(function)):
        with suppress(OSError, TypeError, UnicodeDecodeError):
            facts["source"] = facts["source"] or textwrap.dedent(source())
    spec = getattr(module, "__spec__", None)  # of a module that runs as a script, which has a package
    local = local_modules(spec.name if spec else facts["module"], Path(facts["file"])) if facts["file"] else {}
    used: set[str] = set()
    with suppress(Exception):  # an object that is looked into may do anything
        used = _used(measure)
    for name in used:
        if (file := file_of_module(name)) and file.suffix == ".py" and not is_library(str(file)):
            local |= {name: file, **local_modules(name, file)}
    local.pop(facts["module"], None)
    digests = {name: digest_of(file) for name, file in local.items()}
    text = facts["source"].encode(errors="replace") or marshal.dumps(getattr(function, "__code__", None))
    digests[own_name(facts["module"], facts["file"])] = hashlib.sha256(text).hexdigest()
    return {**facts, "named": measure is getattr(module, facts["name"], None), "digests": digests}


def _used(thing: Any, depth: int = 3) -> set[str]:
    """The names of modules that a function uses, through its globals, its closure, its arguments, its attributes."""
    if isinstance(thing, ModuleType):
        return {thing.__name__}
    found = {thing.__module__} if isinstance(getattr(thing, "__module__", None), str) else set()
    if depth == 0:
        return found
    parts: list[Any] = []
    if isinstance(thing, partial):
        parts = [thing.func, *thing.args, *thing.keywords.values()]
    elif isinstance(thing, FunctionType):
        parts = [thing.__globals__[name] for name in thing.__code__.co_names if name in thing.__globals__]
        parts += [cell.cell_contents for cell in thing.__closure__ or () if cell != CellType()]
    elif not isinstance(thing, type) and hasattr(thing, "__dict__"):
        parts = list(vars(thing).values())
    return found.union(*(_used(part, depth - 1) for part in parts))


def function_of(measure: Callable) -> Any:
    """The function in a partial one, or the class of an object that can be called."""
    function: Any = measure
    while isinstance(function, partial):
        function = function.func
    return function if hasattr(function, "__qualname__") else type(function)


def own_name(module: str, file: str) -> str:
    """The name of the measure's own module among its digests: that of its file, whatever it is called here."""
    stem = Path(file).stem
    return module if not file or "." in module or stem == "__init__" else stem


def noted_digests(history: list[dict[str, Any]]) -> dict[str, str] | None:
    """The digests of the last run of an archive; None if it was never run."""
    found = (entry.get("digests") for entry in reversed(history))
    return next((digests for digests in found if isinstance(digests, dict)), None)


def changes(before: dict[str, str], now: dict[str, str]) -> str:
    """The names of modules whose texts differ; empty if none does."""
    return ", ".join(sorted(name for name in {*before, *now} if before.get(name) != now.get(name)))


def local_modules(module: str, file: Path) -> dict[str, Path]:
    """The files of the modules that a module, with its text in `file`, imports, also inside of functions, and they in
    turn.

    Those of libraries and of this package are not among them: their versions are noted.
    """
    found: dict[str, Path] = {}
    waiting = [(module, file)]
    while waiting:
        name, file = waiting.pop()
        for other in _imports(name, file):
            path = file_of_module(other, file.parent)
            if other not in found and path and path.suffix == ".py" and not is_library(str(path)):
                found[other] = path
                waiting.append((other, path))
    found.pop(module, None)
    return found


def digest_of(file: Path) -> str:
    """SHA-256 of a text as `of_measure` makes it; empty if it cannot be read."""
    try:
        return hashlib.sha256(textwrap.dedent(file.read_text("utf-8")).encode()).hexdigest()
    except (OSError, UnicodeDecodeError):
        return ""


def is_library(file: str) -> bool:
    """Whether a file of code is installed, or of python, rather than of a person."""
    if file.startswith("<"):
        return file.startswith(GENERATED)
    parents = Path(file).parents
    installed = {parent.name for parent in parents} & {"site-packages", "dist-packages"}
    return bool(installed) or any(Path(folder) in parents for folder in (*LIBRARIES, PACKAGE))


def _imports(name: str, file: Path) -> frozenset[str]:
    """The names of modules that a file may import."""
    try:
        text = file.read_text("utf-8")
    except (OSError, ValueError):
        return frozenset()
    return _imports_of_text(text, name if file.name == "__init__.py" else name.rpartition(".")[0])


@lru_cache(maxsize=256)  # a search calls `run` for every point: the same files, a tenth of a second each time
def _imports_of_text(text: str, package: str) -> frozenset[str]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return frozenset()
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: -(node.level - 1) or None] if node.level else []
            base = ".".join([*filter(None, above), *([node.module] if node.module else [])])
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)} if base else set()
    parents = {".".join(words[:i]) for words in map(lambda n: n.split("."), found) for i in range(1, len(words))}
    return frozenset(found | parents)


def file_of_module(name: str, folder: Path | None = None) -> Path | None:
    """The file of a module; one that is not imported yet is looked for, also in a folder, and not imported."""
    if name in sys.modules:
        file = _file(sys.modules[name])
        return Path(file) if file else None
    parent, _, last = name.rpartition(".")
    if parent:
        package = file_of_module(parent, folder)
        if package is None or package.name != "__init__.py":
            return None
        paths = [package.with_name(f"{last}.py"), package.parent / last / "__init__.py"]
        return next((path for path in paths if path.is_file()), None)
    with suppress(ImportError, ValueError, AttributeError):
        spec = importlib.util.find_spec(name)
        if spec:
            return Path(spec.origin).resolve() if spec.has_location and spec.origin else None
    beside = [folder / f"{name}.py", folder / name / "__init__.py"] if folder else []
    return next((path.resolve() for path in beside if path.is_file()), None)


def _file(module: ModuleType | None) -> str:
    file = getattr(module, "__file__", None)
    return str(Path(file).resolve()) if file else ""


@cache
def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _commit(folder: Path) -> dict[str, str]:
    """Nothing where there is no repository."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return {}
    changed = _git(folder, "status", "--porcelain")
    return {"git_commit": commit, "git_dirty": "unknown" if changed is None else "yes" if changed else "no"}


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", os.fspath(folder), *words], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
