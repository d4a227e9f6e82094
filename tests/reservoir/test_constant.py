"""A readout has a constant that the ridge leaves free: units and means of series and targets do not matter."""

from dataclasses import replace
from itertools import repeat

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cocycle import Reservoir, forecast, train, trajectory
from cocycle.reservoir import (
    CrossValidated,
    DelayLine,
    Design,
    HeldOut,
    MomentSum,
    Normalisation,
    Polynomial,
    RecursiveLeastSquares,
    WithSquares,
    load,
    ridge_readout,
    save,
    train_online,
)
from cocycle.systems import Lorenz63

SHIFTED_SINE = 3 + np.sin(0.3 * np.arange(600))[:, None]  # exactly linear in two delays and a constant
NORMALISE = [True, False, Normalisation(1.0, 2.0)]


def moments_of(states, targets, constant):
    moments = MomentSum(states.shape[1:-1], states.shape[-1], targets.shape[-1], constant=constant)
    for r, y in zip(states, targets, strict=True):
        moments.add(r, y)
    return moments.total()


@pytest.mark.parametrize("normalise", NORMALISE)
@pytest.mark.parametrize(
    "design", [None, Polynomial(2, (0, 1)), Polynomial(2, (1,)), Design(increment=True), Design(direct=True)]
)
def test_a_recurrence_with_a_constant_is_continued_exactly(normalise, design):
    model = train(DelayLine(1, 2), SHIFTED_SINE[:500], ridge=1e-12, washout=5, design=design, normalise=normalise)
    # rounding of the moments, 1e-16 * 500, over 50 steps of a recurrence whose errors grow linearly
    np.testing.assert_allclose(forecast(model, SHIFTED_SINE[500:510], 50), SHIFTED_SINE[510:560], rtol=0, atol=3e-11)


@settings(max_examples=20, deadline=None)
@given(mean=st.floats(-1e3, 1e3), normalise=st.sampled_from(NORMALISE), ridge=st.sampled_from([1e-6, 1.0, 1e3]))
def test_a_mean_of_the_target_is_added_and_nothing_else(mean, normalise, ridge):
    """Whatever the ridge: it does not pull the constant to zero."""
    rng = np.random.default_rng(0)
    u = rng.normal(size=(400, 1))
    y = np.roll(u, 1, axis=0)
    plain, shifted = (
        train(Reservoir.random(30, 1), u, target=target, ridge=ridge, normalise=normalise, washout=50)
        for target in (y, y + mean)
    )
    np.testing.assert_allclose(shifted.predictions(u), plain.predictions(u) + mean, rtol=0, atol=1e-9 * (1 + abs(mean)))


def test_moments_with_sums_are_a_regression_with_a_free_constant(rng):
    r, y = rng.normal(size=(80, 2, 5)) + 3, rng.normal(size=(80, 2, 2)) - 7
    moments = moments_of(r, y, True)
    weight = ridge_readout(moments, 0.7)
    for i in range(2):
        full = np.concatenate([r[:, i], np.ones((80, 1))], axis=1)
        exact = np.linalg.solve(full.T @ full + 0.7 * np.diag([1, 1, 1, 1, 1, 0]), full.T @ y[:, i]).T
        np.testing.assert_allclose(weight[i], exact[:, :-1], rtol=1e-10)
        np.testing.assert_allclose(moments.constant(weight)[i], exact[:, -1], rtol=1e-10)


def test_scores_count_the_constant(rng):
    """Generalised cross-validation and held-out errors of a regression with a constant, by their definitions."""
    r, y, ridges = rng.normal(size=(60, 5)) + 3, rng.normal(size=(60, 2)) - 7, (1e-3, 1.0, 30.0)
    full, free = np.concatenate([r, np.ones((60, 1))], axis=1), np.diag([1.0] * 5 + [0])
    found = CrossValidated(ridges).scores([moments_of(r, y, True)])
    folds = [slice(0, 20), slice(20, 40), slice(40, 60)]
    held = HeldOut(ridges, folds=3).scores([moments_of(r[f], y[f], True) for f in folds])
    for ridge, score, error in zip(ridges, found, held, strict=True):
        hat = full @ np.linalg.solve(full.T @ full + ridge * free, full.T)
        np.testing.assert_allclose(score, ((y - hat @ y) ** 2).mean() * 2 / (1 - np.trace(hat) / 60) ** 2, rtol=1e-9)
        missed = 0.0
        for fold in folds:
            x, z = np.delete(full, fold, axis=0), np.delete(y, fold, axis=0)
            missed += ((y[fold] - full[fold] @ np.linalg.solve(x.T @ x + ridge * free, x.T @ z)) ** 2).sum()
        np.testing.assert_allclose(error, missed / 60, rtol=1e-9)


def test_a_total_does_not_change_when_more_is_added(rng):
    moments = MomentSum((), 3, 1, constant=True)
    moments.add(rng.normal(size=3), np.ones(1))
    first = moments.total()
    kept = [a.copy() for a in (first.states, first.targets, first.squares, *first.sums)]
    for _ in range(500):
        moments.add(rng.normal(size=3), np.ones(1))
    moments.total()
    for now, then in zip((first.states, first.targets, first.squares, *first.sums), kept, strict=True):
        np.testing.assert_array_equal(now, then)


def test_without_a_constant_it_is_the_textbook():
    series = Lorenz63().series(900)
    network = Reservoir.gaussian(40, 3, rng=1)
    model = train(network, series, ridge=1e-2, normalise=False, design=Design(constant=False))
    states = trajectory(network.driven(series[:-1]), network.rest())[200:]
    exact = np.linalg.solve(states.T @ states + 1e-2 * np.eye(40), states.T @ series[201:]).T
    np.testing.assert_allclose(model.readout.weight, exact, rtol=0, atol=1e-8 * abs(exact).max())
    assert model.readout.offset == 0


@pytest.mark.parametrize("leak_rate", [1.0, 0.6])
def test_the_closed_loop_carries_the_constant(leak_rate, tmp_path):
    """As a bias: the fast loop is the slow one, which feeds outputs by hand, also when saved, and for a batch."""
    series = Lorenz63().series(1200)
    network = Reservoir.random(40, 3, leak_rate=leak_rate)
    batch = replace(network, gain=np.array([[0.5], [1.0]]), input_gain=np.array([[1.0], [2.0]]))
    for each in (network, batch):
        model = train(each, series, ridge=1e-3, normalise=False)
        state = model.warmed(series[:50])
        assert abs(np.asarray(model.readout.offset)).min() > 1e-3
        by_hand = state
        for _ in range(5):
            by_hand = next(each.driven(model.readout(by_hand)[None]))(by_hand)
        np.testing.assert_allclose(trajectory(repeat(model.closed, 5), state)[-1], by_hand, rtol=1e-9, atol=1e-11)
        starts = np.stack([series[:50], series[100:150], series[200:250]], axis=1)
        together = forecast(model, starts, 5)
        np.testing.assert_allclose(together[..., 1, :], forecast(model, series[100:150], 5), rtol=1e-9, atol=1e-9)
        save(model, tmp_path / "model.h5")
        np.testing.assert_array_equal(forecast(load(tmp_path / "model.h5"), starts, 5), together)


@pytest.mark.parametrize("design", [None, Design(WithSquares(), direct=True), Design(increment=True)])
@pytest.mark.parametrize("normalise", [True, False])
def test_recursive_least_squares_has_the_same_constant(design, normalise):
    """Without forgetting: rounding times the condition number."""
    series = Lorenz63().series(900)
    batch = train(Reservoir.random(20, 3), series, ridge=0.1, design=design, normalise=normalise)
    rule = RecursiveLeastSquares(ridge=0.1)
    online = train_online(Reservoir.random(20, 3), series, rule, design=design, normalise=normalise).model
    scale = abs(batch.readout.weight).max()
    np.testing.assert_allclose(online.readout.weight, batch.readout.weight, rtol=0, atol=1e-6 * scale)
    np.testing.assert_allclose(online.readout.offset, batch.readout.offset, rtol=1e-5, atol=1e-6 * scale)


ODD = replace(Reservoir.random(60, 1), bias=0.0)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), which=st.integers(0, 4), times=st.sampled_from([500, 2000]))
def test_an_even_target_of_an_odd_network_is_warned_of(seed, which, times):
    u = np.random.default_rng(seed).uniform(-1, 1, size=(times, 1))
    before = np.roll(u, 1, axis=0)
    even = (u**2, u * before, before**2 + u, 5 + u + u**2, abs(u))[which]
    with pytest.warns(UserWarning, match="odd.* and the target is not"):
        train(ODD, u, target=even, ridge=1e-6)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), which=st.integers(0, 4), times=st.sampled_from([500, 2000]))
def test_an_odd_target_of_an_odd_network_is_not_warned_of(seed, which, times):
    rng = np.random.default_rng(seed)
    u = rng.uniform(-1, 1, size=(times, 1))
    before = np.roll(u, 1, axis=0)
    odd = (u**3, before, 5 + u, u * before * np.roll(u, 2, axis=0), rng.normal(size=u.shape))[which]
    train(ODD, u, target=odd, ridge=1e-6)  # warnings are errors here


def test_a_mean_that_cannot_be_learned_is_warned_of(rng):
    u = rng.normal(size=(600, 1))
    with pytest.warns(UserWarning, match="the target has a mean, .*; leave constant=True"):
        train(ODD, u, target=u + 5, normalise=False, design=Design(constant=False), ridge=1e-6)
