"""Finite time: the stretching factors of one product of tangent maps, not an average along it."""

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.linalg import lapack

from cocycle.arrays import Array, as_numpy, constant, floating, like, namespace, take
from cocycle.lyapunov.qr import orthonormal, qr_steps
from cocycle.maps import Linear, Map

NEGLIGIBLE = 1e-15  # an element of that size beside the largest of its row turns a direction by as much
SPREAD = 1e100  # of the factors that LAPACK's Jacobi iteration resolves at once
SPREAD_TORCH = 1e4  # of those that an ordinary singular value decomposition resolves, to twelve digits
SWEEPS = 60  # after as many, factors whose ratio is below 0.85 are apart


class Stretching(NamedTuple):
    """The singular value decomposition of a product of tangent maps J, on the span of the frame it was given.

    log_factors (*batch, m): ln Λ_1 >= ln Λ_2 >= ...  right (*batch, n, m): its columns are the directions at the
    input that are stretched by these factors, left (*batch, p, m): where they point at the output,
    J right_i = Λ_i left_i.  Directions are lines: their signs mean nothing.  time: what the product took.
    """

    log_factors: Array
    right: Array
    left: Array
    time: float

    @property
    def exponents(self) -> Array:
        """The finite-time exponents ln Λ_i / time (*batch, m); for layers the time is their number."""
        return self.log_factors / self.time


def stretching(steps: Iterable[Map], x: Array, q: Array) -> Array:
    """ln of the singular values Λ_1 >= Λ_2 >= ... of the product J of the tangent maps at x, on the span of q.

    For layers x (*batch, n) and a square frame q = `frame(x, n)` these are the singular values of J itself, and
    the finite-time exponents are λ_i = ln Λ_i / L for L layers (Storm et al., Phys. Rev. Lett. 132, 057301, 2024).
    Shape (*batch, m), with m the smallest of k and the widths on the way: a layer of m units leaves m factors.
    `singular_directions` tells the directions too, and how accurate the factors are.
    """
    return singular_directions(steps, x, q).log_factors


def singular_directions(steps: Iterable[Map], x: Array, q: Array) -> Stretching:
    """The stretching factors of the product J of the tangent maps at x (*batch, n), with their directions.

    q (*batch, n, k) spans the directions at the input that are looked at; a square one spans all.  All factors come to
    high relative accuracy, to rounding times the condition number of a single map, whatever lies between the
    largest and the smallest: the triangular factors of J q are kept, and QR is done again on their transposes in
    reverse order until each factor stands alone (the product iteration of Stewart, SIAM J. Matrix Anal. Appl. 18,
    1, 1997; Oliveira & Stewart, Lin. Alg. Appl. 309, 2000).  A factor that is exactly zero, where units are off or
    dead, comes out as -inf or as what rounding leaves of it, some 35 below the largest.  Memory: one k x k factor for
    each map.

    In a batch, members whose values are not finite get NaN.  Raises ValueError for shapes that do not fit and for an
    empty product, ArithmeticError when no member stays finite.
    """
    x, q = floating("x", x), floating("q", q)
    q = orthonormal(x, q)
    factors, last, time = [], None, 0.0
    for last in qr_steps(steps, x, q):
        factors.append(last.r)
        time += last.time
    if last is None:
        raise ValueError("steps must hold at least one map; got none")
    xp = namespace(q)
    healthy = xp.stack([xp.isfinite(r).all(-1).all(-1) for r in factors]).all(0)
    if not healthy.any():
        raise ArithmeticError("the tangent vectors are no longer finite: check x, q and the maps")
    factors = [xp.where(healthy[..., None, None], r, 0.0) for r in factors]
    left, log_factors, right = _product_svd(factors)
    log_factors = xp.where(healthy[..., None], log_factors, np.nan)
    return Stretching(log_factors, q @ right, last.q @ left, time)


def _product_svd(factors: list[Array]) -> tuple[Array, Array, Array]:
    """u, ln s, v with r_L ... r_1 = u diag(s) vᵀ."""
    xp, left, right = namespace(factors[0]), None, None
    limit = SPREAD if xp is np else SPREAD_TORCH
    for sweep in range(1, SWEEPS + 1):
        z, factors = _transposed(factors)
        if sweep % 2:
            right = z if right is None else right @ z
            continue
        left = z if left is None else left @ z
        log_scale, rows = scaled_product(factors)
        coupled = _coupled(rows)
        if not (_spread(log_scale, coupled) > np.log(limit)).any():
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
                r = r * xp.exp((log_scale[..., None, :] - shift[..., None]).clip(None, 700.0))
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
    """The singular value decomposition of exp(log_scale) rows, ties resolved within their groups."""
    xp, m = namespace(rows), rows.shape[-1]
    with np.errstate(divide="ignore"):
        log_factors = log_scale + xp.log(abs(xp.linalg.diagonal(rows)))
    u = like(np.eye(m), rows) + 0 * rows
    v = like(np.eye(m), rows) + 0 * rows
    coupled = as_numpy(coupled)
    for member in map(tuple, np.argwhere(coupled.any(-1))):
        for group in _groups(coupled[member]):
            top = log_scale[member][group].max()
            block = xp.exp(log_scale[member][group] - top)[:, None] * rows[member][group, group]
            u[(*member, group, group)], values, v[(*member, group, group)] = _svd(block)
            with np.errstate(divide="ignore"):
                log_factors[(*member, group)] = xp.log(values) + top
    return u, log_factors, v


def _groups(coupled: np.ndarray) -> list[slice]:
    """The runs of factors that are tied together, [True, False] meaning {0, 1}, {2}."""
    borders = [0, *(np.flatnonzero(~coupled) + 1), len(coupled) + 1]
    return [slice(a, b) for a, b in pairwise(borders) if b - a > 1]


def _svd(block: Array) -> tuple[Array, Array, Array]:
    """u, s, v of a matrix whose rows differ by decades: LAPACK's Jacobi iteration sees them, the usual one does not."""
    if namespace(block) is not np:
        u, values, v = namespace(block).linalg.svd(block)
        return u, values, v.T
    values, v, u, work, _, info = lapack.dgejsv(np.asfortranarray(block.T), joba=2, jobr=0)  # pyright: ignore[reportAttributeAccessIssue]
    if info != 0:
        raise np.linalg.LinAlgError(f"LAPACK's dgejsv did not converge: info={info}")
    return u, values * (work[0] / work[1]), v
