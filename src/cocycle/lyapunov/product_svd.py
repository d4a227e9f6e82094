"""The singular value decomposition of a long product of triangular factors, in double precision."""

from itertools import pairwise

import numpy as np
import scipy

from cocycle.arrays import Array, Factor, as_numpy, constant, is_differentiated, like, namespace, take
from cocycle.lyapunov.qr import qr_steps
from cocycle.maps import Linear

NEGLIGIBLE = 1e-15  # an element of this size relative to the largest of its row turns a direction by as much
RESOLVED_RATIO = 1e3  # of factors that one singular value decomposition resolves to twelve digits
JACOBI_RATIO = 1e100  # of factors that LAPACK's Jacobi iteration resolves, for one member of a batch at a time
ENOUGH, SWEEPS = 4, 60  # sweeps after which the Jacobi iteration is used for members not converged; and at most
LARGEST_LOG = 700.0  # of a number in double precision


def svd_of_two(factors: list[Factor]) -> tuple[Array, Array, Array]:
    """u, ln s, v of a product of 2 x 2 triangular factors, for a whole batch at once.

    ln Λ_1 + ln Λ_2 is the logarithm of the determinant, a sum of logarithms, which is accurate at every ratio of the
    two.
    """
    xp = namespace(factors[0])
    with np.errstate(all="ignore"):
        log_scale, rows = scaled_product(factors)
        log_largest, right, matrix = largest_factor(log_scale, rows)
        determinant = sum(xp.log(xp.linalg.diagonal(r)).sum(-1) for r in factors)
        smallest = xp.where(determinant == -np.inf, -np.inf, determinant - log_largest)
        left = (matrix @ right[..., None])[..., 0]
        size = (left * left).sum(-1)[..., None] ** 0.5
    left = xp.where(size > 0, left / xp.where(size > 0, size, 1.0), right)
    # right-handed pairs on both sides, because the determinant of J is not negative
    return _pair(left), xp.stack([log_largest, xp.minimum(smallest, log_largest)], -1), _pair(right)


def _pair(first: Array) -> Array:
    """Columns (*batch, 2, 2): a unit vector (*batch, 2) and the same rotated by a right angle to the left."""
    xp = namespace(first)
    return xp.stack([first, xp.stack([-first[..., 1], first[..., 0]], -1)], -1)


def largest_factor(log_scale: Array, rows: Array) -> tuple[Array, Array, Array]:
    """ln of the largest singular value (*batch,) of exp(log_scale) rows, its right vector, and the matrix in units of
    its largest row; for a product of zero -inf and an arbitrary vector."""
    xp = namespace(rows)
    top = xp.amax(log_scale, axis=-1)
    matrix = rows * xp.exp(log_scale - top[..., None])[..., None]
    matrix = xp.where(xp.isfinite(matrix), matrix, 0.0)
    if matrix.shape[-1] == 2:
        value, right = _largest_of_two(matrix)
    else:
        _, values, rights = xp.linalg.svd(matrix)
        value, right = values[..., 0], rights[..., 0, :]
    return top + xp.log(value), right, matrix


def _largest_of_two(matrix: Array) -> tuple[Array, Array]:
    """The same for matrices (*batch, p, 2), by the closed form: LAPACK for each of them takes longer than the
    network."""
    xp, first, second = namespace(matrix), matrix[..., 0], matrix[..., 1]
    a, b, d = ((u * v).sum(-1) for u, v in ((first, first), (first, second), (second, second)))
    size = ((a + d) / 2 + xp.hypot((a - d) / 2, b)) ** 0.5
    angle = xp.arctan2(2 * b, a - d) / 2
    return size, xp.stack([xp.cos(angle), xp.sin(angle)], -1)


def product_svd(factors: list[Factor]) -> tuple[Array, Array, Array]:
    """u, ln s, v with r_L ... r_1 = u diag(s) vᵀ."""
    left, right, sweeps = None, None, 0
    while True:
        z, factors = _transposed(factors)
        right = z if right is None else right @ z
        z, factors = _transposed(factors)
        left = z if left is None else left @ z
        sweeps += 2
        log_scale, rows = scaled_product(factors)
        coupled = _coupled(rows)
        worst = float(constant(_largest_ratio(log_scale, coupled)).max())
        limit = RESOLVED_RATIO if sweeps < ENOUGH or is_differentiated(rows) else JACOBI_RATIO
        if worst <= np.log(limit) or sweeps >= SWEEPS:
            break
    u, log_factors, v = _separated(log_scale, rows, coupled)
    order = (-log_factors).argsort(-1)
    columns = order[..., None, :]
    return take(left @ u, columns), take(log_factors, order), take(right @ v, columns)


def _transposed(factors: list[Factor]) -> tuple[Array, list[Factor]]:
    """z and factors s with (r_L ... r_1)ᵀ = z s_L ... s_1: the QR loop over the transposes in reverse order."""
    m = factors[-1].shape[-2]
    identity = like(np.eye(m), factors[0]) + 0 * factors[-1][..., :, :1]
    steps = list(qr_steps([Linear(r.swapaxes(-1, -2)) for r in reversed(factors)], 0 * identity[..., 0], identity))
    return steps[-1].q, [step.r for step in steps]


def scaled_product(factors: list[Factor]) -> tuple[Array, Array]:
    """The product as exp(log_scale) (*batch, m) times rows (*batch, m, m) whose largest elements are 1."""
    xp, rows, log_scale = namespace(factors[0]), None, None
    with np.errstate(divide="ignore"):
        for r in factors:
            if log_scale is not None:
                shift = xp.amax(xp.log(abs(constant(r))) + log_scale[..., None, :], axis=-1)
                shift = xp.where(xp.isfinite(shift), shift, 0.0)  # a row of zeros
                r = r * xp.exp((log_scale[..., None, :] - shift[..., None]).clip(None, LARGEST_LOG))
                log_scale = shift
            rows = r if rows is None else r @ rows
            size = xp.amax(abs(constant(rows)), axis=-1)
            log_scale = xp.log(size) if log_scale is None else log_scale + xp.log(size)
            rows = rows / xp.where(size > 0, size, 1.0)[..., None]
    return log_scale, rows


def _coupled(rows: Array) -> Array:
    """Whether factors i and i + 1 are coupled (*batch, m - 1), by an off-diagonal element that is not negligible."""
    xp, size = namespace(rows), abs(rows)
    couplings = [xp.amax(size[..., :i, i:], axis=(-2, -1)) > NEGLIGIBLE for i in range(1, rows.shape[-1])]
    return xp.stack(couplings, -1) if couplings else size[..., 0, 1:] > 0


def _largest_ratio(log_scale: Array, coupled: Array) -> Array:
    """ln of the largest ratio (*batch,) of coupled factors, 0 where none are coupled."""
    xp = namespace(log_scale)
    finite = xp.where(xp.isfinite(log_scale), log_scale, -1e9)  # a factor 0 has a large ratio to all others
    total = worst = xp.zeros_like(finite[..., 0])
    for i in range(coupled.shape[-1]):
        total = xp.where(coupled[..., i], total + abs(finite[..., i + 1] - finite[..., i]), 0.0)
        worst = xp.maximum(worst, total)
    return worst


def _separated(log_scale: Array, rows: Array, coupled: Array) -> tuple[Array, Array, Array]:
    """The singular value decomposition of exp(log_scale) rows, with a decomposition of each group of coupled factors.

    Members of the batch with the same groups are decomposed together.
    """
    xp, (*batch, m) = namespace(rows), log_scale.shape
    log_scale, rows = log_scale.reshape(-1, m), rows.reshape(-1, m, m)
    coupled = as_numpy(coupled).reshape(len(rows), m - 1)
    with np.errstate(divide="ignore"):
        log_factors = log_scale + xp.log(abs(xp.linalg.diagonal(rows)))
    u = like(np.eye(m), rows) + 0 * rows
    v = like(np.eye(m), rows) + 0 * rows
    for pattern in np.unique(coupled, axis=0):
        (members,) = (coupled == pattern).all(-1).nonzero()
        for group in _groups(pattern):
            scales, block = log_scale[members, group], rows[members, group, group]
            top = xp.amax(scales, axis=-1)[..., None]
            block = xp.exp(scales - top)[..., None] * block
            apart = float(constant(top - scales).max()) > np.log(RESOLVED_RATIO) and not is_differentiated(rows)
            left, values, right = _graded_svd(block) if apart else xp.linalg.svd(block)
            u[members, group, group], v[members, group, group] = left, right.swapaxes(-1, -2)
            with np.errstate(divide="ignore"):
                log_factors[members, group] = xp.log(values) + top
    return u.reshape(*batch, m, m), log_factors.reshape(*batch, m), v.reshape(*batch, m, m)


def _graded_svd(blocks: Array) -> tuple[Array, Array, Array]:
    """u, s, vᵀ of matrices (members, m, m) whose rows differ by orders of magnitude: the Jacobi iteration keeps the
    relative accuracy of small singular values."""
    results = []
    for block in as_numpy(blocks):
        values, v, u, work, _, info = scipy.linalg.lapack.dgejsv(np.asfortranarray(block.T), joba=2, jobr=0)  # pyright: ignore[reportAttributeAccessIssue]
        if info != 0:
            raise np.linalg.LinAlgError(f"LAPACK's dgejsv did not converge: info={info}")
        results.append((u, values * (work[0] / work[1]), v.T))
    u, values, v = (like(np.stack(part), blocks) for part in zip(*results, strict=True))
    return u, values, v


def _groups(coupled: np.ndarray) -> list[slice]:
    """The groups of coupled factors of two or more; [True, False] means {0, 1} and {2}."""
    borders = [0, *(np.flatnonzero(~coupled) + 1), len(coupled) + 1]
    return [slice(a, b) for a, b in pairwise(borders) if b - a > 1]
