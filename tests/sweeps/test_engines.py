"""The same call on any engine: the same values, and what is left when parts of the engine die."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import measures
import numpy as np
import pytest
from distributed import Client

from cocycle import Archive, Grid, run
from cocycle.sweeps import Status, computing, engines
from cocycle.sweeps.computing import Call
from cocycle.sweeps.jobs import Job, Outcome, Queue, Task
from cocycle.sweeps.records import Records
from here import Here

HERE = Path(__file__).parent
OUTPUTS = {"product": (), "noise": (2,)}


def new(path, points=600, block=None):
    grid = Grid({"a": np.arange(points // 3), "b": [10, 20, 30]}, block=block)
    return Archive.create(path, grid, outputs=OUTPUTS, seed=11, fixed={"shift": 0.5})


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    archive = run(measures.product, new(tmp_path_factory.mktemp("truth") / "run.h5"), Here(), progress=False)
    return {name: archive[name] for name in OUTPUTS}


def assert_right(archive, truth):
    assert archive.damage() == []
    done = archive.status == Status.DONE
    for name in OUTPUTS:
        np.testing.assert_array_equal(archive[name][done], truth[name][done])


@contextmanager
def dask(folder, *, nanny=False):
    """A scheduler and two worker processes on this machine: a client of theirs, and all three."""
    file = folder / "scheduler.json"
    where = ["--scheduler-file", str(file), "--no-dashboard", "--host", "127.0.0.1"]
    worker = ["distributed.cli.dask_worker", *where, "--nthreads", "1", "--nanny" if nanny else "--no-nanny"]
    paths = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": paths, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    commands = [["distributed.cli.dask_scheduler", *where, "--port", "0"], worker, worker]
    processes = []
    try:
        for command in commands:
            with open(folder / "log.txt", "a") as log:
                processes.append(
                    subprocess.Popen(
                        [sys.executable, "-m", *command], env=environment, cwd=folder, stdout=log, stderr=log
                    )
                )
            while not file.exists():
                time.sleep(0.05)
        with Client(scheduler_file=str(file), timeout=30, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
            yield client, processes
    finally:
        for process in processes[::-1]:
            process.terminate()
            process.wait(20)


def when_done(archive, share, call):
    """Call it as soon as that share of the points is done; the thread in which this waits."""

    def wait():
        while (archive.status == Status.DONE).mean() < share:
            time.sleep(0.02)
        call()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # what distributed says of its loss
def test_a_dask_worker_is_killed_and_then_the_scheduler(tmp_path, truth):
    first, archive = new(tmp_path / "first.h5"), new(tmp_path / "run.h5")
    with dask(tmp_path) as (client, (scheduler, victim, _)):
        killer = when_done(first, 0.1, victim.kill)
        run(measures.quick, first, client.get_executor(), progress=False)
        killer.join()
        assert victim.wait(10) == -signal.SIGKILL
        assert (first.status == Status.DONE).all()
        assert_right(first, truth)
        killer = when_done(archive, 0.1, scheduler.kill)
        with pytest.raises(
            RuntimeError, match="executor was lost; what was done is in the archive: run again to resume"
        ):
            run(measures.quick, archive, client.get_executor(), progress=False)
        killer.join()
    left = (archive.status == Status.TO_DO).sum()
    assert 0 < left < 600
    assert not archive.messages()
    assert archive.history[-1]["outcome"].startswith("RuntimeError: the executor was lost")
    run(measures.product, archive, Here(), progress=False)
    assert (archive.status == Status.DONE).all()
    assert_right(archive, truth)


def test_a_point_that_kills_dask_workers_is_found(tmp_path, truth):
    archive = new(tmp_path / "run.h5", 30)
    with dask(tmp_path, nanny=True) as (client, _):
        run(measures.fragile, archive, client.get_executor(), progress=False)
    assert archive.status[2, 2] == Status.DIED
    assert (archive.status[1] == Status.FAILED).all()
    assert (archive.status == Status.DONE).sum() == 30 - 4
    done = archive.status == Status.DONE
    np.testing.assert_array_equal(archive["noise"][done], truth["noise"][:10][done])


def test_a_pool_of_the_standard_library(tmp_path, truth):
    archive = new(tmp_path / "run.h5")
    with ProcessPoolExecutor(2) as pool:
        run(measures.product, archive, pool, progress=False)
    assert (archive.status == Status.DONE).all()
    assert_right(archive, truth)


def test_a_pool_of_the_standard_library_breaks(tmp_path, truth):
    archive = new(tmp_path / "run.h5", 30)
    with ProcessPoolExecutor(2) as pool, pytest.raises(RuntimeError, match="a run without an executor finds it"):
        run(measures.fragile, archive, pool, progress=False)
    assert not (archive.status == Status.DIED).any()
    run(measures.fragile, archive, workers=2, progress=False)
    assert archive.status[2, 2] == Status.DIED
    assert (archive.status == Status.DONE).sum() == 30 - 4


def test_an_executor_that_does_not_call_what_it_is_given(tmp_path):
    class Other(ProcessPoolExecutor):
        def submit(self, function, /, *arguments):
            future = Future()
            future.set_result(3)
            return future

    with pytest.raises(TypeError, match="the executor must return the result of each call; got int"):
        run(measures.product, new(tmp_path / "run.h5"), Other(1), progress=False)


def outcome(pace, left=None):
    records = Records.without_result(np.array([0]), Status.FAILED, "", {})
    return Outcome(Job(np.array([0])), ("here", 1), records, pace, left)


def test_jobs_are_as_long_as_they_should_be():
    """One block first; then half a second of blocks; less towards the end, but never less than pays."""
    queue = Queue(np.arange(10_000), shortest=0.05)
    taken = [queue.take(2)]
    assert len(taken[0].blocks) == 1
    queue.learn(outcome(0.01))
    while job := queue.take(2):
        taken.append(job)
    sizes = [len(job.blocks) for job in taken]
    assert sizes[1] == 50
    assert sizes == [1, *sorted(sizes[1:], reverse=True)]
    assert set(sizes[-3:-1]) == {5}
    np.testing.assert_array_equal(np.concatenate([job.blocks for job in taken]), np.arange(10_000))
    assert queue.take(2) is None


def test_slow_blocks_go_one_by_one():
    queue = Queue(np.arange(10), shortest=0.05)
    queue.take(2)
    queue.learn(outcome(3.0))
    assert [len(queue.take(2).blocks) for _ in range(9)] == [1] * 9


def test_what_a_worker_left_is_handed_out_again():
    queue = Queue(np.arange(4), shortest=10.0)
    queue.take(1)
    queue.learn(outcome(0.001))
    job = queue.take(1)
    np.testing.assert_array_equal(job.blocks, [1, 2, 3])
    assert queue.take(1) is None
    queue.learn(outcome(0.001, Job(job.blocks[1:])))
    np.testing.assert_array_equal(queue.take(1).blocks, [2, 3])


def test_a_worker_hands_in_what_it_has_when_its_job_is_longer_than_it_seemed(monkeypatch, tmp_path):
    archive = new(tmp_path / "run.h5")
    work = Call.of(measures.slow, Task(archive.contents))
    monkeypatch.setattr(computing, "HAND_IN", 0.12)
    done = work(Job(np.arange(100)))
    assert 1 <= len(done.records) < 10
    np.testing.assert_array_equal(done.left.blocks, np.arange(100)[len(done.records) :])
    assert done.pace >= 0.05


def test_a_measure_that_leaves_python_fails_only_its_point(tmp_path):
    archive = new(tmp_path / "run.h5", 6)
    run(measures.leaves, archive, workers=1, progress=False)
    assert (archive.status == Status.FAILED).all()
    assert set(archive.messages().values()) == {"SystemExit: 3 (measures.py, line 85)"}


def test_points_have_their_own_streams_whatever_the_block(tmp_path, truth):
    for block in ({"b": 1}, {"b": 2}, {"b": 7}, {"a": 4, "b": 2}):
        archive = new(tmp_path / f"{len(list(tmp_path.iterdir()))}.h5", 30, block)
        run(measures.of_streams, archive, Here(), progress=False)
        np.testing.assert_array_equal(archive["noise"], truth["noise"][:10])


@pytest.mark.slow
def test_a_million_points_in_a_gigabyte(tmp_path):
    """Planned, written, interrupted, resumed; the most memory that the parent ever had."""
    code = f"""
import resource, sys, numpy as np
sys.path.insert(0, {str(HERE)!r})
import measures
from cocycle import Archive, Grid, run
archive = Archive.resume({str(tmp_path / "run.h5")!r}, Grid({{"a": np.arange(1000), "b": np.arange(1000)}}),
                         outputs={{"product": (), "noise": (2,)}}, seed=1, fixed={{"shift": 0.5}})
run(measures.product, archive, workers=2)
print(repr(archive), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    first = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    time.sleep(15)
    first.send_signal(signal.SIGINT)
    first.wait(30)
    assert 0 < (Archive.open(tmp_path / "run.h5").status == Status.DONE).mean() < 1
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "1000000 done" in said
    assert int(said.split()[-1]) < 2**20  # kilobytes


def test_results_that_dask_fails_to_read_are_computed_again():
    """Its executor unpacks the result of a task whose worker was lost at that moment, and raises ValueError."""
    cfexecutor = pytest.importorskip("distributed.cfexecutor")
    lost: Future = Future()
    code = compile("typ, exc, tb = (1, 2, 3, 4)", cfexecutor.__file__, "exec")
    try:
        exec(code, {"__name__": cfexecutor.__name__})
    except ValueError as error:
        lost.set_exception(error)
    assert isinstance(engines._outcome(lost), ValueError)
    other: Future = Future()
    other.set_exception(ValueError("of another kind"))
    with pytest.raises(ValueError, match="of another kind"):
        engines._outcome(other)
