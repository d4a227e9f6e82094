"""Slopes of what saturates are those of the local field, in both precisions, forwards and backwards, to any order.

Oracle: derivatives of the functions by arithmetic with sixty digits.
"""

import mpmath
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cocycle import Autodiff, feedforward, finite_time_exponents, frame, ftle, lyapunov_spectrum
from cocycle.networks import Cell
from cocycle.slopes import slopes_from_fields

EXACT = {
    nn.Tanh: mpmath.tanh,
    nn.Sigmoid: lambda b: 1 / (1 + mpmath.exp(-b)),
    nn.LogSigmoid: lambda b: -mpmath.log(1 + mpmath.exp(-b)),
    nn.Softplus: lambda b: mpmath.log(1 + mpmath.exp(b)),
    nn.Softsign: lambda b: b / (1 + abs(b)),
    nn.GELU: lambda b: b * mpmath.ncdf(b),
    nn.SiLU: lambda b: b / (1 + mpmath.exp(-b)),
    nn.Mish: lambda b: b * mpmath.tanh(mpmath.log(1 + mpmath.exp(b))),
    nn.ELU: lambda b: b if b > 0 else mpmath.exp(b) - 1,
    nn.CELU: lambda b: b if b > 0 else mpmath.exp(b) - 1,
    nn.Tanhshrink: lambda b: b - mpmath.tanh(b),
}
FIELDS = (-80.0, -30.0, -10.5, -3.3, -0.4, -1e-3, 1e-3, 0.4, 3.3, 10.5, 30.0, 80.0)


def slope(kind, b):
    with mpmath.workdps(120):
        return float(mpmath.diff(EXACT[kind], mpmath.mpf(b)))


def expected(kind, dtype):
    """At the fields as they are in that precision; what is below its smallest number is none of ours."""
    exact = np.array([slope(kind, float(torch.tensor(b, dtype=dtype))) for b in FIELDS])
    return exact, abs(exact) > 100 * torch.finfo(dtype).tiny


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("kind", EXACT)
def test_pointwise_modules_and_functions(kind, dtype):
    """Relative to the slope itself, however small it is: a saturated unit has an exponent."""
    exact, known = expected(kind, dtype)
    b = torch.tensor(FIELDS, dtype=dtype)[:, None]
    module, ones = nn.Sequential(kind()), torch.ones(len(b), 1, 1, dtype=dtype)
    (step,) = feedforward(module, (1,), group=[1])
    for f in (step, Autodiff(kind())):
        for found in (f.tangent(b, ones)[1], f.cotangent(b, ones)):
            # a sum of two, as in b Φ(b), may lose what its terms have in common near -0.75
            error = 100 * torch.finfo(dtype).eps * (1 + abs(np.array(FIELDS)))
            mine = found[:, 0, 0].double().numpy()
            np.testing.assert_array_less(abs(mine - exact)[known], (error * abs(exact))[known] + 1e-300)


def test_values_are_those_of_torch():
    b = torch.tensor(FIELDS, dtype=torch.float64)
    for f in (torch.tanh, torch.sigmoid, F.softsign, F.tanhshrink, F.silu, F.mish, F.logsigmoid, F.gelu, F.softmin):
        options = {"dim": 0} if f is F.softmin else {}
        with slopes_from_fields():
            mine = f(b, **options)
        torch.testing.assert_close(mine, f(b, **options), rtol=1e-15, atol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_softmax_where_one_unit_takes_all(dtype):
    """dp_i = p_i Σ p_j (db_i - db_j): of the largest unit, too, a sum of small terms, not p (1 - p)."""
    b = torch.tensor([[40.0, 1.0, -2.0]], dtype=dtype)
    exact_b = [mpmath.mpf(float(v)) for v in b[0]]
    with mpmath.workdps(80):
        weights = [mpmath.exp(v) for v in exact_b]
        p = [w / sum(weights) for w in weights]
        jacobian = np.array([[float(p[i] * ((i == j) - p[j])) for j in range(3)] for i in range(3)])
        of_log = np.array([[float((i == j) - p[j]) for j in range(3)] for i in range(3)])
    identity = torch.eye(3, dtype=dtype)[None]
    for kind, exact in ((nn.Softmax, jacobian), (nn.LogSoftmax, of_log)):
        f = Autodiff(kind(-1))
        error = 100 * torch.finfo(dtype).eps * abs(exact)
        for found in (f.tangent(b, identity)[1], f.cotangent(b, identity).mT):
            assert (abs(found[0].double().numpy() - exact) <= error).all(), found


def test_derivatives_of_tangents_are_right_too():
    """Exponents can be differentiated: second derivatives, by differences."""
    torch.manual_seed(0)
    x, q = torch.randn(2, 3, dtype=torch.float64, requires_grad=True), torch.randn(2, 3, 2, dtype=torch.float64)
    w = torch.randn(3, 3, dtype=torch.float64)
    for function in (torch.tanh, torch.sigmoid, F.gelu, lambda b: torch.softmax(b, -1), lambda b: F.log_softmax(b, -1)):
        f = Autodiff(lambda x, function=function: function(x @ w))
        torch.autograd.gradcheck(lambda x, f=f: f.tangent(x, q)[1], x)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_attention_that_looks_at_one_token(dtype):
    """A soft-max of scores far apart, inside scaled_dot_product_attention."""
    keys = torch.tensor([[4.0], [0.0]], dtype=dtype)

    def attend(x):  # (*batch, 1) -> (*batch, 1)
        query = x[..., None]
        return F.scaled_dot_product_attention(
            query, keys.expand(*x.shape[:-1], 2, 1), keys.expand(*x.shape[:-1], 2, 1)
        )[..., 0]

    x = torch.tensor([[10.0]], dtype=dtype)  # scores 40 and 0: the slope is 16 p (1 - p)
    found = float(Autodiff(attend).tangent(x, torch.ones(1, 1, 1, dtype=dtype))[1])
    assert found == pytest.approx(16 * np.exp(-40), rel=1e-4)


SATURATED = {"RNNCell": (nn.RNNCell, 1), "GRUCell": (nn.GRUCell, 3), "LSTMCell": (nn.LSTMCell, 4)}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", SATURATED)
def test_saturated_cells_have_finite_exponents(name, dtype):
    """Gates at ±30: torch's own derivatives vanish, those of the fields do not."""
    make, gates = SATURATED[name]
    cell = make(1, 1).to(dtype)
    with torch.no_grad():
        for p in cell.parameters():
            p.fill_(1.0 if p.ndim > 1 else 0.0)
        if gates == 1:
            cell.bias_ih.fill_(15.0)
        elif gates == 3:  # r = 1/2, update open: h' = tanh(field)
            cell.bias_ih.copy_(torch.tensor([0.0, -30.0, 15.0]))
        else:  # input 1, forget 0, output 1/2
            cell.bias_ih.copy_(torch.tensor([0.0, -30.0, 15.0, 0.0]))
    system = Cell(cell)
    state = system.rest()
    found = lyapunov_spectrum(system.driven(np.zeros((40, 1))), state, frame(state, 1), transient=5).exponents[0]
    exact = reference(cell, 45)
    assert found == pytest.approx(exact, abs=0.02)
    assert np.isfinite(found)


def reference(cell, steps):
    """The exponent by a product of 60-digit Jacobians, after five steps."""
    with mpmath.workdps(60):
        return float(_reference(cell, steps))


def _reference(cell, steps):
    sigmoid, tanh, one = (lambda b: 1 / (1 + mpmath.exp(-b))), mpmath.tanh, mpmath.mpf(1)
    bias = [mpmath.mpf(float(b)) for b in cell.bias_ih.detach()]

    def step(*state):
        if isinstance(cell, nn.RNNCell):
            return (tanh(bias[0] + state[0]),)
        if isinstance(cell, nn.GRUCell):
            h = state[0]
            r, z = sigmoid(bias[0] + h), sigmoid(bias[1] + h)
            return ((one - z) * tanh(bias[2] + r * h) + z * h,)
        h, c = state
        i, f, g, o = (b + h for b in bias)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        return sigmoid(o) * tanh(c), c

    lstm = isinstance(cell, nn.LSTMCell)
    state, v, total, count = [mpmath.mpf(0)] * (2 if lstm else 1), None, mpmath.mpf(0), 0
    v = mpmath.matrix([one] * len(state))
    small = mpmath.mpf(10) ** -25
    for t in range(steps):
        columns = []
        for j in range(len(state)):
            moved = [s + small * (i == j) for i, s in enumerate(state)]
            back = [s - small * (i == j) for i, s in enumerate(state)]
            columns.append([(a - b) / (2 * small) for a, b in zip(step(*moved), step(*back), strict=True)])
        jacobian = mpmath.matrix(columns).T
        v, state = jacobian * v, list(step(*state))
        size = mpmath.norm(v)
        v /= size
        if t >= 5:
            total, count = total + mpmath.log(size), count + 1
    return total / count


@pytest.mark.filterwarnings("ignore:factors from number")
@pytest.mark.parametrize(("activation", "depth", "width"), [(nn.Tanh, 80, 28), (nn.Tanh, 80, 10), (nn.ReLU, 30, 28)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_deep_default_networks_in_single_precision(activation, depth, width, seed):
    """With torch's own initial weights: what is called known agrees with double precision."""
    torch.manual_seed(seed)
    single = nn.Sequential(*[part for _ in range(depth) for part in (nn.Linear(width, width), activation())])
    x = torch.randn(5, width)
    with torch.no_grad():
        found = finite_time_exponents(feedforward(single), x, frame(x, width))
        exact = finite_time_exponents(feedforward(single.double()), x.double(), frame(x.double(), width))
    assert (found.known >= (5 if activation is nn.ReLU else width - 1)).all()
    for i, known in enumerate(found.known):
        # a thousandth is what `known` promises of each factor; the jacobians themselves are rounded as much again
        np.testing.assert_allclose(found.log_factors[i, :known], exact.log_factors[i, :known], rtol=0, atol=5e-3)


def test_units_that_are_off_are_told():
    """As many factors are known as there are units on; what rounding leaves of the others is told."""
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(8, 8), nn.ReLU()).double()
    steps, x = feedforward(net), torch.randn(1, 8, dtype=torch.float64)
    on = net[0](x)[0] > 0
    assert 2 <= on.sum() <= 6
    with pytest.warns(UserWarning, match=f"factors from number {on.sum() + 1} on cannot be known in 1 of 1 members"):
        found = finite_time_exponents(steps, x, frame(x, 8))
    assert found.known.tolist() == [on.sum()]
    exact = torch.linalg.svdvals(net[0].weight[on].detach()).log()
    torch.testing.assert_close(found.log_factors[0, : on.sum()], exact, rtol=0, atol=1e-12)


def test_fields_in_single_precision_keep_small_factors():
    net = nn.Sequential(nn.Linear(1, 1), nn.Sigmoid()).requires_grad_(False)
    net[0].weight.fill_(1)
    net[0].bias.fill_(0)
    x = torch.tensor([[30.0]])
    assert float(ftle(feedforward(net), x).log_factors) == pytest.approx(-30, abs=1e-5)
    assert float(finite_time_exponents(feedforward(net), x, frame(x, 1)).log_factors) == pytest.approx(-30, abs=1e-5)


def test_a_sigmoid_at_rest_can_be_differentiated():
    from cocycle.networks import SIGMOID

    b = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(torch.autograd.grad(SIGMOID.value(b).sum(), b)[0], torch.full_like(b, 0.25))


def test_functions_that_torch_cannot_differentiate_forwards_can_be_followed():
    """The Jacobian by rows keeps the graph, and does not take a NaN for randomness."""
    from module_kinds import Backward

    f = Autodiff(Backward.apply)
    x = torch.tensor([[0.5, float("nan")], [1.0, 2.0]], dtype=torch.float64)
    y, s = f.tangent(x, torch.eye(2, dtype=torch.float64).expand(2, 2, 2))
    torch.testing.assert_close(s[1], torch.diag(torch.tensor([3.0, 12.0], dtype=torch.float64)))
    assert torch.isnan(y[0, 1])


@pytest.mark.parametrize("kind", [nn.ELU, nn.CELU, nn.SELU])
def test_saturated_units_that_work_in_place(kind):
    """torch computes their derivative from the output, which is -1 there."""
    b, ones = torch.tensor([[-45.0]], dtype=torch.float64), torch.ones(1, 1, 1, dtype=torch.float64)
    (step,) = feedforward(nn.Sequential(kind(inplace=True)), (1,))
    exact = np.exp(-45.0) * (1.0507009873554805 * 1.6732632423543772 if kind is nn.SELU else 1)
    name = kind.__name__.lower()
    in_place = getattr(F if kind is nn.ELU else torch, name + "_")
    functions = (in_place, lambda x: getattr(F, name)(x, inplace=True))
    for f in (step, *map(Autodiff, functions)):
        assert float(f.tangent(b, ones)[1]) == pytest.approx(exact, rel=1e-12)
        assert float(f.cotangent(b, ones)) == pytest.approx(exact, rel=1e-12)
    assert float(Autodiff(torch.expm1).tangent(b, ones)[1]) == pytest.approx(np.exp(-45.0), rel=1e-12)
