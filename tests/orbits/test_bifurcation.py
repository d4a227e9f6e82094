"""A bifurcation diagram has the states and exponents of single runs; its periods and exponents are those of theory."""

from itertools import repeat

import matplotlib.pyplot as plt
import numpy as np
import pytest

from cocycle import Compiled, Flow, bifurcation_diagram, end, frame, lyapunov_spectrum
from cocycle.formulas import Formula
from cocycle.systems import Henon


def logistic(x, r=3.9):
    return r * x * (1 - x)


def henon(x, a=1.4, b=0.3):
    return 1 - a * x[0] ** 2 + x[1], b * x[0]


def rossler(u, a=0.2, b=0.2, c=5.7):
    x, y, z = u
    return -y - z, x + a * y, b + z * (x - c)


def test_the_logistic_map():
    """Fixed point 1 - 1/r with exponent ln|2 - r| below 3; two states up to 1 + √6; ln 2 at r = 4."""
    r = np.array([2.5, 2.9, 3.2, 3.5, 4.0])
    diagram = bifurcation_diagram(Formula(logistic), np.array([0.3]), r=r, steps=20_000, samples=64)
    assert diagram.states.shape == (5, 64, 1)
    np.testing.assert_allclose(diagram.states[:2, :, 0], (1 - 1 / r[:2])[:, None] + np.zeros(64), rtol=1e-12)
    np.testing.assert_allclose(diagram.exponents[:2, 0], np.log(abs(2 - r[:2])), rtol=1e-6)
    assert [len(np.unique(np.round(states, 9))) for states in diagram.states[:4]] == [1, 1, 2, 4]
    assert diagram.exponents[4, 0] == pytest.approx(np.log(2), abs=0.02)
    assert "5 values from 2.5 to 4: λ1 > 0 by two standard errors at 1" in repr(diagram)


def test_a_value_is_what_a_run_at_it_gives():
    x = np.array([0.1, 0.1])
    diagram = bifurcation_diagram(Formula(henon), x, a=[0.2, 1.0, 0.7], k=2, steps=300, transient=100, samples=5)
    np.testing.assert_allclose(diagram.exponents.sum(-1), np.log(0.3), atol=1e-12)
    for i, a in enumerate((0.2, 1.0, 0.7)):
        f = Formula(henon, a=a)
        start = end(repeat(f, 100), x)
        np.testing.assert_allclose(diagram.states[i, -1], end(repeat(f, 300), start), rtol=1e-9)
        single = lyapunov_spectrum(repeat(f, 300), start, frame(np.zeros((3, 2)), 2)[i], every="auto")
        np.testing.assert_allclose(diagram.exponents[i], single.exponents, atol=1e-9)


def test_orbits_that_diverge_are_said_and_the_others_are_right():
    x, a = np.array([0.1, 0.1]), np.array([1.0, 2.0, 1.2])
    with pytest.warns(UserWarning, match=r"orbits diverge at 1 of 3 values of a, 2\.\.\."):
        diagram = bifurcation_diagram(Formula(henon), x, a=a, steps=200, samples=10)
    assert np.isnan(diagram.exponents[1]).all()
    assert np.isnan(diagram.states[1]).all()
    alone = bifurcation_diagram(Formula(henon), x, a=a[::2], steps=200, samples=10)
    np.testing.assert_allclose(diagram.states[::2], alone.states)
    with pytest.raises(ArithmeticError, match="all orbits diverge"):
        bifurcation_diagram(Formula(henon), x, a=[2.0, 3.0])


def test_the_maxima_of_a_flow():
    """Rössler's limit cycle at c = 2.5 has one maximum, at c = 3.5 two; its exponents are 0 there."""
    diagram = bifurcation_diagram(
        Flow(rossler, 0.05),
        np.array([1.0, 1.0, 0.0]),
        surface=lambda u: -u[1] - u[2],
        direction=-1,
        c=np.array([2.5, 3.5]),
        steps=20_000,
        transient=20_000,
        samples=20,
    )
    assert [len(np.unique(np.round(states[:, 0], 3))) for states in diagram.states] == [1, 2]
    np.testing.assert_allclose(diagram.exponents, 0.0, atol=2e-3)
    assert diagram.spectrum.unit == "per unit time"


@pytest.mark.parametrize(
    ("f", "parameter", "error", "words"),
    [
        (Formula(logistic), {}, TypeError, "one parameter must be an array"),
        (Formula(logistic), {"r": 3.0}, TypeError, "one parameter must be an array"),
        (Formula(henon), {"a": [1.0, 1.1], "b": [0.1, 0.2]}, TypeError, "one parameter must be an array"),
        (Formula(logistic), {"s": [3.0, 3.1]}, TypeError, "parameters must be among r"),
        (Compiled(Henon()), {"a": [1.0]}, TypeError, r"f must be Formula\(function\)"),
        (Flow(rossler, 0.05), {"c": [3.0]}, ValueError, "surface must be a function"),
        (Formula(logistic), {"r": [3.0], "samples": 0}, ValueError, "samples must be an integer of at least 1"),
    ],
)
def test_what_is_no_diagram_is_refused(f, parameter, error, words):
    with pytest.raises(error, match=words):
        bifurcation_diagram(f, np.full(3 if isinstance(f, Flow) else 2, 0.1), **parameter)


def test_its_picture_has_states_and_exponents():
    diagram = bifurcation_diagram(Formula(logistic), np.array([0.3]), r=np.linspace(2.8, 4, 50))
    figure = diagram.plot()
    states, exponents = figure.axes
    assert exponents.get_xlabel() == "r"
    assert exponents.get_ylabel() == "λ (per step)"
    assert len(states.lines[0].get_xdata()) == 50 * 200
    figure, ax = plt.subplots()
    assert diagram.plot(ax=ax) is figure
    plt.close("all")


def test_a_picture_of_many_points_loses_no_branch():
    """At an even period every other state would be one branch only."""
    r = np.linspace(3.1, 3.4, 1200)
    figure = bifurcation_diagram(Formula(logistic), np.array([0.3]), r=r, samples=200).plot()
    (points,) = figure.axes[0].lines
    assert len(points.get_xdata()) <= 200_000
    at_end = points.get_ydata()[points.get_xdata() == r[-1]]
    assert len(np.unique(np.round(at_end, 6))) == 2
    plt.close("all")


@pytest.mark.parametrize("x", [0.3, np.full((3, 1), 0.3)])
def test_a_start_of_another_shape_is_refused(x):
    with pytest.raises(ValueError, match=r"x must be a state \(n,\), or one for each value, \(2, n\)"):
        bifurcation_diagram(Formula(logistic), x, r=[3.2, 3.5])


def lorenz(u, sigma=10.0, rho=28.0, beta=8 / 3):
    x, y, z = u
    return sigma * (y - x), x * (rho - z) - y, x * y - beta * z


def test_flows_have_runs_that_are_long_enough():
    """Beyond rho = 1 the Lorenz equations have fixed points with known exponents; there are no crossings there."""
    x, rho = np.array([1.0, 1.0, 1.0]), np.array([1.3, 28.0])
    with pytest.warns(UserWarning, match=r"cross the surface fewer than 10 times in 50000 steps at 1 of 2"):
        diagram = bifurcation_diagram(Flow(lorenz, 0.01), x, surface=lambda u: u[0], rho=rho)
    c = np.sqrt(8 / 3 * (1.3 - 1))
    exact = np.linalg.eigvals(np.array([[-10, 10, 0], [1, -1, -c], [c, c, -8 / 3]])).real.max()
    assert diagram.exponents[0, 0] == pytest.approx(exact, abs=3 / 500)  # the frame aligns during the run of 500 units
    assert diagram.exponents[1, 0] > 0.5
    assert np.isfinite(diagram.states[1]).sum() > 100
    figure = diagram.plot()
    assert figure.axes[0].get_ylabel() == "component 2"  # the first is that of the surface
    plt.close("all")


def test_superstable_orbits_do_not_diverge():
    diagram = bifurcation_diagram(Formula(logistic), np.array([0.5]), r=[2.0, 3.9])
    assert diagram.exponents[0, 0] == -np.inf
    np.testing.assert_array_equal(diagram.states[0], 0.5)
