"""Finite time: the stretching factors of one product of tangent maps, not an average along it."""

import warnings
from collections.abc import Iterable
from itertools import pairwise
from math import prod
from typing import NamedTuple

import numpy as np
from scipy.linalg import lapack

from cocycle.arrays import Array, as_numpy, constant, double, floating, like, namespace, take, tolerances
from cocycle.lyapunov.chunks import at_once, bytes_of_one, widths
from cocycle.lyapunov.qr import as_map, check_steps, orthonormal, qr_steps
from cocycle.maps import Linear, Map
from cocycle.progress import tracked
from cocycle.threads import one_thread_if_small

# all of the following is computed in double precision, whatever the maps are in
NEGLIGIBLE = 1e-15  # an element of that size beside the largest of its row turns a direction by as much
SPREAD = 1e3  # of the factors that a singular value decomposition resolves at once, to twelve digits
SPREAD_JACOBI = 1e100  # of those that LAPACK's Jacobi iteration does, one member of a batch after the other
ENOUGH, SWEEPS = 4, 60  # after as many the few members that are not apart are left to the latter; and at most
LARGEST_LOG = 700.0  # of a number in double precision


class Stretching(NamedTuple):
    """The singular value decomposition of a product of tangent maps J, on the span of the frame it was given.

    log_factors (*batch, m): ln Λ_1 >= ln Λ_2 >= ...  right (*batch, n, m): its columns are the directions at the
    input that are stretched by these factors, left (*batch, p, m): where they point at the output,
    J right_i = Λ_i left_i.  Directions are lines: their signs mean nothing.  time: what the product took.
    known (*batch,): how many of the factors, from the largest on, the precision of the maps can tell; the others are
    rounding, and there was a warning.
    """

    log_factors: Array
    right: Array
    left: Array
    time: float
    known: np.ndarray

    @property
    def exponents(self) -> Array:
        """The finite-time exponents ln Λ_i / time (*batch, m); for layers the time is their number."""
        return self.log_factors / self.time


def stretching(steps: Iterable[Map], x: Array, q: Array) -> Array:
    """ln of the singular values Λ_1 >= Λ_2 >= ... of the product J of the tangent maps at x, on the span of q.

    For layers x (*batch, n) and a square frame q = `frame(x, n)` these are the singular values of J itself, and
    the finite-time exponents are λ_i = ln Λ_i / L for L layers (Storm et al., Phys. Rev. Lett. 132, 057301, 2024).
    Shape (*batch, m), with m the smallest of k and the widths on the way: a layer of m units leaves m factors.
    `singular_directions` tells the directions too, how accurate the factors are, and which are not known.
    """
    found = _decomposed(steps, x, q, directions=False)
    _warn_of_unknown(found)
    return found.log_factors


def singular_directions(steps: Iterable[Map], x: Array, q: Array) -> Stretching:
    """The stretching factors of the product J of the tangent maps at x (*batch, n), with their directions.

    q (*batch, n, k) spans the directions at the input that are looked at; a square one spans all.  All factors come to
    high relative accuracy, to rounding times the condition number of a single map, whatever lies between the
    largest and the smallest: the triangular factors of J q are kept, and QR is done again on their transposes in
    reverse order until each factor stands alone (the product iteration of Stewart, SIAM J. Matrix Anal. Appl. 18,
    1, 1997; Oliveira & Stewart, Lin. Alg. Appl. 309, 2000); two factors follow from the largest and the determinant.
    A factor that is exactly zero, where units are off or dead, comes out as -inf or as what rounding leaves of it.
    Logarithms are in double precision, whatever the maps are in.  Memory: one k x k factor for each map.

    Warns where a single map stretches so unequally that its precision does not hold the smallest factors, and says
    which of the product are lost: `known` counts the others.

    In a batch, members whose values are not finite get NaN.  Raises ValueError for shapes that do not fit and for an
    empty product, ArithmeticError when no member stays finite.
    """
    found = _decomposed(steps, x, q, directions=True)
    _warn_of_unknown(found)
    return found


def _decomposed(steps: Iterable[Map], x: Array, q: Array, *, directions: bool) -> Stretching:
    check_steps(steps)
    x, q = floating("x", x), floating("q", q)
    q, maps = orthonormal(x, q), tuple(steps)
    if not maps:
        raise ValueError("steps must hold at least one map; got none")
    with one_thread_if_small(x, q.shape[-1]):
        found = _in_chunks(maps, x, q, directions) or _of_chunk(tracked(maps, "exponents"), x, q, directions)
    if bool(namespace(found.log_factors).isnan(found.log_factors).all()):
        raise ArithmeticError("the tangent vectors are no longer finite: check x, q and the maps")
    return found


def _in_chunks(maps: tuple[Map, ...], x: Array, q: Array, directions: bool) -> Stretching | None:
    """The same for parts of the first batch axis, one after the other: what fits in the cache is fast.

    None for a batch that fits, or whose members have maps of their own, which do not take parts of it.
    """
    if x.ndim < 2 or len(x) < 4:
        return None
    try:
        dimensions = widths(tuple(map(as_map, maps)), x[:2])
    except ValueError:
        return None
    each = prod(x.shape[1:-1]) * bytes_of_one(dimensions, q.shape[-1], x.dtype.itemsize)
    size = max(2, at_once(each, np.inf))
    if size >= len(x) or dimensions[0] * dimensions[-1] == 0:
        return None
    starts = range(0, len(x) - 1, size)  # no part of length one, which a batch of maps would take for all
    ends = [*starts[1:], len(x)]
    try:
        chunks = tracked(list(zip(starts, ends, strict=True)), "exponents")
        parts = [_of_chunk(maps, x[a:b], q[a:b], directions) for a, b in chunks]
    except (ValueError, RuntimeError, IndexError):
        return None
    if any(part.log_factors.shape[:-1] != x[a:b].shape[:-1] for part, a, b in zip(parts, starts, ends, strict=True)):
        return None
    join = namespace(parts[0].log_factors).concatenate
    log_factors, right, left = (join([part[i] for part in parts]) for i in range(3))
    return Stretching(log_factors, right, left, parts[0].time, np.concatenate([part.known for part in parts]))


def _of_chunk(maps: Iterable[Map], x: Array, q: Array, directions: bool) -> Stretching:
    limits = tolerances(q.dtype)
    # of two vectors the smaller factor follows from the determinant: groups of maps cost it a few digits
    every: dict = {"every": "auto", "spread": limits.fine_spread} if q.shape[-1] == 2 else {}
    factors, last, time = [], None, 0.0
    for last in qr_steps(maps, x, q, **every):
        factors.append(double(last.r))
        time += last.time
    assert last is not None
    xp, eps = namespace(last.q), tolerances(last.q.dtype).eps
    healthy = xp.stack([xp.isfinite(r).all(-1).all(-1) for r in factors]).all(0)
    if not healthy.all():
        factors = [xp.where(healthy[..., None, None], r, 0.0) for r in factors]
    width = min(r.shape[-2] for r in factors)
    left, log_factors, right = _product_svd_of_two(factors) if width == q.shape[-1] == 2 else _product_svd(factors)
    known = _known(factors, log_factors, eps)
    log_factors = xp.where(healthy[..., None], log_factors, np.nan)
    if not directions:
        return Stretching(log_factors, right, left, time, known)
    return Stretching(log_factors, _turned(q, right, last.q), _turned(last.q, left, last.q), time, known)


def _turned(q: Array, directions: Array, kind: Array) -> Array:
    """Directions given in the coordinates of the frame q, in those of the state: an array of the kind of `kind`."""
    return like(double(like(q, kind)) @ directions, kind)


def _known(factors: list[Array], log_factors: Array, eps: float) -> np.ndarray:
    """How many of the sorted factors (*batch, m) are known: (*batch,).

    QR knows r_ii to a few eps max_j r_jj, j <= i.  Column i of the product is noise where these errors, as errors of
    ln r_ii, add up to too much.  Known are as many factors as there are other columns, if they are above all noise.
    """
    m = log_factors.shape[-1]
    with np.errstate(all="ignore"):
        logs = np.log(np.stack([np.diagonal(as_numpy(r), axis1=-2, axis2=-1)[..., :m] for r in factors]))
        spread = np.maximum.accumulate(logs, axis=-1) - logs
        spread = np.where(np.isfinite(spread), spread, 0.0)  # a factor that is exactly 0 is exact: a projection
        lost = 4 * eps * np.exp(2 * spread).sum(0) ** 0.5 > tolerances(np.float64).UNRELIABLE
        noise = np.where(lost, logs.sum(0), -np.inf).max(-1)
    above = (as_numpy(log_factors) > noise[..., None]).sum(-1)
    return np.where(lost.any(-1), np.minimum(above, (~lost).sum(-1)), m)


def _warn_of_unknown(found: Stretching) -> None:
    m = found.log_factors.shape[-1]
    lost = found.known < m
    if lost.any():
        members = f" in {lost.sum()} of {lost.size} members of the batch" if lost.ndim else ""
        warnings.warn(
            f"factors from number {found.known.min() + 1} on cannot be known{members}: a single map stretches so"
            " unequally that its precision does not hold them; take fewer vectors, or double precision where it is"
            " single",
            stacklevel=3,
        )


def _product_svd_of_two(factors: list[Array]) -> tuple[Array, Array, Array]:
    """u, ln s, v of a product of 2 x 2 triangular factors, for a whole batch at once.

    ln Λ_1 + ln Λ_2 is the logarithm of the determinant, a sum of logarithms, however far the two are apart.
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
    # J turns the pair as a whole: its determinant is not negative
    return _pair(left), xp.stack([log_largest, xp.minimum(smallest, log_largest)], -1), _pair(right)


def _pair(first: Array) -> Array:
    """Columns (*batch, 2, 2): a unit vector (*batch, 2) and the one at a right angle to its left."""
    xp = namespace(first)
    return xp.stack([first, xp.stack([-first[..., 1], first[..., 0]], -1)], -1)


def largest_factor(log_scale: Array, rows: Array) -> tuple[Array, Array, Array]:
    """ln of the largest singular value (*batch,) of exp(log_scale) rows, its right vector, and the matrix itself in
    units of its largest row; of a product that is zero -inf and any vector."""
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
    """The same of matrices (*batch, p, 2), at once: a decomposition for each takes longer than the network."""
    xp, first, second = namespace(matrix), matrix[..., 0], matrix[..., 1]
    a, b, d = ((u * v).sum(-1) for u, v in ((first, first), (first, second), (second, second)))
    size = ((a + d) / 2 + xp.hypot((a - d) / 2, b)) ** 0.5
    angle = xp.arctan2(2 * b, a - d) / 2
    return size, xp.stack([xp.cos(angle), xp.sin(angle)], -1)


def _product_svd(factors: list[Array]) -> tuple[Array, Array, Array]:
    """u, ln s, v with r_L ... r_1 = u diag(s) vᵀ."""
    xp, left, right = namespace(factors[0]), None, None
    for sweep in range(1, SWEEPS + 1):
        z, factors = _transposed(factors)
        if sweep % 2:
            right = z if right is None else right @ z
            continue
        left = z if left is None else left @ z
        log_scale, rows = scaled_product(factors)
        coupled = _coupled(rows)
        worst = float(_spread(log_scale, coupled).max())
        differentiated = xp is not np and rows.requires_grad
        if worst <= np.log(SPREAD if sweep < ENOUGH or differentiated else SPREAD_JACOBI):
            break
    u, log_factors, v = _separated(log_scale, rows, coupled)
    order = (-log_factors).argsort(-1)
    columns = order[..., None, :]
    return take(left @ u, columns), take(log_factors, order), take(right @ v, columns)


def _transposed(factors: list[Array]) -> tuple[Array, list[Array]]:
    """z and factors s with (r_L ... r_1)ᵀ = z s_L ... s_1: the QR loop once more, over the transposes backwards."""
    m = factors[-1].shape[-2]
    identity = like(np.eye(m), factors[0]) + 0 * factors[-1][..., :, :1]
    steps = list(qr_steps([Linear(r.swapaxes(-1, -2)) for r in reversed(factors)], 0 * identity[..., 0], identity))
    return steps[-1].q, [step.r for step in steps]


def scaled_product(factors: list[Array]) -> tuple[Array, Array]:
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
    """Whether factors i and i + 1 (*batch, m - 1) are tied together: an element beside the diagonal still matters."""
    xp, size = namespace(rows), abs(rows)
    ties = [xp.amax(size[..., :i, i:], axis=(-2, -1)) > NEGLIGIBLE for i in range(1, rows.shape[-1])]
    return xp.stack(ties, -1) if ties else size[..., 0, 1:] > 0


def _spread(log_scale: Array, coupled: Array) -> Array:
    """(*batch,): ln of the largest ratio between factors that are tied together, 0 where none are."""
    xp = namespace(log_scale)
    finite = xp.where(xp.isfinite(log_scale), log_scale, -1e9)  # a factor 0 is far from all others
    total = worst = xp.zeros_like(finite[..., 0])
    for i in range(coupled.shape[-1]):
        total = xp.where(coupled[..., i], total + abs(finite[..., i + 1] - finite[..., i]), 0.0)
        worst = xp.maximum(worst, total)
    return worst


def _separated(log_scale: Array, rows: Array, coupled: Array) -> tuple[Array, Array, Array]:
    """The singular value decomposition of exp(log_scale) rows, ties resolved within their groups.

    Members of the batch with ties at the same places are resolved together.
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
            apart = float((top - scales).max()) > np.log(SPREAD) and not (xp is not np and rows.requires_grad)
            left, values, right = _graded_svd(block) if apart else xp.linalg.svd(block)
            u[members, group, group], v[members, group, group] = left, right.swapaxes(-1, -2)
            with np.errstate(divide="ignore"):
                log_factors[members, group] = xp.log(values) + top
    return u.reshape(*batch, m, m), log_factors.reshape(*batch, m), v.reshape(*batch, m, m)


def _graded_svd(blocks: Array) -> tuple[Array, Array, Array]:
    """u, s, vᵀ of matrices (members, m, m) whose rows differ by decades: Jacobi's iteration tells the small ones."""
    results = []
    for block in as_numpy(blocks):
        values, v, u, work, _, info = lapack.dgejsv(np.asfortranarray(block.T), joba=2, jobr=0)  # pyright: ignore[reportAttributeAccessIssue]
        if info != 0:
            raise np.linalg.LinAlgError(f"LAPACK's dgejsv did not converge: info={info}")
        results.append((u, values * (work[0] / work[1]), v.T))
    return tuple(like(np.stack(part), blocks) for part in zip(*results, strict=True))  # type: ignore[return-value]


def _groups(coupled: np.ndarray) -> list[slice]:
    """The runs of factors that are tied together, [True, False] meaning {0, 1}, {2}."""
    borders = [0, *(np.flatnonzero(~coupled) + 1), len(coupled) + 1]
    return [slice(a, b) for a, b in pairwise(borders) if b - a > 1]
