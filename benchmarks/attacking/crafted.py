"""Hostile archives are opened, read, exported, resumed: each is refused in one line, or does no harm."""

import contextlib
import csv
import io
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray  # noqa: F401  (imported before the forks that export)

from attacking import forged, phrased, planted, scenes
from attacking.children import called
from attacking.counts import Row, generator, scaled
from cocycle import Archive, cli
from cocycle.sweeps import summary

MEMORY, SECONDS = 4 * 2**30, 60.0  # of the process that looks at one file
SAFE = ("refused in a line", "no harm", "could not be made")
FAULTS = ("another error", "many lines", "control characters", "formula", "EXECUTED", "SECRET READ", "WROTE ELSEWHERE",
          "lost", "hang", "crash")  # fmt: skip
EXPECTED = (ValueError, OSError, KeyError)  # what the functions say that they raise
COMMANDS = ("show A", "verify A", "export A --output O.csv", "export A --output O.nc", "plot A --output O.png",
            "merge A --output O-merged.h5", "extend A --axis y=[-3.0,-2.0,-1.0,0.0,1.0,2.0] --output O-more.h5",
            "refine A --result height --output O-fine.h5", "rerun A --point x=-2,y=-2",
            "resume A --workers 1", "watch A")  # fmt: skip


class Harm(Exception):
    """What a file did; the first argument is the class of it."""


def attack(folder: Path, scale: float, seed: int) -> list[Row]:
    """A row for each kind of file."""
    folder.chmod(0o755)  # one attack is without the rights of root
    base = folder / "base.h5"
    answer = called(_base, base)
    if answer[0] != "value":
        raise RuntimeError(f"the archive to be forged could not be made: {answer}")
    kinds: dict[str, Mapping[str, Callable[[Path], Any]]] = {
        "datasets": forged.DATASETS, "attributes": forged.ATTRIBUTES, "seals": forged.SEALS,
        "journals": phrased.JOURNALS, "names": phrased.NAMES, "texts": phrased.TEXTS,
        "200 MB in a small file": {"compressed": phrased.compressed}, "locks": planted.LOCKS,
        "hostile sources": planted.SOURCES, "a link planted at an output": {"link": planted.output},
    }  # fmt: skip
    rows = []
    for kind, makers in kinds.items():
        row, rng = Row.of(f"crafted: {kind}", SAFE, FAULTS), generator(seed, kind)
        for i in sorted(rng.permutation(len(makers))[: scaled(len(makers), scale)]):
            name = list(makers)[i]
            home = folder / f"{kind}-{i}".replace(" ", "-")
            home.mkdir()
            shutil.copy(base, home / "run.h5")
            found, detail = _looked_at(home / "run.h5", makers[name])
            row.add(found, f"{name}: {detail}")
            shutil.rmtree(home)
        rows.append(row)
    return rows


def _base(path: Path) -> None:
    """Done, failed, and a few to do."""
    archive = scenes.finished(path, 5)
    with archive.writer() as writer:
        writer.forget(np.array([1, 2, 7]))


def _looked_at(path: Path, maker: Callable[[Path], Any]) -> tuple[str, str]:
    """The class of what one file does to those that use it."""
    made = called(maker, path)
    if made[0] != "value":
        return "could not be made", repr(made[1])
    precious = path.with_name("precious")
    precious.write_text("precious")
    environment = {"BROWSER": str(path.with_name("browser"))}  # which one attack makes: see planted.SOURCES
    how, said = called(_use, path, environment, made[1], seconds=SECONDS, memory=MEMORY)
    if path.with_name("executed").exists():
        return "EXECUTED", str(said)
    if precious.read_text() != "precious":
        return "WROTE ELSEWHERE", str(said)
    return said if how == "value" else (how if how in ("hang", "crash") else "another error", repr(said))


def _use(path: Path, environment: dict[str, str], way: int | None) -> tuple[str, str]:
    """Open the archive, read all of it, and give it to every command."""
    os.environ.update(environment)
    os.chdir(path.parent)
    mpl.use("Agg")
    readers, commands = READERS, COMMANDS
    if way is not None:  # what is slow, or may need files of python that only root can read
        readers = {name: READERS[name] for name in ("damage", "summary")}
        commands = (*COMMANDS[:2], "resume A --workers 1") if way == phrased.AS_NOBODY else COMMANDS[:2]
    if way == phrased.AS_NOBODY and os.geteuid() == 0:
        os.seteuid(65534)
    try:
        opened = _read(path, readers)
        known = scenes.done(Archive.open(path)) if opened else None
        for command in commands if opened else COMMANDS[:2]:
            _command(command, path)
        if known is not None:
            _require_kept(path, known)
    except Harm as harm:
        return harm.args[0], harm.args[1]
    return ("no harm", "") if opened else ("refused in a line", "")


def _read(path: Path, readers: Mapping[str, Callable[[Archive], Any]]) -> bool:
    """Whether the archive opens; all of it is read then."""
    try:
        archive = Archive.open(path)
    except Exception as error:
        _require_expected("open", error)
        return False
    for name, read in readers.items():
        try:
            said = read(archive)
        except Exception as error:
            _require_expected(name, error)
            continue
        if isinstance(said, bytes) and forged.SECRET.encode()[:16] in said:
            raise Harm("SECRET READ", name)
        if name == "summary":
            _require_printable(name, said)
    return True


READERS: dict[str, Callable[[Archive], Any]] = {
    "damage": Archive.damage,
    "summary": summary,
    "repr": repr,
    "html": Archive._repr_html_,
    "history": lambda archive: archive.history,
    "everything": scenes.everything,
    "values": lambda archive: b"".join(archive[name].tobytes() for name in archive.outputs),
    "dataset": Archive.dataset,
    "best": lambda archive: archive.best("height"),
}


def _require_kept(path: Path, known: np.ndarray) -> None:
    """Raise Harm unless what was done still is."""
    try:
        lost = known & ~scenes.done(Archive.open(path))
    except Exception as error:
        raise Harm("lost", f"{error!r}") from error
    if lost.any():
        raise Harm("lost", f"{lost.sum()} points")


def _require_expected(what: str, error: Exception) -> None:
    """Raise Harm unless the error is one that a caller was told of, in one line."""
    if not isinstance(error, EXPECTED):
        raise Harm("another error", f"{what}: {type(error).__name__}: {str(error)[:200]}")
    if "\n" in str(error):
        raise Harm("many lines", f"{what}: {error!r}")


def _require_printable(what: str, text: str) -> None:
    odd = {character for character in text if not character.isprintable() and character != "\n"}
    if odd:
        raise Harm("control characters", f"{what}: {sorted(odd)}")


def _command(words: str, path: Path) -> None:
    """Call the command line in this process, and look at what it says and writes."""
    said, told = io.StringIO(), io.StringIO()
    arguments = [word.replace("A", str(path), 1) if word == "A" else word.replace("O", "out", 1) if word[0] == "O"
                 else word for word in words.split()]  # fmt: skip
    handler = logging.getLogger().handlers[:]
    for each in handler:  # of an earlier call, with its own stream
        logging.getLogger().removeHandler(each)
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(told):
            status = cli.main(arguments)
    except BaseException as error:
        raise Harm("another error", f"{words}: {type(error).__name__}: {str(error)[:200]}") from error
    if status not in (0, 1, 2, 3):
        raise Harm("another error", f"{words}: exit status {status}")
    _require_printable(words, said.getvalue())
    _require_printable(words, told.getvalue().replace("\r", ""))  # of progress bars
    if status == 2 and len(told.getvalue().strip().splitlines()) > 2:  # a warning, and the error
        raise Harm("many lines", f"{words}: {told.getvalue()[:200]!r}")
    if words.endswith(".csv") and status == 0:
        _require_no_formula(Path("out.csv"))


def _require_no_formula(path: Path) -> None:
    with open(path, newline="") as file:
        for cell in (cell for line in csv.reader(file) for cell in line):
            if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) and not _is_number(cell):
                raise Harm("formula", repr(cell))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
