"""Fields in space have the exponents of their discrete operators, the fronts of their equations, and the order of their
differences."""

from itertools import repeat

import numpy as np
import pytest

from cocycle import Compiled, Flow, frame, lyapunov_spectrum, trajectory
from cocycle.formulas import NotTraceable
from cocycle.systems import Interval, KuramotoSivashinsky, MethodOfLines
from cocycle.trajectories import end

BOUNDARIES = ["periodic", "no-flux"]


def heat(u, u_xx, diffusion=1.0):
    return diffusion * u_xx


def nagumo(u, u_xx, threshold=0.2):
    return u_xx + u * (1 - u) * (u - threshold)


def kuramoto_sivashinsky(u, u_x, u_xx, u_xxxx):
    return -u * u_x - u_xx - u_xxxx


def ginzburg_landau(w, w_xx, b=0.7, c=-1.1):
    """A_t = A + (1 + i b) A_xx - (1 + i c) |A|² A, with w = (Re A, Im A)."""
    square = w[0] ** 2 + w[1] ** 2
    return (
        w[0] + w_xx[0] - b * w_xx[1] - square * (w[0] - c * w[1]),
        w[1] + w_xx[1] + b * w_xx[0] - square * (w[1] + c * w[0]),
    )


def second_derivatives(space):
    """The eigenvalues of the difference for u_xx: of cos(k x) and sin(k x), or of cos(k x) alone."""
    number = np.arange(space.points)
    angle = np.pi * number / space.points * (2 if space.boundary == "periodic" else 1)
    if space.order == 2:
        return -4 * np.sin(angle / 2) ** 2 / space.spacing**2
    return -(5 / 2 - 8 / 3 * np.cos(angle) + np.cos(2 * angle) / 6) / space.spacing**2


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("order", [2, 4])
def test_heat_has_the_exponents_of_the_difference(boundary, order):
    """All of them, with the one that is zero; the steps multiply each wave by the first terms of the exponential."""
    space, dt = Interval(2.0, 8, boundary, order), 0.005
    rates = np.sort(0.7 * second_derivatives(space))[::-1]
    flow, x = Flow(MethodOfLines(heat, space).at(diffusion=0.7), dt), np.ones(8)
    result = lyapunov_spectrum(repeat(flow, 6000), x, frame(x, 8), every=4, transient=4000)
    z = rates * dt
    np.testing.assert_allclose(result.exponents, np.log(1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24) / dt, atol=1e-9)
    error = abs(z) ** 5 / 120 / dt  # of Runge-Kutta steps, to first order in it
    assert (abs(result.exponents - rates) <= 1.5 * error + 1e-9).all()
    assert abs(result.exponents[0]) < 1e-12


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("order", [2, 4, 6, 8])
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_order_of_the_differences(boundary, order, number):
    """Of exp(cos x), which is its own mirror image at 0 and π; its derivatives by hand."""
    errors = []
    for half in (24, 48):
        length, points = (2 * np.pi, 2 * half) if boundary == "periodic" else (np.pi, half)
        space = Interval(length, points, boundary, order)
        c, s = np.cos(space.places), np.sin(space.places)
        exact = {
            1: -s,
            2: s**2 - c,
            3: s * (1 + 3 * c - s**2),
            4: c + 3 * c**2 - 4 * s**2 - 6 * s**2 * c + s**4,
        }[number] * np.exp(c)
        errors.append(abs(space.derivative(np.exp(c), number) - exact).max())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.35)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("order", [2, 4])
def test_diffusion_conserves_the_mean(boundary, order, rng):
    field = MethodOfLines(heat, Interval(5.0, 40, boundary, order), first=(0.0, 3.0))
    x = rng.uniform(0, 3, size=(4, 40))
    y = end(repeat(Flow(field, 0.005), 500), x)
    np.testing.assert_allclose(y.mean(-1), x.mean(-1), rtol=1e-13)
    assert (y.std(-1) < 0.6 * x.std(-1)).all()


def test_a_front_has_the_profile_and_the_speed_of_the_exact_one():
    """u = 1 / (1 + exp((x - c t) / √2)), c = (1 - 2 threshold) / √2.  McKean, Adv. Math. 4, 209 (1970)."""
    speed, time, errors = (1 - 2 * 0.2) / np.sqrt(2), 10.0, []
    for points in (80, 160):
        field = MethodOfLines(nagumo, Interval(80.0, points, "no-flux"))
        exact = [1 / (1 + np.exp((field.space.places - 35 - speed * t) / np.sqrt(2))) for t in (0.0, time)]
        errors.append(abs(end(repeat(Flow(field, 0.05), 200), exact[0]) - exact[1]).max())
    assert errors[1] < 2e-4
    assert np.log2(errors[0] / errors[1]) == pytest.approx(4, abs=0.3)


@pytest.mark.parametrize(("b", "c"), [(0.7, -1.1), (2.0, -1.5)])
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_the_uniform_oscillation_of_ginzburg_and_landau(b, c, boundary):
    """A = exp(-i c t): in the frame that turns with it the tangent map is constant; for 1 + b c < 0 long waves grow."""
    space, dt = Interval(30.0, 16, boundary), 0.01
    flow = Flow(MethodOfLines(ginzburg_landau, space, components=2).at(b=b, c=c), dt)
    x = np.repeat([1.0, 0.0], 16)
    y, matrix = flow.tangent(x, np.eye(32))
    np.testing.assert_allclose(y.reshape(2, 16), np.outer([np.cos(c * dt), -np.sin(c * dt)], np.ones(16)), atol=1e-10)
    back = np.kron([[np.cos(c * dt), -np.sin(c * dt)], [np.sin(c * dt), np.cos(c * dt)]], np.eye(16))
    found = np.sort(np.log(abs(np.linalg.eigvals(back @ matrix))) / dt)
    expected = [np.linalg.eigvals([[-2 + k, -b * k], [-2 * c + b * k, k]]).real for k in second_derivatives(space)]
    error = 6.0**5 * dt**4 / 120  # the largest rate is below 6
    np.testing.assert_allclose(found, np.sort(np.ravel(expected)), atol=error)
    assert (found[-1] > 0.01) == (1 + b * c < 0)


def test_a_parameter_may_differ_from_place_to_place_and_from_member_to_member(rng):
    """u_t = growth(x) u + diffusion u_xx is linear, with the matrix that one writes down."""

    def linear(u, u_xx, growth=1.0, diffusion=1.0):
        return growth * u + diffusion * u_xx

    growth, diffusion = rng.normal(size=12), np.array([0.1, 0.5, 2.0])
    field = MethodOfLines(linear, Interval(12.0, 12, "periodic", 2)).at(growth=growth, diffusion=diffusion[:, None])
    ring = np.roll(np.eye(12), 1, 0) + np.roll(np.eye(12), -1, 0) - 2 * np.eye(12)
    matrices = np.diag(growth) + diffusion[:, None, None] * ring
    x = rng.normal(size=(3, 12))
    rate, slopes = field.tangent(x, np.broadcast_to(np.eye(12), (3, 12, 12)))
    np.testing.assert_allclose(slopes, matrices, atol=1e-14)
    np.testing.assert_allclose(rate, (matrices @ x[..., None])[..., 0], atol=1e-14)
    np.testing.assert_allclose(field(x), rate, atol=1e-14)
    np.testing.assert_allclose(field(x[0]), (matrices @ x[0]), atol=1e-14)  # one field for all
    one = MethodOfLines(linear, Interval(12.0, 12, "periodic", 2)).at(growth=growth - 2, diffusion=0.5)
    series = one.series(2, dt=0.01, transient=0, rng=1)  # which cannot be traced, and is computed all the same
    np.testing.assert_array_equal(series[1], Flow(one, 0.01)(series[0]))


def test_two_dimensions_are_two_intervals(rng):
    """u_xx + 3 u_yy: Kronecker sums; u_xy: the product of both first derivatives."""
    space = (Interval(5.0, 6, "periodic"), Interval(7.0, 9, "no-flux", 2))
    field = MethodOfLines(lambda u, u_xx, u_yy: u_xx + 3 * u_yy, space)
    matrix = field.tangent(np.zeros(54), np.eye(54))[1]
    expected = np.add.outer(second_derivatives(space[0]), 3 * second_derivatives(space[1])).ravel()
    np.testing.assert_allclose(np.sort(np.linalg.eigvalsh(matrix)), np.sort(expected), atol=1e-11)
    u = rng.normal(size=(2, 6, 9))
    mixed = MethodOfLines(lambda u, u_xy: u_xy, space)(u.reshape(2, 54))
    first, second = (axis.derivative(np.eye(axis.points), 1, -2) for axis in space)
    np.testing.assert_allclose(mixed.reshape(2, 6, 9), first @ u @ second.T, atol=1e-12)
    assert field.fields(field.start(rng, (4,))).shape == (4, 1, 6, 9)


def test_starts_are_smooth_and_between_the_bounds(rng):
    for boundary in BOUNDARIES:
        field = MethodOfLines(
            ginzburg_landau, Interval(3.0, 60, boundary), components=2, first=([0.0, -1.0], [1.0, 5.0])
        )
        u = field.fields(field.start(rng, (20,)))
        assert u.shape == (20, 2, 60)
        assert (u.min((0, 2)) >= [0, -1]).all()
        assert (u.max((0, 2)) <= [1, 5]).all()
        assert (np.ptp(u, axis=-1) > 0.05).all()
        assert (abs(np.diff(u)).max((0, 2)) < np.array([1, 6]) * 3 * np.pi * 2 / 60 / 2).all()  # of the third wave


def test_kuramoto_sivashinsky_by_lines_is_that_by_waves():
    """From one field, after three units of time: the error falls with the spacing to the sixth power."""
    errors = []
    for points in (32, 64):
        waves = KuramotoSivashinsky(points=128, dt=0.005)
        start = end(repeat(waves, 4000), waves.start(np.random.default_rng(3)))
        exact = end(repeat(waves, 600), start)
        field = MethodOfLines(kuramoto_sivashinsky, Interval(22.0, points, order=6))
        flow = Flow(field, 0.2 * field.space.spacing**4 / 4)
        steps = round(3.0 / flow.dt)
        flow = Flow(field, 3.0 / steps)
        found = end(repeat(Compiled(flow), steps), start[:: 128 // points])
        errors.append(abs(found - exact[:: 128 // points]).max())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(6, abs=0.7)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the step dt")  # too long for the shortest waves, which decay at a rate of 140
def test_kuramoto_sivashinsky_by_lines_has_its_exponents():
    """Three are zero: translations in space and time, and the mean, which the differences conserve."""
    flow = Flow(MethodOfLines(kuramoto_sivashinsky, Interval(22.0, 32, order=6)), 0.0125)
    x = end(repeat(flow, 16_000), flow.field.start(np.random.default_rng(1), (16,)))
    np.testing.assert_allclose(x.mean(-1), 0, atol=1e-11)
    result = lyapunov_spectrum(repeat(flow, 72_000), x, frame(x, 6), every=40, transient=8000)
    error, mean = result.scatter / 4, result.exponents.mean(0)
    reference = np.array([0.0486, 0, 0, 0, -0.0033, -0.1889])
    assert (abs(mean - reference) < 4 * error + [0.001, *[3 / 800] * 4, 0.002]).all(), (mean, error)


def test_the_series_of_a_small_field_is_that_of_its_flow():
    field = MethodOfLines(nagumo, Interval(12.0, 12, "no-flux", 2), first=(0.0, 1.0))
    series = field.series(30, dt=0.1, transient=5)
    assert series.shape == (30, 12)
    np.testing.assert_allclose(series[1:], trajectory(repeat(Flow(field, 0.1), 29), series[0]), rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Interval(0.0), ValueError, "length must be a positive number; got 0.0"),
        (lambda: Interval("22"), ValueError, "length must be a positive number; got '22'"),
        (lambda: Interval(1.0, 2), ValueError, "points must be an integer of at least 3; got 2"),
        (
            lambda: Interval(1.0, boundary="fixed"),
            ValueError,
            "boundary must be one of 'periodic', 'no-flux'; got 'fixed'",
        ),
        (lambda: Interval(1.0, order=3), ValueError, "order must be one of 2, 4, 6, 8; got 3"),
        (
            lambda: MethodOfLines(kuramoto_sivashinsky, Interval(1.0, 6)),
            ValueError,
            "points must be at least 7 for derivative 4 of order 4; got 6",
        ),
        (
            lambda: MethodOfLines(heat, 22.0),
            TypeError,
            "space must be an Interval, or a tuple of two or three; got 22.0",
        ),
        (
            lambda: MethodOfLines(lambda u: -u, Interval(1.0)),
            TypeError,
            "rate must take u and some of its derivatives by name, rate(u, u_x, u_xx, a=1.0)",
        ),
        (
            lambda: MethodOfLines(lambda u, u_xx, growth: u_xx, Interval(1.0)),
            TypeError,
            "and no others without a default; <lambda>.<locals>.<lambda> takes u, u_xx, growth",
        ),
        (lambda: MethodOfLines(lambda u, u_yy: u_yy, Interval(1.0)), TypeError, "takes u, u_yy"),
        (lambda: MethodOfLines(lambda *u: u[0], Interval(1.0)), TypeError, "takes what it does not say"),
        (
            lambda: MethodOfLines(heat, Interval(1.0), parameters={"speed": 1}),
            TypeError,
            "parameters must be among diffusion, those of heat; got speed",
        ),
        (
            lambda: MethodOfLines(heat, Interval(1.0)).at(speed=1),
            TypeError,
            "parameters must be among diffusion; got speed",
        ),
        (
            lambda: MethodOfLines(heat, Interval(1.0), components=0),
            ValueError,
            "components must be an integer of at least 1",
        ),
        (
            lambda: MethodOfLines(heat, Interval(1.0, 8))(np.zeros(9)),
            ValueError,
            "x must be a field (*batch, 8): 1 component of 8 points; got (9,)",
        ),
        (
            lambda: MethodOfLines(lambda w, w_xx: w_xx[0], Interval(1.0, 8), components=2)(np.zeros(16)),
            NotTraceable,
            "it must return 2 numbers, one for each component; got shape ()",
        ),
        (
            lambda: MethodOfLines(lambda u, u_xx: [u, u_xx], Interval(1.0, 8))(np.zeros(8)),
            NotTraceable,
            "it must return one number; got shape (2,)",
        ),
    ],
)
def test_bad_input(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value)
