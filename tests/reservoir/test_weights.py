"""Weight matrices have the property they are scaled to, and its name means one thing."""

import numpy as np
import pytest
from scipy.linalg import eigvals

from cocycle.reservoir import gaussian, orthogonal, scaled, sparse, uniform

SIZE = 400
KINDS = {
    "gaussian": gaussian(SIZE, 1),
    "uniform": uniform(SIZE, 1),
    "sparse": sparse(SIZE, 0.05, 1),
    "orthogonal": orthogonal(SIZE, 1),
}


@pytest.mark.parametrize("name", KINDS)
def test_entries_have_variance_one_over_size(name):
    """The relative error of a variance from n² entries of kurtosis κ is √((κ-1)/n²): below 2 % here, 4 sigma."""
    assert KINDS[name].var() * SIZE == pytest.approx(1, rel=4 * np.sqrt(3 / 0.05) / SIZE)


@pytest.mark.parametrize("name", ["gaussian", "uniform", "sparse"])
def test_spectral_radius_tends_to_one_and_singular_value_to_two(name):
    assert abs(eigvals(KINDS[name])).max() == pytest.approx(1, abs=0.1)
    assert np.linalg.norm(KINDS[name], 2) == pytest.approx(2, abs=0.12)


def test_orthogonal():
    w = KINDS["orthogonal"]
    np.testing.assert_allclose(w.T @ w, np.eye(SIZE), atol=1e-13)


def test_sparse_density():
    assert (KINDS["sparse"] != 0).mean() == pytest.approx(0.05, abs=4 * np.sqrt(0.05 / SIZE**2))


@pytest.mark.parametrize("name", KINDS)
def test_scaled(name):
    w = KINDS[name]
    assert abs(eigvals(scaled(w, spectral_radius=0.7))).max() == pytest.approx(0.7)
    assert np.linalg.norm(scaled(w, largest_singular_value=0.7), 2) == pytest.approx(0.7)
    assert scaled(w, standard_deviation=0.7).std() * SIZE**0.5 == pytest.approx(0.7)


NILPOTENT = np.triu(np.ones((30, 30)), 1)


@pytest.mark.parametrize(
    ("weight", "target", "message"),
    [
        (NILPOTENT, {"spectral_radius": 0.9}, "spectral_radius of weight is 0 .* is nilpotent"),
        (NILPOTENT[::-1, ::-1], {"spectral_radius": 0.9}, "is nilpotent"),
        (np.array([[1.0, -1.0], [1.0, -1.0]]), {"spectral_radius": 0.9}, "is nilpotent"),
        (np.zeros((3, 3)), {"largest_singular_value": 1.0}, "the matrix is zero"),
        (np.eye(3), {"spectral_radius": -1.0}, "spectral_radius must be a finite number >= 0; got -1"),
        (np.eye(3), {"spectral_radius": np.nan}, "must be a finite number"),
        (
            np.eye(3),
            {},
            "name exactly one of standard_deviation, spectral_radius, largest_singular_value; got 0",
        ),
        (np.eye(3), {"spectral_radius": 1, "standard_deviation": 1}, "exactly one .* got 2"),
        (np.ones((2, 3)), {"spectral_radius": 1}, r"weight must be square; got shape \(2, 3\)"),
        (np.full((2, 2), np.nan), {"spectral_radius": 1}, "weight must be finite"),
    ],
)
def test_what_cannot_be_scaled(weight, target, message):
    with pytest.raises(ValueError, match=message):
        scaled(weight, **target)


def test_nilpotent_in_hiding(rng):
    """A renumbered chain of units is still nilpotent, though rounding gives it eigenvalues of any size."""
    order = rng.permutation(30)
    with pytest.raises(ValueError, match="nilpotent"):
        scaled(NILPOTENT[np.ix_(order, order)], spectral_radius=0.9)


@pytest.mark.parametrize("n", [2, 3, 5, 12, 30])
def test_nilpotent_in_a_basis_that_hides_it(n, rng):
    turn = np.linalg.qr(rng.normal(size=(n, n)))[0]
    with pytest.raises(ValueError, match="nilpotent"):
        scaled(turn @ np.triu(np.ones((n, n)), 1) @ turn.T, spectral_radius=0.9)


def test_a_singular_matrix_is_not_nilpotent(rng):
    """One unit drives another, and the rest has eigenvalues: the null space does not hide them."""
    weight = np.zeros((6, 6))
    weight[:4, :4] = rng.normal(size=(4, 4))
    weight[5, 4] = 7.0
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    found = scaled(turn @ weight @ turn.T, spectral_radius=0.9)
    np.testing.assert_allclose(abs(np.linalg.eigvals(found)).max(), 0.9, rtol=1e-6)


def test_bad_density():
    with pytest.raises(ValueError, match=r"density must be in \(0, 1\]; got 0"):
        sparse(10, 0, 1)
