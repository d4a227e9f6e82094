"""A torch network as a tuple of maps: the same output, shared weights, one map for each layer."""

import numpy as np
import pytest
import torch
from torch import nn

from cocycle import (
    LINEAR,
    RELU,
    TANH,
    Autodiff,
    Composed,
    Layer,
    Linear,
    feedforward,
    finite_time_exponents,
    frame,
    ftle,
    orbit,
)


def network():
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4, bias=False), nn.ReLU(), nn.LayerNorm(4), nn.Linear(4, 2)
    ).double()


def test_layers():
    steps = feedforward(network())
    first, second, third = (f.map for f in steps)
    assert [type(f) for f in (first, second, third)] == [Layer, Composed, Layer]
    assert [type(f) for f in second.maps] == [Layer, Autodiff]  # a normalisation belongs to the step before
    assert [first.activation, second.maps[0].activation, third.activation] == [TANH, RELU, LINEAR]
    assert [f.dt for f in steps] == [1, 1, 1]


def test_output():
    net, x = network(), torch.randn(6, 3, dtype=torch.float64)
    *_, y = orbit(feedforward(net), x)
    torch.testing.assert_close(y, net(x), rtol=1e-13, atol=1e-14)


def test_weights_are_shared_with_the_network():
    net = network()
    steps = feedforward(net)
    with torch.no_grad():
        net[0].weight.zero_()
    assert (steps[0].map.weight == 0).all()


@pytest.mark.filterwarnings("ignore:factors from number 2")  # two units on, less their mean: one is left
def test_single_precision_stays_single():
    net, x = network().float(), torch.randn(6, 3)
    found = finite_time_exponents(feedforward(net), x, frame(x, 3))
    assert found.right.dtype == found.left.dtype == torch.float32
    assert found.log_factors.dtype == torch.float64  # logarithms of growth, whatever the states are


def test_random_linear_network_of_infinite_depth():
    """Newman (1986): a product of Gaussian 5 x 5 matrices of variance 1/5 has λ_1 = [ln(2/5) + ψ(5/2)]/2."""
    rng = np.random.default_rng(12)
    x = np.zeros((40, 5))
    depth = 400
    layers = (Linear(rng.normal(scale=5**-0.5, size=(40, 5, 5))) for _ in range(depth))
    largest = finite_time_exponents(layers, x, frame(x, 5)).log_factors[:, 0] / depth
    error = largest.std(ddof=1) / np.sqrt(40)
    assert abs(largest.mean() + 0.106567) < 4 * error


def test_refuses_what_is_no_module():
    with pytest.raises(TypeError, match=r"network must be a torch\.nn\.Module; got function"):
        feedforward(lambda x: x)


def test_an_activation_behind_a_dropout_keeps_its_slope_far_out():
    """1 - tanh² is 0 there, and an exponent of -48.6 would be -inf."""
    network = nn.Sequential(nn.Linear(2, 2), nn.Dropout(), nn.Tanh()).double().eval()
    with torch.no_grad():
        network[0].weight.copy_(torch.eye(2))
        network[0].bias.copy_(torch.tensor([25.0, -25.0]))
    x = torch.zeros(2, dtype=torch.float64)
    found = finite_time_exponents(feedforward(network), x, frame(x, 2)).log_factors
    np.testing.assert_allclose(found.detach(), np.log(4) - 50, rtol=1e-12)


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.body = nn.Linear(width, width)

    def forward(self, x):
        return x + torch.tanh(self.body(x))


def images():
    torch.manual_seed(2)
    network = nn.Sequential(
        nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.SiLU(), nn.AvgPool2d(2)),
        nn.Conv2d(3, 4, 3, stride=2, bias=False), nn.GroupNorm(2, 4), nn.Tanh(), nn.MaxPool2d(2, stride=1),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(4, 6), nn.LeakyReLU(),
        Residual(6), nn.Linear(6, 3), nn.Softmax(dim=-1),
    ).double()  # fmt: skip
    network.train()
    network(torch.randn(50, 2, 11, 11, dtype=torch.float64) + 1)  # moves the running means
    return network.eval()


def jacobian(net, shape, x):
    return torch.func.vmap(torch.func.jacrev(lambda x: net(x.reshape(1, *shape))[0]))(x).detach()


def test_images_to_classes_against_brute_force():
    """Every kind of module, from the input's side and from the output's; states are flat."""
    net, shape = images(), (2, 11, 11)
    steps = feedforward(net, shape)
    assert [f.dt for f in steps] == [1.0] * 5  # two convolutions, Linear, the residual block, Linear
    x = torch.randn(4, 242, dtype=torch.float64)
    *_, y = orbit(steps, x)
    torch.testing.assert_close(y, net(x.reshape(4, *shape)), rtol=1e-13, atol=1e-14)
    brute = jacobian(net, shape, x)
    q = torch.randn(4, 242, 5, dtype=torch.float64)
    p = torch.randn(4, 3, 2, dtype=torch.float64)
    whole = Composed(steps)
    torch.testing.assert_close(whole.tangent(x, q)[1], brute @ q, rtol=1e-11, atol=1e-13)
    torch.testing.assert_close(whole.cotangent(x, p), brute.mT @ p, rtol=1e-11, atol=1e-13)
    sizes = torch.linalg.svdvals(brute)
    torch.testing.assert_close(ftle(steps, x).log_factors, sizes[:, 0].log(), rtol=0, atol=1e-10)


POINTWISE_MODULES = (nn.Sigmoid, nn.LogSigmoid, nn.Softplus, nn.Softsign, nn.GELU, nn.SiLU, nn.Mish, nn.ELU, nn.CELU,
                     nn.SELU, nn.LeakyReLU, nn.Hardtanh, nn.Hardsigmoid, nn.Hardswish, nn.Tanhshrink)  # fmt: skip


@pytest.mark.parametrize("kind", POINTWISE_MODULES)
def test_every_pointwise_module(kind):
    torch.manual_seed(4)
    net = nn.Sequential(nn.Linear(3, 4), kind()).double()
    (step,) = feedforward(net)
    x = torch.randn(5, 3, dtype=torch.float64)
    y, pushed = step.tangent(x, torch.eye(3, dtype=torch.float64).expand(5, 3, 3))
    torch.testing.assert_close(y, net(x).detach())
    torch.testing.assert_close(pushed, jacobian(net, (3,), x), rtol=1e-12, atol=1e-14)


def test_one_dimensional_convolutions_and_groups():
    net = nn.Sequential(nn.Unflatten(1, (1, 8)), nn.Conv1d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool1d(2), nn.Flatten(),
                        nn.Linear(4, 2), nn.Tanh()).double()  # fmt: skip
    x = torch.randn(6, 8, dtype=torch.float64)
    found = {}
    for group in (None, [7], [1, 2, 2, 2], [1] * 7):
        steps = feedforward(net, (8,), group=group)
        assert len(steps) == (2 if group is None else len(group))
        found[len(steps)] = ftle(steps, x)
    for count, field in found.items():
        torch.testing.assert_close(field.exponents * count, found[1].exponents, rtol=0, atol=1e-12)
    for group in ([3, 3], [0, 7], [8]):
        with pytest.raises(ValueError, match="group must have numbers of at least 1 whose sum is the 7 modules"):
            feedforward(net, (8,), group=group)


def test_no_graph_is_built():
    net, x = images(), torch.randn(2, 242, dtype=torch.float64)
    assert not ftle(feedforward(net, (2, 11, 11)), x).exponents.requires_grad


@pytest.mark.parametrize(
    ("network", "shape", "error", "message"),
    [
        (nn.Sequential(), None, ValueError, "network must hold at least one module"),
        (nn.Sequential(nn.Linear(2, 2), nn.Dropout()), None, ValueError, "evaluation mode, network.eval.*its Dropout"),
        (nn.Sequential(nn.Linear(2, 2), Residual(2)), None, ValueError, "evaluation mode.*its Residual is in training"),
        (nn.Sequential(nn.LSTM(2, 2)), (2,), TypeError, r"LSTM is recurrent: take cocycle\.networks\.Cell"),
        (
            nn.Sequential(nn.Conv2d(1, 1, 3)),
            None,
            ValueError,
            "example must be an input of the network.*begins with Conv2d; got None",
        ),
        (nn.Sequential(nn.Conv2d(1, 1, 3)), (3, 8, 8), ValueError, r"module 0, Conv2d.*, fails on an input of"),
        (nn.Sequential(nn.Linear(2, 3), nn.Linear(2, 3)), None, ValueError, r"module 1, .*an input of shape \(3,\)"),
        (nn.Sequential(nn.Linear(2, 2), nn.Module()), None, ValueError, "evaluation mode|fails on an input"),
        (nn.Sequential(nn.Linear(2, 2).half()), None, ValueError, "network must be in single or double precision"),
        (nn.Sequential(nn.Linear(2, 2), nn.RReLU()), None, ValueError, "evaluation mode.*its RReLU"),
        (
            nn.Sequential(nn.Conv2d(1, 1, 3)),
            (28, 28),
            ValueError,
            "module 0, .*(the batch, here 2, as first axis; got|fails on an input)",
        ),
        (
            nn.Sequential(nn.TransformerEncoderLayer(4, 2, 8), nn.Flatten()).eval(),
            (3, 4),
            ValueError,
            "TransformerEncoderLayer.* must treat the inputs of a batch separately",
        ),
    ],
)
def test_networks_that_cannot_be_maps(network, shape, error, message):
    with pytest.raises(error, match=message):
        feedforward(network, shape)


def test_weights_that_are_not_finite():
    network = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
    with torch.no_grad():
        network[0].bias[1] = float("nan")
    with pytest.raises(ValueError, match=r"network\.0\.bias must be finite; got 1 non-finite values"):
        feedforward(network)


def test_buffers_that_are_not_finite():
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).eval()
    network[1].running_var.fill_(float("nan"))
    with pytest.raises(ValueError, match=r"network\.1\.running_var must be finite"):
        feedforward(network)


@pytest.mark.parametrize("kind", [nn.ReLU6, nn.PReLU, nn.Softshrink, nn.GLU, lambda: nn.AdaptiveMaxPool1d(2)])
def test_what_has_no_weights_that_mix_is_no_step_of_its_own(kind):
    net = nn.Sequential(nn.Linear(3, 4), kind(), nn.Linear(4 if kind in WIDE else 2, 2)).eval()
    assert len(feedforward(net)) == 2


WIDE = (nn.ReLU6, nn.PReLU, nn.Softshrink)


def test_without_parameters_and_back_in_training_mode():
    (step,) = feedforward(nn.Sequential(nn.GELU(), nn.Tanh()), (3,), group=[2])
    assert step(np.ones(3)).dtype == np.float64
    net = nn.Sequential(nn.Linear(3, 3), nn.Dropout()).double().eval()
    steps = feedforward(net)
    net.train()
    with pytest.raises(ValueError, match="Dropout was put into training mode after feedforward"):
        ftle(steps, np.ones((2, 3)))


def test_a_layer_says_its_size_and_not_its_weights():
    steps = feedforward(nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)))
    assert repr(steps[1]) == "2 (Linear): 3 → 1 (1), tangent by a formula"


def wide(kind):
    """Networks whose parts are computed by formulas, and one whose parts are differentiated automatically."""
    if kind == "perceptron":
        return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 5), nn.GELU(), nn.Linear(5, 4), nn.Sigmoid()), (
            3,
        )
    return nn.Sequential(nn.Conv1d(1, 2, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.LayerNorm(10), nn.Linear(10, 4)), (
        1,
        5,
    )


@pytest.mark.parametrize("kind", ["perceptron", "convolution"])
def test_exponents_differentiate_with_respect_to_weights(kind):
    """All parameters together, along a random direction: the derivative of central differences."""
    torch.manual_seed(3)
    network, shape = wide(kind)
    network.double()
    x = torch.randn(6, int(np.prod(shape)), dtype=torch.float64)

    def loss():
        found = finite_time_exponents(feedforward(network, shape), x, frame(x, 3))
        return (found.log_factors * torch.tensor([1.0, 0.5, 0.2])).sum()

    loss().backward()
    directions = [torch.randn_like(p) for p in network.parameters()]
    graded = [(p.grad, v) for p, v in zip(network.parameters(), directions, strict=True) if p.grad is not None]
    along = sum((gradient * v).sum() for gradient, v in graded)  # the bias of a last, linear layer changes no exponent

    def moved(step):
        with torch.no_grad():
            for p, v in zip(network.parameters(), directions, strict=True):
                p += step * v
            value = loss()
            for p, v in zip(network.parameters(), directions, strict=True):
                p -= step * v
        return float(value)

    step = 1e-5
    assert float(along) == pytest.approx((moved(step) - moved(-step)) / (2 * step), rel=1e-6, abs=1e-6)


def test_nothing_is_recorded_for_arrays_or_without_gradients():
    network = nn.Sequential(nn.Linear(3, 4), nn.Tanh()).double()
    steps, x = feedforward(network), torch.randn(2, 3, dtype=torch.float64)
    assert steps[0](x).requires_grad
    assert isinstance(steps[0](x.numpy()), np.ndarray)
    with torch.no_grad():
        assert not steps[0].tangent(x, frame(x, 2))[1].requires_grad
