"""In a notebook: one picture for each plot(), a table for each result a cell may end with, bars that end at the end."""

import numpy as np
import pytest

from cocycle import (
    Archive,
    Grid,
    Layer,
    Linear,
    Reservoir,
    finite_time_exponents,
    ftle,
    leading_exponents,
    plane,
    train,
)
from cocycle.lyapunov.derived import Estimate
from cocycle.networks.history import History
from cocycle.networks.uncertainty import accuracy_map, uncertainty
from cocycle.progress import progress_bar, tracked
from cocycle.reservoir import Synchronisation, ValidTimes, memory_capacity
from cocycle.sweeps import rerun, run

SETUP = """
from itertools import repeat
import matplotlib.pyplot as plt, numpy as np
from cocycle import Linear, frame, lyapunov_spectrum
result = lyapunov_spectrum(repeat(Linear(np.diag([2.0, 0.5])), 40), np.zeros(2), np.eye(2))
"""


SHOWN = ("result.plot()", "figure = result.plot()", "result.plot()\nplt.show()", "figure")


@pytest.fixture(scope="module")
def outputs():
    """The outputs of each cell, as a notebook stores them."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    cells = (SETUP, *SHOWN, "1 + 1", "result")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MPLBACKEND", raising=False)  # of the tests: a notebook chooses its own
        nbclient.NotebookClient(book, timeout=120).execute()
    return {cell.source: cell.outputs for cell in book.cells}


def pictures(cell):
    return sum("image/png" in output.get("data", {}) for output in cell)


@pytest.mark.parametrize("cell", SHOWN)
def test_one_picture_for_each_plot(outputs, cell):
    assert pictures(outputs[cell]) == 1


def test_no_picture_of_an_earlier_cell(outputs):
    assert pictures(outputs[SETUP]) == pictures(outputs["1 + 1"]) == pictures(outputs["result"]) == 0
    assert "<table>" in outputs["result"][0]["data"]["text/html"]


def test_a_bar_ends_at_the_end(monkeypatch):
    """Also where the loop that takes the items stops with the last one, or needs fewer than expected."""
    bars = []

    def bar_of(*args, **options):
        from tqdm import tqdm

        bars.append(tqdm(*args, **{**options, "disable": False}))
        return bars[-1]

    monkeypatch.setattr("cocycle.progress.tqdm", bar_of)
    assert list(zip(range(3), tracked([1, 2, 3], "zip"), strict=False))
    with progress_bar(10, "until") as advance:
        advance(4)
    list(tracked(range(5), "all"))
    with pytest.raises(ZeroDivisionError):
        left_with_an_error()
    assert [(bar.n, bar.total) for bar in bars] == [(3, 3), (4, 4), (5, 5), (4, 10)]


def left_with_an_error():
    with progress_bar(10, "fails") as advance:
        advance(4)
        raise ZeroDivisionError


def results(tmp_path):
    rng = np.random.default_rng(1)
    layers = [Layer(np.array([[3.0, 0.0], [0.0, 1.0]]), 1.5)]
    axis = np.linspace(-1, 1, 21)
    series = np.sin(np.arange(600) * 0.1)[:, None] + 0.01 * rng.normal(size=(600, 1))
    archive = Archive.create(tmp_path / "a.h5", Grid({"w": np.arange(3.0)}), outputs={"height": ()}, seed=1)
    run(height, archive, workers=1, progress=False)
    one, two = (np.zeros(2), np.eye(2)), np.stack([np.eye(2)] * 2)
    members = rng.dirichlet(np.ones(3), size=(4, 50))
    yield "least λ₁ (per layer)", ftle(layers, plane(axis, axis))
    yield "λᵢ per layer", leading_exponents([Linear(np.diag([2.0, 0.5]))], np.zeros(2))
    yield "median", ValidTimes(np.array([0.5, 1.5, 10.0]), 10.0)
    yield "rate (per step)", Synchronisation(np.exp(-0.5 * np.arange(80))[:, None] * [1.0, 2.0], 1.0)
    yield "degree 1", memory_capacity(Reservoir.random(10, 1, rng=1), delays=3, times=200)
    yield "has learned", train(Reservoir.random(10, 1, rng=1), series)
    yield "held-out error", History(np.array([1.0, 0.1]), np.array([0.5, 0.0]))
    yield "<td>aleatoric</td>", uncertainty(members)
    yield "<td></td><td>2.500</td><td>0.010</td>", Estimate(np.array(2.5), np.array(0.01))
    yield "11 in all", Estimate(np.arange(11.0), np.ones(11))
    yield "<tr><td>1</td><td>1.09861</td></tr>", finite_time_exponents([Linear(np.diag([3.0, 1.0]))], *one)
    yield "batch (2,)", finite_time_exponents([Linear(np.diag([3.0, 1.0]))], np.zeros((2, 2)), two)
    yield "12 in all", finite_time_exponents([Linear(np.diag(np.arange(1.0, 13)))], np.zeros(12), np.eye(12))
    yield "accuracy of all", accuracy_map(uncertainty(members), np.arange(50) % 2 == 0, bins=3)
    yield "every bit is the same", rerun(archive, {"w": 1.0}, height)
    yield "Records of 2 points", archive.records(np.array([0, 2]))
    yield "mean", archive.best("height")


def height(point, rng):
    return {"height": point["w"]}


def test_what_a_cell_may_end_with_is_a_table(tmp_path):
    for word, result in results(tmp_path):
        text = result._repr_html_()
        assert text.startswith("<table>"), type(result)
        assert word in text
