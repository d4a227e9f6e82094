"""Recurrent networks have the exponents that theory, an exact case or a long simulation gives them."""

from itertools import repeat

import numpy as np
import pytest
import torch

from cocycle import Flow, Layer, frame, lyapunov_spectrum, trajectory
from cocycle.networks import Cell, RateNetwork, hopfield


@pytest.mark.parametrize(("n", "expected", "scatter"), [(50, 0.107, 0.029), (200, 0.142, 0.012)])
def test_random_tanh_map(n, expected, scatter, rng):
    """x -> J tanh x at gain 2, as tanh(J x), which has the same exponents: scatter over networks in the reference."""
    networks = 12
    layer = Layer(2 * rng.normal(size=(networks, n, n)) / n**0.5)
    x = rng.normal(size=(networks, n))
    result = lyapunov_spectrum(repeat(layer, 1200), x, frame(x, 1), transient=300)
    assert result.exponents.mean() == pytest.approx(expected, abs=4 * scatter / networks**0.5)


def test_rate_network_is_silent_below_gain_one_and_chaotic_above(rng):
    exponents = []
    for gain in (0.8, 2.5):
        network = RateNetwork.gaussian(200, gain, rng=4)
        x = rng.normal(size=200)
        exponents.append(
            lyapunov_spectrum(repeat(Flow(network, 0.1), 3000), x, frame(x, 1), transient=1000).exponents[0]
        )
    # at rest the exponent is gain - 1, up to the edge of the spectrum at finite size
    assert exponents[0] == pytest.approx(-0.2, abs=0.1)
    assert exponents[1] > 0.05


def test_hopfield_recalls_a_stored_pattern_and_is_stable_there(rng):
    patterns = rng.choice([-1.0, 1.0], size=(4, 200))
    memory = hopfield(patterns, gain=3.0)
    corrupted = patterns[0] * np.where(rng.uniform(size=200) < 0.15, -1, 1)
    *_, recalled = trajectory(repeat(memory, 30), corrupted)
    assert (np.sign(recalled) == patterns[0]).mean() > 0.98
    result = lyapunov_spectrum(repeat(memory, 200), recalled, frame(recalled, 1), transient=20)
    exact = np.log(abs(np.linalg.eigvals(3.0 * (1 - recalled**2)[:, None] * memory.weight)).max())
    assert exact < 0
    assert result.exponents[0] == pytest.approx(exact, abs=0.02)
    with pytest.raises(ValueError, match="elements of ±1"):
        hopfield(np.zeros((2, 5)))


def test_vanilla_cell_is_a_layer(rng):
    torch.manual_seed(1)
    cell = torch.nn.RNNCell(2, 5).double()
    w, v, b, c = (p.detach().numpy() for p in cell.parameters())
    u, x = rng.normal(size=(40, 2)), np.zeros(5)
    layers = [Layer(v, w @ now + b + c) for now in u]
    mine, theirs = lyapunov_spectrum(layers, x, frame(x, 3)), lyapunov_spectrum(Cell(cell).driven(u), x, frame(x, 3))
    np.testing.assert_allclose(mine.exponents, theirs.exponents, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [torch.nn.GRUCell, torch.nn.LSTMCell])
def test_volume_growth_of_gated_cells_against_the_determinants_of_their_jacobians(kind, rng):
    torch.manual_seed(2)
    cell = kind(1, 3).double()
    system = Cell(cell)
    u, x = torch.as_tensor(rng.normal(size=(6, 1))), torch.zeros(system.dimension, dtype=torch.float64)

    def step(state, now):
        if kind is torch.nn.GRUCell:
            return cell(now[None], state[None])[0]
        return torch.cat(cell(now[None], tuple(s[None] for s in state.chunk(2))), dim=-1)[0]

    result, total, state = lyapunov_spectrum(system.driven(u), x, frame(x, system.dimension)), 0.0, x
    for now in u:
        total += torch.linalg.slogdet(torch.func.jacrev(step)(state, now))[1].item()
        state = step(state, now)
    assert result.growth.sum().item() == pytest.approx(total, rel=1e-11)
    torch.testing.assert_close(result.x, state)


def test_bad_input():
    with pytest.raises(TypeError, match="got Linear"):
        Cell(torch.nn.Linear(2, 3))
    with pytest.raises(ValueError, match="m=2"):
        Cell(torch.nn.GRUCell(2, 3)).driven(np.zeros((10, 3)))
