"""Random weight matrices and the three different things that people scale them by."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy

from cocycle.arrays import Array, generator, is_number, is_sparse, require_finite

Weight = Array  # a square matrix, dense or a scipy.sparse.csr_array
SPARSE_FROM, SPARSE_UP_TO = 200, 0.1  # units, density: see `compact`
DENSE_UP_TO = 2000  # units, up to which eigenvalues and singular values are those of LAPACK
DENSE_AT_MOST = 6000  # units, up to which they are where iterations fail: three minutes
WANTED = ((12, 60), (20, 80))  # values and dimension of the Krylov space; with 4 and 40 none of 190 matrices was wrong
RESTARTS = 0.05  # of an iteration, a unit, and ten times as many where nothing else is possible
AGREEMENT = 1e-8  # of the two iterations, relative


def gaussian(size: int, rng: np.random.Generator | int) -> np.ndarray:
    """(size, size), normal entries of variance 1/size: spectral radius -> 1, largest singular value -> 2."""
    return generator(rng).normal(scale=size**-0.5, size=(size, size))


def uniform(size: int, rng: np.random.Generator | int) -> np.ndarray:
    """(size, size), independent uniform entries on ±√(3/size), of variance 1/size."""
    return generator(rng).uniform(-1, 1, size=(size, size)) * (3 / size) ** 0.5


def sparse(size: int, density: float, rng: np.random.Generator | int) -> Weight:
    """(size, size), normal entries at density size² places drawn at random, zeros elsewhere; variance 1/size.

    `compact`: in sparse format where its products are faster.  Raises ValueError unless 0 < density <= 1.
    """
    if not 0 < density <= 1:
        raise ValueError(f"density must be in (0, 1]; got {density}")
    rng = generator(rng)
    weight = scipy.sparse.random_array((size, size), density=density, format="csr", rng=rng)
    weight.data = rng.normal(scale=(density * size) ** -0.5, size=weight.nnz)
    return compact(weight)


def permutation(size: int, rng: np.random.Generator | int) -> Weight:
    """(size, size), a random permutation of the units: orthogonal, in cycles of random lengths."""
    return _links(np.arange(size), generator(rng).permutation(size), np.ones(size))


def cycle(size: int) -> Weight:
    """(size, size), a ring in which every unit feeds the next: orthogonal.  Rodan & Tino, IEEE TNN 22, 131 (2011)."""
    return _links(np.arange(size), np.arange(size) - 1, np.ones(size))


def delay_line(size: int) -> Weight:
    """(size, size), a chain in which every unit feeds the next: nilpotent, its memory ends after `size` steps."""
    return _links(np.arange(1, size), np.arange(size - 1), np.ones(size - 1))


def small_world(size: int, neighbours: int, rewired: float, rng: np.random.Generator | int) -> Weight:
    """(size, size), normal entries from each unit's `neighbours` on a ring, a fraction `rewired` moved to random units.

    Variance 1/size.  Watts & Strogatz, Nature 393, 440 (1998), with directed links.  Raises ValueError unless
    neighbours is even and in 2..size-1, and 0 <= rewired <= 1.
    """
    if neighbours % 2 or not 2 <= neighbours < size:
        raise ValueError(f"neighbours must be even and in 2..{size - 1}; got {neighbours}")
    if not 0 <= rewired <= 1:
        raise ValueError(f"rewired must be in [0, 1]; got {rewired}")
    rng = generator(rng)
    half = neighbours // 2
    offsets = np.concatenate([np.arange(-half, 0), np.arange(1, half + 1)])
    columns = (np.arange(size)[:, None] + offsets) % size
    for unit, sources in enumerate(columns):
        moved = np.flatnonzero(rng.uniform(size=neighbours) < rewired)
        free = np.setdiff1d(np.arange(size), [unit, *sources])
        moved = moved[: len(free)]
        sources[moved] = rng.choice(free, size=len(moved), replace=False)
    rows = np.repeat(np.arange(size), neighbours)
    return _links(rows, columns.ravel() % size, rng.normal(scale=neighbours**-0.5, size=size * neighbours))


def compact(weight: Weight) -> Weight:
    """The same matrix in the format whose products are faster: sparse from 200 units on up to a density of 0.1.

    Measured by benchmarks/sparse.py, for products with 1 to 50 vectors.
    """
    count = np.count_nonzero(weight) if isinstance(weight, np.ndarray) else weight.nnz
    if weight.shape[0] >= SPARSE_FROM and count <= SPARSE_UP_TO * weight.shape[0] ** 2:
        return scipy.sparse.csr_array(weight)
    return weight if isinstance(weight, np.ndarray) else weight.toarray()


def orthogonal(size: int, rng: np.random.Generator | int) -> np.ndarray:
    """(size, size), orthogonal and uniformly (Haar) distributed: every singular value is 1."""
    q, r = np.linalg.qr(generator(rng).normal(size=(size, size)))
    return q * np.copysign(1.0, np.diagonal(r))


def spectral_radius(weight: Weight) -> float:
    """The largest modulus of an eigenvalue of weight (n, n); 0 for a nilpotent matrix.

    Up to 2000 units from all eigenvalues; of larger matrices for each strongly connected part by itself: a cycle of
    units in closed form, another part above 2000 units by two Arnoldi iterations from different starts, and from all
    its eigenvalues, which takes minutes, where those do not converge or disagree.  Raises ValueError where that part
    has more than 6000 units.

    The linear stability of a leaky network depends on `Reservoir.effective_spectral_radius` instead, the growth in one
    step on `largest_singular_value`.
    """
    cycles, _ = scipy.sparse.csgraph.connected_components(scipy.sparse.csr_array(weight != 0), connection="strong")
    if cycles == weight.shape[0] and not weight.diagonal().any():
        return 0.0  # no path returns: triangular after renumbering the units
    if weight.shape[0] <= DENSE_UP_TO:
        return _dense_spectral_radius(_dense(weight))
    return max(_radius_of_part(part) for part in _strong_parts(scipy.sparse.csr_array(weight)))


def largest_singular_value(weight: Weight) -> float:
    """The spectral norm of weight (n, n): the most by which one step can stretch a vector, apart from slopes.

    Above 2000 units by Lanczos iterations, safeguarded as the Arnoldi iterations of `spectral_radius` are; where no two
    columns meet in a row it is the largest norm of a column.
    """
    if weight.shape[0] <= DENSE_UP_TO:
        return float(np.linalg.norm(_dense(weight), 2))
    if np.asarray((weight != 0).sum(axis=1)).max() <= 1:
        return float(np.sqrt(np.asarray((weight * weight).sum(axis=0)).max()))
    return _agreed(
        scipy.sparse.linalg.svds, weight, lambda whole: float(np.linalg.norm(whole, 2)), return_singular_vectors=False
    )


def scaled(
    weight: Weight,
    *,
    standard_deviation: float | None = None,
    spectral_radius: float | None = None,
    largest_singular_value: float | None = None,
) -> Weight:
    """`weight` times the number that gives it the one named property.

    `standard_deviation` is √size times the standard deviation of the entries, the `weight_std` of the papers: for
    independent entries it is where the spectral radius tends.

    Raises ValueError unless exactly one property is named, for negative or non-finite values, and where the weight
    has none of it to scale: a nilpotent matrix has spectral radius 0 whatever the factor.
    """
    wanted = {
        "standard_deviation": standard_deviation,
        "spectral_radius": spectral_radius,
        "largest_singular_value": largest_singular_value,
    }
    named = [(name, value) for name, value in wanted.items() if value is not None]
    if len(named) != 1:
        raise ValueError(f"name exactly one of {', '.join(wanted)}; got {len(named)}")
    name, target = named[0]
    if not is_number(target) or not 0 <= target < np.inf:
        raise ValueError(f"{name} must be a finite number >= 0; got {target!r}")
    if weight.ndim != 2 or weight.shape[0] != weight.shape[1]:
        raise ValueError(f"weight must be square; got shape {weight.shape}")
    require_finite("weight", weight)
    if is_sparse(weight):
        weight = scipy.sparse.csr_array(weight)  # of a matrix of the old kind * is the matrix product
    value = MEASURED[name](weight)
    if value == 0:
        if target == 0:
            return weight
        why = "is nilpotent" if abs(weight).max() else "is zero"
        raise ValueError(f"{name} of weight is 0 and cannot be scaled to {target}: the matrix {why}")
    return weight * (target / value)


def _standard_deviation(weight: Weight) -> float:
    mean = weight.sum() / weight.shape[0] ** 2
    squares = (weight * weight).sum() / weight.shape[0] ** 2
    return float((squares - mean**2) ** 0.5 * weight.shape[0] ** 0.5)


MEASURED = {
    "standard_deviation": _standard_deviation,
    "spectral_radius": spectral_radius,
    "largest_singular_value": largest_singular_value,
}


def _strong_parts(weight: "scipy.sparse.csr_array") -> "Iterator[scipy.sparse.csr_array]":
    """The strongly connected parts of the network, whose eigenvalues together are those of weight."""
    count, labels = scipy.sparse.csgraph.connected_components(weight != 0, connection="strong")
    sizes = np.bincount(labels)
    alone = weight.diagonal()[sizes[labels] == 1]
    yield scipy.sparse.csr_array(np.array([[abs(alone).max(initial=0.0)]]))
    units = np.split(np.argsort(labels, kind="stable"), np.cumsum(sizes)[:-1])
    for members in (units[label] for label in range(count) if sizes[label] > 1):
        yield weight if count == 1 else scipy.sparse.csr_array(weight[members][:, members])


def _radius_of_part(weight: "scipy.sparse.csr_array") -> float:
    """The spectral radius of a strongly connected part: of d I + a cycle of weights w_i it is max |d + (Π w_i)^(1/n)|
    over the n complex roots."""
    loops = weight.diagonal()
    size = len(loops)
    links = scipy.sparse.csr_array(weight - scipy.sparse.diags_array(loops, format="csr"))
    links.eliminate_zeros()
    if size > 1 and links.nnz == size and np.ptp(loops) == 0:
        modulus, sign = np.exp(np.log(abs(links.data)).mean()), np.prod(np.sign(links.data))
        angles = (2 * np.pi * np.arange(size) + (np.pi if sign < 0 else 0.0)) / size
        return float(abs(loops[0] + modulus * np.exp(1j * angles)).max())
    if size <= DENSE_UP_TO:
        return _dense_spectral_radius(weight.toarray())
    density = weight.nnz / size**2
    weight = weight if density <= SPARSE_UP_TO else weight.toarray()
    return _agreed(
        scipy.sparse.linalg.eigs,
        weight,
        lambda whole: float(abs(np.linalg.eigvals(whole)).max()),
        return_eigenvectors=False,
    )


def _agreed(iteration: Callable[..., Any], weight: Weight, dense: Callable[[np.ndarray], float], **options) -> float:
    """The largest modulus that ARPACK finds from two starts, if they agree, else what `dense` says.

    Of one value alone it may find another than the largest: near the edge of the spectrum there are many.
    """
    rng, found, size = np.random.default_rng(0), [], weight.shape[0]
    restarts = int(RESTARTS * size) * (1 if size <= DENSE_AT_MOST else 10)
    try:
        for count, space in WANTED:
            start = rng.normal(size=size)
            values = iteration(weight, k=count, ncv=space, v0=start, maxiter=restarts, **options)
            found.append(float(abs(np.asarray(values)).max()))
    except scipy.sparse.linalg.ArpackError:  # among them ArpackNoConvergence: many eigenvalues of the same modulus
        found = []
    if found and abs(found[0] - found[1]) <= AGREEMENT * max(found):
        return max(found)
    if size > DENSE_AT_MOST:
        raise ValueError(
            f"the iterations for the largest value of a weight of {size} units did not converge, and beyond"
            f" {DENSE_AT_MOST} units computing all of them takes too long: scale the weight by its standard deviation"
        )
    return dense(_dense(weight))


def _dense_spectral_radius(weight: np.ndarray) -> float:
    """0 for a nilpotent matrix, although rounding makes its eigenvalues of order eps^(1/size).

    Those cannot be distinguished from small eigenvalues, but a rank can be found: as long as there is a null space, its
    complement carries the other eigenvalues, and of a nilpotent matrix nothing is left in the end.
    """
    smallest = 10 * len(weight) * np.finfo(float).eps * np.linalg.norm(weight, 2)
    while len(weight):
        _, sizes, rows = np.linalg.svd(weight)
        kept = rows[sizes > smallest]
        if len(kept) == len(weight):
            return float(abs(np.linalg.eigvals(weight)).max())
        weight = kept @ weight @ kept.T
    return 0.0


def _links(rows: np.ndarray, columns: np.ndarray, values: np.ndarray) -> Weight:
    size = max(rows.max(initial=0), columns.max(initial=0)) + 1
    return compact(scipy.sparse.csr_array((values, (rows, columns % size)), shape=(size, size)))


def _dense(weight: Weight) -> np.ndarray:
    return weight if isinstance(weight, np.ndarray) else weight.toarray()
