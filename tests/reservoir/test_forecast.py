"""Training solves the ridge problem, forecasts are the closed loop, and what cannot work is refused at once."""

from dataclasses import replace
from itertools import repeat

import numpy as np
import pytest

from cocycle import LINEAR, Reservoir, forecast, frame, lyapunov_spectrum, train, trajectory, valid_time
from cocycle.reservoir import Design, MomentSum, componentwise, euclidean, gaussian, ridge_readout
from cocycle.systems import Lorenz63

RAW = {"normalise": False, "design": Design(constant=False)}  # the textbook
LYAPUNOV_TIME = 1 / (0.9056 * 0.02)


@pytest.fixture(scope="module")
def series():
    return Lorenz63().series(8000, dt=0.02)


def small(**changes):
    return replace(Reservoir.gaussian(60, 3, weight_std=0.9, input_std=0.03, rng=2), **changes)


def test_readout_is_the_ridge_solution(series):
    reservoir, u = small(), series[:700]
    model = train(reservoir, u, ridge=0.3, washout=150, **RAW)
    states = trajectory(reservoir.driven(u[:-1]), reservoir.rest())[150:]
    exact = np.linalg.solve(states.T @ states + 0.3 * np.eye(60), states.T @ u[151:]).T
    np.testing.assert_allclose(model.readout.weight, exact, rtol=1e-8)


def test_moments_do_not_depend_on_the_blocks_they_are_summed_in(rng):
    states, targets = rng.normal(size=(25, 2, 4)).astype(np.float32), rng.normal(size=(25, 3))
    moments = MomentSum((2,), 4, 3)
    for r, y in zip(states, targets, strict=True):
        moments.add(r, y)
    total = moments.total()
    wide = states.astype(np.float64)
    assert (total.states.dtype, total.count) == (np.float64, 25)
    np.testing.assert_allclose(total.states, np.einsum("tbi,tbj->bij", wide, wide), rtol=1e-13)
    np.testing.assert_allclose(total.targets, np.einsum("tm,tbi->bmi", targets, wide), rtol=1e-13, atol=1e-14)


def test_a_linear_network_learns_a_linear_system_exactly():
    """A rotation is linear: readout and closed loop continue it to rounding, and its two exponents are zero."""
    angle = 0.1 * np.arange(1200)
    u = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    reservoir = Reservoir(gaussian(10, 1) * 0.5, np.random.default_rng(1).normal(size=(10, 2)), activation=LINEAR)
    model = train(reservoir, u[:1000], ridge=1e-10, **RAW)
    np.testing.assert_allclose(forecast(model, u[900:1000], 200), u[1000:], atol=1e-6)
    r = trajectory(reservoir.driven(u[:1000]), reservoir.rest())[-1]
    closed = lyapunov_spectrum(repeat(model.closed, 2000), r, frame(r, 3), transient=500)
    np.testing.assert_allclose(closed.exponents[:2].sum(), 0, atol=1e-6)
    np.testing.assert_allclose(closed.exponents[:2], 0, atol=2 / 2000)  # ln of an ellipse's axes ratio over T


def test_forecast_is_the_closed_loop_from_the_warm_up(series):
    model = train(small(leak_rate=0.7, bias=0.1), series[:1500], ridge=1e-4, **RAW)
    states = trajectory(model.network.driven(series[1500:1600]), model.network.rest())
    later = trajectory(repeat(model.closed, 9), states[-1])
    expected = np.concatenate([states[-1:], later]) @ model.readout.weight.T
    np.testing.assert_allclose(forecast(model, series[1500:1600], 10), expected, rtol=1e-10)


def test_a_batch_of_networks_and_starts_is_each_alone(series):
    gains = np.array([[0.5], [0.9]])
    model = train(small(gain=gains, input_gain=np.array([[1.0], [0.6]])), series[:1500], ridge=1e-4, **RAW)
    warm_up = np.stack([series[s : s + 80] for s in (1600, 1800, 2000)], axis=1)
    together = forecast(model, warm_up, 30)
    assert together.shape == (30, 2, 3, 3)
    for i, input_gain in enumerate((1.0, 0.6)):
        alone = train(small(gain=float(gains[i, 0]), input_gain=input_gain), series[:1500], ridge=1e-4, **RAW)
        for s in range(3):
            # rounding of the ridge problem grows with its condition number, then with the chaos of the closed loop
            np.testing.assert_allclose(together[:, i, s], forecast(alone, warm_up[:, s], 30), rtol=1e-4, atol=1e-4)


def test_lorenz_is_predicted_for_lyapunov_times(series):
    model = train(Reservoir.gaussian(300, 3, weight_std=0.9, input_std=0.0447, rng=1), series[:6000], ridge=1e-6, **RAW)
    warm_up = np.stack([series[s : s + 200] for s in range(6000, 7600, 400)], axis=1)
    truth = np.stack([series[s + 200 : s + 400] for s in range(6000, 7600, 400)], axis=1)
    times = valid_time(forecast(model, warm_up, 200), truth, lyapunov_time=LYAPUNOV_TIME, reference=series)
    assert times.shape == (4,)
    assert np.median(times) > 2


def test_a_loop_that_blows_up_is_an_ordinary_result(series):
    model = train(small(activation=LINEAR), series[:1500], ridge=1e-4, **RAW)
    wild = replace(model, readout=replace(model.readout, weight=-40 * model.readout.weight))
    prediction = forecast(wild, series[1500:1600], 1000)
    broken = np.isnan(prediction).any(axis=1)
    assert np.isfinite(prediction[:5]).all()
    assert np.isnan(prediction[broken.argmax() :]).all()
    time = valid_time(prediction, series[1600:2600], lyapunov_time=LYAPUNOV_TIME)
    assert 0 <= time < 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda u: train(small(), u[:150]), "washout must be in 0..148 for a series of 150 times; got 200"),
        (lambda u: train(small(), u, ridge=-1e-3), "ridge must be a finite number >= 0; got -0.001"),
        (
            lambda u: train(small(), u[:, :2]),
            r"series must have shape \(time, \*batch, m=3\); got \(8000, 2\)",
        ),
        (lambda u: train(small(), u[:, 0]), "series must have shape"),
        (lambda u: train(small(), np.where(u > 40, np.nan, u)), "series must be finite; got"),
        (lambda u: train(small(), u, washout=-1), "washout"),
        (lambda u: list(small().driven(u[0])), r"u must have shape \(time, \*batch, m=3\)"),
        (lambda u: small().driven(u * np.nan), "u must be finite"),
        (
            lambda u: Reservoir(np.eye(3), np.ones((2, 1))),
            r"input_weight must have shape \(\*batch, n=3, m\)",
        ),
        (lambda u: Reservoir(np.ones((3, 2)), np.ones((3, 1))), r"weight must have shape \(\*batch, n, n\)"),
        (lambda u: small(leak_rate=0.0), r"leak_rate must be in \(0, 1\]; got 0"),
        (lambda u: small(gain=np.ones(3)), r"gain must be a number or have shape \(\*batch, 1\); got \(3,\)"),
        (lambda u: small(weight=np.full((60, 60), np.inf)), "weight must be finite"),
    ],
)
def test_bad_input_is_refused_before_any_work(series, call, message):
    with pytest.raises(ValueError, match=message):
        call(series)


def test_singular_moments_say_what_to_do():
    moments = MomentSum((), 5, 1)
    for _ in range(20):
        moments.add(np.ones(5), np.ones(1))
    with pytest.raises(ValueError, match=r"singular to rounding with ridge=0: .*take a ridge above"):
        ridge_readout(moments.total(), 0.0)
    np.testing.assert_allclose(ridge_readout(moments.total(), 1e-3).sum(), 1, rtol=1e-4)


def test_valid_time_counts_steps_below_the_threshold():
    truth = np.zeros((10, 1)) + np.array([[-1.0], [1.0]] * 5)  # fluctuation 1
    prediction = truth.copy()
    prediction[4:] += 0.5
    assert valid_time(prediction, truth, lyapunov_time=2.0) == 2.0
    assert valid_time(prediction, truth, lyapunov_time=2.0, threshold=0.6) == 5.0  # to the end: a lower bound
    prediction[1] = np.nan
    assert valid_time(prediction, truth, lyapunov_time=2.0, threshold=0.6) == 0.5


def test_valid_time_measures_in_units_of_the_reference():
    truth = np.array([[-1.0], [1.0]] * 5)
    prediction = truth + 0.5
    assert valid_time(prediction, truth, lyapunov_time=1.0) == 0.0
    assert valid_time(prediction, truth, lyapunov_time=1.0, reference=10 * truth) == 10.0


def test_norms():
    reference = np.array([[0.0, 0.0], [2.0, 20.0]])  # standard deviations 1 and 10, fluctuation √101
    error = np.array([[1.0, 10.0]])
    np.testing.assert_allclose(componentwise(error, reference), 1.0)
    np.testing.assert_allclose(euclidean(error, reference), 1.0)
    np.testing.assert_allclose(euclidean(np.array([[1.0, 0.0]]), reference), 1 / np.sqrt(101))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"threshold": 0.0}, "threshold must be positive"),
        ({"lyapunov_time": -1.0}, "lyapunov_time must be positive; got -1"),
        ({"prediction": np.zeros((3, 2))}, "prediction must have shape"),
        ({"truth": np.full((4, 2), np.nan)}, "truth must be finite"),
        ({"reference": np.eye(4)[:, :1]}, r"reference must have shape \(time, m=2\); got \(4, 1\)"),
        ({"reference": np.ones((9, 2))}, "reference must fluctuate"),
        ({"reference": np.eye(9)[:, :2] * [1, 0], "norm": componentwise}, "reference must fluctuate"),
        ({"prediction": np.zeros((4, 3, 2)), "truth": np.ones((4, 2, 2))}, "prediction must have shape"),
    ],
)
def test_valid_time_refuses(change, message):
    arguments = {"prediction": np.zeros((4, 2)), "truth": np.eye(4)[:, :2], "lyapunov_time": 1.0} | change
    with pytest.raises(ValueError, match=message):
        valid_time(arguments.pop("prediction"), arguments.pop("truth"), **arguments)
