"""Flows with events: impacts and spikes, with the tangent map through them, the saltation matrix."""

from itertools import repeat

import numpy as np
import pytest

from cocycle import (
    Diverged,
    DormandPrince,
    Event,
    Flow,
    ForcedFlow,
    HybridFlow,
    Radau,
    ReturnMap,
    RungeKutta,
    end,
    frame,
    lyapunov_spectrum,
    trajectory,
)
from cocycle.testing import check_map

GRAVITY, RESTITUTION = 9.81, 0.9


def falling(u):
    return u[1], -GRAVITY + 0 * u[0]


def height(u):
    return u[0]


def bounce(u):
    return np.stack([0 * u[0], -RESTITUTION * u[1]])


def kicked(u):
    return np.stack([0 * u[0], 0.3 - RESTITUTION * u[1]])


def ball(dt, reset=bounce, **options):
    return HybridFlow(Flow(falling, dt, **options), Event(height, reset))


def free(u):
    return u[1], 0 * u[1]


def left_of_wall(u):
    return 1 - u[0]


def right_of_wall(u):
    return u[0] + 1


def reflected(u):
    return np.stack([u[0], -u[1]])


def exact_ball(x, time):
    """Height and speed of the ball after some time, bounce by bounce."""
    height, speed = x
    while True:
        left = (speed + np.sqrt(speed**2 + 2 * GRAVITY * height)) / GRAVITY
        if left > time:
            return height + speed * time - GRAVITY * time**2 / 2, speed - GRAVITY * time
        height, speed, time = 0.0, -RESTITUTION * (speed - GRAVITY * left), time - left


def oscillator(t, u, frequency=2.8, damping=0.05):
    return u[1], -u[0] - 2 * damping * u[1] + np.cos(frequency * t)


TURN = 2 * np.pi / 2.8
WALL = Event(lambda u: u[0], lambda u: np.concatenate([u[:1], -0.8 * u[1:2], u[2:]]))


@pytest.mark.parametrize("integrator", [RungeKutta(), DormandPrince(), Radau()], ids=repr)
def test_the_ball_is_where_it_is(integrator):
    """Parabolas are integrated exactly, so that only the times of the bounces are found; several in one step."""
    for dt in (0.05, 0.7):
        f, x, count = ball(dt, integrator=integrator), np.array([1.0, 0.5]), round(1.4 / dt)
        np.testing.assert_allclose(end([f] * count, x), exact_ball(x, 1.4), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("dt", [0.05, 0.6])
def test_the_contract_of_maps(dt, rng):
    """Members of a batch with and without bounces; the tangent is the derivative, saltation included."""
    x = np.stack([rng.uniform(0.1, 1.5, size=6), rng.normal(size=6)], axis=-1)
    check_map(ball(dt), x, frame(x, 2))
    check_map(ball(dt, kicked, substeps=3), x, frame(x, 2))
    forced = HybridFlow(ForcedFlow(oscillator, TURN / 200).stroboscopic(TURN), WALL)
    y = np.array([[0.3, 0.2], [0.5, -0.3]])
    q = frame(y, 2)
    step = 1e-5
    columns = [(forced(y + step * v) - forced(y - step * v)) / (2 * step) for v in np.moveaxis(q, -1, 0)]
    np.testing.assert_allclose(forced.tangent(y, q)[1], np.stack(columns, axis=-1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("restitution", "kick"), [(0.9, 1.0), (0.5, 3.0)])
def test_a_kicked_ball_has_a_zero_exponent_and_that_of_its_impacts(restitution, kick):
    """v -> kick - r v: bounces of the same height, 0 along the orbit and ln r per period 2 kick / ((1 - r) g)."""
    event = Event(lambda u: u[0], lambda u: np.stack([0 * u[0], kick - restitution * u[1]]))
    f, x = HybridFlow(Flow(falling, 0.02), event), np.array([0.0, kick / (1 - restitution) / 2])
    period = 2 * kick / (1 - restitution) / GRAVITY
    count = round(60 * period / 0.02)
    result = lyapunov_spectrum([f] * count, x, frame(x, 2), transient=count // 3, every=5)
    expected = np.array([0.0, np.log(restitution) / period])
    assert (abs(result.exponents - expected) < 5 * result.standard_error + 0.01 * abs(expected)).all()
    g = ReturnMap(f)
    x = end([g] * 30, x)
    np.testing.assert_allclose(g.times(x), period, rtol=0.05)
    np.testing.assert_allclose(lyapunov_spectrum([g] * 50, x, np.array([[0.0], [1.0]])).exponents, np.log(restitution))


def test_an_integrate_and_fire_neuron_keeps_its_phase():
    """Between spikes perturbations decay, v' = I - v; a spike that comes later cancels it: the exponent is 0."""
    neuron = HybridFlow(Flow(lambda v: 1.5 - v, 0.05), Event(lambda v: 1 - v[0], lambda v: 0 * v))
    x, period = np.array([0.0]), np.log(3.0)
    result = lyapunov_spectrum([neuron] * round(200 * period / 0.05), x, np.eye(1))
    assert abs(result.exponents[0]) < 2 / float(result.times.sum())
    np.testing.assert_allclose(ReturnMap(neuron).times(x), period, rtol=1e-6)


def test_an_impact_oscillator_and_its_impact_map():
    """The exponents of the flow are those of the map from impact to impact over the mean time between impacts; the
    clock has the exponent 0; over a period of the force there is no clock."""
    clock = HybridFlow(ForcedFlow(oscillator, TURN / 40).autonomous(), WALL)
    x = np.array([0.5, 0.0, 0.0])
    flow = lyapunov_spectrum([clock] * 8000, x, frame(x, 3), transient=800, every=5)
    g = ReturnMap(clock)
    start = end([g] * 50, x)
    states = trajectory([g] * 200, start)
    impacts = lyapunov_spectrum([g] * 200, start, frame(start, 2))
    time = g.times(np.concatenate([start[None], states[:-1]])).mean()
    error = 4 * np.hypot(flow.standard_error[[0, 2]], impacts.standard_error / time)
    assert (abs(flow.exponents[[0, 2]] - impacts.exponents / time) < error).all()
    assert abs(flow.exponents[1]) < 0.01
    strobe = HybridFlow(ForcedFlow(oscillator, TURN / 40).stroboscopic(TURN), WALL)
    found = lyapunov_spectrum([strobe] * 200, x[:2], frame(x[:2], 2), transient=50)
    both = 4 * np.hypot(found.standard_error, flow.standard_error[[0, 2]])
    assert (abs(found.exponents - flow.exponents[[0, 2]]) < both).all()


def test_two_walls_and_simultaneous_events():
    """A free particle between two walls: after a time it is where reflection puts it."""
    f = HybridFlow(Flow(free, 3.0), Event(left_of_wall, reflected), Event(right_of_wall, reflected))
    x = np.array([[0.2, 1.3], [-0.9, -2.1], [0.0, 0.1]])
    unfolded = (x[:, 0] + 3.0 * x[:, 1] + 1) % 4
    np.testing.assert_allclose(f(x)[:, 0], np.where(unfolded < 2, unfolded, 4 - unfolded) - 1, atol=1e-9)
    np.testing.assert_allclose(abs(f(x)[:, 1]), abs(x[:, 1]), rtol=1e-12)
    check_map(f, x, frame(x, 2))


def test_where_events_accumulate_the_orbit_ends():
    """A ball that loses energy comes to rest after a finite time; a run keeps what it reached."""
    f, x = ball(0.3), np.array([1.0, 0.0])
    with pytest.warns(
        RuntimeWarning, match="the orbit ends near the state .* more than 100 events in one step: they accumulate"
    ):
        assert np.isnan(end([f] * 60, x)).all()
    with pytest.warns(RuntimeWarning, match="ends"), pytest.raises(Diverged) as found:
        lyapunov_spectrum([f] * 60, x, frame(x, 2))
    assert found.value.result.maps > 10


def test_a_reset_that_does_not_lead_away_is_reported():
    stuck = HybridFlow(Flow(falling, 0.1), Event(lambda u: u[0], lambda u: (u[0] - 0.1, u[1])))
    with pytest.warns(RuntimeWarning, match="more than 100 events in one step"):
        assert np.isnan(end([stuck] * 20, np.array([1.0, 0.0]))).all()


def test_events_at_the_end_of_a_step_and_several_at_once():
    """A clock that is reset at 1 where steps end; a corner of two walls; a neuron that takes another over threshold."""
    clock = HybridFlow(Flow(lambda u: 0 * u + 1.0, 0.25), Event(lambda u: 1 - u[0], lambda u: 0 * u))
    states = trajectory([clock] * 12, np.array([0.0]))[:, 0]
    np.testing.assert_allclose((states + 0.4) % 1.0, (0.25 * np.arange(1, 13) + 0.4) % 1.0, atol=1e-9)
    np.testing.assert_array_less(states, 1.0 + 1e-12)
    walls = (
        Event(lambda u: u[0], lambda u: np.stack([u[0], u[1], -u[2], u[3]])),
        Event(lambda u: u[1], lambda u: np.stack([u[0], u[1], u[2], -u[3]])),
    )
    corner = HybridFlow(Flow(lambda u: np.stack([u[2], u[3], 0 * u[2], 0 * u[3]]), 0.1), *walls)
    for apart in (0.0, 1e-12, 1e-7):
        found = end([corner] * 10, np.array([0.5, 0.5 + apart, -1.0, -1.0]))
        np.testing.assert_allclose(found, [0.5, 0.5 - apart, 1.0, 1.0], atol=1e-9)
    fires = [
        Event(lambda u: 1 - u[0], lambda u: np.stack([0 * u[0], u[1] + 0.3])),
        Event(lambda u: 1 - u[1], lambda u: np.stack([u[0] + 0.3, 0 * u[1]])),
    ]
    pair = HybridFlow(Flow(lambda u: 1.5 - u, 0.05), *fires)
    assert np.isfinite(end([pair] * 200, np.array([0.1, 0.35]))).all()


@pytest.mark.parametrize("integrator", [RungeKutta(), DormandPrince(), Radau()], ids=repr)
def test_no_event_is_missed_within_a_period_or_a_long_step(integrator):
    """The wall is reached and left within a small part of the period of the force, and of a map with many substeps."""
    turn = 2 * np.pi / 1.7

    def driven(t, u):
        return u[1], -u[0] - 0.1 * u[1] + 0.8 * np.cos(1.7 * t)

    event = Event(lambda u: u[0] + 0.5, lambda u: (u[0], -0.8 * u[1]))
    flow = HybridFlow(ForcedFlow(driven, turn / 400, integrator=integrator).stroboscopic(turn, 0.3), event)
    np.testing.assert_allclose(flow(np.array([0.2, -1.4])), [0.0901, 0.3549], atol=2e-4)
    spring = HybridFlow(
        Flow(lambda u: (u[1], -u[0]), 6.0, 600)
        if integrator == RungeKutta()
        else Flow(lambda u: (u[1], -u[0]), 6.0, 1, type(integrator)(longest=0.01)),
        Event(lambda u: u[0] + 0.9, lambda u: (-0.9 + 0 * u[0], -u[1])),
    )
    np.testing.assert_allclose(ReturnMap(spring, 200.0).times(np.array([0.0, 1.0])), np.pi + np.arcsin(0.9), atol=1e-5)


def test_a_batch_of_parameters():
    gravity = np.array([5.0, 9.81])
    flow = Flow(lambda u, g=9.81: (u[1], -g + 0 * u[0]), 0.5, g=gravity)
    event = Event(lambda u: u[0], lambda u: np.stack([u[0], -0.9 * u[1]]))
    x = np.array([[0.5, -1.0], [0.5, -1.0]])
    y, s = HybridFlow(flow, event).tangent(x, frame(x, 2))
    for i, g in enumerate(gravity):
        alone = HybridFlow(flow.at(g=g), event).tangent(x[i], frame(x, 2)[i])
        np.testing.assert_allclose(y[i], alone[0], rtol=1e-9)
        np.testing.assert_allclose(s[i], alone[1], rtol=1e-7, atol=1e-9)


def test_a_step_that_is_too_coarse_is_reported():
    f = HybridFlow(Flow(lambda u: (u[1], -100 * u[0] - u[1]), 0.25), Event(lambda u: u[0] + 2, lambda u: u))
    with pytest.warns(UserWarning, match="too coarse"):
        lyapunov_spectrum(repeat(f, 300), np.array([1.0, 0.0]), frame(np.ones(2), 2))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ReturnMap(ball(0.1), 0.2)(np.array([5.0, 0.0])), ArithmeticError, "an event must be reached within"),
        (lambda: ReturnMap(ball(0.1), 0.0), ValueError, "longest must be a positive time"),
        (lambda: HybridFlow(Flow(falling, 0.1)), TypeError, "events must be some of Event"),
        (lambda: HybridFlow(falling, WALL), TypeError, "flow must be a Flow"),
        (lambda: HybridFlow(Flow(falling, 0.1).backward(), WALL), ValueError, "must go forward in time with events"),
        (lambda: ReturnMap(Flow(falling, 0.1)), TypeError, "flow must be one with events"),
        (lambda: Event(0.0, lambda u: u), TypeError, "surface must be a function of a state"),
        (lambda: Event(lambda u: u, lambda u: u).height(np.ones(2)), TypeError, "surface must give one number"),
        (
            lambda: ReturnMap(HybridFlow(ForcedFlow(oscillator, 0.1).maps(1)[0], WALL)),
            ValueError,
            r"take ForcedFlow\(...\).autonomous\(\)",
        ),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_torch_is_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="x must be a numpy array for a flow with events"):
        ball(0.1)(torch.ones(2))
