"""Readouts solve what they say: ridge for many values at once, the choice among them, and online rules in the limit."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cocycle import Reservoir, train
from cocycle.reservoir import (
    CrossValidated,
    Design,
    HeldOut,
    LeastMeanSquares,
    MomentSum,
    RecursiveLeastSquares,
    WithSquares,
    ridge_path,
    ridge_readout,
    train_online,
)
from cocycle.reservoir.online_rules import FLOOR
from cocycle.systems import Lorenz63

RIDGES = (1e-3, 0.1, 10.0)


def moments_of(states, targets):
    moments = MomentSum(states.shape[1:-1], states.shape[-1], targets.shape[-1])
    for r, y in zip(states, targets, strict=True):
        moments.add(r, y)
    return moments.total()


@pytest.fixture
def data(rng):
    states = rng.normal(size=(60, 2, 8))
    return states, states[:, 0] @ rng.normal(size=(8, 3)) + 0.3 * rng.normal(size=(60, 3))


def test_a_path_is_its_ridges_one_by_one(data):
    moments = moments_of(*data)
    path = ridge_path(moments, RIDGES)
    for ridge, weights in zip(RIDGES, path, strict=True):
        np.testing.assert_allclose(weights, ridge_readout(moments, ridge), rtol=1e-10, atol=1e-12)


def test_each_network_may_have_its_own_ridge(data):
    moments = moments_of(*data)
    both = ridge_readout(moments, np.array([0.1, 10.0]))
    np.testing.assert_array_equal(both[0], ridge_readout(moments, 0.1)[0])
    np.testing.assert_array_equal(both[1], ridge_readout(moments, 10.0)[1])


def test_a_ridge_that_is_too_small_is_left_out_of_a_path(rng):
    states = np.repeat(rng.normal(size=(60, 4)), 2, axis=1)  # rank 4 of 8
    path = ridge_path(moments_of(states, states[:, :1]), (0.0, 1e-3))
    assert np.isnan(path[0]).all()
    assert np.isfinite(path[1]).all()


def test_cross_validation_is_the_mean_over_all_that_can_be_left_out(data):
    """GCV equals leave-one-out where all leverages agree; in general it is defined by them: check the definition."""
    states, targets = data[0][:, 0], data[1]
    scores = CrossValidated(RIDGES).scores([moments_of(states, targets)])
    for ridge, score in zip(RIDGES, scores, strict=True):
        hat = states @ np.linalg.solve(states.T @ states + ridge * np.eye(8), states.T)
        residual = targets - hat @ targets
        np.testing.assert_allclose(score, (residual**2).sum() / 60 / (1 - np.trace(hat) / 60) ** 2, rtol=1e-10)


def test_held_out_errors_are_those_of_fits_without_the_fold(data):
    states, targets = data[0][:, 0], data[1]
    folds = [slice(0, 20), slice(20, 40), slice(40, 60)]
    scores = HeldOut(RIDGES, folds=3).scores([moments_of(states[f], targets[f]) for f in folds])
    for ridge, score in zip(RIDGES, scores, strict=True):
        errors = 0.0
        for fold in folds:
            r, y = np.delete(states, fold, axis=0), np.delete(targets, fold, axis=0)
            weight = np.linalg.solve(r.T @ r + ridge * np.eye(8), r.T @ y)
            errors += ((targets[fold] - states[fold] @ weight) ** 2).sum()
        np.testing.assert_allclose(score, errors / 60, rtol=1e-9)


@pytest.mark.parametrize("choice", [CrossValidated((1e-6, 1e-2, 1e2)), HeldOut((1e-6, 1e-2, 1e2), folds=4)])
def test_training_takes_the_best_ridge(choice):
    series = Lorenz63().series(1500)
    chosen = train(Reservoir.random(40, 3), series, ridge=choice)
    assert chosen.settings["ridge"] in choice.ridges
    again = train(Reservoir.random(40, 3), series, ridge=float(chosen.settings["ridge"]))
    # both solve the same system: rounding times its condition number
    np.testing.assert_allclose(chosen.readout.weight, again.readout.weight, rtol=1e-4, atol=1e-6)


def test_a_noisy_target_takes_a_larger_ridge_than_a_clean_one(rng):
    u = rng.normal(size=(400, 1))
    clean, noisy = u, u + 3 * rng.normal(size=u.shape)
    ridges = tuple(10.0 ** np.arange(-8, 4))
    found = [
        train(Reservoir.random(100, 1), u, target=y, ridge=HeldOut(ridges), washout=50).settings["ridge"]
        for y in (clean, noisy)
    ]
    assert found[0] < found[1]


def test_all_ridges_too_small(rng):
    linear = Reservoir(np.zeros((4, 4)), np.ones((4, 1)))  # four units that do the same
    with pytest.raises(ValueError, match="singular to rounding with every ridge up to 1e-30"):
        train(linear, rng.normal(size=(300, 1)) + 5, normalise=False, ridge=CrossValidated((1e-30, 1e-40)), washout=10)


def test_recursive_least_squares_is_ridge_regression():
    """Without forgetting, after any number of inputs, to rounding times the condition number."""
    series = Lorenz63().series(900)
    for design in (None, Design(WithSquares(), direct=True)):
        batch = train(Reservoir.random(30, 3), series, ridge=0.1, design=design)
        online = train_online(Reservoir.random(30, 3), series, RecursiveLeastSquares(ridge=0.1), design=design)
        np.testing.assert_allclose(online.model.readout.weight, batch.readout.weight, rtol=1e-6, atol=1e-8)
    assert online.errors.shape == (900 - 1 - 200, 3)


@pytest.mark.parametrize("times", [50, 5000])
def test_forgetting_is_weighted_regression(rng, times):
    """Also after many times the length of the memory: rounding does not add up."""
    r, y = rng.normal(size=(times, 4)), rng.normal(size=(times, 2))
    rule = RecursiveLeastSquares(ridge=0.5, forgetting=0.9)
    weight, memory = rule.start(2, 4)
    for features, wanted in zip(r, y, strict=True):
        weight, memory = rule.corrected(weight, memory, features, wanted - weight @ features)
    w = 0.9 ** np.arange(times - 1, -1, -1.0)
    exact = np.linalg.solve((r.T * w) @ r + 0.5 * 0.9**times * np.eye(4), (r.T * w) @ y).T
    np.testing.assert_allclose(weight, exact, rtol=1e-9, atol=1e-12)


def test_forgetting_follows_a_system_that_changes(rng):
    """The target switches sign half way: with forgetting the error falls back, without it stays of order one."""
    u = rng.normal(size=(3000, 1))
    target = np.where(np.arange(3000) < 1500, 1, -1)[:, None] * u
    remembering, forgetting = (
        train_online(
            Reservoir.random(20, 1, leak_rate=1.0, bias_scaling=1.0), u, RecursiveLeastSquares(1e-3, f), target=target
        ).errors
        for f in (1.0, 0.98)
    )
    assert np.abs(remembering[-200:]).mean() > 0.3
    assert np.abs(forgetting[-200:]).mean() < 0.05


def test_least_mean_squares_descends():
    series = Lorenz63().series(4000)
    errors = train_online(Reservoir.random(100, 3, leak_rate=1.0), series, LeastMeanSquares(0.01)).errors
    size = np.sqrt((errors**2).mean(axis=1))
    assert size[-500:].mean() < 0.1 * size[:20].mean()


def test_force_learning_makes_a_loop_that_holds_a_sine():
    """It hears its own output while it learns; then the closed loop goes on with the wave."""
    time = np.arange(3000)
    series = np.stack([np.sin(0.1 * time), np.cos(0.1 * time)], axis=-1)
    rule = RecursiveLeastSquares(ridge=0.1, forgetting=0.995)
    trained = train_online(Reservoir.random(100, 2), series[:2000], rule, own_output=True)
    model = trained.model
    assert np.abs(trained.errors[-200:]).max() < 0.02
    state = model.warmed(series[1800:2000])
    outputs, _ = model.continued(state, 1000)
    np.testing.assert_allclose(outputs[:300], series[2000:2300], atol=0.1)
    assert np.abs((outputs**2).sum(axis=1) - 1).max() < 0.1


@pytest.mark.parametrize("period", [6, 20, 63])
def test_force_learning_of_a_sine_by_default(period):
    """The shortest call: the closed loop has its amplitude and period a hundred periods later."""
    wave = np.sin(2 * np.pi / period * np.arange(4000))[:, None]
    model = train_online(Reservoir.random(300, 1), wave, own_output=True).model
    later = model.start(wave).forecast(120 * period)[-20 * period :, 0]
    crossings = np.flatnonzero((later[:-1] < 0) & (later[1:] >= 0))
    exact = crossings + later[crossings] / (later[crossings] - later[crossings + 1])
    assert np.diff(exact).mean() == pytest.approx(period, rel=0.01)
    assert np.sqrt(2 * (later**2).mean()) == pytest.approx(1, abs=0.03)


def test_the_loop_is_closed_after_three_washouts():
    """Until then the corrections are those of a network that is driven by the series; a shorter series is refused."""
    wave = np.sin(0.3 * np.arange(900))[:, None]
    options = {"washout": 100, "rule": RecursiveLeastSquares(forgetting=0.99)}
    network = Reservoir.random(60, 1)
    driven, fed = (train_online(network, wave, own_output=own, **options).errors for own in (False, True))
    np.testing.assert_array_equal(fed[:201], driven[:201])
    assert (fed[201:205] != driven[201:205]).any()
    with pytest.raises(ValueError, match=r"needs series of more than 302 times, .* got one of 300: take a smaller"):
        train_online(network, wave[:300], own_output=True, **options)


def test_a_slow_loop_that_only_follows_its_corrections_is_told():
    slow = np.sin(2 * np.pi / 1000 * np.arange(4000))[:, None]
    with pytest.warns(UserWarning, match=r"the closed loop has not learned .* of its change in a time step"):
        train_online(Reservoir.random(100, 1), slow, own_output=True)


def test_a_loop_that_has_not_learned_is_told():
    noise = np.random.default_rng(3).normal(size=(1500, 1))
    with pytest.warns(UserWarning, match="the closed loop has not learned the series: the errors of the last quarter"):
        train_online(Reservoir.random(50, 1), noise, own_output=True)


@settings(max_examples=25, deadline=None)
@given(
    ridge=st.floats(-14, 2).map(lambda e: 10.0**e),
    forgetting=st.sampled_from([0.8, 0.99, 1.0]),
    size=st.floats(-6, 6).map(lambda e: 10.0**e),
    seed=st.integers(0, 1000),
)
def test_recursive_least_squares_at_any_ridge_and_size(ridge, forgetting, size, seed):
    """Nearly parallel features of any size: nothing overflows or becomes indefinite, and the target is learned."""
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=(1, 6))
    direction /= np.linalg.norm(direction)
    features = size * (rng.normal(size=(3000, 1)) @ direction + 1e-7 * rng.normal(size=(3000, 6)))
    wanted = features @ direction.T
    rule = RecursiveLeastSquares(ridge, forgetting)
    weight, memory = rule.start(1, 6)
    for now, y in zip(features, wanted, strict=True):
        weight, memory = rule.corrected(weight, memory, now, y - weight @ now)
    assert np.isfinite(memory.root).all()
    assert np.linalg.eigvalsh(memory.root @ memory.root.T).min() > -1e-12 * np.linalg.norm(memory.root) ** 2
    residual = np.linalg.norm(wanted[-100:] - features[-100:] @ weight.T) / np.linalg.norm(wanted[-100:])
    effective = min(3000, 1 / (1 - forgetting) if forgetting < 1 else 3000) * size**2
    assert residual < 1e-6 + 10 * ridge / (ridge + effective)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda u: RecursiveLeastSquares(ridge=0.0), "ridge must be a positive number; got 0"),
        (lambda u: RecursiveLeastSquares(forgetting=1.1), r"forgetting must be in \(0, 1\]; got 1.1"),
        (lambda u: LeastMeanSquares(-1.0), "rate must be a positive number"),
        (lambda u: HeldOut(folds=1), "folds must be at least 2; got 1"),
        (lambda u: train_online(Reservoir.random(20, 3), u, LeastMeanSquares(1e3)), "a smaller rate"),
        (lambda u: train_online(Reservoir.random(20, 3), u[:, None]), "got a batch"),
        (
            lambda u: train_online(Reservoir.random(20, 3), u, own_output=True, target=u),
            "own_output=True is for the next",
        ),
        (
            lambda u: train(Reservoir.random(20, 3), u[:210], ridge=HeldOut(folds=20)),
            "folds must be at most the 9 times",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call(Lorenz63().series(600))


def test_rules_and_designs_of_another_kind():
    series = Lorenz63().series(600)
    with pytest.raises(TypeError, match="rule must be an OnlineRule"):
        train_online(Reservoir.random(20, 3), series, "rls")
    with pytest.raises(TypeError, match=r"design must be a Design, or a map such as .*; got 'squares'"):
        train(Reservoir.random(20, 3), series, design="squares")
    with pytest.raises(TypeError, match="network must be a driven network"):
        train(500, series)


SIGNALS = {
    "sine": lambda t: np.sin(0.2 * t),
    "two sines": lambda t: np.sin(0.2 * t) + np.sin(0.0717 * t),
    "loud and soft": lambda t: np.where(t % 1000 < 500, 1.0, 0.01) * np.sin(0.2 * t),
}


@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("forgetting", [0.9, 0.995, 0.9999])
@pytest.mark.parametrize("signal", ["sine", "two sines"])
def test_forgetting_does_not_wind_up(signal, forgetting, kind):
    """However many memories long the series is: the late errors are no larger than the early ones."""
    network = Reservoir.random(50, 1)
    network = replace(network, **{n: getattr(network, n).astype(kind) for n in ("weight", "input_weight", "bias")})
    series = SIGNALS[signal](np.arange(8000))[:, None]
    errors = abs(train_online(network, series, RecursiveLeastSquares(forgetting=forgetting)).errors)
    assert errors[-2000:].max() < 0.1
    assert errors[-2000:].max() < 3 * errors[3000:5000].max() + 1e-5


@pytest.mark.slow
def test_forgetting_does_not_wind_up_in_thirty_thousand_steps():
    series = SIGNALS["sine"](np.arange(30_000))[:, None]
    errors = abs(train_online(Reservoir.random(100, 1), series, RecursiveLeastSquares(forgetting=0.995)).errors)
    assert max(errors[i - 500 : i].max() for i in (5000, 10_000, 20_000, 29_000)) < 1e-5


def test_the_memory_is_the_inverse_of_its_definition(rng):
    """Also where the features leave directions unexplored, with a constant: (Σ f^(T-t) d dᵀ + ridge I)⁻¹."""
    rule, f, r = RecursiveLeastSquares(ridge=0.5, forgetting=0.9), 0.9, rng.normal(size=(1500, 4))
    r[300:, 2:] = 1.0  # two features become constant: their deviations are forgotten
    y = r @ rng.normal(size=(4, 2)) + rng.normal(size=(1500, 2))
    weight, memory = rule.start(2, 5, True)
    for features, wanted in zip(np.append(r, np.ones((1500, 1)), axis=1), y, strict=True):
        weight, memory = rule.corrected(weight, memory, features, wanted - weight @ features)
    w = f ** np.arange(1499, -1, -1.0)
    d, e = r - (w @ r) / w.sum(), y - (w @ y) / w.sum()
    assert 0.5 * FLOOR < memory.ridge / memory.peak < 2 * FLOOR
    np.testing.assert_allclose(memory.power, (w @ d**2).sum(), rtol=1e-9)
    square = (d.T * w) @ d + memory.ridge * np.eye(4)
    inverse = memory.root @ memory.root.T
    np.testing.assert_allclose(inverse[2:, 2:] @ square[2:, 2:], np.eye(2), atol=1e-3)  # rounding over FLOOR
    np.testing.assert_allclose(weight[:, :2], np.linalg.solve(square[:2, :2], (d[:, :2].T * w) @ e).T, rtol=1e-6)


def test_corrections_that_do_not_settle_are_told():
    """One component of a rotation, ten inputs remembered: the network that is fed its own output bursts."""
    series = np.sin(0.2 * np.arange(2000))[:, None]
    forgetful = Reservoir.random(50, 1, input_scaling=0.17, spectral_radius=0.9, bias_scaling=1.0, leak_rate=1.0)
    with pytest.warns(UserWarning, match=r"the readout did not converge: .* times the largest target"):
        train_online(forgetful, series, RecursiveLeastSquares(1.0, 0.9), own_output=True)


@pytest.mark.parametrize("choice", [CrossValidated(), HeldOut()])
def test_the_edge_of_the_default_ridges_is_told(choice):
    u, noise = np.random.default_rng(5).normal(size=(2, 600, 1))
    with pytest.warns(UserWarning, match="the ridge chosen, 100, is the largest of those to choose from"):
        train(Reservoir.random(500, 1), u, target=noise, ridge=choice)
    linear, before = Reservoir.gaussian(20, 1, weight_std=0.3, input_std=1e-3), np.roll(u, 2)
    with pytest.warns(UserWarning, match="the ridge chosen, 1e-16, is the smallest of those"):
        train(linear, u, target=before, ridge=choice)
    wide = type(choice)(ridges=10.0 ** np.arange(-20, 8))
    train(linear, u, target=before, ridge=wide)  # warnings are errors here


def test_forgetting_outlives_a_silence():
    """An input that is zero for hundreds of memories, and then returns: what was forgotten is learned again."""
    t = np.arange(16_000)
    series = np.where((t < 2000) | (t > 14_000), np.sin(0.2 * t), 0.0)[:, None]
    for design in (None, Design(constant=False)):
        rule = RecursiveLeastSquares(forgetting=0.9)
        found = train_online(Reservoir.random(20, 1), series, rule, normalise=False, design=design)
        assert abs(found.errors[-1000:]).max() < 0.01
