"""Finite-time exponents: the singular values of one product of tangent maps."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from math import prod
from typing import NamedTuple

import numpy as np

from cocycle.arrays import (
    Array,
    Exponents,
    Factor,
    Frame,
    State,
    as_numpy,
    double,
    floating,
    is_differentiated,
    like,
    namespace,
    tolerances,
)
from cocycle.lyapunov.chunks import at_once, bytes_of_one, widths
from cocycle.lyapunov.product_svd import product_svd, svd_of_two
from cocycle.lyapunov.qr import as_map, check_steps, orthonormal, qr_steps
from cocycle.lyapunov.spread import diagonal_of, spread_of
from cocycle.maps import Map
from cocycle.progress import tracked
from cocycle.results import extent, html_table
from cocycle.threads import one_thread_if_small

SHOWN = 10  # exponents in the table of a notebook
FEW = 10_000  # elements of the frames, below which a batch is not divided into chunks


class FiniteTimeExponents(NamedTuple):
    """The singular value decomposition of a product J of tangent maps, on the span of the given frame.

    `log_factors` (*batch, m) are ln Λ_1 >= ln Λ_2 >= ...; the columns of `right` (*batch, n, m) are the directions at
    the input that are stretched by these factors, those of `left` (*batch, p, m) their images at the output: J right_i
    = Λ_i left_i, with arbitrary common signs.  `time` is that of all maps together.  `known` (*batch,) is the number of
    factors, from the largest on, that are above the rounding error of the maps; there is a warning where it is less
    than m.
    """

    log_factors: Exponents
    right: Frame
    left: Frame
    time: float
    known: np.ndarray

    @property
    def exponents(self) -> Exponents:
        """The finite-time exponents ln Λ_i / time (*batch, m); the time of layers is their number."""
        return self.log_factors / self.time

    def _repr_html_(self):
        """Each exponent; of a batch, the least, the median and the largest over its members."""
        exponents = as_numpy(self.exponents)
        batch, m = exponents.shape[:-1], exponents.shape[-1]
        columns = ("least λᵢ", "median", "largest") if batch else ("λᵢ",)
        rows = [[i + 1, *extent(exponents[..., i])[: len(columns)]] for i in range(m)]
        if m > SHOWN:
            rows[SHOWN // 2 : -2] = [["…", f"{m} in all", *[""] * (len(columns) - 1)]]
        known = int(as_numpy(self.known).min(initial=m))
        lost = f"; rounding errors from i = {known + 1} on" if known < m else ""
        words = f"FiniteTimeExponents over time {self.time:g}" + (f", batch {batch}" if batch else "") + lost
        return html_table(words, ("i", *columns), rows)


def finite_time_exponents(steps: Iterable[Map], x: State, q: Frame) -> FiniteTimeExponents:
    """The singular values Λ_1 >= Λ_2 >= ... of the product J of the tangent maps at x, on the span of q.

    The finite-time exponents are λ_i = ln Λ_i / L for L layers, ln Λ_i / time for a flow (Storm et al., Phys. Rev.
    Lett. 132, 057301, 2024).  q spans the directions at the input; `frame(x, n)` spans all.  There are m factors, with
    m the smallest of k and the widths of the layers.

    All have high relative accuracy, the rounding error times the condition number of a single map, also where they
    differ by many orders of magnitude: the triangular factors of J q are kept, and QR is applied again to their
    transposes in reverse order until the diagonal has converged (the product iteration of Stewart, SIAM J. Matrix Anal.
    Appl. 18, 1, 1997; Oliveira & Stewart, Lin. Alg. Appl. 309, 2000).  Two factors follow from the largest one and the
    determinant.  A factor of exactly zero, where units are off or dead, is -inf or what its rounding errors give.
    Logarithms are in double precision for maps of every precision.  Memory: the maps, and one k x k factor for each.

    Warns where a single map stretches so unequally that the smallest factors are rounding errors, and says which of the
    product are lost: `known` counts the others.

    Members of a batch whose values are not finite get NaN.  Raises ValueError for shapes that do not fit and for an
    empty product, ArithmeticError when no member is finite.
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
        raise ArithmeticError(
            "the tangent vectors must stay finite; in no member of the batch do they: check x, q and the maps"
        )
    _warn_of_unknown(found)
    return found


def _in_chunks(maps: tuple[Map, ...], x: State, q: Frame) -> FiniteTimeExponents | None:
    """The same for chunks of the first batch axis, because those that fit in the cache are fastest.

    None for a batch that fits, and for maps with parameters for each member, which cannot take a part of the batch.
    """
    if x.ndim < 2 or len(x) < 4 or prod(q.shape) < FEW:
        return None
    try:
        dimensions = widths(tuple(map(as_map, maps)), x[:2])
    except Exception:  # any error for two members means that the maps cannot take a part of the batch
        return None
    each = prod(x.shape[1:-1]) * bytes_of_one(dimensions, q.shape[-1], x.dtype.itemsize)
    size = max(2, at_once(each, np.inf))
    if size >= len(x):
        return None
    starts = range(0, len(x) - 1, size)  # no chunk of one member, which would broadcast against a batch of maps
    chunks = list(zip(starts, [*starts[1:], len(x)], strict=True))
    parts = [_of_chunk(maps, x[a:b], q[a:b]) for a, b in tracked(chunks, "exponents")]
    join = namespace(parts[0].log_factors).concatenate
    log_factors, right, left = (join([part[i] for part in parts]) for i in range(3))
    return FiniteTimeExponents(log_factors, right, left, parts[0].time, np.concatenate([part.known for part in parts]))


def _of_chunk(maps: Iterable[Map], x: State, q: Frame) -> FiniteTimeExponents:
    # the smaller factor of two follows from the determinant, which loses only a few digits in groups of maps
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
    """Directions in the coordinates of the frame q, converted to those of the state, as an array like `kind`."""
    return like(double(like(q, kind)) @ directions, kind)


def _known(factors: list[Factor], log_factors: Exponents, eps: float) -> np.ndarray:
    """The number (*batch,) of sorted factors (*batch, m) that are known.

    The error of r_ii in QR is a few eps max_j r_jj, j <= i.  Column i of the product is lost where the sum of the
    resulting errors of ln r_ii is too large.  As many factors are known as there are other columns, if they are larger
    than those of all lost columns.
    """
    m = log_factors.shape[-1]
    with np.errstate(all="ignore"):
        logs = np.log(np.stack([diagonal_of(r)[..., :m] for r in factors]))
        lost = 4 * eps * np.exp(2 * spread_of(logs)).sum(0) ** 0.5 > tolerances(np.float64).UNRELIABLE
        largest_lost = np.where(lost, logs.sum(0), -np.inf).max(-1)
    above = (as_numpy(log_factors) > largest_lost[..., None]).sum(-1)
    return np.where(lost.any(-1), np.minimum(above, (~lost).sum(-1)), m)


def _warn_of_unknown(found: FiniteTimeExponents) -> None:
    m = found.log_factors.shape[-1]
    lost = found.known < m
    if lost.any():
        members = f" in {lost.sum()} of {lost.size} members of the batch" if lost.ndim else ""
        warnings.warn(
            f"factors from number {found.known.min() + 1} on cannot be known{members}: a single map stretches so"
            " unequally that they are rounding errors; take fewer vectors, or double precision where it is single",
            stacklevel=3,
        )
