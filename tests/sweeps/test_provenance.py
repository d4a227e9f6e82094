"""An archive knows who computed it with what, and can compute a point again from itself."""

import platform
import subprocess
import sys
from functools import partial
from pathlib import Path

import cloudpickle
import measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cocycle import Archive, Grid, run
from cocycle.sweeps import Status, layout, provenance, rerun

OUTPUTS = {"product": (), "noise": (2,)}


def new(path, **axes):
    return Archive.create(path, Grid(axes or {"a": np.arange(3), "b": [10, 20]}), outputs=OUTPUTS, seed=11,
                          fixed={"shift": 0.5})  # fmt: skip


def test_each_run_is_noted(tmp_path):
    archive = run(measures.fragile, new(tmp_path / "run.h5"), workers=1, progress=False)
    run(measures.fragile, archive, workers=1, retry=True, progress=False)
    first, end, second, _ = archive.history
    assert [entry["event"] for entry in archive.history] == ["start", "end"] * 2
    assert first["host"] == platform.node()
    assert first["numpy_version"] == np.__version__
    assert set(first) >= {"command", "directory", "python_version", "cocycle_version", "scipy_version", "h5py_version"}
    assert first["git_commit"] == _git("rev-parse", "HEAD")
    assert first["git_dirty"] == ("yes" if _git("status", "--porcelain") else "no")
    assert (first["module"], first["name"]) == ("measures", "fragile")
    assert first["source"] == Path(measures.__file__).read_text()
    assert "source" not in second  # as before
    assert first["time"] <= end["time"]
    assert end["outcome"] == "complete"


def _git(*words):
    folder = Path(__file__).parent
    return subprocess.run(["git", "-C", folder, *words], capture_output=True, text=True, check=True).stdout.strip()


def test_a_run_that_stops_says_why(tmp_path):
    archive = new(tmp_path / "run.h5")
    with pytest.raises(ValueError, match="measure must return"):
        run(lambda point, rng: {}, archive, workers=1, progress=False)
    assert archive.history[-1]["outcome"].startswith("WrongOutput: measure must return")


@given(st.lists(st.dictionaries(st.text(), st.text() | st.integers()), max_size=4), st.integers(0, 300))
def test_a_journal_cut_anywhere_gives_the_lines_before(entries, cut):
    whole = b"".join(provenance.line_of(entry) for entry in entries)
    found = provenance.facts_of(whole[:cut].ljust(len(whole), b"\0"))
    assert found == entries[: len(found)]
    complete = whole[:cut].count(b"\n")
    assert len(found) == complete


def test_a_full_journal_loses_the_source_first_and_then_the_entry(tmp_path, caplog):
    archive = new(tmp_path / "run.h5")
    with archive.writer() as writer:
        writer.note({"event": "start", "name": "f", "source": "x" * (layout.JOURNAL_BYTES - 500)})
        writer.note({"event": "start", "name": "g", "source": "y" * 1000})
        assert [entry["name"] for entry in archive.history] == ["f", "g"]
        assert "source" not in archive.history[1]
        writer.note({"event": "start", "name": "h" * 500})
    assert len(archive.history) == 2
    assert "the journal of" in caplog.text
    assert archive.damage() == []


def test_a_change_of_the_source_is_told(tmp_path, caplog):
    script = tmp_path / "script.py"
    archive = new(tmp_path / "run.h5")
    text = "def measure(point, rng):\n    return {'product': 1.0, 'noise': [0, 0]}\n"
    for said in ("", "the source of measure is not that of the last run"):
        script.write_text(text)
        spec = {"__name__": "script", "__file__": str(script)}
        module = type(sys)("script")
        module.__dict__.update(spec)
        sys.modules["script"] = module
        exec(compile(text, str(script), "exec"), module.__dict__)
        cloudpickle.register_pickle_by_value(module)
        run(module.measure, archive, workers=1, progress=False)
        assert (said in caplog.text) if said else not caplog.text
        text += "# changed\n"
        with archive.writer() as writer:
            writer.forget(np.array([0]))
    del sys.modules["script"]


def test_rerun_from_the_archive_alone(tmp_path):
    archive = run(measures.product, new(tmp_path / "run.h5"), workers=1, progress=False)
    again = rerun(archive, {"a": 2, "b": 20})
    assert again.same
    assert again.coordinates == {"a": 2, "b": 20}
    assert "every bit is the same" in str(again)
    assert rerun(archive, (0, 1), measures.product).same
    other = rerun(archive, (1, 1), partial(measures.another))
    assert not other.same
    assert "product: stored 20.5, now -1.: differ by up to 21.5" in str(other)


def test_rerun_of_a_point_that_failed(tmp_path):
    archive = run(measures.fragile, new(tmp_path / "run.h5"), workers=1, progress=False)
    again = rerun(archive, {"a": 1, "b": 10})
    assert again.same
    assert "status: stored failed, now failed" in str(again)
    assert "message now: RuntimeError: one is not welcome (measures.py, line " in str(again)


def test_rerun_of_a_point_of_a_block(tmp_path):
    grid = Grid({"a": np.arange(2), "b": [10, 20, 30]}, block={"b": 2})
    archive = Archive.create(tmp_path / "run.h5", grid, outputs=OUTPUTS, seed=11, fixed={"shift": 0.5})
    run(measures.of_streams, archive, workers=1, progress=False)
    assert rerun(archive, (1, 2)).same
    assert rerun(archive, {"a": 0, "b": 20}).same


def test_rerun_of_a_point_that_is_not_there(tmp_path):
    archive = run(measures.product, new(tmp_path / "run.h5"), workers=1, progress=False)
    with pytest.raises(ValueError, match=r"an index of this grid is in \(3, 2\); got \(3, 0\)"):
        rerun(archive, (3, 0))
    with pytest.raises(ValueError, match=r"b must be one of .*; got 15"):
        rerun(archive, {"a": 1, "b": 15})


SCRIPT = """
import numpy as np
from cocycle import Archive, Grid, run

GAIN = 3.0
print("once")


def scaled(x):
    return GAIN * x


def measure(point, rng):
    return {"y": scaled(point["x"]) + rng.normal()}


archive = Archive.resume("run.h5", Grid({"x": np.arange(4)}), outputs={"y": ()}, seed=2)
run(measure, archive)
print((archive.status == 1).all())
"""


def test_a_script_without_a_main_guard(tmp_path):
    """It runs once, and its points can be computed again from the archive without running it."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "once\nTrue\n"
    script.unlink()
    archive = Archive.open(tmp_path / "run.h5")
    assert archive.history[0]["module"] == "__main__"
    assert rerun(archive, {"x": 2}).same


NOTEBOOK = """
import numpy as np
from cocycle import Archive, Grid, run
from cocycle.sweeps import rerun

import linecache
cell = '''
GAIN = 3.0
def measure(point, rng):
    return {"y": GAIN * point["x"]}
'''
linecache.cache["<ipython-input-1>"] = len(cell), None, cell.splitlines(True), "<ipython-input-1>"
exec(compile(cell, "<ipython-input-1>", "exec"), globals())
archive = Archive.resume("run.h5", Grid({"x": np.arange(4)}), outputs={"y": ()}, seed=2)
run(measure, archive, workers=2)
print(archive["y"])
print(rerun(archive, (1,), measure).same)
try:
    rerun(archive, (1,))
except ValueError as error:
    print(error)
"""


def test_a_function_of_a_notebook_cell(tmp_path):
    """It is computed; what the archive cannot know of it is said with the remedy."""
    done = subprocess.run([sys.executable, "-c", NOTEBOOK], cwd=tmp_path, capture_output=True, text=True, check=True)
    said = done.stdout.splitlines()
    assert said[:2] == ["[0. 3. 6. 9.]", "True"]
    assert "is of a notebook and uses GAIN, which are not kept; call it from python with" in said[2]


def test_a_function_made_in_another_one(tmp_path):
    def inner(point, rng):
        return {"product": 1.0, "noise": [0, 0]}

    archive = run(inner, new(tmp_path / "run.h5"), workers=1, progress=False)
    assert (archive.status == Status.DONE).all()
    with pytest.raises(
        ValueError, match=r"does not hold the measure .*inner: it is not what.*; call it from python with the"
    ):
        rerun(archive, (0, 0))
    assert rerun(archive, (0, 0), inner).same
