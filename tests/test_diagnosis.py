"""`diagnose` names the obstacle: for each of the ways in which a reservoir fails there is a network that fails so."""

import numpy as np
import pytest

from cocycle import Reservoir, diagnose, frame, lyapunov_spectrum, train
from cocycle.reservoir import DelayLine, Design, Polynomial
from cocycle.systems import Lorenz63

DT = 0.02
TRUE = np.array([0.9056, 0.0, -14.5723]) * DT
OPTIONS = {"lyapunov_time": 1 / TRUE[0], "true_exponents": TRUE, "starts": 8, "steps": 3000}


@pytest.fixture(scope="module")
def series():
    return Lorenz63().series(9000, dt=DT)


def diagnosis(network, series, **options):
    model = train(network, series[:6000], **options)
    return diagnose(model, series[6000:], **OPTIONS)


def test_a_network_that_works(series):
    found = diagnosis(Reservoir.random(300, 3), series)
    assert found.findings == ["no obstacle found"]
    assert found.valid.median > 4
    assert (found.climate < 0.3).all()
    assert 0.5 < found.field_std < 1.5
    assert "valid time" in repr(found)
    model = train(Reservoir.random(300, 3), series[:6000])
    r = model.network.rest()
    exponent = lyapunov_spectrum(model.driven(series[6000:]), r, frame(r, 1), transient=200).exponents
    np.testing.assert_array_equal(found.conditional.exponents, exponent)
    assert found.memory == pytest.approx(-1 / exponent[0])


@pytest.mark.parametrize(
    ("network", "options", "obstacle"),
    [
        (Reservoir.random(100, 3, input_scaling=8.0), {}, "most units are saturated"),
        (
            Reservoir.gaussian(100, 3, weight_std=2.0, input_std=1e-3),
            {"normalise": False, "ridge": 1e-6},
            "does not synchronise",
        ),
        (
            Reservoir.gaussian(100, 3, weight_std=0.5, input_std=1e-3),
            {"normalise": False, "ridge": 1e-6},
            "nearly linear",
        ),
        (Reservoir.gaussian(200, 3, weight_std=1.1, input_std=0.01), {"normalise": False, "ridge": 1e-8}, "not well"),
        (Reservoir.random(100, 3), {"ridge": 1e3}, "one-step errors are large"),
        (Reservoir.random(100, 3, leak_rate=0.01), {}, "is longer than the Lyapunov time"),
        (DelayLine(3, 2), {"design": Design(Polynomial(6), increment=True), "ridge": 1e5}, "misses exponent"),
    ],
)
def test_networks_that_do_not(series, network, options, obstacle):
    found = diagnosis(network, series, **options)
    assert any(obstacle in line for line in found.findings), found


def test_the_lyapunov_time_is_compared_with_the_closed_loop(series):
    """Of an odd network, which has not learned the attractor; and of a time in units of time, not in steps."""
    options = {"starts": 8, "steps": 3000}
    model = train(Reservoir.random(300, 3, dt=DT), series[:6000])
    assert diagnose(model, series[6000:], lyapunov_time=1 / TRUE[0], **options).findings == ["no obstacle found"]
    wrong = diagnose(model, series[6000:], lyapunov_time=1 / 0.9056, **options)
    assert any("the inverse of its Lyapunov time of 1.1 steps" in line for line in wrong.findings)


def test_a_loop_that_leaves_every_bound(series):
    """Cubic features and little data: the autonomous map runs away, the rest of the diagnosis stands."""
    model = train(DelayLine(3, 1), series[:260], design=Polynomial(3, (1, 3)), ridge=1e3)
    found = diagnose(model, series[6000:], **OPTIONS)
    if found.closed is None:
        assert "the closed loop leaves every bound: increase the ridge" in found.findings
        np.testing.assert_array_equal(found.climate, 1)
    assert np.isnan(found.field_std)
    assert found.one_step > 0


def test_bad_input(series):
    model = train(Reservoir.random(30, 3), series[:1000])
    with pytest.raises(ValueError, match=r"series must have at least 1000 times.*; got 500"):
        diagnose(model, series[:500], lyapunov_time=50)
    both = train(Reservoir.ensemble([Reservoir.random(30, 3)] * 2), series[:1000])
    with pytest.raises(ValueError, match="model must be of a single network"):
        diagnose(both, series, lyapunov_time=50)
    other = train(Reservoir.random(30, 2), series[:1000, :2], target=series[:1000, 2:])
    with pytest.raises(ValueError, match="trained on another target"):
        diagnose(other, series[:, :2], lyapunov_time=50)
