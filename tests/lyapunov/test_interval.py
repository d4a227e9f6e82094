"""The interval between orthonormalisations: chosen automatically it costs no digits, chosen badly it warns."""

from itertools import repeat

import numpy as np
import pytest
import torch

from cocycle import Compiled, Diverged, Flow, Layer, Linear, Reservoir, frame, lyapunov_spectrum, qr_steps
from cocycle.arrays import tolerances
from cocycle.lyapunov.qr import LONGEST
from cocycle.systems import Henon, Lorenz63


def recurrent(n, g, seed=0):
    return Layer(g * np.random.default_rng(seed).normal(scale=n**-0.5, size=(n, n)))


CASES = {
    "lorenz": (Compiled(Flow(Lorenz63(), 0.02)), np.array([1.0, 2.0, 20.0]), 3, 3000),
    "henon": (Henon(), np.array([[0.1, 0.1], [0.0, 0.05]]), 2, 1000),
    "recurrent network": (recurrent(60, 2.0), np.full(60, 0.1), 60, 300),
    "one vector": (recurrent(40, 0.5), np.full(40, 0.1), 1, 500),
}


@pytest.mark.parametrize("name", CASES)
def test_auto_agrees_with_every_step_to_ten_digits(name):
    f, x, k, steps = CASES[name]
    often = lyapunov_spectrum(repeat(f, steps), x, frame(x, k), transient=20)
    auto = lyapunov_spectrum(repeat(f, steps), x, frame(x, k), transient=20, every="auto")
    np.testing.assert_allclose(auto.exponents, often.exponents, rtol=0, atol=1e-10 / f.dt)
    assert len(auto.times) < len(often.times) or name == "recurrent network"
    assert auto.times.sum() == pytest.approx(often.times.sum())


@pytest.mark.parametrize("name", CASES)
def test_auto_keeps_its_bound(name):
    f, x, k, steps = CASES[name]
    for step in qr_steps(repeat(f, steps), x, frame(x, k), every="auto"):
        diagonal = np.diagonal(step.r, axis1=-2, axis2=-1)
        spread = (diagonal.max(axis=-1) / diagonal.min(axis=-1)).max()
        assert spread <= tolerances(x.dtype).frame_spread or step.time == f.dt
        assert step.time <= LONGEST * f.dt * (1 + 1e-12)


def test_auto_survives_a_burst():
    """A thousand calm maps make long groups; the violent one among them is found and the group is cut."""
    calm, burst = Linear(np.diag([1.01, 1.0])), Linear(np.diag([1e4, 1e-4]))
    steps = [*repeat(calm, 150), burst, burst, *repeat(calm, 50)]
    result = lyapunov_spectrum(steps, np.zeros(2), frame(np.zeros(2), 2), every="auto")
    np.testing.assert_allclose(result.growth.sum(), 200 * np.log(1.01), rtol=1e-12)
    assert len(result.times) < 40


def test_too_long_an_interval_warns_of_the_first_exponent_that_is_lost():
    """Reference: N = k = 100, g = 3, every 4: off by order one from index 94 on, without a NaN."""
    f = recurrent(100, 3.0)
    x = np.full(100, 0.1)
    exact = lyapunov_spectrum(repeat(f, 200), x, frame(x, 100), transient=40).exponents
    with pytest.warns(UserWarning, match="exponents from number .* on are unreliable") as caught:
        wrong = lyapunov_spectrum(repeat(f, 200), x, frame(x, 100), transient=40, every=8).exponents
    first = int(str(caught[0].message).split("number ")[1].split()[0])
    assert abs(wrong - exact).max() > 0.1
    rounding = tolerances(float).UNRELIABLE
    np.testing.assert_allclose(wrong[: first - 1], exact[: first - 1], rtol=0, atol=rounding)
    auto = lyapunov_spectrum(repeat(f, 200), x, frame(x, 100), transient=40, every="auto").exponents
    np.testing.assert_allclose(auto, exact, rtol=0, atol=1e-10)


def test_projections_do_not_warn():
    result = lyapunov_spectrum(repeat(Linear(np.diag([1.0, 0.0])), 40), np.zeros(2), np.eye(2), every=4)
    assert result.exponents[1] == -np.inf


def test_auto_on_torch():
    w = torch.as_tensor(recurrent(20, 1.5).weight)
    x = torch.full((3, 20), 0.1, dtype=torch.float64)
    auto = lyapunov_spectrum(repeat(Layer(w), 200), x, frame(x, 5), every="auto")
    often = lyapunov_spectrum(repeat(Layer(w), 200), x, frame(x, 5))
    np.testing.assert_allclose(auto.exponents, often.exponents, rtol=0, atol=1e-10)


def test_a_saturated_reservoir_far_from_the_range_of_numbers():
    """Slopes of 1e-40 a step: sixteen steps without QR would underflow."""
    reservoir = Reservoir(0.5 * np.eye(2), np.ones((2, 1)))
    u = np.full((100, 1), 46.0)
    auto = lyapunov_spectrum(reservoir.driven(u), reservoir.rest(), np.eye(2), every="auto", transient=1)
    often = lyapunov_spectrum(reservoir.driven(u), reservoir.rest(), np.eye(2), transient=1)
    np.testing.assert_allclose(auto.exponents, often.exponents, rtol=1e-12)


def test_a_single_map_that_spreads_beyond_the_digits_warns_at_any_interval():
    """A saturated reservoir: the slopes of one step reach over more decades than a number has digits."""
    reservoir = Reservoir.gaussian(30, 1, weight_std=0.9, input_std=1.0, rng=1)
    u = 15 * np.random.default_rng(0).normal(size=(60, 1))
    for every in (1, "auto"):
        with pytest.warns(UserWarning, match="fewer exponents"):
            lyapunov_spectrum(reservoir.driven(u), reservoir.rest(), np.eye(30), every=every, transient=5)


@pytest.mark.filterwarnings("ignore:invalid")
def test_a_member_that_is_lost_does_not_spoil_the_interval_of_the_others():
    calm, violent = np.stack([np.eye(2)] * 2), np.stack([np.full((2, 2), np.nan), np.diag([10.0, 0.1])])
    turn = np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    steps = [*repeat(Linear(1.01 * calm), 150), *repeat(Linear(violent @ turn), 100)]
    x = np.zeros((2, 2))
    results = []
    for every in (1, "auto"):
        with pytest.raises(Diverged) as caught:
            lyapunov_spectrum(steps, x, frame(x, 2), every=every)
        results.append(caught.value.result.exponents[1])
    np.testing.assert_allclose(results[1], results[0], rtol=0, atol=1e-10)


@pytest.mark.parametrize("every", [0, -1, 2.0, "often", None])
def test_bad_intervals_are_refused_by_the_loop_itself(every):
    with pytest.raises(ValueError, match="every must be an integer of at least 1"):
        qr_steps(repeat(Henon()), np.zeros(2), np.eye(2), every=every)


def test_an_interval_may_be_a_numpy_integer():
    first, second = (lyapunov_spectrum(repeat(Henon(), 20), np.zeros(2), np.eye(2), every=e) for e in (5, np.int64(5)))
    np.testing.assert_array_equal(first.growth, second.growth)
