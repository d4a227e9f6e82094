"""SIGKILL at random moments to processes that make a file: it is whole or not there, and the next one makes it."""

import contextlib
import io
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray  # noqa: F401  (imported before the forks that export)

from attacking import scenes
from attacking.children import called, kill, started
from attacking.counts import Row, generator, scaled
from cocycle import Archive
from cocycle.cli import archives
from cocycle.sweeps import merge, refine

KILLS = {"create": 50, "refine": 45, "merge": 45, "extend": 40, "export": 40}
SIDE = 24  # of the grids
Act = Callable[[Path, Path], Any]


def create(folder: Path, target: Path) -> None:
    scenes.new(target, scenes.grid(SIDE))


def refine_one(folder: Path, target: Path) -> None:
    refine(Archive.open(folder / "whole.h5"), target, "height", level=0.0, factor=3)


def merge_two(folder: Path, target: Path) -> None:
    merge([Archive.open(folder / name) for name in ("first.h5", "second.h5")], target)


def extend(folder: Path, target: Path) -> None:
    whole = Archive.open(folder / "whole.h5")
    whole.extended(target, x=[*whole.grid.axes["x"], 2.5, 3.0])


def export(folder: Path, target: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        archives.export(Namespace(archive=folder / "whole.h5", output=target))


ACTS: dict[str, tuple[Act, str]] = {
    "create": (create, "made.h5"),
    "refine": (refine_one, "made.h5"),
    "merge": (merge_two, "made.h5"),
    "extend": (extend, "made.h5"),
    "export": (export, "made.csv"),
}


def attack(folder: Path, scale: float, seed: int) -> list[Row]:
    """A row for each operation that makes a file."""
    _require(called(_sources, folder))
    return [_killed(name, folder, scaled(KILLS[name], scale), generator(seed, name)) for name in KILLS]


def _sources(folder: Path) -> None:
    """What the operations read."""
    scenes.finished(folder / "whole.h5", SIDE)
    for number, name in ((1, "first.h5"), (2, "second.h5")):
        part = scenes.new(folder / name, scenes.grid(SIDE).part(number, 2))
        scenes.run(scenes.mixed, part, workers=1, progress=False)


def _require(answer: tuple) -> Any:
    if answer[0] != "value":
        raise RuntimeError(f"an attack could not be prepared: {answer}")
    return answer[1]


def _killed(name: str, sources: Path, kills: int, rng: np.random.Generator) -> Row:
    act, ending = ACTS[name]
    folder = sources / name
    folder.mkdir()
    target = folder / ending
    row = Row.of(
        f"killed: {name}",
        ("not there", "whole", "ended before"),
        ("half-made", "left over", "cannot go on", "other bits"),
    )
    truth, seconds = _unkilled(act, sources, target)
    while row.cases - row.safe["ended before"] < kills:
        process = started(act, sources, target)
        time.sleep(rng.uniform(0.0, seconds))
        ended = not process.is_alive()
        kill(process.pid)
        process.join()
        _judge(row, act, sources, target, truth, ended)
    return row


def _unkilled(act: Act, sources: Path, target: Path) -> tuple[Any, float]:
    """What comes of the operation, and how long it takes: the median of five."""
    took = []
    for _ in range(5):
        target.unlink(missing_ok=True)
        process, start = started(act, sources, target), time.monotonic()
        process.join()
        took.append(time.monotonic() - start)
    truth = _content(target)
    target.unlink()
    return truth, float(np.median(took))


def _content(target: Path) -> Any:
    if target.suffix != ".h5":
        return target.read_bytes()
    archive = Archive.open(target)
    return archive.damage(), scenes.results(archive)


def _judge(row: Row, act: Act, sources: Path, target: Path, truth: Any, ended: bool) -> None:
    """Look at what a killed process left, then let the operation end."""
    found = "ended before" if ended else "whole" if target.exists() else "not there"
    if target.exists():
        try:
            found = found if _content(target) == truth else "half-made"
            if target.suffix == ".h5":
                _require(called(_write_nothing, target))  # the next successful operation on an archive that is there
        except Exception as error:
            row.add("half-made", repr(error))
            return
        if target.suffix == ".h5":
            if left := scenes.hidden(target.parent):
                row.add("left over", f"after a writer: {left}")
                return
            target.unlink()
    row.add(*_finished(act, sources, target, truth, found))
    target.unlink(missing_ok=True)


def _write_nothing(target: Path) -> None:
    with Archive.open(target).writer():
        pass


def _finished(act: Act, sources: Path, target: Path, truth: Any, found: str) -> tuple[str, str]:
    """The class of a kill after which the operation was made again."""
    answer = called(act, sources, target)
    if answer[0] != "value":
        return "cannot go on", repr(answer)
    if left := scenes.hidden(target.parent):
        return "left over", f"after the next operation: {left}"
    return ("other bits", "") if _content(target) != truth else (found, "")
