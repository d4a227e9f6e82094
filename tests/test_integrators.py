"""Integrators have the order they claim, in value and tangent, in compiled loops as on arrays; those that choose their
steps keep to their tolerance, whatever the frame and the batch; a symplectic one conserves what Hamilton's equations
do."""

from itertools import repeat

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from cocycle import (
    Compiled,
    Diverged,
    DormandPrince,
    Flow,
    Radau,
    RungeKutta,
    Symplectic,
    VectorField,
    end,
    finite_time_exponents,
    frame,
    lyapunov_spectrum,
    qr_steps,
    trajectory,
)
from cocycle.formulas import kernels
from cocycle.systems import Lorenz63, Thomas
from cocycle.testing import check_map


def henon_heiles(u):
    x, y, p, q = u
    return p, q, -x - 2 * x * y, -y - x * x + y * y


def energy(states):
    x, y, p, q = np.moveaxis(states, -1, 0)
    return (p**2 + q**2 + x**2 + y**2) / 2 + x**2 * y - y**3 / 3


def lorenz(u, sigma=10.0, rho=28.0, beta=8 / 3):
    x, y, z = u
    return sigma * (y - x), x * (rho - z) - y, x * y - beta * z


def van_der_pol(u, mu=100.0):
    x, v = u
    return v, mu * (1 - x * x) * v - x


def robertson(u):
    a, b, c = u
    slow, fast = 0.04 * a, 1e4 * b * c
    return fast - slow, slow - fast - 3e7 * b**2, 3e7 * b**2


class Pendulum(VectorField):
    """q' = p, p' = -sin q."""

    def __call__(self, x):
        return np.stack([x[..., 1], -np.sin(x[..., 0])], axis=-1)

    def tangent(self, x, q):
        return self(x), np.stack([q[..., 1, :], -np.cos(x[..., 0, None]) * q[..., 0, :]], axis=-2)


START = np.array([0.1, -0.1, 0.3, 0.3])
ON_LORENZ = np.array([-6.0, -8.5, 20.0])
FIXED, ADAPTIVE = [RungeKutta(), Symplectic()], [DormandPrince(), Radau()]
FIELDS = pytest.mark.parametrize("field", [henon_heiles, Pendulum()], ids=["function", "vector field"])


def errors_of(flows, exact, x):
    """The errors of value and tangent of several flows: (flows, 2)."""
    found = [flow.tangent(x, np.eye(len(x))) for flow in flows]
    return np.array([[abs(a - b).max() for a, b in zip(pair, exact, strict=True)] for pair in found])


@pytest.mark.parametrize("integrator", FIXED, ids=repr)
@FIELDS
def test_value_and_tangent_converge_with_the_order(integrator, field):
    x = START if field is henon_heiles else START[:2]
    flows = [Flow(field, 1.0, n, integrator) for n in (10, 20, 40, 640)]
    errors = errors_of(flows[:-1], flows[-1].tangent(x, np.eye(len(x))), x)
    np.testing.assert_allclose(np.log2(errors[:-1] / errors[1:]), integrator.order, atol=0.25)


@pytest.mark.parametrize("integrator", ADAPTIVE, ids=repr)
@FIELDS
def test_a_single_step_has_the_order_and_its_error_that_of_the_estimate(integrator, field):
    """Errors of one attempted step, value and tangent, fall as h^(order + 1), the estimate as h^error_order."""
    x = START if field is henon_heiles else START[:2]
    q, flow = np.eye(len(x)), Flow(field, 1.0, integrator=integrator)
    steps, found = (0.2, 0.1, 0.05), []
    for h in steps:
        y, estimate, known = integrator.attempt(flow._rate, x, np.array([h]), 0.0)
        pushed = integrator.pushed(flow._rate, x, q, np.array([h]), 0.0, known)
        exact = Flow(field, h, 100).tangent(x, q)
        found.append([abs(y - exact[0]).max(), abs(pushed - exact[1]).max(), estimate[0]])
    orders = np.log2(np.divide(found[:-1], found[1:]))
    np.testing.assert_allclose(orders[-1, :2], integrator.order + 1, atol=0.5)
    np.testing.assert_allclose(orders[-1, 2], integrator.error_order, atol=0.6)


@pytest.mark.parametrize("kind", [DormandPrince, Radau])
def test_errors_follow_the_tolerance_and_tangents_do(kind):
    """Over a time in which steps are chosen many times; from rtol to rtol / 100 errors fall by at least 20."""
    exact = Flow(lorenz, 0.5, 4000).tangent(ON_LORENZ, np.eye(3))
    flows = [Flow(lorenz, 0.5, integrator=kind(rtol, rtol)) for rtol in (1e-5, 1e-7, 1e-9)]
    errors = errors_of(flows, exact, ON_LORENZ)
    assert (errors[:-1] > 20 * errors[1:]).all()
    assert errors[-1, 0] < 1e-7


@pytest.mark.parametrize("integrator", ADAPTIVE, ids=repr)
@pytest.mark.parametrize("field", [lorenz, Lorenz63()], ids=["function", "vector field"])
def test_the_state_alone_chooses_the_steps_of_each_member(integrator, field, rng):
    """Value and tangent do not depend on the frame, nor on other members of the batch, and the tangent is linear."""
    flow = Flow(field, 0.3, integrator=integrator)
    x = ON_LORENZ + rng.normal(size=(4, 3)) * [[0.1], [1], [5], [20]]
    q = rng.normal(size=(4, 3, 2)) * [[[1.0]], [[1e6]], [[1e-6]], [[1.0]]]
    y, s = flow.tangent(x, q)
    np.testing.assert_array_equal(flow(x), y)
    for i in range(4):
        alone = flow.tangent(x[i], q[i])
        np.testing.assert_allclose(y[i], alone[0], rtol=1e-11)
        np.testing.assert_allclose(s[i], alone[1], rtol=1e-9, atol=1e-9 * abs(s[i]).max())
    np.testing.assert_allclose(flow.tangent(x, -3 * q)[1], -3 * s, rtol=1e-12, atol=1e-12 * abs(s).max())


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("batch", [(), (5,)])
def test_the_contract_of_maps(batch, dtype, rng):
    x = rng.normal(size=(*batch, 4)).astype(dtype) / 4
    check_map(Flow(henon_heiles, 0.1, 2, Symplectic()), x, frame(x, 3))
    y = x[..., :2]
    check_map(Flow(Pendulum(), 0.1, 2, Symplectic()), y, frame(y, 2))
    for integrator in ADAPTIVE:  # steps so short that the first one is accepted: where steps change, values jump
        check_map(Flow(henon_heiles, 0.01, 1, integrator), x, frame(x, 3))
        check_map(Flow(Pendulum(), 0.01, 2, integrator).backward(), y, frame(y, 2))


@pytest.mark.parametrize("integrator", [RungeKutta(), *ADAPTIVE], ids=repr)
@pytest.mark.parametrize("substeps", [1, 3])
@pytest.mark.parametrize("backward", [False, True])
def test_compiled_loops_take_the_same_steps(integrator, substeps, backward, monkeypatch):
    monkeypatch.setattr(kernels, "WORTH", 0)
    flow = Flow(lorenz, 0.02 if backward else 0.1, substeps, integrator)
    flow, x = flow.backward() if backward else flow, np.stack([ON_LORENZ, ON_LORENZ + 1])
    q = frame(x, 3)
    block = flow.kernel(x, q, 10)(x, q, 3, 2)
    last = list(qr_steps([flow] * 6, x, q, every=2))[-1]
    np.testing.assert_allclose(block.x[-1], last.x, rtol=1e-10)
    np.testing.assert_allclose(block.q[-1], last.q, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(end(repeat(flow, 6), x), last.x, rtol=1e-10)


def test_symplectic_compiled_and_traced_steps_are_the_same(monkeypatch):
    monkeypatch.setattr(kernels, "WORTH", 0)
    x, options = START[:2], {"substeps": 3, "integrator": Symplectic()}
    plain, compiled = Flow(Pendulum(), 0.1, **options), Flow(lambda u: (u[1], -np.sin(u[0])), 0.1, **options)
    assert not isinstance(Compiled(plain).kernel(x, None, 10), str)
    for f in (compiled, Compiled(plain)):
        np.testing.assert_allclose(f.tangent(x, np.eye(2))[1], plain.tangent(x, np.eye(2))[1], rtol=1e-13)
        np.testing.assert_allclose(end(repeat(f, 50), x), end([plain] * 50, x), rtol=1e-11)


def test_the_energy_error_stays_bounded():
    """Over a million steps it is that of the first ten thousand; Runge-Kutta's grows with time."""
    states = trajectory(repeat(Flow(henon_heiles, 0.1, integrator=Symplectic()), 1_000_000), START)
    error = abs(energy(states) - energy(START))
    assert error.max() < 1.05 * error[:10_000].max()
    assert error.max() < 1e-6
    other = end(repeat(Flow(henon_heiles, 0.1), 1_000_000), START)
    assert abs(energy(other) - energy(START)) > 100 * error.max()


def test_the_tangent_is_symplectic():
    """Singular values come in exact pairs s, 1/s, at every length; volume is conserved, which no step error says."""
    flow = Flow(henon_heiles, 0.1, integrator=Symplectic())
    factors = finite_time_exponents(repeat(flow, 500), START, frame(START, 4)).log_factors
    np.testing.assert_allclose(factors + factors[::-1], 0.0, atol=1e-9)
    unit = np.block([[np.zeros((2, 2)), np.eye(2)], [-np.eye(2), np.zeros((2, 2))]])
    m = flow.tangent(START, np.eye(4))[1]
    np.testing.assert_allclose(m.T @ unit @ m, unit, atol=1e-14)
    result = lyapunov_spectrum(repeat(flow, 200_000), START, frame(START, 4), every="auto")
    assert result.loop == "compiled"
    assert abs(result.step_error.drift) < 1e-9
    assert abs(result.exponents.sum()) < 1e-12


def test_backward_steps_return():
    """Of a symmetric method exactly, of others up to the error of a step; the exponents change their sign."""
    flow = Flow(henon_heiles, 0.1, integrator=Symplectic())
    np.testing.assert_allclose(end([flow.backward()] * 100, end([flow] * 100, START)), START, atol=1e-14)
    for integrator in ADAPTIVE:
        flow = Flow(lorenz, 0.1, integrator=integrator)
        np.testing.assert_allclose(flow.backward()(flow(ON_LORENZ)), ON_LORENZ, rtol=1e-5)
    decay = Flow(lambda u: (-u[0], -2 * u[1]), 0.1)
    x = np.array([1.0, 1.0])
    found = lyapunov_spectrum([decay.backward()] * 100, x, np.eye(2)[:, ::-1]).exponents
    np.testing.assert_allclose(found, [2.0, 1.0], rtol=1e-4)  # RK4 at 0.1: 0.2^4 / 120
    with pytest.raises(ValueError, match=r"backward in time is Flow\(...\).backward\(\)"):
        Flow(lorenz, -0.1)


@pytest.mark.slow
@pytest.mark.parametrize("mu", [100.0, 1000.0])
def test_stiff_van_der_pol(mu):
    """0 and the mean divergence, -178.08 at mu = 100, along the limit cycle; the reference is scipy's Radau."""
    x, dt = np.array([2.0, 0.0]), 0.4 / mu
    flow = Flow(van_der_pol, dt, integrator=Radau(), mu=mu)
    cycle = 1.61371 * mu + 7.014 * mu ** (-1 / 3)  # the period, Dorodnitsyn's expansion
    count = round(8 * cycle / dt)
    result = lyapunov_spectrum(repeat(flow, count), x, frame(x, 2), every="auto", transient=count // 4, thin=1000)
    assert result.loop == "compiled"
    assert not result.step_error.coarse
    assert abs(result.exponents[0]) < 5 * result.standard_error[0]

    def with_divergence(t, u):
        return [u[1], mu * (1 - u[0] ** 2) * u[1] - u[0], mu * (1 - u[0] ** 2)]

    def jacobian(t, u):
        return [[0, 1, 0], [-2 * mu * u[0] * u[1] - 1, mu * (1 - u[0] ** 2), 0], [-2 * mu * u[0], 0, 0]]

    options = {"method": "Radau", "rtol": 1e-8, "atol": 1e-10, "jac": jacobian}
    exact = solve_ivp(with_divergence, (0, 8 * cycle), [2, 0, 0], **options).y[2, -1] / (8 * cycle)
    if mu == 100:
        assert abs(exact + 178.08) < 1.0
    assert abs(result.exponents.sum() / exact - 1) < 0.02


def test_stiff_equations_are_solved_where_rates_differ_by_many_orders():
    """Robertson's reactions; the values are those of the documentation of LSODE."""
    flow = Flow(robertson, 0.4, integrator=Radau(rtol=1e-8, atol=1e-14))
    x = np.array([1.0, 0.0, 0.0])
    np.testing.assert_allclose(flow(x), [9.851712e-01, 3.386380e-05, 1.479404e-02], rtol=2e-5)
    np.testing.assert_allclose(flow.after(x, np.array([4000.0])), [1.832022e-01, 8.942370e-07, 8.167968e-01], rtol=2e-5)


def test_what_decays_within_a_step_is_reported():
    """Radau is stable at any step, but damps too little: the state is right, the exponent not, and a warning says it;
    substeps that it names make it right."""
    x, flow = np.array([2.0, 0.0]), Flow(van_der_pol, 0.04, integrator=Radau())
    with pytest.warns(UserWarning, match="each step of Radau.* is too coarse.*substeps="):
        coarse = lyapunov_spectrum([flow] * 300, x, frame(x, 2))
    positions = trajectory([flow] * 300, x)[:, 0]
    exact = (100 * (1 - positions**2)).mean()  # the other exponent is nearly zero
    assert coarse.exponents[1] > exact / 2
    fine = Flow(van_der_pol, 0.04, 16, Radau())
    np.testing.assert_allclose(lyapunov_spectrum([fine] * 300, x, frame(x, 2)).exponents[1], exact, rtol=0.01)


def test_a_step_that_is_too_long_for_a_stiff_equation_says_so():
    x = np.array([2.0, 0.0])
    with pytest.warns(UserWarning, match=r"too coarse.*the equation is stiff.*integrator=Radau\(\)"):
        lyapunov_spectrum([Flow(van_der_pol, 0.005)] * 2000, x, frame(x, 2), every="auto")
    with pytest.warns(UserWarning, match="too coarse") as found:
        lyapunov_spectrum([Flow(lorenz, 0.1)] * 2000, ON_LORENZ, frame(ON_LORENZ, 3), every="auto")
    assert not any("stiff" in str(warning.message) for warning in found)


@pytest.mark.parametrize("integrator", ADAPTIVE, ids=repr)
def test_steps_that_vanish(integrator):
    """x' = x² from 1 has no solution beyond t = 1; other members of a batch have, and runs keep what they reached."""
    flow = Flow(lambda u: u * u, 2.0, integrator=integrator)
    with pytest.warns(RuntimeWarning, match="steps of .* vanish near the state"):
        y = flow(np.array([[1.0], [-1.0]]))
    assert np.isnan(y[0]).all()
    np.testing.assert_allclose(y[1], -1 / 3, rtol=1e-5)
    short = Flow(lambda u: u * u, 0.3, integrator=integrator)
    with pytest.warns(RuntimeWarning, match="vanish"), pytest.raises(Diverged) as found:
        lyapunov_spectrum([short] * 10, np.array([1.0]), np.eye(1))
    assert found.value.result.maps == 3


def test_single_precision_and_torch_are_kept():
    torch = pytest.importorskip("torch")
    for integrator in ADAPTIVE:
        flow = Flow(lorenz, 0.1, integrator=integrator)
        expected = flow.tangent(ON_LORENZ, np.eye(3))
        single = flow.tangent(ON_LORENZ.astype(np.float32), np.eye(3, dtype=np.float32))
        assert single[0].dtype == single[1].dtype == np.float32
        for a, b in zip(single, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)
        tensors = flow.tangent(torch.tensor(ON_LORENZ), torch.eye(3, dtype=torch.float64))
        for a, b in zip(tensors, expected, strict=True):
            np.testing.assert_allclose(a.numpy(), b, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("integrator", ADAPTIVE, ids=repr)
def test_a_batch_of_parameters(integrator):
    rho = np.array([20.0, 28.0, 60.0])
    together = Flow(lorenz, 0.2, integrator=integrator, rho=rho)
    x = np.stack([ON_LORENZ] * 3)
    q = frame(x, 2)
    y, s = together.tangent(x, q)
    for i in range(3):
        alone = Flow(lorenz, 0.2, integrator=integrator, rho=rho[i]).tangent(x[i], q[i])
        np.testing.assert_allclose(y[i], alone[0], rtol=1e-10)
        np.testing.assert_allclose(s[i], alone[1], rtol=1e-8, atol=1e-8)


def test_exponents_by_every_integrator_agree():
    x = ON_LORENZ
    for integrator, dt in ((DormandPrince(), 0.05), (Radau(), 0.05)):
        count = 20_000
        result = lyapunov_spectrum(
            repeat(Flow(lorenz, dt, integrator=integrator), count), x, frame(x, 3), transient=200, every="auto"
        )
        assert result.loop == "compiled"
        assert (abs(result.exponents - [0.9056, 0.0, -14.5723]) < 5 * result.standard_error + 1e-3).all()
        assert abs(result.exponents.sum() + 41 / 3) < 1e-3
        assert not result.step_error.coarse
    exponents = lyapunov_spectrum([Flow(Thomas(), 0.5, integrator=Radau())] * 200, np.ones(3), frame(np.ones(3), 3))
    assert abs(exponents.exponents.sum() + 0.54) < 1e-3


@pytest.mark.parametrize(
    ("field", "x", "words"),
    [
        (lambda u: (u[1], -u[0], 0 * u[2]), np.ones(3), "even dimension; got n=3"),
        (lambda u: (u[1], -u[0] - 0.1 * u[1]), np.ones(2), "the rate of p must not depend on p"),
        (lambda u: (u[1] + u[0] ** 2, -u[0]), np.zeros(2), "the rate of q must not depend on q"),
        (lambda u: (u[2], u[3], -u[1], u[0]), np.ones(4), "the rate of p must be a gradient"),
    ],
)
def test_what_is_not_separable_is_refused(field, x, words):
    flow = Flow(field, 0.1, integrator=Symplectic())
    for call in (lambda: flow(x), lambda: flow.tangent(x, np.eye(len(x)))):
        with pytest.raises(ValueError, match=words):
            call()


@pytest.mark.parametrize("options", [{"rtol": 0.0}, {"atol": -1e-9}, {"rtol": "small"}, {"rtol": 2}, {"atol": np.nan}])
@pytest.mark.parametrize("kind", [DormandPrince, Radau])
def test_bad_tolerances(kind, options):
    with pytest.raises(ValueError, match=rf"{next(iter(options))} must be a number in \(0, 1\); got"):
        kind(**options)


def test_other_integrators_are_refused():
    with pytest.raises(TypeError, match="integrator must be one, such as Symplectic"):
        Flow(lorenz, 0.1, integrator="symplectic")
    with pytest.raises(ValueError, match="direction must be 1, or -1"):
        Flow(lorenz, 0.1, direction=0)


def test_a_pendulum_that_turns_is_not_chaotic_without_a_warning():
    """With long symplectic steps it looks chaotic; its angle grows without bound, and its volume is exact."""
    flow = Flow(lambda u: (u[1], -np.sin(u[0])), 0.8, integrator=Symplectic())
    x = np.array([0.0, 1.99])
    with pytest.warns(UserWarning, match="the step dt=0.8 is too coarse"):
        result = lyapunov_spectrum(repeat(flow, 6000), x, frame(x, 2), every="auto")
    assert result.exponents[0] > 0.05
    fine = Flow(lambda u: (u[1], -np.sin(u[0])), 0.1, integrator=Symplectic())
    assert lyapunov_spectrum(repeat(fine, 40_000), x, frame(x, 2), every="auto").exponents[0] < 0.01
