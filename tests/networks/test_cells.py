"""Cells have torch's values, analytic tangents of any number of layers, and gradients with respect to their weights."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn

from cocycle import adjoint, finite_time_exponents, frame, lyapunov_spectrum, orbit, trajectory
from cocycle.networks import Cell
from cocycle.networks.recurrence import Recurrence

KINDS = [nn.RNN, nn.GRU, nn.LSTM]
CELLS = [nn.RNNCell, nn.GRUCell, nn.LSTMCell]


def module_of(kind, layers=3, **options):
    torch.manual_seed(1)
    return kind(2, 4, layers, **options).double()


def outputs(module, u):
    with torch.no_grad():
        return module(u)[0]


@pytest.mark.parametrize("kind", KINDS)
def test_several_layers_are_those_of_torch(kind):
    """Outputs over a batch of sequences, and the product of tangents beside the Jacobian of torch's own module."""
    module = module_of(kind)
    cell, u = Cell.of(module), torch.randn(15, 5, 2, dtype=torch.float64)
    states = trajectory(cell.driven(u.numpy()), cell.rest((5,)))
    np.testing.assert_allclose(states[..., cell.hidden], outputs(module, u), rtol=0, atol=1e-14)

    def last(state):
        parts = state.reshape(3, 1, -1)
        if kind is nn.LSTM:
            h, c = module(u[:8, 0, None], tuple(part.contiguous() for part in parts.chunk(2, -1)))[1]
            return torch.cat([h, c], -1).ravel()
        return module(u[:8, 0, None], parts)[1].ravel()

    start = 0.1 * torch.randn(cell.dimension, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(last, start)
    steps, q = list(cell.driven(u[:8, 0])), torch.eye(cell.dimension, dtype=torch.float64)
    x = start
    for f in steps:
        x, q = f.tangent(x, q)
    torch.testing.assert_close(q.detach(), jacobian, rtol=0, atol=1e-13)
    forward = finite_time_exponents(steps, start, frame(start, 3)).log_factors
    assert torch.isfinite(forward).all()


@pytest.mark.parametrize("kind", KINDS)
def test_batch_first_changes_nothing_here(kind):
    module, other = module_of(kind), module_of(kind, batch_first=True)
    u = np.random.default_rng(1).normal(size=(6, 3, 2))
    found = [trajectory(Cell.of(m).driven(u), Cell.of(m).rest((3,))) for m in (module, other)]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_covectors_are_pulled_back_by_the_transpose(kind, layers):
    cell, rng = Cell.of(module_of(kind, layers)), np.random.default_rng(2)
    for f, n in ((next(cell.driven(rng.normal(size=(1, 3, 2)))), cell.dimension), (cell.joint, 2 + cell.dimension)):
        x, q = rng.normal(size=(3, n)), rng.normal(size=(3, n, 4))
        p = rng.normal(size=(3, cell.dimension, 5))
        pushed, pulled = f.tangent(x, q)[1], f.cotangent(x, p)
        np.testing.assert_allclose(p.mT @ pushed, pulled.mT @ q, rtol=0, atol=1e-13)


def test_adjoint_exponents_are_the_same():
    cell = Cell.of(module_of(nn.LSTM))
    x = cell.rest()
    steps = list(cell.driven(np.random.default_rng(3).normal(size=(6, 2))))
    *_, y = orbit(steps, x)
    n = cell.dimension
    forward = finite_time_exponents(steps, x, frame(x, n)).log_factors
    backward = finite_time_exponents(adjoint(steps, x), 0 * y, frame(y, n)).log_factors
    np.testing.assert_allclose(backward, forward, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_with_respect_to_weights(kind):
    """Of exponents, beside central differences, whose error with h = 1e-5 is of order h² + eps / h."""
    module = module_of(kind, 2)
    u = torch.randn(12, 2, dtype=torch.float64)
    x = 0.1 * torch.ones(Cell.of(module).dimension, dtype=torch.float64)

    def exponents():
        maps = list(Cell.of(module).driven(u))
        long = lyapunov_spectrum(maps, x, frame(x, 2)).exponents
        return long.sum() + finite_time_exponents(maps, x, frame(x, 2)).exponents[0]

    total = exponents()
    gradients = torch.autograd.grad(total, list(module.parameters()))
    rng = np.random.default_rng(4)
    for weight, gradient in zip(module.parameters(), gradients, strict=True):
        direction = torch.as_tensor(rng.normal(size=tuple(weight.shape)))
        values = []
        for h in (1e-5, -1e-5):
            with torch.no_grad():
                weight += h * direction
                values.append(float(exponents()))
                weight -= h * direction
        difference = (values[0] - values[1]) / 2e-5
        assert float((gradient * direction).sum()) == pytest.approx(difference, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("make", [module_of, lambda kind: hooked(kind)])
@pytest.mark.parametrize("index", range(3))
def test_what_is_followed(make, index):
    """Weights are in torch's graph for torch inputs, unless it is off, and never for numpy inputs."""
    cell = Cell(make(KINDS[index] if make is module_of else CELLS[index]))
    u, x = np.ones((1, 2)), cell.rest()
    assert isinstance(next(cell.driven(u))(x), np.ndarray)
    with torch.no_grad():
        assert not next(cell.driven(torch.as_tensor(u)))(torch.as_tensor(x)).requires_grad
    assert next(cell.driven(torch.as_tensor(u)))(torch.as_tensor(x)).requires_grad
    _, s = next(cell.driven(torch.as_tensor(u))).tangent(torch.as_tensor(x), torch.as_tensor(frame(x, 2)))
    assert s.requires_grad


def hooked(kind):
    torch.manual_seed(2)
    cell = kind(2, 4).double()
    cell.register_forward_hook(lambda m, inputs, y: y)
    return cell


@pytest.mark.parametrize("kind", CELLS)
def test_other_cells_are_differentiated_automatically(kind):
    """A cell with a hook that does nothing, and a subclass, agree with the formulas."""
    plain, other = hooked(kind), hooked(kind)
    plain._forward_hooks.clear()
    own = type("Own", (kind,), {})(2, 4).double()
    own.load_state_dict(plain.state_dict())
    u, x = np.random.default_rng(5).normal(size=(1, 3, 2)), 0.3 * np.ones((3, Cell(plain).dimension))
    q = frame(x, 2)
    f = next(Cell(plain).driven(u))
    assert isinstance(f, Recurrence)
    for cell in (other, own):
        g = next(Cell(cell).driven(u))
        assert not isinstance(g, Recurrence)
        for mine, theirs in zip(f.tangent(x, q), g.tangent(x, q), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-14)


def test_maps_keep_the_weights_they_were_made_with():
    module = module_of(nn.GRU)
    cell = Cell.of(module)
    f, x = next(cell.driven(np.ones((1, 2)))), cell.rest()
    before = f(x)
    with torch.no_grad():
        module.weight_hh_l0 += 1
        module.weight_ih_l0 += 1
    np.testing.assert_array_equal(f(x), before)
    assert abs(next(cell.driven(np.ones((1, 2))))(x) - before).max() > 0.01


def test_inputs_and_states_of_other_kinds():
    """The state decides: numpy for numpy, torch for torch, in the precision of the module."""
    cell, rng = Cell(nn.LSTM(2, 4, 2)), np.random.default_rng(6)
    u, x = rng.normal(size=(1, 2)), rng.normal(size=16)
    expected = next(cell.driven(u))(x)
    assert expected.dtype == np.float32
    mixed = next(cell.driven(torch.as_tensor(u)))(x), next(cell.driven(u))(torch.as_tensor(x)).numpy()
    for found in mixed:
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", CELLS)
def test_large_products_are_computed_by_torch(kind, monkeypatch):
    torch.manual_seed(7)
    cell, rng = Cell(kind(2, 4).double()), np.random.default_rng(7)
    x, q = rng.normal(size=(3, cell.dimension)), rng.normal(size=(3, cell.dimension, 2))
    f = next(cell.driven(rng.normal(size=(1, 3, 2))))
    expected = f.tangent(x, q)
    monkeypatch.setattr("cocycle.networks.recurrence.LARGE", 1)
    for mine, theirs in zip(f.tangent(x, q), expected, strict=True):
        assert isinstance(mine, np.ndarray)
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-15)


def test_bad_weights_and_modes():
    module = nn.LSTM(2, 4, 2, dropout=0.1)
    cell = Cell.of(module)
    with pytest.raises(ValueError, match=r"evaluation mode, module\.eval\(\): it has dropout=0\.1"):
        cell.driven(np.ones((3, 2)))
    module.eval()
    cell.driven(np.ones((3, 2)))
    with pytest.raises(ValueError, match="x must have dimension 16 for this cell"):
        next(cell.driven(np.ones((3, 2))))(np.ones(8))
    with pytest.raises(ValueError, match=r"single or double precision, cell\.float\(\); weight_ih_l0 is torch.float16"):
        Cell(deepcopy(module).half()).driven(np.ones((3, 2)))
    with torch.no_grad():
        module.weight_hh_l1[0, 0] = np.nan
    with pytest.raises(ValueError, match=r"cell\.weight_hh_l1 must be finite; got 1"):
        cell.driven(np.ones((3, 2)))
