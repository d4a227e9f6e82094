"""The same seed gives the same archive whatever the workers, the order, the failures and the interruptions."""

import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path

import measures
import numpy as np
import pytest
from threadpoolctl import threadpool_info

from cocycle import Archive, Grid, run
from cocycle.sweeps import Status
from cocycle.sweeps.workers import held_back, insistent_interrupt
from here import Here

AXES = {"a": np.arange(4), "b": np.array([10.0, 20.0, 30.0])}
HERE = Path(__file__).parent


def new(path, block=None, common=()):
    grid = Grid(AXES, block=block, common=common)
    return Archive.create(path, grid, outputs={"product": (), "noise": (2,)}, seed=11, fixed={"shift": 0.5})


def values(archive):
    return archive["product"], archive["noise"]


@pytest.fixture(autouse=True)
def listening():
    """Tests that a shell started in the background ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    archive = new(tmp_path_factory.mktemp("reference") / "run.h5")
    run(measures.product, archive, workers=1, progress=False)
    return values(archive)


def test_one_worker_does_every_point(reference):
    product, noise = reference
    np.testing.assert_array_equal(product, np.multiply.outer(AXES["a"], AXES["b"]) + 0.5)
    assert len(np.unique(noise)) == noise.size  # a random stream for each point


@pytest.mark.parametrize("executor", [None, "threads"])
def test_workers_do_not_matter(tmp_path, reference, executor):
    archive = new(tmp_path / "run.h5")
    if executor is None:
        run(measures.product, archive, workers=2, progress=False)
    else:
        with ThreadPoolExecutor(3) as threads:
            run(measures.product, archive, threads, progress=False)
    for mine, theirs in zip(values(archive), reference, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_closure_can_be_sent(tmp_path):
    archive, factor = new(tmp_path / "run.h5"), 3.0
    run(
        lambda point, rng: {"product": factor * point["a"], "noise": [0, 0]},
        archive,
        workers=1,
        progress=False,
    )
    np.testing.assert_array_equal(archive["product"][:, 0], factor * AXES["a"])


def test_failures_are_kept_apart_and_the_rest_is_done(tmp_path, reference):
    archive = new(tmp_path / "run.h5")
    run(measures.fragile, archive, workers=2, progress=False)
    status = archive.status
    assert (status[1] == Status.FAILED).all()
    assert status[2, 2] == Status.DIED
    assert (status == Status.DONE).sum() == 8
    assert archive.messages()[1, 0] == "RuntimeError: one is not welcome (measures.py, line 30)"
    assert "worker died" in archive.messages()[2, 2]
    done = status == Status.DONE
    np.testing.assert_array_equal(archive["noise"][done], reference[1][done])
    assert np.isnan(archive["product"][~done]).all()

    run(measures.product, archive, workers=1, progress=False)  # nothing is to do
    assert (archive.status == status).all()
    run(measures.product, archive, Here(), retry=True, progress=False)
    for mine, theirs in zip(values(archive), reference, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert archive.messages() == {}


def test_points_of_a_block_may_share_a_stream_and_a_bad_one_spoils_only_itself(tmp_path):
    archive = new(tmp_path / "run.h5", block={"a": 3}, common=["a"])
    run(measures.block, archive, workers=2, progress=False)
    assert (archive.status == np.where(AXES["a"] == 2, Status.FAILED, Status.DONE)[:, None]).all()
    noise = archive["noise"][[0, 1, 3]]
    assert (noise == noise[:1]).all()
    assert len(np.unique(noise)) == 3  # one for each b


def test_a_point_that_kills_its_worker_spares_the_others_of_its_block(tmp_path):
    grid = Grid({"a": AXES["a"], "b": [10.0]}, block={"a": 4})
    outputs = {"product": (), "noise": (2,)}
    archive = Archive.create(tmp_path / "run.h5", grid, outputs=outputs, seed=11, fixed={"shift": 0.5})
    run(measures.deadly_block, archive, workers=2, progress=False)
    assert (archive.status == np.where(AXES["a"] == 2, Status.DIED, Status.DONE)[:, None]).all()


def test_retry_leaves_what_is_done_as_it_is(tmp_path):
    archive = new(tmp_path / "run.h5", block={"a": 4})
    run(measures.block, archive, Here(), progress=False)
    before = archive["product"]
    run(measures.another_block, archive, Here(), retry=True, progress=False)
    assert (archive.status == Status.DONE).all()
    done = np.isfinite(before)
    np.testing.assert_array_equal(archive["product"][done], before[done])
    assert (archive["product"][~done] > 1000).all()


def test_a_large_executor_is_kept_busy(tmp_path):
    archive = Archive.create(tmp_path / "run.h5", Grid({"a": np.arange(60)}), outputs={"y": ()}, seed=1)
    with ThreadPoolExecutor(30) as pool:
        run(measures.crowd, archive, executor=pool, progress=False)
    assert measures.CROWD["most"] > 20
    assert (archive.status == Status.DONE).all()


def test_a_run_that_stops_cancels_what_waits(tmp_path):
    archive = Archive.create(tmp_path / "run.h5", Grid({"a": np.arange(60)}), outputs={"y": ()}, seed=1)
    with ThreadPoolExecutor(2) as pool, pytest.raises(ValueError, match="measure must return"):
        run(measures.mistaken, archive, executor=pool, progress=False)
    assert measures.CROWD["mistaken"] < 10


class Lost(ThreadPoolExecutor):
    """An executor whose scheduler dies: what waits is cancelled."""

    def submit(self, function, *arguments):
        future = super().submit(time.sleep, 0)
        return future if future.cancel() else super().submit(function, *arguments)


def test_a_lost_executor_says_that_the_run_can_be_resumed(tmp_path):
    archive = Archive.create(tmp_path / "run.h5", Grid({"a": np.arange(60)}), outputs={"y": ()}, seed=1)
    with Lost(1) as pool:
        pool.submit(time.sleep, 1.0)
        with pytest.raises(RuntimeError, match="run again to resume"):
            run(measures.crowd, archive, executor=pool, progress=False)
    assert (archive.status != Status.FAILED).all()


def test_threads_of_an_executor_leave_the_limits_as_they_were(tmp_path):
    def threads():
        return [pool["num_threads"] for pool in threadpool_info()]

    before = threads()
    archive = Archive.create(tmp_path / "run.h5", Grid({"a": np.arange(12)}), outputs={"y": ()}, seed=1)
    with ThreadPoolExecutor(3) as pool:
        run(measures.crowd, archive, executor=pool, progress=False)
    assert threads() == before
    assert measures.CROWD["threads"] == {1}


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ({"product": 1.0}, r"measure must return a mapping, \{'noise': ..., 'product': ...\}; got \['product'\]"),
        (1.0, r"measure must return a mapping, \{'noise': ..., 'product': ...\}; got float"),
        ({"product": 1.0, "noise": [1.0]}, r"measure must return noise of shape \(2,\); got \(1,\)"),
    ],
)
def test_a_measure_that_does_not_fit_its_archive_stops_the_run(tmp_path, returned, message):
    archive = new(tmp_path / "run.h5")
    with pytest.raises(ValueError, match=message):
        run(lambda point, rng: returned, archive, Here(), progress=False)
    assert (archive.status == Status.TO_DO).all()


def test_bad_workers(tmp_path):
    with pytest.raises(ValueError, match="workers must be an integer of at least 1; got 0"):
        run(measures.product, new(tmp_path / "run.h5"), workers=0)
    with pytest.raises(ValueError, match="workers must be an integer of at least 1; got '2'"):
        run(measures.product, new(tmp_path / "other.h5"), workers="2")
    with pytest.raises(TypeError, match="run takes a function and an Archive, in this order; got Archive and function"):
        run(new(tmp_path / "third.h5"), measures.product)


def test_failures_are_logged_with_the_remedy(tmp_path, caplog):
    def failing(point, rng):
        raise RuntimeError("no luck")

    archive = long(tmp_path / "run.h5")
    with pytest.raises(RuntimeError, match=r"the first 10 calls .* with one error, RuntimeError: no luck \(test"):
        run(failing, archive, workers=1, progress=False)
    assert 10 <= (archive.status == Status.FAILED).sum() < 120
    assert archive.history[-1]["outcome"].startswith("AllFail: the first 10 calls")
    run(failing, archive, Here(), progress=False, keep_going=True)
    assert (archive.status == Status.FAILED).all()
    assert "no luck" in caplog.text
    assert "archive.messages() has them all, retry=True, or --retry, computes them again" in caplog.text


def test_workers_have_one_thread(tmp_path):
    from threadpoolctl import threadpool_info

    def threads(point, rng):
        return {"product": max(pool["num_threads"] for pool in threadpool_info()), "noise": [0, 0]}

    archive = new(tmp_path / "run.h5")
    run(threads, archive, workers=2, progress=False)
    assert (archive["product"] == 1).all()


SCRIPT = """
import sys
sys.path.insert(0, {here!r})
import measures
from cocycle import Archive, run
archive = Archive.open({path!r})
print("start", flush=True)
run(measures.slow, archive, workers=2)
"""


def started(path):
    """A script without a __main__ guard that sweeps, once it has finished some points."""
    code = SCRIPT.format(here=str(HERE), path=str(path))
    script = path.with_name("script.py")
    script.write_text(code)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, script], **pipes, text=True, start_new_session=True)


def wait_for_results(archive, process, count):
    until = time.monotonic() + 60
    while (archive.status == Status.DONE).sum() < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)


def long(path):
    grid = Grid({"a": np.arange(40), "b": AXES["b"]})
    return Archive.create(path, grid, outputs={"product": (), "noise": (2,)}, seed=11, fixed={"shift": 0.5})


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    archive = long(tmp_path_factory.mktemp("whole") / "run.h5")
    run(measures.product, archive, Here(), progress=False)
    return values(archive)


@pytest.mark.parametrize("killer", [signal.SIGKILL, signal.SIGINT])
def test_killed_and_resumed_is_the_same_as_never_killed(tmp_path, uninterrupted, killer):
    archive = long(tmp_path / "run.h5")
    process = started(archive.path)
    wait_for_results(archive, process, 10)
    process.send_signal(killer)
    asked = time.monotonic()
    process.communicate(timeout=30)
    assert time.monotonic() - asked < 5, "an interrupted sweep stops at once"
    assert process.returncode != 0
    done = archive.status == Status.DONE
    assert 10 <= done.sum() < done.size
    for mine, theirs in zip(values(archive), uninterrupted, strict=True):
        np.testing.assert_array_equal(mine[done], theirs[done])
    run(measures.product, archive, workers=2, progress=False)
    for mine, theirs in zip(values(archive), uninterrupted, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.15, 0.3, 0.6])
def test_ctrl_c_at_a_terminal_while_workers_start(tmp_path, delay):
    """A terminal sends SIGINT to workers too: they must neither answer with tracebacks nor keep the parent waiting."""
    process = started(long(tmp_path / "run.h5").path)
    assert process.stdout.readline() == "start\n"
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode != 0
    assert said.count("Traceback") == 1, said
    assert said.rstrip().endswith("KeyboardInterrupt")


class Dropping:
    """An object whose end is where an interrupt is lost."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_python_drops_is_not_lost(tmp_path):
    class Unlucky(Future):
        def result(self, timeout=None):
            Dropping()
            return super().result(timeout)

    class Here(Executor):
        def submit(self, call, /, *arguments):
            done = Unlucky()
            done.set_result(call(*arguments))
            return done

    with pytest.raises(KeyboardInterrupt):
        run(measures.product, new(tmp_path / "run.h5"), Here(), progress=False)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def interrupted_while_an_exception_is_handled():
    try:
        raise AttributeError
    except AttributeError:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)


def test_an_interrupt_while_an_exception_is_handled_is_reported_alone():
    """As where pathlib looks for an attribute that it does not have yet: one traceback, that of Ctrl-C."""
    with pytest.raises(KeyboardInterrupt) as raised, insistent_interrupt():
        interrupted_while_an_exception_is_handled()
    assert "".join(traceback.format_exception(raised.value)).count("Traceback") == 1


class LostWhileItIsSent:
    """A measure on whose way to the workers an interrupt is lost, before the first point."""

    def __call__(self, point, rng):
        return measures.product(point, rng)

    def __reduce__(self):
        Dropping()
        return LostWhileItIsSent, ()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_is_lost_before_the_first_point(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(LostWhileItIsSent(), new(tmp_path / "run.h5"), Here(), progress=False)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_that_another_thread_takes_is_held_back_too():
    """The mask of one thread does not keep a signal from the others, those of linear algebra for example."""
    done, reached = threading.Event(), []
    other = threading.Thread(target=done.wait)
    other.start()

    def interrupted():
        with held_back(signal.SIGINT):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)
            reached.append(True)

    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted()
    finally:
        done.set()
        other.join()
    assert reached
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_no_worker_outlives_its_parent(tmp_path):
    archive = long(tmp_path / "run.h5")
    process = started(archive.path)
    wait_for_results(archive, process, 5)
    table = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in table.splitlines()]
    workers = [pid for pid, parent in pairs if parent == process.pid]
    assert workers
    process.kill()
    process.communicate()
    until = time.monotonic() + 10
    while any(_alive(pid) for pid in workers) and time.monotonic() < until:
        time.sleep(0.1)
    assert not [pid for pid in workers if _alive(pid)]


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
