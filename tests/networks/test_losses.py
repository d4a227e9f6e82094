"""Losses of exponents have the values of brute force; gradients are those of central differences, finite or refused."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.autograd.functional import jacobian

from cocycle import Layer, feedforward, frame
from cocycle.lyapunov.fields import jacobian_alignment
from cocycle.networks import Cell, EarlyStretching, EdgeOfChaos, Flossing, JacobianNorm, Misalignment, perceptron
from cocycle.networks.activations import LINEAR, RELU

LOSSES = [Flossing(3), Flossing(2, target=-0.3, transient=1), EdgeOfChaos(), EarlyStretching(2, floor=-np.inf)]
LOSSES += [EarlyStretching(1, floor=0.1), Misalignment(), JacobianNorm()]


def normalised():
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv1d(1, 2, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.LayerNorm(10), nn.Linear(10, 4))


NETWORKS = {
    "perceptron": (lambda: perceptron((5, 4, 4, 4), 2, weight_std=1.5, threshold_std=0.2), (5,)),
    "convolution": (lambda: normalised().double(), (1, 5)),
}


def inputs(n, batch=5):
    return torch.as_tensor(np.random.default_rng(7).normal(size=(batch, n)))


def require_central_differences(parameters, value):
    """Every component; the error of the five-point formula of step h is some h⁴ + eps / h."""
    value().backward()
    for p in parameters:
        flat = p.data.view(-1)
        for i in range(len(flat)):
            middle, ends = flat[i].item(), []
            for step in (-2e-4, -1e-4, 1e-4, 2e-4):
                flat[i] = middle + step
                ends.append(value().item())
            flat[i] = middle
            found = 0.0 if p.grad is None else p.grad.view(-1)[i].item()
            assert found == pytest.approx((ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / 1.2e-3, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("loss", LOSSES, ids=str)
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_of_feed_forward_networks(name, loss):
    make, shape = NETWORKS[name]
    network, x = make(), inputs(int(np.prod(shape)))
    steps = feedforward(network, shape)
    require_central_differences([*network.parameters()], lambda: loss(steps, x))


@pytest.mark.parametrize("loss", [*LOSSES, Flossing(4)], ids=str)
def test_gradients_of_a_recurrent_network_and_of_its_start(loss):
    rng = np.random.default_rng(1)
    w, v = (torch.tensor(0.7 * rng.normal(size=s), requires_grad=True) for s in ((4, 4), (4, 1)))
    u, x = torch.as_tensor(rng.normal(size=(4, 1))), inputs(4, 3).requires_grad_()
    require_central_differences([w, v, x], lambda: loss([Layer(w, now @ v.T) for now in u], x))


@pytest.mark.parametrize("loss", [Flossing(4), EdgeOfChaos(), JacobianNorm()], ids=str)
def test_gradients_of_an_lstm(loss):
    torch.manual_seed(1)
    lstm, u = nn.LSTM(2, 2).double(), torch.as_tensor(np.random.default_rng(1).normal(size=(3, 2, 2)))
    require_central_differences([*lstm.parameters()], lambda: loss(Cell.of(lstm).driven(u), inputs(4, 2)))


def jacobians(network, x):
    """Those of the layers of a perceptron (layer, batch, p, n), one after the other."""
    found, pairs = [], [nn.Sequential(*network[i : i + 2]) for i in range(0, len(network), 2)]
    for part in pairs:
        found.append(torch.stack([jacobian(part, one) for one in x]))
        x = part(x).detach()
    return found


def test_values_are_those_of_jacobians_and_their_singular_values():
    network, x = NETWORKS["perceptron"][0](), inputs(5)
    steps, each = feedforward(network), jacobians(network, x)
    whole = each[2] @ each[1] @ each[0]
    largest = [torch.linalg.svdvals(j)[:, 0].log() for j in (whole, each[1] @ each[0], *each)]
    growth = torch.linalg.qr(whole @ frame(x, 3)).R.diagonal(dim1=-2, dim2=-1).abs().log() / 3
    expected = {
        JacobianNorm(): (whole**2).sum((-2, -1)).mean(),
        EarlyStretching(2, floor=-np.inf): largest[1].mean() / 2,
        EarlyStretching(2): (largest[1] / 2).clamp(min=0).mean(),
        Misalignment(): (sum(largest[2:]) - largest[0]).mean() / 3,
        Flossing(3): (growth**2).mean(),
        Flossing(3, target=0.5): ((growth - 0.5) ** 2).mean(),
        EdgeOfChaos(): ((whole @ frame(x, 1)).norm(dim=(-2, -1)).log() / 3).mean() ** 2,
    }
    for loss, value in expected.items():
        assert loss(steps, x).item() == pytest.approx(value.item(), rel=1e-8, abs=1e-8), loss
    with torch.no_grad():
        assert Misalignment()(steps, x).item() == pytest.approx(-jacobian_alignment(steps, x).mean().item(), abs=1e-12)


def test_random_projections_are_unbiased_and_exact_when_complete():
    network, x = NETWORKS["perceptron"][0](), inputs(5, 400)
    steps = feedforward(network)
    exact = JacobianNorm()(steps, x).item()
    assert JacobianNorm(4, np.random.default_rng(0))(steps, x).item() == pytest.approx(exact, rel=1e-12)
    estimates = JacobianNorm(1, np.random.default_rng(0))
    values = [estimates(steps, x).item() for _ in range(100)]
    assert np.mean(values) == pytest.approx(exact, abs=0.4 * float(np.std(values)))
    assert np.std(values) > 0


def test_wide_outputs_are_reached_by_vectors_from_the_inputs():
    network, x = perceptron((2, 5, 9), 1), inputs(2)
    whole = torch.stack([jacobian(network, one) for one in x])
    assert JacobianNorm()(feedforward(network), x).item() == pytest.approx((whole**2).sum((-2, -1)).mean().item())


@settings(max_examples=20, deadline=None)
@given(st.floats(-2, 2), st.integers(1, 4), st.integers(1, 5))
def test_of_scaled_rotations_everything_is_known(log_scale, k, layers):
    """Every exponent is ln c, all singular values coincide, and all gradients are finite."""
    rotation = torch.linalg.qr(torch.as_tensor(np.random.default_rng(k).normal(size=(layers, 4, 4)))).Q
    weights = (np.exp(log_scale) * rotation).requires_grad_()
    steps, x = [Layer(w, activation=LINEAR) for w in weights], inputs(4)
    expected = {
        Flossing(k): log_scale**2,
        EdgeOfChaos(): log_scale**2,
        EarlyStretching(layers, floor=-np.inf): log_scale,
        Misalignment(): 0.0,
        JacobianNorm(): 4 * np.exp(2 * layers * log_scale),
    }
    for loss, value in expected.items():
        found = loss(steps, x)
        assert found.item() == pytest.approx(value, rel=1e-9, abs=1e-9)
        (gradient,) = torch.autograd.grad(found, weights)
        assert gradient.isfinite().all()


def test_training_through_all_exponents_of_twenty_units_is_stable():
    rng = np.random.default_rng(0)
    w = torch.tensor(rng.normal(size=(20, 20)) / 20**0.5, requires_grad=True)
    u, optimiser, values = torch.as_tensor(rng.normal(size=(40, 4, 20))), torch.optim.Adam([w], lr=3e-3), []
    for _ in range(60):
        optimiser.zero_grad()
        loss = Flossing(20)([Layer(w, now) for now in u], inputs(20, 4))
        loss.backward()
        assert w.grad is not None
        assert w.grad.isfinite().all()
        optimiser.step()
        values.append(loss.item())
    assert values[-1] < 0.5 * values[0]


def dead():
    """Units that are off for every input: the Jacobian of the second layer is zero, its factor -inf."""
    network = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3), nn.ReLU()).double()
    with torch.no_grad():
        network.get_parameter("2.bias").fill_(-100)
    return network


def test_dead_units_have_no_gradient_or_are_refused():
    network, x = dead(), inputs(3)
    steps = feedforward(network)
    for loss in (Flossing(1), Flossing(3), EdgeOfChaos(), EarlyStretching(2, floor=-np.inf), Misalignment()):
        with pytest.raises(ArithmeticError, match="finite"):
            loss(steps, x)
    for loss in (EarlyStretching(2), JacobianNorm()):
        network.zero_grad()
        value = loss(steps, x)
        value.backward()
        assert value.item() == 0
        assert all(p.grad is None or (p.grad == 0).all() for p in network.parameters())


def test_a_batch_with_some_dead_inputs_has_the_gradient_of_the_others():
    w = torch.eye(2, dtype=torch.float64).mul(3).requires_grad_()
    x = torch.tensor([[1.0, 2.0], [-1.0, -2.0]], dtype=torch.float64)
    loss = EarlyStretching(1)([Layer(w, activation=RELU)], x)
    loss.backward()
    assert loss.item() == pytest.approx(np.log(3) / 2)
    assert w.grad is not None
    assert w.grad.norm().item() == pytest.approx(1 / 6)  # of ln w_11, or ln of another direction, over two inputs


def test_a_frame_that_lost_its_digits_is_refused():
    w = torch.diag(torch.tensor([1.0, 1e-14], dtype=torch.float64)).requires_grad_()
    with pytest.raises(ArithmeticError, match="rounding errors"):
        Flossing(2)([Layer(w, activation=LINEAR)], inputs(2))


def test_single_precision_stays_close():
    network, x = NETWORKS["perceptron"][0](), inputs(5)
    exact = [loss(feedforward(network), x).item() for loss in LOSSES]
    network.float()
    found = [loss(feedforward(network), x.float()) for loss in LOSSES]
    np.testing.assert_allclose([v.item() for v in found], exact, rtol=1e-4, atol=1e-6)
    sum(found).backward()  # pyright: ignore[reportAttributeAccessIssue]
    assert network[0].weight.grad.isfinite().all()


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda s, x: Flossing(1)(s, x.numpy()), TypeError, "x must be a torch tensor of real numbers; got ndarray"),
        (lambda s, x: Flossing(1)(s, x.long()), TypeError, "got torch.int64"),
        (lambda s, x: Flossing(1)([], x), ValueError, "at least one map"),
        (lambda s, x: Flossing(1)(s[0], x), TypeError, "iterable of maps"),
        (lambda s, x: Flossing(1)([print], x), TypeError, "steps must be maps"),  # pyright: ignore[reportArgumentType]
        (lambda s, x: Flossing(1)(s, x[:0]), ValueError, "at least one input"),
        (lambda s, x: Flossing(6)(s, x), ValueError, r"k must be in 1\.\.5"),
        (lambda s, x: Flossing(5)(s, x), ValueError, r"k must be in 1\.\.4 for maps to dimension 4; got k=5"),
        (lambda s, x: Flossing(0), ValueError, "k must be an integer of at least 1"),
        (lambda s, x: Flossing(1, transient=3)(s, x), ValueError, "maps after the transient; got 3 maps"),
        (lambda s, x: EarlyStretching(4)(s, x), ValueError, r"layers must be in 1\.\.3"),
        (lambda s, x: JacobianNorm(1), ValueError, "projections and rng must be given together"),
        (lambda s, x: JacobianNorm(5, np.random.default_rng(0))(s, x), ValueError, r"projections must be in 1\.\.4"),
    ],
)
def test_refusals(call, kind, message):
    with pytest.raises(kind, match=message):
        call(feedforward(NETWORKS["perceptron"][0]()), inputs(5))


def test_without_anything_to_differentiate():
    network, x = NETWORKS["perceptron"][0]().requires_grad_(False), inputs(5)
    for loss in LOSSES:
        with pytest.raises(ValueError, match=r"network.requires_grad_\(\)"):
            loss(feedforward(network), x)
        assert loss(feedforward(network), x.clone().requires_grad_()).requires_grad
        with torch.no_grad():
            assert loss(feedforward(network), x).isfinite()
