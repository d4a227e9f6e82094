"""The commands on archives, as a job script calls them: what they print, what they leave, their exit status."""

import csv
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import xarray

import cocycle
from cocycle import Archive, Grid, cli, run
from cocycle.sweeps import Status, arguments

STUDY = """\
measure = "measure.py:measure"
seed = 5

[axes]
scale = { from = -1.0, to = 1.0, count = 9 }
replica = { count = 4 }

[fixed]
offset = 0.25

[outputs]
height = []

[units]
height = "m"
"""
MEASURE = """\
import math
import time

GAIN = 2.0


def measure(point, rng):
    time.sleep(0.002)
    return {"height": GAIN * point["scale"] + point["offset"] + 0.01 * rng.normal()}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "study.toml").write_text(STUDY)
    (tmp_path / "measure.py").write_text(MEASURE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def swept(folder, capsys):
    assert cli.main(["sweep", "study.toml", "--workers", "1"]) == 0
    capsys.readouterr()
    return folder


def called(folder, *words, **settings):
    return subprocess.run(
        [sys.executable, "-m", "cocycle", *words], cwd=folder, capture_output=True, text=True, check=False, **settings
    )


def test_sweep_and_sweep_again(folder, capsys):
    assert cli.main(["sweep", "study.toml", "--workers", "1"]) == 0
    assert "36 of 36 points to compute, archive study.h5" in (printed := capsys.readouterr().out)
    assert "Archive: study.h5, 36 of 36 points done, 0 failed\nNext:    `cocycle show study.h5`" in printed
    archive = Archive.open("study.h5")
    assert (archive.status == Status.DONE).all()
    _, rng = arguments(archive, {"scale": -0.5, "replica": 3})
    assert archive["height"][2, 3] == 2 * -0.5 + 0.25 + 0.01 * rng.normal()
    assert cli.main(["sweep", "study.toml", "--workers", "1"]) == 0
    assert "0 of 36 points" in capsys.readouterr().out


def test_another_study_does_not_go_into_the_archive(swept, capsys):
    (swept / "study.toml").write_text(STUDY.replace("count = 4", "count = 5"))
    assert cli.main(["sweep", "study.toml"]) == 2
    assert re.search(
        r"study\.h5 holds another sweep .*: replica: 4 values .* against 5 values", capsys.readouterr().err
    )


def test_a_wrong_study_runs_nothing(folder, capsys):
    (folder / "study.toml").write_text(STUDY.replace("count = 9", "count = 0"))
    assert cli.main(["sweep", "study.toml"]) == 2
    assert "study.toml: axes.scale.count must be" in capsys.readouterr().err
    assert not (folder / "study.h5").exists()


def test_dry_run(folder, capsys):
    assert cli.main(["sweep", "study.toml", "--dry-run", "--workers", "3"]) == 0
    printed = capsys.readouterr().out
    assert "36 points in 36 calls of the measure" in printed
    assert "on 3 workers" in printed
    assert re.search(r"a call took \d[\d.]* ms to \d[\d.]* ms, 5 tried", printed)
    promised = float(re.search(r"disk: ([\d.]+) MB", printed)[1]) * 1e6
    assert not (folder / "study.h5").exists()
    assert cli.main(["sweep", "study.toml", "--workers", "1"]) == 0
    size = (folder / "study.h5").stat().st_size
    assert promised * 0.9 < size < promised + 20_000


def test_dry_run_says_what_fails(folder, capsys):
    (folder / "measure.py").write_text("def measure(point, rng):\n    raise RuntimeError('no luck')\n")
    assert cli.main(["sweep", "study.toml", "--dry-run"]) == 1
    assert "FAILED: RuntimeError: no luck" in capsys.readouterr().out


def test_failures_are_listed_and_retried(folder, capsys):
    (folder / "measure.py").write_text(MEASURE.replace("time.sleep(0.002)", "1 / point['replica']"))
    assert cli.main(["sweep", "study.toml", "--workers", "1"]) == 1
    assert (
        "9 points failed: `cocycle show study.h5` lists their messages, --retry" in (output := capsys.readouterr()).err
    )
    assert "study.h5, 27 of 36 points done, 9 failed" in output.out
    assert cli.main(["show", "study.h5"]) == 0
    printed = capsys.readouterr().out
    assert "27 of 36 points done; 9 failed" in printed
    assert "scale = -1, replica = 0: ZeroDivisionError: " in printed
    assert "division by zero (measure.py, line " in printed
    assert "the last calls of the failure in measure.py, line " in printed
    assert "1 / point['replica']" in printed
    assert "and 4 more: archive.messages()" in printed
    (folder / "measure.py").write_text(MEASURE)
    assert cli.main(["sweep", "study.toml", "--workers", "1", "--retry"]) == 0
    assert (Archive.open("study.h5").status == Status.DONE).all()


def test_show(swept, capsys):
    assert cli.main(["show", "study.h5"]) == 0
    printed = capsys.readouterr().out
    for words in (
        "scale: 9 values, -1 to 1",
        "replica: 0, 1, 2, 3",
        "height (m)",
        "seed = 5",
        "offset = 0.25",
        "36 of 36 points done",
        "complete",
        "measure measure of",
        f"numpy {np.__version__}",
    ):
        assert words in printed, printed


def test_resume_needs_the_measure(folder, capsys):
    """From where it was, or from a study; the text that the archive keeps is no program."""
    archive = Archive.create("part.h5", Grid({"scale": np.linspace(-1, 1, 9), "replica": np.arange(4)}),
                             outputs={"height": ()}, seed=5, fixed={"offset": 0.25})  # fmt: skip
    assert cli.main(["resume", "part.h5"]) == 2
    assert "part.h5 was never run and does not know its measure: give the study" in capsys.readouterr().err
    assert cli.main(["sweep", "study.toml", "--workers", "1"]) == 0
    whole = Archive.open("study.h5")
    kept = whole["height"]
    with whole.writer() as writer:
        writer.forget(np.arange(10, 30))
    (folder / "measure.py").rename(folder / "moved.py")
    assert cli.main(["resume", "study.h5", "--workers", "1"]) == 2
    assert "is not the one that was run, or is not there: give the study" in capsys.readouterr().err
    study = (folder / "study.toml").read_text().replace("measure.py", "moved.py")
    (folder / "other.toml").write_text(study)
    assert cli.main(["resume", "study.h5", "other.toml", "--workers", "1"]) == 0
    assert "20 of 36 points to compute" in capsys.readouterr().out
    np.testing.assert_array_equal(Archive.open("study.h5")["height"], kept)
    assert (archive.status == Status.TO_DO).all()


def test_rerun_compares_to_the_bit(swept, capsys):
    assert cli.main(["rerun", "study.h5", "--point", "scale=-0.5, replica=3"]) == 0
    assert "every bit is the same" in capsys.readouterr().out
    archive = Archive.open("study.h5")
    records = archive.records(np.array([2 * 4 + 3]))
    wrong = type(records).done(records.points, {"height": records.values["height"] + 1e-9})
    with archive.writer() as writer:
        writer.forget(records.points)
        writer.commit(wrong)
    assert cli.main(["rerun", "study.h5", "--point", "scale=-0.5,replica=3"]) == 1
    printed = capsys.readouterr().out
    assert "differ by up to 1e-09" in printed
    assert "NOT the same" in printed
    assert cli.main(["rerun", "study.h5", "--point", "scale=-0.4,replica=3"]) == 2
    assert "scale must be one of" in capsys.readouterr().err
    assert cli.main(["rerun", "study.h5", "--point", "replica=3"]) == 2
    assert "point must give scale, replica; got replica" in capsys.readouterr().err


def test_plot(swept, capsys):
    assert cli.main(["plot", "study.h5"]) == 0
    assert "Figure: study-height.png" in capsys.readouterr().out
    assert (swept / "study-height.png").stat().st_size > 5000
    assert cli.main(["plot", "study.h5", "--result", "depth"]) == 2
    assert "study.h5: there are height" in capsys.readouterr().err


def test_plot_of_a_part(swept, capsys):
    """Its axes are fixed and averaged as in archive.plot."""
    assert cli.main(["plot", "study.h5", "--at", "replica=1", "--output", "part.png"]) == 0
    assert cli.main(["plot", "study.h5", "--over", "replica", "--output", "mean.png"]) == 0
    assert (swept / "part.png").read_bytes() != (swept / "mean.png").read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--at", "replica"], "--at must be NAME=VALUE with an axis of scale, replica; got 'replica'"),
        (["--at", "nothing=1"], "--at must be NAME=VALUE with an axis of scale, replica; got 'nothing=1'"),
        (["--at", "replica=77"], "replica must be one of"),
        (["--at", "replica=1", "--at", "replica=2"], "--at must give each axis one value; got replica=1 and replica=2"),
        (["--at", "replica=1", "--over", "replica"], "an axis is fixed or averaged, not both; got replica twice"),
        (["--over", "nothing"], "axes must be of scale, replica; got nothing"),
    ],
)
def test_plot_of_a_part_that_is_not_there(swept, capsys, words, said):
    assert cli.main(["plot", "study.h5", *words]) == 2
    assert said in capsys.readouterr().err


def test_parts_and_merge(swept, capsys):
    for part in ("1/2", "2/2"):
        assert cli.main(["sweep", "study.toml", "--part", part, "--workers", "1"]) == 0
    assert cli.main(["merge", "study-1-of-2.h5", "study-2-of-2.h5", "--output", "both.h5"]) == 0
    np.testing.assert_array_equal(Archive.open("both.h5")["height"], Archive.open("study.h5")["height"])
    assert cli.main(["merge", "study-1-of-2.h5", "--output", "both.h5"]) == 2
    assert "both.h5 exists" in capsys.readouterr().err
    for wrong in ("3/2", "0/2", "1/10", "half"):
        assert cli.main(["sweep", "study.toml", "--part", wrong]) == 2
        assert "part must be" in capsys.readouterr().err


def test_verify(swept, capsys):
    assert cli.main(["verify", "study.h5"]) == 0
    assert "study.h5: sound" in capsys.readouterr().out
    archive = Archive.open("study.h5")
    with archive.writer() as writer:
        start = writer._start["height"]
    content = bytearray((swept / "study.h5").read_bytes())
    content[start + 8 * 5 + 6] ^= 1
    (swept / "flipped.h5").write_bytes(content)
    (swept / "cut.h5").write_bytes(content[:5000])
    assert cli.main(["verify", "study.h5", "flipped.h5", "cut.h5"]) == 1
    printed = capsys.readouterr().out
    assert "study.h5: sound" in printed
    assert "flipped.h5: the point (1, 1) is damaged" in printed
    assert "cut.h5 is not an archive, or damaged" in printed


def test_export(swept, capsys):
    assert cli.main(["export", "study.h5", "--output", "study.nc"]) == 0
    assert cli.main(["export", "study.h5", "--output", "study.csv"]) == 0
    heights = Archive.open("study.h5")["height"]
    with xarray.open_dataset("study.nc", engine="h5netcdf") as data:
        np.testing.assert_array_equal(data.height, heights)
        assert data.height.attrs["units"] == "m"
        assert data.attrs["offset"] == 0.25
    with open("study.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 36
    assert [float(row["height (m)"]) for row in rows] == heights.ravel().tolist()
    assert float(rows[5]["scale"]) == -0.75
    assert cli.main(["export", "study.h5", "--output", "study.xls"]) == 2
    assert "--output must end in .nc, .zarr or .csv" in capsys.readouterr().err


def test_refine_and_resume(swept, capsys):
    assert cli.main(["refine", "study.h5", "--result", "height", "--level", "0", "--factor", "4",
                     "--output", "fine.h5"]) == 0  # fmt: skip
    assert "`cocycle resume fine.h5`, or run(measure, Archive.open('fine.h5')), computes the" in capsys.readouterr().out
    assert cli.main(["resume", "fine.h5", "--workers", "1"]) == 0
    fine = Archive.open("fine.h5")
    assert fine.grid.shape == (33, 4)
    assert (fine.status == Status.DONE).sum() == 36 + 4 * 3
    assert cli.main(["show", "fine.h5"]) == 0
    assert "refines file" in capsys.readouterr().out


def test_watch_follows_a_sweep_of_another_process(folder, capsys):
    (folder / "measure.py").write_text(MEASURE.replace("0.002", "0.1"))
    process = subprocess.Popen([sys.executable, "-m", "cocycle", "sweep", "study.toml", "--workers", "1"], cwd=folder,
                               stdout=subprocess.DEVNULL)  # fmt: skip
    while not (folder / "study.h5").exists():
        time.sleep(0.05)
    assert cli.main(["watch", "study.h5"]) == 0
    assert "36 of 36 points done" in capsys.readouterr().out
    assert process.wait(20) == 0


def test_a_queue_that_ends_the_job(folder):
    """SIGTERM: what is there is committed, the exit status says so, the same command goes on."""
    (folder / "measure.py").write_text(MEASURE.replace("0.002", "0.2"))
    process = subprocess.Popen([sys.executable, "-m", "cocycle", "sweep", "study.toml", "--workers", "1"], cwd=folder,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    while not (folder / "study.h5").exists() or not (Archive.open(folder / "study.h5").status == Status.DONE).any():
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 143
    archive = Archive.open(folder / "study.h5")
    assert 0 < (archive.status == Status.DONE).sum() < 36
    assert archive.history[-1]["outcome"] == "SystemExit: 143"
    (folder / "measure.py").write_text(MEASURE)
    again = called(folder, "sweep", "study.toml", "--workers", "1")
    assert again.returncode == 0
    assert "the source of measure is not that of the last run" in again.stderr


def test_missing_files_and_wrong_arguments(folder, capsys):
    for command in ("show", "watch", "plot", "resume"):
        assert cli.main([command, "none.h5"]) == 2
        assert re.search(r"there is no archive at .*none\.h5", capsys.readouterr().err)
    assert cli.main(["sweep", "study.toml", "--workers", "0"]) == 2
    assert "--workers must be at least 1; got 0" in capsys.readouterr().err
    assert cli.main(["sweep", "study.toml", "--seed", "3"]) == 2
    assert (
        "--size, --seed and --independent apply to the built-in study only: study.toml sets its own"
        in capsys.readouterr().err
    )
    with pytest.raises(SystemExit, match="2"):
        cli.main(["sweep", "study.toml", "--dask", "x", "--mpi"])


def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"cocycle {cocycle.__version__}\n"


def test_a_log_has_a_line_a_minute_and_no_bar(folder, monkeypatch, caplog):
    from cocycle import progress

    monkeypatch.setattr(progress, "LOG_EVERY", 0.0)
    archive = Archive.create("run.h5", Grid({"a": [1.0]}), outputs={"y": ()}, seed=1)
    with caplog.at_level("INFO", logger="cocycle"):
        run(lambda point, rng: {"y": 1.0}, archive, workers=1)
    assert re.search(r"sweep: 1 of 1 after \d+ s", caplog.text)
    assert os.isatty(2) or "%|" not in caplog.text
