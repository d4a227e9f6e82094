"""What is promised around an archive: one writer, one file, complete means complete, workers that come and go."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import measures
import numpy as np
import pytest

from cocycle import Archive, Grid, cli, files, run
from cocycle.sweeps import AllFail, Status, arguments, locks, merge, provenance, refine, rerun, summary
from cocycle.sweeps.pool import Pool, TimedOut, WorkerDied
from cocycle.sweeps.records import Records
from here import Here

HERE = Path(__file__).parent


def new(path, grid=None, outputs=None, **settings):
    grid = grid or Grid({"x": np.arange(20.0)})
    return Archive.create(path, grid, outputs=outputs or {"y": ()}, seed=1, **settings)


def here(measure, archive, **settings):
    return run(measure, archive, Here(), progress=False, **settings)


def x_of(point, rng):
    return {"y": point["x"]}


def slowly(point, rng):
    time.sleep(0.05)
    return {"y": point["x"]}


# One writer, by whatever name


ALIASES = {
    "the same name": lambda path: path,
    "a hard link": lambda path: (os.link(path, path.with_name("hard.h5")), path.with_name("hard.h5"))[1],
    "a symbolic link": lambda path: (path.with_name("soft.h5").symlink_to(path), path.with_name("soft.h5"))[1],
    "another name": lambda path: path.rename(path.with_name("moved.h5")),
    "without its lock file": lambda path: (Path(f"{path}.lock").unlink(), path)[1],
}


@pytest.mark.parametrize("alias", ALIASES)
def test_no_second_writer(tmp_path, alias, monkeypatch):
    monkeypatch.setattr(locks, "WAIT", 0.1)
    archive = new(tmp_path / "run.h5")
    with archive.writer():
        other = Archive.open(ALIASES[alias](archive.path))
        with pytest.raises(BlockingIOError, match="is being written by another process"), other.writer():
            pass
        assert locks.is_being_written(other.path)
    assert not locks.is_being_written(other.path)
    with other.writer():  # and then it can be
        pass


def test_a_look_for_a_writer_keeps_none_out(tmp_path):
    archive, over = new(tmp_path / "run.h5"), threading.Event()

    def poll():
        while not over.is_set():
            locks.is_being_written(archive.path)

    thread = threading.Thread(target=poll)
    thread.start()
    for _ in range(60):
        with archive.writer():
            pass
    over.set()
    thread.join()


def test_readers_of_hdf5_are_not_kept_out(tmp_path):
    import h5py

    archive = new(tmp_path / "run.h5")
    with archive.writer(), h5py.File(archive.path, "r") as file:
        assert file["y"].shape == (20,)


def test_a_lock_that_is_a_link_of_another_file_is_not_written(tmp_path):
    archive, mine = here(x_of, new(tmp_path / "run.h5")), tmp_path / "mine.txt"
    lock = Path(f"{archive.path}.lock")
    for other in (archive.path, mine):
        mine.write_text("a lock of a backup")
        lock.unlink()
        os.link(other, lock)
        before = other.read_bytes()
        if other == mine:
            with archive.writer():
                pass
        else:
            with pytest.raises(PermissionError, match="lock holds something else; remove it"), archive.writer():
                pass
        assert other.read_bytes() == before


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_a_lock_that_is_no_file_is_not_touched(tmp_path, kind):
    archive, mine = new(tmp_path / "run.h5"), tmp_path / "mine.txt"
    mine.write_text("mine")
    lock = Path(f"{archive.path}.lock")
    {"link": lambda: lock.symlink_to(mine), "fifo": lambda: os.mkfifo(lock), "folder": lock.mkdir}[kind]()
    with pytest.raises(PermissionError, match=r"lock is no regular file; remove it"), archive.writer():
        pass
    assert mine.read_text() == "mine"


def test_a_full_disk_does_not_stop_a_sweep_whose_space_is_allocated(tmp_path, monkeypatch, caplog):
    archive, opened = new(tmp_path / "run.h5"), os.open

    def full(path, flags, *rest, **words):
        if str(path).endswith(".lock"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(path, flags, *rest, **words)

    monkeypatch.setattr(locks.os, "open", full)
    here(x_of, archive)
    monkeypatch.undo()
    assert (archive["y"] == np.arange(20)).all()
    assert "there is no room for" in caplog.text


# One file, from its first moment to its last


@pytest.mark.parametrize("how", ["copied", "removed", "moved"])
def test_an_archive_that_is_replaced_while_the_sweep_runs(tmp_path, how):
    archive = new(tmp_path / "run.h5", Grid({"x": np.arange(200.0)}))

    def replaced():
        while (archive.status == Status.DONE).sum() < 5:
            time.sleep(0.02)
        if how == "copied":
            shutil.copy(archive.path, tmp_path / "copy.h5")
            os.replace(tmp_path / "copy.h5", archive.path)
        elif how == "removed":
            archive.path.unlink()
        else:
            archive.path.rename(tmp_path / "moved.h5")

    thread = threading.Thread(target=replaced)
    thread.start()
    with pytest.raises(OSError, match="the sweep cannot go on in it") as caught:
        run(slowly, archive, workers=2, progress=False)
    thread.join()
    found = tmp_path / "moved.h5" if how == "moved" else next(tmp_path.glob("run.rescued-*.h5"))
    assert how == "moved" or str(found) in str(caught.value)
    rescued = Archive.open(found)
    done = rescued.status == Status.DONE
    assert 5 <= done.sum() < 200
    assert (rescued["y"][done] == np.arange(200)[done]).all()
    assert rescued.damage() == []
    here(x_of, rescued)
    assert (rescued["y"] == np.arange(200)).all()


def test_another_archive_written_over_it(tmp_path):
    """`cp` keeps the file and changes what is in it: nothing of one sweep may be sound in the archive of another."""
    archive, other = new(tmp_path / "run.h5"), tmp_path / "other.h5"
    Archive.create(other, archive.grid, outputs={"y": ()}, seed=2)
    with archive.writer() as writer:
        writer.commit(Records.done(np.array([3]), {"y": np.array([3.0])}))
        shutil.copyfile(other, archive.path)
        with pytest.raises(OSError, match="was overwritten: what was computed before is gone"):
            writer.commit(Records.done(np.array([4]), {"y": np.array([4.0])}))
        writer._put_down(Records.done(np.array([5]), {"y": np.array([5.0])}))  # between two looks
    again = Archive.open(archive.path)
    assert again.seed == 2
    assert again.damage() == ["the point (5,) is damaged"]


def test_threads_that_make_one_archive(tmp_path):
    outcomes = []

    def make():
        try:
            outcomes.append(new(tmp_path / "run.h5", Grid({"x": np.arange(2000.0)})))
        except FileExistsError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(outcome, Archive) for outcome in outcomes) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["run.h5"]


def test_a_file_system_without_hard_links(tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    new(tmp_path / "run.h5")
    assert Archive.open(tmp_path / "run.h5").damage() == []
    with pytest.raises(FileExistsError):
        new(tmp_path / "run.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["run.h5"]


def test_what_a_dead_process_left_is_removed(tmp_path):
    archive = new(tmp_path / "run.h5")
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = tmp_path / f".run.h5.{files._host()}-{dead.pid}-0123456789abcdef.aside.h5"
    alive = tmp_path / f".run.h5.{files._host()}-{os.getpid()}-0123456789abcdef.aside.h5"
    for path in (left, alive):
        path.write_text("half of it")
    with archive.writer():
        pass
    assert not left.exists()
    assert alive.exists()


def test_nothing_is_exported_onto_an_archive(tmp_path, capsys):
    path = here(x_of, new(tmp_path / "run.nc")).path
    before = path.read_bytes()
    assert cli.main(["export", str(path), "--output", str(path)]) == 2
    assert "is an archive, which an export would destroy" in capsys.readouterr().err
    assert cli.main(["plot", str(path), "--output", str(path)]) == 2
    assert path.read_bytes() == before
    (tmp_path / "out.csv").symlink_to(tmp_path / "elsewhere")
    assert cli.main(["export", str(path), "--output", str(tmp_path / "out.csv")]) == 0
    assert not (tmp_path / "elsewhere").exists()  # the link was replaced, not followed
    assert (tmp_path / "out.csv").read_text().startswith("x,")


def test_formulas_and_control_characters_are_text(tmp_path, capsys):
    grid = Grid({"kind": ["=1+1", "@x", "plain", "a\r=2"]})
    archive = new(tmp_path / "run.h5", grid, fixed={"title": "\x1b[31mred\a"})

    def measure(point, rng):
        if point["kind"] == "plain":
            raise ValueError("\x1b]0;owned\x07 and \x9b2J")
        return {"y": 1.0}

    here(measure, archive)
    said = summary(archive)
    assert "\\x1b[31mred\\x07" in said
    assert all(c.isprintable() or c == "\n" for c in said)
    assert cli.main(["show", str(archive.path)]) == 0
    assert cli.main(["export", str(archive.path), "--output", str(tmp_path / "run.csv")]) == 0
    assert all(c.isprintable() or c == "\n" for c in capsys.readouterr().out)
    assert "\n'=1+1," in (tmp_path / "run.csv").read_text()
    assert "\n'@x," in (tmp_path / "run.csv").read_text()
    assert len((tmp_path / "run.csv").read_bytes().splitlines()) == 5


@pytest.mark.parametrize("made", [lambda a, p: refine(a, p, "y", level=3.5, factor=2), lambda a, p: a.extended(p),
                                  lambda a, p: merge([a], p)])  # fmt: skip
def test_no_archive_is_made_of_a_damaged_one(tmp_path, made):
    """A copy of the damage would have a right checksum."""
    archive = here(x_of, new(tmp_path / "run.h5"))
    with archive.writer() as writer:
        writer._write("y", 7, np.array([[7.5]]))
    with pytest.raises(ValueError, match=r"run\.h5 is damaged: the point \(7,\)"):
        made(archive, tmp_path / "made.h5")
    assert not (tmp_path / "made.h5").exists()


@pytest.mark.parametrize("status", [Status.TO_DO, Status.FAILED, Status.LEFT_OUT, 77])
def test_a_changed_status_is_found_and_a_result_is_not_lost(tmp_path, status):
    archive = here(x_of, new(tmp_path / "run.h5"))
    with archive.writer() as writer:
        writer._write("status", 7, np.array([status], "u1"))
    assert "the point (7,)" in "; ".join(archive.damage())
    if status in (Status.TO_DO, Status.LEFT_OUT):  # the next writer counts it: nothing is computed again
        here(measures.by_reference, archive)
        assert (archive["y"] == np.arange(20)).all()
        assert archive.damage() == []


def test_a_point_to_do_that_is_said_to_be_left_out_is_computed(tmp_path, caplog):
    """One bit would make a sweep complete that is not."""
    archive = new(tmp_path / "run.h5")
    with archive.writer() as writer:
        writer._write("status", 7, np.array([Status.LEFT_OUT], "u1"))
    with pytest.raises(ValueError, match=r"is damaged: points are left out, although it is no refinement"):
        archive.extended()
    assert (here(x_of, archive)["y"] == np.arange(20)).all()
    assert archive.damage() == []
    assert "the status of points of" in caplog.text


def test_a_point_left_out_that_is_said_to_be_to_do_is_found(tmp_path):
    fine = refine(here(x_of, new(tmp_path / "run.h5")), tmp_path / "fine.h5", "y", level=3.5, factor=4)
    assert fine.damage() == []
    left = int(np.flatnonzero(fine.status == Status.LEFT_OUT)[3])
    to_do = int(np.flatnonzero(fine.status == Status.TO_DO)[0])
    with fine.writer() as writer:
        writer._write("status", left, np.array([Status.TO_DO], "u1"))
        writer._write("status", to_do, np.array([Status.LEFT_OUT], "u1"))
    said = "; ".join(fine.damage())
    assert f"the point ({left},) is said to be to do, and was left out" in said
    assert f"the point ({to_do},) is said to be left out, and was not" in said


# Results are those that were asked for


class Mistaken(Executor):
    """Changes the outcomes on their way."""

    def __init__(self, change):
        self._change = change

    def submit(self, function, /, *arguments):
        future = Future()
        outcome = function(*arguments)
        future.set_result(self._change(outcome) if outcome.records is not None else outcome)
        return future


def other_value(outcome):
    outcome.records.values["y"][0] += 1
    return outcome


def other_point(outcome):
    return outcome._replace(records=outcome.records.moved(outcome.records.points + 1))


def other_job(outcome):
    return outcome._replace(job=replace(outcome.job, blocks=outcome.job.blocks + 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_value, "values changed on their way from a worker"),
        (other_point, "the outcome of another job than was sent"),
        (other_job, "the outcome of another job than was sent"),
        (lambda outcome: outcome._replace(records=outcome.records[:0]), "the outcome of another job than was sent"),
    ],
)
def test_outcomes_that_are_not_those_of_their_jobs_are_refused(tmp_path, change, message):
    archive = new(tmp_path / "run.h5")
    with pytest.raises(RuntimeError, match=message):
        run(x_of, archive, Mistaken(change), progress=False)
    assert (archive.status == Status.TO_DO).all()


def test_a_sweep_whose_points_all_fail_stops(tmp_path, capsys):
    def failing(point, rng):
        raise ValueError(f"no {point['x']}")

    archive = new(tmp_path / "run.h5", Grid({"x": np.arange(500.0)}))
    with pytest.raises(AllFail, match="the first 10 calls of the measure all failed with one error, ValueError: no 0"):
        here(failing, archive)
    assert 10 <= (archive.status == Status.FAILED).sum() < 400
    few = new(tmp_path / "few.h5", Grid({"x": np.arange(10.0)}))
    assert (here(failing, few).status == Status.FAILED).all()

    def sometimes(point, rng):
        return failing(point, rng) if point["x"] % 2 else {"y": 1.0}

    mixed = new(tmp_path / "mixed.h5", Grid({"x": np.arange(500.0)}))
    assert (here(sometimes, mixed).status == Status.FAILED).sum() == 250


def test_the_error_of_a_block_comes_first(tmp_path):
    def measure(points, rngs):
        if len(rngs) > 1:
            raise KeyError("the first error")
        raise TypeError("another one, alone")

    archive = new(tmp_path / "run.h5", Grid({"x": np.arange(4.0)}, block={"x": 4}))
    here(measure, archive)
    assert {message.split(" (")[0] for message in archive.messages().values()} == {"KeyError: 'the first error'"}


def test_a_block_that_fails_whose_points_do_not_is_told(tmp_path, caplog):
    def measure(points, rngs):
        if len(rngs) > 1:
            raise KeyError("together")
        return {"y": points["x"]}

    archive = here(measure, new(tmp_path / "run.h5", Grid({"x": np.arange(4.0)}, block={"x": 4})))
    assert (archive["y"] == np.arange(4)).all()
    assert "a block fails whose points, alone, do not, at x = 0: KeyError: 'together'" in caplog.text


def test_what_cannot_be_sent_is_named(tmp_path):
    lock = threading.Lock()
    with pytest.raises(ValueError, match="the measure uses 'lock', a lock, which cannot be sent to workers"):
        run(lambda point, rng: {"y": bool(lock)}, new(tmp_path / "run.h5"), progress=False)


# Workers


def test_a_point_that_takes_too_long_has_failed(tmp_path):
    def measure(point, rng):
        time.sleep(60 if point["x"] == 7 else 0.01)
        return {"y": point["x"]}

    archive = new(tmp_path / "run.h5")
    begun = time.monotonic()
    run(measure, archive, workers=2, timeout=1.0, progress=False)
    assert time.monotonic() - begun < 30
    assert archive.messages() == {(7,): "TimedOut: took longer than timeout = 1 s"}
    assert (archive.status == Status.DONE).sum() == 19
    with pytest.raises(ValueError, match="timeout must be None with an executor"):
        here(measure, archive, timeout=1.0)


def test_a_late_point_of_a_block_spares_the_others(tmp_path):
    def measure(points, rngs):
        time.sleep(60 if (points["x"] == 2).any() else 0.01)
        return {"y": points["x"]}

    archive = new(tmp_path / "run.h5", Grid({"x": np.arange(6.0)}, block={"x": 3}))
    run(measure, archive, workers=1, timeout=0.4, progress=False)
    assert list(archive.messages()) == [(2,)]
    assert (archive.status == Status.DONE).sum() == 5


def test_one_worker_that_dies_takes_no_other_with_it(tmp_path):
    """What the others compute, for hours perhaps, is not begun again."""
    with Pool(2) as pool:
        slow = pool.submit(time.sleep, 2.0)
        time.sleep(0.1)
        dead = [pool.submit(os._exit, 3) for _ in range(2)]
        for future in dead:
            with pytest.raises(WorkerDied, match="ended with status 3"):
                future.result(30)
        assert slow.result(10) is None


def test_a_point_whose_worker_is_killed_from_outside_is_tried_again(tmp_path):
    """Every worker is killed again and again while it computes the only point that is left."""
    archive, kills = new(tmp_path / "run.h5", Grid({"x": [1.0]})), 4
    begun, over = tmp_path / "begun", threading.Event()  # the workers that began with the point, one a line
    begun.touch()

    def measure(point, rng):
        with open(begun, "a") as file:
            file.write(f"{os.getpid()}\n")
        if len(begun.read_text().split()) <= kills:
            time.sleep(60)  # until it is killed
        return {"y": 1.0}

    def killer():
        killed = 0
        while killed < kills and not over.wait(0.02):
            workers = begun.read_text().splitlines(keepends=True)
            if len(workers) > killed and workers[killed].endswith("\n"):
                os.kill(int(workers[killed]), signal.SIGKILL)
                killed += 1

    thread = threading.Thread(target=killer)
    thread.start()
    run(measure, archive, workers=1, progress=False)
    over.set()
    thread.join()
    assert archive.status[0] == Status.DONE
    assert len(begun.read_text().split()) == kills + 1


def test_a_deadline_is_of_the_call(tmp_path):
    from cocycle.sweeps.worker_process import Deadline

    with Pool(1) as pool:
        future = pool.submit(measures.beyond_its_deadline)
        with pytest.raises(TimedOut) as caught:
            future.result(30)
        assert caught.value.part == 42
        assert pool.submit(max, 1, 2).result(30) == 2
    assert Deadline.shared is None


@pytest.mark.parametrize("leaves", ["thread", "process"])
def test_what_a_measure_leaves_behind_does_not_keep_the_sweep(tmp_path, leaves):
    archive = new(tmp_path / "run.h5", Grid({"x": [1.0, 2.0]}))
    begun = time.monotonic()
    run(getattr(measures, f"leaves_a_{leaves}"), archive, workers=1, progress=False)
    assert time.monotonic() - begun < 20
    assert (archive.status == Status.DONE).all()
    if leaves == "process":
        left = [int(pid) for pid in archive["y"]]
        until = time.monotonic() + 5
        while any(_alive(pid) for pid in left) and time.monotonic() < until:
            time.sleep(0.05)
        assert not any(_alive(pid) for pid in left)


def test_workers_die_with_a_parent_also_while_they_hold_the_lock_of_python(tmp_path):
    """A long call of C that keeps Python's lock: no thread of the worker can look whether its parent lives."""
    path = new(tmp_path / "run.h5", Grid({"x": [1.0]})).path
    code = (
        f"import sys; sys.path.insert(0, {str(HERE)!r})\nimport measures\nfrom cocycle import Archive, run\n"
        f"run(measures.holds_the_lock, Archive.open({str(path)!r}), workers=1)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not (tmp_path / "worker").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    time.sleep(0.2)
    worker = int((tmp_path / "worker").read_text())
    process.kill()
    process.wait()
    until = time.monotonic() + 3
    while _alive(worker) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _alive(worker)


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


class Counting(ThreadPoolExecutor):
    """Counts how often a measure was sent."""

    sent = 0

    def submit(self, function, /, *arguments):
        type(self).sent += function.measure.data is not None
        return super().submit(function, *arguments)


def test_the_measure_goes_to_a_process_once(tmp_path):
    data = np.ones(10**6)

    def measure(point, rng):
        time.sleep(0.01)
        return {"y": data[0]}

    with Counting(2) as threads:
        run(measure, new(tmp_path / "run.h5", Grid({"x": np.arange(100.0)})), threads, progress=False)
    assert Counting.sent == 1


def test_a_search_loads_its_measure_once(tmp_path):
    """Each run has a task of its own, with the rows of that moment; the measure stays, and with it what it caches."""
    table = Archive.table(tmp_path / "run.h5", {"x": float}, capacity=20, outputs={"y": ()}, seed=1)
    measures.LOADS.clear()
    with ThreadPoolExecutor(1) as executor:
        for x in np.arange(20.0):
            table.append([{"x": x}])
            run(measures.Loaded(), table, executor, progress=False)
    assert len(measures.LOADS) == 1
    np.testing.assert_array_equal(table["y"], np.arange(20.0))


def test_bits_do_not_depend_on_who_computes(tmp_path):
    """Neither on processes, threads, this one, or blocks, although linear algebra would use several threads."""
    grid = Grid({"x": np.arange(6.0)})
    truth = run(measures.inverse, new(tmp_path / "own.h5", grid), workers=2, progress=False)["y"]
    for name, executor in (("threads", ThreadPoolExecutor(3)), ("processes", ProcessPoolExecutor(2)), ("here", Here())):
        with executor:
            archive = run(measures.inverse, new(tmp_path / f"{name}.h5", grid), executor, progress=False)
        np.testing.assert_array_equal(archive["y"], truth)
    blocks = new(tmp_path / "blocks.h5", Grid({"x": np.arange(6.0)}, block={"x": 4}))
    np.testing.assert_array_equal(run(measures.inverses, blocks, workers=1, progress=False)["y"], truth)


def test_a_measure_called_by_hand_gives_the_archived_bits(tmp_path):
    """Where one thread more would give other last digits: in a process with as many threads as there are cores."""
    code = f"""
import sys; sys.path.insert(0, {str(HERE)!r})
import measures
import numpy as np
from cocycle import Archive, Grid, run
from cocycle.sweeps import arguments, rerun
if __name__ == "__main__":
    archive = Archive.create("run.h5", Grid({{"x": np.arange(3.0)}}), outputs={{"y": ()}}, seed=1)
    run(measures.inverse, archive, workers=1)
    print(measures.inverse(*arguments(archive, {{"x": 2.0}}))["y"] == archive["y"][2], rerun(archive, (2,)).same)
"""
    several = os.environ | {f"{name}_NUM_THREADS": "2" for name in ("OMP", "OPENBLAS", "MKL")}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=several, capture_output=True, text=True,
                          check=True)  # fmt: skip
    assert done.stdout.split() == ["True", "True"]
    assert "linear algebra has one thread in this process from now on" in done.stderr


LATE = """
import os, sys
from concurrent.futures import ProcessPoolExecutor
from cocycle import Archive, Grid, run

def measure(point, rng):
    import torch
    return {"y": torch.get_num_threads()}

if __name__ == "__main__":
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "2"
    archive = Archive.create("run.h5", Grid({"x": [1.0, 2.0, 3.0]}), outputs={"y": ()}, seed=1)
    with ProcessPoolExecutor(1) as pool:
        print(run(measure, archive, pool)["y"])
"""


def test_a_library_that_a_point_loads_has_one_thread_from_its_first_point_on(tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "script.py").write_text(LATE)
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[1. 1. 1.]"


# Archives of any kind


def test_axes_of_bools_and_none(tmp_path):
    xarray = pytest.importorskip("xarray")
    grid = Grid({"bias": [False, True], "leak": [None, 0.5], "kind": ["a", None]})
    archive = new(tmp_path / "run.h5", grid)

    def measure(point, rng):
        assert type(point["bias"]) is bool
        return {"y": 4 * point["bias"] + 2 * (point["leak"] is None) + (point["kind"] is None)}

    here(measure, archive)
    again = Archive.open(archive.path)
    assert again.grid == grid
    assert again["y"].tolist() == [[[2, 3], [0, 1]], [[6, 7], [4, 5]]]
    assert again.point(bias=True, leak=None, kind="a")["y"] == 6
    assert again.grid.index_at({"bias": "True", "leak": "None", "kind": "a"}) == (1, 0, 0)
    data = xarray.load_dataset(archive.path, engine="h5netcdf")
    assert data.y.sel(bias=True, leak="0.5", kind="None") == 5
    assert again.sel(bias=True, leak=None).y.values.tolist() == [6, 7]
    assert rerun(again, {"bias": True, "leak": 0.5, "kind": None}, measure).same
    with pytest.raises(ValueError, match="axis 'x' must hold numbers or strings or bools, of one kind"):
        Grid({"x": [True, 2]})


def test_three_thousand_outputs(tmp_path):
    outputs = {f"output{i}": () for i in range(3000)}
    archive = new(tmp_path / "run.h5", Grid({"x": [1.0, 2.0]}), outputs)
    here(lambda point, rng: {name: point["x"] * i for i, name in enumerate(outputs)}, archive)
    again = Archive.open(archive.path)
    assert again["output2999"].tolist() == [2999, 5998]
    assert again.damage() == []


def test_an_archive_that_was_never_run_is_shown(tmp_path, capsys):
    assert cli.main(["show", str(new(tmp_path / "run.h5").path)]) == 0
    assert capsys.readouterr().out.endswith("runs\n  none\n")


def test_counts_that_no_memory_holds(tmp_path, capsys):
    (tmp_path / "s.toml").write_text(
        'measure = "measures:product"\nseed = 1\n[axes]\nx = { count = 1000000000000 }\n[outputs]\ny = []\n'
    )
    assert cli.main(["sweep", str(tmp_path / "s.toml")]) == 2
    assert "axes.x.count must be an integer in 1..10000000; got 1000000000000" in capsys.readouterr().err
    with pytest.raises(ValueError, match="a grid must have at most 1000000000 points; got 10000000000"):
        Grid({"a": np.arange(10**5), "b": np.arange(10**5)})


def test_verifying_and_merging_take_little_memory(tmp_path):
    """Of an archive of 400 MB, less than a quarter of that beside what is there anyway."""
    code = """
import resource, sys, numpy as np
from cocycle import Archive, Grid
from cocycle.sweeps import merge
from cocycle.sweeps.records import Records
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
archive = Archive.create("run.h5", Grid({"x": np.arange(500)}), outputs={"y": (100_000,)}, seed=1)
with archive.writer() as writer:
    for i in range(500):
        writer.commit(Records.done(np.array([i]), {"y": np.full((1, 100_000), float(i))}))
before = peak()
assert archive.damage() == []
verified = peak()
assert merge([archive], "merged.h5").damage() == []
print(verified - before, peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert max(map(float, done.stdout.split())) < 100


def test_arguments_are_those_of_the_points_that_are_computed(tmp_path):
    archive = here(x_of, new(tmp_path / "run.h5", Grid({"x": np.arange(5.0)})))
    fine = refine(archive, tmp_path / "fine.h5", "y", level=2.5, factor=4)
    point, _ = arguments(fine, {"x": 2.5})
    assert point == {"x": 2.5}


@pytest.mark.parametrize(("module", "function"), [("antigravity", "geohash"), ("cocycle.cli.doctor", "report")])
def test_no_library_is_imported_on_the_word_of_an_archive(tmp_path, module, function):
    """Its text is public, so that the maker of an archive can note the right digest; importing it may act."""
    archive = new(tmp_path / "run.h5")
    file = provenance.file_of_module(module)
    facts = {"event": "start", "module": module, "name": function, "file": str(file), "named": True, "source": ""}
    with archive.writer() as writer:
        writer.note({**facts, "digests": {module: provenance.digest_of(file)}})
    loaded = module in sys.modules
    with pytest.raises(ValueError, match="is of a library and not imported on the word of a file"):
        rerun(archive, (0,))
    assert (module in sys.modules) == loaded


def test_odd_histories_are_shown(tmp_path):
    archive = new(tmp_path / "run.h5")
    with archive.writer() as writer:
        for note in ({"event": "assembled", "parts": 5}, {"event": "start", "digests": 3, "name": []}, {"no": "event"}):
            writer.note(note)
    assert "made of others" in summary(archive)
    here(x_of, archive)
    assert (archive["y"] == np.arange(20)).all()


def test_repacked_archives_are_read_and_verified_but_not_written(tmp_path):
    import h5py

    archive, path = here(x_of, new(tmp_path / "run.h5", Grid({"x": np.arange(50.0), "k": [1, 2]}))), tmp_path / "re.h5"
    with h5py.File(archive.path) as file, h5py.File(path, "w") as target:
        for name, value in file.attrs.items():
            target.attrs[name] = value
        for name in file:
            if name != "provenance":
                data = file[name][()]
                target.create_dataset(name, data=data, chunks=True, compression="gzip" if data.ndim else None)
        file.copy("provenance", target)
    again = Archive.open(path)
    assert (again["y"] == archive["y"]).all()
    assert again.damage() == []
    assert again.records(np.array([7, 30, 99])).values["y"].tolist() == [3, 15, 49]
    with pytest.raises(ValueError, match="was repacked: it can be read, but not written"), again.writer():
        pass
