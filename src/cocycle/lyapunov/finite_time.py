"""Finite time: the stretching factors of one product of tangent maps, not an average along it."""

import warnings
from collections.abc import Iterable
from math import prod
from typing import NamedTuple

import numpy as np

from cocycle.arrays import Array, as_numpy, double, floating, is_differentiated, like, namespace, tolerances
from cocycle.lyapunov.chunks import at_once, bytes_of_one, widths
from cocycle.lyapunov.product_svd import product_svd, svd_of_two
from cocycle.lyapunov.qr import as_map, check_steps, orthonormal, qr_steps
from cocycle.lyapunov.spread import diagonal_of, spread_of
from cocycle.maps import Map
from cocycle.progress import tracked
from cocycle.threads import one_thread_if_small

FEW = 10_000  # elements of a frame, below which a batch goes through the maps in one piece


class FiniteTimeExponents(NamedTuple):
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


def finite_time_exponents(steps: Iterable[Map], x: Array, q: Array) -> FiniteTimeExponents:
    """The singular values Λ_1 >= Λ_2 >= ... of the product J of the tangent maps at x (*batch, n), on the span of q.

    The finite-time exponents are λ_i = ln Λ_i / L for L layers, ln Λ_i / time for a flow (Storm et al., Phys. Rev.
    Lett. 132, 057301, 2024).  q (*batch, n, k) spans the directions at the input that are looked at; a square one,
    `frame(x, n)`, spans all.  There are m factors, the smallest of k and the widths on the way: a layer of m units
    leaves m.

    All come to high relative accuracy, to rounding times the condition number of a single map, whatever lies between
    the largest and the smallest: the triangular factors of J q are kept, and QR is done again on their transposes in
    reverse order until each factor stands alone (the product iteration of Stewart, SIAM J. Matrix Anal. Appl. 18,
    1, 1997; Oliveira & Stewart, Lin. Alg. Appl. 309, 2000); two factors follow from the largest and the determinant.
    A factor that is exactly zero, where units are off or dead, comes out as -inf or as what rounding leaves of it.
    Logarithms are in double precision, whatever the maps are in.  Memory: the maps, and one k x k factor for each.

    Warns where a single map stretches so unequally that its precision does not hold the smallest factors, and says
    which of the product are lost: `known` counts the others.

    In a batch, members whose values are not finite get NaN.  Raises ValueError for shapes that do not fit and for an
    empty product, ArithmeticError when no member stays finite.
    """
    check_steps(steps)
    x, q = floating("x", x), floating("q", q)
    q, maps = orthonormal(x, q), tuple(steps)
    if not prod(x.shape):
        raise ValueError(f"x must hold at least one state; got shape {tuple(x.shape)}")
    if not maps:
        raise ValueError("steps must hold at least one map; got none")
    with one_thread_if_small(x, q.shape[-1]):
        found = _in_chunks(maps, x, q) or _of_chunk(tracked(maps, "exponents"), x, q)
    if bool(namespace(found.log_factors).isnan(found.log_factors).all()):
        raise ArithmeticError("the tangent vectors are no longer finite: check x, q and the maps")
    _warn_of_unknown(found)
    return found


def _in_chunks(maps: tuple[Map, ...], x: Array, q: Array) -> FiniteTimeExponents | None:
    """The same for parts of the first batch axis, one after the other: what fits in the cache is fast.

    None for a batch that fits, or whose members have maps of their own, which do not take parts of it.
    """
    if x.ndim < 2 or len(x) < 4 or prod(q.shape) < FEW:
        return None
    try:
        dimensions = widths(tuple(map(as_map, maps)), x[:2])
    except Exception:  # whatever a map says of two members says it does not take parts of the batch
        return None
    each = prod(x.shape[1:-1]) * bytes_of_one(dimensions, q.shape[-1], x.dtype.itemsize)
    size = max(2, at_once(each, np.inf))
    if size >= len(x):
        return None
    starts = range(0, len(x) - 1, size)  # no part of length one, which a batch of maps would take for all
    chunks = list(zip(starts, [*starts[1:], len(x)], strict=True))
    parts = [_of_chunk(maps, x[a:b], q[a:b]) for a, b in tracked(chunks, "exponents")]
    join = namespace(parts[0].log_factors).concatenate
    log_factors, right, left = (join([part[i] for part in parts]) for i in range(3))
    return FiniteTimeExponents(log_factors, right, left, parts[0].time, np.concatenate([part.known for part in parts]))


def _of_chunk(maps: Iterable[Map], x: Array, q: Array) -> FiniteTimeExponents:
    # of two vectors the smaller factor follows from the determinant: groups of maps cost it a few digits
    every: dict = {"every": "auto", "fine": True} if q.shape[-1] == 2 else {}
    factors, last, time = [], None, 0.0
    for last in qr_steps(maps, x, q, **every):
        factors.append(double(last.r))
        time += last.time
    assert last is not None
    xp, eps = namespace(last.q), tolerances(last.q.dtype).eps
    healthy = xp.stack([xp.isfinite(r).all(-1).all(-1) for r in factors]).all(0)
    if not healthy.all():
        factors = [xp.where(healthy[..., None, None], r, 0.0) for r in factors]
    two = min(r.shape[-2] for r in factors) == q.shape[-1] == 2 and not is_differentiated(factors[0])
    left, log_factors, right = svd_of_two(factors) if two else product_svd(factors)
    known = _known(factors, log_factors, eps)
    log_factors = xp.where(healthy[..., None], log_factors, np.nan)
    return FiniteTimeExponents(log_factors, _turned(q, right, last.q), _turned(last.q, left, last.q), time, known)


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
        logs = np.log(np.stack([diagonal_of(r)[..., :m] for r in factors]))
        lost = 4 * eps * np.exp(2 * spread_of(logs)).sum(0) ** 0.5 > tolerances(np.float64).UNRELIABLE
        noise = np.where(lost, logs.sum(0), -np.inf).max(-1)
    above = (as_numpy(log_factors) > noise[..., None]).sum(-1)
    return np.where(lost.any(-1), np.minimum(above, (~lost).sum(-1)), m)


def _warn_of_unknown(found: FiniteTimeExponents) -> None:
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
