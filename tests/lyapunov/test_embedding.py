"""Delay and dimension of an embedding: known information, known dimensions, and neighbours found one by one."""

import numpy as np
import pytest
from scipy.signal import lfilter

from cocycle import embed, embedding_delay, embedding_dimension
from cocycle.lyapunov.measured import checked_series, neighbours
from cocycle.systems import Henon, Lorenz63, Rossler


def correlated(rng, correlation, samples=20_000):
    return lfilter([1], [1, -correlation], rng.normal(size=samples + 500))[500:]


def test_vectors_are_delayed_values():
    series = np.arange(10.0)
    np.testing.assert_array_equal(embed(series, 3, 2)[[0, -1]], [[0, 2, 4], [5, 7, 9]])
    vectors = embed(np.stack([series, -series], axis=1), 2, 3)
    assert vectors.shape == (7, 4)
    np.testing.assert_array_equal(vectors[0], [0, 0, 3, -3])
    np.testing.assert_array_equal(embed(series, 1), series[:, None])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros(10), 6, 2), r"more than \(dimension - 1\) delay = 10 samples; got 10"),
        ((np.zeros((2, 2, 2)), 2, 1), r"shape \(time,\) or \(time, m\); got \(2, 2, 2\)"),
        ((np.zeros(10), 0, 1), "dimension must be an integer of at least 1"),
        ((np.zeros(10), 2, 0.5), "delay must be an integer of at least 1"),
    ],
)
def test_vectors_that_cannot_be_made(arguments, message):
    with pytest.raises(ValueError, match=message):
        embed(*arguments)


def test_information_of_correlated_numbers(rng):
    """-½ ln(1 - r²) for Gaussian numbers with correlation r; bins lose a few per cent of it."""
    with pytest.warns(UserWarning, match=r"no minimum up to a lag of 60 .* the delay of 10 is the first 1/e crossing"):
        found = embedding_delay(correlated(rng, 0.9, 100_000))
    exact = -0.5 * np.log(1 - 0.9 ** (2 * np.arange(1, 11)))
    np.testing.assert_allclose(found.information[1:11], exact, rtol=0.1, atol=0.003)
    assert found.delay == 10  # 0.9^9 > 1/e > 0.9^10
    assert "10 samples: first 1/e crossing" in repr(found)


@pytest.mark.parametrize("rng", [1, 2, 3])
def test_the_delay_is_a_time(rng):
    """The first minimum of one series is at the same time for every interval between samples, and in every unit."""
    fine = Lorenz63().series(40_000, dt=0.01, rng=rng)[:, 0]
    delays = embedding_delay(fine), embedding_delay(fine[::4])
    assert "minimum" in repr(delays[0])
    assert abs(0.01 * delays[0].delay - 0.04 * delays[1].delay) <= 0.04
    assert 0.12 <= 0.01 * delays[0].delay <= 0.22
    assert embedding_delay(3e5 - 1e-3 * fine).delay == delays[0].delay


@pytest.mark.parametrize("rng", [1, 2, 3])
def test_dimensions_of_attractors(rng):
    lorenz, rossler = Lorenz63().series(8000, dt=0.05, rng=rng)[:, 0], Rossler().series(8000, dt=0.1, rng=rng)[:, 0]
    henon = Henon().series(8000, rng=rng)[:, 0]
    for series, delay, dimension in ((lorenz, 4, 3), (rossler, 14, 3), (henon, 1, 2)):
        false = embedding_dimension(series, delay, method="false neighbours")
        cao = embedding_dimension(series, delay)
        assert false.enough
        assert cao.enough
        assert false.dimension == dimension
        assert dimension <= cao.dimension <= 2 * dimension + 1
        assert not cao.random


def test_all_components_of_a_state_need_no_delays():
    assert embedding_dimension(Lorenz63().series(8000, dt=0.02, rng=1), 9, method="false neighbours").dimension == 1


def test_random_numbers_have_no_dimension(rng):
    series = rng.normal(size=5000)
    false = embedding_dimension(series, 1, method="false neighbours")
    assert not false.enough
    assert "not enough, and is in no dimension up to 10" in repr(false)
    cao = embedding_dimension(series, 1)
    assert cao.random
    assert "as for random numbers" in repr(cao)


def test_a_series_that_repeats_itself_exactly_has_a_dimension():
    found = embedding_dimension(np.sin(2 * np.pi * np.arange(2000) / 25), 6, method="false neighbours")
    assert found.enough
    assert found.dimension <= 2


def test_neighbours_are_the_nearest_outside_the_window(rng):
    vectors = np.cumsum(rng.normal(size=(300, 3)), axis=0)
    i, j, near = neighbours(vectors, 20, count=3, references=50)
    assert i.shape == (50, 3)
    for row in range(50):
        distances = np.linalg.norm(vectors - vectors[i[row, 0]], axis=1)
        distances[abs(np.arange(300) - i[row, 0]) <= 20] = np.inf
        np.testing.assert_array_equal(j[row], np.argsort(distances)[:3])
        np.testing.assert_allclose(near[row], np.sort(distances)[:3])


def test_copies_are_neighbours_only_where_there_are_no_others(rng):
    """Rounded values have many copies, and each vector another neighbour; a periodic series has copies only."""
    rounded = np.round(10 * rng.normal(size=(1000, 1))) / 10  # at most some 50 copies
    assert neighbours(rounded, 0)[2].min() > 0.09
    assert neighbours(np.tile(rng.normal(size=(5, 1)), (400, 1)), 10)[2].max() < 1e-11


def gap(values, *places):
    values = values.copy()
    values[list(places)] = np.nan
    return values


@pytest.mark.parametrize(
    ("series", "message"),
    [
        (np.zeros((3, 3, 3)), r"shape \(time,\) or \(time, m\); got \(3, 3, 3\)"),
        (np.arange(100.0), "at least 200 samples, some thousands for an exponent; got 100"),
        (np.ones(300), "component 0, which is constant"),
        (np.stack([np.arange(300.0), np.full(300, 0.1)], axis=1), "component 1, which is constant"),
        (gap(np.arange(400.0), 7, 30), r"2 samples that are not finite, the first at 7: .* series\[31:400\]"),
    ],
)
def test_series_that_cannot_be_embedded(series, message):
    for function in (checked_series, embedding_delay, lambda x: embedding_dimension(x, 1)):
        with pytest.raises(ValueError, match=message):
            function(series)


def test_numbers_that_are_not_allowed(rng):
    series = rng.normal(size=400)
    with pytest.raises(ValueError, match="one of 'cao', 'false neighbours'; got 'kennel'"):
        embedding_dimension(series, 1, method="kennel")
    with pytest.raises(ValueError, match=r"2 theiler \+ 200 = 530 samples; got 400"):
        embedding_dimension(series, 10, theiler=110)
    with pytest.raises(ValueError, match="delay must be an integer of at least 1"):
        embedding_dimension(series, 0)
