"""Every kind of torch module is the map that it computes: value and tangent, in both precisions, from both sides."""

import warnings
from math import prod

import numpy as np
import pytest
import torch
from torch import nn

from cocycle import Composed, feedforward
from module_kinds import KINDS

ROUNDINGS = 3e4  # last digits: sums over some hundred units, and torch's own formulas for norms and inverses


def network(name, dtype):
    torch.manual_seed(3)
    make, shape = KINDS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nn.Sequential(make()).eval().to(dtype), shape


def jacobian(net, shape, x):
    """By reverse mode, one input after the other."""
    return torch.stack(
        [torch.autograd.functional.jacobian(lambda v: net(v.reshape(1, *shape).clone()).reshape(-1), one) for one in x]
    )


def inputs(shape):
    return np.random.default_rng(5).normal(size=(2, prod(shape)))


def test_there_are_a_hundred():
    assert len(KINDS) >= 100


@pytest.mark.parametrize("name", KINDS)
def test_value_and_tangent_are_those_of_the_module(name):
    double, shape = network(name, torch.float64)
    x = inputs(shape)
    reference = jacobian(double, shape, torch.tensor(x)).numpy()
    for dtype, twin in ((np.float64, double), (np.float32, network(name, torch.float32)[0])):
        given = x.astype(dtype)
        step = Composed(feedforward(twin, shape))
        q = np.random.default_rng(1).normal(size=(2, x.shape[1], 3)).astype(dtype)
        y, pushed = step.tangent(given, q)
        expected = twin(torch.tensor(given).reshape(2, *shape)).detach().reshape(2, -1).numpy()
        eps = ROUNDINGS * np.finfo(dtype).eps
        np.testing.assert_allclose(y, expected, rtol=0, atol=eps * abs(expected).max())
        np.testing.assert_allclose(pushed, reference @ q, rtol=0, atol=eps * max(abs(reference).max(), 1))
        assert y.dtype == pushed.dtype == dtype
        np.testing.assert_array_equal(given, x.astype(dtype))  # the caller's array
        p = np.random.default_rng(2).normal(size=(*y.shape, 2)).astype(dtype)
        pulled = step.cotangent(given, p)
        np.testing.assert_allclose(
            pulled, np.swapaxes(reference, 1, 2) @ p, rtol=0, atol=eps * max(abs(reference).max(), 1)
        )
