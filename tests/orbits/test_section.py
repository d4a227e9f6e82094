"""Crossings lie on the surface, at the times at which the orbit crosses it."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from cocycle import Compiled, Flow, poincare_section
from cocycle.formulas import Formula
from cocycle.systems import Lorenz63


def oscillator(u, omega=2.0):
    x, v = u
    return omega * v, -omega * x


def lorenz(u, sigma=10.0, rho=28.0, beta=8 / 3):
    x, y, z = u
    return sigma * (y - x), x * (rho - z) - y, x * y - beta * z


@pytest.mark.parametrize(("direction", "first", "apart"), [(1, 3 / 4, 1.0), (-1, 1 / 4, 1.0), (0, 1 / 4, 0.5)])
@pytest.mark.parametrize("substeps", [1, 3])
def test_a_harmonic_oscillator_crosses_at_known_times(direction, first, apart, substeps):
    period = np.pi
    flow = Flow(oscillator, 0.05, substeps)
    section = poincare_section(
        flow, np.array([1.0, 0.0]), lambda u: u[0], crossings=20, direction=direction, transient=0
    )
    np.testing.assert_allclose(section.times, (first + apart * np.arange(20)) * period, rtol=2e-6)
    np.testing.assert_allclose(section.states[:, 0], 0.0, atol=1e-14)
    np.testing.assert_allclose(abs(section.states[:, 1]), 1.0, rtol=1e-4)
    assert "20 crossings, one every" in repr(section)


def test_crossings_have_the_accuracy_of_the_integrator():
    """The time of the tenth crossing converges with the fourth power of the step, though steps end elsewhere."""
    errors = []
    for dt in (0.1, 0.05, 0.025):
        section = poincare_section(
            Flow(oscillator, dt), np.array([1.0, 0.0]), lambda u: u[0], crossings=10, transient=0
        )
        errors.append(abs(section.times[-1] - 9.75 * np.pi))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(orders, 4.0, atol=0.1)


def test_sections_of_all_kinds_of_flow_agree():
    x = Lorenz63().series(1, dt=0.01)[0]
    found = [
        poincare_section(f, x, lambda u: u[2] - 27.0, crossings=5, transient=0)
        for f in (Flow(lorenz, 0.01), Flow(Lorenz63(), 0.01), Compiled(Flow(Lorenz63(), 0.01)))
    ]
    for other in found[1:]:
        np.testing.assert_allclose(other.states, found[0].states, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(other.times, found[0].times, rtol=1e-9)


def test_what_cannot_be_crossed_is_said():
    flow, x = Flow(oscillator, 0.05), np.array([1.0, 0.0])
    with pytest.raises(ArithmeticError, match="crosses the surface 0 times in 1000 steps, of 5 wanted"):
        poincare_section(flow, x, lambda u: u[0] - 3.0, crossings=5, most=1000)
    with pytest.raises(TypeError, match="flow must be a Flow"):
        poincare_section(Formula(oscillator), x, lambda u: u[0])
    with pytest.raises(ValueError, match="direction must be 1, -1 or 0"):
        poincare_section(flow, x, lambda u: u[0], direction=2)
    with pytest.raises(ValueError, match="x must be one state"):
        poincare_section(flow, x[None], lambda u: u[0])
    with pytest.raises(ValueError, match="crossings must be an integer of at least 1"):
        poincare_section(flow, x, lambda u: u[0], crossings=0)
    with pytest.raises(ArithmeticError, match="diverges"), np.errstate(all="ignore"):
        poincare_section(Flow(lambda u: u * u, 0.1), np.array([1.0, 1.0]), lambda u: u[0] + 1, transient=0)


def test_a_surface_gives_one_number():
    with pytest.raises(TypeError, match="surface must give one number of a state"):
        poincare_section(Flow(oscillator, 0.05), np.array([1.0, 0.0]), lambda u: u, crossings=3)


def test_its_picture_has_no_phase():
    def duffing(u, delta=0.3, gamma=0.5, omega=1.2):
        x, v, phase = u
        return v, x - x**3 - delta * v + gamma * np.cos(phase), omega + 0 * x

    section = poincare_section(Flow(duffing, 0.05), np.array([0.1, 0.0, 0.0]), lambda u: np.sin(u[2]), crossings=50)
    np.testing.assert_allclose(np.diff(section.times), 2 * np.pi / 1.2, rtol=1e-9)
    (ax,) = section.plot().axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("component 1", "component 2")
    plt.close("all")
