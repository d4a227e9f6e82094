"""The command line as a process: help with examples that are right, quiet pipes, what is refused before it costs time.

Success says what was written and what to do next.
"""

import shlex
import subprocess
import sys

import numpy as np
import pytest

from cocycle import Archive, Grid, run
from cocycle.cli.manual import MANUAL
from cocycle.cli.parser import parser

COCYCLE = (sys.executable, "-m", "cocycle")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    archive = Archive.create("run.h5", Grid({"scale": np.linspace(0.0, 1.0, 4)}), outputs={"height": ()}, seed=1)
    run(lambda point, rng: {"height": point["scale"]}, archive, workers=1, progress=False)
    return tmp_path


def called(*words, folder=None):
    return subprocess.run([*COCYCLE, *words], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", MANUAL)
def test_help_describes_the_command_with_examples(name):
    found = called(name, "--help")
    assert (found.returncode, found.stderr) == (0, "")
    words = " ".join(found.stdout.split())
    assert MANUAL[name].description in words
    assert all(example in found.stdout for example in MANUAL[name].examples)
    assert max(map(len, found.stdout.splitlines())) <= 100 + len("  cocycle export run.h5")


def test_examples_in_the_help_are_command_lines():
    for name, entry in MANUAL.items():
        assert entry.examples
        for example in entry.examples:
            program, command, *rest = shlex.split(example)
            assert (program, command) == ("cocycle", name)
            assert parser().parse_args([command, *rest]).command.__name__ == name


def test_every_command_is_in_the_manual():
    listed = called("--help").stdout
    assert all(f"\n    {name} " in listed and entry.line.split()[0] in listed for name, entry in MANUAL.items())


@pytest.mark.parametrize("output", ["x.png", "x.csv", "x"])
@pytest.mark.parametrize("words", ["sweep", "sweep study.toml", "dysts", "merge run.h5", "extend run.h5",
                                   "refine run.h5 --result height"])  # fmt: skip
def test_a_picture_is_no_archive(folder, words, output):
    """Refused before anything is read or computed: there is not even a study."""
    found = called(*words.split(), "--output", output, folder=folder)
    assert found.returncode == 2
    assert f"--output names the archive, and must end in .h5 or .hdf5; got {output}" in found.stderr
    assert not (folder / output).exists()


@pytest.mark.parametrize("words", ["show run.h5", "sweep --help", "doctor"])
def test_a_reader_that_stops_reading_is_no_error(folder, words):
    """`| head -1`, written to a pipe that is closed after its first line, or before."""
    for lines in (1, 0):
        process = subprocess.Popen(
            [*COCYCLE, *words.split()], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stderr is not None
        for _ in range(lines):
            process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        process.stderr.close()
        assert process.wait(60) in (0, 141)


@pytest.mark.parametrize(
    ("words", "written", "then"),
    [
        ("plot run.h5 --output x.pdf", "Figure: x.pdf", "--result"),
        ("export run.h5 --output x.csv", "Written: x.csv", "pandas.read_csv('x.csv')"),
        ("export run.h5 --output x.nc", "Written: x.nc", "xarray.load_dataset('x.nc'"),
        ("export run.h5 --crate x.zip", "Written: x.zip", "ro-crate-metadata.json"),
        ("merge run.h5 --output x.h5", "Written: Archive x.h5", "`cocycle show x.h5`"),
        (
            "extend run.h5 --axis scale={from=0.0,to=1.0,count=7} --output x.h5",
            "Written: Archive x.h5",
            "`cocycle resume",
        ),
        (
            "refine run.h5 --result height --level 0.5 --factor 2 --output x.h5",
            "Written: Archive x.h5",
            "`cocycle resume",
        ),
        ("validate Tent --output x.md", "Table:   x.md", ""),
    ],
)
def test_success_says_what_was_written_and_what_to_do_next(folder, words, written, then):
    found = called(*words.split(), folder=folder)
    assert (found.returncode, found.stderr) == (0, "")
    assert written in found.stdout
    assert then in found.stdout.partition("Next:")[2]
    assert (folder / written.split()[-1]).stat().st_size > 0
