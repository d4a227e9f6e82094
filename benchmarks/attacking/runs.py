"""SIGKILL at random moments to sweeps that run, and to their workers: on any engine, nothing that was done is lost."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, final

import numpy as np
import psutil

from attacking import scenes
from attacking.children import called, descendants, kill, kill_tree, started, wait_until
from attacking.counts import Row, generator, scaled
from cocycle import Archive, run
from cocycle.sweeps import Status

KILLS = {"pool": 200, "executor": 30, "dask": 30, "MPI": 20}
SIDE = 25  # 625 points of 4 ms
COMMIT_EVERY = 0.02  # seconds, so that many kills meet a commit
BIN = Path(sys.executable).parent
HERE = Path(__file__).parents[1]
STUDY = f"""
measure = "attacking.scenes:quick"
seed = {scenes.SEED}
[axes]
x = {{ from = -2.0, to = 2.0, count = {SIDE} }}
y = {{ from = -2.0, to = 2.0, count = {SIDE} }}
[fixed]
radius = 1.3
[outputs]
height = []
noise = [2]
[units]
height = "m"
[long_names]
x = "place"
"""
Victims = Callable[[int], list[int]]  # the parent and its workers, of the process that was started


@final
@dataclass(frozen=True)
class Engine:
    """`begin` starts a sweep of the archive at a path and gives its process; `victims`, its parent and its workers.

    Workers of our own pool are left alone when their parent is killed, and must end by themselves: `orphans`.
    """

    name: str
    begin: Callable[[Path], Any]
    victims: Victims
    orphans: list[psutil.Process] = field(default_factory=list)


def on_pool(path: Path) -> None:
    sys.modules["cocycle.sweeps.run"].COMMIT_EVERY = COMMIT_EVERY  # type: ignore[attr-defined]
    run(scenes.quick, Archive.open(path), workers=2, retry=True, progress=False)


def on_executor(path: Path) -> None:
    sys.modules["cocycle.sweeps.run"].COMMIT_EVERY = COMMIT_EVERY  # type: ignore[attr-defined]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        run(scenes.quick, Archive.open(path), executor, retry=True, progress=False)


def on_dask(path: Path) -> None:
    from distributed import Client

    sys.modules["cocycle.sweeps.run"].COMMIT_EVERY = COMMIT_EVERY  # type: ignore[attr-defined]
    with Client(scheduler_file=str(path.with_name("scheduler.json")), timeout=30, set_as_default=False) as client:
        run(scenes.quick, Archive.open(path), client.get_executor(), retry=True, progress=False)


def on_mpi(path: Path) -> subprocess.Popen:
    study = path.with_name("study.toml")
    study.write_text(STUDY)
    command = ["-m", "mpi4py.futures", "-m", "cocycle", "sweep", str(study), "--mpi", "--retry", "--output", str(path)]
    words = [str(BIN / "mpiexec"), "-n", "3", sys.executable, *command]
    return subprocess.Popen(words, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def environment() -> dict[str, str]:
    """Of processes that import the measures of this package."""
    paths = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    return os.environ | {"PYTHONPATH": paths, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "20"}


def _command_of(process: psutil.Process) -> str:
    """Nothing of a process that has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _children(process: int) -> list[int]:
    return [process, *(child.pid for child in descendants(process) if "spawn_main" in _command_of(child))]


def _ranks(process: int) -> list[int]:
    """The processes of MPI, rank 0 first."""
    found = {}
    for child in descendants(process):
        if "mpi4py.futures" in _command_of(child):
            with suppress(psutil.Error, KeyError):
                found[int(child.environ()["PMI_RANK"])] = child.pid
    return [found[rank] for rank in sorted(found)]


@contextmanager
def dask(folder: Path) -> Iterator[Victims]:
    """A scheduler and two workers with a nanny each, which starts another one when its own is killed."""
    file = folder / "scheduler.json"
    where = ["--scheduler-file", str(file), "--no-dashboard", "--host", "127.0.0.1"]
    worker = ["distributed.cli.dask_worker", *where, "--nthreads", "1", "--nanny"]
    processes = []
    try:
        for command in (["distributed.cli.dask_scheduler", *where, "--port", "0"], worker, worker):
            words = [sys.executable, "-m", *command]
            with open(folder / "log.txt", "a") as log:
                processes.append(subprocess.Popen(words, env=environment(), cwd=folder, stdout=log, stderr=log))
            wait_until(file.exists, 60, "dask starts")
        yield lambda process: [process, *(pid for nanny in processes[1:] for pid in _children(nanny.pid)[1:])]
    finally:
        for process in processes[::-1]:
            kill_tree(process.pid)
            process.wait()


def attack(folder: Path, scale: float, seed: int) -> list[Row]:
    """A row for each engine."""
    answer = called(_truth, folder / "truth.h5")
    if answer[0] != "value":
        raise RuntimeError(f"the truth could not be computed: {answer}")
    truth, rows = answer[1], []
    for name, kills in KILLS.items():
        home = folder / f"run-{name}"
        home.mkdir()
        arguments = home, truth, scaled(kills, scale), generator(seed, name)
        if name == "dask":
            with dask(home) as victims:
                rows.append(_killed(Engine(name, lambda path: started(on_dask, path), victims), *arguments))
        elif name == "MPI":
            rows.append(_killed(Engine(name, on_mpi, _ranks), *arguments))
        else:
            target = on_pool if name == "pool" else on_executor
            begin = lambda path, target=target: started(target, path)  # noqa: E731
            rows.append(_killed(Engine(name, begin, _children), *arguments))
    return rows


def _truth(path: Path) -> dict[str, np.ndarray]:
    archive = run(scenes.plane, scenes.new(path, scenes.grid(SIDE)), workers=1, progress=False)
    return {name: archive[name] for name in archive.outputs}


def _killed(engine: Engine, folder: Path, truth: dict, kills: int, rng: np.random.Generator) -> Row:
    row = Row.of(
        f"killed: run, {engine.name}",
        ("of the parent", "of a worker", "ended before"),
        ("refused", "lost", "wrong value", "damaged", "wrong status", "left over", "cannot go on", "worker stays"),
    )
    made = 0
    path = _next(engine, folder, made)
    while (left := kills - row.cases + row.safe["ended before"]) > 0:
        if left > 1 and rng.random() < 0.15:
            _kill_a_worker(row, engine, path, truth, rng)
        else:
            _kill_the_parent(row, engine, path, truth, rng)
        if path.exists() and scenes.done(Archive.open(path)).all():
            made += 1
            path = _next(engine, folder, made)
    _finish(row, path, truth)
    for stays in psutil.wait_procs(engine.orphans, timeout=20)[1]:
        row.add("worker stays", f"{stays}, 20 s after its parent was killed")
        kill(stays.pid)
    return row


def _next(engine: Engine, folder: Path, number: int) -> Path:
    path = folder / f"run{number}.h5"
    if engine.name != "MPI":  # whose command makes it
        scenes.new(path, scenes.grid(SIDE))
    return path


def _seen(path: Path) -> np.ndarray:
    """Which points are acknowledged as done."""
    return scenes.done(Archive.open(path)) if path.exists() else np.zeros((SIDE, SIDE), dtype=bool)


def _kill_the_parent(row: Row, engine: Engine, path: Path, truth: dict, rng: np.random.Generator) -> None:
    process = engine.begin(path)
    if rng.random() < 0.5:  # while it computes; else, as a rule, before its workers have started
        _new_ones(path, process)
        time.sleep(rng.uniform(0.0, 0.5))
    else:
        time.sleep(rng.uniform(0.0, 3.0 if engine.name == "MPI" else 1.5))
    seen = _seen(path)
    victims = engine.victims(process.pid)
    killed = bool(victims) and _lives(process) and kill(victims[0])
    _end(process, engine)
    _judge(row, path, seen, truth, "of the parent" if killed else "ended before")


def _kill_a_worker(row: Row, engine: Engine, path: Path, truth: dict, rng: np.random.Generator) -> None:
    """The sweep may go on or stop, and is then ended too: nothing is lost either way."""
    process = engine.begin(path)
    _new_ones(path, process)
    seen = _seen(path)
    workers = engine.victims(process.pid)[1:]
    killed = bool(workers) and kill(workers[rng.integers(len(workers))])
    time.sleep(rng.uniform(0.0, 1.0))
    _judge(row, path, seen, truth, "of a worker" if killed else "ended before")
    seen = _seen(path)
    victims = engine.victims(process.pid)
    stopped = not _lives(process)
    killed = bool(victims) and not stopped and kill(victims[0])
    _end(process, engine)
    if not stopped:  # an executor of the standard library is lost with its worker
        _judge(row, path, seen, truth, "of the parent" if killed else "ended before")


def _new_ones(path: Path, process: Any) -> None:
    """Wait until more points are done than before, or the sweep has ended."""
    before = _seen(path).sum()
    wait_until(lambda: _seen(path).sum() > before or not _lives(process), 90, f"new points in {path}")


def _lives(process: Any) -> bool:
    return process.poll() is None if isinstance(process, subprocess.Popen) else process.is_alive()


def _end(process: Any, engine: Engine) -> None:
    """End what is left of a sweep: workers of a pool of the standard library wait for their dead parent for ever."""
    left = descendants(process.pid)
    if isinstance(process, subprocess.Popen):
        kill_tree(process.pid)
        process.wait()
    else:
        kill(process.pid)
        process.join()
    if engine.name == "pool":
        engine.orphans.extend(left)
        return
    for each in left:
        kill(each.pid)
    psutil.wait_procs(left, timeout=10)


def _judge(row: Row, path: Path, seen: np.ndarray, truth: dict, found: str) -> None:
    if not path.exists():
        row.add("lost" if seen.any() else found, f"{path} is gone")
        return
    try:
        archive = Archive.open(path)
        damage, status = archive.damage(), archive.status
    except Exception as error:
        row.add("refused", repr(error))
        return
    if damage:
        row.add("damaged", damage[0])
    elif (seen & (status != Status.DONE)).any():
        row.add("lost", f"{(seen & (status != Status.DONE)).sum()} points")
    elif scenes.differs(archive, truth):
        row.add("wrong value")
    elif not np.isin(status, (Status.DONE, Status.TO_DO)).all():
        row.add("wrong status", next(iter(archive.messages(1).values()), ""))
    else:
        row.add(found)


def _finish(row: Row, path: Path, truth: dict) -> None:
    """At the end a run that nobody kills completes with the very bits, and nothing hidden is left."""
    if not path.exists():
        scenes.new(path, scenes.grid(SIDE))
    answer = called(on_pool, path, seconds=120)
    archive = Archive.open(path)
    if answer[0] == "error" or not scenes.done(archive).all() or archive.damage():
        row.add("cannot go on", f"{answer[:2]}, {archive!r}, {archive.damage()[:1]}")
    elif scenes.differs(archive, truth):
        row.add("wrong value", "of the run at the end")
    elif left := [name for name in scenes.hidden(path.parent) if name.startswith(f".{path.name}")]:
        row.add("left over", str(left))
