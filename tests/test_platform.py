"""Without POSIX (Windows) everything imports, an archive can be read, plotted and exported; writing one says why not.

No such machine is at hand: a process does without the modules and functions that only POSIX has.
"""

import subprocess
import sys

import measures
import numpy as np
import pytest

from cocycle import Archive, Grid, run
from here import Here

WITHOUT = """
import builtins, importlib, os, pkgutil, signal, sys, time, warnings
import asyncio, concurrent.futures.process, multiprocessing.connection  # what is not ours knows Windows itself
import h5py, matplotlib, scipy.stats, tqdm.auto
matplotlib.use("Agg")
try:
    import xarray
except ImportError:
    xarray = None

posix = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog", "readline", "curses"}
original = builtins.__import__

def guarded(name, globals=None, *rest, **words):
    if name in posix and (globals or {}).get("__name__", "").startswith("cocycle"):
        raise ModuleNotFoundError(f"No module named {name!r}")
    return original(name, globals, *rest, **words)

builtins.__import__ = guarded
for name in ("fdatasync", "pwrite", "pread", "sched_getaffinity", "posix_fallocate", "register_at_fork", "fork",
             "getuid", "geteuid", "killpg", "statvfs", "O_DIRECTORY"):
    vars(os).pop(name, None)
for name in ("pthread_sigmask", "SIGKILL", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGHUP", "SIGSTOP", "setitimer", "alarm"):
    vars(signal).pop(name, None)
vars(time).pop("tzset", None)
"""
GONE = """
try:
    exec("import fcntl", {"__name__": "cocycle.sweeps.writer"})
except ModuleNotFoundError:
    print("gone")
"""
MODULES = """
import cocycle
for module in pkgutil.walk_packages(cocycle.__path__, "cocycle."):
    if not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
        except ImportError:
            if torch is not None:
                raise
for name in cocycle.__all__:
    getattr(cocycle, name)
print("imported", len(cocycle.__all__) > 30)
"""
READING = """
from cocycle import Archive, Grid, run
from cocycle.sweeps import arguments, summary, watch
from cocycle.sweeps.run import cores
archive = Archive.open(sys.argv[1])
assert archive["product"].shape == (2, 3)
assert archive.messages() == {} and archive.tracebacks() == {} and not archive.damage()
assert "6 of 6 points done" in summary(archive) and "6 of 6" in watch(archive)
assert archive.history[-1]["outcome"] == "complete"
assert arguments(archive, (1, 2))[0]["b"] == 30
assert cores() >= 1
archive.plot().savefig(sys.argv[1] + ".png")
assert xarray is None or archive.dataset().product.shape == (2, 3)
from cocycle.cli import main
assert main(["show", sys.argv[1]]) == 0 and main(["verify", sys.argv[1]]) == 0
assert main(["export", sys.argv[1], "--output", sys.argv[1] + ".csv"]) == 0
made = Archive.create(sys.argv[1] + ".new.h5", Grid({"a": [1.0]}), outputs={"y": ()}, seed=1)
try:
    run(print, made)
except OSError as error:
    print(error)
"""


WITH_TORCH = """
try:
    import torch
except ImportError:
    torch = None
"""


def without_posix(code, *arguments, before=""):
    command = [sys.executable, "-c", before + WITHOUT + code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_module_imports():
    """While the modules are really gone for our code: else these tests would show nothing."""
    assert without_posix(GONE + MODULES, before=WITH_TORCH) == "gone\nimported True\n"


def test_an_archive_is_read_and_the_writer_says_what_it_needs(tmp_path):
    grid = Grid({"a": np.arange(2), "b": np.array([10.0, 20.0, 30.0])})
    outputs = {"product": (), "noise": (2,)}
    archive = Archive.create(tmp_path / "run.h5", grid, outputs=outputs, seed=1, fixed={"shift": 0.0})
    run(measures.product, archive, Here(), progress=False)
    said = without_posix(READING, archive.path)
    assert "a sweep can be written on Linux and macOS only; got " in said
    assert "reading, plotting and exporting an archive" in said


@pytest.mark.parametrize(
    "words",
    [
        ["-c", "import importlib, pkgutil\ntorch = None\n" + MODULES],
        ["-m", "cocycle", "sweep", "--help"],
        ["-m", "cocycle", "doctor"],
    ],
    ids=["import", "help", "doctor"],
)
def test_nothing_warns(words):
    done = subprocess.run([sys.executable, "-W", "error", *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
