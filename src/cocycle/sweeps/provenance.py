"""Who computed an archive, when, with what: facts of the process, the repository, and the source of the measure."""

import ast
import builtins
import inspect
import json
import os
import platform
import subprocess
import symtable
import sys
import textwrap
import zlib
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from itertools import takewhile
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle

ARCHIVED = "__archived_by_cocycle__"  # the facts, in a module that was made of them
PACKAGE = Path(__file__).parents[1]
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


def of_measure(measure: Callable) -> dict[str, str]:
    """Where a measure comes from, and the source text of its module: of the function alone in a notebook.

    `lacks` says why that text alone does not make it again, if so.
    """
    function: Any = measure
    while isinstance(function, partial):
        function = function.func
    if not hasattr(function, "__qualname__"):
        function = type(function)  # an object that can be called
    module = sys.modules.get(function.__module__)
    if hasattr(module, ARCHIVED):
        return dict(getattr(module, ARCHIVED))
    facts = {"module": function.__module__, "name": function.__qualname__, "file": _file(module), "source": ""}
    for source in (lambda: Path(facts["file"]).read_text("utf-8"), lambda: inspect.getsource(function)):
        with suppress(OSError, TypeError, UnicodeDecodeError):
            facts["source"] = facts["source"] or textwrap.dedent(source())
    return {**facts, "lacks": _lacks(measure, function, module, facts)}


def _lacks(measure: Callable, function: Any, module: ModuleType | None, facts: dict[str, str]) -> str:
    """Why the source text does not give the measure; empty if it does."""
    if not facts["source"]:
        return "there is no source text of it"
    if measure is not getattr(module, facts["name"], None):
        return f"it is not what the module calls {facts['name']}: arguments or variables beside that are not kept"
    if not facts["file"]:
        strangers = sorted(_mentioned(ast.parse(facts["source"]).body[0]) - {facts["name"], *dir(builtins)})
        if strangers:
            return f"it is of a notebook and uses {', '.join(strangers)}, which are not kept"
    return ""


def measure_from(facts: dict[str, str]) -> Callable:
    """The measure that `of_measure` described, from the source text that it kept.

    Raises ValueError where that text does not make it: see `lacks`.
    """
    failure = f"the archive does not hold the measure {facts['name']}"
    remedy = "call it from python with the measure itself"
    if facts.get("lacks"):
        raise ValueError(f"{failure}: {facts['lacks']}; {remedy}")
    name = f"archived_{zlib.crc32(facts['source'].encode()):08x}_{facts['module'].replace('.', '_')}"
    module = sys.modules.get(name) or ModuleType(name, "the source text that an archive kept")
    module.__dict__.update(__file__=facts["file"], __package__=facts["module"].rpartition(".")[0])
    setattr(module, ARCHIVED, facts)
    sys.modules[name] = module  # dataclasses look for the module of a class there
    folder = str(Path(facts["file"]).parent)
    if facts["file"] and "." not in facts["module"] and folder not in sys.path:
        sys.path.append(folder)  # a script finds its neighbours
    try:
        exec(compile(_needed(facts), facts["file"] or "<archive>", "exec"), module.__dict__)
        found = getattr(module, facts["name"])
    except Exception as error:
        raise ValueError(f"{failure}: its text fails with {type(error).__name__}: {error}; {remedy}") from error
    cloudpickle.register_pickle_by_value(module)  # no worker could import it
    return found


def _needed(facts: dict[str, str]) -> ast.Module:
    """The module; of a script only the statements that its function needs: the others may start a sweep."""
    tree = ast.parse(facts["source"])
    if facts["module"] != "__main__":
        return tree
    needed, kept, size = {facts["name"].split(".")[0]}, set(), -1
    while len(kept) > size:
        size = len(kept)
        for i, statement in enumerate(tree.body):
            if _touched(statement) & needed:
                kept.add(i)
                needed |= _mentioned(statement)
    kept |= {
        i for i, statement in enumerate(tree.body) if isinstance(statement, ast.ImportFrom) and _is_star(statement)
    }
    return ast.Module([tree.body[i] for i in sorted(kept)], type_ignores=[])


def _touched(statement: ast.stmt) -> set[str]:
    """The names that a statement binds, or whose objects it changes by assignment or by calling a method of theirs."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Expr):
        call = statement.value
        return {_root(call.func)} if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) else set()
    found = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
            found.add(_root(node))
    return found


def _root(node: ast.expr) -> str:
    """The name at which an expression such as a.b[c].d begins."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _mentioned(statement: ast.stmt) -> set[str]:
    """The names of the module that a statement uses, also in the functions it defines."""
    tables, found = [symtable.symtable(ast.unparse(statement), "<statement>", "exec")], set()
    while tables:
        table = tables.pop()
        whole = table.get_type() == "module"
        found |= {symbol.get_name() for symbol in table.get_symbols() if whole or symbol.is_global()}
        tables += table.get_children()
    return found


def _is_star(statement: ast.ImportFrom) -> bool:
    return any(alias.name == "*" for alias in statement.names)


def line_of(facts: dict[str, Any]) -> bytes:
    """Facts as one line of the journal, that shows whether it is whole."""
    text = json.dumps(facts, default=str)
    return f"{zlib.crc32(text.encode()):08x} {text}\n".encode()


def facts_of(journal: bytes) -> list[dict[str, Any]]:
    """The lines of a journal up to the first that is not whole: a writer was killed there."""
    lines = journal.partition(b"\0")[0].split(b"\n")[:-1]
    return [json.loads(line[9:]) for line in takewhile(_is_whole, lines)]


def is_whole(journal: bytes) -> bool:
    """Whether all lines of a journal are; a last one without its end is that of a writer who was killed."""
    return all(map(_is_whole, journal.partition(b"\0")[0].split(b"\n")[:-1]))


def _is_whole(line: bytes) -> bool:
    return line[:9] == f"{zlib.crc32(line[9:]):08x} ".encode()


def _file(module: ModuleType | None) -> str:
    file = getattr(module, "__file__", None)
    return str(Path(file).resolve()) if file else ""


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
    return {"git_commit": commit, "git_dirty": "yes" if _git(folder, "status", "--porcelain") else "no"}


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", os.fspath(folder), *words], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
