"""Sequences, residual networks, neural ODEs and transformers have the exponents of their whole Jacobians."""

from copy import deepcopy
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import jacrev, vmap

from cocycle import (
    LINEAR,
    RELU,
    Composed,
    Flow,
    Layer,
    Residual,
    VectorField,
    feedforward,
    finite_time_exponents,
    frame,
    ftle,
    lyapunov_spectrum,
    orbit,
)
from cocycle.networks import Cell, Pointwise

KINDS = {
    "rnn": lambda: nn.RNN(2, 5),
    "relu": lambda: nn.RNN(2, 5, nonlinearity="relu", bias=False),
    "gru": lambda: nn.GRU(2, 5),
    "lstm": lambda: nn.LSTM(2, 5),
}


@pytest.mark.filterwarnings("ignore:factors from number 3")  # of the relu network, whose units are off now and then
@pytest.mark.parametrize("kind", KINDS)
def test_through_time(kind):
    """States are torch's own, and the exponents after T inputs those of the Jacobian of the state then."""
    torch.manual_seed(4)
    module = KINDS[kind]().double()
    u = torch.randn(12, 2, dtype=torch.float64)
    lstm = isinstance(module, nn.LSTM)

    def last(state):
        h, c = (state[None, :5], state[None, 5:])
        _, after = module(u, (h, c) if lstm else h)
        return torch.cat([after[0][0], after[1][0]]) if lstm else after[0]

    state = 0.1 * torch.randn(10 if lstm else 5, dtype=torch.float64)
    steps = list(Cell.of(module).driven(u))
    *_, end = orbit(steps, state)
    torch.testing.assert_close(end, last(state).detach(), rtol=1e-12, atol=1e-14)
    # torch's fused cells have no batched derivatives: one row after the other
    jacobian = torch.autograd.functional.jacobian(last, state)
    sizes = torch.linalg.svdvals(jacobian).log()
    torch.testing.assert_close(ftle(steps, state).log_factors, sizes[0], rtol=0, atol=1e-10)
    compare(finite_time_exponents(steps, state, frame(state, len(state))).log_factors, sizes)


def compare(found, expected):
    """Where brute force is exact to 1e-10: rounding is 1e-16 of the largest factor there, not of each."""
    seen = expected > expected[0] - 11
    assert seen.sum() >= 2
    torch.testing.assert_close(found[seen], expected[seen], rtol=0, atol=1e-10)


def test_modules_that_are_no_map_from_one_time_to_the_next():
    with pytest.raises(ValueError, match="module must have one direction"):
        Cell.of(nn.RNN(2, 3, bidirectional=True))
    with pytest.raises(ValueError, match="module must have no projection, proj_size=0; got proj_size=2"):
        Cell.of(nn.LSTM(2, 3, proj_size=2))
    with pytest.raises(TypeError, match="module must be a torch RNN, GRU or LSTM; got Linear"):
        Cell.of(nn.Linear(2, 3))


class Vortex(VectorField):
    """x' = tanh(W x)."""

    def __init__(self, weight):
        self.layer = Layer(weight)

    def __call__(self, x):
        return self.layer(x)

    def tangent(self, x, q):
        return self.layer.tangent(x, q)


def test_exponents_per_depth_converge_as_layers_are_refined(rng):
    """Residual layers are Euler steps of a neural ODE: the error halves with each doubling of the depth."""
    weight, depth, x = rng.normal(size=(4, 4)), 3.0, rng.normal(size=(6, 4))
    exact = ftle([Flow(Vortex(weight), depth, substeps=400)], x).exponents
    errors = []
    for layers in (64, 128, 256, 512):
        steps = [Residual(Layer(weight), depth / layers)] * layers
        errors.append(abs(ftle(steps, x).exponents - exact).max())
    for coarse, fine in pairwise(errors):
        assert coarse / fine == pytest.approx(2, abs=0.15)


def brute_force(net, shape, x):
    """ln of the singular values of the whole Jacobian, by reverse differentiation of one input at a time."""
    rows = [torch.autograd.functional.jacobian(lambda z: net(z.reshape(1, *shape)).ravel(), one) for one in x]
    return torch.stack([torch.linalg.svdvals(row).log() for row in rows])


def test_transformer_blocks():
    torch.manual_seed(5)
    block = {"d_model": 4, "nhead": 2, "dim_feedforward": 8, "batch_first": True}
    net = nn.Sequential(
        nn.TransformerEncoderLayer(**block),
        nn.TransformerEncoderLayer(**block, norm_first=True, activation="gelu"),
        nn.Flatten(),
        nn.Linear(12, 3),
    )
    net, x = net.double().eval(), torch.randn(4, 12, dtype=torch.float64)
    steps = feedforward(net, (3, 4))
    assert len(steps) == 3
    torch.testing.assert_close(ftle(steps, x).log_factors, brute_force(net, (3, 4), x)[:, 0], rtol=0, atol=1e-10)
    with pytest.warns(UserWarning, match="factors from number 10 on cannot be known in 4 of 4"):  # three means are lost
        factors = finite_time_exponents(steps[:2], x, frame(x, 12)).log_factors
    for found, expected in zip(factors, brute_force(net[:2], (3, 4), x), strict=True):
        compare(found, expected)


class Block(nn.Module):
    """x + W₂ relu(W₁ x), as residual networks have it."""

    def __init__(self, width):
        super().__init__()
        self.inner, self.outer = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x):
        return x + self.outer(torch.relu(self.inner(x)))


def test_residual_blocks_of_ones_own_and_of_maps():
    """The same network as a torch module, which is differentiated, and as maps, whose tangents are analytic."""
    torch.manual_seed(6)
    blocks = [Block(3).double() for _ in range(4)]
    net, x = nn.Sequential(*blocks).eval(), torch.randn(7, 3, dtype=torch.float64)
    found = ftle(feedforward(net, (3,)), x)
    expected = torch.linalg.svdvals(vmap(jacrev(net))(x))[:, 0].log().detach()
    torch.testing.assert_close(found.log_factors, expected, rtol=0, atol=1e-12)
    by_hand = [Residual(inner_and_outer(block)) for block in blocks]
    torch.testing.assert_close(ftle(by_hand, x).log_factors, expected, rtol=0, atol=1e-12)


def inner_and_outer(block):
    w = {name: value.detach() for name, value in block.named_parameters()}
    return Composed(
        (Layer(w["inner.weight"], w["inner.bias"], RELU), Layer(w["outer.weight"], w["outer.bias"], LINEAR))
    )


def test_euler_step_needs_a_time():
    with pytest.raises(ValueError, match="dt must be positive; got 0"):
        Residual(Pointwise(), 0)


def test_cells_in_single_precision_take_what_rest_gives():
    """States are in the cell's precision, which thresholds have to know: agreement to that."""
    torch.manual_seed(1)
    module = nn.LSTM(3, 5)
    u = np.random.default_rng(2).normal(size=(40, 3))
    single, double = Cell.of(module), Cell.of(deepcopy(module).double())
    assert single.rest().dtype == np.float32
    found = [
        lyapunov_spectrum(cell.driven(u), cell.rest(), frame(cell.rest(), 2)).exponents for cell in (single, double)
    ]
    np.testing.assert_allclose(*found, rtol=1e-4)
