"""Dimension, entropy and volume growth against exact values, with errors that hold."""

from itertools import repeat

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cocycle import Compiled, Flow, Linear, Spectrum, frame, lyapunov_spectrum
from cocycle.lyapunov import entropy, kaplan_yorke, local_exponents, volume_growth
from cocycle.lyapunov.dimension import kaplan_yorke_dimension
from cocycle.systems import Henon, Lorenz63


@pytest.mark.parametrize(
    ("exponents", "dimension"),
    [
        ([0.9056, 0.0, -14.5723], 2 + 0.9056 / 14.5723),
        ([0.0, -14.5723, 0.9056], 2 + 0.9056 / 14.5723),
        ([0.41922, -1.62319], 1 + 0.41922 / 1.62319),
        ([-0.1, -0.2], 0.0),
        ([0.0, -1.0], 1.0),
        ([0.5, 0.1], 2.0),
        ([np.nan, 0.1], np.nan),
    ],
)
def test_kaplan_yorke_formula(exponents, dimension):
    np.testing.assert_allclose(kaplan_yorke_dimension(np.array(exponents), complete=True), dimension, rtol=1e-14)


def test_too_few_exponents_cannot_tell_the_dimension():
    assert np.isnan(kaplan_yorke_dimension(np.array([0.9, 0.0]), complete=False))
    assert kaplan_yorke_dimension(np.array([0.9, 0.0, -14.6]), complete=False) == pytest.approx(2.0616, abs=1e-4)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=8), st.integers(0, 10))
def test_dimension_lies_between_its_neighbours(exponents, seed):
    """j <= D <= j + 1, whatever the order: the sum of j exponents is not negative, that of j + 1 is."""
    values = np.random.default_rng(seed).permutation(exponents)
    dimension = kaplan_yorke_dimension(values, complete=True)
    sums = np.sort(values)[::-1].cumsum()
    j = int((sums >= 0).sum())
    assert j <= dimension <= j + 1


@pytest.fixture(scope="module")
def henon():
    x = Henon().start(np.random.default_rng(3), (400,))
    return lyapunov_spectrum(repeat(Compiled(Henon()), 3000), x, frame(x, 2), every=2, transient=200)


def test_dimension_and_entropy_of_henon_with_errors_that_hold(henon):
    for estimate, truth in ((kaplan_yorke(henon), 1.258267), (entropy(henon), 0.419217)):
        scatter = estimate.value.std()
        assert estimate.value.mean() == pytest.approx(truth, abs=4 * scatter / 20 + 2e-4)
        assert np.sqrt((estimate.error**2).mean()) == pytest.approx(scatter, rel=0.3)  # of 400 runs


def test_volume_growth_of_henon_is_the_logarithm_of_its_determinant(henon):
    growth = volume_growth(henon)
    np.testing.assert_allclose(growth.value, np.log(0.3), atol=1e-12)
    assert growth.error.max() < 1e-12


def test_a_known_neutral_direction_decides_between_dimensions():
    """A limit cycle whose zero exponent comes out a little below zero would pass for a point."""
    steps, x = repeat(Linear(np.diag([1 - 1e-7, 0.5])), 100), np.zeros(2)
    result = lyapunov_spectrum(steps, x, np.eye(2))
    assert kaplan_yorke(result).value == 0
    assert kaplan_yorke(result, neutral=1).value == 1


def test_lorenz_with_its_neutral_direction():
    x = Lorenz63().start(np.random.default_rng(1), (64,))
    result = lyapunov_spectrum(
        repeat(Compiled(Flow(Lorenz63(), 0.02)), 4000), x, frame(x, 3), every="auto", transient=500
    )
    dimension = kaplan_yorke(result, neutral=1)
    np.testing.assert_allclose(dimension.value.mean(), 2.06215, atol=4 * dimension.value.std() / 8)
    np.testing.assert_allclose(entropy(result, neutral=1).value, np.maximum(result.exponents[:, 0], 0))


def test_local_exponents_average_to_the_exponents(henon):
    assert len(henon.times) == 28 * 50
    local = local_exponents(henon, 50)
    assert local.shape == (28, 400, 2)
    np.testing.assert_allclose(local.mean(0), henon.exponents, rtol=1e-10)
    assert local[..., 0].std() > 3 * henon.exponents[:, 0].std()


def test_jackknife_of_a_sum_is_its_standard_error(henon):
    first = Spectrum(henon.growth[..., :1], henon.times, henon.x, henon.q[..., :1])
    np.testing.assert_allclose(volume_growth(first).error, first.standard_error[:, 0], rtol=1e-6)


def test_bad_input(henon):
    short = lyapunov_spectrum(repeat(Linear(np.eye(2)), 5), np.zeros(2), np.eye(2))
    with pytest.raises(ValueError, match="at least 10 groups of maps; got 5"):
        kaplan_yorke(short)
    with pytest.raises(ValueError, match=r"neutral must be in 0..k=2; got 3"):
        kaplan_yorke(henon, neutral=3)
    with pytest.raises(ValueError, match=r"window must be in 1..1400"):
        local_exponents(henon, 0)
