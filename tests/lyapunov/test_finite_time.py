"""Stretching factors are the singular values of the product, at any width, scaled without overflow."""

import numpy as np
import pytest
import torch
from torch import nn

from cocycle import Layer, Linear, feedforward, frame, stretching


def test_singular_values_of_a_product(rng):
    matrices = rng.normal(size=(4, 3, 3))
    x = np.zeros(3)
    found = stretching([Linear(w) for w in matrices], x, frame(x, 3))
    exact = np.linalg.svd(np.linalg.multi_dot(matrices[::-1]), compute_uv=False)
    np.testing.assert_allclose(found, np.log(exact), rtol=0, atol=1e-12)


def test_hundreds_of_decades_do_not_overflow():
    x = np.zeros(2)
    found = stretching([Linear(np.diag([1e200, 1e195]))] * 5, x, frame(x, 2))
    np.testing.assert_allclose(found, 5 * np.log([1e200, 1e195]), rtol=1e-9)


def test_narrow_layers_leave_as_many_factors_as_they_have_units(rng):
    wide, narrow = rng.normal(size=(5, 2)), rng.normal(size=(1, 5))
    x = np.zeros((4, 2))
    found = stretching([Linear(wide), Linear(narrow)], x, frame(x, 2))
    assert found.shape == (4, 1)
    np.testing.assert_allclose(found[:, 0], np.log(np.linalg.norm(narrow @ wide)), rtol=1e-12)


def test_dead_layer():
    x = np.ones((3, 2))
    found = stretching([Layer(np.zeros((2, 2))), Layer(np.eye(2))], x, frame(x, 2))
    np.testing.assert_array_equal(found, np.full((3, 2), -np.inf))


def test_deep_network_against_the_full_jacobian():
    torch.manual_seed(4)
    network = nn.Sequential(
        *[
            nn.Linear(2, 20),
            nn.Tanh(),
            nn.Linear(20, 20),
            nn.ReLU(),
            nn.Linear(20, 20, bias=False),
            nn.Softplus(),
        ],
        *[nn.Linear(20, 2), nn.Tanh()],
    ).double()
    x = torch.randn(7, 2, dtype=torch.float64)
    found = stretching(feedforward(network), x, frame(x, 2))
    jacobians = torch.func.vmap(torch.func.jacrev(network))(x)
    torch.testing.assert_close(found, torch.linalg.svdvals(jacobians).log().detach(), rtol=1e-10, atol=1e-10)


def test_bad_input():
    with pytest.raises(ValueError, match="at least one map"):
        stretching([], np.zeros(2), np.eye(2))
    with pytest.raises(ValueError, match="q must have shape"):
        stretching([Linear(np.eye(2))], np.zeros(2), np.eye(3))
