"""The largest singular values of products of tangent maps, from few products, judged by residuals."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from architectures import Decoder, ResNet, numbers, randomised, tokens
from cocycle import Linear, Select, feedforward, finite_time_exponents, frame, leading_exponents
from cocycle.lyapunov import component_groups, exponents_by_group, exponents_by_layer, lanczos
from cocycle.networks import Layer
from cocycle.networks import steps as steps_of_torch

SIZES = (300, 250, 200)


def layers(rng, sizes=SIZES):
    return [Layer(rng.normal(size=(b, a)) / a**0.5, 0.1 * rng.normal(size=b)) for a, b in pairwise(sizes)]


def exact(steps, x, k):
    """By all vectors."""
    found = finite_time_exponents(steps, x, frame(x, x.shape[-1]))
    return found.log_factors[..., :k], found.right[..., :k], found.left[..., :k]


def test_values_and_vectors_are_those_of_the_whole_product(rng, monkeypatch):
    monkeypatch.setattr(lanczos, "SMALL", 2)
    steps, x = layers(rng), rng.normal(size=(2, SIZES[0]))
    found = leading_exponents(steps, x, 4)
    values, right, left = exact(steps, x, 4)
    assert found.converged.all()
    assert (found.residuals < 1.5e-8).all()
    np.testing.assert_allclose(found.log_factors, values, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.exponents, values / 2, rtol=0, atol=1e-12)
    for ours, theirs in ((found.right, right), (found.left, left)):
        np.testing.assert_allclose(abs((ours * theirs).sum(-2)), 1, rtol=0, atol=1e-7)
    assert (found.products < 200).all()


def test_small_products_are_computed_as_a_whole(rng):
    """Many inputs, few outputs: a product for each output, two for each value that is wanted."""
    steps, x = layers(rng, (300, 100, 10)), rng.normal(size=300)
    found = leading_exponents(steps, x, 3)
    np.testing.assert_allclose(found.log_factors, exact(steps, x, 3)[0], rtol=0, atol=1e-12)
    assert found.products == 1 + 10 + 2 * 3


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 5), st.integers(0, 1000), st.booleans())
def test_residuals_bound_the_error(k, seed, dense):
    """|Λ - its value| <= residual Λ for each value, whatever the tolerance."""
    rng = np.random.default_rng(seed)
    w = rng.normal(size=(90, 120)) * np.geomspace(1, 0.05, 120)
    x = rng.normal(size=120)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lanczos, "SMALL", 1000 if dense else 1)
        patch.setattr(lanczos, "DENSE", 1)
        found = leading_exponents([Linear(w)], x, k, tolerance=0.1)
    all_values = np.linalg.svd(w, compute_uv=False)
    for value, residual in zip(np.exp(found.log_factors), found.residuals, strict=True):
        assert abs(all_values - value).min() <= residual * value + 1e-12


def test_what_has_not_converged_is_told(rng, monkeypatch):
    """Values that are nearly equal, and too few iterations."""
    monkeypatch.setattr(lanczos, "RESTARTS", 1)
    monkeypatch.setattr(lanczos, "SMALL", 2)
    w = np.linalg.qr(rng.normal(size=(400, 400)))[0] * np.linspace(1, 1.001, 400)
    with pytest.warns(UserWarning, match=r"of 5 singular values have not converged: residuals up to"):
        found = leading_exponents([Linear(w)], np.zeros(400), 5, tolerance=1e-12)
    assert not found.converged.all()
    assert "not converged" in repr(found)
    assert found.log_factors.max() <= np.log(1.001) + 1e-12


def test_very_long_products_do_not_overflow(rng):
    """1000 maps that stretch by 10 in single precision: ln Λ = 1000 ln 10 and more."""
    w = (10 * np.eye(100) + rng.normal(size=(100, 100)) / 100).astype(np.float32)
    x = np.zeros(100, dtype=np.float32)
    found = leading_exponents([Linear(w)] * 1000, x, 1, tolerance=1e-2)
    expected = np.linalg.svd(np.linalg.matrix_power(w.astype(float) / 10, 1000), compute_uv=False)[0]
    np.testing.assert_allclose(found.log_factors, 1000 * np.log(10) + np.log(expected), rtol=1e-5)


def test_a_product_of_zero():
    found = leading_exponents([Linear(np.zeros((80, 90)))], np.ones(90), 2)
    assert (found.log_factors == -np.inf).all()
    assert found.converged.all()


def test_components_that_are_perturbed(rng):
    """Within some components: the singular values of those columns, and directions that are 0 elsewhere."""
    w, x = rng.normal(size=(150, 200)), rng.normal(size=200)
    found = leading_exponents([Linear(w)], x, 2, within=np.arange(50, 150))
    expected = np.linalg.svd(w[:, 50:150], compute_uv=False)[:2]
    np.testing.assert_allclose(np.exp(found.log_factors), expected, rtol=1e-12)
    assert (found.right[:50] == 0).all()
    assert (found.right[150:] == 0).all()


def test_groups_of_components():
    by_token = component_groups((3, 2), 0)
    assert [group.tolist() for group in by_token] == [[0, 1], [2, 3], [4, 5]]
    assert [group.tolist() for group in component_groups((3, 4), 1, 2)] == [[0, 4, 8, 1, 5, 9], [2, 6, 10, 3, 7, 11]]
    with pytest.raises(ValueError, match="count must divide the 3 indices of axis 0; got count=2"):
        component_groups((3, 2), 0, 2)


def test_tokens_that_come_later_do_not_act_on_what_is_before():
    """Causal attention: the last token does not change the first output; the first one changes all."""
    network, ids = randomised(Decoder()), tokens(1, 5)
    steps = feedforward(network, ids)
    x = steps.start(ids).detach()[0]
    first = (*steps, Select(range(11), dt=0.0))
    found = exponents_by_group(first, x, component_groups((5, 6), 0))
    assert np.isfinite(float(found[0].log_factors[0]))
    assert all(float(one.log_factors[0]) == -np.inf for one in found[1:])
    by_token = [float(one.log_factors[0]) for one in exponents_by_group(steps, x, component_groups((5, 6), 0))]
    whole = float(leading_exponents(steps, x).log_factors[0])
    assert max(by_token) <= whole + 1e-12
    assert np.exp(2 * np.array(by_token)).sum() >= np.exp(2 * whole) - 1e-12


def test_layer_by_layer(rng):
    steps, x = layers(rng, (120, 110, 100, 90)), rng.normal(size=(2, 120))
    found = exponents_by_layer(steps, x, 2)
    for count, result in enumerate(found, 1):
        np.testing.assert_allclose(result.log_factors, exact(steps[:count], x, 2)[0], rtol=0, atol=1e-12)
        assert result.time == count


@pytest.mark.filterwarnings("ignore:factors from number")  # behind units that are off, of the reference
@pytest.mark.parametrize("memory", [2**32, 0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_networks_of_torch(dtype, memory, monkeypatch):
    """Products that are traced once, and those computed layer by layer where memory does not hold the trace."""
    monkeypatch.setattr(lanczos, "DENSE", 2)
    monkeypatch.setattr(lanczos, "SMALL", 2)
    monkeypatch.setattr(steps_of_torch, "WORTH", 0)
    network = randomised(ResNet()).to(dtype)
    x = numbers(2, 2, 6, 6).to(dtype)
    steps = feedforward(network, x)[:-1]
    start = steps.start(x)
    found = leading_exponents(steps, start, 3, memory=memory)
    with torch.no_grad():
        expected = exact(steps, start, 3)[0]
    assert found.converged.all()
    assert found.right.dtype == dtype
    assert found.log_factors.dtype == torch.float64
    torch.testing.assert_close(found.log_factors, expected, rtol=0, atol=1e-10 if dtype is torch.float64 else 1e-4)
    arrays = leading_exponents(steps, start.numpy(), 3, memory=memory)
    assert isinstance(arrays.log_factors, np.ndarray)
    np.testing.assert_allclose(arrays.log_factors, found.log_factors, rtol=0, atol=1e-5)


def test_linearised_maps_give_the_products_of_tangents(monkeypatch):
    monkeypatch.setattr(steps_of_torch, "WORTH", 0)
    network = nn.Sequential(nn.Conv1d(1, 2, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(10, 4), nn.Sigmoid())
    for step in feedforward(network.double(), (1, 5)):
        x = torch.randn(step.part.dimension, dtype=torch.float64)
        shared = step.linearised(x)
        if shared is None:  # a formula
            continue
        q = torch.randn(len(x), 3, dtype=torch.float64)
        with torch.no_grad():
            y, pushed = step.tangent(x, q)
            p = torch.randn(len(y), 2, dtype=torch.float64)
            torch.testing.assert_close(shared.value, y)
            torch.testing.assert_close(shared.pushed(q), pushed)
            torch.testing.assert_close(shared.pushed(q[:, :1]), pushed[:, :1])
            torch.testing.assert_close(shared.pulled(p), step.cotangent(x, p))
        assert shared.memory > 0
        assert step.linearised(x, memory=1) is None


def test_means_over_inputs_have_errors(rng):
    """The standard error of independent inputs covers the exponent of all of them as it should."""
    steps = layers(rng, (80, 70, 70))
    many = leading_exponents(steps, rng.normal(size=(60, 80)))
    parts = many.exponents[:, 0].reshape(6, 10)
    assert many.mean[0] == pytest.approx(parts.mean())
    assert many.standard_error[0] == pytest.approx(parts.std(ddof=1) / 60**0.5)
    assert "mean of 60 inputs" in repr(many)
    assert np.isnan(leading_exponents(steps, np.zeros(80)).standard_error).all()


def test_a_figure(rng):
    many = leading_exponents(layers(rng, (80, 70)), rng.normal(size=(3, 80)), 4)
    (ax,) = many.plot().axes
    assert ax.get_ylabel() == "exponent λᵢ (per layer)"
    assert len(ax.lines) >= 3


def test_bad_input(rng):
    steps, x = layers(rng, (20, 10)), rng.normal(size=20)
    for arguments, options, message in (
        ((steps, x, 11), {}, r"k must be in 1\.\.10 for 20 inputs and 10 outputs; got k=11"),
        ((steps, x, 0), {}, "k must be an integer of at least 1"),
        (([], x), {}, "steps must hold at least one map"),
        ((steps, np.full(20, np.nan)), {}, "x must be finite"),
        ((steps, x), {"within": []}, "within must be different indices"),
        ((steps, x), {"within": [1, 1]}, "within must be different indices"),
        ((steps, x), {"tolerance": 0}, "tolerance must be positive"),
    ):
        with pytest.raises(ValueError, match=message):
            leading_exponents(*arguments, **options)
    with pytest.raises(TypeError, match="steps must be an iterable of maps"):
        leading_exponents(steps[0], x)


def test_one_map_that_overflows_does_not_spoil_those_before_it():
    steps = [Linear(np.eye(80)), Linear(1e300 * np.eye(80)), Linear(1e300 * np.eye(80))]
    with np.errstate(over="ignore"):
        found = exponents_by_layer(steps, np.ones(80))
    assert found[0].log_factors == pytest.approx(0, abs=1e-12)
    assert found[1].log_factors == pytest.approx(300 * np.log(10))
    assert np.isnan(found[2].log_factors)


def test_double_inputs_of_a_network_in_single_precision():
    """The tolerance is that of the precision in which the network computes."""
    network = nn.Sequential(nn.Linear(700, 600), nn.Tanh(), nn.Linear(600, 550))
    found = leading_exponents(feedforward(network), np.ones((1, 700)), 2)
    assert found.converged.all()


def test_very_small_and_very_large_jacobians(rng):
    w = rng.normal(size=(600, 600))
    largest = np.linalg.svd(w, compute_uv=False)[0]
    for scale in (1e-200, 1e200):
        found = leading_exponents([Linear(scale * w)], np.zeros(600))
        assert found.log_factors == pytest.approx(np.log(largest) + np.log(scale), rel=1e-12)
