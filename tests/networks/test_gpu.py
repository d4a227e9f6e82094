"""On a GPU the numbers are the same: run where there is one."""

from itertools import repeat

import numpy as np
import pytest
import torch
from torch import nn

from architectures import ARCHITECTURES, DeepResNet, randomised
from cocycle import (
    Flow,
    feedforward,
    finite_time_exponents,
    frame,
    ftle,
    leading_exponents,
    lyapunov_spectrum,
    plane,
    straight_path,
)
from cocycle.networks import Cell
from cocycle.networks.data import Dataset, Labelled, circle
from cocycle.networks.ensembles import dropout_probabilities, probabilities
from cocycle.networks.losses import EdgeOfChaos, Flossing, JacobianNorm
from cocycle.networks.training import Recipe, error, fit, perceptron

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.mark.parametrize("widths", [(2, 30, 30, 1), (2, 30, 30, 4), (40, 30, 3)])
def test_fields(widths):
    net = perceptron(widths, 1, threshold_std=0.3).eval()
    x = np.random.default_rng(2).normal(size=(500, widths[0]))
    here, there = ftle(feedforward(net), x), ftle(feedforward(net.cuda()), x)
    assert isinstance(there.exponents, np.ndarray)
    np.testing.assert_allclose(there.exponents, here.exponents, rtol=0, atol=1e-12)
    assert ftle(feedforward(net), torch.as_tensor(x).cuda()).exponents.is_cuda


def test_images_through_every_kind_of_module():
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 8), nn.GELU(),
        nn.LayerNorm(8), nn.Linear(8, 4), nn.Softmax(-1)
    ).double().eval()  # fmt: skip
    x = np.random.default_rng(2).normal(size=(20, 64))
    here = ftle(feedforward(net, (1, 8, 8)), x)
    there = ftle(feedforward(net.cuda(), (1, 8, 8)), x)
    np.testing.assert_allclose(there.log_factors, here.log_factors, rtol=0, atol=1e-10)


def test_whole_spectra_and_sequences():
    net = perceptron((5, 8, 8, 5), 1, weight_std=1.5).eval()
    x = torch.as_tensor(np.random.default_rng(2).normal(size=(6, 5)))
    here = finite_time_exponents(feedforward(net), x, frame(x, 5)).log_factors
    there = finite_time_exponents(feedforward(net.cuda()), x.cuda(), frame(x.cuda(), 5)).log_factors
    torch.testing.assert_close(there.detach().cpu(), here.detach(), rtol=0, atol=1e-10)
    torch.manual_seed(3)
    cell, u = nn.GRUCell(2, 6).double(), torch.randn(300, 2, dtype=torch.float64)
    state = torch.zeros(6, dtype=torch.float64)
    here = lyapunov_spectrum(Cell(cell).driven(u), state, frame(state, 3)).exponents.detach()
    there = lyapunov_spectrum(Cell(cell.cuda()).driven(u.cuda()), state.cuda(), frame(state.cuda(), 3)).exponents
    np.testing.assert_allclose(np.asarray(there.detach().cpu()), here, rtol=1e-9)


def test_training_and_predictions():
    dataset = circle(1, samples=2000)
    first, tanh, last = perceptron((2, 20, 2), 3)
    net = nn.Sequential(first, tanh, nn.Dropout(0.1), last).cuda()
    as_classes = Dataset(
        *(Labelled(p.inputs, (p.targets[:, 0] > 0).astype(int)) for p in (dataset.training, dataset.test))
    )
    fit(net, as_classes, 4, Recipe(loss="CrossEntropyLoss", optimiser="Adam", learning_rate=0.02, epochs=15))
    assert error(net, as_classes.test) < 0.1
    assert probabilities([net], dataset.test.inputs).shape == (1, 200, 2)
    found = [dropout_probabilities(net, dataset.test.inputs, 5, samples=3) for _ in range(2)]
    np.testing.assert_array_equal(*found)


def test_a_large_plane_in_bounded_memory():
    net = perceptron((2, *[100] * 10, 1), 1).eval().cuda()
    x = np.linspace(-1, 1, 512)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    ftle(feedforward(net)[:-1], plane(x, x), memory=2**28)
    assert torch.cuda.max_memory_allocated() - before < 2 * 2**28


def test_formulas_and_flows():
    def lorenz(u, sigma=10.0, rho=28.0, beta=8 / 3):
        x, y, z = u
        return sigma * (y - x), x * (rho - z) - y, x * y - beta * z

    flow = Flow(lorenz, 0.01)
    x = np.array([1.0, 1.0, 20.0]) + 0.1 * np.random.default_rng(4).normal(size=(50, 3))
    q = frame(x, 3)
    cuda = torch.as_tensor(x).cuda(), torch.as_tensor(q).cuda()
    there, pushed = flow.tangent(*cuda)
    here, moved = flow.tangent(x, q)
    np.testing.assert_allclose(there.detach().cpu().numpy(), here, rtol=1e-13)
    np.testing.assert_allclose(pushed.cpu().numpy(), moved, rtol=0, atol=1e-13)
    long = lyapunov_spectrum(repeat(flow, 300), cuda[0], cuda[1], every=5)
    short = lyapunov_spectrum(repeat(flow, 300), x, q, every=5)
    np.testing.assert_allclose(long.exponents.cpu().numpy(), short.exponents, rtol=0, atol=1e-9)


@pytest.fixture(params=ARCHITECTURES)
def pair(request):
    """Layers and states of a network on the processor, and of its copy on the GPU."""
    make, example, _ = ARCHITECTURES[request.param]
    network, x = randomised(make()), example()
    here = feedforward(network, x)
    copy = randomised(make()).cuda()
    there = feedforward(copy, x.cuda())
    return (here, here.start(x).detach()), (there, there.start(x.cuda()).detach())


@pytest.mark.filterwarnings("ignore:factors from number")  # behind units that are off
def test_any_network(pair):
    (here, x), (there, z) = pair
    assert z.is_cuda
    with torch.no_grad():
        expected, found = ftle(here, x).log_factors, ftle(there, z).log_factors
    assert found.is_cuda
    torch.testing.assert_close(found.cpu(), expected, rtol=0, atol=1e-9)


@pytest.mark.filterwarnings("ignore:factors from number")
def test_largest_exponents_of_any_network(pair):
    (here, x), (there, z) = pair
    expected = leading_exponents(here, x[:1], 2).log_factors
    found = leading_exponents(there, z[:1], 2).log_factors
    assert found.is_cuda
    torch.testing.assert_close(found.cpu(), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("loss", [Flossing(2), EdgeOfChaos(1), JacobianNorm()], ids=lambda loss: type(loss).__name__)
def test_gradients_of_losses(loss):
    x = torch.as_tensor(np.random.default_rng(5).normal(size=(20, 4)))
    gradients = []
    for device in ("cpu", "cuda"):
        net = perceptron((4, 12, 12, 3), 1, weight_std=1.2).to(device)
        loss(feedforward(net), x.to(device)).backward()
        gradients.append([w.grad.cpu() for w in net.parameters() if w.grad is not None])  # not the last biases
    for here, there in zip(*gradients, strict=True):
        torch.testing.assert_close(there, here, rtol=0, atol=1e-10)


def test_planes_and_paths_through_images():
    rng = np.random.default_rng(6)
    net = perceptron((30, 20, 5), 1).eval()
    a, b = rng.normal(size=(2, 30))
    path = straight_path(a, b, points=50)
    here, there = ftle(feedforward(net), path), ftle(feedforward(net.cuda()), path)
    np.testing.assert_allclose(there.exponents, here.exponents, rtol=0, atol=1e-12)


def test_single_precision_is_not_reduced():
    """cuDNN's default for convolutions, TF32, has ten bits: exponents in single precision are within its rounding."""
    assert torch.backends.cudnn.conv.fp32_precision == "tf32"
    torch.manual_seed(0)
    network, x = DeepResNet().eval(), torch.randn(2, 3, 32, 32)
    expected = leading_exponents(feedforward(network.double(), x.double()), x.double().reshape(2, -1), 2).log_factors
    network = network.float().cuda()
    found = leading_exponents(feedforward(network, x.cuda()), x.cuda().reshape(2, -1), 2).log_factors
    torch.testing.assert_close(found.cpu().double(), expected, rtol=0, atol=1e-4)
    assert torch.backends.cudnn.conv.fp32_precision == "tf32"
