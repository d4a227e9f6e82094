"""The systems of the zoo have the symmetries, conservation laws and known exponents of the equations they claim."""

from itertools import repeat

import numpy as np
import pytest

from cocycle import Compiled, Flow, frame, lyapunov_spectrum, trajectory
from cocycle.systems import (
    Bernoulli,
    CoupledMapLattice,
    KuramotoSivashinsky,
    Logistic,
    Lorenz63,
    MackeyGlass,
    Tent,
)
from cocycle.systems.references import REFERENCE, exponent_sum
from cocycle.systems.references_of_maps import references
from cocycle.systems.validation import in_words, validate


def test_stable_point_of_lorenz():
    """rho = 20: the exponents are the real parts of the eigenvalues at the fixed point, none of them zero."""
    lorenz = Lorenz63(rho=20.0)
    side = np.sqrt(lorenz.beta * 19)
    point = np.array([side, side, 19.0])
    jacobian = lorenz.tangent(point, np.eye(3))[1]
    exact = np.sort(np.linalg.eigvals(jacobian).real)[::-1]
    np.testing.assert_allclose(exact, [-0.154792, -0.154792, -13.357083], atol=1e-6)
    result = lyapunov_spectrum(
        repeat(Compiled(Flow(lorenz, 0.01)), 20_000), point, frame(point, 3), every=5, transient=2000
    )
    np.testing.assert_allclose(result.exponents, exact, atol=2e-2 / 180 + 1e-3)


NAMES = ["Lozi", "Ikeda", "Standard", "Standard, kick 7", "Sprott", "Chua", "Logistic"]
NAMES += ["Duffing", "Lorenz63, DormandPrince", "impacts", "linear delay", "synchrony"]


@pytest.mark.parametrize("name", NAMES)
def test_exponents_agree_with_their_reference(name):
    (row,) = validate([name], scale=0.1, seed=3)
    assert row.agrees, row


@pytest.mark.slow
def test_all_exponents_agree_with_their_reference():
    rows = validate()
    assert [r.name for r in rows] == [*REFERENCE, *references()]
    # twenty-eight systems, ninety exponents: one beyond three standard errors is to be expected now and then
    assert sum(not r.agrees for r in rows) <= 1, in_words(rows)


def test_rows_are_counted_by_the_kind_of_their_reference_and_one_that_disagrees_is_said():
    (row,) = validate(["Tent"], scale=0.1)
    rows = [row, *(row._replace(reference=REFERENCE[name]) for name in ("Lorenz63", "Lozi", "Henon", "Ikeda"))]
    wrong = row._replace(name="Lozi", reference=REFERENCE["Lozi"], deviation=np.array([7.0]))
    said = in_words([*rows, wrong])
    for line in ("1 of 1 with exact", "1 of 1 with published", "1 of 1 with values quoted from memory"):
        assert f"\n- {line}" in said
    assert "\n- 2 of 3 with independent computations\n" in said
    assert said.endswith("\n\n(!) Lozi does not: deviations +7.0 standard errors.")
    assert " | computed independently: agrees with Sprott, Chaos and Time-Series Analysis" in said
    with pytest.raises(ValueError, match=r"names must be among Logistic.*; got Lorentz"):
        validate(["Lorentz"])


def test_kuramoto_sivashinsky_conserves_the_mean_and_commutes_with_shifts(rng):
    system = KuramotoSivashinsky()
    x = system.start(rng, (2,))
    y = trajectory(repeat(system, 300), x)[-1]
    np.testing.assert_allclose(y.mean(-1), 0, atol=1e-13)
    shifted = trajectory(repeat(system, 300), np.roll(x, 5, -1))[-1]
    np.testing.assert_allclose(shifted, np.roll(y, 5, -1), atol=1e-6)  # rounding, after 30 units of chaotic time


def test_kuramoto_sivashinsky_is_solved_to_fourth_order(rng):
    """The order of a stiff problem is approached from below: 3.4 at dt = 0.03, 3.8 at 0.008."""
    x = trajectory(repeat(KuramotoSivashinsky(), 500), KuramotoSivashinsky().start(rng))[-1]
    ends = [trajectory(repeat(KuramotoSivashinsky(dt=1 / n), n), x)[-1] for n in (64, 128, 256, 1024)]
    errors = np.array([abs(end - ends[-1]).max() for end in ends[:-1]])
    orders = np.log2(errors[:-1] / errors[1:])
    assert orders[1] > orders[0] > 3.5
    assert orders[1] == pytest.approx(4, abs=0.3)


def test_kuramoto_sivashinsky_has_two_zero_exponents_and_contracts_what_it_projects():
    system = KuramotoSivashinsky(dt=0.25)
    x = trajectory(repeat(system, 1200), system.start(np.random.default_rng(1), (8,)))[-1]
    result = lyapunov_spectrum(repeat(system, 2000), x, frame(x, 6), every="auto", transient=600)
    error = result.scatter / np.sqrt(8)
    # zeros approach like 1/T with T = 350
    assert (abs(result.exponents.mean(0)[1:3]) < 4 * error[1:3] + 3 / 350).all()
    assert result.exponents.mean(0)[0] == pytest.approx(0.0486, abs=4 * error[0])


def test_mackey_glass_is_solved_to_fourth_order():
    """From one smooth history, sampled at different distances: halving dt divides the error by sixteen."""
    fine = 1088
    history = MackeyGlass(points=fine).series(2 * fine, transient=40 * fine)[::-1, 0]
    ends = []
    for points in (34, 68, 136, fine):
        start = history[:: fine // points][: points + 2]
        ends.append(trajectory(repeat(MackeyGlass(points=points), 3 * points), start)[-1][0])
    errors = abs(np.array(ends[:-1]) - ends[-1])
    np.testing.assert_allclose(np.log2(errors[:-1] / errors[1:]), 4, atol=0.1)


def test_mackey_glass_series_is_the_present_value():
    series = MackeyGlass().series(500, transient=2000)
    assert series.shape == (500, 1)
    assert 0.2 < series.min() < series.max() < 1.5
    assert series.std() > 0.1


def test_growth_at_a_fixed_point_of_the_delay_equation():
    """Linearised at its fixed point, delay equations have e^{λ τ} = rate: the characteristic equation, solved."""
    system = MackeyGlass(delay=17.0, points=200)
    point = (system.beta / system.gamma - 1) ** (1 / system.exponent)
    power = point**system.exponent
    slope = system.beta * (1 + (1 - system.exponent) * power) / (1 + power) ** 2  # of the feedback
    root = 0.03 + 0.1j
    for _ in range(50):  # Newton for λ + gamma = slope e^{-λ delay}
        value = root + system.gamma - slope * np.exp(-root * system.delay)
        root -= value / (1 + system.delay * slope * np.exp(-root * system.delay))
    x = np.full(system.dimension, point)
    result = lyapunov_spectrum(repeat(Hold(system), 30_000), x, frame(x, 2), every=10, transient=3000)
    np.testing.assert_allclose(result.exponents, root.real, atol=2e-4)


class Hold:
    """The tangent map at the starting state, again and again: an unstable point is left by rounding alone."""

    def __init__(self, system):
        self.system, self.dt = system, system.dt

    def tangent(self, x, q):
        return x, self.system.tangent(x, q)[1]


@pytest.mark.slow
def test_hyper_rossler_has_two_positive_exponents():
    (row,) = validate(["HyperRossler"])
    assert (row.exponents[:2] > 5 * row.errors[:2]).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Bernoulli(4.0), "factor must not be a power of two"),
        (lambda: Tent(2.0), "slope must not be a power of two"),
        (lambda: CoupledMapLattice(Logistic(), 8, 1.5), r"coupling must be in \[0, 1\]; got 1.5"),
        (lambda: KuramotoSivashinsky(points=15), "points must be even and at least 8; got 15"),
        (lambda: MackeyGlass(points=2), "points must be at least 3; got 2"),
        (lambda: exponent_sum(Logistic()), "must have the same volume growth at every point"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()
