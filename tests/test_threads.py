"""One thread where products are small, as many as before elsewhere; progress bars, and one way to be without."""

import subprocess
import sys
import time
from itertools import repeat

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

import cocycle.threads
from cocycle import (
    Linear,
    Map,
    Reservoir,
    finite_time_exponents,
    forecast,
    frame,
    ftle,
    lyapunov_spectrum,
    show_progress,
    train,
)
from cocycle.progress import progress_bar
from cocycle.threads import one_thread_if_small


def of_blas():
    return max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")


class Watching(Map):
    """The identity, which notes with how many threads it was applied."""

    def __init__(self):
        self.seen = set()

    def __call__(self, x):
        self.seen.add((of_blas(), torch.get_num_threads()))
        return x + 0.0

    def tangent(self, x, q):
        return self(x), q + 0.0


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with threadpool_limits(2):
        yield
    torch.set_num_threads(before)


FOLDS = {
    "spectrum": lambda f, x: lyapunov_spectrum(repeat(f, 30), x, frame(x, 2)),
    "stretching": lambda f, x: finite_time_exponents([f] * 3, x, frame(x, 2)).log_factors,
    "ftle": lambda f, x: ftle([f] * 3, x[None]),
}


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("fold", FOLDS)
@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_small_maps_have_one_thread_and_others_are_left_alone(fold, kind, monkeypatch):
    x = kind(np.ones(3))
    for crossover, expected in ((cocycle.threads.CROSSOVER, 1), (1, 2)):
        monkeypatch.setattr(cocycle.threads, "CROSSOVER", crossover)
        f = Watching()
        FOLDS[fold](f, x)
        assert {blas for blas, _ in f.seen} == {expected}
        if kind is torch.as_tensor:
            assert {of_torch for _, of_torch in f.seen} == {expected}
        assert (of_blas(), torch.get_num_threads()) == (2, 2)  # afterwards as before


@pytest.mark.usefixtures("two_threads")
def test_reservoirs_too(monkeypatch):
    seen = []
    for name in ("forecast", "running"):
        module = sys.modules[f"cocycle.reservoir.{name}"]
        monkeypatch.setattr(module, "one_thread_if_small", lambda x: seen.append(x.shape) or one_thread_if_small(x))
    u = np.sin(0.3 * np.arange(500))[:, None]
    forecast(train(Reservoir.random(20, 1), u, ridge=1e-6), u[:100], 10)
    assert seen == [(20,), (20,)]


@pytest.mark.usefixtures("two_threads")
def test_the_number_of_threads_comes_back_after_an_error():
    with pytest.raises(ValueError, match="broken"), one_thread_if_small(torch.ones(3)):
        raise ValueError("broken")
    assert (of_blas(), torch.get_num_threads()) == (2, 2)


class Slow(Map):
    def __call__(self, x):
        time.sleep(0.05)
        return x + 0.0

    def tangent(self, x, q):
        return self(x), q + 0.0


def test_all_bars_can_be_turned_off(caplog, monkeypatch):
    monkeypatch.setattr("cocycle.progress.LOG_EVERY", 0.0)
    caplog.set_level("INFO", logger="cocycle")
    try:
        for shown in (True, False, True):
            show_progress(shown)
            caplog.clear()
            lyapunov_spectrum(repeat(Slow(), 3), np.zeros(2), np.eye(2))
            assert bool(caplog.records) is shown
    finally:
        show_progress(True)


def test_a_terminal_gets_no_bar_when_they_are_off():
    code = (
        "import cocycle.progress as p, sys, io; from tqdm import std; sys.stderr.isatty = lambda: True; "
        "p.show_progress(len(sys.argv) < 2); "
        "bar = p.progress_bar(10, 'x', delay=0); advance = bar.__enter__(); advance(5); bar.__exit__(None, None, None)"
    )
    shown, silent = (
        subprocess.run([sys.executable, "-c", code, *more], capture_output=True, text=True, check=True).stderr
        for more in ([], ["off"])
    )
    assert "5/5" in shown  # a bar that is left ends full
    assert silent == ""


def test_a_bar_is_closed_when_its_loop_is_left():
    with progress_bar(3, "x") as advance:
        advance(1)
    assert lyapunov_spectrum(repeat(Linear(np.eye(2)), 5), np.zeros(2), np.eye(2), transient=2).maps == 3


@pytest.mark.usefixtures("two_threads")
def test_contexts_that_overlap_give_all_threads_back():
    """Two python threads at the same time: the first to enter is the first to leave."""
    first, second = one_thread_if_small(torch.ones(3)), one_thread_if_small(torch.ones(3))
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert (of_blas(), torch.get_num_threads()) == (1, 1)
    second.__exit__(None, None, None)
    assert (of_blas(), torch.get_num_threads()) == (2, 2)
