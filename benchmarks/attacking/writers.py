"""Two sweeps at once in one file, by every alias it can have: one writes, the other is refused or stops."""

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, final

import numpy as np

from attacking import scenes
from attacking.aliases import ALIASES, OTHER_SEED, SIDE
from attacking.children import FORK, kill, kill_tree, quiet, wait_until
from attacking.counts import Row, generator, scaled
from cocycle import Archive, run
from cocycle.sweeps import Status

TIMES = 5  # each case
SAFE = ("refused", "stopped, nothing lost", "one after the other")
FAULTS = ("BOTH WROTE", "lost", "wrong value", "damaged", "locked out", "said complete", "hang", "crash")


@final
@dataclass
class Sweep:
    """A sweep in a process of its own; `said` is what came of it, `wrote` when it wrote into which file."""

    process: Any
    answer: Any
    said: str = ""
    wrote: list[tuple[float, int]] = field(default_factory=list)

    def end(self, seconds: float = 60.0) -> "Sweep":
        if not self.said:
            try:
                self.said, self.wrote = self.answer.recv() if self.answer.poll(seconds) else ("hang", [])
            except EOFError:
                self.said = "killed"
            kill_tree(self.process.pid)
            self.process.join()
        return self

    @property
    def complete(self) -> bool:
        return self.said == "complete"


def begun(path: Path, act: Callable[[Path], None] | None = None) -> Sweep:
    """A sweep of the archive at `path`, or what else a process does to it."""
    ours, theirs = FORK.Pipe()
    process = FORK.Process(target=_sweep, args=(theirs, path, act or _run))
    process.start()
    theirs.close()
    return Sweep(process, ours)


def _sweep(theirs: Any, path: Path, act: Callable[[Path], None]) -> None:
    quiet()
    sys.modules["cocycle.sweeps.run"].COMMIT_EVERY = 0.02  # type: ignore[attr-defined]
    wrote, pwrite = [], os.pwrite

    def noted(descriptor, data, place):
        wrote.append((time.monotonic(), os.fstat(descriptor).st_ino))
        return pwrite(descriptor, data, place)

    os.pwrite = noted
    try:
        act(path)
        said = "complete"
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    theirs.send((said, wrote))


def _run(path: Path) -> None:
    run(scenes.quick, Archive.open(path), workers=1, progress=False)


def at_once(first: Sweep, second: Sweep) -> bool:
    """Whether both wrote into one file, one of them between two writes of the other."""
    times: dict[int, list[tuple[float, int]]] = {}
    for number, sweep in enumerate((first, second)):
        for moment, file in sweep.wrote:
            times.setdefault(file, []).append((moment, number))
    turns = [[number for _, number in sorted(of_file)] for of_file in times.values()]
    return any(sum(a != b for a, b in pairwise(each)) > 1 for each in turns)


def attack(folder: Path, scale: float, seed: int) -> list[Row]:
    """A row for each alias, one for settings that collide, one for a child that outlives the writer."""
    path = folder / "truth.h5"
    answer = begun(path, _truth).end()
    if not answer.complete:
        raise RuntimeError(f"the truth could not be computed: {answer.said}")
    archive = Archive.open(path)
    truth = {name: archive[name] for name in archive.outputs}
    cases = {name: lambda path, t, r, alias=alias: _two(path, alias, t, r) for name, alias in ALIASES.items()}
    cases |= {"resumed with other settings": _two_settings, "a forked child outlives it": _outlived}
    rows = []
    for name, case in cases.items():
        safe = (*SAFE, "damaged") if name.endswith("over it") else SAFE  # verify shows it, and nobody can prevent it
        faults = [each for each in FAULTS if each not in safe]
        row, rng = Row.of(f"two writers: {name}", safe, faults), generator(seed, name)
        for number in range(scaled(TIMES, scale)):
            home = folder / f"{name.replace(' ', '-').replace(',', '')}-{number}"
            home.mkdir()
            row.add(*case(home / "run.h5", truth, rng))
        rows.append(row)
    return rows


def _truth(path: Path) -> None:
    run(scenes.plane, scenes.new(path, scenes.grid(SIDE)), workers=1, progress=False)


def _two(path: Path, alias: Callable[[Path], Path], truth: dict, rng: np.random.Generator) -> tuple[str, str]:
    """The class of a case in which the archive of a sweep that runs gets an alias, which another sweep writes."""
    scenes.new(path, scenes.grid(SIDE))
    first = begun(path)
    _wait_for_results(path, first, rng)
    file = os.stat(path).st_ino
    name = alias(path)
    second = begun(name)
    time.sleep(0.1)
    seen, (first, second) = _seen(path, file), (first.end(), second.end())
    return _class(path, file, truth, seen, first, second)


def _wait_for_results(path: Path, sweep: Sweep, rng: np.random.Generator) -> None:
    wait_until(lambda: scenes.done(Archive.open(path)).any() or not sweep.process.is_alive(), 60, "first results")
    time.sleep(rng.uniform(0.0, 0.5))


def _names(path: Path, file: int) -> list[Path]:
    """All names of a file in the archive's folder."""
    return [p for p in path.parent.iterdir() if p.suffix == ".h5" and not p.is_symlink() and p.stat().st_ino == file]


def _seen(path: Path, file: int) -> np.ndarray:
    names = _names(path, file)
    return scenes.done(Archive.open(names[0])) if names else np.zeros((SIDE, SIDE), dtype=bool)


def _class(path: Path, file: int, truth: dict, seen: np.ndarray, first: Sweep, second: Sweep) -> tuple[str, str]:
    said = f"first {first.said!r}, second {second.said!r}"
    if "hang" in (first.said, second.said):
        return "hang", said
    if at_once(first, second):
        return "BOTH WROTE", said
    found = np.zeros((SIDE, SIDE), dtype=bool)
    for name in sorted(path.parent.glob("*.h5")):
        archive = Archive.open(name)
        if archive.damage():
            return "damaged", f"{name.name}: {archive.damage()[0]}; {said}"
        if _is_wrong(archive, truth):
            return "wrong value", f"{name.name}; {said}"
        found |= scenes.done(archive)
    if (seen & ~found).any():
        return "lost", f"{(seen & ~found).sum()} points; {said}"
    if first.complete and path.exists() and os.stat(path).st_ino != file:
        return "said complete", said
    return _how(first, second), said


def _is_wrong(archive: Archive, truth: dict) -> bool:
    """Whether an archive has values that are not of its own sweep."""
    if archive.seed == scenes.SEED:
        return scenes.differs(archive, truth)
    here = scenes.done(archive)
    return bool((archive["noise"][here] == truth["noise"][here]).any())


def _how(first: Sweep, second: Sweep) -> str:
    """The class of two sweeps that did not write at once."""
    if second.said.startswith("BlockingIOError"):
        return "refused" if first.complete else "stopped, nothing lost"
    if not first.complete or not second.complete:
        return "stopped, nothing lost"
    return "one after the other"


def _other_settings(path: Path) -> None:
    Archive.resume(path, scenes.grid(SIDE), outputs=scenes.OUTPUTS, seed=OTHER_SEED, fixed={"radius": 1.3})


def _two_settings(path: Path, truth: dict, rng: np.random.Generator) -> tuple[str, str]:
    """Another study is resumed at the same path, which may replace an archive that has no results yet."""
    scenes.new(path, scenes.grid(SIDE))
    file = os.stat(path).st_ino
    first = begun(path)
    time.sleep(rng.uniform(0.0, 1.0))
    second = begun(path, _other_settings)
    seen, (first, second) = _seen(path, file), (first.end(), second.end())
    return _class(path, file, truth, seen, first, second)


def _outlived(path: Path, truth: dict, rng: np.random.Generator) -> tuple[str, str]:
    """A writer forks, and is killed; the child, which stays, must neither keep the lock nor write."""
    scenes.new(path, scenes.grid(SIDE))
    first = begun(path, _forking)
    wait_until(lambda: path.with_name("child").exists() or not first.process.is_alive(), 60, "a child")
    child = int(path.with_name("child").read_text())
    time.sleep(rng.uniform(0.0, 0.3))
    kill(first.process.pid)
    first.process.join()
    second = begun(path).end()
    with suppress(ProcessLookupError):
        kill(child)
    if not second.complete:
        return "locked out", second.said
    archive = Archive.open(path)
    if path.with_name("wrote").exists():
        return "BOTH WROTE", path.with_name("wrote").read_text()
    wrong = scenes.differs(archive, truth) or not scenes.done(archive).all()
    return ("wrong value" if wrong else "damaged", "") if wrong or archive.damage() else ("one after the other", "")


def _forking(path: Path) -> None:
    """Hold the writer; a child of this process tries to write with it, again and again."""
    with Archive.open(path).writer() as writer:
        child = os.fork()
        if child:
            path.with_name("new").write_text(str(child))
            path.with_name("new").rename(path.with_name("child"))
            time.sleep(60)
        points = np.arange(3)
        while True:
            with suppress(OSError):
                writer.count(points, np.full(3, Status.LEFT_OUT))
                path.with_name("wrote").write_text("the child wrote with its parent's writer")
            time.sleep(0.05)
