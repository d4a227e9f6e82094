"""A point that failed names the file and the line of the measure's own code, and the archive keeps the last frames.

However the measure reaches the workers: by value (a script, a closure, a notebook) or by name, in processes or here.
"""

import json
import subprocess
import sys

import measures
import numpy as np
import pytest

from cocycle import Archive, Grid, cli, run
from cocycle.sweeps import Status, merge, refine, summary, writer
from cocycle.sweeps.failures import LENGTH, failure
from cocycle.sweeps.records import MESSAGE_BYTES
from here import Here

SCRIPT = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial, wraps
import numpy as np
import scipy.optimize
from cocycle import Archive, Grid, run
import neighbour


def of_the_module(point, rng):
    return 1 / point["zero"]  # of_the_module


def closure(number):
    def inside(point, rng):
        return number / point["zero"]  # closure
    return inside


class Measure:
    def method(self, point, rng):
        return 1 / point["zero"]  # method
    @classmethod
    def of_class(cls, point, rng):
        return 1 / point["zero"]  # of_class
    def __call__(self, point, rng):
        return 1 / point["zero"]  # called


@lru_cache
def cached(number):
    return 1 / number  # cached


def decorated(function):
    @wraps(function)
    def inside(point, rng):
        return function(point, rng)
    return inside


@decorated
def decorated(point, rng):
    return 1 / point["zero"]  # decorated


def comprehension(point, rng):
    return [number / point["zero"] for number in range(3)]  # comprehension


def singular(point, rng):
    return np.linalg.inv(np.zeros((2, 2)))  # singular


def called_back(point, rng):
    return scipy.optimize.brentq(
        lambda x: x / point["zero"],  # called_back
        -1, 1)


def recursion(point, rng):
    return recursion(point, rng)  # recursion


def syntax(point, rng):
    exec("1 +")  # syntax


def executed(point, rng):
    exec("1 / 0")  # executed


def chained(point, rng):
    try:
        return point["nothing"]
    except KeyError as error:
        raise ValueError("no such setting") from error  # chained


def long(point, rng):
    raise ValueError("x" * 500)  # long


CELL = "def cell(point, rng):\\n    return 1 / point['zero']\\n"
exec(compile(CELL, "/tmp/ipykernel_77/4321.py", "exec"))

SHAPES = {
    "of_the_module": of_the_module, "closure": closure(2.0), "method": Measure().method, "of_class": Measure.of_class,
    "called": Measure(), "lambda": lambda point, rng: 1 / point["zero"],  # lambda
    "partial": partial(of_the_module, rng=None), "cached": lambda point, rng: cached(point["zero"]),
    "decorated": decorated, "comprehension": comprehension, "singular": singular, "called_back": called_back,
    "recursion": recursion, "syntax": syntax, "executed": executed, "chained": chained, "long": long, "cell": cell,
    "neighbour": neighbour.helper,
}


def measure(point, rng):
    shape = SHAPES[point["shape"]]
    return shape(point) if isinstance(shape, partial) else shape(point, rng)


if __name__ == "__main__":

    grid = Grid({"shape": sorted(SHAPES)})
    archive = Archive.create(sys.argv[1] + ".h5", grid, outputs={"y": ()}, seed=1, fixed={"zero": 0})
    executor = None if sys.argv[1] == "workers" else ThreadPoolExecutor(1)
    run(measure, archive, executor, workers=1, progress=False)
    messages = {grid.axes["shape"][index[0]]: message for index, message in archive.messages().items()}
    print(json.dumps([messages, archive.tracebacks()]))
"""
NEIGHBOUR = """
def helper(point, rng):
    return 1 / point["zero"]  # neighbour
"""
PLACES = {"partial": "of_the_module", "cell": "4321.py, line 2"}  # of those that are not named by a comment


def line(text, mark):
    (number,) = [number for number, line in enumerate(text.splitlines(), 1) if line.endswith(f"# {mark}")]
    return number


def place(shape):
    if shape == "neighbour":
        return f"neighbour.py, line {line(NEIGHBOUR, shape)}"
    named = PLACES.get(shape, shape)
    return named if ".py" in named else f"script.py, line {line(SCRIPT, named)}"


@pytest.fixture(scope="module", params=["workers", "here"])
def failed(request, tmp_path_factory):
    """The messages by shape, and the tracebacks by place, of a script that sends measures of all shapes."""
    folder = tmp_path_factory.mktemp("script")
    (folder / "script.py").write_text(SCRIPT)
    (folder / "neighbour.py").write_text(NEIGHBOUR)
    command = [sys.executable, "script.py", request.param]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_a_message_ends_with_the_line_of_the_measure(failed):
    messages, _ = failed
    wrong = {shape: said for shape, said in messages.items() if not said.endswith(f" ({place(shape)})")}
    assert not wrong
    assert len(messages) == 19
    assert messages["singular"].startswith("LinAlgError: Singular matrix (")
    assert messages["recursion"].startswith("RecursionError: maximum recursion depth exceeded")
    assert messages["syntax"].startswith("SyntaxError: invalid syntax (<string>, line 1) (")
    assert len(messages["long"]) == MESSAGE_BYTES


def test_tracebacks_are_those_of_ten_places_at_most(failed):
    messages, tracebacks = failed
    assert len(tracebacks) == writer.EXPLAINED
    assert all(text and len(text) < 2 * LENGTH + MESSAGE_BYTES for text in tracebacks.values())
    assert all(any(said.endswith(f"({where})") for said in messages.values()) for where in tracebacks)


def raised(call, *arguments):
    with pytest.raises(BaseException) as caught:  # noqa: PT011 -- of all kinds
        call(*arguments)
    return failure(caught.value, __file__.replace("test_failures", "none"))


def of_library(kind):
    if kind == "numpy":
        np.linalg.inv(np.zeros((2, 2)))
    if kind == "recursion":
        of_library(kind)
    if kind == "wide":
        exec(compile("1 / 0  # " + "x" * 5000, __file__ + ".generated", "exec"))
    try:
        raise KeyError("first")
    except KeyError as error:
        if kind == "from":
            raise ValueError("second") from error
        raise ValueError("second") from (None if kind == "from none" else error)


def test_the_last_frames_go_into_the_library():
    ((where, text),) = raised(of_library, "numpy").tracebacks.items()
    assert where.startswith("test_failures.py, line ")
    assert "np.linalg.inv(np.zeros((2, 2)))" in text
    assert "_raise_linalgerror_singular" in text.splitlines()[-2]


def test_frames_of_a_recursion_are_collapsed():
    ((_, text),) = raised(of_library, "recursion").tracebacks.items()
    assert "[Previous line repeated" in text
    assert len(text) <= LENGTH


def test_the_error_before_is_told():
    ((_, text),) = raised(of_library, "from").tracebacks.items()
    assert "\nafter KeyError: 'first', raised in\n" in text
    assert "after" not in next(iter(raised(of_library, "from none").tracebacks.values()))


def test_a_measure_in_a_library_is_named_by_its_own_file():
    """What is installed beside python is a library, except for the function that the sweep calls."""
    assert raised(np.linalg.inv, np.zeros((2, 2))).message.startswith("LinAlgError: Singular matrix (")
    with pytest.raises(ZeroDivisionError) as caught:
        json.loads("1", parse_int=lambda text: 1 / 0)
    assert "(test_failures.py, line " in failure(caught.value, "none").message
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads("{")
    assert "(test_failures.py, line " in failure(caught.value, "none").message
    assert "(__init__.py, line " in failure(caught.value, __file__).message


@pytest.fixture
def archive(tmp_path):
    grid = Grid({"a": np.arange(4), "b": np.array([10.0, 20.0, 30.0])})
    outputs = {"product": (), "noise": (2,)}
    made = Archive.create(tmp_path / "run.h5", grid, outputs=outputs, seed=11, fixed={"shift": 0.5})
    return run(measures.singular, made, Here(), progress=False)


def test_show_quotes_the_frames(archive, capsys):
    said = summary(archive)
    (where,) = archive.tracebacks()
    assert f"  the last calls of the failure in {where}\n" in said
    assert "in _raise_linalgerror_singular" in said
    assert cli.main(["show", str(archive.path)]) == 0
    assert "in _raise_linalgerror_singular" in capsys.readouterr().out
    assert [entry["event"] for entry in archive.history] == ["start", "end"]
    assert not archive.damage()
    run(measures.product, archive, Here(), retry=True, progress=False)
    assert "the last calls" not in summary(archive)


def test_the_frames_stay_in_merged_and_refined_archives(archive, tmp_path):
    assert merge([archive], tmp_path / "merged.h5").tracebacks() == archive.tracebacks()
    refined = refine(archive, tmp_path / "fine.h5", "product", level=20.0, factor=2)
    assert refined.tracebacks() == archive.tracebacks()
    assert (refined.status == Status.FAILED).any()


def test_frames_leave_half_of_the_journal_to_the_runs(archive, monkeypatch):
    monkeypatch.setattr(writer, "EXPLAINED", 1000)
    with archive.writer() as writing:
        writing.explain({f"file.py, line {i}": "x" * LENGTH for i in range(1000)})
        writing.note({"event": "start", "name": "after"})
    assert 20 < len(archive.tracebacks()) < 60
    assert archive.history[-1]["name"] == "after"
