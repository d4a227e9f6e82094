"""The contract that every map keeps, for the package's own maps and for yours."""

import pickle

import numpy as np

from cocycle.arrays import tolerances
from cocycle.maps import Map

ROUNDINGS = 5000  # of the last digit, by which two ways to compute the same may differ


def check_map(f: Map, x: np.ndarray, q: np.ndarray) -> None:
    """Raise AssertionError, saying which clause failed, unless f keeps the contract at x (*batch, n), q (*batch, n, k).

    Raises TypeError for something that is no map, such as a vector field: take its `Flow`.

    The value of `tangent` is f(x); q -> Df(x) q is linear and agrees with central differences to within their own
    error estimate; a batch gives what its members give alone; x and q are left as they were; the dtype is kept; f
    survives pickling.  All this to the rounding of x's precision, double or single.  x must not lie on a kink or a jump
    of f.
    """
    if not isinstance(f, Map):
        raise TypeError(f"f must be a Map; got {type(f).__name__}: of a vector field take its Flow(field, dt)")
    x, q = np.asarray(x, dtype=getattr(x, "dtype", float)), np.asarray(q, dtype=getattr(q, "dtype", float))
    rounding = ROUNDINGS * tolerances(x.dtype).eps
    x_before, q_before = x.copy(), q.copy()
    y, s = f.tangent(x, q)
    assert y.dtype == x.dtype, f"dtype {x.dtype} became {y.dtype}"
    assert s.dtype == q.dtype, f"dtype {q.dtype} became {s.dtype}"
    size = abs(y).max()
    np.testing.assert_allclose(
        y, f(x), rtol=rounding, atol=rounding * size, err_msg="tangent and call disagree on the value"
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
    """Of a single state two copies are the batch."""
    if x.ndim == 1:
        x, q = np.stack([x, x]), np.stack([q, q])
    try:
        y, s = f.tangent(x, q)
    except Exception as error:
        raise AssertionError(f"a batch is not its members: the map fails on one of shape {x.shape}: {error}") from error
    for i in np.ndindex(x.shape[:-1]):
        alone, pushed = f.tangent(x[i], q[i])
        for name, together, single in (("values", y, alone), ("tangents", s, pushed)):
            message = f"a batch is not its members: {name}"
            assert together.shape[: x.ndim - 1] == x.shape[:-1], f"{message} of shape {together.shape}"
            atol = rounding * max(abs(single).max(), 1.0)
            np.testing.assert_allclose(together[i], single, rtol=rounding, atol=atol, err_msg=message)


def _check_derivative(f, x, q, s):
    """Two step sizes tell the error of the finer one: less than their difference, plus rounding of values and x."""
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
