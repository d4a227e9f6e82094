"""Trained torch models that are fed their own output have the exponents of the whole loop's Jacobian."""

from itertools import repeat

import numpy as np
import pytest
import torch
from torch import nn

from cocycle import finite_time_exponents, frame, lyapunov_spectrum, trajectory
from cocycle.networks import Cell, RecurrentForecaster, Windowed


def mlp():
    return nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 2)).double()


def compare(found, expected):
    """Where brute force is exact to 1e-8: rounding is 1e-16 of the largest factor there, not of each."""
    seen = expected > expected[0] - 16
    assert seen.sum() >= 2
    np.testing.assert_allclose(found[seen], expected[seen], rtol=0, atol=1e-8)


@pytest.mark.parametrize("readout", [mlp, lambda: nn.Linear(5, 2).double()])
@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_closed_loop_by_brute_force(kind, readout):
    """All singular values after T steps, and the forecast, beside torch's own modules in a loop."""
    torch.manual_seed(1)
    module, readout, layers = kind(2, 5, 2).double(), readout(), 2
    model = RecurrentForecaster(module, readout)
    u = np.random.default_rng(1).normal(size=(20, 2))
    x = model.warmed(u)

    def run(state, steps=7):
        parts = state.reshape(layers, 1, -1)
        states = tuple(part.contiguous() for part in parts.chunk(2, -1)) if kind is nn.LSTM else parts
        values = []
        for _ in range(steps):
            h = states[0] if kind is nn.LSTM else states
            values.append(readout(h[-1]))
            states = module(values[-1][None], states)[1]
        after = torch.cat(states, -1) if kind is nn.LSTM else states
        return after.ravel(), torch.stack(values)[:, 0]

    state = torch.as_tensor(x)
    jacobian = torch.autograd.functional.jacobian(lambda s: run(s)[0], state)
    found = finite_time_exponents(repeat(model.closed, 7), x, frame(x, 6)).log_factors
    whole = finite_time_exponents(repeat(model.closed, 7), x, frame(x, len(x))).log_factors
    assert np.isfinite(found).all()
    compare(whole, torch.linalg.svdvals(jacobian).log().numpy())
    np.testing.assert_allclose(model.forecast(u, 7), run(state)[1].detach(), rtol=0, atol=1e-13)
    batch = model.forecast(np.stack([u, 2 * u], axis=1), 7)
    np.testing.assert_allclose(batch[:, 0], model.forecast(u, 7), rtol=0, atol=1e-12)


def test_a_network_without_recurrence_has_the_exponents_of_its_loop():
    """h' = W u with the readout y = R h is the linear map h -> W R h: exponents are ln |eigenvalues|, others -inf."""
    torch.manual_seed(2)
    cell, readout = nn.RNNCell(2, 2, nonlinearity="relu", bias=False).double(), nn.Linear(2, 2, bias=False).double()
    with torch.no_grad():
        cell.weight_hh.zero_()
        cell.weight_ih.copy_(torch.tensor([[1.0, 0.5], [0.2, 1.0]]))  # positive: relu acts as the identity
        readout.weight.copy_(0.5 * torch.eye(2))
    model = RecurrentForecaster(cell, readout)
    x = np.ones(2)
    found = lyapunov_spectrum(repeat(model.closed, 400), x, frame(x, 2), transient=100).exponents
    exact = np.log(0.5 * np.sort(np.linalg.eigvals(cell.weight_ih.detach().numpy()))[::-1])
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-12)


def test_conditional_exponents_are_those_of_the_cell():
    torch.manual_seed(3)
    module = nn.GRU(2, 5).double()
    u, model = np.random.default_rng(2).normal(size=(60, 2)), RecurrentForecaster(module, mlp())
    x = model.warmed(u)
    mine, theirs = (lyapunov_spectrum(f.driven(u), x, frame(x, 2)).exponents for f in (model, Cell(module)))
    np.testing.assert_array_equal(mine, theirs)
    state = model.warmed(torch.as_tensor(u))
    assert isinstance(state, torch.Tensor)
    np.testing.assert_allclose(state.detach(), x, rtol=0, atol=1e-14)


def test_a_linear_model_of_a_window_is_a_companion_matrix():
    """u[t+1] = Σ a_i u[t-i]: the exponents are ln of the moduli of the roots."""
    roots = np.array([0.95, -0.7, 0.4, 0.2])
    coefficients = -np.poly(roots)[1:]
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 1, bias=False)).double()
    with torch.no_grad():
        model[1].weight.copy_(torch.as_tensor(coefficients[::-1].copy())[None])
    f, x = Windowed(model, 4, 1), np.array([0.3, 0.1, -0.2, 0.5])
    np.testing.assert_allclose(f(x), [0.1, -0.2, 0.5, coefficients @ x[::-1]], rtol=0, atol=1e-15)
    found = lyapunov_spectrum(repeat(f, 500), x, frame(x, 4), transient=100).exponents
    np.testing.assert_allclose(found, np.log(abs(roots)), rtol=0, atol=1e-10)


class Decoder(nn.Module):
    """A causal transformer with learned positions, of windows (batch, T, m)."""

    def __init__(self, length, components, last):
        super().__init__()
        self.embed, self.head = nn.Linear(components, 8), nn.Linear(8, components)
        self.positions = nn.Parameter(0.1 * torch.randn(length, 8))
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True, activation="gelu")
        self.register_buffer("mask", torch.ones(length, length).triu(1).bool())
        self.last = last

    def forward(self, window):
        y = self.head(self.block(self.embed(window) + self.positions, src_mask=self.mask, is_causal=True))
        return y[:, -1] if self.last else y


@pytest.mark.filterwarnings("ignore:factors from number")
@pytest.mark.parametrize("last", [True, False])
def test_a_causal_transformer_by_brute_force(last):
    torch.manual_seed(4)
    net = Decoder(4, 2, last).double().eval()
    f, x = Windowed(net, 4, 2), np.random.default_rng(3).normal(size=8)

    def run(window, steps=6):
        for _ in range(steps):
            y = net(window.reshape(1, 4, 2))
            window = torch.cat([window[2:], (y if last else y[:, -1])[0]])
        return window

    jacobian = torch.autograd.functional.jacobian(run, torch.as_tensor(x))
    compare(
        finite_time_exponents(repeat(f, 6), x, frame(x, 8)).log_factors, torch.linalg.svdvals(jacobian).log().numpy()
    )
    np.testing.assert_allclose(trajectory(repeat(f, 6), x)[-1], run(torch.as_tensor(x)).detach(), rtol=0, atol=1e-12)


def test_bad_input():
    lstm = nn.LSTM(2, 5)
    with pytest.raises(TypeError, match="cell must be a torch RNN, GRU or LSTM, or one of their cells; got Linear"):
        RecurrentForecaster(nn.Linear(2, 2), nn.Linear(2, 2))
    with pytest.raises(TypeError, match="readout must be a torch module, such as Linear; got ndarray"):
        RecurrentForecaster(lstm, np.ones((2, 5)))
    with pytest.raises(ValueError, match="must take the 5 components of h of the cell's last layer; it takes 4"):
        RecurrentForecaster(lstm, nn.Linear(4, 2))
    with pytest.raises(ValueError, match="must give the 2 components of the input of the cell; it gives 3"):
        RecurrentForecaster(lstm, nn.Linear(5, 3))
    with pytest.raises(ValueError, match=r"must have the precision of the cell, float32; its weight is torch.float64"):
        RecurrentForecaster(lstm, nn.Linear(5, 2).double())
    with pytest.raises(ValueError, match="evaluation mode"):
        RecurrentForecaster(lstm, nn.Sequential(nn.Dropout(0.5), nn.Linear(5, 2)))
    model = RecurrentForecaster(lstm, nn.Linear(5, 2))
    with pytest.raises(ValueError, match="warm_up must have at least one time"):
        model.warmed(np.ones((0, 2)))
    with pytest.raises(ValueError, match=r"warm_up must have shape \(time, \*batch, m=2\)"):
        model.forecast(np.ones((5, 3)), 2)
    with pytest.raises(ValueError, match="steps must be an integer of at least 1; got 0"):
        model.forecast(np.ones((5, 2)), 0)
    with pytest.raises(ValueError, match=r"model must give the next value \(batch, 2\).* gives 3 numbers"):
        Windowed(nn.Sequential(nn.Flatten(), nn.Linear(8, 3)), 4, 2)
    with pytest.raises(ValueError, match="evaluation mode"):
        Windowed(nn.Sequential(nn.Flatten(), nn.Dropout(0.1), nn.Linear(8, 2)), 4, 2)
    with pytest.raises(TypeError, match="model must be a torch module; got function"):
        Windowed(lambda window: window[:, -1], 4, 2)
    with pytest.raises(ValueError, match="length must be an integer of at least 1; got 0"):
        Windowed(nn.Flatten(), 0, 2)
