"""Random weight matrices and the three different things that people scale them by."""

import numpy as np
from scipy.sparse import csgraph, csr_array

from cocycle.arrays import generator, require_finite


def gaussian(size: int, rng: np.random.Generator | int) -> np.ndarray:
    """(size, size), normal entries of variance 1/size: spectral radius -> 1, largest singular value -> 2."""
    return generator(rng).normal(scale=size**-0.5, size=(size, size))


def uniform(size: int, rng: np.random.Generator | int) -> np.ndarray:
    """(size, size), independent uniform entries on ±√(3/size), of variance 1/size."""
    return generator(rng).uniform(-1, 1, size=(size, size)) * (3 / size) ** 0.5


def sparse(size: int, density: float, rng: np.random.Generator | int) -> np.ndarray:
    """(size, size), normal entries where a coin of probability `density` says so, zeros elsewhere; variance 1/size.

    Raises ValueError unless 0 < density <= 1.
    """
    if not 0 < density <= 1:
        raise ValueError(f"density must be in (0, 1]; got {density}")
    rng = generator(rng)
    return gaussian(size, rng) * (rng.uniform(size=(size, size)) < density) / density**0.5


def orthogonal(size: int, rng: np.random.Generator | int) -> np.ndarray:
    """(size, size), orthogonal and uniformly (Haar) distributed: every singular value is 1."""
    q, r = np.linalg.qr(generator(rng).normal(size=(size, size)))
    return q * np.copysign(1.0, np.diagonal(r))


def scaled(
    weight: np.ndarray,
    *,
    standard_deviation: float | None = None,
    spectral_radius: float | None = None,
    largest_singular_value: float | None = None,
) -> np.ndarray:
    """`weight` times the number that gives it the one named property.

    `standard_deviation` is √size times the standard deviation of the entries, the `weight_std` of the papers: for
    independent entries it is where the spectral radius tends.

    Raises ValueError unless exactly one property is named, for negative or non-finite values, and where the weight
    has none of it to scale: a nilpotent matrix has spectral radius 0 whatever the factor.
    """
    wanted = {
        "standard_deviation": (standard_deviation, _standard_deviation),
        "spectral_radius": (spectral_radius, _spectral_radius),
        "largest_singular_value": (largest_singular_value, lambda w: np.linalg.norm(w, 2)),
    }
    named = [(name, *pair) for name, pair in wanted.items() if pair[0] is not None]
    if len(named) != 1:
        raise ValueError(f"name exactly one of {', '.join(wanted)}; got {len(named)}")
    name, target, measured = named[0]
    if not 0 <= target < np.inf:
        raise ValueError(f"{name} must be a finite number >= 0; got {target}")
    if weight.ndim != 2 or weight.shape[0] != weight.shape[1]:
        raise ValueError(f"weight must be square; got shape {weight.shape}")
    require_finite("weight", weight)
    value = measured(weight)
    if value == 0:
        why = "is nilpotent" if weight.any() else "is zero"
        raise ValueError(f"{name} of weight is 0 and cannot be scaled to {target}: the matrix {why}")
    return weight * (target / value)


def _standard_deviation(weight):
    return weight.std() * len(weight) ** 0.5


def _spectral_radius(weight):
    """0 for a nilpotent matrix, although rounding makes its eigenvalues of order eps^(1/size).

    Rounding cannot tell those from small eigenvalues, but it can tell a rank: as long as there is a null space, its
    complement carries the other eigenvalues, and of a nilpotent matrix nothing is left in the end.
    """
    cycles, _ = csgraph.connected_components(csr_array(weight != 0), connection="strong")
    if cycles == len(weight) and not np.diagonal(weight).any():
        return 0.0  # no path returns: triangular after renumbering the units
    smallest = 10 * len(weight) * np.finfo(float).eps * np.linalg.norm(weight, 2)
    while len(weight):
        _, sizes, rows = np.linalg.svd(weight)
        kept = rows[sizes > smallest]
        if len(kept) == len(weight):
            return abs(np.linalg.eigvals(weight)).max()
        weight = kept @ weight @ kept.T
    return 0.0
