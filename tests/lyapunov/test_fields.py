"""Fields of maximal exponents: equal to the singular values of the whole Jacobian, from either side, in any chunks."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import jacrev, vmap

from cocycle import TANH, Layer, Linear, Select, feedforward, finite_time_exponents, frame, ftle
from cocycle.lyapunov import chunks, fields, jacobian_alignment

WIDTHS = {
    "to one": (2, 10, 10, 1),
    "square": (2, 7, 2),
    "wide": (3, 8, 8, 6),
    "narrow": (6, 8, 2, 5),
    "line": (1, 4, 3),
}


def network(widths, dtype=torch.float64):
    torch.manual_seed(3)
    parts = [part for n, m in pairwise(widths) for part in (nn.Linear(n, m), nn.Tanh())]
    return nn.Sequential(*parts).to(dtype)


def brute_force(net, x):
    """ln of the largest singular value, and its direction at the input."""
    with torch.no_grad():
        jacobian = vmap(jacrev(net))(x.reshape(-1, x.shape[-1]))
        _, sizes, rights = torch.linalg.svd(jacobian)
    return sizes[:, 0].log().reshape(x.shape[:-1]), rights[:, 0].reshape(x.shape)


@pytest.mark.parametrize("widths", WIDTHS.values(), ids=WIDTHS)
def test_against_the_whole_jacobian(widths):
    net = network(widths)
    x = torch.randn(7, 5, widths[0], dtype=torch.float64)
    found = ftle(feedforward(net), x)
    factors, directions = brute_force(net, x)
    torch.testing.assert_close(found.log_factors, factors, rtol=0, atol=1e-12)
    torch.testing.assert_close(found.exponents, factors / (len(widths) - 1), rtol=0, atol=1e-12)
    torch.testing.assert_close(found.directions.norm(dim=-1), torch.ones(7, 5, dtype=torch.float64))
    overlap = (found.directions * directions).sum(-1).abs()
    torch.testing.assert_close(overlap, torch.ones_like(overlap), rtol=0, atol=1e-8)


def test_single_precision():
    """Rounding of one factor is 6e-8; eight layers and their widths make a hundred of it."""
    widths = (2, *[20] * 8, 1)
    x = torch.randn(50, 2)
    single, double = (ftle(feedforward(network(widths, t)), x.to(t)) for t in (torch.float, torch.double))
    assert single.directions.dtype == torch.float32
    assert single.exponents.dtype == torch.float64  # logarithms of growth, whatever the states are
    torch.testing.assert_close(single.log_factors.double(), double.log_factors, rtol=0, atol=1e-5)


def test_numpy_maps_and_one_input(rng):
    steps = [Layer(rng.normal(size=(6, 2)), 0.1, TANH), Layer(rng.normal(size=(4, 6)), 0.1, TANH)]
    x = rng.normal(size=2)
    found = ftle(steps, x)
    assert found.exponents.shape == ()
    np.testing.assert_allclose(
        found.log_factors, finite_time_exponents(steps, x, frame(x, 2)).log_factors[0], rtol=1e-12
    )


@pytest.mark.parametrize("widths", [(2, 6, 6, 4), (5, 6, 6, 2)])
def test_chunks_do_not_matter(widths, monkeypatch):
    steps, x = feedforward(network(widths)), torch.randn(100, widths[0], dtype=torch.float64)
    whole = ftle(steps, x)
    monkeypatch.setattr(chunks, "CACHE", 1)
    monkeypatch.setattr(fields, "_chunk", lambda *_: 7)
    parts = ftle(steps, x)
    torch.testing.assert_close(parts.exponents, whole.exponents, rtol=0, atol=1e-13)


def test_memory_is_bounded_and_asked_for(monkeypatch):
    steps, x, seen = feedforward(network((2, 30, 30, 1))), torch.randn(1000, 2, dtype=torch.float64), []
    pushed = fields._pulled
    monkeypatch.setattr(fields, "_pulled", lambda s, x, size: seen.append(len(x)) or pushed(s, x, size))
    ftle(steps, x, memory=50_000)
    each = 8 * (chunks.COPIES * 30 * 2 + 63)
    assert set(seen[:-1]) == {50_000 // each}
    assert sum(seen) == 1000
    with pytest.raises(ValueError, match=r"memory must hold the vectors of one input, .* bytes; got memory=100"):
        ftle(steps, x, memory=100)


def test_deep_products_stay_in_range():
    """4000 layers that stretch by e each: far beyond what a float can hold."""
    steps = [Linear(torch.diag(torch.tensor([np.e, 1 / np.e], dtype=torch.float64)))] * 4000
    found = ftle(steps, torch.zeros(3, 2, dtype=torch.float64))
    torch.testing.assert_close(found.exponents, torch.ones(3, dtype=torch.float64), rtol=0, atol=1e-12)
    torch.testing.assert_close(found.directions[:, 0].abs(), torch.ones(3, dtype=torch.float64))


def test_a_field_after_a_layer_and_of_one_output():
    net = network((2, 9, 9, 3))
    steps, x = feedforward(net), torch.randn(20, 2, dtype=torch.float64)
    after = ftle(steps[:1], x)
    torch.testing.assert_close(after.log_factors, brute_force(net[:2], x)[0], rtol=0, atol=1e-12)
    one = ftle((*steps, Select((1,), dt=0.0)), x)
    assert one.time == 3
    gradient = vmap(jacrev(lambda x: net(x)[1]))(x).detach()
    torch.testing.assert_close(one.log_factors, gradient.norm(dim=-1).log(), rtol=0, atol=1e-12)
    overlap = (one.directions * gradient).sum(-1).abs() / gradient.norm(dim=-1)
    torch.testing.assert_close(overlap, torch.ones_like(overlap), rtol=0, atol=1e-10)


def test_no_stretching_at_all_and_inputs_that_are_no_numbers():
    dead = nn.Sequential(nn.Linear(2, 3), nn.ReLU()).double()
    with torch.no_grad():
        dead[0].bias.fill_(-100.0)
    x = torch.tensor([[0.0, 0.0], [1e3, 1e3], [float("nan"), 0.0]], dtype=torch.float64)
    found = ftle(feedforward(dead), x)
    assert found.exponents[0] == -torch.inf
    assert torch.isnan(found.exponents[2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_products_far_beyond_the_range_of_squares(dtype):
    """Twenty saturated layers: exp(-170) is no number of single precision.  A dead input does not matter to others."""
    layers = []
    for _ in range(20):
        layer = nn.Linear(2, 2)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor([[1.0, 0.5], [-0.5, 1.0]]))
            layer.bias.fill_(4.0)
        layers += [layer, nn.Tanh()]
    steps = feedforward(nn.Sequential(*layers).to(dtype))
    x = torch.tensor([[0.0, 0.0], [200.0, 200.0], [0.3, -0.2]], dtype=torch.float64)
    found, together = ftle(steps, x[::2]), ftle(steps, x)
    exact = finite_time_exponents(feedforward(nn.Sequential(*layers).double()), x[::2], frame(x[::2], 2)).log_factors[
        :, 0
    ]
    assert exact.max() < -100
    torch.testing.assert_close(
        found.log_factors.double(), exact, rtol=1e-4 if dtype == torch.float32 else 1e-12, atol=0
    )
    torch.testing.assert_close(together.log_factors[::2], found.log_factors)


def test_the_second_direction_may_vanish():
    """Of a product whose second factor rounds to zero the first is still right."""
    w = torch.ones(2, 2, dtype=torch.float64) + 1e-6 * torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
    found = ftle([Linear(w)] * 20, torch.zeros(1, 2, dtype=torch.float64))
    expected = torch.linalg.matrix_norm(torch.linalg.matrix_power(w, 20), 2).log()
    torch.testing.assert_close(found.log_factors[0], expected, rtol=1e-12, atol=0)


def test_what_is_no_field():
    steps = feedforward(network((2, 4, 1)))
    with pytest.raises(ValueError, match="steps must hold at least one map"):
        ftle((), torch.zeros(3, 2))
    with pytest.raises(ValueError, match=r"x must be inputs of shape \(\*batch, n\), at least one; got \(0, 2\)"):
        ftle(steps, torch.zeros(0, 2))
    with pytest.raises(
        ValueError, match=r"x must be inputs that the maps take; they fail on shape \(\.\.\., 5\) and torch.float64"
    ):
        ftle(steps, torch.zeros(3, 5, dtype=torch.float64))
    for integers in (torch.ones(4, 2, dtype=torch.uint8), np.ones((4, 2), dtype=int)):
        with pytest.raises(TypeError, match=r"x must be floating-point numbers, scaled as in .*; got .*int"):
            ftle(steps, integers)
    over_three = ftle(feedforward(network((3, 4, 1))), np.zeros((5, 5, 3)))
    for field in (
        over_three,
        ftle(steps, np.random.default_rng(1).normal(size=(4, 4, 2))),
        ftle(steps, np.zeros((4, 2))),
    ):
        with pytest.raises(ValueError, match="x must be a grid in two dimensions"):
            field.plot()
    with pytest.raises(TypeError, match="x must be floating-point"):
        ftle(steps, [[1, 2]])


def test_a_network_takes_arrays_and_other_precisions():
    """The field is of the inputs' kind, computed in the network's precision."""
    steps, x = feedforward(network((2, 4, 3))), np.random.default_rng(1).normal(size=(6, 2))
    ours, theirs = ftle(steps, x), ftle(steps, torch.as_tensor(x))
    for name in ("x", "exponents", "directions"):
        assert isinstance(getattr(ours, name), np.ndarray)
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name).numpy())
    single = feedforward(network((2, 4, 3), torch.float32))
    found = ftle(single, x)
    assert found.directions.dtype == np.float32
    np.testing.assert_allclose(found.exponents, ours.exponents, rtol=0, atol=1e-5)
    pulled = ftle(feedforward(network((4, 3, 2))), np.ones((2, 4)))  # from the output's side
    assert isinstance(pulled.directions, np.ndarray)


def test_lipschitz_bound():
    """Of a linear map it is the norm; of tanh it is reached where the slope is 1."""
    w = torch.randn(3, 2, dtype=torch.float64)
    x = torch.randn(50, 2, dtype=torch.float64)
    norm = float(torch.linalg.matrix_norm(w, 2))
    assert ftle([Linear(w)], x).lipschitz == pytest.approx(norm, rel=1e-12)
    assert ftle([Layer(w, 0.0, TANH)], x).lipschitz < norm
    assert ftle([Layer(w, 0.0, TANH)], torch.cat([x, 0 * x])).lipschitz == pytest.approx(norm, rel=1e-12)


def test_alignment_of_jacobians():
    """Diagonal layers are aligned, or each undoes the other; random ones lose."""
    large, small = (torch.diag(torch.tensor(d, dtype=torch.float64)) for d in ([4.0, 0.5], [0.5, 4.0]))
    x = torch.zeros(3, 2, dtype=torch.float64)
    torch.testing.assert_close(jacobian_alignment([Linear(large)] * 5, x), torch.zeros(3, dtype=torch.float64))
    expected = (np.log(2) - 2 * np.log(4)) / 2
    found = jacobian_alignment([Linear(large), Linear(small)], x)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)
    steps = feedforward(network((2, 10, 10, 3)))
    x = torch.randn(20, 2, dtype=torch.float64)
    found = jacobian_alignment(steps, x)
    assert (found < 0).all()
    np.testing.assert_allclose(jacobian_alignment(steps, x.numpy()), found, atol=1e-14)
    timeless = jacobian_alignment((*steps, Select((0, 1, 2), dt=0.0)), x)
    torch.testing.assert_close(timeless * 4, found * 3)


def test_a_network_that_is_not_made_into_maps_is_told_how():
    with pytest.raises(TypeError, match=r"Linear is a module of torch: take feedforward\(network\)"):
        ftle(network((2, 5, 1)), np.zeros((3, 2)))  # pyright: ignore[reportArgumentType]
