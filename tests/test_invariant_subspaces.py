"""Exponents along an invariant subspace and transversal to it: exact for coupled copies of a system."""

from itertools import repeat

import numpy as np
import pytest

from cocycle import Flow, Formula, Linear, Restricted, Transversal, frame, lyapunov_spectrum, synchronised
from cocycle.testing import check_map

LN2 = float(np.log(2))


def coupled_logistic(x, coupling=0.1):
    y = 4 * x * (1 - x)
    return y + coupling * (y[::-1] - y)


def coupled_lorenz(u, coupling=0.3, sigma=10.0, rho=28.0, beta=8 / 3):
    x = np.reshape(u, (2, 3))
    rate = np.stack(
        [sigma * (x[:, 1] - x[:, 0]), x[:, 0] * (rho - x[:, 2]) - x[:, 1], x[:, 0] * x[:, 1] - beta * x[:, 2]]
    )
    return np.reshape(rate.T + coupling * (x[::-1] - x), 6)


def coupled_neurons(u, excitation=0.5, coupling=0.02):
    """Two pairs of FitzHugh-Nagumo neurons that excite one another."""
    v, w = u[:2], u[2:]
    return np.concatenate([v - v**3 / 3 - w + excitation + coupling * (v[::-1] - v), 0.08 * (v + 0.7 - 0.8 * w)])


def test_two_coupled_maps():
    """Along the diagonal ln 2, transversal ln 2 + ln|1 - 2 coupling|; stable or not, the state stays there."""
    projection = synchronised(2, 1)
    for coupling in (0.05, 0.4):
        f = Formula(coupled_logistic, coupling=coupling)
        x = np.array([0.3, 0.3])
        along = Restricted(f, projection)
        s = along.coordinates(x)
        np.testing.assert_allclose(along.states(s), x, rtol=1e-15)
        for steps in (20, 20_000):
            across = lyapunov_spectrum([Transversal(f, projection)] * steps, x, frame(x, 1))
            within = lyapunov_spectrum([along] * steps, s, frame(s, 1))
            difference = across.exponents[0] - within.exponents[0] - np.log(abs(1 - 2 * coupling))
            assert abs(difference) < (1e-3 if steps == 20 else 0.01)  # at first the orbits are the same
        assert abs(within.exponents[0] - LN2) < 5 * within.standard_error[0]
        assert across.x[0] == across.x[1]


def test_coupled_flows():
    """Coupled through all components, the transversal exponents are those of one system minus 2 coupling."""
    projection = synchronised(2, 3)
    flow = Flow(coupled_lorenz, 0.01)
    x = np.tile([-6.0, -8.5, 20.0], 2)
    along = Restricted(flow, projection)
    s = along.coordinates(x)
    for steps in (400, 6000):
        q = (np.eye(6) - projection) @ frame(x, 3)
        across = lyapunov_spectrum([Transversal(flow, projection)] * steps, x, q, every="auto")
        within = lyapunov_spectrum([along] * steps, s, frame(s, 3), every="auto")
        difference = across.exponents - within.exponents + 0.6
        if steps == 400:  # the same orbit: the volumes differ exactly
            assert abs(difference.sum()) < 1e-4  # RK4 of the coupling
    assert (abs(difference) < 5 * np.hypot(across.standard_error, within.standard_error)).all()
    assert abs(across.x[:3] - across.x[3:]).max() < 1e-13


def test_the_whole_spectrum_is_that_along_and_that_across_where_synchrony_is_stable():
    """Coupling 0.6 makes all transversal exponents negative, so that an orbit which starts nearby stays nearby."""
    projection, flow, x = synchronised(2, 3), Flow(coupled_lorenz, 0.01, coupling=0.6), np.tile([-6.0, -8.5, 20.0], 2)
    along, q = Restricted(flow, projection), (np.eye(6) - projection) @ frame(x, 3)
    s = along.coordinates(x)
    parts = (
        lyapunov_spectrum([Transversal(flow, projection)] * 12_000, x, q, transient=1000, every="auto"),
        lyapunov_spectrum([along] * 12_000, s, frame(s, 3), transient=1000, every="auto"),
    )
    moved = x + 1e-6 * np.arange(6)
    whole = lyapunov_spectrum(repeat(flow, 60_000), moved, frame(x, 6), transient=5000, every="auto")
    assert abs(whole.x[:3] - whole.x[3:]).max() < 1e-9
    union = np.concatenate([part.exponents for part in parts])
    order = np.argsort(-union)
    errors = np.concatenate([part.standard_error for part in parts])[order]
    difference = abs(whole.exponents - union[order])
    assert (difference < 5 * np.hypot(errors, whole.standard_error) + 1e-3).all()
    assert difference[:2].max() < 0.1


def test_of_synchronised_neurons_the_transversal_exponent_is_not_the_zero_of_the_orbit():
    """Two FitzHugh-Nagumo neurons on their limit cycle: along it 0 and a negative exponent, the transversal ones are
    negative for attractive coupling and positive for repulsive coupling, where rounding would end synchrony."""
    order = np.array([0, 2, 1, 3])  # [v1 v2 w1 w2] -> [v1 w1 v2 w2]
    projection = synchronised(2, 2)[np.ix_(np.argsort(order), np.argsort(order))]
    for coupling, sign in ((0.02, -1), (-0.02, 1)):
        flow = Flow(coupled_neurons, 0.2, coupling=coupling)
        x = np.array([-1.0, -1.0, 0.5, 0.5])
        across = lyapunov_spectrum([Transversal(flow, projection)] * 8000, x, frame(x, 1), transient=1000, every=5)
        along = Restricted(flow, projection)
        within = lyapunov_spectrum([along] * 8000, along.coordinates(x), np.eye(2)[:, :1], transient=1000, every=5)
        assert abs(within.exponents[0]) < 5e-3
        assert sign * across.exponents[0] > 0.005


def test_an_oblique_projection_has_the_same_exponents():
    """Exponents do not depend on the complement: of a block triangular matrix they are those of its blocks."""
    a = np.array([[0.5, 3.0, -1.0], [0.0, 2.0, 0.3], [0.0, 0.0, 0.7]])
    for slant in (0.0, 5.0):
        p = np.array([[1.0, slant, -slant], [0, 0, 0], [0, 0, 0]])
        x = np.array([1.0, 0.0, 0.0])
        steps = [Transversal(Linear(a), p)] * 400
        found = lyapunov_spectrum(steps, x, frame(x, 2), transient=100).exponents
        np.testing.assert_allclose(found, np.log([2.0, 0.7]), atol=1e-10)
        along = Restricted(Linear(a), p)
        np.testing.assert_allclose(along.tangent(np.ones(1), np.eye(1))[1], [[0.5]], rtol=1e-13)


def test_the_contract(rng):
    projection = synchronised(2, 3)
    for dtype in (np.float64, np.float32):
        s = rng.normal(size=(3, 3)).astype(dtype)
        check_map(Restricted(Flow(coupled_lorenz, 0.01), projection), s, frame(s, 2))
    torch = pytest.importorskip("torch")
    f, x = Transversal(Flow(coupled_lorenz, 0.01), projection), np.tile([1.0, 2.0, 20.0], 2)
    y, s = f.tangent(x, frame(x, 2))
    other = f.tangent(torch.tensor(x), torch.tensor(frame(x, 2)))
    np.testing.assert_allclose(other[1].numpy(), s, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(y, f(x), rtol=1e-15)


@pytest.mark.parametrize(
    ("projection", "words"),
    [
        (np.ones((2, 2)), "projection must be one, P P = P; its square differs by 1"),
        (np.eye(2), "its rank is 2"),
        (np.zeros((2, 2)), "its rank is 0"),
        (np.ones((1, 2)) / 2, r"must be a numpy matrix \(n, n\)"),
        (np.array([[np.nan, 0], [0, 1]]), "must be finite"),
    ],
)
@pytest.mark.parametrize("kind", [Transversal, Restricted])
def test_what_is_no_projection(kind, projection, words):
    with pytest.raises(ValueError, match=words):
        kind(Formula(coupled_logistic), projection)


def test_a_subspace_that_is_not_kept():
    f = Formula(lambda x: np.stack([3.9 * x[0] * (1 - x[0]), 3.7 * x[1] * (1 - x[1])]))
    for g, x in (
        (Transversal(f, synchronised(2, 1)), np.array([0.3, 0.3])),
        (Restricted(f, synchronised(2, 1)), np.ones(1) / 2),
    ):
        with pytest.raises(
            ValueError, match="must be onto a subspace that the map keeps; it takes a state of it away by"
        ):
            g(x)
    g, x = Transversal(Formula(coupled_logistic), synchronised(2, 1)), np.array([0.3, 0.3])
    with pytest.raises(ValueError, match="q must have at most 1 vectors transversal"):
        g.tangent(x, np.eye(2))
    with pytest.raises(TypeError, match="map must be a map"):
        Transversal(coupled_logistic, synchronised(2, 1))
    with pytest.raises(ValueError, match="copies must be an integer of at least 2"):
        synchronised(1, 3)
