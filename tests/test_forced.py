"""Equations that depend on time: the time is bound before the loop, and no exponent is zero because of it."""

import pickle
from itertools import repeat

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from cocycle import DormandPrince, Flow, ForcedFlow, Radau, RungeKutta, Symplectic, end, frame, lyapunov_spectrum
from cocycle.formulas import kernels
from cocycle.testing import check_map

TURN = 2 * np.pi
METHODS = pytest.mark.parametrize(
    ("integrator", "dt"), [(RungeKutta(), TURN / 400), (DormandPrince(), TURN / 8), (Radau(1e-8), TURN / 8)]
)


def duffing(t, u, damping=0.05, force=7.5):
    x, v = u
    return v, -damping * v - x**3 + force * np.cos(t)


def oscillator(t, u, damping=0.3, force=1.0, frequency=1.0):
    x, v = u
    return v, -2.0 * x - damping * v + force * np.cos(frequency * t)


X = np.array([1.0, 0.5])


@METHODS
def test_the_solution_is_that_of_scipy(integrator, dt):
    forced = ForcedFlow(duffing, dt, integrator=integrator)
    exact = solve_ivp(duffing, (0.7, 0.7 + TURN), X, "DOP853", rtol=1e-12, atol=1e-12).y[:, -1]
    np.testing.assert_allclose(end(forced.maps(round(TURN / dt), start=0.7), X), exact, rtol=1e-5)
    np.testing.assert_allclose(forced.stroboscopic(TURN, phase=0.7)(X), exact, rtol=1e-5)
    clock = ForcedFlow(duffing, dt, integrator=integrator).autonomous()
    found = end([clock] * round(TURN / dt), np.append(X, 0.7))
    np.testing.assert_allclose(found, [*exact, 0.7 + TURN], rtol=1e-5)


@METHODS
def test_the_contract_of_maps(integrator, dt, rng):
    x = rng.normal(size=(3, 2))
    forced = ForcedFlow(duffing, dt / 40, integrator=integrator)
    check_map(forced.maps(5, start=2.0)[3], x, frame(x, 2))
    forces = np.array([1.0, 2.0, 3.0])
    y, s = forced.at(force=forces).maps(5)[3].tangent(x[0], frame(x[0], 2))  # one state, a batch of parameters
    for i, force in enumerate(forces):
        alone = forced.at(force=force).maps(5)[3].tangent(x[0], frame(x[0], 2))
        np.testing.assert_allclose(y[i], alone[0], rtol=1e-12)
        np.testing.assert_allclose(s[i], alone[1], rtol=1e-12)


@METHODS
@pytest.mark.parametrize("backward", [False, True])
def test_compiled_loops_have_the_same_clock(integrator, dt, backward, monkeypatch):
    monkeypatch.setattr(kernels, "WORTH", 0)
    flow = ForcedFlow(duffing, dt, integrator=integrator).stroboscopic(TURN, phase=1.1)
    flow = flow.backward() if backward else flow
    x = np.stack([X, X + 0.1])
    q = frame(x, 2)
    block = flow.kernel(x, q, 100)(x, q, 1, 1)
    y, s = flow.tangent(x, q)
    np.testing.assert_allclose(block.x[0], y, rtol=1e-9)
    np.testing.assert_allclose(block.diagonal[0, :, 0], np.linalg.norm(s[..., 0], axis=-1), rtol=1e-7)
    np.testing.assert_allclose(end(repeat(flow, 2), x), end([flow] * 2, x), rtol=1e-8)


def test_backward_returns():
    flow = ForcedFlow(duffing, TURN / 400).stroboscopic(TURN, phase=0.3)
    later = ForcedFlow(duffing, TURN / 400).stroboscopic(TURN, phase=0.3 + TURN)
    np.testing.assert_allclose(later.backward()(flow(X)), X, rtol=1e-5)


def test_exponents_of_a_linear_oscillator_are_those_without_force():
    """-damping / 2 twice, whatever the force, over a period, over single steps, with an incommensurate one."""
    for frequency, maps in ((1.0, None), (2**0.5, 4000)):
        forced = ForcedFlow(oscillator, TURN / 100, frequency=frequency)
        steps = repeat(forced.stroboscopic(TURN), 4000) if maps is None else forced.maps(maps)
        result = lyapunov_spectrum(steps, X, frame(X, 2), every="auto", transient=10)
        assert abs(result.exponents.sum() + 0.3) < 1e-6
        assert abs(result.exponents + 0.15).max() < 5e-3
    clock = ForcedFlow(oscillator, TURN / 100).autonomous()
    found = lyapunov_spectrum(repeat(clock, 40_000), np.append(X, 0.0), frame(np.append(X, 0.0), 3), every="auto")
    np.testing.assert_allclose(np.sort(found.exponents), [-0.15, -0.15, 0.0], atol=1e-3)


def test_ueda():
    """Duffing's equation, Ueda's parameters: 0.0999 and -0.1499 [published: Sprott], their sum exactly -damping."""
    flow = ForcedFlow(duffing, TURN / 200).stroboscopic(TURN)
    x = X + 0.1 * np.random.default_rng(0).normal(size=(16, 2))
    result = lyapunov_spectrum(repeat(flow, 8000), x, frame(x, 2), transient=200, every="auto")
    assert result.loop == "compiled"
    mean, error = result.exponents.mean(0), result.scatter / 4
    assert abs(mean.sum() + 0.05) < 1e-5
    assert abs(mean[0] - 0.105) < 5 * error[0] + 2e-3


def test_networks_are_forced_too():
    """A periodically forced rate network of 20 units: the map over a period is that of its steps."""
    w = 1.5 * np.random.default_rng(3).normal(size=(20, 20)) / 20**0.5

    def network(t, x, amplitude=0.5):
        return -x + np.tanh(w @ x) + amplitude * np.cos(t)

    forced = ForcedFlow(network, TURN / 50)
    x = np.random.default_rng(1).normal(size=20)
    np.testing.assert_allclose(forced.stroboscopic(TURN)(x), end(forced.maps(50), x), rtol=1e-12)


def test_parameters_and_pickling():
    forced = ForcedFlow(duffing, TURN / 100, force=3.0)
    assert repr(forced) == "ForcedFlow(duffing, dt=0.0628319, damping=0.05, force=3.0)"
    many = forced.at(force=np.array([3.0, 7.5])).stroboscopic(TURN)
    np.testing.assert_allclose(many(np.stack([X, X]))[0], forced.stroboscopic(TURN)(X), rtol=1e-13)
    again = pickle.loads(pickle.dumps(forced.stroboscopic(TURN)))
    np.testing.assert_array_equal(again(X), forced.stroboscopic(TURN)(X))
    maps = forced.maps(10)
    assert len(maps) == 10
    np.testing.assert_array_equal(maps[2:4][1](X), maps[3](X))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ForcedFlow(duffing, 0.1).stroboscopic(TURN), ValueError, "period must be a positive multiple of dt"),
        (
            lambda: ForcedFlow(duffing, 0.1).stroboscopic(6.0)(X),
            ValueError,
            "period must be that of duffing; near x the",
        ),
        (lambda: ForcedFlow(duffing, 0.1).stroboscopic(-1.0), ValueError, "period must be a positive multiple"),
        (lambda: ForcedFlow(lambda u: u, 0.1), TypeError, "function must be one of time and state, f"),
        (lambda: ForcedFlow(lambda t, u, time=1.0: u, 0.1), TypeError, "with other names for its parameters than time"),
        (lambda: ForcedFlow(duffing, 0.1, time=3.0), TypeError, "must not be called time"),
        (lambda: ForcedFlow(duffing, 0.1).maps(0), ValueError, "steps must be an integer of at least 1"),
        (lambda: ForcedFlow(duffing, 0.1).maps(5, start=np.nan), ValueError, "start must be a finite number"),
        (lambda: ForcedFlow(duffing, 0.1, strength=3.0), TypeError, "parameters must be among damping, force"),
        (lambda: ForcedFlow(duffing, 0.1, integrator=Symplectic()).maps(3)[0](X), ValueError, "must not depend on p"),
        (lambda: Flow(duffing, 0.1)(X), TypeError, "duffing cannot be differentiated"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_period_is_checked_where_the_forcing_acts():
    """At x = 0 a parametric force does nothing; a weak force beside a strong field counts by its own variation."""

    def mathieu(t, u):
        return u[1], -(1 + 0.5 * np.cos(2 * t)) * u[0]

    def weak(t, u):
        return -1e4 * u[0] + 1e-3 * np.cos(t), u[1]

    for function, x in ((mathieu, np.array([0.0, 1.0])), (weak, np.array([100.0, 1.0]))):
        with pytest.raises(ValueError, match="period must be that of"):
            ForcedFlow(function, np.pi / 1000).stroboscopic(1.5 * np.pi)(x)
        ForcedFlow(function, np.pi / 1000).stroboscopic(2 * np.pi)(x)


def test_symplectic_steps_are_of_fourth_order_with_explicit_time():
    """A mass and a spring that depend on time."""

    def moving(t, u):
        return u[1] / (1 + 0.5 * np.sin(3 * t)), -(1 + 0.3 * np.cos(t)) * u[0]

    def after(steps):
        return end(ForcedFlow(moving, 2.0 / steps, integrator=Symplectic()).maps(steps), X)

    exact = solve_ivp(moving, (0, 2), X, "DOP853", rtol=1e-13, atol=1e-13).y[:, -1]
    errors = [abs(after(steps) - exact).max() for steps in (20, 40, 80)]
    np.testing.assert_allclose(np.log2(np.divide(errors[:-1], errors[1:])), 4, atol=0.4)


def test_a_parameter_called_time_is_one():
    def relax(u, time=2.0):
        return -u / time

    for integrator in (RungeKutta(), DormandPrince(), Radau()):
        flow = Flow(relax, 0.1, integrator=integrator, time=0.5)
        np.testing.assert_allclose(end([flow] * 10, np.array([1.0])), np.exp(-2), rtol=1e-4)
