"""A reservoir refuses what would silently make another network of it."""

import numpy as np
import pytest
import torch

from cocycle import Reservoir, frame, spectrum

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
    found = spectrum(twin.driven(torch.as_tensor(u)), x, frame(x, 2))
    expected = spectrum(mine.driven(u), mine.rest(), frame(mine.rest(), 2))
    np.testing.assert_allclose(found.exponents.numpy(), expected.exponents, atol=1e-12)
