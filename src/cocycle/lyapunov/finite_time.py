"""Finite time: the stretching factors of one product of tangent maps, not an average along it."""

from collections.abc import Iterable

import numpy as np

from cocycle.arrays import Array, floating, namespace
from cocycle.lyapunov.qr import check_frame, qr_steps
from cocycle.maps import Map


def stretching(steps: Iterable[Map], x: Array, q: Array) -> Array:
    """ln of the singular values Λ_1 >= Λ_2 >= ... of J q, J being the product of the tangent maps at x.

    For layers x (*batch, n) and a square frame q = `frame(x, n)` these are the singular values of J itself, and
    the finite-time exponents are λ_i = ln Λ_i / L for L layers (Storm et al., Phys. Rev. Lett. 132, 057301, 2024).
    Shape (*batch, m), with m the smallest of k and the widths on the way: a layer of m units leaves m factors.

    Factors below about 1e-16 times the largest are lost in rounding.  Raises ValueError for shapes that do not fit
    and for an empty product.
    """
    x, q = floating("x", x), floating("q", q)
    check_frame(x, q)
    product: Array = None
    log_scale: Array = 0.0
    for step in qr_steps(steps, x, q):
        xp = namespace(step.r)
        product = step.r if product is None else step.r @ product
        scale = xp.amax(abs(product), axis=(-2, -1))
        scale = xp.where(scale > 0, scale, 1.0)  # a projection to a point: the factors are 0, their logarithms -inf
        product = product / scale[..., None, None]
        log_scale = log_scale + xp.log(scale)
    if product is None:
        raise ValueError("steps must hold at least one map; got none")
    with np.errstate(divide="ignore"):
        return xp.log(xp.linalg.svdvals(product)) + log_scale[..., None]
