"""What a strict reviewer broke: unusual measures, moved folders, links, forks, scripts that do more than define."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial, wraps
from multiprocessing import get_context
from pathlib import Path

import measures
import numpy as np
import pytest
import xarray

from cocycle import Archive, Grid, cli, run
from cocycle.studies import reservoir_constraints
from cocycle.sweeps import Status, arguments, crossings, locks, merge, refine, rerun, summary, watch
from cocycle.sweeps import show as show_module
from cocycle.sweeps.computing import Call
from cocycle.sweeps.jobs import Job
from cocycle.sweeps.pickling import Sent
from cocycle.sweeps.records import Records
from cocycle.sweeps.run import task_of

ONE = {"y": ()}


def new(path, grid=None, **settings):
    return Archive.create(path, grid or Grid({"a": [1.0, 2.0, 3.0]}), outputs=settings.pop("outputs", ONE), seed=1,
                          **settings)  # fmt: skip


def computed(measure, archive, **settings):
    with ThreadPoolExecutor(1) as threads:
        return run(measure, archive, threads, progress=False, **settings)


@pytest.mark.parametrize("kinds", [np.array(["a", "bcd"], dtype="U10"), ["full", "second"]])
def test_strings_of_any_width_open_again(tmp_path, kinds):
    grid = Grid({"kind": kinds})
    assert Archive.open(new(tmp_path / "whole.h5", grid).path).grid == grid
    part = grid.part(1, 2)
    assert Archive.open(new(tmp_path / "part.h5", part).path).grid == part


def test_a_measure_may_use_its_arrays_again(tmp_path):
    archive = new(tmp_path / "run.h5", Grid({"a": np.arange(60.0)}), outputs={"y": (3,)})
    run(measures.of_a_buffer, archive, workers=1, progress=False)
    np.testing.assert_array_equal(archive["y"], np.repeat(np.arange(60.0)[:, None], 3, axis=1))


def test_a_measure_may_change_its_settings(tmp_path):
    archive = new(tmp_path / "run.h5", Grid({"a": np.arange(20)}), fixed={"taps": [1, 2]})

    def measure(point, rng):
        point["taps"].append(3)
        return {"y": len(point["taps"])}

    computed(measure, archive)
    assert (archive["y"] == 3).all()
    assert archive.fixed == {"taps": [1, 2]}


@pytest.mark.parametrize(
    "value", [1 + 2j, np.complex128(1), None, "3.5", np.ma.masked, np.datetime64("2020-01-01"), [1.0, None]]
)
def test_what_is_no_real_number_is_not_stored(tmp_path, value):
    archive = new(tmp_path / "run.h5")
    with pytest.raises(ValueError, match="measure must return y in real numbers; got"):
        computed(lambda point, rng: {"y": value}, archive)
    assert (archive.status == Status.TO_DO).all()


@pytest.mark.parametrize("value", [True, np.int8(3), 2, np.float32(0.5), np.array(4)])
def test_real_numbers_of_any_kind_are(tmp_path, value):
    assert (computed(lambda point, rng: {"y": value}, new(tmp_path / "run.h5"))["y"] == float(value)).all()


class Mute(Exception):
    def __str__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("bad \udcff"), "ValueError: bad \\udcff (test_edges.py, line "),
        (Mute(), "Mute (test_edges.py, line "),
        (asyncio.CancelledError("late"), "CancelledError: late (test_edges.py, line "),
        (ValueError("ö" * 300), "ValueError: " + "ö" * 79),
    ],
)
def test_an_error_of_any_kind_fails_its_point_only(tmp_path, error, message):
    def measure(point, rng):
        if point["a"] == 2:
            raise error
        return {"y": 1.0}

    archive = computed(measure, new(tmp_path / "run.h5"))
    assert list(archive.status) == [Status.DONE, Status.FAILED, Status.DONE]
    assert list(archive.messages()) == [(1,)]
    assert archive.messages()[(1,)].startswith(message)


def test_an_archive_is_found_from_another_folder(tmp_path, monkeypatch):
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path)
    first, second = new("x.h5"), new("b/x.h5", Grid({"a": [10.0, 20.0, 30.0]}))
    monkeypatch.chdir(tmp_path / "b")
    computed(lambda point, rng: {"y": point["a"]}, first)
    assert (first["y"] == [1, 2, 3]).all()
    assert (second.status == Status.TO_DO).all()
    assert repr(second).startswith("Archive x.h5: ")
    assert repr(first).startswith(f"Archive {tmp_path / 'x.h5'}: ")


def test_an_archive_that_was_replaced_is_not_written(tmp_path):
    archive = new(tmp_path / "run.h5")
    archive.path.unlink()
    other = new(tmp_path / "run.h5", Grid({"a": [7.0]}))
    with pytest.raises(ValueError, match=r"is no longer the archive that was opened, but that of: a: 1 values"):
        computed(lambda point, rng: {"y": point["a"]}, archive)
    assert (other.status == Status.TO_DO).all()


def test_a_link_has_the_lock_of_its_file(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "WAIT", 0.1)
    archive = new(tmp_path / "run.h5")
    (tmp_path / "link.h5").symlink_to("run.h5")
    linked = Archive.open(tmp_path / "link.h5").writer()
    with archive.writer(), pytest.raises(BlockingIOError, match=r"run\.h5 is being written by"), linked:
        pass


def test_a_process_forked_meanwhile_does_not_keep_the_lock(tmp_path):
    archive, context = new(tmp_path / "run.h5"), get_context("fork")
    with archive.writer():
        begun = context.Event()
        child = context.Process(target=measures.lingering, args=(begun,))
        child.start()
        assert begun.wait(10)
    with archive.writer():  # the child lives, the lock is free
        assert child.is_alive()
    child.kill()
    child.join()


def test_an_error_of_the_executor_keeps_its_words(tmp_path):
    class Forbidden(ThreadPoolExecutor):
        def submit(self, *arguments):
            raise PermissionError(13, "Permission denied", "/usr/bin/ssh")

    with pytest.raises(PermissionError, match=r"\[Errno 13\] Permission denied: '/usr/bin/ssh'"):
        run(measures.height, new(tmp_path / "run.h5"), Forbidden(1), progress=False)


@pytest.mark.parametrize("executor", [4, ThreadPoolExecutor])
def test_what_is_no_executor_is_refused_before_anything(tmp_path, executor):
    archive = new(tmp_path / "run.h5")
    with pytest.raises(TypeError, match=r"executor must be a concurrent\.futures\.Executor; got"):
        run(measures.height, archive, executor)
    assert archive.history == []


def test_a_block_that_failed_for_a_moment_is_computed_whole(tmp_path):
    calls = []

    def measure(point, rng):
        calls.append(len(point["a"]))
        if len(calls) == 1:
            raise MemoryError
        return {"y": np.full(len(point["a"]), float(len(point["a"])))}  # which knows how many came together

    archive = new(tmp_path / "run.h5", Grid({"a": [1.0, 2.0, 3.0]}, block={"a": 3}))
    outcome = Call(measures.by_reference(measure), Sent.of(task_of(archive)))(Job(np.array([0])))
    assert calls == [3, 1, 1, 1, 3]
    assert (outcome.records.values["y"] == 3).all()


def test_a_large_grid_goes_to_a_process_once(tmp_path):
    """Neither with every job nor with what it looked up of its axes."""
    import pickle

    grid = Grid({"a": np.arange(50_000.0), "b": [1, 2]}, block={"b": 2})
    size = len(pickle.dumps(grid))
    grid.streams(np.arange(2))
    assert len(pickle.dumps(grid)) == size
    archive = new(tmp_path / "run.h5", grid)
    call = Call.of(measures.height, task_of(archive))
    assert len(pickle.dumps((call.without_data(), Job(np.arange(50))))) < 5000


def test_workers_that_cannot_start_do_not_make_points_fail(tmp_path, monkeypatch):
    (tmp_path / "threadpoolctl.py").write_text("import os\nos._exit(3)\n")
    monkeypatch.syspath_prepend(tmp_path)  # which workers import from, too
    archive = new(tmp_path / "run.h5")
    with pytest.raises(RuntimeError, match="worker processes die before they compute anything"):
        run(measures.height, archive, workers=1, progress=False)
    assert (archive.status == Status.TO_DO).all()


def test_processes_of_others_are_left_alone(tmp_path):
    grid, context = Grid({"a": np.arange(4), "b": [10, 30]}), get_context("spawn")
    archive = new(tmp_path / "run.h5", grid, outputs={"product": (), "noise": (2,)}, fixed={"shift": 0.5})
    thread = threading.Thread(target=run, args=(measures.fragile, archive), kwargs={"workers": 1, "progress": False})
    thread.start()
    other = context.Process(target=time.sleep, args=(60,))
    other.start()
    thread.join()
    assert archive.status[2, 1] == Status.DIED
    assert other.is_alive()
    other.kill()
    other.join()


def test_two_runs_at_once_leave_the_process_as_it_was(tmp_path):
    main = sys.modules["__main__"]
    before = getattr(main, "__file__", None), os.environ.get("MKL_NUM_THREADS")
    archives = [new(tmp_path / f"{i}.h5", Grid({"a": np.arange(10 * (i + 1))})) for i in range(2)]
    threads = [
        threading.Thread(target=run, args=(measures.waiting, a), kwargs={"workers": 1, "progress": False})
        for a in archives
    ]
    for thread in threads:
        thread.start()
        time.sleep(0.3)
    for thread in threads:
        thread.join()
    assert all((archive.status == Status.DONE).all() for archive in archives)
    assert (getattr(main, "__file__", None), os.environ.get("MKL_NUM_THREADS")) == before


def test_labelled_arrays_agree_with_their_status(tmp_path, monkeypatch):
    """Also when a point is committed between the reading of one and of the other."""
    archive = new(tmp_path / "run.h5")
    read = type(archive).__getitem__

    def late(self, name):
        with archive.writer() as writer:
            writer.commit(Records.done(np.array([2]), {"y": np.array([5.0])}))
        return read(self, name)

    monkeypatch.setattr(Archive, "__getitem__", late)
    data = archive.dataset()
    assert (np.isfinite(data.y) == (data.status == Status.DONE)).all()


def test_damage_of_the_journal_and_of_what_is_left_out(tmp_path):
    archive = computed(lambda point, rng: {"y": 1.0}, new(tmp_path / "run.h5"))
    with archive.writer() as writer:
        journal, status = writer._start["provenance/journal"], writer._start["status"]
    whole = archive.path.read_bytes()
    for place, words in (
        (journal + 30, "the journal of the runs is damaged"),
        (status, "although it is no refinement"),
    ):
        content = bytearray(whole)
        content[place] ^= 1 if place == journal + 30 else Status.DONE ^ Status.LEFT_OUT
        archive.path.write_bytes(content)
        assert words in str(archive.damage())


def decorated(function):
    @wraps(function)
    def called(point, rng):
        return {"y": 2 * function(point, rng)["y"]}

    return called


class Callable_:
    def __call__(self, point, rng):
        return {"y": 1.0}


@pytest.mark.parametrize("measure", [partial(measures.scaled, scale=2.0), Callable_(), decorated(measures.scaled)])
def test_a_measure_that_its_name_does_not_give_is_not_looked_for(tmp_path, measure):
    archive = computed(measure, new(tmp_path / "run.h5"))
    with pytest.raises(ValueError, match="with arguments or variables that no name gives back: give the study"):
        rerun(archive, (0,))
    assert cli.main(["resume", str(archive.path)]) == 2


def test_a_study_whose_measure_has_neighbours_is_resumed(tmp_path, monkeypatch, capsys):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "cocycle_helper.py").write_text("FACTOR = 3.0\n")
    (tmp_path / "m" / "signal.py").write_text(
        "from cocycle_helper import FACTOR\n\n\ndef f(point, rng):\n    return {'y': FACTOR * point['a']}\n"
    )
    (tmp_path / "study.toml").write_text(
        'measure = "m/signal.py:f"\nseed = 1\n[axes]\na = [1.0, 2.0]\n[outputs]\ny = []\n'
    )
    monkeypatch.chdir(tmp_path)
    for words in (["sweep", "study.toml"], ["resume", "study.h5"], ["rerun", "study.h5", "--point", "a=2"]):
        done = subprocess.run([sys.executable, "-m", "cocycle", *words], text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        with Archive.open("study.h5").writer() as writer:
            if words[0] == "sweep":
                writer.forget(np.array([0, 1]))
    assert (Archive.open("study.h5")["y"] == [3, 6]).all()


@pytest.mark.parametrize("values", [[8.0, 9.0, 3.0, 4.0, 0.0], [3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0]])
@pytest.mark.parametrize("block", [None, {"a": 2}])
def test_parts_merge_in_the_order_of_the_whole(tmp_path, values, block):
    grid = Grid({"a": values}, block=block)
    of = 3 if block is None or len(values) > 4 else 2
    parts = [new(tmp_path / f"{i}.h5", grid.part(i, of)) for i in range(1, of + 1)]
    assert merge(parts[::-1], tmp_path / "merged.h5").grid == grid


def test_a_merged_refinement_leaves_out_what_it_left_out(tmp_path):
    coarse = computed(lambda point, rng: {"y": point["a"] - 1.6}, new(tmp_path / "coarse.h5"))
    fine = refine(coarse, tmp_path / "fine.h5", "y", level=0.0, factor=4)
    again = merge([fine], tmp_path / "again.h5")
    assert again.grid == fine.grid
    assert (again.status == fine.status).all()
    assert "made of others" in summary(again)
    together = merge([fine, coarse], tmp_path / "together.h5")
    assert (together.status == fine.status).all()


def test_crossings_in_the_order_that_was_asked_for(tmp_path):
    grid = Grid({"u": np.linspace(0, 1, 3), "v": [10.0, 20.0, 30.0]})
    archive = computed(lambda point, rng: {"y": point["u"] - 0.35}, new(tmp_path / "run.h5", grid))
    one, other = crossings(archive, "y"), crossings(archive, "y", along=["v", "u"])
    np.testing.assert_allclose(one, [[0.35, 10], [0.35, 20], [0.35, 30]])
    np.testing.assert_array_equal(other, one[:, ::-1])
    for wrong in ("u", ["u", "u"], ["w"]):
        with pytest.raises(ValueError, match="along must name axes of numbers among u, v, each once"):
            crossings(archive, "y", along=wrong)


def test_axes_without_order_have_nothing_between(tmp_path):
    archive = computed(lambda point, rng: {"y": point["a"]}, new(tmp_path / "run.h5", Grid({"a": [0.0, 1.0, 0.5]})))
    with pytest.raises(ValueError, match="axis 'a' must be in order to have anything between"):
        refine(archive, tmp_path / "fine.h5", "y", level=0.7)


def test_what_kills_its_worker_is_compared_and_tried_in_a_dry_run(tmp_path, capsys):
    grid = Grid({"a": [2], "b": [30]})
    outputs, fixed = {"product": (), "noise": (2,)}, {"shift": 0.5}
    archive = new(tmp_path / "run.h5", grid, outputs=outputs, fixed=fixed)
    run(measures.fragile, archive, workers=1, progress=False)
    assert archive.status[0, 0] == Status.DIED
    assert rerun(archive, (0, 0)).same
    from cocycle.sweeps import dry_run

    with pytest.raises(RuntimeError, match="the measure killed the worker that tried it"):
        dry_run(measures.fragile, archive.contents)


def test_there_is_nothing_to_compare_with_what_was_not_computed(tmp_path):
    with pytest.raises(ValueError, match=r"the point \(1,\) is to do: there is nothing to compare with"):
        rerun(new(tmp_path / "run.h5"), (1,), measures.height)


def test_points_are_found_by_exact_numbers(tmp_path):
    grid = Grid({"n": [2**53, 2**53 + 1], "x": [1e-14, 1.0]})
    assert grid.index_at({"n": str(2**53 + 1), "x": "1"}) == (1, 1)
    with pytest.raises(ValueError, match="x must be one of"):
        grid.index_at({"n": 2**53, "x": 0.5e-12})
    with pytest.raises(ValueError, match=r"n must be one of .*; got 'abc'"):
        grid.index_at({"n": "abc", "x": 1.0})


def test_watching_what_nobody_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(show_module, "WITHOUT_WRITER", 0.2)
    archive = new(tmp_path / "run.h5")
    assert watch(archive, every=0.05) == "0 of 3 points done; 3 to do; no process writes it"


def test_settings_that_cannot_be_stored_or_would_hide_others(tmp_path):
    for settings, message in (
        ({"fixed": {"seed": 77}}, "must have different names; got seed"),
        ({"units": 5}, "units must be a mapping of names, .*; got 5"),
        ({"fixed": [1]}, r"fixed must be a mapping of names, .*; got \[1\]"),
        ({"units": {"y": 5}}, r"units\['y'\] must be a string; got 5"),
        ({"fixed": {1: 2}}, "names of fixed must be strings; got 1"),
        ({"outputs": {3: ()}}, "names of outputs must be strings; got 3"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            new(tmp_path / "run.h5", **settings)
    with pytest.raises(TypeError, match="axes must have names; got 1"):
        Grid({1: [2, 3]})
    with pytest.raises(ValueError, match="common must name axes of the grid, a; got 'b'"):
        Grid({"a": [1, 2]}, common=["b"])
    with pytest.raises(ValueError, match=r"common must be a sequence of names, such as \(\"x\",\); got 'a'"):
        Grid({"a": [1, 2]}, common="a")
    assert Grid({"a": [0.3]}) == Grid({"a": [0.1 + 0.2]})  # the same number, as far as a grid is concerned
    assert "first np.float64(0.3) against np.float64(0.31)" in Grid({"a": [0.3]}).difference(Grid({"a": [0.31]}))


def test_settings_of_any_kind_are_exported(tmp_path):
    archive = new(tmp_path / "run.h5", fixed={"flag": True, "big": 2**70, "list": [1, 2], "none": None})
    assert cli.main(["export", str(archive.path), "--output", str(tmp_path / "run.nc")]) == 0
    exported = xarray.load_dataset(tmp_path / "run.nc").attrs
    expected = {"seed": "1", "flag": "true", "big": str(2**70), "list": "[1, 2]", "none": "None"}
    assert {name: exported[name] for name in expected} == expected
    assert exported["Conventions"] == "CF-1.11"


CACHED = """
import functools
import warnings
from cocycle import Archive, Grid, run

CALLS = []
warnings.warn("look out")


@functools.lru_cache(maxsize=7)
def expensive():
    CALLS.append(1)
    return len(CALLS)


def measure(point, rng):
    return {"y": expensive()}


if __name__ == "__main__":
    archive = run(measure, Archive.resume("run.h5", Grid({"a": range(30)}), outputs={"y": ()}, seed=1), workers=1)
    print((archive["y"] == 1).all(), archive.messages())
"""


def test_a_cache_in_a_script_or_a_study_works(tmp_path):
    """The measure, and what it uses of its module, is loaded once for all points of a worker."""
    (tmp_path / "script.py").write_text(CACHED)
    (tmp_path / "study.toml").write_text(
        'measure = "script.py:measure"\nseed = 1\n[axes]\na = { count = 30 }\n[outputs]\ny = []\n'
    )
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "True {}\n"
    assert done.stderr.count("look out") <= 2
    for words in (
        ["sweep", "study.toml"],
        ["rerun", "study.h5", "--point", "a=3"],
        ["rerun", "run.h5", "study.toml", "--point", "a=3"],
    ):
        done = subprocess.run([sys.executable, "-m", "cocycle", *words], cwd=tmp_path, capture_output=True, text=True,
                              check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert (Archive.open(tmp_path / "study.h5")["y"] == 1).all()


def test_a_later_point_that_does_not_fit_has_failed(tmp_path):
    """The first one would stop the run: then none fits."""
    archive = new(tmp_path / "run.h5", Grid({"a": np.arange(6)}))
    run(measures.wrong_at_two, archive, workers=1, progress=False)
    assert (archive.status == Status.DONE).sum() == 5
    assert archive.messages() == {(2,): "WrongOutput: measure must return y of shape (); got (2,)"}
    other = new(tmp_path / "other.h5", Grid({"a": [2, 3]}))
    with pytest.raises(ValueError, match=r"measure must return y of shape \(\); got \(2,\), at a = 2"):
        run(measures.wrong_at_two, other, workers=1, progress=False)
    assert (other.status == Status.TO_DO).all()


def test_what_the_measure_is_called_with(tmp_path):
    archive = computed(lambda point, rng: {"y": point["a"] + point["b"] + rng.normal()},
                       new(tmp_path / "run.h5", Grid({"a": [1.0, 2.0]}), fixed={"b": 3}))  # fmt: skip
    point, rng = arguments(archive, {"a": 2.0})
    assert point == {"a": 2.0, "b": 3}
    assert archive["y"][1] == 5 + rng.normal()
    with pytest.raises(ValueError, match=r"the index on a, of 2 values, must be in 0\.\.1; got 2"):
        arguments(archive, (2,))


def test_a_run_with_nothing_to_do_leaves_no_trace(tmp_path, caplog):
    archive = computed(lambda point, rng: {"y": 1.0}, new(tmp_path / "run.h5"))
    before = archive.history
    computed(lambda point, rng: {"y": 2.0}, archive)
    assert archive.history == before
    assert not caplog.text


def test_a_gap_between_parts_is_told(tmp_path, caplog):
    grid = Grid({"a": [1.0, 2.0, 3.0, 4.0]})
    parts = [new(tmp_path / f"{k}.h5", grid.part(k, 4)) for k in (1, 3)]
    merge(parts, tmp_path / "merged.h5")
    assert "2 of the 4 values of a are in none of the parts" in caplog.text


def test_mpi_without_its_launcher_is_refused(tmp_path):
    mpiexec = Path(sys.executable).with_name("mpiexec")
    if not mpiexec.exists():
        pytest.skip("there is no mpiexec")
    (tmp_path / "study.toml").write_text(
        'measure = "measures:counting"\nseed = 1\n[axes]\na = { count = 3 }\n[outputs]\ny = []\n'
    )
    done = subprocess.run([mpiexec, "-n", "2", sys.executable, "-m", "cocycle", "sweep", "study.toml", "--mpi"],
                          cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(Path(measures.__file__).parent)},
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 2
    assert "--mpi must be started as mpiexec -n N python -m mpi4py.futures -m cocycle" in done.stderr


def test_words_for_an_archive_given_as_a_study_and_for_a_grid(tmp_path, capsys):
    path = new(tmp_path / "run.h5").path
    assert cli.main(["sweep", str(path)]) == 2
    assert f"is an archive, not a study: `cocycle resume {path}` goes on with it" in capsys.readouterr().err
    assert repr(Grid({"a": [1, 2]}, block={"a": 2})) == "Grid(a: 2 values [1, 2], 2 of a at once)"
    assert "Lorenz-driven tanh reservoirs" in (reservoir_constraints.__doc__ or "")
