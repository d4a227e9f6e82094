"""States along orbits: the same from compiled loops as step by step, also where they are no longer finite."""

from itertools import repeat

import numpy as np
import pytest

from cocycle import Compiled, Flow, Linear, end, frame, lyapunov_spectrum, trajectory
from cocycle.formulas import Formula, kernels
from cocycle.maps import orbit
from cocycle.systems import Henon


def henon(x, a=1.4, b=0.3):
    return np.stack([1 - a * x[0] ** 2 + x[1], b * x[0]])


@pytest.fixture(autouse=True)
def _always(monkeypatch):
    monkeypatch.setattr(kernels, "WORTH", 0)


@pytest.mark.parametrize("f", [Formula(henon), Compiled(Henon()), Henon(), Linear(np.diag([0.5, 2.0]))], ids=repr)
@pytest.mark.parametrize("batch", [(), (3,), (2, 2)])
def test_trajectories_are_those_of_the_map(f, batch, rng):
    x = rng.uniform(-0.1, 0.1, size=(*batch, 2))
    expected = np.array(list(orbit([f] * 20, x)))
    np.testing.assert_allclose(trajectory(repeat(f, 20), x), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(trajectory([f] * 20, x), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(end(repeat(f, 20), x), expected[-1], rtol=1e-9, atol=1e-12)


def test_threads_change_nothing(rng):
    x, f = Henon().start(rng, (5,)), Formula(henon)
    np.testing.assert_array_equal(trajectory(repeat(f, 50), x, threads=2), trajectory(repeat(f, 50), x))
    np.testing.assert_array_equal(end(repeat(f, 50), x, threads=2), end(repeat(f, 50), x))
    one, two = (lyapunov_spectrum(repeat(f, 500), x, frame(x, 2), every="auto", threads=t) for t in (1, 2))
    np.testing.assert_array_equal(one.growth, two.growth)


def test_what_leaves_the_range_of_numbers_goes_on_as_the_map_does():
    f, x = Formula(henon, a=2.0), np.array([[0.1, 0.1], [5.0, 0.0]])
    with np.errstate(all="ignore"):
        expected = np.array(list(orbit([f] * 30, x)))
        np.testing.assert_allclose(trajectory(repeat(f, 30), x)[:8], expected[:8])
        assert not np.isfinite(trajectory(repeat(f, 30), x)[-1, 1]).any()
        assert not np.isfinite(end(repeat(f, 30), x)[1]).any()


def test_no_step_is_no_change():
    x = np.array([0.1, 0.1])
    assert end(repeat(Formula(henon), 0), x) is x


def test_parameters_of_a_batch_make_a_batch_of_one_state():
    f = Formula(henon).at(b=np.array([0.1, 0.2, 0.3]))
    x = np.array([0.1, 0.1])
    assert trajectory(repeat(f, 10), x).shape == (10, 3, 2)
    assert end(repeat(f, 10), x).shape == (3, 2)
    result = lyapunov_spectrum(repeat(f, 100), x, frame(x, 2))
    np.testing.assert_allclose(result.exponents.sum(-1), np.log([0.1, 0.2, 0.3]), rtol=0, atol=1e-12)
    flow = Flow(lambda u, rate=1.0: -rate * u, 0.1).at(rate=np.array([1.0, 2.0]))
    for steps in (repeat(flow, 50), [flow] * 50):
        found = lyapunov_spectrum(steps, x, frame(x, 2)).exponents
        np.testing.assert_allclose(found, [[-1, -1], [-2, -2]], rtol=1e-4)
    with pytest.raises(ValueError, match="a state for each value of a batch of parameters"):
        lyapunov_spectrum(repeat(flow, 50), np.ones((3, 2)), frame(np.ones((3, 2)), 1))


def test_a_result_says_which_loop_it_had():
    x = np.array([0.1, 0.1])

    def loop(steps):
        return lyapunov_spectrum(steps, x, frame(x, 2)).loop

    assert loop(repeat(Formula(henon), 50)) == "compiled"
    assert "repeat(map, count)" in loop([Formula(henon)] * 50)
    assert "Henon is not a formula" in loop(repeat(Henon(), 50))
