"""Covariant Lyapunov vectors: the directions that the tangent maps carry into one another.

The frames of the QR loop are orthogonal, so that all vectors but the first depend on the inner product.  Backward
iteration in the coordinates of these frames, c -> r⁻¹ c with columns of unit length, converges to the covariant vectors
q c.  Ginelli et al., Phys. Rev. Lett. 99, 130601 (2007).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from math import isqrt
from typing import NamedTuple

import numpy as np

from cocycle.arrays import Array, Exponents, Frame, State, double, floating, generator, like, namespace
from cocycle.lyapunov.qr import check_steps, orthonormal, orthonormalise, qr_steps
from cocycle.maps import Map
from cocycle.progress import tracked
from cocycle.threads import one_thread_if_small


class CovariantStep(NamedTuple):
    """At the state x: unit vectors v, of which column i grows at the i-th exponent.

    `map` is the next one, `growth` ln of the factors by which it stretches the vectors, `maps_before` the number of
    maps from the end of the transient to x.  The signs of the vectors are arbitrary.
    """

    x: State
    v: Frame
    map: Map
    growth: Exponents
    maps_before: int


def covariant_vectors(
    steps: Iterable[Map],
    x: State,
    q: Frame,
    *,
    transient: int,
    backward_transient: int,
    window: int | None = None,
    rng: np.random.Generator | int = 0,
) -> Iterator[CovariantStep]:
    """The covariant vectors along the orbit of x, from its last state back to its first.

    During the first `transient` maps the frame q aligns with the Gram-Schmidt vectors; the backward iteration begins
    with random vectors and converges during the last `backward_transient` maps; between them one step is yielded for
    each map.  Both converge as exp(-(λ_i - λ_{i+1}) t): both transients should be many times 1 / (smallest gap).  Of
    equal exponents only the common subspace is defined.

    Memory: the maps, and about 2 √T frames for T maps.  Frames are computed again from checkpoints, `window` maps at a
    time, so that every tangent map is applied twice.

    Raises ValueError for shapes that do not fit and for an orbit of no more maps than both transients have,
    ArithmeticError where a tangent map is singular on the frame or a value is not finite.
    """
    check_steps(steps)
    x, q = floating("x", x), floating("q", q)
    q = orthonormal(x, q)
    for name, count in (("transient", transient), ("backward_transient", backward_transient)):
        if count < 0:
            raise ValueError(f"{name} must not be negative; got {count}")
    steps = iter(steps)
    for step in qr_steps(islice(tracked(steps, "alignment", transient), transient), x, q):
        x, q = step.x, step.q
    maps = list(steps)
    if len(maps) <= backward_transient:
        both, got = transient + backward_transient, transient + len(maps)
        raise ValueError(f"steps must hold more than transient + backward_transient = {both} maps; got {got} at most")
    return _backward(maps, x, q, backward_transient, window or isqrt(len(maps)) + 1, generator(rng))


def _backward(maps, x, q, backward_transient, window, rng):
    with one_thread_if_small(x, q.shape[-1]):
        checkpoints = _checkpoints(maps, x, q, window)
    coefficients, end = _random_coefficients(q, rng), len(maps)
    for start, x, q in tracked(checkpoints[::-1], "covariant vectors"):
        frames = [(x, q, None), *((s.x, s.q, s.r) for s in qr_steps(maps[start:end], x, q))]
        for t in range(end - 1, start - 1, -1):
            (x, q, _), (_, _, r) = frames[t - start], frames[t - start + 1]
            coefficients, growth = _pulled_back(r, coefficients, t)
            if t < len(maps) - backward_transient:
                yield CovariantStep(x, q @ coefficients, maps[t], growth, t)
        end = start


def _checkpoints(maps, x, q, window):
    checkpoints = [(0, x, q)]
    for count, step in enumerate(qr_steps(tracked(maps, "forwards"), x, q), 1):
        if count % window == 0 and count < len(maps):
            checkpoints.append((count, step.x, step.q))
    return checkpoints


def _random_coefficients(q, rng):
    """Random unit vectors: upper triangular, so that column i is in the span of the first i frame vectors."""
    k = q.shape[-1]
    start = np.triu(rng.uniform(-1, 1, size=(*q.shape[:-2], k, k)), 1) + np.eye(k)
    return like(start / np.linalg.norm(start, axis=-2, keepdims=True), q)


def _pulled_back(r, coefficients, index):
    """Coordinates one step earlier, r⁻¹ c with unit columns, and ln of the factors by which the step stretches them."""
    xp = namespace(r)
    if not (abs(xp.linalg.diagonal(r)) > 0).all() or not xp.isfinite(r).all():
        raise ArithmeticError(
            f"the tangent map of step {index} must be invertible on the frame; it is singular or not finite"
        )
    earlier = xp.linalg.solve(r, coefficients)
    size = (earlier * earlier).sum(-2) ** 0.5
    return earlier / size[..., None, :], -xp.log(double(size))


def covariance_residual(step: CovariantStep, after: CovariantStep) -> Exponents:
    """The sines of the angles between the vectors of `step` pushed forward by `step.map` and those of `after`.

    Zero up to rounding if the vectors are covariant.
    """
    pushed = step.map.tangent(step.x, step.v)[1]
    pushed = pushed / ((pushed * pushed).sum(-2) ** 0.5)[..., None, :]
    aside = pushed - after.v * (pushed * after.v).sum(-2)[..., None, :]
    return (aside * aside).sum(-2) ** 0.5


def angles(v: Frame) -> Array:
    """The angles (*batch, k, k) between the lines along the unit vectors v: radians, 0 to π/2."""
    xp = namespace(v)
    return xp.arccos(abs(v.swapaxes(-1, -2) @ v).clip(0.0, 1.0))


def splitting_angle(v: Frame, unstable: int) -> Array:
    """The smallest angle (*batch,) between the span of the first `unstable` vectors and that of the others: radians.

    It is bounded away from zero where the dynamics is hyperbolic, and zero at tangencies.  It is computed from its
    sine, the smallest length of the part of a unit vector of one span outside the other, because the cosine of a small
    angle rounds to 1.  Raises ValueError unless 1 <= unstable < k.
    """
    k = v.shape[-1]
    if not 1 <= unstable < k:
        raise ValueError(f"unstable must be in 1..{k - 1} for k={k} vectors; got {unstable}")
    first, others = (orthonormalise(a)[0] for a in (v[..., :unstable], v[..., unstable:]))
    few, many = (first, others) if unstable <= k - unstable else (others, first)
    outside = few - many @ (many.swapaxes(-1, -2) @ few)
    xp = namespace(v)
    return xp.arcsin(xp.linalg.svdvals(outside)[..., -1].clip(0.0, 1.0))
