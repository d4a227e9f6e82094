"""A run ends by itself once its standard errors are small enough, and says so when they are not."""

from contextlib import contextmanager
from itertools import repeat

import numpy as np
import pytest

from cocycle import Linear, frame, lyapunov_spectrum
from cocycle.formulas import Formula
from cocycle.lyapunov import spectrum
from cocycle.lyapunov.stopping import Stopping
from cocycle.systems import Henon


def henon(x, a=1.4, b=0.3):
    return np.stack([1 - a * x[0] ** 2 + x[1], b * x[0]])


X = Henon().series(1)[0]


@pytest.mark.parametrize("f", [Henon(), Formula(henon)], ids=["step by step", "compiled"])
def test_the_run_ends_with_the_errors_wished(f):
    result = lyapunov_spectrum(repeat(f, 1_000_000), X, frame(X, 2), until=0.02)
    assert (result.standard_error <= 0.02).all()
    assert result.maps < 20_000
    again = lyapunov_spectrum(repeat(f, result.maps), X, frame(X, 2))
    np.testing.assert_allclose(again.exponents, result.exponents, rtol=0, atol=1e-9)


def test_each_exponent_has_a_wish_of_its_own():
    def maps():
        factors = np.random.default_rng(0).uniform(0.1, 0.5, size=100_000)
        return (Linear(np.diag([0.9, factor])) for factor in factors)

    x = np.array([1.0, 2.0])
    both = lyapunov_spectrum(maps(), x, np.eye(2), until=0.01)
    assert both.standard_error[1] <= 0.01
    first = lyapunov_spectrum(maps(), x, np.eye(2), until=(0.01, np.inf))
    assert first.maps < both.maps


def test_all_members_of_a_batch_are_waited_for(rng):
    x = Henon().start(rng, (7,))
    result = lyapunov_spectrum(repeat(Formula(henon), 100_000), x, frame(x, 2), transient=200, until=0.02)
    assert result.maps < 100_000
    assert (result.standard_error <= 0.02).all()


def test_a_maximum_that_is_too_small_is_said():
    with pytest.warns(UserWarning, match=r"until.*times as many steps"):
        lyapunov_spectrum(repeat(Henon(), 2000), X, frame(X, 2), until=1e-6)


@pytest.mark.parametrize("wish", [0, -1.0, (0.1, 0.1, 0.1), np.inf, np.nan, (np.inf, np.inf)])
def test_a_wish_that_is_none_is_refused(wish):
    with pytest.raises(ValueError, match="until must be a positive standard error"):
        lyapunov_spectrum(repeat(Henon(), 10), X, frame(X, 2), until=wish)


def test_a_run_without_an_end_is_refused():
    with pytest.raises(ValueError, match="steps must have an end"):
        lyapunov_spectrum(repeat(Henon()), X, frame(X, 2), until=0.01)


def test_one_small_error_bar_is_not_enough():
    """Growth whose error bar is small by chance at one check, and not at those before."""
    rng = np.random.default_rng(3)
    stopping = Stopping(0.1, 1)
    growth = np.concatenate([rng.normal(size=(110, 1)), np.zeros((10_000, 1))])
    assert not stopping.enough([growth[:110]], [np.ones(110)])
    assert not stopping.enough([growth], [np.ones(len(growth))])


def test_the_progress_bar_knows_how_long_it_takes(monkeypatch):
    """Its total is at first the maximum, then what the errors so far let expect, in the end what was done."""
    totals = []

    @contextmanager
    def bar(total, label):
        totals.append(total)
        yield lambda n, expected=None: totals.append(expected) if expected is not None else None

    monkeypatch.setattr(spectrum, "progress_bar", bar)
    result = lyapunov_spectrum(repeat(Formula(henon), 1_000_000), X, frame(X, 2), transient=50, until=0.02)
    assert totals[0] == 1_000_000
    assert totals[-1] == result.maps + 50
    assert max(totals[len(totals) // 2 :]) < 50_000
