"""Known exponents within the stated error, results that continue, failures that keep what was reached."""

import pickle
import re
from itertools import chain, repeat

import numpy as np
import pytest
import torch

from cocycle import (
    LINEAR,
    Compiled,
    Diverged,
    Flow,
    Layer,
    Linear,
    Map,
    Reservoir,
    Spectrum,
    finite_time_exponents,
    frame,
    lyapunov_spectrum,
)
from cocycle.results import rounded
from cocycle.systems import Henon, Lorenz63, Lorenz96, Rossler
from cocycle.systems.references import REFERENCE


def deviation(result, reference):
    """Distance to the reference values in units of the combined standard error."""
    return (result.exponents - reference.exponents) / np.hypot(result.standard_error, reference.errors)


def test_lorenz():
    x = Lorenz63().series(1, dt=0.02)[0]
    result = lyapunov_spectrum(
        repeat(Compiled(Flow(Lorenz63(), 0.02)), 100_000), x, frame(x, 3), every=5, transient=500
    )
    assert result.standard_error[0] <= 0.005
    assert (abs(deviation(result, REFERENCE["Lorenz63"])) < 3).all(), result
    assert result.kaplan_yorke == pytest.approx(2.06215, abs=0.002)


def test_rossler():
    x = Rossler().series(1, dt=0.05)[0]
    result = lyapunov_spectrum(
        repeat(Compiled(Flow(Rossler(), 0.05, substeps=3)), 50_000), x, frame(x, 3), every=5, transient=500
    )
    assert result.standard_error[0] <= 0.005
    assert (abs(deviation(result, REFERENCE["Rossler"])) < 3).all(), result


def test_henon():
    x = Henon().series(1)[0]
    result = lyapunov_spectrum(repeat(Compiled(Henon()), 100_000), x, frame(x, 2), every=5, transient=100)
    assert result.standard_error[0] <= 0.002
    assert (abs(deviation(result, REFERENCE["Henon"])) < 3).all(), result
    assert result.kaplan_yorke == pytest.approx(1.258, abs=0.002)


def test_lorenz96_of_ten_sites():
    """Reference: computed independently, RK4 with dt = 0.02; the scatter over replicas is the error."""
    expected = [1.175, 0.6945, 0.0934, 0.0, -0.4294, -0.8768, -1.3187, -1.9395, -2.8017, -4.5970]
    system = Lorenz96(10)
    x = system.start(np.random.default_rng(2), (40,))
    result = lyapunov_spectrum(repeat(Flow(system, 0.02), 4000), x, frame(x, 10), every=5, transient=1000)
    error = result.exponents.std(axis=0, ddof=1) / np.sqrt(40)
    assert (abs(result.exponents.mean(axis=0) - expected) < 4 * np.hypot(error, 0.002)).all()


def covered(result, truth):
    """In which fraction of the runs the truth lies within two standard errors of the first exponent.

    Of ten independent normal means the t distribution of nine degrees says 92.3 %; 1000 runs tell it to 0.8 %.  The
    bounds are three of these away.
    """
    return (abs(result.exponents[:, 0] - truth) < 2 * result.standard_error[:, 0]).mean()


def test_standard_error_covers_the_truth_over_a_thousand_orbits(rng):
    x = Henon().start(rng, (1000,))
    result = lyapunov_spectrum(repeat(Compiled(Henon()), 2200), x, frame(x, 1), every=2, transient=200)
    assert 0.90 < covered(result, 0.419217) < 0.95


def test_standard_error_covers_the_truth_over_a_thousand_drives_of_a_reservoir(rng):
    """The truth of this network is the mean over all runs, thirty times as sure as one of them."""
    reservoir = Reservoir.gaussian(50, 1, weight_std=1.2, input_std=0.3, rng=1)
    x = reservoir.rest((1000,))
    result = lyapunov_spectrum(reservoir.driven(rng.normal(size=(800, 1000, 1))), x, frame(x, 1), transient=100)
    assert 0.90 < covered(result, result.exponents.mean()) < 0.95


def test_two_halves_are_one_whole():
    x = Henon().series(1)[0]
    whole = lyapunov_spectrum(repeat(Henon(), 1000), x, frame(x, 2))
    first = lyapunov_spectrum(repeat(Henon(), 400), x, frame(x, 2))
    both = first + lyapunov_spectrum(repeat(Henon(), 600), first.x, first.q)
    np.testing.assert_array_equal(both.growth, whole.growth)
    np.testing.assert_array_equal(both.exponents, whole.exponents)
    np.testing.assert_array_equal(both.x, whole.x)


def test_running_estimate_ends_at_the_result_and_its_band_at_the_standard_error():
    x = Henon().series(1)[0]
    result = lyapunov_spectrum(repeat(Henon(), 1003), x, frame(x, 2), every=3)
    times, running, band = result.running(50)
    assert len(times) == 50
    assert times[-1] == 1003
    np.testing.assert_allclose(running[-1], result.exponents, rtol=1e-12)
    assert np.isnan(band[0]).all()  # no error bar from a single group
    # the borders of the band's stretches may lie a few groups beside those of the result
    np.testing.assert_allclose(band[-1], result.standard_error, rtol=0.3)


def test_a_thinned_record_has_the_same_exponents(rng):
    x = Henon().start(rng, (3,))
    whole = lyapunov_spectrum(repeat(Henon(), 1000), x, frame(x, 2))
    thinned = lyapunov_spectrum(repeat(Henon(), 1000), x, frame(x, 2), thin=70)
    assert thinned.growth.shape == (15, 3, 2)
    np.testing.assert_allclose(thinned.exponents, whole.exponents, rtol=1e-12)
    assert thinned.times.sum() == whole.times.sum()


def test_time_is_counted_in_the_units_of_the_maps():
    half = Linear(np.diag([2.0, 1.0]), dt=0.5)
    result = lyapunov_spectrum(repeat(half, 10), np.zeros(2), np.eye(2), every=3)
    assert result.times.sum() == 5
    np.testing.assert_allclose(result.exponents, [2 * np.log(2), 0], atol=1e-15)


def test_torch_batch():
    x = torch.as_tensor(Henon().start(np.random.default_rng(0), (4,)))
    result = lyapunov_spectrum(repeat(Henon(), 200), x, frame(x, 2))
    twin = lyapunov_spectrum(repeat(Henon(), 200), x.numpy(), frame(x.numpy(), 2))
    assert isinstance(result.exponents, torch.Tensor)
    assert result.standard_error.shape == (4, 2)
    # a chaotic orbit multiplies the last digit by e^0.42 a step: the sum of exponents does not care
    np.testing.assert_allclose(result.exponents.sum(-1), twin.exponents.sum(-1), atol=1e-12)
    assert result.kaplan_yorke.shape == (4,)


def test_exponents_can_be_differentiated():
    gain = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    x = torch.zeros(2, dtype=torch.float64)
    steps = repeat(Layer(torch.eye(2, dtype=torch.float64), 0.0, LINEAR, gain), 20)
    lyapunov_spectrum(steps, x, frame(x, 2)).exponents.sum().backward()
    assert gain.grad.item() == pytest.approx(2 / 0.5)  # d/dg of 2 ln g


def test_gradient_of_the_exponents_of_a_driven_reservoir(rng):
    """d λ / d gain against central differences, whose own error, step² and eps/step, is some 1e-9 here."""
    reservoir = Reservoir.gaussian(60, 1, weight_std=0.9, input_std=0.2, rng=2)
    u, w, v = (torch.as_tensor(a) for a in (rng.normal(size=(300, 1)), reservoir.weight, reservoir.input_weight))
    x = torch.zeros(60, dtype=torch.float64)

    def exponents(gain):
        return lyapunov_spectrum(Reservoir(w, v, gain=gain).driven(u), x, frame(x, 2), every=3, transient=50).exponents

    gain = torch.tensor([1.0], dtype=torch.float64)
    exact = torch.autograd.functional.jacobian(exponents, gain)[:, 0]
    difference = (exponents(gain + 1e-5) - exponents(gain - 1e-5)) / 2e-5
    np.testing.assert_allclose(exact, difference, rtol=0, atol=1e-6)


def test_kaplan_yorke_where_it_is_exact():
    def dimension(*exponents):
        n = len(exponents)
        return lyapunov_spectrum([Linear(np.diag(np.exp(exponents)))], np.zeros(n), np.eye(n)).kaplan_yorke

    assert dimension(1.0, 0.0, -2.0) == pytest.approx(2.5)
    assert dimension(-1.0, -2.0) == 0
    assert dimension(1.0, -0.5) == 2  # the volume grows: all of the space
    x = np.zeros(3)
    assert np.isnan(lyapunov_spectrum([Linear(np.diag([2.0, 1.5, 0.1]))], x, np.eye(3)[:, :2]).kaplan_yorke)


def test_repr_says_the_exponents_and_their_errors():
    result = lyapunov_spectrum(repeat(Linear(np.diag([2.0, 0.5])), 20), np.zeros(2), np.eye(2))
    assert repr(result) == "Spectrum over time 20: 0.693147 ± 0, -0.693147 ± 0 per step"
    half = lyapunov_spectrum(repeat(Linear(np.diag([2.0, 0.5]), dt=0.5), 8), np.zeros(2), np.eye(2), every=2)
    assert (result.unit, half.unit, (half + half).maps) == ("per step", "per unit time", 16)
    assert repr(half).startswith("Spectrum over time 4: 1.38629 (fewer than ten groups of maps: no error bar), ")


class Exploding(Map):
    """x -> a x² on each component: to infinity from |x| > 1/a, to zero from below."""

    def __call__(self, x):
        return x**2

    def tangent(self, x, q):
        return x**2, 2 * x[..., None] * q


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid", "ignore:divide", "ignore:exponents from number 2")
def test_divergence_keeps_what_was_reached_and_spares_the_others():
    x = np.array([[0.99, 0.98], [3.0, 0.5]])
    with pytest.raises(Diverged, match="1 of 2 members") as caught:
        lyapunov_spectrum(repeat(Exploding(), 15), x, frame(x, 2))
    alone = lyapunov_spectrum(repeat(Exploding(), 15), x[0], frame(x, 2)[0])
    np.testing.assert_allclose(caught.value.result.exponents[0], alone.exponents, rtol=1e-12)
    assert np.isnan(caught.value.result.exponents[1]).all()
    assert caught.value.step == 9  # 3^(2^10) is beyond the largest float64

    with pytest.raises(Diverged, match="after QR step 9") as caught:
        lyapunov_spectrum(repeat(Exploding(), 15), x[1], frame(x[1], 2))
    assert len(caught.value.result.times) == 9
    assert np.isfinite(caught.value.result.exponents[0])


def test_projection_has_exponent_minus_infinity():
    result = lyapunov_spectrum(repeat(Linear(np.diag([1.0, 0.0])), 20), np.zeros(2), np.eye(2))
    np.testing.assert_array_equal(result.exponents, [0.0, -np.inf])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"q": np.zeros((2, 3))}, "k must be in 1..2 for a state of dimension n=2; got q with k=3"),
        ({"q": np.eye(3)}, r"q must have shape \(\*batch, n, k\) for x of shape \(2,\); got \(3, 3\)"),
        ({"q": np.zeros(2)}, "q must have shape"),
        ({"every": 0}, "every must be an integer of at least 1 or .auto.; got 0"),
        ({"every": "often"}, "got .often."),
        ({"transient": -1}, "transient must be an integer of at least 0; got -1"),
        ({"transient": 20}, "at least one map after the transient"),
        ({"steps": []}, "at least one map"),
        ({"thin": 0}, "thin must be an integer of at least 1; got 0"),
        ({"q": np.ones((2, 2))}, r"q must have independent columns.*frame\(x, 2\) makes"),
        ({"steps": repeat(Linear(np.diag([1e-20, 1e-19])), 60), "every": 20}, "range of numbers; got every=20"),
        ({"steps": [Linear(np.ones((1, 2)))]}, "keep the dimension, n=2; got a map to dimension 1"),
    ],
)
def test_bad_input(arguments, message):
    good = {"steps": repeat(Henon(), 20), "x": np.zeros(2), "q": np.eye(2)} | arguments
    with pytest.raises(ValueError, match=message):
        lyapunov_spectrum(**good)


def test_bad_start():
    with pytest.raises(TypeError, match="x must be an array of real numbers"):
        lyapunov_spectrum([Henon()], np.array(["a", "b"]), np.eye(2))
    with pytest.raises(ValueError, match="not finite"):
        lyapunov_spectrum([Henon()], np.array([np.nan, 0.0]), np.eye(2))


@pytest.mark.parametrize("k", [0, 3])
def test_frame_refuses(k):
    with pytest.raises(ValueError, match=rf"k must be in 1..2 for a state of dimension n=2; got k={k}"):
        frame(np.zeros(2), k)


def test_frame_needs_a_seed():
    with pytest.raises(TypeError, match="rng must be"):
        frame(np.zeros(2), 1, rng=None)
    np.testing.assert_array_equal(frame(np.zeros((4, 3)), 2, rng=5), frame(np.zeros((4, 3)), 2, rng=5))


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
def test_an_interval_that_overflows():
    with pytest.raises(ValueError, match="range of numbers; got every=20: take a smaller one"):
        lyapunov_spectrum(repeat(Linear(np.diag([1e20, 1e19])), 60), np.zeros(2), np.eye(2), every=20)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (Henon(), r"steps must be an iterable of maps, such as repeat\(map, 1000\); got Henon"),
        (7, "steps must be an iterable of maps, .* got int"),
        (repeat(Lorenz63(), 10), r"Lorenz63 is a vector field: take Flow\(Lorenz63\(\), dt\)"),
        (repeat(Reservoir.gaussian(5, 1), 10), r"Reservoir is a driven system: take its maps, \.driven\(u\)"),
        (repeat(np.tanh, 10), r"steps must be maps; got ufunc: of a trained forecaster take \.closed"),
        (repeat(Layer(torch.eye(2, dtype=torch.float64)), 5), "Layer fails on a state of type ndarray"),
    ],
)
def test_what_is_not_an_iterable_of_maps_for_this_state(steps, message):
    with pytest.raises(TypeError, match=message):
        lyapunov_spectrum(steps, np.zeros(2), np.eye(2))


@pytest.mark.parametrize("k", [0, 3, 1.0, "2"])
def test_frames_have_as_many_columns_as_fit(k):
    with pytest.raises(ValueError, match=r"k must be in 1..2 for a state of dimension n=2; got k="):
        frame(np.zeros(2), k)


def test_numpy_and_torch_do_not_mix():
    with pytest.raises(TypeError, match="both be numpy arrays or both torch tensors"):
        lyapunov_spectrum(repeat(Henon(), 10), np.zeros(2), torch.eye(2, dtype=torch.float64))


def test_a_projection_is_not_an_interval_that_is_too_long():
    result = lyapunov_spectrum(repeat(Linear(np.diag([2.0, 0.0])), 40), np.zeros(2), np.eye(2), every=4)
    np.testing.assert_array_equal(result.exponents, [np.log(2), -np.inf])


def test_narrow_then_wide_is_refused_wherever_it_happens():
    steps = chain(repeat(Linear(np.eye(3)), 4), [Linear(np.ones((1, 3)))])
    with pytest.raises(ValueError, match="keep the dimension, n=3; got a map to dimension 1"):
        lyapunov_spectrum(steps, np.zeros(3), np.eye(3)[:, :2])


def test_conditional_exponents_of_a_linear_reservoir_are_those_of_its_matrix(rng):
    w = np.diag([0.9, 0.5, 0.1])
    reservoir = Reservoir(w, rng.normal(size=(3, 2)), activation=LINEAR)
    result = lyapunov_spectrum(reservoir.driven(rng.normal(size=(200, 2))), reservoir.rest(), np.eye(3))
    np.testing.assert_allclose(result.exponents, np.log(np.diag(w)), rtol=1e-13)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
def test_divergence_within_the_transient_says_so_and_survives_pickling():
    with pytest.raises(Diverged, match="of the transient") as caught:
        lyapunov_spectrum(repeat(Exploding(), 100), np.array([3.0, 2.0]), np.eye(2), transient=50)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.step, again.result) == (str(caught.value), caught.value.step, None)
    x = torch.tensor([[0.99, 0.98], [3.0, 0.5]], dtype=torch.float64)
    with pytest.raises(Diverged, match="for 1 of 2 members"):
        lyapunov_spectrum(repeat(Exploding(), 12), x, frame(x, 1))


def test_a_frame_that_is_not_orthonormal_adds_no_growth():
    x = np.zeros(2)
    for q in (10 * np.eye(2), np.array([[1.0, 1.0], [0.0, 2.0]])):
        np.testing.assert_allclose(lyapunov_spectrum(repeat(Linear(np.eye(2)), 20), x, q).exponents, 0, atol=1e-15)
        np.testing.assert_allclose(
            finite_time_exponents([Linear(np.diag([3.0, 2.0]))], x, q).log_factors, np.log([3, 2]), atol=1e-14
        )


def test_a_value_has_as_many_digits_as_its_error(rng):
    growth, step = rng.normal(0.9, 0.01, size=(400, 1)), np.ones(400)
    text = repr(Spectrum(growth, step, np.zeros(1), np.eye(1)))
    value, error = re.search(r": (\S+) ± (\S+) per", text).groups()
    assert re.fullmatch(r"0\.000\d\d", error)
    assert value == f"{growth.mean():.5f}"
    assert rounded(-14.5723, 23.0) == ("-15", "23")
    assert rounded(0.25, np.nan) == ("0.25", "nan")


def test_a_long_spectrum_is_shown_in_short():
    result = lyapunov_spectrum(repeat(Linear(np.diag(np.arange(30.0, 0, -1))), 20), np.ones(30), np.eye(30))
    assert "... (30 in all)" in repr(result)
    assert len(repr(result)) < 300
    few = lyapunov_spectrum(repeat(Linear(np.diag([3.0, 2.0])), 20), np.ones(2), np.eye(2))
    assert repr(few).count("±") == 2
