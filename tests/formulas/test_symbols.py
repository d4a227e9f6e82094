"""A plain function of a numpy state is traced as it is written; what cannot be traced is refused with what to write."""

import math
import random
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cocycle.formulas import Formula, NotTraceable
from formulas_of_users import COUPLING, FORMULAS

torch = pytest.importorskip("torch")


def differences(f, x, step=1e-6):
    return np.stack(
        [(np.asarray(f(x + step * e)) - np.asarray(f(x - step * e))) / (2 * step) for e in np.eye(len(x))], -1
    )


@pytest.mark.parametrize("name", FORMULAS)
def test_value_tangent_and_cotangent_of_what_users_write(name):
    f, x = FORMULAS[name], np.array([0.81, 0.37, 0.62, 0.24])
    formula, expected = Formula(f), np.asarray(f(x), dtype=float)
    np.testing.assert_allclose(formula(x), expected, rtol=1e-14, atol=1e-14)
    value, jacobian = formula.tangent(x, np.eye(4))
    np.testing.assert_allclose(value, expected, rtol=1e-14, atol=1e-14)
    # the error of central differences: step² times third derivatives, and rounding over the step
    np.testing.assert_allclose(jacobian, differences(f, x), rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(formula.cotangent(x, np.eye(len(value))), jacobian.T, rtol=1e-12, atol=1e-13)
    batch = np.stack([x, x[::-1], 0.9 * x])
    together = formula.tangent(batch, np.broadcast_to(np.eye(4), (3, 4, 4)))
    for i, alone in enumerate(batch):
        np.testing.assert_allclose(together[0][i], formula(alone), rtol=1e-14, atol=1e-14)
        np.testing.assert_allclose(together[1][i], formula.tangent(alone, np.eye(4))[1], rtol=1e-13, atol=1e-13)


UNARY = (np.sin, np.cos, np.tanh, np.exp, lambda a: a * a, lambda a: -a, lambda a: 1 / (1 + a * a), np.arctan, np.abs)
BINARY = (np.add, np.subtract, np.multiply, np.maximum, np.hypot, lambda a, b: np.where(a < b, a * b, a - b))


@st.composite
def expressions(draw):
    """A list of operations on earlier results."""
    return draw(
        st.lists(
            st.tuples(st.booleans(), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50)),
            min_size=1,
            max_size=12,
        )
    )


@settings(max_examples=60, deadline=None)
@given(expressions(), st.integers(0, 1000))
def test_any_formula_has_the_derivative_of_autodiff(operations, seed):
    torch = pytest.importorskip("torch")

    def build(x, unary, binary):
        values = [x[0], x[1], x[2]]
        for one, which, i, j in operations:
            a, b = values[i % len(values)], values[j % len(values)]
            values.append(unary[which % len(unary)](a) if one else binary[which % len(binary)](a, b))
        return values[-3:]

    of_torch = (torch.sin, torch.cos, torch.tanh, torch.exp, *UNARY[4:7], torch.arctan, torch.abs)
    pairs = (
        torch.add,
        torch.subtract,
        torch.multiply,
        torch.maximum,
        torch.hypot,
        lambda a, b: torch.where(a < b, a * b, a - b),
    )
    x = np.random.default_rng(seed).normal(size=3)
    jacobian = torch.func.jacfwd(lambda x: torch.stack(build(x, of_torch, pairs)))(torch.from_numpy(x)).numpy()
    if not np.isfinite(jacobian).all() or abs(jacobian).max() > 1e8:
        return
    f = Formula(lambda x: build(x, UNARY, BINARY))
    scale = 1e-12 * max(1.0, abs(jacobian).max())
    np.testing.assert_allclose(f.tangent(x, np.eye(3))[1], jacobian, rtol=1e-9, atol=scale)
    np.testing.assert_allclose(f.cotangent(x, np.eye(3)), jacobian.T, rtol=1e-9, atol=scale)


GENERATOR = np.random.default_rng(0)


def assigned(x):
    x[0] = 1.0
    return x


def zeros_by_index(x):
    y = np.zeros(2)
    y[0] = x[0]
    return y


def counted_calls():
    count = 0

    def f(x):
        nonlocal count
        count += 1
        return x * (1 if count < 3 else 2)

    return f


def swallowed(x):
    try:
        n = float(x[0])
    except TypeError:
        n = 0.0
    return x + n


def forgotten(x):
    x * 2


REFUSED = {
    "a counter": (counted_calls(), "what changes is an input"),
    "an exception that is caught": (swallowed, "takes a value for a number"),
    "no return": (forgotten, "returns, nothing"),
    "a dictionary": (lambda x: {"x": x}, "returns, dict"),
    "an integer": (lambda x, n=2: np.roll(x, n), "annotate a parameter that is one, n: int"),
    "an index": (lambda x, n=1: x * x[n], "annotate a parameter that is an integer, n: int"),
    "into another array": (lambda x: np.cumsum(x, out=x * 1.0), "assign the result"),
    "written elsewhere": (lambda x: np.copyto(x, 1.0) or x, "np.copyto cannot be traced: take y"),
    "a part of a sum": (lambda x: x * np.sum(x, where=x > 0), "initial, where or out"),
    "a spectral norm": (lambda x: x * np.linalg.norm(np.outer(x, x), 2), "ord=2 cannot be traced"),
    "whole numbers": (lambda x: np.zeros_like(x, dtype=int) + x, "stay with float64"),
    "an axis too many": (lambda x: x + np.sum(x, axis=1), "axis 1 is out of bounds"),
    "torch": (lambda x: x * torch.ones(2), "mixes numpy and torch|fails on symbols"),
    "array and minimum": (lambda x: np.minimum(np.array([x[0], x[1]]), 0.5), r"np\.stack\(\[x\[0\]"),
    "a part of it in place": (lambda x: assigned(x[1:]), r"x = x\.copy\(\)"),
    "math": (lambda x: np.array([math.sin(x[0]), x[1]]), r"math\.sin .* take np\.sin"),
    "branch": (lambda x: x if x[0] > 0 else -x, r"take np\.where"),
    "python's max": (lambda x: np.stack([max(x[0], x[1]), x[0]]), r"np\.maximum"),
    "zeros by index": (zeros_by_index, r"np\.stack\(\[\.\.\.\]\), np\.zeros_like"),
    "changes its argument": (assigned, r"x = x\.copy\(\)"),
    "random": (lambda x: x + np.random.normal(), "noise is an input"),  # noqa: NPY002
    "generator": (lambda x: x + GENERATOR.normal(), "noise is an input"),
    "python's random": (lambda x: x + random.random(), "noise is an input"),
    "clock": (lambda x: x + time.perf_counter(), "what changes is an input"),
    "sorting": (lambda x: np.sort(x), r"np\.where"),
    "places": (lambda x: x[np.where(x > 0)[0]], r"np\.where\(condition, a, b\)"),
    "index by value": (lambda x: COUPLING[x > 0], "boolean|index|where"),
    "integers": (lambda x: x.astype(int), "stay with real numbers"),
    "a number": (lambda x: x[0], "must return a vector"),
    "a matrix": (lambda x: np.outer(x, x), "must return a vector"),
    "linear solver": (lambda x: np.linalg.solve(np.outer(x, x) + np.eye(2), x), "cannot be traced"),
    "complex": (lambda x: x * 1j, "complex|real"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_traced_says_what_to_write(name):
    f, words = REFUSED[name]
    with pytest.raises(NotTraceable, match=words):
        Formula(f)(np.array([0.3, 0.4]))
