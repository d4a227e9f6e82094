"""A reservoir refuses what would silently make another network of it."""

import numpy as np
import pytest
import torch

from cocycle import Reservoir, frame, lyapunov_spectrum

W, V = np.eye(5) / 2, np.ones((5, 1))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bias": np.full(5, np.nan)}, "bias must be finite"),
        ({"bias": np.zeros(3)}, r"bias must be a number or have shape \(\*batch, n=5\); got \(3,\)"),
        ({"bias": np.zeros((5, 1))}, r"bias must be a number or have shape \(\*batch, n=5\); got \(5, 1\)"),
        ({"gain": float("nan")}, "gain must be finite"),
        ({"gain": np.ones((3, 1)), "bias": np.zeros((2, 5))}, "batch axes that fit"),
        ({"dt": -1.0}, "dt must be positive; got -1"),
        ({"dt": 0.0}, "dt must be positive; got 0"),
        ({"leak_rate": 0.0}, r"leak_rate must be in \(0, 1\]"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        Reservoir(W, V, **settings)


@pytest.mark.parametrize("gain", [np.int64(2), np.float32(2), 2])
def test_gains_may_be_numbers_of_any_kind(gain):
    field = next(Reservoir(W, V, gain=gain).driven(np.zeros((1, 1))))(0.1 * np.ones(5))
    np.testing.assert_allclose(field, np.tanh(0.1), rtol=1e-6)


def test_a_random_network_needs_a_seed():
    with pytest.raises(TypeError, match="rng must be a numpy Generator or an integer seed; got None"):
        Reservoir.gaussian(5, 1, rng=None)


def test_a_torch_reservoir_rests_in_torch():
    mine, twin = Reservoir(W, V), Reservoir(torch.as_tensor(W), torch.as_tensor(V))
    u = np.random.default_rng(1).normal(size=(50, 1))
    x = twin.rest()
    assert isinstance(x, torch.Tensor)
    found = lyapunov_spectrum(twin.driven(torch.as_tensor(u)), x, frame(x, 2))
    expected = lyapunov_spectrum(mine.driven(u), mine.rest(), frame(mine.rest(), 2))
    np.testing.assert_allclose(found.exponents.numpy(), expected.exponents, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Reservoir.gaussian(5, 1, weight_std=-1.0), "weight_std must be a number >= 0; got -1"),
        (lambda: Reservoir.random(5, 1, input_scaling="a"), "input_scaling must be a number >= 0; got 'a'"),
        (lambda: Reservoir.random(5, 1, spectral_radius=-1.0), "spectral_radius must be a number >= 0"),
    ],
)
def test_scales_are_not_negative(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("inputs", [1, 3, 64])
def test_independent_inputs_make_fields_of_the_same_size(inputs):
    """Of standard deviation input_scaling, within the error of 3000 units: 0.9 / √(2 · 3000 · inputs) of it at most."""
    network = Reservoir.random(3000, inputs, input_scaling=0.4)
    size = np.sqrt((network.input_weight**2).sum(axis=1).mean())
    assert size == pytest.approx(0.4, rel=5 * 0.9 / (2 * 3000 * inputs) ** 0.5)
    assert abs(network.bias).max() == pytest.approx(0.5 if inputs == 1 else 1.0, rel=0.01)


def test_a_random_network_has_the_scales_that_were_asked_for():
    scales = {"spectral_radius": 0.7, "input_scaling": 0.2, "bias_scaling": 0.5, "leak_rate": 1.0}
    network = Reservoir.random(300, 2, **scales, rng=3)
    assert network.effective_spectral_radius == pytest.approx(0.7)
    assert 0.19 < abs(network.input_weight).max() / 1.5**0.5 <= 0.2
    assert 0.49 < abs(network.bias).max() <= 0.5
    same = Reservoir.random(300, 2, **scales, rng=3)
    np.testing.assert_array_equal(same.input_weight, network.input_weight)
