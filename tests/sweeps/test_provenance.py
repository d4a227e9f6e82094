"""An archive knows who computed it with what, and can compute a point again from itself."""

import platform
import shutil
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
from cocycle.sweeps import Status, journal, layout, rerun, summary
from here import Here

OUTPUTS = {"product": (), "noise": (2,)}


def new(path, **axes):
    return Archive.create(path, Grid(axes or {"a": np.arange(3), "b": [10, 20]}), outputs=OUTPUTS, seed=11,
                          fixed={"shift": 0.5})  # fmt: skip


def test_each_run_is_noted(tmp_path):
    archive = run(measures.fragile, new(tmp_path / "run.h5"), Here(), progress=False)
    run(measures.fragile, archive, Here(), retry=True, progress=False)
    first, end, second, _ = archive.history
    assert [entry["event"] for entry in archive.history] == ["start", "end"] * 2
    assert first["host"] == platform.node()
    assert first["numpy_version"] == np.__version__
    assert set(first) >= {"command", "directory", "python_version", "cocycle_version", "scipy_version", "h5py_version"}
    assert first["git_commit"] == _git("rev-parse", "HEAD")
    assert first["git_dirty"] == ("yes" if _git("status", "--porcelain") else "no")
    assert (first["module"], first["name"]) == ("measures", "fragile")
    assert first["source"] == Path(measures.__file__).read_text()
    assert second["source"] == first["source"]  # kept once
    assert second["digests"] == first["digests"]
    assert len(layout.journal_of(archive.path).lines) < len(first["source"]) + 3000
    assert first["time"] <= end["time"]
    assert end["outcome"] == "complete"


def _git(*words):
    folder = Path(__file__).parent
    return subprocess.run(["git", "-C", folder, *words], capture_output=True, text=True, check=True).stdout.strip()


def test_a_run_that_stops_says_why(tmp_path):
    archive = new(tmp_path / "run.h5")
    with pytest.raises(ValueError, match="measure must return"):
        run(lambda point, rng: {}, archive, Here(), progress=False)
    assert archive.history[-1]["outcome"].startswith("WrongOutput: measure must return")


@given(st.lists(st.dictionaries(st.text(), st.text() | st.integers()), max_size=4), st.integers(0, 300))
def test_a_journal_cut_anywhere_gives_the_lines_before(entries, cut):
    whole = b"".join(journal.line_of(entry) for entry in entries)
    found = journal.facts_of(whole[:cut])
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
    assert summary(archive).endswith("1 notes are not on record: the journal was full, or is damaged")


def test_every_byte_of_the_journal_that_is_used_is_checked(tmp_path):
    archive = new(tmp_path / "run.h5")
    with archive.writer() as writer:
        for name in ("f", "g"):
            writer.note({"event": "start", "name": name})
            writer.note({"event": "end"})
        start = writer._start["provenance/journal"]
    whole, used = archive.path.read_bytes(), len(layout.journal_of(archive.path).lines)
    for place in range(start, start + journal.HEADER + used):
        content = bytearray(whole)
        content[place] = 0 if content[place] else 1  # a zero would end the lines
        archive.path.write_bytes(content)
        assert archive.damage() == ["the journal of the runs is damaged"], place
        assert len(archive.history) <= 4


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
        run(module.measure, archive, Here(), progress=False)
        assert (said in caplog.text) if said else not caplog.text
        text += "# changed\n"
        with archive.writer() as writer:
            writer.forget(np.array([0]))
    del sys.modules["script"]


def test_rerun_from_the_archive_alone(tmp_path):
    archive = run(measures.product, new(tmp_path / "run.h5"), Here(), progress=False)
    again = rerun(archive, {"a": 2, "b": 20})
    assert again.same
    assert again.coordinates == {"a": 2, "b": 20}
    assert "every bit is the same" in str(again)
    assert rerun(archive, (0, 1), measures.product).same
    other = rerun(archive, (1, 1), partial(measures.another))
    assert not other.same
    assert "product: stored 20.5, now -1.: differ by up to 21.5" in str(other)


def test_rerun_of_a_point_that_failed(tmp_path):
    archive = run(measures.fragile, new(tmp_path / "run.h5"), Here(), progress=False)
    again = rerun(archive, {"a": 1, "b": 10})
    assert again.same
    assert "status: stored failed, now failed" in str(again)
    assert "message now: RuntimeError: one is not welcome (measures.py, line " in str(again)


def test_rerun_of_a_point_of_a_block(tmp_path):
    grid = Grid({"a": np.arange(2), "b": [10, 20, 30]}, block={"b": 2})
    archive = Archive.create(tmp_path / "run.h5", grid, outputs=OUTPUTS, seed=11, fixed={"shift": 0.5})
    run(measures.of_streams, archive, Here(), progress=False)
    assert rerun(archive, (1, 2)).same
    assert rerun(archive, {"a": 0, "b": 20}).same


def test_rerun_of_a_point_that_is_not_there(tmp_path):
    archive = run(measures.product, new(tmp_path / "run.h5"), Here(), progress=False)
    with pytest.raises(ValueError, match=r"the index on a, of 3 values, must be in 0\.\.2; got 3"):
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
    """It runs once; what is needed to compute its points again is said, and nothing that the archive keeps is run."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "once\nTrue\n"
    archive = Archive.open(tmp_path / "run.h5")
    assert archive.history[0]["module"] == "__main__"
    with pytest.raises(ValueError, match=r"a script or notebook: run that again, .*, or give the study"):
        rerun(archive, {"x": 2})
    again = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert again.stdout == "once\nTrue\n"


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
print(archive.history[0]["source"] in cell, len(archive.history[0]["digests"]["__main__"]))
try:
    rerun(archive, (1,))
except ValueError as error:
    print(error)
"""


def test_a_function_of_a_notebook_cell(tmp_path):
    """It is computed; what the archive cannot know of it is said with the remedy."""
    done = subprocess.run([sys.executable, "-c", NOTEBOOK], cwd=tmp_path, capture_output=True, text=True, check=True)
    said = done.stdout.splitlines()
    assert said[:3] == ["[0. 3. 6. 9.]", "True", "True 64"]
    assert "a script or notebook: run that again, which goes on with its" in said[3]


def test_a_function_made_in_another_one(tmp_path):
    def inner(point, rng):
        return {"product": 1.0, "noise": [0, 0]}

    archive = run(inner, new(tmp_path / "run.h5"), Here(), progress=False)
    assert (archive.status == Status.DONE).all()
    with pytest.raises(
        ValueError, match=r"with arguments or variables that no name gives back: give the study, or call"
    ):
        rerun(archive, (0, 0))
    assert rerun(archive, (0, 0), inner).same


STUDY = """
measure = "of_study.py:measure"
seed = 2
[axes]
x = { count = 6 }
[outputs]
y = []
"""


@pytest.fixture(scope="module")
def computed_study(tmp_path_factory):
    """A folder with a study whose measure imports a helper from a file beside it, and that was computed; its copy."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "study.toml").write_text(STUDY)
    (folder / "of_study.py").write_text(
        "def measure(point, rng):\n    import helper_of_study\n    return {'y': helper_of_study.GAIN * point['x']}\n"
    )
    (folder / "helper_of_study.py").write_text("GAIN = 3\n")
    command("sweep", "study.toml", "--workers", "1", folder=folder)
    return folder, shutil.copytree(folder, tmp_path_factory.mktemp("copy") / "study")


@pytest.fixture
def study(computed_study, monkeypatch):
    """The archive of that study, in the folder where it was computed and with the files that it had then."""
    folder, copy = computed_study
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)
    monkeypatch.chdir(folder)
    return Archive.open("study.h5")


def command(*words, status=0, folder=None):
    call = [sys.executable, "-m", "cocycle", *words]
    done = subprocess.run(call, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def to_do_again(archive):
    with archive.writer() as writer:
        writer.forget(np.arange(3))


def test_a_measure_is_imported_from_where_it_was(study):
    to_do_again(study)
    command("resume", "study.h5")
    assert (study["y"] == 3 * np.arange(6)).all()
    assert "every bit is the same" in command("rerun", "study.h5", "--point", "x=2")
    assert sorted(study.history[0]["digests"]) == ["helper_of_study", "of_study"]


@pytest.mark.parametrize("file", ["of_study.py", "helper_of_study.py"])
def test_nothing_is_imported_whose_text_was_changed(study, file):
    """Neither the file nor what it imports is run: they would leave a trace."""
    to_do_again(study)
    path = Path(file)
    path.write_text(path.read_text() + "open('trace', 'w')\n")
    for words in (["resume", "study.h5"], ["rerun", "study.h5", "--point", "x=4"]):
        said = command(*words, status=2)
        assert f"the text of {file.removesuffix('.py')} is not the one" in said
        assert "give the study" in said
    assert not Path("trace").exists()
    assert "is not that of the last run" in command("rerun", "study.h5", "study.toml", "--point", "x=4")
    assert "its points may not belong together" in command("resume", "study.h5", "study.toml")


def test_text_of_an_archive_is_never_run(study):
    """A record of a measure that is nowhere else is of no use to `resume`, also when nothing is to do."""
    Path("of_study.py").unlink()
    for words in (["resume", "study.h5"], ["rerun", "study.h5", "--point", "x=4"]):
        assert "is not the one that was run, or is not there" in command(*words, status=2)


def test_a_study_of_another_sweep_is_refused(study):
    Path("other.toml").write_text(STUDY.replace("y = []", "z = []"))
    assert "other.toml is of another sweep than study.h5: outputs" in command(
        "resume", "study.h5", "other.toml", status=2
    )
    Path("other.toml").write_text(STUDY.replace("x = {", "w = {"))
    said = command("resume", "study.h5", "other.toml", status=2)
    assert "other.toml has the axes w; study.h5 has others" in said


def test_a_helper_that_is_edited_while_the_sweep_runs_stops_it(study):
    """Workers that start later would import the new text: two texts in one archive."""
    Path("of_study.py").write_text(
        "import time\nimport os\nimport helper_of_study\n\ndef measure(point, rng):\n"
        "    time.sleep(0.5)\n"
        "    if point['x'] == 1 and not os.path.exists('once'):\n"
        "        open('once', 'w').close()\n"
        "        open('helper_of_study.py', 'w').write('GAIN = 5\\n')\n"
        "        os._exit(9)\n"
        "    return {'y': helper_of_study.GAIN * point['x']}\n"
    )
    Path("study.h5").unlink()
    said = command("sweep", "study.toml", "--workers", "1", status=3)
    assert "the text of helper_of_study changed while the sweep ran" in said
    done = study.status == Status.DONE
    assert 0 < done.sum() < 6
    assert (study["y"][done] == 3 * np.arange(6)[done]).all()


def test_a_process_that_keeps_an_older_text_is_noticed(study):
    """Such as a notebook: what it imported stays, whatever is in the file by now."""
    Path("script.py").write_text(
        "from concurrent.futures import ThreadPoolExecutor\nfrom cocycle import Archive, Grid, run\n"
        "import helper_of_study\n\ndef measure(point, rng):\n    return {'y': helper_of_study.GAIN * point['x']}\n\n"
        "def swept(path):\n"
        "    archive = Archive.create(path, Grid({'x': [1.0]}), outputs={'y': ()}, seed=1)\n"
        "    with ThreadPoolExecutor(1) as threads:\n"
        "        return run(measure, archive, threads, progress=False)['y']\n\n"
        "print(swept('a.h5'))\n"
        "open('helper_of_study.py', 'w').write('GAIN = 5\\n')\n"
        "print(swept('b.h5'))\n"
    )
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, check=False)
    assert done.stdout == "[3.]\n"
    words = "the text of helper_of_study changed while the sweep ran, or a worker imported another version"
    assert words in done.stderr
