"""Maps and flows made from plain functions keep the contract of maps; their parameters can be changed and batched."""

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from types import FunctionType, SimpleNamespace

import numpy as np
import pytest

from cocycle import Autodiff, Compiled, Flow, frame, lyapunov_spectrum, orbit
from cocycle.formulas import Equation, Formula, NotTraceable, kernels
from cocycle.systems import Henon, Lorenz63
from cocycle.testing import check_map

torch = pytest.importorskip("torch")


def henon(x, a=1.4, b=0.3):
    return np.stack([1 - a * x[0] ** 2 + x[1], b * x[0]])


def lorenz(u, sigma=10.0, rho=28.0, beta=8 / 3):
    x, y, z = u
    return sigma * (y - x), x * (rho - z) - y, x * y - beta * z


FREQUENCIES = np.linspace(-1, 1, 6)


def kuramoto(theta, coupling=1.5, omega=FREQUENCIES):
    return omega + coupling * np.sin(theta - theta[:, None]).mean(axis=1)


def powers(x, degree: int = 3, kind="odd"):
    return sum(x ** (n + 1) for n in range(degree)) * (1.0 if kind == "odd" else 2.0)


CASES = {
    "map": (Formula(henon), 2),
    "flow": (Flow(lorenz, 0.02), 3),
    "flow of an equation": (Flow(Equation(kuramoto, coupling=2.0), 0.1, substeps=2), 6),
    "settings": (Formula(powers, degree=2), 3),
    "compiled": (Compiled(Formula(henon)), 2),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("batch", [(), (4,), (2, 3)])
@pytest.mark.parametrize("name", CASES)
def test_the_contract_of_maps(name, batch, dtype, rng):
    f, n = CASES[name]
    check_map(f, rng.uniform(0.1, 0.9, size=(*batch, n)).astype(dtype), rng.normal(size=(*batch, n, 2)).astype(dtype))


def test_the_same_numbers_as_maps_with_tangents_written_by_hand(rng):
    x, q = rng.normal(size=(5, 2)), rng.normal(size=(5, 2, 2))
    for mine, theirs in zip(Formula(henon).tangent(x, q), Henon().tangent(x, q), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-15, atol=1e-15)
    x, q = rng.normal(size=3) * 10, rng.normal(size=(3, 3))
    for mine, theirs in zip(Flow(lorenz, 0.01).tangent(x, q), Flow(Lorenz63(), 0.01).tangent(x, q), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-13, atol=1e-13)


def test_torch_states_are_followed_by_autograd():
    x = torch.tensor([0.1, 0.2], dtype=torch.float64, requires_grad=True)
    value, tangent = Formula(henon).tangent(x, torch.eye(2, dtype=torch.float64))
    np.testing.assert_allclose(tangent.detach().numpy(), Henon().tangent(np.array([0.1, 0.2]), np.eye(2))[1])
    tangent.sum().backward()  # d/dx of -2 a x + 1 + b
    np.testing.assert_allclose(x.grad.numpy(), [-2.8, 0.0])
    assert value.requires_grad


def test_a_flow_of_a_torch_function(rng):
    field = Autodiff(
        lambda x: torch.stack(
            [
                10 * (x[..., 1] - x[..., 0]),
                x[..., 0] * (28 - x[..., 2]) - x[..., 1],
                x[..., 0] * x[..., 1] - 8 / 3 * x[..., 2],
            ],
            -1,
        )
    )
    x, q = rng.normal(size=3) * 10, rng.normal(size=(3, 2))
    for mine, theirs in zip(Flow(field, 0.01).tangent(x, q), Flow(Lorenz63(), 0.01).tangent(x, q), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-12)


def test_a_bifurcation_diagram_is_one_batch():
    a = np.linspace(0.2, 1.4, 7)
    x = np.zeros((7, 2))
    together = lyapunov_spectrum(repeat(Formula(henon).at(a=a), 3000), x, frame(x, 2), transient=500)
    for i, value in enumerate(a):
        alone = lyapunov_spectrum(repeat(Henon(a=value), 3000), x[i], frame(x, 2)[i], transient=500)
        if abs(alone.exponents[0]) > 0.01 and value < 1.05:  # not chaotic: rounding does not grow
            np.testing.assert_allclose(together.exponents[i], alone.exponents, atol=1e-8)
    np.testing.assert_allclose(together.exponents.sum(-1), np.log(0.3), atol=1e-12)


def test_parameters_change_without_a_new_trace_and_have_shapes_of_their_own():
    f = Equation(kuramoto)
    flow = Flow(f, 0.1)
    x = np.linspace(0, 1, 6)
    many = flow.at(coupling=np.array([0.0, 1.0, 2.0]))(np.stack([x] * 3))
    for i, coupling in enumerate((0.0, 1.0, 2.0)):
        np.testing.assert_allclose(many[i], flow.at(coupling=coupling)(x), rtol=1e-15)
    still = Flow(f.at(coupling=0.0, omega=np.zeros(6)), 0.1)
    np.testing.assert_array_equal(still(x), x)
    with pytest.raises(ValueError, match=r"omega must have shape \(\*batch, 6,\); got \(5,\)"):
        f.at(omega=np.zeros(5))
    with pytest.raises(TypeError, match="parameters must be among coupling, omega; got gain"):
        f.at(gain=1.0)
    with pytest.raises(TypeError, match="among a, b, those of henon; got c"):
        Formula(henon, c=1.0)
    with pytest.raises(TypeError, match="must be a function of a state"):
        Formula(3.0)
    with pytest.raises(TypeError, match="to have parameters that can be changed"):
        Flow(Lorenz63(), 0.01).at(rho=1.0)


def test_another_setting_is_another_formula():
    x, f = np.array([0.5]), Formula(powers)
    for degree in (3, 2, 4, 3):
        np.testing.assert_array_equal(f.at(degree=degree)(x), powers(x, degree))
    np.testing.assert_array_equal(f.at(kind="even")(x), powers(x, kind="even"))
    np.testing.assert_array_equal(f(x), powers(x))


def of_a_notebook(x):
    return [helper(gain * part) + table["b"] + parameters.c for part in x]  # noqa: F821


@pytest.mark.parametrize("kind", [Formula, lambda f: Flow(f, 0.1)])
@pytest.mark.parametrize(
    "change",
    [
        lambda scope: scope.update(gain=5.0),
        lambda scope: scope.update(gain=np.array([1.0, 2.0])[1]),
        lambda scope: scope["table"].update(b=7.0),
        lambda scope: setattr(scope["parameters"], "c", 1.0),
        lambda scope: scope.update(parameters=SimpleNamespace(c=1.0)),
        lambda scope: scope.update(helper=lambda a: a * a),
    ],
)
def test_a_changed_variable_of_the_notebook_counts_at_once(kind, change):
    scope = {"gain": 2.0, "table": {"b": 1.0}, "parameters": SimpleNamespace(c=3.0), "helper": lambda a: a}
    function = FunctionType(of_a_notebook.__code__, scope)
    f, x = kind(function), np.array([0.3, 0.4])
    f(x)
    change(scope)
    np.testing.assert_array_equal(f(x), kind(function)(x))
    np.testing.assert_array_equal(f.tangent(x, np.eye(2))[1], kind(function).tangent(x, np.eye(2))[1])


def test_a_changed_variable_of_a_closure_counts_at_once():
    gain = 2.0
    f = Formula(lambda x: gain * x)
    assert f(np.ones(1)) == 2.0
    gain = 3.0
    assert f(np.ones(1)) == 3.0


def test_an_error_names_the_function_also_of_a_flow():
    for kind in (Formula, lambda f: Flow(f, 0.1)):
        with pytest.raises(NotTraceable, match="branching cannot be differentiated"):
            kind(branching)(np.ones(2))


def branching(x):
    return x if x[0] > 0 else -x


@pytest.mark.parametrize("name", [name for name in CASES if name != "compiled"])
def test_they_survive_pickling_with_their_parameters(name):
    f, n = CASES[name]
    again, x = pickle.loads(pickle.dumps(f)), np.full(n, 0.3)
    np.testing.assert_array_equal(again(x), f(x))
    assert repr(again) == repr(f)


def test_where_python_raises_numpy_has_infinities():
    """Plain floats raise where arrays give inf or nan; the state diverges either way."""
    f = Formula(lambda x: np.stack([np.exp(x[0]) * x[1], 1 / x[1], np.log(x[0])]))
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(f(np.array([1e3, 0.0, 1.0])), [np.nan, np.inf, np.log(1e3)])
        assert np.isnan(f(np.array([-1.0, 1.0, 1.0]))[2])
    x = np.array([5.0, 5.0])
    states = np.array(list(orbit(repeat(Formula(henon), 30), x)))
    assert not np.isfinite(states[-1]).all()


def test_states_and_frames_are_real_numbers_whatever_their_type():
    f = Formula(henon)
    np.testing.assert_allclose(f(np.array([1, 0])), [-0.4, 0.3])
    np.testing.assert_allclose(f([1, 0]), [-0.4, 0.3])
    np.testing.assert_allclose(f.tangent(np.array([[1, 0]]), np.array([[[1], [0]]]))[1][0, :, 0], [-2.8, 0.3])
    np.testing.assert_allclose(f.cotangent(np.array([[1, 0]]), np.array([[[1], [0]]]))[0, :, 0], [-2.8, 1.0])
    np.testing.assert_allclose(Flow(lambda x: -x, 0.1)(np.array([1, 2])), np.array([1, 2]) * np.exp(-0.1), rtol=1e-6)
    with pytest.raises(ValueError, match=r"x must be a state of shape \(\*batch, n\)"):
        f(0.3)
    with pytest.raises(ValueError, match=r"q must have shape \(\*batch, 2, k\)"):
        f.tangent(np.array([0.1, 0.2]), np.eye(3))


def test_the_time_of_a_step_is_that_of_the_function():
    def euler(x, dt=0.01):
        return x - dt * x

    assert Formula(euler).dt == 0.01
    f = Formula(euler, dt=0.5)
    assert f.dt == 0.5
    assert f(np.array([0.5]))[0] == 0.25
    assert f.at(dt=0.25).dt == 0.25
    assert Formula(henon, dt=0.5).dt == 0.5
    with pytest.raises(ValueError, match="dt must be a positive number"):
        Formula(henon, dt=-1.0)


@pytest.mark.parametrize("rate", [lambda x: -x[0], lambda x: [-x[0]], lambda x: -x[:2]], ids=["0", "1", "2"])
def test_a_rate_has_the_shape_of_the_state(rate):
    with pytest.raises(NotTraceable, match=r"as many numbers as the state has, \(3,\)"):
        Flow(rate, 0.1)(np.ones(3))


def test_a_parameter_of_another_shape_is_refused_when_it_is_given():
    with pytest.raises(ValueError, match=r"omega must have shape \(\*batch, 6,\); got \(5,\)"):
        Formula(kuramoto, omega=np.ones(5))


def test_gradients_by_parameters():
    a = torch.tensor(1.2, dtype=torch.float64, requires_grad=True)
    x = torch.tensor([0.5, 0.6], dtype=torch.float64)
    Formula(henon).at(a=a)(x).sum().backward()
    assert a.grad.item() == pytest.approx(-0.25)


class Box:
    factor = 1.0
    __slots__ = ("own",)

    def __init__(self):
        self.own = 1.0

    def scale(self, x):
        return self.factor * self.own * BIG[0, 0] * TENSOR_LIKE["a"] * x


BIG, TENSOR_LIKE = np.ones((40, 40)), {"a": 1.0}


def test_what_a_method_reads_is_read_again_when_it_changes(monkeypatch):
    box = Box()
    f, x = Formula(box.scale), np.array([1.0, 2.0])
    np.testing.assert_array_equal(f(x), x)
    box.own = 2.0
    np.testing.assert_array_equal(f(x), 2 * x)
    monkeypatch.setattr(Box, "factor", 3.0)
    np.testing.assert_array_equal(f(x), 6 * x)
    monkeypatch.setitem(TENSOR_LIKE, "a", 2.0)
    np.testing.assert_array_equal(f(x), 12 * x)
    BIG[0, 0] = 2.0
    np.testing.assert_array_equal(f(x), 24 * x)
    BIG[0, 0] = 1.0


def test_what_a_trace_does_not_see_is_found_by_comparison(tmp_path):
    file = tmp_path / "factor"
    file.write_text("1.0")
    f, x = Formula(lambda x: float(file.read_text()) * x), np.array([1.0, 2.0])
    np.testing.assert_array_equal(f(x), x)
    file.write_text("2.0")
    with pytest.raises(RuntimeError, match=r"must give the values of .* itself"):
        [f(x) for _ in range(10)]


def test_threads_share_a_formula():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    x = np.array([0.1, 0.2])
    right = Formula(henon).tangent(x, np.eye(2))[1]

    def of_both(f, i):
        return f.tangent(x, np.eye(2))[1] if i % 2 else f.cotangent(x, np.eye(2)).T

    try:
        with ThreadPoolExecutor(4) as pool:
            for _ in range(20):
                f = Formula(henon)
                for found in pool.map(lambda i, f=f: of_both(f, i), range(8)):
                    np.testing.assert_allclose(found, right)
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.parametrize("f", [np.tanh, np.negative])
def test_functions_of_numpy_are_formulas(f):
    x = np.array([0.1, 0.2])
    np.testing.assert_array_equal(Formula(f)(x), f(x))


@pytest.mark.parametrize(
    "f", [np.log, lambda x: np.sqrt(x - 1), lambda x: (x - x) / (x - x)], ids=["log", "root", "0/0"]
)
def test_a_start_outside_the_domain_is_refused_before_compiling(f, monkeypatch):
    monkeypatch.setattr(kernels, "loaded", lambda source: pytest.fail("compiled"))
    monkeypatch.setattr(kernels, "WORTH", 0)
    x = np.array([-0.5, 0.5])
    with pytest.raises(ValueError, match=r"must be defined where it starts; it gives NaN at \[-0\.5 +0\.5\]"):
        lyapunov_spectrum(repeat(Formula(f), 100), x, frame(x, 1))


def test_a_flow_takes_the_parameters_of_its_function():
    x = np.array([1.0, 2.0, 20.0])
    np.testing.assert_array_equal(Flow(lorenz, 0.02, rho=30.0)(x), Flow(lorenz, 0.02).at(rho=30.0)(x))
    assert Flow(lorenz, 0.02, rho=np.array([20.0, 30.0])).batch == (2,)
    with pytest.raises(TypeError, match="parameters must be among sigma, rho, beta"):
        Flow(lorenz, 0.02, tau=1.0)
    with pytest.raises(TypeError, match=r"got rho for a Lorenz63: Lorenz63\(rho=...\)"):
        Flow(Lorenz63(), 0.02, rho=30.0)
