"""Intervals have their stated coverage at every horizon, and grow to the width of the attractor."""

from functools import cache

import matplotlib.pyplot as plt
import numpy as np
import pytest

from cocycle import Reservoir, train
from cocycle.reservoir import DelayLine, Design, Normalisation, forecast_intervals
from cocycle.reservoir.intervals import _needed, _smallest_enough
from cocycle.systems import Lorenz63

COVERAGE, STEPS, WARM_UP = 0.8, 600, 100


@cache
def lorenz():
    return Lorenz63().series(9100, dt=0.02)


@cache
def intervals():
    series = lorenz()
    networks = [Reservoir.random(60, 3, dt=0.02, rng=i) for i in range(4)]
    return forecast_intervals(networks, series[:9000], series[9000:], STEPS, coverage=COVERAGE, starts=60, copies=3)


def test_the_measured_coverage_is_the_stated_one():
    """Each of the horizons within 4.5 standard errors, and their mean, over horizons a Lyapunov time apart, within 4:
    half of the deviations of horizons are common, those of the calibration."""
    result = intervals()
    assert result.measured.shape == (STEPS, 3)
    assert abs(result.measured - COVERAGE).max() < 4.5 * result.error
    apart = result.measured[:: int(1 / 0.9056 / 0.02)]
    assert abs(apart.mean() - COVERAGE) < 4 * result.error / np.sqrt(len(apart))


def test_the_band_grows_to_the_width_of_the_attractor():
    width = intervals().relative_width
    assert (width[0] < 0.05).all()
    late = width[-100:].mean(axis=0)
    assert (abs(late - 1) < 0.35).all()  # of quantiles of 12 members, which a factor from 60 starts multiplies
    assert (intervals().horizon > 1).all()
    assert (intervals().horizon < STEPS * 0.02).all()


def test_intervals_stay_in_the_range_of_the_series():
    result, series = intervals(), lorenz()[:9000]
    for band in (result.lower, result.median, result.upper):
        assert (band >= series.min(axis=0)).all()
        assert (band <= series.max(axis=0)).all()
    assert (result.lower <= result.upper).all()


def test_horizon_is_the_first_step_as_wide_as_the_attractor():
    result = intervals()
    wide = np.argmax(result.relative_width >= 1, axis=0)
    np.testing.assert_allclose(result.horizon, 0.02 * (wide + 1))
    series = lorenz()[:9000]
    np.testing.assert_allclose(result.attractor, np.quantile(series, [0.1, 0.9], axis=0))
    assert "as wide as the attractor from time" in repr(result)
    assert "Forecast intervals" in result._repr_html_()


def test_the_factor_is_the_least_that_covers():
    """By hand: distances from the median in units of those of the quantiles, and the ⌈0.5 · (3 + 1)⌉ = 2nd smallest."""
    truth, low, median, high = (np.array(a)[None, :, None] for a in ([3, -1, 1.5], [0, 0, 0], [1, 1, 1], [2, 2, 2]))
    needed = _needed(truth, low, median, high)
    np.testing.assert_allclose(needed[0, :, 0], [2, 2, 0.5])
    np.testing.assert_allclose(_smallest_enough(needed, 0.5), [[2]])
    np.testing.assert_allclose(_smallest_enough(needed, 0.25), [[0.5]])


@pytest.mark.parametrize("n", [9, 30])
def test_exchangeable_starts_are_covered_as_stated(n, rng):
    """Of uniform random numbers the k-th smallest of n is above another one with probability k / (n + 1)."""
    trials = 20_000
    numbers = rng.uniform(size=(trials, n + 1, 1))
    covered = (numbers[:, -1] <= _smallest_enough(numbers[:, :-1], 0.9)).mean()
    expected = np.ceil(0.9 * (n + 1) - 1e-9) / (n + 1)
    assert abs(covered - expected) < 5 * np.sqrt(expected * (1 - expected) / trials)


def test_forecasters_are_calibrated_on_what_they_are_given():
    series = lorenz()
    models = [train(Reservoir.random(40, 3, rng=i), series[:4000]) for i in range(2)]
    result = forecast_intervals(models, series[4000:6000], series[6000:6050], 20, coverage=0.7, starts=20)
    assert result.lower.shape == (20, 3)
    assert (result.lower <= result.median).all()
    assert (result.median <= result.upper).all()
    again = forecast_intervals(models, series[4000:6000], series[6000:6050], 20, coverage=0.7, starts=20)
    np.testing.assert_array_equal(again.lower, result.lower)
    assert np.isnan(result.horizon).all()  # twenty steps are short
    assert "not reached" in repr(result)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"coverage": 0.0}, "coverage must be between 0 and 1"),
        ({"coverage": 90}, "coverage must be between 0 and 1"),
        ({"coverage": 0.95, "starts": 20}, "starts must be at least 38 for a coverage of 0.95"),
        ({"starts": 2}, "starts must be an integer of at least 4"),
        ({"copies": 0}, "copies must be an integer of at least 1"),
        ({"steps": 0}, "steps must be an integer of at least 1"),
        ({"steps": 400}, "two warm-ups and forecasts"),
        ({"warm_up": np.zeros((0, 3))}, "at least one time"),
        ({"warm_up": np.zeros((20, 2))}, "warm_up must have shape"),
        ({"networks": [Reservoir.random(20, 3)]}, "a list of at least two"),
        ({"networks": Reservoir.random(20, 3)}, "a list of at least two"),
        ({"networks": [Reservoir.ensemble([Reservoir.random(20, 3)] * 2)] * 2}, "single ones"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    series = lorenz()[:1000]
    arguments = {
        "networks": [Reservoir.random(20, 3, rng=i) for i in range(2)],
        "series": series,
        "warm_up": series[:50],
        "steps": 20,
        **change,
    }
    positional = [arguments.pop(name) for name in ("networks", "series", "warm_up", "steps")]
    with pytest.raises(ValueError, match=message):
        forecast_intervals(*positional, **arguments)


def test_other_kinds_are_refused():
    series = lorenz()[:1000]
    network = Reservoir.random(20, 3)
    with pytest.raises(TypeError, match="all be Reservoirs, or all Forecasters"):
        forecast_intervals([network, train(network, series)], series, series[:50], 20)
    other = train(network, series, target=series[:, :1])
    with pytest.raises(ValueError, match="trained to give the next value"):
        forecast_intervals([other, other], series, series[:50], 20)


def test_forecasts_that_all_diverge_are_an_error():
    """The square map x -> 4 x² with the readout of the raw series grows without bound from values above 1/4."""
    series = 1 + 0.1 * np.sin(np.arange(400))[:, None]
    line = DelayLine(1, 1)
    model = train(line, series, normalise=Normalisation(0.0, 1.0), washout=1, design=Design(), ridge=1e-9)
    import dataclasses

    growing = dataclasses.replace(model, readout=dataclasses.replace(model.readout, weight=np.full((1, 1), 1e30)))
    with pytest.raises(ValueError, match="diverge"):
        forecast_intervals([growing, growing], series, series[:20], 30)


def test_the_figure_has_a_panel_for_each_component():
    result = intervals()
    figure = result.plot(np.zeros((STEPS, 3)), names=["x", "y", "z"])
    assert [ax.get_ylabel() for ax in figure.axes] == ["x", "y", "z"]
    plt.close(figure)
    own, ax = plt.subplots()
    assert result.plot(ax=ax) is own
    plt.close(own)
    with pytest.raises(ValueError, match="truth must have shape"):
        result.plot(np.zeros((3, 3)))
