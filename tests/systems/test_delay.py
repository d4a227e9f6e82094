"""Delay equations of any number of delays and components have the roots of their characteristic equation as exponents,
and are solved to fourth order, whether or not a delay is a multiple of the distance of the points."""

import pickle
from itertools import repeat

import numpy as np
import pytest
from scipy.special import lambertw

from cocycle import frame, lyapunov_spectrum, trajectory
from cocycle.formulas import NotTraceable
from cocycle.systems import DelayEquation, MackeyGlass
from cocycle.systems.delay import mackey_glass
from cocycle.systems.validation import validate
from cocycle.testing import check_map


def linear(x, delayed, decay=1.0, feedback=-2.0):
    return -decay * x + feedback * delayed


def with_idle(x, idle, delayed, decay=1.0, feedback=-2.0):
    """The same, with a delay that has no effect."""
    return linear(x, delayed, decay, feedback) + 0.0 * idle


def two_delays(x, first, second, a=0.5, b=-1.2, c=0.9):
    return -a * x + b * first + c * second


A, B, C = (
    np.array([[-0.4, 1.1], [-1.3, -0.2]]),
    np.array([[0.3, -0.5], [0.2, 0.4]]),
    np.array([[-0.6, 0.1], [0.7, -0.3]]),
)


def oscillators(x, first, second):
    return A @ x + B @ first + C @ second


def on_circle(x, quarter, three_quarters, a=0.3):
    """x = sin(t) is a solution, with x² + x(t - π/2)² = 1, and cos(t) a solution of its linearisation."""
    return three_quarters + a * (x**2 + quarter**2 - 1)


def growth_rates(equation, count):
    """The first exponents of a linear equation, from the eigenvalues of its map."""
    _, matrix = equation.tangent(np.zeros(equation.dimension), np.eye(equation.dimension))
    return np.sort(np.log(abs(np.linalg.eigvals(matrix)).clip(1e-30)) / equation.dt)[::-1][:count]


def characteristic_rates(matrices, delays, count):
    """The largest real parts of the roots of det(λ - A - Σ B exp(-λ delay)), by Newton's method from many starts.

    matrices: A, B, ... (d, d).  A complex root and its conjugate are two.
    """
    re, im = np.meshgrid(np.linspace(-2.5, 1.5, 30), np.linspace(0, 25, 200))
    roots = (re + 1j * im).ravel()
    identity, later = np.eye(len(matrices[0])), list(zip(matrices[1:], delays, strict=True))
    for _ in range(60):
        decays = [np.exp(-roots * tau)[:, None, None] for _, tau in later]
        terms = [b * e for (b, _), e in zip(later, decays, strict=True)]
        value = roots[:, None, None] * identity - matrices[0] - sum(terms)
        slope = identity + sum(tau * term for (_, tau), term in zip(later, terms, strict=True))
        with np.errstate(all="ignore"):
            keep = np.isfinite(value).all((1, 2)) & (abs(np.linalg.det(value)) > 0)
            step = np.zeros_like(roots)
            step[keep] = 1 / np.trace(np.linalg.solve(value[keep], slope[keep]), axis1=1, axis2=2)
        roots = np.where(abs(roots - step) < 100, roots - step, roots)
    found = roots[(abs(step) < 1e-11) & (roots.imag > -1e-9)]
    unique = np.unique(found.round(8))
    return np.sort(np.concatenate([[z.real] * (1 if z.imag < 1e-7 else 2) for z in unique]))[::-1][:count]


def lambert_rates(decay, feedback, delay, count):
    branches = lambertw(feedback * delay * np.exp(decay * delay), np.arange(-20, 21))
    return np.sort((-decay + branches / delay).real)[::-1][:count]


PARAMETERS = [(1.0, -2.0, 1.5), (0.3, 0.9, 2.0), (0.1, -0.2, 17.0), (2.0, 1.0, 0.4)]


@pytest.mark.parametrize(("decay", "feedback", "delay"), PARAMETERS)
def test_exponents_are_branches_of_lamberts_function(decay, feedback, delay):
    equation = DelayEquation(linear, delay).at(decay=decay, feedback=feedback)
    expected = lambert_rates(decay, feedback, delay, 4)
    np.testing.assert_allclose(growth_rates(equation, 4), expected, atol=2e-5)  # measured: at most 2e-6


@pytest.mark.parametrize(("decay", "feedback", "delay"), PARAMETERS)
def test_a_delay_between_points_has_the_same_exponents(decay, feedback, delay):
    """The longest delay has no effect; the other is 37.7 times the distance of the points."""
    equation = DelayEquation(with_idle, [delay / 0.377, delay]).at(decay=decay, feedback=feedback)
    expected = lambert_rates(decay, feedback, delay, 4)
    np.testing.assert_allclose(growth_rates(equation, 4), expected, atol=5e-4)  # measured: at most 1e-4


def test_the_loop_finds_them_too():
    equation = DelayEquation(linear, 1.5, points=50)
    x = np.zeros(equation.dimension)
    result = lyapunov_spectrum(repeat(equation, 60_000), x, frame(x, 4), every=10, transient=1000)
    # pairs of complex roots: their factors turn, so that a mean over the time T = 1770 has an error of a few / T
    np.testing.assert_allclose(result.exponents, lambert_rates(1.0, -2.0, 1.5, 4), atol=4 / 1770)


@pytest.mark.parametrize("delays", [(1.0, 2.0), (2.0, 0.7283), (0.311, 1.7)])
def test_two_delays_have_the_roots_of_the_characteristic_equation(delays):
    expected = characteristic_rates([np.array([[-0.5]]), np.array([[-1.2]]), np.array([[0.9]])], delays, 4)
    np.testing.assert_allclose(growth_rates(DelayEquation(two_delays, delays), 4), expected, atol=1e-5)


@pytest.mark.parametrize("delays", [(1.0, 2.0), (2.0, 0.7283)])
def test_vectors_have_the_roots_of_the_characteristic_equation(delays):
    expected = characteristic_rates([A, B, C], delays, 4)
    np.testing.assert_allclose(growth_rates(DelayEquation(oscillators, delays, components=2), 4), expected, atol=1e-5)


@pytest.mark.parametrize("substeps", [1, 2])
def test_value_and_tangent_are_of_fourth_order(substeps):
    """Against the exact solution; of these numbers of points no third is whole, so that one delay lies between."""
    errors = []
    for points in (20, 40, 80, 160):
        equation = DelayEquation(on_circle, (np.pi / 2, 3 * np.pi / 2), points=points, substeps=substeps)
        x, q = equation.history(np.sin), equation.history(np.cos)[:, None]
        for _ in range(2 * points):
            x, q = equation.tangent(x, q)
        errors.append([abs(x[0] - np.sin(3 * np.pi * 1.0)), abs(q[0, 0] - np.cos(3 * np.pi))])
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(orders[-1], 4, atol=0.2)
    assert errors[-1][0] < 1e-5


def test_two_equal_delays_are_one():
    half = DelayEquation(lambda x, a, b: mackey_glass(x, (a + b) / 2), (17.0, 17.0))
    x = MackeyGlass().start(np.random.default_rng(0))
    np.testing.assert_allclose(half(x), MackeyGlass()(x), rtol=1e-15)


def test_components_that_are_not_coupled_are_equations_of_their_own():
    def pair(x, delayed, beta=0.2):
        return [mackey_glass(x[0], delayed[0], beta), mackey_glass(x[1], delayed[1], beta)]

    both, alone = DelayEquation(pair, 17.0, components=2, points=40), DelayEquation(mackey_glass, 17.0, points=40)
    first, second = (alone.series(100, transient=0, rng=seed)[:, 0] for seed in (1, 2))
    start = np.stack([alone.start(np.random.default_rng(seed)) for seed in (1, 2)], axis=-1).ravel()
    found = trajectory(repeat(both, 100), start)[-100:, :2]
    np.testing.assert_allclose(found, np.stack([first, second], axis=-1), rtol=1e-12)
    assert both.series(5).shape == (5, 2)


def test_the_exponents_of_mackey_glass_are_the_reference():
    """To within the errors of a short run."""
    (row,) = validate(["MackeyGlass"], scale=0.03, seed=1)
    assert row.agrees, row


def test_a_parameter_that_is_a_delay_changes_it():
    def rate(x, delayed, tau=17.0, beta=0.2):
        return mackey_glass(x, delayed, beta)

    named, x = DelayEquation(rate, "tau"), MackeyGlass().start(np.random.default_rng(0))
    for equation, tau in ((named, 17.0), (named.at(tau=30.0), 30.0), (named.at(beta=0.3).at(tau=30.0), 30.0)):
        beta = equation.parameters.get("beta", 0.2)
        expected = DelayEquation(mackey_glass, tau).at(beta=beta)
        assert equation.delays == (tau,)
        assert equation.dt == expected.dt
        np.testing.assert_array_equal(equation(x), expected(x))
    with pytest.raises(ValueError, match=r"delay must be one number for all members of a batch; got shape \(2,\)"):
        named.at(tau=np.array([1.0, 2.0]))
    with pytest.raises(
        ValueError, match="delay must be a number or the name of a parameter, of tau, beta; got 'delay'"
    ):
        DelayEquation(rate, "delay")


@pytest.mark.parametrize("defaults", [True, False])
def test_a_batch_of_parameters_is_a_batch_of_equations(defaults):
    def without(x, delayed, beta, tau):
        return mackey_glass(x, delayed, beta)

    given = {"beta": 0.2, "tau": 17.0}
    equation = DelayEquation(mackey_glass, 17.0) if defaults else DelayEquation(without, "tau", parameters=given)
    betas = np.array([0.1, 0.2, 0.3])
    several = equation.at(beta=betas)
    x = equation.start(np.random.default_rng(0), (3,))
    q = frame(x, 2)
    assert several.batch == (3,)
    for many, one in ((several, equation), (several.refined(), equation.refined())):
        y, s = many.tangent(x, q)
        for i, beta in enumerate(betas):
            value, pushed = one.at(beta=beta).tangent(x[i], q[i])
            np.testing.assert_allclose(y[i], value, rtol=1e-14)
            np.testing.assert_allclose(s[i], pushed, rtol=1e-12, atol=1e-14)
    some = several.of_members([2, 0])(x[:2])
    for y, state, beta in zip(some, x, (0.3, 0.1), strict=False):
        np.testing.assert_allclose(y, equation.at(beta=beta)(state), rtol=1e-14)
    together = several(x[0])  # one history for all
    assert together.shape == (3, equation.dimension)
    np.testing.assert_array_equal(together[:, 1:], np.broadcast_to(x[0, :-1], (3, equation.dimension - 1)))


def test_a_history_may_be_drawn_from_vectors(rng):
    equation = DelayEquation(oscillators, (1.0, 2.0), components=2, first=([0.0, 10.0], [1.0, 20.0]))
    times = equation.start(rng, (50,)).reshape(50, -1, 2)
    assert (times.min((0, 1)) >= [0, 10]).all()
    assert (times.max((0, 1)) <= [1.1, 21]).all()
    assert (np.ptp(times[:, 0], axis=0) > [0.5, 5]).all()


def test_it_can_be_pickled_and_compared_with_differences(rng):
    equation = DelayEquation(oscillators, (1.0, 0.4), components=2, points=9)
    x = equation.start(rng, (2,))
    check_map(equation, x, frame(x, 3))
    assert pickle.loads(pickle.dumps(equation)).delays == (1.0, 0.4)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: DelayEquation(linear, 0.0), ValueError, "delay must be positive and finite; got 0.0"),
        (lambda: DelayEquation(two_delays, (1.0, -1.0)), ValueError, "delay must be positive and finite; got -1.0"),
        (lambda: DelayEquation(linear, np.inf), ValueError, "delay must be positive and finite; got inf"),
        (lambda: DelayEquation(linear, ()), ValueError, "delay must be a number, or several; got none"),
        (
            lambda: DelayEquation(linear, 1.0, substeps=0),
            ValueError,
            "substeps must be an integer of at least 1; got 0",
        ),
        (
            lambda: DelayEquation(linear, 1.0, points=2.5),
            ValueError,
            "points must be an integer of at least 1; got 2.5",
        ),
        (
            lambda: DelayEquation(two_delays, (10.0, 0.1)),
            ValueError,
            "points must be at least 300; got 100: of 10 / points, the distance of the points, there must be 3 to the"
            " shortest delay, 0.1",
        ),
        (lambda: DelayEquation(linear, 1.0, components=0), ValueError, "components must be an integer of at least 1"),
        (
            lambda: DelayEquation(linear, (1.0, 2.0)),
            TypeError,
            "rate must take x and 2 delayed values, one for each delay, before its parameters, rate(x, delayed_1,"
            " delayed_2, **parameters); linear takes x, delayed, and no others without a default",
        ),
        (lambda: DelayEquation(two_delays, 1.0), TypeError, "rate must take x and 1 delayed value, one for each delay"),
        (lambda: DelayEquation(2.0, 1.0), TypeError, "rate must be a function of numbers; got float"),
        (lambda: DelayEquation(linear, 1.0, parameters={"gain": 1}), TypeError, "parameters must be among decay"),
        (
            lambda: DelayEquation(linear, 1.0).at(gain=1.0),
            TypeError,
            "parameters must be among decay, feedback; got gain",
        ),
    ],
)
def test_bad_input(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value)


def test_a_history_of_another_length_and_a_rate_of_another_shape_are_refused():
    equation = DelayEquation(oscillators, (1.0, 2.0), components=2, points=10)
    for call in (lambda x: equation(x), lambda x: equation.tangent(x, np.zeros((*x.shape, 1)))):
        with pytest.raises(ValueError, match=r"x must be a history \(\*batch, 24\): 10 points \+ 2 times.*\(5, 12\)"):
            call(np.zeros((5, 12)))
    with pytest.raises(ValueError, match=r"function must give 2 numbers at each time; got shape \(3,\)"):
        equation.history(lambda t: [t, t, t])
    three = DelayEquation(lambda x, delayed: [x[0], x[1], delayed[0]], 1.0, components=2, points=10)
    with pytest.raises(NotTraceable, match=r"it must return 2 numbers, one for each component; got shape \(3,\)"):
        three(np.zeros(24))
    two = DelayEquation(lambda x, delayed: [x, delayed], 1.0, points=10)
    with pytest.raises(NotTraceable, match=r"it must return one number; got shape \(2,\)"):
        two(np.zeros(12))


def test_a_history_of_too_few_points_is_reported():
    """x' = -2 x(t - 1): with few points exponents are off by up to 17 %, and the warning names a number that does."""
    for points in (3, 5, 6):
        equation = DelayEquation(lambda x, delayed: -2 * delayed, 1.0, points=points)
        x = equation.start(np.random.default_rng(0))
        with pytest.warns(
            UserWarning, match=r"the distance of the points, dt=0.*, is too coarse.*points=\d+ should do"
        ):
            lyapunov_spectrum([equation] * 2000, x, frame(x, 3), transient=200)
    fine = DelayEquation(lambda x, delayed: -2 * delayed, 1.0, points=12)
    x = fine.start(np.random.default_rng(0))
    assert not lyapunov_spectrum([fine] * 2000, x, frame(x, 3), transient=200).step_error.coarse
