"""Weight matrices have the property they are scaled to, and its name means one thing."""

import numpy as np
import pytest
from scipy.linalg import eigvals
from scipy.sparse import csr_array, eye_array, issparse

from cocycle.reservoir import (
    compact,
    cycle,
    delay_line,
    gaussian,
    largest_singular_value,
    orthogonal,
    permutation,
    scaled,
    small_world,
    sparse,
    spectral_radius,
    uniform,
    weights,
)

SIZE = 400
KINDS = {
    "gaussian": gaussian(SIZE, 1),
    "uniform": uniform(SIZE, 1),
    "sparse": sparse(SIZE, 0.05, 1).toarray(),
    "small world": small_world(SIZE, 20, 0.3, 1).toarray(),
    "orthogonal": orthogonal(SIZE, 1),
}


@pytest.mark.parametrize("name", KINDS)
def test_entries_have_variance_one_over_size(name):
    """The relative error of a variance from n² entries of kurtosis κ is √((κ-1)/n²): below 2 % here, 4 sigma."""
    assert KINDS[name].var() * SIZE == pytest.approx(1, rel=4 * np.sqrt(3 / 0.05) / SIZE)


@pytest.mark.parametrize("name", ["gaussian", "uniform", "sparse", "small world"])
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


@pytest.mark.parametrize("weight", [permutation(250, 3), cycle(250), permutation(7, 3), cycle(7)])
def test_permutations_are_orthogonal(weight):
    w = weight.toarray() if issparse(weight) else weight
    np.testing.assert_array_equal(w @ w.T, np.eye(len(w)))
    assert spectral_radius(weight) == pytest.approx(1)
    assert largest_singular_value(weight) == pytest.approx(1)


def test_a_cycle_visits_every_unit():
    """Its n-th power is the identity, and no lower one is: the eigenvalues are all n-th roots of one."""
    w = cycle(7)
    powers = [np.linalg.matrix_power(w, i) for i in range(1, 8)]
    assert [bool((p == np.eye(7)).all()) for p in powers] == [False] * 6 + [True]


@pytest.mark.parametrize("size", [9, 300])
def test_a_delay_line_forgets_after_its_length(size):
    w = delay_line(size)
    x, last = np.eye(size)[0], None
    for _ in range(size):
        x, last = w @ x, x
    assert (x == 0).all()
    assert last[-1] == 1
    assert spectral_radius(w) == 0
    with pytest.raises(ValueError, match="is nilpotent"):
        scaled(w, spectral_radius=0.5)
    assert spectral_radius(scaled(w, spectral_radius=0)) == 0  # allowed: it has what was asked for


@pytest.mark.parametrize("size", [100, 500])
def test_the_sparse_format_is_chosen_by_size_and_density(size):
    assert issparse(sparse(size, 0.05, 1)) == (size == 500)
    assert not issparse(sparse(size, 0.3, 1))
    back = compact(csr_array(gaussian(size, 1)))
    np.testing.assert_array_equal(back, gaussian(size, 1))


def test_sparse_and_dense_have_the_same_properties():
    weight = sparse(300, 0.05, 2)
    dense = weight.toarray()
    for name in ("standard_deviation", "spectral_radius", "largest_singular_value"):
        np.testing.assert_allclose(scaled(weight, **{name: 0.8}).toarray(), scaled(dense, **{name: 0.8}), rtol=1e-10)


def test_properties_of_large_sparse_matrices():
    """Above 2,000 units by Arnoldi and Lanczos iterations; of a block-diagonal matrix they are those of its blocks."""
    block, copies = sparse(300, 0.05, 4).toarray(), 8
    large = csr_array(np.kron(np.diag(np.arange(1, copies + 1) / copies), block))
    assert large.shape[0] == 2400
    assert spectral_radius(large) == pytest.approx(spectral_radius(block), rel=1e-6)
    assert largest_singular_value(large) == pytest.approx(np.linalg.norm(block, 2), rel=1e-6)


def test_small_world_has_its_degree_and_no_self_coupling():
    ring, random = small_world(50, 6, 0.0, 1), small_world(50, 6, 1.0, 1)
    for w in (ring, random):
        assert ((w != 0).sum(axis=1) == 6).all()
        assert not np.diagonal(w).any()
    rows, columns = np.nonzero(ring)
    distance = np.minimum((rows - columns) % 50, (columns - rows) % 50)
    assert distance.max() == 3
    rows, columns = np.nonzero(random)
    assert np.minimum((rows - columns) % 50, (columns - rows) % 50).max() > 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((10, 3, 0.1), "neighbours must be even and in 2..9; got 3"), ((10, 4, 2.0), r"rewired must be in \[0, 1\]")],
)
def test_bad_small_worlds(arguments, message):
    with pytest.raises(ValueError, match=message):
        small_world(*arguments, 1)


def test_the_same_seed_gives_the_same_network():
    np.random.seed(3)  # noqa: NPY002
    first = sparse(300, 0.05, 5)
    np.random.normal(size=10)  # noqa: NPY002
    assert (first != sparse(300, 0.05, 5)).nnz == 0
    np.testing.assert_array_equal(small_world(30, 4, 0.5, 2), small_world(30, 4, 0.5, 2))


def eigenvalue_radius(weight):
    return abs(np.linalg.eigvals(weight.toarray() if issparse(weight) else weight)).max()


@pytest.mark.parametrize("seed", [pytest.param(seed, marks=[pytest.mark.slow] if seed else []) for seed in range(24)])
def test_spectral_radii_above_2000_units_are_those_of_all_eigenvalues(seed):
    weight = sparse(2100, 10 / 2100, seed) if seed % 2 == 0 else small_world(2100, 10, 0.3, seed)
    assert spectral_radius(weight) == pytest.approx(eigenvalue_radius(weight), rel=1e-9)
    assert largest_singular_value(weight) == pytest.approx(np.linalg.norm(weight.toarray(), 2), rel=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_iterations_find_the_largest_eigenvalue(seed, monkeypatch):
    """The same mechanism at a size whose eigenvalues are quick: of 12 matrices, one iteration for one value misses."""
    monkeypatch.setattr(weights, "DENSE_UP_TO", 100)
    monkeypatch.setattr(weights, "RESTARTS", 1.0)
    weight = sparse(400, 10 / 400, seed)
    assert spectral_radius(weight) == pytest.approx(eigenvalue_radius(weight), rel=1e-9)


def test_large_cycles_are_in_closed_form(rng):
    """Permutations, cycles, chains, with weights of either sign and with a leak: at once, at any size."""
    for weight in (permutation(5000, 1), cycle(5000), -0.9 * cycle(5001)):
        size = abs(weight.data).max()
        assert spectral_radius(weight) == pytest.approx(size, rel=1e-12)
        assert largest_singular_value(weight) == pytest.approx(size, rel=1e-12)
    assert spectral_radius(delay_line(5000)) == 0
    signed = permutation(300, 2)
    signed.data = rng.normal(size=signed.nnz)
    assert max(map(weights._radius_of_part, weights._strong_parts(signed))) == pytest.approx(
        eigenvalue_radius(signed), rel=1e-9
    )
    for weight in (0.9 * cycle(301), -0.9 * cycle(301), -0.9 * cycle(300)):
        leaky = csr_array(0.7 * eye_array(weight.shape[0]) + 0.3 * weight)
        assert weights._radius_of_part(leaky) == pytest.approx(eigenvalue_radius(leaky), rel=1e-9)


def test_matrices_on_which_iterations_fail_are_computed_whole(monkeypatch):
    """All eigenvalues of an orthogonal matrix have one modulus."""
    monkeypatch.setattr(weights, "DENSE_UP_TO", 100)
    assert spectral_radius(orthogonal(200, 1)) == pytest.approx(1, rel=1e-9)
    assert largest_singular_value(orthogonal(200, 1)) == pytest.approx(1, rel=1e-9)
    ring = csr_array(cycle(300) + csr_array(([0.01], ([5], [100])), shape=(300, 300)))
    assert spectral_radius(ring) == pytest.approx(eigenvalue_radius(ring), rel=1e-9)
    monkeypatch.setattr(weights, "DENSE_AT_MOST", 150)
    monkeypatch.setattr(weights, "RESTARTS", 0.01)
    with pytest.raises(ValueError, match="of a weight of 200 units did not converge"):
        spectral_radius(orthogonal(200, 1))
