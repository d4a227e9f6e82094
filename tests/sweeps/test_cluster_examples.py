"""The examples for clusters, on this machine: dask, MPI, and parts that are merged give the values of one process."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import dask
import dask_jobqueue  # noqa: F401 -- its settings are there from now on
import numpy as np
import pytest

from cocycle import Archive
from cocycle.sweeps import Status

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SMALL = {"count = 10": "count = 3", "count = 5": "count = 3", "size = 100": "size = 20", "steps = 1500": "steps = 400"}


def small_study(folder):
    shutil.copytree(ROOT / "examples" / "cluster", folder, dirs_exist_ok=True)
    study = (folder / "study.toml").read_text()
    for large, small in SMALL.items():
        assert large in study
        study = study.replace(large, small)
    (folder / "study.toml").write_text(study)
    return folder


@pytest.fixture
def folder(tmp_path):
    return small_study(tmp_path)


@pytest.fixture(scope="module")
def of_one_process(tmp_path_factory):
    """The archive that one process made."""
    folder = small_study(tmp_path_factory.mktemp("one"))
    called(folder, "cocycle", "sweep", "study.toml", "--workers", "1")
    return folder / "study.h5"


def called(folder, *words):
    environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_same(*paths):
    one, other = (Archive.open(path) for path in paths)
    assert (one.status == Status.DONE).all()
    assert (other.status == Status.DONE).all()
    np.testing.assert_array_equal(one["exponent"], other["exponent"])


def test_dask(folder, of_one_process):
    said = called(folder, sys.executable, "dask_slurm.py", "study.toml", "dask.h5", "--local")
    assert "36 done" in said
    assert_same(folder / "dask.h5", of_one_process)


@pytest.mark.skipif(shutil.which("mpiexec", path=str(BIN)) is None and shutil.which("mpiexec") is None,
                    reason="there is no mpiexec")  # fmt: skip
def test_mpi(folder, of_one_process):
    """The command of the script for SLURM, under mpiexec instead of srun."""
    command = (folder / "mpi_slurm.sh").read_text().splitlines()[-1]
    assert command.startswith("srun ")
    called(folder, "mpiexec", "-n", "3", *command.split()[1:])
    assert_same(folder / "study.h5", of_one_process)


def test_parts(folder, of_one_process):
    """The command of the job array, and the merge that its comment names."""
    command = (folder / "array_slurm.sh").read_text().splitlines()[-1].replace("/10", "/3")
    for number in "123":
        words = command.replace("$SLURM_ARRAY_TASK_ID", number).replace('"', "").split()
        called(folder, *words[1:], "--workers", "1")
    called(folder, "cocycle", "merge", *(f"study-{n}-of-3.h5" for n in "312"), "--output", "merged.h5")
    assert_same(folder / "merged.h5", of_one_process)


def test_what_dask_tells_the_queue(folder, monkeypatch):
    """One process with one thread for each core, gone before its time is over."""
    monkeypatch.syspath_prepend(folder)
    import dask_slurm

    with dask.config.set({"jobqueue.slurm.scheduler-options": {"dashboard_address": ":0"}}):  # any port that is free
        cluster = dask_slurm.on_slurm()
    try:
        script = cluster.job_script()
    finally:
        cluster.close()
    assert "#SBATCH --cpus-per-task=8" in script
    assert "#SBATCH -t 04:00:00" in script
    assert "--nthreads 1" in script
    assert "--nworkers 8" in script
    assert "--lifetime 230m" in script
