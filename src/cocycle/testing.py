"""The contract of a map, for the package's maps and for yours."""

import pickle

import numpy as np

from cocycle.arrays import tolerances
from cocycle.maps import Map

ROUNDINGS = 5000  # units of the last digit by which two computations of the same value may differ


def check_map(f: Map, x: np.ndarray, q: np.ndarray) -> None:
    """Raise AssertionError, saying which clause failed, unless f keeps the contract at x (*batch, n), q (*batch, n, k).

    The value of `tangent` is f(x); q -> Df(x) q is linear and agrees with central differences to within their error
    estimate; the members of a batch have the values that they have alone; x and q are not changed; the dtype is kept;
    f can be pickled.  All comparisons allow for the rounding of x's precision, double or single.  x must not lie on a
    kink or a jump of f.

    Raises TypeError for an object that is not a `Map`, such as a vector field: take its `Flow`.
    """
    if not isinstance(f, Map):
        raise TypeError(f"f must be a Map; got {type(f).__name__}: of a vector field take its Flow(field, dt)")
    x, q = np.asarray(x, dtype=getattr(x, "dtype", float)), np.asarray(q, dtype=getattr(q, "dtype", float))
    rounding = ROUNDINGS * tolerances(x.dtype).eps
    x_before, q_before = x.copy(), q.copy()
    y, s = f.tangent(x, q)
    assert y.dtype == x.dtype, f"the value must have the dtype of x, {x.dtype}; got {y.dtype}"
    assert s.dtype == q.dtype, f"the tangents must have the dtype of q, {q.dtype}; got {s.dtype}"
    size = abs(y).max()
    np.testing.assert_allclose(
        y, f(x), rtol=rounding, atol=rounding * size, err_msg="tangent and call give different values"
    )
    other = np.random.default_rng(0).normal(size=q.shape).astype(q.dtype)
    mixed, apart = f.tangent(x, 2 * q - other)[1], f.tangent(x, other)[1]
    scale = rounding * (abs(s).max() + abs(apart).max() + abs(mixed).max())
    np.testing.assert_allclose(mixed, 2 * s - apart, rtol=0, atol=scale, err_msg="tangent is not linear in q")
    _check_derivative(f, x, q, s)
    _check_batch(f, x, q, rounding)
    assert np.array_equal(x, x_before), "x was changed"
    assert np.array_equal(q, q_before), "q was changed"
    again = pickle.loads(pickle.dumps(f))
    assert np.array_equal(again(x), f(x)), "pickling changed the map"
    assert again.dt == f.dt, "pickling changed dt"


def _check_batch(f, x, q, rounding):
    """A single state is repeated to make a batch."""
    if x.ndim == 1:
        x, q = np.stack([x, x]), np.stack([q, q])
    try:
        y, s = f.tangent(x, q)
    except Exception as error:
        raise AssertionError(
            f"a batch must give what its members give alone; the map fails on a batch of shape {x.shape}: {error}"
        ) from error
    for i in np.ndindex(x.shape[:-1]):
        alone, pushed = f.tangent(x[i], q[i])
        for name, together, single in (("values", y, alone), ("tangents", s, pushed)):
            message = f"a batch must give what its members give alone; it differs in the {name}"
            assert together.shape[: x.ndim - 1] == x.shape[:-1], f"{message}, which have shape {together.shape}"
            atol = rounding * max(abs(single).max(), 1.0)
            np.testing.assert_allclose(together[i], single, rtol=rounding, atol=atol, err_msg=message)


def _check_derivative(f, x, q, s):
    """The error of the finer of two step sizes is less than their difference, plus the rounding of values and x."""
    step, eps = tolerances(x.dtype).difference_step, tolerances(x.dtype).eps
    rough, fine = (_central_difference(f, x, q, width) for width in (2 * step, step))
    size = max(abs(f(x)).max(), abs(s).max() * (1 + abs(x).max()))
    error = abs(rough - fine) + 30 * eps / step * size
    worst = (abs(fine - s) / error).max()
    assert worst < 1, f"tangent differs from central differences by {worst:.3g} times their error"


def _central_difference(f, x, q, step):
    step = x.dtype.type(step)
    columns = [(f(x + step * v) - f(x - step * v)) / (2 * step) for v in np.moveaxis(q, -1, 0)]
    return np.stack(columns, axis=-1)
