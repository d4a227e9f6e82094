"""Error bars hold: on limit cycles and tori, over groups of unequal time, beside exponents of -inf."""

from itertools import repeat

import numpy as np
import pytest
import torch

from benchmark_modules import error_bars
from cocycle import Compiled, Diverged, Flow, Linear, Map, Spectrum, frame, lyapunov_spectrum
from cocycle.lyapunov import entropy, kaplan_yorke, volume_growth
from cocycle.lyapunov.errors import batch_errors, bridge_errors, standard_errors
from cocycle.systems import Henon, Lorenz63


def shares(step, x, truth, lengths, transient):
    """The share of runs in which the truth lies within two standard errors, for each length: ten segments, ours."""
    result = lyapunov_spectrum(repeat(step, transient + lengths[-1]), x, frame(x, 1), transient=transient)
    found = result.growth.cumsum(0)[lengths - 1] / result.times.cumsum(0)[lengths - 1, None, None]
    errors = (f(result.growth, result.times, lengths) for f in (batch_errors, standard_errors))
    return [(abs(found - truth) < 2 * error)[..., 0].mean(1) for error in errors]


def test_limit_cycle(rng):
    """Van der Pol, all lengths from 20 to 239: ten segments alone miss nearly always near multiples of ten periods."""
    step, lengths = Compiled(Flow(error_bars.VanDerPol(), 0.1)), np.arange(200, 2400, 10)
    batch, ours = shares(step, rng.uniform(-1, 1, size=(100, 2)), 0.0, lengths, 500)
    assert (batch < 0.9).sum() > 20  # what the bridge is for
    assert ours.min() > 0.9


@pytest.mark.parametrize("strength", [0.5, 0.9])
def test_torus(strength, rng):
    step = Compiled(error_bars.Circle(strength=strength))
    _, ours = shares(step, rng.uniform(size=(200, 1)), 0.0, np.arange(66, 200), 100)
    assert ours.min() > 0.9


def test_chaos_has_the_error_bars_that_it_had(rng):
    """Neither Lorenz nor Hénon is widened by more than a tenth on average."""
    for step, x in (
        (Compiled(Flow(Lorenz63(), 0.02)), Lorenz63().start(rng, (60,))),
        (Henon(), Henon().start(rng, (200,))),
    ):
        result = lyapunov_spectrum(repeat(step, 2500), x, frame(x, 1), transient=500)
        ends = np.array([len(result.times)])
        batch, bridge = (f(result.growth, result.times, ends) for f in (batch_errors, bridge_errors))
        assert np.median(bridge) < 0.75 * np.median(batch)
        assert result.standard_error.mean() < 1.1 * batch.mean()


def test_independent_growth_is_covered_whatever_the_times_of_the_groups(rng):
    """Two parts whose groups take 0.02 and 2: stretches of equal time, where short groups do not count for more."""
    runs, long = 400, 3000
    first = Spectrum(
        rng.normal(size=(700, runs, 1)) * 0.02**0.5, np.full(700, 0.02), np.zeros((runs, 1)), np.ones((runs, 1, 1)), 700
    )
    second = Spectrum(rng.normal(size=(long, runs, 1)) * 2**0.5, np.full(long, 2.0), first.x, first.q, long)
    both = first + second
    true_error = both.times.sum() ** -0.5
    np.testing.assert_allclose(np.sqrt((both.standard_error**2).mean()), true_error, rtol=0.1)
    assert 0.88 < (abs(both.exponents) < 2 * both.standard_error).mean() < 0.97


def test_a_group_longer_than_a_tenth_of_the_record(rng):
    """With a fifth of the time there is an error, with most of it none: nothing is left to compare."""
    for long, known in ((20.0, True), (240.0, False)):
        times = np.array([1.0] * 80 + [long])
        growth = rng.normal(size=(81, 300, 1)) * times[:, None, None] ** 0.5
        result = Spectrum(growth, times, np.zeros((300, 1)), np.ones((300, 1, 1)), 81)
        assert len(result.batches[1]) < 10
        assert result.batches[1].sum() == times.sum()
        assert np.isfinite(result.standard_error).all() == known
        if known:
            assert np.sqrt((result.standard_error**2).mean()) == pytest.approx(0.1, rel=0.1)


def test_constant_growth_has_no_error():
    result = lyapunov_spectrum(repeat(Linear(np.diag([2.0, 0.5])), 50), np.zeros(2), np.eye(2))
    np.testing.assert_array_equal(result.standard_error, 0.0)


def test_the_running_error_ends_at_the_result(rng):
    x = Henon().start(rng, (3,))
    result = lyapunov_spectrum(repeat(Henon(), 1003), x, frame(x, 2), every=3)
    np.testing.assert_allclose(result.running(50)[2][-1], result.standard_error, rtol=1e-8)


class Contracting(Map):
    """Hénon's map beside a direction that vanishes."""

    def __call__(self, x):
        return np.concatenate([Henon()(x[..., :2]), 0 * x[..., 2:]], axis=-1)

    def tangent(self, x, q):
        pushed = Henon().tangent(x[..., :2], q[..., :2, :])[1]
        return self(x), np.concatenate([pushed, 0 * q[..., 2:, :]], axis=-2)


def test_an_exponent_of_minus_infinity_leaves_dimension_and_entropy_defined():
    x = np.array([0.1, 0.1, 0.0])
    result = lyapunov_spectrum(repeat(Contracting(), 2000), x, np.eye(3), transient=50)
    alone = lyapunov_spectrum(repeat(Henon(), 2000), x[:2], np.eye(2), transient=50)
    assert result.exponents[2] == -np.inf
    for quantity in (kaplan_yorke, entropy):
        mine, theirs = quantity(result), quantity(alone)
        assert mine.value == pytest.approx(theirs.value, rel=1e-12)
        assert mine.error == pytest.approx(theirs.error, rel=1e-9)
    assert volume_growth(result).value == -np.inf


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
@pytest.mark.parametrize("every", [1, 4, 20, "auto"])
def test_divergence_in_the_first_group_is_divergence_whatever_its_length(every):
    class Exploding(Map):
        def __call__(self, x):
            return x**3

        def tangent(self, x, q):
            return x**3, 3 * x[..., None] ** 2 * q

    for x in (np.array([1e200]), np.array([1e5])):
        with pytest.raises(Diverged) as caught:
            lyapunov_spectrum(repeat(Exploding(), 40), x, np.eye(1), every=every)
        assert caught.value.step <= 4
    assert isinstance(caught.value, ArithmeticError)


def test_growth_and_times_are_in_double_precision_whatever_the_states():
    x = torch.zeros(2)
    result = lyapunov_spectrum(
        repeat(Linear(torch.diag(torch.tensor([1.1, 0.9]))), 3000), x, frame(x, 2), transient=200
    )
    assert result.growth.dtype == result.times.dtype == torch.float64
    assert result.q.dtype == torch.float32
    _, exponents, _ = result.running(2800)
    weights = np.log(np.float32([1.1, 0.9]).astype(float))
    np.testing.assert_allclose(exponents[1000:], np.broadcast_to(weights, (1800, 2)), rtol=0, atol=1e-5)
    np.testing.assert_allclose(exponents[-1], exponents[1500], rtol=0, atol=1e-6)  # sums of single numbers would drift
