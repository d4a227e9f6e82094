"""The largest singular values of a product of tangent maps, by Lanczos' method.

`scipy.sparse.linalg.svds` (ARPACK) needs products J v and Jᵀ u only.  What is given is judged by the residuals of the
singular vectors, not by the change between iterations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy  # whose submodules are imported when first used

from cocycle.lyapunov.qr import orthonormalise
from cocycle.lyapunov.tangent_products import Product

DENSE = 64  # inputs or outputs, up to which J itself is computed
SMALL, ELEMENTS = 512, 2**24  # the same for matrices with fewer elements: faster than many products with one vector
RESTARTS = 100  # of Lanczos' iteration


class Leading(NamedTuple):
    """ln of the largest singular values (k,), their vectors (n, k) and (p, k), residuals (k,), number of products."""

    log_factors: np.ndarray
    right: np.ndarray
    left: np.ndarray
    residuals: np.ndarray
    products: int


def is_small(m: int, p: int, k: int) -> bool:
    """Whether J (p, m) itself is computed, because it has few rows or columns."""
    least = min(m, p)
    return least <= max(DENSE, 3 * k) or (least <= SMALL and m * p <= ELEMENTS)


def leading_vectors(product: Product, index: np.ndarray, k: int, tolerance: float, rng: np.random.Generator) -> Leading:
    """The k largest singular values of J restricted to the components `index`, with k at most their number and that of
    the outputs."""
    n, m, p = product.dimensions[0], len(index), product.dimensions[-1]
    if not product.finite:
        return Leading(np.full(k, np.nan), np.full((n, k), np.nan), np.full((p, k), np.nan), np.full(k, np.nan), 1)

    def pushed(q: np.ndarray) -> np.ndarray:
        full = np.zeros((n, q.shape[-1]))
        full[index] = q
        return product.pushed(full)

    def pulled(u: np.ndarray) -> np.ndarray:
        return product.pulled(u)[index]

    if is_small(m, p, k):
        right = _dense(pushed, pulled, m, p, k)
    else:
        right = _lanczos(pushed, pulled, (p, m), k, tolerance, rng)
    return _judged(product, pushed, pulled, right, index)


def _dense(pushed: Callable, pulled: Callable, m: int, p: int, k: int) -> np.ndarray:
    """The leading right singular vectors (m, k) from J itself."""
    jacobian = pushed(np.eye(m)) if m <= p else pulled(np.eye(p)).T
    return np.linalg.svd(jacobian, full_matrices=False)[2][:k].T


def _lanczos(
    pushed: Callable, pulled: Callable, shape: tuple[int, int], k: int, tolerance: float, rng: np.random.Generator
) -> np.ndarray:
    """The leading right singular vectors (m, k) by Lanczos' method, as far as they converged."""
    p, m = shape
    options: Any = {
        "dtype": float,
        "matvec": lambda v: pushed(np.reshape(v, (m, 1)))[:, 0],
        "rmatvec": lambda u: pulled(np.reshape(u, (p, 1)))[:, 0],
    }
    operator: Any = scipy.sparse.linalg.LinearOperator(shape, **options)
    start, size = rng.normal(size=min(m, p)), min(min(m, p) - 1, max(2 * k + 1, 20))
    settings: Any = {"tol": tolerance / 2, "v0": start, "maxiter": RESTARTS}
    try:
        _, values, vt = scipy.sparse.linalg.svds(operator, k=k, ncv=size, **settings)
        right = np.asarray(vt)[np.argsort(values)[::-1]].T
    except scipy.sparse.linalg.ArpackNoConvergence as error:
        known = error.eigenvectors
        right = (known if m <= p else pulled(known)) if known.shape[-1] else np.zeros((m, 0))
    except scipy.sparse.linalg.ArpackError:  # J maps the starting vector to zero
        right = np.zeros((m, 0))
    missing = rng.normal(size=(m, k - right.shape[-1]))
    return orthonormalise(np.concatenate([right, missing], axis=-1))[0]


def _judged(product: Product, pushed: Callable, pulled: Callable, right: np.ndarray, index: np.ndarray) -> Leading:
    """Singular values and vectors on the span of `right` (m, k), and the residuals of the vectors."""
    images = pushed(right)
    left, values, turned = np.linalg.svd(images, full_matrices=False)
    right = right @ turned.T
    with np.errstate(all="ignore"):
        residuals = np.linalg.norm(pulled(left) - right * values, axis=0) / values
        log_factors = np.log(values) + product.log_scale
    full = np.zeros((product.dimensions[0], right.shape[-1]))
    full[index] = right
    return Leading(log_factors, full, left, np.where(values > 0, residuals, 0.0), product.count)
