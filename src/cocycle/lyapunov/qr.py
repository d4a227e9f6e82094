"""The QR loop: push a frame of tangent vectors forward by a sequence of maps, orthonormalise, yield."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from itertools import islice
from math import prod
from types import FunctionType
from typing import NamedTuple

import numpy as np

from cocycle.arrays import Array, Factor, Frame, State, constant, floating, generator, like, namespace, tolerances
from cocycle.driven import Driven
from cocycle.maps import Map, VectorField

FIRST, LONGEST = 4, 100  # maps in the first group for few vectors, whose growth is not known yet, and in every group
FEW, MANY = 4, 8  # at most so many vectors, at least so many members: Gram-Schmidt is faster than LAPACK


class QRStep(NamedTuple):
    """After a group of maps: the state x, the orthonormal frame q, the factor r of the pushed frame q r, the time of
    the group, and its number of maps."""

    x: State
    q: Frame
    r: Factor
    time: float
    maps: int


def frame(x: State, k: int, rng: np.random.Generator | int = 0) -> Frame:
    """A random orthonormal frame of k vectors at the state x, uniform on the Stiefel manifold.

    It is random because columns of the identity span invariant subspaces of drive-response systems, where the exponents
    would be wrong.  Raises ValueError unless 1 <= k <= n.
    """
    x = floating("x", x)
    if x.ndim < 1:
        raise ValueError(f"x must be a state of shape (*batch, n); got the number {x}")
    n = x.shape[-1]
    if not isinstance(k, int | np.integer) or not 1 <= k <= n:
        raise ValueError(f"k must be in 1..{n} for a state of dimension n={n}; got k={k!r}")
    return like(orthonormalise(generator(rng).normal(size=(*x.shape, k)))[0], x)


def orthonormalise(q: Frame) -> tuple[Frame, Factor]:
    """The QR factors of q with diag(r) >= 0, so that they are unique and vary smoothly."""
    k = q.shape[-1]
    if k == 1:
        factors = _normalise(q)
        if factors is not None:
            return factors
    elif k <= FEW and prod(q.shape[:-2]) >= MANY:
        factors = _gram_schmidt(q)
        if factors is not None:
            return factors
    xp = namespace(q)
    q, r = xp.linalg.qr(q)
    diagonal = xp.linalg.diagonal(r)
    sign = xp.copysign(xp.ones_like(diagonal), diagonal)
    return q * sign[..., None, :], r * sign[..., None]


def _normalise(q: Frame) -> tuple[Frame, Factor] | None:
    """The QR factors of single vectors: direction and length.  None where squares might overflow or underflow."""
    v, limit = q[..., 0], tolerances(q.dtype).range
    with np.errstate(all="ignore"):
        size = namespace(q).linalg.vecdot(v, v) ** 0.5
        if not ((size > 1 / limit) & (size < limit)).all():
            return None
        return q / size[..., None, None], size[..., None, None]


def _gram_schmidt(q: Frame) -> tuple[Frame, Factor] | None:
    """The QR factors of a few vectors for all members of a batch together, without a call of LAPACK for each.

    Every vector is projected twice, which is enough (Giraud, Langou & Rozloznik, Comput. Math. Appl. 50, 1069, 2005)
    unless it nearly vanishes in the first pass.  None in that case, and where squares might overflow or underflow.
    """
    xp, k, limit = namespace(q), q.shape[-1], tolerances(q.dtype).range
    vanishing = 1e4 * tolerances(q.dtype).eps
    basis: list[Array] = []
    r = like(np.zeros((k, k, *q.shape[:-2])), q)
    with np.errstate(all="ignore"):
        for j in range(k):
            v = q[..., j]
            before, again = _norm(v), 0.0
            for sweep in range(2 if j else 0):
                for i, e in enumerate(basis):
                    c = (e * v).sum(-1)
                    v = v - c[..., None] * e
                    r[i, j] += c
                    again = again + c * c if sweep else 0.0
            size = _norm(v) if j else before
            # if the second pass removes much of the vector, the first one left only rounding errors
            fine = (size > 1 / limit) & (before < limit) & (again < 3 * size**2) & (size > vanishing * before)
            if not fine.all():
                return None
            basis.append(v / size[..., None])
            r[j, j] = size
    out = xp.empty_like(q)  # with the memory layout of q
    for j, e in enumerate(basis):
        out[..., j] = e
    return out, xp.moveaxis(r, (0, 1), (-2, -1))


def _norm(v: State) -> Array:
    return (v * v).sum(-1) ** 0.5


def qr_steps(steps: Iterable[Map], x: State, q: Frame, *, every: int | str = 1, fine: bool = False) -> Iterator[QRStep]:
    """Push (x, q) forward by `steps`; orthonormalise and yield after each group of `every` maps, and at the end.

    ln diag(r) is the growth of the successive vectors; its first i elements sum to that of the volume spanned by the
    first i vectors.  Between two orthonormalisations the frame's condition number, its spread, grows as
    exp((λ_1 - λ_k) t), and the last exponents lose as many digits.  every="auto" chooses the groups from the growth of
    the groups before, so that max diag(r) / min diag(r) stays below `tolerances(dtype).frame_spread`, 7e5 in double
    precision, or `fine_spread`, 8e3, if `fine`, in every member of the batch, except where a single map exceeds it.
    Benettin et al., Meccanica 15, 9 (1980).

    Raises ValueError for another `every`, and when one is so long that vectors overflow or underflow.
    """
    if every != "auto" and not (isinstance(every, int | np.integer) and every >= 1):
        raise ValueError(f'every must be an integer of at least 1 or "auto"; got {every!r}')
    check_steps(steps)
    return _loop(map(as_map, steps), x, q, every if every == "auto" else int(every), fine)


def check_steps(steps: Iterable[Map]) -> None:
    """Raise TypeError unless `steps` is an iterable, which a single map is not."""
    if isinstance(steps, Map | VectorField) or not isinstance(steps, Iterable):
        raise TypeError(f"steps must be an iterable of maps, such as repeat(map, 1000); got {type(steps).__name__}")


def as_map(step: Map) -> Map:
    """`step` itself.  Raises TypeError, with the remedy, unless it is a map."""
    name = type(step).__name__
    if isinstance(step, VectorField):
        raise TypeError(f"steps must be maps; {name} is a vector field: take Flow({name}(), dt)")
    if isinstance(step, Driven):
        raise TypeError(f"steps must be maps; {name} is a driven system: take its maps, .driven(u)")
    if not callable(getattr(step, "tangent", None)):
        if isinstance(step, FunctionType):
            raise TypeError("steps must be maps; got a function: take Formula(f), or of an equation Flow(f, dt)")
        if callable(getattr(step, "forward", None)):
            raise TypeError(f"steps must be maps; {name} is a module of torch: take feedforward(network)")
        if callable(getattr(step, "maps", None)):
            raise TypeError(f"steps must be maps; got {name}: take its .maps(...), or .stroboscopic(period)")
        raise TypeError(f"steps must be maps; got {name}: of a trained forecaster take .closed, or .driven(series)")
    return step


def _loop(steps: Iterable[Map], x: State, q: Frame, every: int | str, fine: bool) -> Iterator[QRStep]:
    steps, length = iter(steps), every if isinstance(every, int) else FIRST if q.shape[-1] <= FEW else 1

    def bound(r: Factor) -> float:
        limits = tolerances(r.dtype)  # the precision of the maps' results, not of the start
        return np.inf if every != "auto" else limits.fine_spread if fine else limits.frame_spread

    while group := tuple(islice(steps, length)):
        start = x, q
        for step in _pushed(group, x, q, bound):
            x, q = step.x, step.q
            if every == "auto":
                length = next_length(step.maps, _spread(step.r, *start), bound(step.r))
            elif step.maps > 1 and not _in_range(step) and all(_in_range(one) for one in qr_steps(group, *start)):
                raise ValueError(
                    f"every must be so small that vectors stay in the range of numbers; got every={every}: take a"
                    ' smaller one, or "auto"'
                )
            yield step


def _pushed(group: tuple[Map, ...], x: State, q: Frame, bound: Callable[[Array], float]) -> Iterator[QRStep]:
    """The QR step of a group, or those of its halves if the spread of the group is too large."""
    end, pushed = x, q
    attempt = len(group) > 1 and bound(q) < np.inf  # only then can it be halved
    with np.errstate(over="ignore", invalid="ignore") if attempt else nullcontext():
        for f in group:
            try:
                end, pushed = f.tangent(end, pushed)
            except TypeError as error:  # the message of numpy or torch does not name the map
                raise TypeError(f"{type(f).__name__} fails on a state of type {type(end).__name__}: {error}") from error
    basis, r = orthonormalise(pushed)
    if not attempt or not _spread(r, x, q) > bound(r):
        yield QRStep(end, basis, r, sum(f.dt for f in group), len(group))
        return
    for half in (group[: len(group) // 2], group[len(group) // 2 :]):
        for step in _pushed(half, x, q, bound):
            x, q = step.x, step.q
            yield step


def _spread(r: Factor, x: State, q: Frame) -> float:
    """The largest ratio of two diagonal elements in the batch, a lower bound of the frame's condition number.

    Infinite if an element is NaN, or so large or small that it might overflow or underflow in the next maps.  Members
    whose state x or frame q was not finite before are ignored.
    """
    xp, limit = namespace(r), tolerances(r.dtype).range
    diagonal = xp.linalg.diagonal(r)
    largest, smallest = xp.amax(diagonal, axis=-1), xp.amin(diagonal, axis=-1)
    fine = (largest < limit) & (smallest > 1 / limit)
    if not fine.all():
        lost = ~(xp.isfinite(x).all(-1) & xp.isfinite(q[..., 0, :]).all(-1))
        if not (fine | lost).all():
            return np.inf
    return float(constant(xp.where(fine, largest, 1.0) / xp.where(fine, smallest, 1.0)).max())


def _in_range(step: QRStep) -> bool:
    diagonal = namespace(step.r).linalg.diagonal(step.r)
    return bool(((diagonal > 0) & (diagonal < np.inf)).all()) and bool(namespace(step.x).isfinite(step.x).all())


def next_length(size: int, spread: float, bound: float) -> int:
    """The number of maps in the next group, from the growth of the last `size`: at most twice as many."""
    if not spread < np.inf:
        return size
    allowed = 0.85 * np.log(bound) / max(np.log(spread), 1e-9) * size
    return int(np.clip(allowed, 1, min(2 * size, LONGEST)))


def orthonormal(x: State, q: Frame) -> Frame:
    """q itself if it is an orthonormal frame at x, else an orthonormal basis of its span.

    Raises ValueError unless k <= n and the vectors are independent, TypeError for one numpy array and one torch tensor.
    """
    if namespace(x) is not namespace(q):
        raise TypeError(f"x and q must both be numpy arrays or both torch tensors; got {type(x)} and {type(q)}")
    if q.ndim < 2 or tuple(q.shape[:-1]) != tuple(x.shape):
        raise ValueError(
            f"q must have shape (*batch, n, k) for x of shape {tuple(x.shape)}; got {tuple(q.shape)}:"
            f" frame(x, {min(3, x.shape[-1])}) makes one"
        )
    if q.shape[-1] > q.shape[-2]:
        raise ValueError(
            f"k must be in 1..{q.shape[-2]} for a state of dimension n={q.shape[-2]}; got q with k={q.shape[-1]}"
            " columns"
        )
    xp, (basis, r) = namespace(q), orthonormalise(q)
    diagonal = xp.linalg.diagonal(constant(r))
    limits = tolerances(q.dtype)
    if (diagonal < limits.independent * xp.amax(diagonal, axis=-1)[..., None]).any() or (diagonal == 0).any():
        raise ValueError(
            f"q must have independent columns; its {q.shape[-1]} columns are not: frame(x, {q.shape[-1]}) makes such a"
            " frame"
        )
    identity = like(np.eye(q.shape[-1]), q)
    # a frame from an earlier result is used unchanged, so that a continued run equals one whole run
    return basis if (abs(constant(r) - identity) > limits.orthonormal).any() else q
