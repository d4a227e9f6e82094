"""Every operation gives the same on plain floats, arrays, tensors and in compiled loops, whatever its operands are."""

from itertools import product

import numpy as np
import pytest

from cocycle.formulas import Formula, kernels
from cocycle.formulas.graph import INFIX, LOGICAL, OPERATIONS
from cocycle.formulas.kernels import OrbitKernel

UNARY = (
    *(
        "sin",
        "cos",
        "tan",
        "arcsin",
        "arccos",
        "arctan",
        "sinh",
        "cosh",
        "tanh",
        "arcsinh",
        "arccosh",
        "arctanh",
        "exp",
    ),
    *("expm1", "log", "log2", "log10", "log1p", "sqrt", "cbrt", "floor", "ceil", "trunc", "rint", "sign", "abs"),
    *("negative", "logical_not", "square", "reciprocal", "exp2", "deg2rad", "positive", "fix", "sinc", "conjugate"),
)
BINARY = (
    *(
        *INFIX,
        "arctan2",
        "hypot",
        "minimum",
        "maximum",
        "mod",
        "fmod",
        "power",
        "copysign",
        "logical_and",
        "logical_or",
    ),
    *("floor_divide", "greater", "not_equal", "heaviside", "fmax", "fmin", "logaddexp", "logical_xor", "float_power"),
)
VALUES = (0.0, -0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 1000.0, -0.5, -1.0, -2.5, 0.1, 0.7)
KINDS = {
    "a variable": lambda a, b: (a, b),
    "a constant behind": lambda a, b: (a, 0.1),
    "a constant before": lambda a, b: (0.1, b),
    "nought behind": lambda a, b: (a, 0.0),
    "a truth value behind": lambda a, b: (a, b > 0),
    "a truth value before": lambda a, b: (a > 0.2, b),
    "truth values": lambda a, b: (a > 0.2, b > 0.2),
}


def test_all_operations_are_tested():
    assert set(OPERATIONS) - {"where"} <= {*UNARY, *BINARY}
    assert set(LOGICAL) <= {*UNARY, *BINARY}


def everywhere(f, pairs):
    """f of pairs of numbers (m, 2): by numpy itself, and by a formula on floats, arrays, tensors and compiled."""
    torch = pytest.importorskip("torch")
    formula = Formula(f)
    expected = np.array([np.stack(f(pair)).astype(float) for pair in pairs])
    found = {
        "floats": np.array([formula(pair) for pair in pairs]),
        "arrays": formula(pairs),
        "tensors": formula(torch.from_numpy(pairs)).numpy(),
    }
    loop = kernels.kernel(formula._program(pairs[0]), (), pairs, None, 1)
    if isinstance(loop, OrbitKernel):
        each = [loop(pair[None], 1) for pair in pairs]  # empty where a result is not finite
        found["compiled"] = np.array([got[0, 0] if len(got) else e for got, e in zip(each, expected, strict=True)])
    return expected, found


def compare(f, pairs):
    with np.errstate(all="ignore"):
        expected, found = everywhere(f, pairs)
    for where, values in found.items():
        np.testing.assert_allclose(values, expected, rtol=2e-15, atol=1e-15, err_msg=where)
        assert values.dtype == np.float64


@pytest.fixture(autouse=True)
def _always(monkeypatch):
    monkeypatch.setattr(kernels, "WORTH", 0)


PAIRS = np.array(list(product(VALUES, (0.25, -2.0, 1.0, 0.0, 3.0))))


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_number(name):
    function = getattr(np, name)
    compare(lambda x: (function(x[0]), x[1]), PAIRS[::5])
    compare(lambda x: (function((x[0] > 0.2) * 1.0), x[1]), PAIRS[::5])


# numpy computes with other pairs of truth values in half precision, or in whole numbers of 8 bits
OF_TRUTHS = ("add", "multiply", "minimum", "maximum", "less", "less_equal", "equal", "greater", "not_equal")


PAIRED = [
    (name, kind)
    for name, kind in product(BINARY, KINDS)
    if kind != "truth values" or name in OF_TRUTHS or name.startswith("logical")
]


@pytest.mark.parametrize(("name", "kind"), PAIRED)
def test_functions_of_two_numbers(name, kind):
    function, operands = getattr(np, name), KINDS[kind]
    compare(lambda x: (function(*operands(x[0], x[1])) * 1.0, x[1]), PAIRS)


@pytest.mark.parametrize("condition", [lambda a: a > 0, lambda a: a, lambda a: a * 0.0], ids=["truth", "number", "0"])
@pytest.mark.parametrize("choices", [(0.1, 0.3), (0.1, None), (None, 0.3), (True, False)])
def test_choices(condition, choices):
    def f(x):
        one, other = (x[1] if choice is None else choice for choice in choices)
        return np.where(condition(x[0]), one, other) * 1.0, x[1]

    compare(f, PAIRS)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: (np.sum(x > 0), np.mean(x > 0)),
        lambda x: (np.prod(x > 0), np.max(x > 0.2) * 1.0),
        lambda x: ((x > 0).astype(float).sum(), (x > 0).sum()),
        lambda x: ((x[0] > 0) * (x[0] < 1) * x[0] ** 2, (x[0] > 0) + (x[1] > 0)),
        lambda x: (np.exp((x > 0).astype(float))[0], np.sqrt((x > 0) * 1.0)[1]),
        lambda x: (1 - (x[0] > 0), -(x[1] > 0).astype(float)),
        lambda x: (np.any(x > 0) * 1.0, np.all(x > 0) * x[0]),
        lambda x: ((x[0] > 0) ^ (x[1] > 0), ~(x[0] > 0)),
        lambda x: np.where(np.logical_and(x, x[::-1]), 2.0 * x, x),
    ],
)
def test_truth_values_are_counted(f):
    compare(f, PAIRS)


def test_truth_values_are_not_subtracted():
    with pytest.raises(TypeError, match="subtracts truth values"):
        Formula(lambda x: (x > 0) - (x < 0))(np.array([0.1, 0.2]))


@pytest.mark.parametrize(
    ("f", "x", "derivative"),
    [
        (lambda x: sum(c * x**i for i, c in enumerate([1.0, 2.0, 3.0])), 0.0, 2.0),
        (lambda x: np.where(x > 0, np.sqrt(x), -x), -0.5, -1.0),
        (lambda x: np.where(x > 0, np.log(x), x), 0.0, 1.0),
        (lambda x: np.where(x != 0, np.sin(x) / x, 1.0), 0.0, 0.0),
        (np.sinc, 0.0, 0.0),
        (np.cbrt, 8.0, 1 / 12),
        (lambda x: np.log2(x) + np.log10(x), 2.0, (1 / np.log(2) + 1 / np.log(10)) / 2),
        (lambda x: np.logaddexp(x, 0.0), 0.0, 0.5),
    ],
)
def test_derivatives_that_are_finite_are_found(f, x, derivative):
    formula, state = Formula(f), np.array([x])
    with np.errstate(all="ignore"):
        assert formula.tangent(state, np.eye(1))[1][0, 0] == pytest.approx(derivative, rel=1e-14, abs=1e-15)
        assert formula.cotangent(state, np.eye(1))[0, 0] == pytest.approx(derivative, rel=1e-14, abs=1e-15)
