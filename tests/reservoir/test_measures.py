"""Measures of memory, consistency and climate: each has its exact value where one is known."""

import numpy as np
import pytest

from cocycle import Reservoir, frame, lyapunov_spectrum, train
from cocycle.networks import LINEAR
from cocycle.reservoir import (
    DelayLine,
    ValidTimes,
    consistency,
    correlation_dimension,
    cycle,
    delay_line,
    gaussian,
    histogram_distance,
    information_capacity,
    kernel_rank,
    maxima,
    memory_capacity,
    nrmse,
    power_spectrum,
    scaled,
    synchronisation,
    valid_times,
)
from cocycle.systems import Henon, Lorenz63

LYAPUNOV_TIME = 1 / (0.9056 * 0.02)


def linear(weight, scaling=0.1, rng=1):
    inputs = np.zeros((len(weight), 1))
    inputs[0] = scaling
    return Reservoir(weight, inputs, activation=LINEAR)


def test_a_delay_line_remembers_its_length_exactly():
    """Units hold the last 12 inputs: capacity 1 for delays 0..11, 0 beyond, 12 in all, and nothing nonlinear."""
    for network in (DelayLine(1, 12), linear(delay_line(12))):
        found = memory_capacity(network, delays=20, times=3000)
        np.testing.assert_allclose(found.by_delay[:12], 1, atol=1e-9)
        np.testing.assert_array_equal(found.by_delay[12:], 0)
        assert found.total == pytest.approx(12)
        assert found.bound == 12
    nonlinear = information_capacity(DelayLine(1, 4), delays=(8, 5), times=3000)
    assert nonlinear.by_degree == {1: pytest.approx(4), 2: 0.0}


def test_a_linear_network_remembers_as_many_inputs_as_it_has_units():
    """A linear network of n independent units has memory n, however it forgets (Jaeger 2001)."""
    network = linear(0.8 * np.roll(np.eye(8), 1, axis=0))
    found = memory_capacity(network, delays=200, times=20_000)
    assert found.total == pytest.approx(8, abs=0.05)  # chance: 200 delays · 8 / 20,000
    assert (np.diff(found.by_delay[::8]) <= 0).all()  # every round trip loses


def test_capacities_do_not_exceed_the_number_of_units():
    """tanh turns linear memory into products: the sum over all degrees stays below n (Dambre 2012)."""
    weight = scaled(gaussian(15, 1), spectral_radius=0.8)
    totals = []
    for scaling in (0.05, 1.5):
        network = Reservoir(weight, np.full((15, 1), scaling), bias=0.3 * np.sin(np.arange(15)))
        found = information_capacity(network, delays=(40, 12, 6), times=20_000)
        totals.append(found)
        # chance adds some n / times to each capacity, more where they are many and correlated
        assert found.total <= 15 + 3 * len(found.functions) * 15 / 20_000
    weak, strong = totals
    assert weak.by_degree[1] > strong.by_degree[1]
    assert weak.by_degree[3] < 0.1 < 1 < strong.by_degree[3]


def test_capacity_of_what_has_no_memory_is_chance():
    blind = Reservoir(scaled(gaussian(10, 1), spectral_radius=0.5), np.zeros((10, 1)), bias=0.5)
    assert memory_capacity(blind, delays=20, times=3000).total == 0


def test_kernel_rank_of_known_networks():
    assert kernel_rank(DelayLine(1, 6), streams=50) == 6
    assert kernel_rank(linear(cycle(6)), streams=50) == 6
    assert kernel_rank(DelayLine(1, 6), streams=50, common=4) == 2  # two of the six inputs that it holds differ
    assert kernel_rank(DelayLine(1, 6), streams=50, common=6) == 0
    biased = Reservoir(0.5 * cycle(6), np.full((6, 1), 1e-3), bias=np.linspace(-1, 1, 6))
    assert kernel_rank(biased, streams=50) > 1  # a mean that is large does not hide what differs
    assert kernel_rank(linear(np.zeros((6, 6))), streams=50) == 1


def test_replicas_approach_at_the_rate_of_the_conditional_exponent():
    """To within the scatter of a finite record: the exponent over the same steps, from tangent vectors."""
    u = Lorenz63().series(400)
    network = Reservoir.gaussian(100, 3, weight_std=1.2, input_std=0.02, rng=4)
    found = synchronisation(network, u)
    assert found.synchronised
    r = network.rest()
    exponent = lyapunov_spectrum(network.driven(u), r, frame(r, 1), transient=30)
    assert found.rate == pytest.approx(exponent.exponents[0], abs=4 * exponent.standard_error[0] + 0.03)
    assert consistency(network, u, washout=200) == pytest.approx(1, abs=1e-9)


def test_a_network_with_its_own_chaos_is_not_consistent():
    u = Lorenz63().series(1500)
    wild = Reservoir.gaussian(100, 3, weight_std=3.0, input_std=0.001, rng=4)
    found = synchronisation(wild, u)
    assert not found.synchronised
    assert np.isnan(found.rate)
    assert consistency(wild, u) < 0.3


def test_noise_lowers_consistency():
    u = Lorenz63().series(2000)
    network = Reservoir.gaussian(100, 3, rng=4)
    clean, little, much = (consistency(network, u, noise=noise) for noise in (0.0, 0.5, 20.0))
    assert pytest.approx(clean) == 1
    assert clean > little > much


def test_effective_spectral_radius():
    weight = np.diag([0.5, -0.9])
    network = Reservoir(weight, np.ones((2, 1)), leak_rate=0.5)
    assert network.effective_spectral_radius == pytest.approx(0.75)  # (1 - 0.5) + 0.5 · 0.5, not 0.05
    assert Reservoir(delay_line(300), np.ones((300, 1))).effective_spectral_radius == 0
    with pytest.raises(ValueError, match="of a single network"):
        Reservoir.ensemble([network, network]).effective_spectral_radius  # noqa: B018


def test_histogram_distance(rng):
    x = rng.uniform(size=(20_000, 2))
    np.testing.assert_array_equal(histogram_distance(x, x), 0)
    np.testing.assert_allclose(histogram_distance(x, x + 5), 1)
    half = np.concatenate([x[:10_000, :1], x[10_000:, :1] + 5])
    assert histogram_distance(x[:, :1], half) == pytest.approx(0.5, abs=0.02)
    two = histogram_distance(x[:10_000], x[10_000:])  # of one law: √(50 / π 10⁴) = 0.04
    assert (two < 0.06).all()


@pytest.mark.parametrize(
    ("series", "dimension", "within"),
    [
        (np.stack([np.cos(np.arange(4000) * 2**0.5), np.sin(np.arange(4000) * 2**0.5)], -1), 1.0, 0.03),
        (np.random.default_rng(1).uniform(size=(8000, 2)), 2.0, 0.06),
        (Henon().series(20_000), 1.22, 0.04),  # 1.220(36): Sprott & Rowlands, Int. J. Bifurcation Chaos 11, 1865 (2001)
        (Lorenz63().series(20_000, dt=0.05), 2.05, 0.06),  # 2.05(1): Grassberger & Procaccia (1983)
    ],
)
def test_correlation_dimension(series, dimension, within):
    found = correlation_dimension(series, between=(1e-3, 3e-2))
    assert found.value == pytest.approx(dimension, abs=within)
    assert 0 < found.error < 0.05


def test_points_on_one_piece_of_orbit_do_not_count():
    """Of a finely sampled orbit the closest pairs follow one another on a line, which lowers the dimension."""
    series = Lorenz63().series(12_000, dt=0.003)
    near, far = (correlation_dimension(series, theiler=t, between=(1e-4, 1e-3)).value for t in (1, 300))
    assert far - near > 0.1
    assert far == pytest.approx(2.05, abs=0.1)


def test_power_spectrum_has_its_peak_and_its_variance():
    time = 0.1 * np.arange(8192)
    wave = np.stack([np.sin(2 * np.pi * 0.5 * time), 3 * np.sin(2 * np.pi * 1.5 * time)], axis=-1)
    frequency, power = power_spectrum(wave, dt=0.1)
    np.testing.assert_allclose(frequency[power.argmax(axis=0)], [0.5, 1.5], atol=0.02)
    np.testing.assert_allclose(power.sum(axis=0) * (frequency[1] - frequency[0]), [0.5, 4.5], rtol=0.02)


def test_maxima_of_a_wave_are_its_amplitude():
    time = 0.1 * np.arange(1000)
    np.testing.assert_allclose(maxima(2 * np.cos(time + 0.3)), 2, atol=1e-3)  # parabola: error of fourth order in 0.1
    tops = maxima(Lorenz63().series(20_000, dt=0.01)[:, 2])
    left = np.sort(tops[:-1][tops[:-1] < 36])  # the map of maxima has one branch on each side of its cusp
    assert len(left) > 5
    order = np.argsort(tops[:-1])
    below = tops[:-1][order] < 37
    assert (np.diff(tops[1:][order][below]) > -0.2).all()


def test_nrmse_is_in_standard_deviations():
    truth = np.array([[-1.0, 10.0], [1.0, 30.0]])
    assert nrmse(truth, truth) == 0
    assert nrmse(np.full((2, 2), truth.mean(axis=0)), truth) == pytest.approx(1)
    networks = np.stack([truth, truth + np.array([1.0, 10.0])], axis=1)
    np.testing.assert_allclose(nrmse(networks, truth), [0, 1])


def test_valid_times_are_a_distribution():
    series = Lorenz63().series(9000)
    model = train(Reservoir.random(200, 3), series[:6000])
    found = valid_times(model, series[6000:], lyapunov_time=LYAPUNOV_TIME, starts=12, horizon=14)
    assert found.times.shape == (12,)
    assert found.quartiles[0] <= found.median <= found.quartiles[1]
    assert 3 < found.median < 14
    assert "over 12 starts" in repr(found)
    both = train(Reservoir.ensemble([Reservoir.random(60, 3, rng=i) for i in (1, 2)]), series[:3000])
    assert valid_times(both, series[6000:], lyapunov_time=LYAPUNOV_TIME, starts=5).times.shape == (2, 5)
    assert "1 reached the horizon of 3" in repr(ValidTimes(np.array([1.0, 3.0]), 3.0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: memory_capacity(DelayLine(2, 3)), "single one with one input.*; got a network with 2 inputs"),
        (lambda: memory_capacity(DelayLine(1, 3), washout=10), "washout must be at least the number of delays, 50"),
        (lambda: correlation_dimension(np.ones((50, 2))), "at least 1000 times"),
        (lambda: correlation_dimension(np.ones((2000, 2))), "series must not be constant"),
        (lambda: histogram_distance(np.ones((5, 2)), np.ones((5, 3))), "same number of components; got 2 and 3"),
        (lambda: histogram_distance(np.ones(5), np.ones(5)), r"first must have shape \(time, m\); got \(5,\)"),
        (lambda: maxima(np.ones((5, 2))), "values must be one component"),
        (lambda: synchronisation(DelayLine(1, 3), np.ones((9, 1)), copies=1), "copies must be at least 2"),
        (lambda: consistency(DelayLine(1, 3), np.ones((9, 1))), "washout must be in 0..7 for 9 inputs; got 500"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
