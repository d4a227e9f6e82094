"""The exponent of a measured series is that of its system, and periodic orbits and noise have none."""

import warnings

import numpy as np
import pytest
from scipy.signal import lfilter

from cocycle import exponent_from_series, valid_time
from cocycle.lyapunov.divergence import _parabola, linear_stretch
from cocycle.systems import Henon, Logistic, Lorenz63, MackeyGlass, Rossler

SAMPLES = 10_000
LORENZ, ROSSLER, HENON, MACKEY_GLASS = 0.9056, 0.0714, 0.4192, 0.00514


def lorenz(dt, rng, samples=SAMPLES):
    return Lorenz63().series(samples, dt=dt, rng=rng)[:, 0]


def covers(result, value):
    low, high = result.interval
    return low <= value <= high


@pytest.mark.parametrize("dt", [0.02, 0.05])
@pytest.mark.parametrize("rng", [1, 2, 3])
def test_lorenz_to_ten_per_cent(dt, rng):
    result = exponent_from_series(lorenz(dt, rng), dt)
    assert result.exponent == pytest.approx(LORENZ, rel=0.1)
    assert covers(result, LORENZ)
    assert result.flow
    assert result.notes == ()


@pytest.mark.parametrize("points", [17, 8])
def test_mackey_glass_to_fifteen_per_cent(points):
    """The mean of four realisations: single ones of 10⁴ time units scatter by a tenth."""
    system = MackeyGlass(points=4 * points)  # samples 1 and 2.1 time units apart
    dt = 4 * system.dt
    results = [exponent_from_series(system.series(4 * SAMPLES, rng=rng)[::4, 0], dt) for rng in range(4)]
    assert np.mean([result.exponent for result in results]) == pytest.approx(MACKEY_GLASS, rel=0.15)
    assert sum(covers(result, MACKEY_GLASS) for result in results) >= 3


@pytest.mark.parametrize("method", ["rosenstein", "kantz"])
def test_maps_and_a_slow_flow(method):
    """To 10 %, and to 20 % for Rössler, whose average over 1,000 time units scatters by 7 % alone."""
    cases = (
        (Henon().series(SAMPLES, rng=1)[:, 0], 1.0, HENON, 0.1),
        (Logistic().series(SAMPLES, rng=1)[:, 0], 1.0, np.log(2), 0.1),
        (Rossler().series(SAMPLES, dt=0.1, rng=1)[:, 0], 0.1, ROSSLER, 0.2),
    )
    for series, dt, exponent, tolerance in cases:
        result = exponent_from_series(series, dt, method=method)
        assert result.exponent == pytest.approx(exponent, rel=tolerance)
        assert covers(result, exponent)
        assert result.flow == (dt < 1)


@pytest.mark.parametrize("rng", [1, 2])
def test_neighbourhoods_of_several_sizes(rng):
    result = exponent_from_series(lorenz(0.05, rng), 0.05, method="kantz")
    assert result.curves.shape == (3, len(result.times))
    assert (np.diff(result.curves[:, 0]) > 0).all()  # larger radii
    assert result.exponent == pytest.approx(LORENZ, rel=0.15)
    assert covers(result, LORENZ)


def test_all_components():
    result = exponent_from_series(Lorenz63().series(SAMPLES, dt=0.02, rng=1) * [1.0, 10.0, 0.01], 0.02)
    assert result.exponent == pytest.approx(LORENZ, rel=0.15)


def test_displacement_along_a_flow_hides_the_growth_across_it():
    """With the distances of the original methods ln d grows by less over the same time."""
    series = Rossler().series(SAMPLES, dt=0.1, rng=3)[:, 0]
    growth = []
    for flow in (True, False):
        result = exponent_from_series(series, 0.1, flow=flow, delay=14, dimension=4)
        curve = np.interp([3.0, 28.0], result.times, result.curves[0])
        growth.append((curve[1] - curve[0]) / 25)
    assert abs(growth[0] - ROSSLER) < 0.15 * ROSSLER
    assert growth[1] < 0.9 * growth[0]


def noise(rng):
    return rng.normal(size=3000)


def uniform(rng):
    return rng.uniform(size=3000)


def slow_noise(rng):
    return lfilter([1], [1, -0.95], rng.normal(size=4000))[1000:]


def resonant_noise(rng):
    radius, angle = 0.99, 2 * np.pi / 30
    return lfilter([1], [1, -2 * radius * np.cos(angle), radius**2], rng.normal(size=4000))[1000:]


def smooth_noise(rng):
    return np.convolve(rng.normal(size=4000), np.hanning(40), mode="valid")


@pytest.mark.parametrize("make", [noise, uniform, slow_noise, resonant_noise, smooth_noise])
@pytest.mark.parametrize("method", ["rosenstein", "kantz"])
def test_noise_is_not_chaotic(rng, make, method):
    result = exponent_from_series(make(rng), method=method)
    assert np.isnan(result.exponent)
    assert np.isnan(result.standard_error)
    assert result.stretch is None
    assert "jump to their final size within one vector: noise" in result.verdict


def wave(period):
    return np.sin(2 * np.pi * np.arange(3000) / period)


@pytest.mark.parametrize(
    "series",
    [wave(37.3), wave(25), wave(12.1), wave(37.3) + 0.7 * wave(37.3 / 0.618034)],
    ids=["sine", "sine that repeats itself", "few samples", "torus"],
)
def test_periodic_and_quasiperiodic_orbits_are_not_chaotic(series):
    result = exponent_from_series(series)
    assert np.isnan(result.exponent)
    assert "as on periodic and quasi-periodic orbits" in result.verdict


@pytest.mark.parametrize("size", [1e-3, 0.01, 0.1])
def test_a_sine_with_noise_is_not_chaotic(rng, size):
    result = exponent_from_series(wave(37.3) + size * rng.normal(size=3000))
    assert np.isnan(result.exponent)
    assert "no exponential divergence" in repr(result)


def test_noise_on_chaos_is_said(rng):
    series = lorenz(0.02, 1)
    result = exponent_from_series(series + 0.05 * series.std() * rng.normal(size=SAMPLES), 0.02)
    assert "noise, which makes the exponent too small" in repr(result)
    assert 0.6 * LORENZ < result.exponent < LORENZ


def test_units_of_value_and_time():
    """The exponent is per time, whatever the unit and the offset of the series."""
    series = Henon().series(3000, rng=1)[:, 0]
    steps, times, moved = (
        exponent_from_series(x, dt) for x, dt in ((series, 1.0), (series, 0.25), (4.0 * series - 8.0, 1.0))
    )
    assert times.exponent == pytest.approx(4 * steps.exponent, rel=1e-12)
    assert times.standard_error == pytest.approx(4 * steps.standard_error, rel=1e-12)
    assert moved.exponent == pytest.approx(steps.exponent, rel=1e-9)
    assert (steps.unit, times.unit) == ("per step", "per unit time")
    assert times.lyapunov_time == pytest.approx(steps.lyapunov_time, rel=1e-12)  # in samples
    np.testing.assert_allclose(times.stretch, np.array(steps.stretch) / 4)


def test_the_stretch_of_curves_of_known_slope():
    steps = np.arange(0, 200, 2)
    saturating = np.minimum(-6 + 0.05 * steps, 0.0)
    found = linear_stretch(steps, np.stack([saturating] * 10), 10)
    assert found.start == 10
    assert found.slope == pytest.approx(0.05, rel=0.08)
    for curve in (0.5 * np.log(1 + steps), 0.5 * np.log(1 + (steps / 20) ** 2), 1e-3 * steps, -0.05 * steps):
        assert linear_stretch(steps, np.stack([curve] * 10), 0) is None


def test_the_distance_from_a_parabola(rng):
    before, at, after = rng.normal(size=(3, 40, 5)) + 3 * np.arange(-1, 2)[:, None, None]
    s = np.linspace(-1, 1, 20_001)[:, None, None]
    curve = at + s * (after - before) / 2 + s**2 * ((after + before) / 2 - at)
    np.testing.assert_allclose(_parabola(before, at, after), (curve**2).sum(-1).min(0), rtol=1e-6)


@pytest.fixture(scope="module")
def measured():
    return exponent_from_series(Henon().series(3000, rng=1)[:, 0])


def test_comparison_with_a_model(measured):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert measured.compare(measured.exponent) == 0
        near = measured.compare(measured.exponent + measured.standard_error, measured.standard_error)
    assert near == pytest.approx(0.5**0.5)
    with pytest.warns(
        UserWarning, match=r"of the series, 0\.4.* ± .* per step, and the other one, 1\.500 ± 0\.010, diff"
    ):
        assert measured.compare(1.5, 0.01) > 3
    with pytest.warns(UserWarning, match="combined standard errors"):
        measured.compare(measured.exponent - 1.5 * measured.standard_error, most=1.0)
    with pytest.raises(ValueError, match=r"must be finite, the second >= 0; got nan and 0\.1"):
        measured.compare(np.nan, 0.1)


def test_nothing_to_compare_with(rng):
    with pytest.raises(ValueError, match="must have an exponent to compare with; got none: no exponential divergence"):
        exponent_from_series(noise(rng)).compare(1.0)


def test_valid_times_are_in_its_lyapunov_times(measured):
    truth = np.zeros((20, 1))
    prediction = np.where(np.arange(20) < 10, 0.0, 9.0)[:, None]
    valid = valid_time(prediction, truth, lyapunov_time=measured.lyapunov_time, reference=np.arange(4.0)[:, None])
    assert float(valid) == pytest.approx(10 * measured.exponent)


def test_what_is_said(measured):
    words = repr(measured)
    value, error = f"{measured.exponent:.3f}", f"{measured.standard_error:.3f}"
    assert words.startswith(f"SeriesExponent {value} ± {error} per step: distances grow exponentially")
    assert f"from t = {measured.stretch[0]:g} to {measured.stretch[1]:g}" in words
    assert f"dimension {measured.dimension}, delay 1, Theiler window {measured.theiler} samples" in words
    assert value in measured._repr_html_()


def test_given_numbers_are_taken():
    result = exponent_from_series(Henon().series(3000, rng=1)[:, 0], dimension=2, delay=2, theiler=7)
    assert (result.dimension, result.delay, result.theiler) == (2, 2, 7)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((np.arange(150.0),), {}, "at least 200 samples, some thousands for an exponent; got 150"),
        ((np.sin(np.arange(1000.0)), 0.0), {}, "dt must be the time between samples, positive and finite; got 0.0"),
        ((np.sin(np.arange(1000.0)), -0.1), {}, "dt must be"),
        ((np.ones(1000),), {}, "which is constant"),
        ((np.append(np.arange(999.0), np.nan),), {}, r"the first at 999: .* series\[0:999\]"),
        ((np.sin(np.arange(1000.0)),), {"method": "wolf"}, "one of 'rosenstein', 'kantz'; got 'wolf'"),
        ((np.sin(np.arange(1000.0)),), {"dimension": 0}, "dimension must be an integer of at least 1; got 0"),
        ((np.sin(np.arange(1000.0)),), {"dimension": 9, "delay": 100}, "at least .* samples for vectors that span 800"),
        ((np.sin(np.arange(1000.0)),), {"theiler": 500}, "a Theiler window of 500; got 1000"),
        ((np.zeros((10, 10, 10)),), {}, r"shape \(time,\) or \(time, m\)"),
    ],
)
def test_what_cannot_be_computed_is_said(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        exponent_from_series(*arguments, **options)


def test_a_series_just_long_enough():
    """The number of samples that the message names is enough."""
    series = Henon().series(3000, rng=1)[:, 0]
    with pytest.raises(ValueError, match="at least 551 samples for vectors that span 1 samples"):
        exponent_from_series(series[:550], dimension=2, theiler=120)
    assert exponent_from_series(series[:551], dimension=2, theiler=120).times[-1] > 0


@pytest.mark.slow
def test_the_error_covers():
    """95 % intervals of 20 series: at least 17 of them cover, which fails by chance once in 400 times."""
    for dt in (0.02, 0.05):
        assert sum(covers(exponent_from_series(lorenz(dt, rng), dt), LORENZ) for rng in range(20)) >= 17
