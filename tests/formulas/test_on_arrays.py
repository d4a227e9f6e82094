"""Formulas of very many operations, on whole arrays, have the values and tangents of their traces, or are refused."""

from itertools import repeat

import numpy as np
import pytest

from cocycle import Flow, frame, lyapunov_spectrum, trajectory
from cocycle.formulas import Formula, NotTraceable
from cocycle.formulas.on_arrays import OnArrays
from cocycle.testing import check_map
from formulas_of_users import FORMULAS

W = np.random.default_rng(0).normal(size=(200, 200)) * 1.5 / 200**0.5


@pytest.mark.parametrize("name", FORMULAS)
def test_values_and_tangents_are_those_of_the_trace(name, rng):
    f, x = FORMULAS[name], rng.uniform(0.2, 0.8, size=(3, 4))
    traced = Formula(f)

    def formula(x):
        result = f(x)
        return np.stack(result) if isinstance(result, list | tuple) else result

    whole, q = OnArrays(formula, 4, [], [f]), rng.normal(size=(3, 4, 2))
    y, s = whole.pushed(x, q)
    np.testing.assert_allclose(y, traced(x), rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(whole(x), traced(x), rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(s, traced.tangent(x, q)[1], rtol=1e-11, atol=1e-12)
    p = rng.normal(size=(3, y.shape[-1], 2))
    np.testing.assert_allclose(whole.pulled(x, p), traced.cotangent(x, p), rtol=1e-11, atol=1e-12)


def network(x, gain=1.0):
    return np.tanh(gain * (W @ x))


def test_a_network_of_two_hundred_units(rng):
    f, x = Formula(network), rng.normal(size=200)
    q = rng.normal(size=(200, 3))
    y, s = f.tangent(x, q)
    np.testing.assert_allclose(y, np.tanh(W @ x), rtol=1e-14)
    np.testing.assert_allclose(s, (1 / np.cosh(W @ x) ** 2)[:, None] * (W @ q), rtol=1e-12, atol=1e-14)
    many = rng.normal(size=(2, 200))
    check_map(f, many, frame(many, 2))
    gains = f.at(gain=np.array([0.5, 1.5]))
    np.testing.assert_allclose(gains(x), [np.tanh(0.5 * W @ x), np.tanh(1.5 * W @ x)], rtol=1e-13)
    result = lyapunov_spectrum(repeat(f, 300), x, frame(x, 2), every="auto", transient=100)
    assert result.exponents[0] > 0
    assert "whole arrays" in result.loop


def test_an_equation_of_a_hundred_oscillators(rng):
    omega = rng.normal(size=100)

    def kuramoto(theta, coupling=4.0):
        return omega + coupling * np.sin(theta - theta[:, None]).mean(axis=1)

    flow, x = Flow(kuramoto, 0.05), rng.uniform(0, 6, size=100)
    result = lyapunov_spectrum(repeat(flow, 200), x, frame(x, 1), every=10)
    assert np.isfinite(result.exponents).all()
    assert abs(kuramoto(x)[0] - Flow(kuramoto, 0.05).field(x)[0]) < 1e-12


def test_what_is_not_pure_is_refused(rng):
    generator = np.random.default_rng(1)
    with pytest.raises(NotTraceable, match="noise is an input"):
        Formula(lambda x: network(x) + generator.normal())(rng.normal(size=200))
    torch = pytest.importorskip("torch")
    with pytest.raises(NotTraceable, match="take Autodiff of a torch function"):
        Formula(network)(torch.zeros(200, dtype=torch.float64))


def test_long_formulas_are_compiled_for_long_runs():
    """The longer a formula, the longer the run must be; an orbit alone has fewer operations than one with tangents."""
    pytest.importorskip("numba")

    def lorenz96(x, force=8.0):
        return (np.roll(x, -1) - np.roll(x, 2)) * np.roll(x, 1) - x + force

    def longer(x):
        return lorenz96(x) + np.cos(np.roll(x, 1)) * np.sin(np.roll(x, 2)) * np.cos(np.roll(x, 3) * np.roll(x, 4))

    flow, x = Flow(lorenz96, 0.01), 8 + np.sin(np.arange(60.0))
    assert not isinstance(flow.kernel(x, None, 100_000), str)
    assert "too short" in flow.kernel(x, frame(x, 2), 100_000)
    assert "whole arrays" in Flow(longer, 0.01).kernel(x, frame(x, 2), 10_000_000)
    assert "too short" in lyapunov_spectrum(repeat(flow, 2000), x, frame(x, 1), every=20).loop
    np.testing.assert_allclose(trajectory(repeat(flow, 30_000), x)[:50], trajectory([flow] * 50, x), rtol=1e-9)


CONSTANTS_ADDED = {
    "initial": lambda x: x * np.sum(x, initial=1.0),
    "of some": lambda x: x * np.sum(x, where=np.array([True, False, True, True])),
    "to_end": lambda x: np.ediff1d(x, to_end=x[0] ** 2),
    "to_end by position": lambda x: np.ediff1d(x, 2.0),
    "prepend": lambda x: np.diff(x, prepend=x[-1:] ** 2),
    "prepend by position": lambda x: np.diff(x, 1, -1, 0.5),
    "dimensions kept": lambda x: np.ravel(np.maximum.reduce(x.reshape(2, 2), axis=1, keepdims=True)),
}


@pytest.mark.parametrize("name", CONSTANTS_ADDED)
def test_what_is_added_to_a_linear_function_has_its_own_tangent(name, rng):
    f, x, h = CONSTANTS_ADDED[name], rng.uniform(0.2, 0.8, size=4), 1e-6
    y, s = OnArrays(f, 4, [], [f]).pushed(x, np.eye(4))
    differences = np.stack([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(4)], axis=-1)
    np.testing.assert_allclose(y, f(x), rtol=1e-14)
    np.testing.assert_allclose(s, differences, rtol=0, atol=1e-8)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x * np.max(x, initial=0.9),
        lambda x: x * np.maximum.reduce(x, initial=0.9),
        lambda x: x * np.prod(x, initial=2.0),
        lambda x: x * np.sum(x, dtype=np.float32),
        lambda x: np.average(np.outer(x, x), axis=0, weights=x),
        lambda x: np.sort(x),
    ],
)
def test_what_has_no_tangent_on_arrays_is_refused(f):
    with pytest.raises(TypeError):
        OnArrays(f, 4, [], [f]).pushed(np.full(4, 0.3), np.eye(4))
