"""Finite-time factors are the singular values of the product, all of them, at any width, over hundreds of decades."""

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cocycle import Composed, Layer, Linear, feedforward, finite_time_exponents, frame


def exact(matrices):
    """u, ln s, v of the product by arithmetic with as many digits as the product has decades, and twenty more."""
    decades = sum(float(np.log10(np.linalg.cond(m))) for m in matrices)
    with mpmath.workdps(int(decades) + 40):
        product = mpmath.matrix(matrices[0].tolist())
        for m in matrices[1:]:
            product = mpmath.matrix(m.tolist()) * product
        u, s, v = mpmath.svd_r(product)
        return np.array(u.tolist(), float), np.array([float(mpmath.log(a)) for a in s]), np.array(v.tolist(), float).T


def tolerance(matrices):
    """Rounding of each map is worth its condition number, and they add up."""
    return 10 * np.finfo(float).eps * sum(np.linalg.cond(m) for m in matrices)


def random_matrices(rng, length, n):
    return list(rng.normal(size=(length, n, n)))


PRODUCTS = {
    "one matrix": lambda rng: random_matrices(rng, 1, 6),
    "200 Gaussian": lambda rng: random_matrices(rng, 200, 4),
    "20 wide": lambda rng: random_matrices(rng, 20, 10),
    "ascending": lambda rng: [np.diag([1e-5, 1.0, 1e5])] * 100,
    "ill-conditioned": lambda rng: [a @ np.diag([1, 1e-4, 1e-8]) for a in random_matrices(rng, 60, 3)],
    "degenerate": lambda rng: [1.3 * np.linalg.qr(a)[0] for a in random_matrices(rng, 40, 5)],
    "some equal": lambda rng: [np.diag([1.0, 2.0, 2.0, 2.0, 0.1])] * 50,
}


@pytest.mark.parametrize("kind", PRODUCTS)
@pytest.mark.parametrize("library", [np.asarray, torch.as_tensor])
def test_all_factors_to_high_relative_accuracy(kind, library, rng):
    matrices = PRODUCTS[kind](rng)
    x = np.zeros(matrices[0].shape[1])
    found = finite_time_exponents(
        [Linear(library(w)) for w in matrices], library(x), library(frame(x, len(x)))
    ).log_factors
    bound = max(tolerance(matrices), 1e-11)  # for torch a group of close factors keeps eleven digits
    np.testing.assert_allclose(np.asarray(found), exact(matrices)[1], rtol=0, atol=bound)


@pytest.mark.parametrize("kind", ["one matrix", "200 Gaussian", "20 wide", "ill-conditioned"])
def test_directions_at_input_and_output(kind, rng):
    matrices = PRODUCTS[kind](rng)
    x = np.zeros(matrices[0].shape[1])
    found = finite_time_exponents([Linear(w) for w in matrices], x, frame(x, len(x)))
    u, _, v = exact(matrices)
    gaps = abs(np.diff(found.log_factors)).min()  # a direction is as sure as its factor is apart from the next
    for mine, theirs in ((found.right, v), (found.left, u)):
        np.testing.assert_allclose(
            abs((mine * theirs).sum(0)), 1, rtol=0, atol=(tolerance(matrices) / min(gaps, 1)) ** 2 + 1e-13
        )
    np.testing.assert_allclose(found.exponents, found.log_factors / len(matrices))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.lists(st.integers(1, 6), min_size=1, max_size=6), st.integers(0, 2**32))
def test_any_widths(inputs, widths, seed):
    """J right_i = Λ_i left_i, and the factors are the singular values, whatever the layers' widths."""
    rng, n = np.random.default_rng(seed), inputs
    network = []
    for p in widths:
        network.append(Layer(rng.normal(size=(p, n)) / n**0.5, rng.normal(size=p) / 2))
        n = p
    x = rng.normal(size=(2, inputs))
    found = finite_time_exponents(network, x, frame(x, inputs))
    jacobian = Composed(network).tangent(x, np.stack([np.eye(inputs)] * 2))[1]
    m = min(inputs, *widths)
    assert found.log_factors.shape == (2, m)
    largest = np.exp(found.log_factors.max())
    exact_factors = np.linalg.svd(jacobian, compute_uv=False)[:, :m]
    np.testing.assert_allclose(np.exp(found.log_factors), exact_factors, rtol=0, atol=1e-13 * largest + 1e-300)
    np.testing.assert_allclose(
        jacobian @ found.right,
        found.left * np.exp(found.log_factors)[:, None, :],
        rtol=0,
        atol=1e-13 * largest + 1e-300,
    )


def test_a_batch_gives_what_its_members_give(rng):
    network = [Layer(rng.normal(size=(4, 3))), Layer(rng.normal(size=(4, 4))), Layer(rng.normal(size=(2, 4)))]
    x = rng.normal(size=(2, 5, 3))
    together = finite_time_exponents(network, x, frame(x, 3, rng=1))
    alone = finite_time_exponents(network, x[1, 3], frame(x, 3, rng=1)[1, 3])
    np.testing.assert_allclose(together.log_factors[1, 3], alone.log_factors, rtol=0, atol=1e-13)
    np.testing.assert_allclose(abs(together.right[1, 3]), abs(alone.right), rtol=0, atol=1e-10)


def test_torch_factors_can_be_differentiated(rng):
    weights = [torch.tensor(rng.normal(size=s), requires_grad=True) for s in [(4, 3), (3, 4)]]
    x = torch.tensor(rng.normal(size=(2, 3)))
    torch.autograd.gradcheck(
        lambda *w: finite_time_exponents([Layer(a) for a in w], x, frame(x, 3)).log_factors[..., :2],
        weights,
        eps=1e-6,
        atol=1e-6,
    )


def test_members_of_a_batch_that_are_not_finite_leave_the_others_intact():
    steps, x = [Linear(np.diag([2.0, 3.0]))] * 2, np.zeros((2, 2))
    both = finite_time_exponents(steps, x, np.stack([np.eye(2), np.full((2, 2), np.nan)])).log_factors
    np.testing.assert_allclose(both[0], np.log([9, 4]))
    assert np.isnan(both[1]).all()
    with pytest.raises(ArithmeticError, match="must stay finite"):
        finite_time_exponents(steps, x[0], np.full((2, 2), np.nan))


def test_hundreds_of_decades_do_not_overflow():
    x = np.zeros(2)
    found = finite_time_exponents([Linear(np.diag([1e200, 1e195]))] * 5, x, frame(x, 2)).log_factors
    np.testing.assert_allclose(found, 5 * np.log([1e200, 1e195]), rtol=1e-9)


def test_narrow_layers_leave_as_many_factors_as_they_have_units(rng):
    wide, narrow = rng.normal(size=(5, 2)), rng.normal(size=(1, 5))
    x = np.zeros((4, 2))
    found = finite_time_exponents([Linear(wide), Linear(narrow)], x, frame(x, 2)).log_factors
    assert found.shape == (4, 1)
    np.testing.assert_allclose(found[:, 0], np.log(np.linalg.norm(narrow @ wide)), rtol=1e-12)


def test_dead_layer():
    x = np.ones((3, 2))
    found = finite_time_exponents([Layer(np.zeros((2, 2))), Layer(np.eye(2))], x, frame(x, 2)).log_factors
    np.testing.assert_array_equal(found, np.full((3, 2), -np.inf))


def test_deep_network_against_the_full_jacobian():
    torch.manual_seed(4)
    network = nn.Sequential(
        *[
            nn.Linear(2, 20),
            nn.Tanh(),
            nn.Linear(20, 20),
            nn.ReLU(),
            nn.Linear(20, 20, bias=False),
            nn.Softplus(),
        ],
        *[nn.Linear(20, 2), nn.Tanh()],
    ).double()
    x = torch.randn(7, 2, dtype=torch.float64)
    found = finite_time_exponents(feedforward(network), x, frame(x, 2)).log_factors
    jacobians = torch.func.vmap(torch.func.jacrev(network))(x)
    torch.testing.assert_close(found, torch.linalg.svdvals(jacobians).log().detach(), rtol=1e-10, atol=1e-10)


def test_bad_input():
    with pytest.raises(ValueError, match="at least one map"):
        finite_time_exponents([], np.zeros(2), np.eye(2))
    with pytest.raises(ValueError, match="q must have shape"):
        finite_time_exponents([Linear(np.eye(2))], np.zeros(2), np.eye(3))


def test_gradients_where_all_directions_are_stretched_alike():
    """An orthogonal layer: the two factors are equal, their sum is the logarithm of the determinant."""
    w = torch.eye(2, dtype=torch.float64, requires_grad=True)
    x = torch.zeros(3, 2, dtype=torch.float64)
    finite_time_exponents([Linear(w)], x, frame(x, 2)).log_factors.sum().backward()
    torch.testing.assert_close(w.grad, 3 * torch.eye(2, dtype=torch.float64))


def test_an_empty_batch_is_refused():
    with pytest.raises(ValueError, match=r"x must hold at least one state; got shape \(0, 2\)"):
        finite_time_exponents([Linear(np.eye(2))], np.zeros((0, 2)), np.zeros((0, 2, 2)))


def test_members_with_maps_of_their_own_are_not_taken_apart(rng):
    """More members than go through at once, each with its matrix."""
    weights = rng.normal(size=(6000, 8, 8))
    x = np.zeros((6000, 8))
    found = finite_time_exponents([Linear(weights)], x, frame(x, 8)).log_factors
    np.testing.assert_allclose(found, np.log(np.linalg.svd(weights, compute_uv=False)), rtol=0, atol=1e-9)


def test_thresholds_follow_the_precision_of_the_maps():
    """A network in single precision, given arrays in double: groups of maps as for single ones."""
    torch.manual_seed(0)
    net = nn.Sequential(*[nn.Linear(2, 2, bias=False) for _ in range(24)])
    with torch.no_grad():
        for layer in net:
            layer.weight.copy_(torch.diag(torch.tensor([3.0, 0.3])))
    x = np.random.default_rng(0).normal(size=(3, 2))
    found = finite_time_exponents(feedforward(net), x, frame(x, 2)).log_factors
    np.testing.assert_allclose(found, np.log([[3.0, 0.3]] * 3) * 24, rtol=0, atol=1e-4)
