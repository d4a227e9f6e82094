"""The systems of dysts by name: the right-hand sides are theirs, the tangents exact.

dysts needs an older pandas than the other extras, so that CI runs these in an environment of their own.
"""

import pickle
from itertools import repeat

import numpy as np
import pytest

from cocycle import Flow, bifurcation_diagram, frame, lyapunov_spectrum
from cocycle.formulas import Formula, NotTraceable
from cocycle.systems import dysts_names, from_dysts
from cocycle.testing import check_map

dysts = pytest.importorskip("dysts")
NAMES = dysts_names()
WITHOUT_FORMULA = "BlinkingVortexMap"


def theirs(name):
    """The object of dysts."""
    import dysts.flows
    import dysts.maps

    return getattr(dysts.maps if name in NAMES["maps"] else dysts.flows, name.removesuffix(" (map)"))()


def test_all_are_there():
    assert {kind: len(names) for kind, names in NAMES.items()} == {"flows": 129, "delay equations": 6, "maps": 23}


@pytest.mark.parametrize("name", [n for n in NAMES["flows"] if n != "Torus"])
def test_rates_are_those_of_dysts(name, rng):
    system, other = from_dysts(name), theirs(name)
    x = system.start(rng)
    expected = np.array(other.rhs(x, 0.0), dtype=float)
    np.testing.assert_allclose(system(x), expected, rtol=1e-10, atol=1e-10 * abs(expected).max())


@pytest.mark.parametrize("name", [n for n in NAMES["maps"] if n != WITHOUT_FORMULA])
def test_maps_are_those_of_dysts(name, rng):
    system, other = from_dysts(name), theirs(name)
    x = system.start(rng)
    np.testing.assert_allclose(system(x), np.ravel(other._rhs(*x, *other.param_list)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NAMES["delay equations"])
def test_delay_equations_are_those_of_dysts(name, rng):
    system, other = from_dysts(name), theirs(name)
    now, before = rng.uniform(0.5, 1.0, size=2)
    found = system.rate(now, before, **system.parameters)
    assert found == pytest.approx(other._rhs(now, before, 0.0, *other.param_list), rel=1e-12)
    assert system.delays == (other.tau,)
    x = system.start(rng, (2,))
    check_map(system, x, frame(x, 2))
    longer = system.at(tau=2 * other.tau)  # the delay is a parameter: a history over twice the time
    assert (longer.dt, longer.dimension) == (2 * system.dt, system.dimension)
    np.testing.assert_array_equal(longer(x), from_dysts(name, tau=2 * other.tau)(x))


@pytest.mark.parametrize(
    "name", ["Lorenz", "Lorenz96", "MultiChua", "Hopfield", "BelousovZhabotinsky", "InteriorSquirmer"]
)
def test_flows_keep_the_contract(name, rng):
    system = from_dysts(name)
    x = system.start(rng, (3,))
    check_map(Flow(system, system.time_step), x, frame(x, 2))


def test_a_system_by_name_is_like_any_other(rng):
    system = from_dysts("Lorenz", beta=8 / 3)
    x = system.series(1, dt=0.01)[0]
    result = lyapunov_spectrum(repeat(Flow(system, 0.01), 60_000), x, frame(x, 3), every="auto")
    assert result.loop == "compiled"
    assert (abs(result.exponents - [0.9056, 0, -14.5723]) < 4 * result.standard_error + 0.005).all()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(system))(x), system(x))
    assert system.at(rho=10.0)(x)[1] != system(x)[1]
    diagram = bifurcation_diagram(from_dysts("Logistic").formula, np.array([0.3]), r=[2.5, 4.0])
    assert diagram.exponents[0, 0] < 0 < diagram.exponents[1, 0]


def test_time_is_a_component_where_the_rate_depends_on_it(rng):
    """Torus is a curve that its own time draws: the state is at that time's place."""
    system = from_dysts("Torus")
    assert system.dimension == 4
    series = system.series(200, dt=0.01, transient=0)
    a, r, n = (theirs("Torus").params[name] for name in ("a", "r", "n"))
    times = series[:, 3]
    moved = series[:, 2] - series[0, 2]
    np.testing.assert_allclose(moved, a * (np.sin(n * times) - np.sin(n * times[0])), atol=1e-6)
    assert r > a


def test_what_is_unknown_or_has_no_formula_is_said(rng):
    with pytest.raises(KeyError, match=r"got 'lorenz': 'Lorenz'\?"):
        from_dysts("lorenz")
    with pytest.raises(TypeError, match="parameters must be among beta, rho, sigma; got tau"):
        from_dysts("Lorenz", tau=1.0)
    with pytest.raises(TypeError, match="parameters must be among beta, gamma, n, tau; got rho"):
        from_dysts("MackeyGlass", rho=1.0)
    with pytest.raises(ValueError, match=r"delay must be one number for all members of a batch; got shape \(2,\)"):
        from_dysts("MackeyGlass", tau=np.array([10.0, 20.0]))
    system = from_dysts(WITHOUT_FORMULA)
    assert isinstance(system.formula, Formula)
    with pytest.raises(NotTraceable, match="BlinkingVortexMap cannot be differentiated"):
        system(system.start(rng))
