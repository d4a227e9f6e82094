"""A torch network as a tuple of maps: the same output, shared weights, one map for each layer."""

import numpy as np
import pytest
import torch
from torch import nn

from cocycle import LINEAR, RELU, TANH, Autodiff, Layer, Linear, feedforward, frame, orbit, stretching


def network():
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4, bias=False), nn.ReLU(), nn.LayerNorm(4), nn.Linear(4, 2)
    ).double()


def test_layers():
    steps = feedforward(network())
    assert [type(f) for f in steps] == [Layer, Layer, Autodiff, Layer]
    assert [f.activation for f in steps if isinstance(f, Layer)] == [TANH, RELU, LINEAR]


def test_output():
    net, x = network(), torch.randn(6, 3, dtype=torch.float64)
    *_, y = orbit(feedforward(net), x)
    torch.testing.assert_close(y, net(x), rtol=1e-13, atol=1e-14)


def test_weights_are_shared_with_the_network():
    net = network()
    steps = feedforward(net)
    with torch.no_grad():
        net[0].weight.zero_()
    assert (steps[0].weight == 0).all()


def test_single_precision_stays_single():
    net, x = network().float(), torch.randn(6, 3)
    assert stretching(feedforward(net), x, frame(x, 3)).dtype == torch.float32


def test_random_linear_network_of_infinite_depth():
    """Newman (1986): a product of Gaussian 5 x 5 matrices of variance 1/5 has λ_1 = [ln(2/5) + ψ(5/2)]/2."""
    rng = np.random.default_rng(12)
    x = np.zeros((40, 5))
    depth = 400
    layers = (Linear(rng.normal(scale=5**-0.5, size=(40, 5, 5))) for _ in range(depth))
    largest = stretching(layers, x, frame(x, 5))[:, 0] / depth
    error = largest.std(ddof=1) / np.sqrt(40)
    assert abs(largest.mean() + 0.106567) < 4 * error


def test_refuses_what_is_not_sequential():
    with pytest.raises(TypeError, match=r"network must be a torch\.nn\.Sequential; got Linear"):
        feedforward(nn.Linear(2, 2))


def test_an_activation_behind_a_dropout_keeps_its_slope_far_out():
    """1 - tanh² is 0 there, and an exponent of -48.6 would be -inf."""
    network = nn.Sequential(nn.Linear(2, 2), nn.Dropout(), nn.Tanh()).double().eval()
    with torch.no_grad():
        network[0].weight.copy_(torch.eye(2))
        network[0].bias.copy_(torch.tensor([25.0, -25.0]))
    x = torch.zeros(2, dtype=torch.float64)
    found = stretching(feedforward(network), x, frame(x, 2))
    np.testing.assert_allclose(found.numpy(), np.log(4) - 50, rtol=1e-12)
