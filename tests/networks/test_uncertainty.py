"""Entropy splits into what the members see and what they disagree about; accuracies are those that were counted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cocycle.networks.uncertainty import Uncertainty, accuracy_map, binned, uncertainty

LN2 = np.log(2)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]], (2 * LN2, LN2, LN2)),  # the reference's case
        ([[1, 0], [1, 0]], (0, 0, 0)),
        ([[1, 0], [0, 1]], (LN2, 0, LN2)),
        ([[0.5, 0.5]] * 3, (LN2, LN2, 0)),
    ],
)
def test_exact_cases(members, expected):
    found = uncertainty(np.array(members, dtype=float)[:, None])
    np.testing.assert_allclose([part[0] for part in found], expected, atol=1e-15)


@given(arrays(float, (4, 3, 5), elements=st.floats(0, 10)))
def test_bounds(weights):
    weights = weights + 1e-3
    found = uncertainty(weights / weights.sum(-1, keepdims=True))
    assert (found.epistemic >= 0).all()
    assert (found.aleatoric >= 0).all()
    assert (found.entropy <= np.log(5) + 1e-12).all()
    np.testing.assert_allclose(found.entropy, found.aleatoric + found.epistemic, atol=1e-12)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.ones(3), r"probabilities must have shape \(members, \*batch, classes\); got \(3,\)"),
        (np.full((2, 2), np.nan), "probabilities must be finite"),
        (np.full((2, 4), 0.3), "must sum to 1 over classes"),
        (np.array([[1.5, -0.5]]), "must not be negative"),
    ],
)
def test_what_is_no_probability(wrong, message):
    with pytest.raises(ValueError, match=message):
        uncertainty(wrong)


def test_accuracy_map_counts():
    entropy = np.array([0.1, 0.1, 0.9, 0.9, 1.0])
    epistemic = np.array([0.0, 0.1, 0.4, 0.4, 0.0])
    found = Uncertainty(entropy, entropy - epistemic, epistemic)
    counted = accuracy_map(found, np.array([True, True, True, False, False]), bins=2)
    np.testing.assert_array_equal(counted.count, [[2, 0], [1, 2]])
    np.testing.assert_array_equal(counted.accuracy, [[1, np.nan], [0, 0.5]])
    np.testing.assert_array_equal(counted(found), [1, 1, 0.5, 0.5, 0])
    beyond = Uncertainty(np.array([0.0, 5.0]), np.array([0.0, 0.0]), np.array([0.0, 5.0]))
    np.testing.assert_array_equal(counted(beyond), [1, 0.5])
    grid = Uncertainty(*(np.stack([part[:4].reshape(2, 2)] * 3) for part in found))
    np.testing.assert_array_equal(counted(grid), np.stack([[[1, 1], [0.5, 0.5]]] * 3))
    with pytest.raises(ValueError, match=r"got bool of shape \(4,\)"):
        accuracy_map(found, np.ones(4, dtype=bool))
    with pytest.raises(ValueError, match="right must be True or False"):
        accuracy_map(found, np.ones(5))
    with pytest.raises(ValueError, match="bins must be at least 1"):
        accuracy_map(found, np.ones(5, dtype=bool), bins=0)


def test_binned_means(rng):
    x = rng.normal(size=1000)
    found = binned(x, 2 * x + 1, bins=10)
    assert (np.diff(found.centres) > 0).all()
    np.testing.assert_allclose(found.means, 2 * found.centres + 1, rtol=1e-12)
    noise = binned(x, rng.normal(size=1000), bins=5)
    np.testing.assert_allclose(noise.errors, 1 / np.sqrt(200), rtol=4 / np.sqrt(400))  # of a standard deviation
    with pytest.raises(ValueError, match="two for each of"):
        binned(x[:5], x[:5], bins=3)
