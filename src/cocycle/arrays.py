"""The one place that knows numpy from torch, and the two products everything else is made of."""

import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from math import prod
from types import ModuleType
from typing import Any, final

import numpy as np
from scipy import sparse

ONE_BY_ONE = 4  # vectors: scipy takes as long for two together as for four, one after the other
Array = Any  # a numpy.ndarray or a torch.Tensor; of matrices also a scipy.sparse array


def namespace(x: Array) -> Any:
    """The module, `numpy` or `torch`, whose functions act on `x`.  Never imports torch."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and isinstance(x, torch.Tensor) else np


def torch_module(name: str) -> ModuleType:
    """The module of that name, which imports torch.  Raises ImportError saying how to get it where it is missing."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ImportError(
            'this needs PyTorch: install cocycle with the extra torch, pip install -e ".[torch]"'
        ) from None


def is_number(a: Array | float) -> bool:
    """Whether `a` is a plain number, which has no axes."""
    return isinstance(a, float | int | np.number)


@final
@dataclass(frozen=True)
class Tolerances:
    """Every threshold that depends on the precision of numbers, from their rounding `eps` and their range.

    UNRELIABLE is the error of a logarithm of growth from which on it is called noise.
    """

    eps: float
    largest: float
    smallest: float  # that has all its digits

    UNRELIABLE = 1e-3

    @property
    def lost_spread(self) -> float:
        """The ratio of stretching in one tangent map whose smallest factor is known to UNRELIABLE: its error is eps
        times the largest.  4.5e12 in double precision, 8.4e3 in single."""
        return self.UNRELIABLE / self.eps

    @property
    def frame_spread(self) -> float:
        """The ratio of growth in a frame that costs three eighths of the digits: 7.4e5 in double precision, 390 in
        single."""
        return self.eps ** (-3 / 8)

    @property
    def fine_spread(self) -> float:
        """The ratio that costs a quarter of the digits: 8.2e3 in double precision, 54 in single."""
        return self.eps ** (-1 / 4)

    @property
    def independent(self) -> float:
        """The part of a vector outside the span of others from which on it counts as independent of them."""
        return self.eps**0.5

    @property
    def orthonormal(self) -> float:
        """The deviation from orthonormality that a frame from elsewhere may have and stay as it is."""
        return self.eps ** (3 / 8)

    @property
    def range(self) -> float:
        """Numbers below it, and above its inverse, have squares in range, also a sum of many of them."""
        return self.largest ** (1 / 3)

    @property
    def difference_step(self) -> float:
        """The step of a central difference, whose own error is its square, its rounding eps over it."""
        return 10 * self.eps ** (1 / 3)


@lru_cache(maxsize=16)
def tolerances(dtype: Any) -> Tolerances:
    """The thresholds for numbers of a dtype of numpy or torch."""
    torch = sys.modules.get("torch")
    info = torch.finfo(dtype) if torch is not None and isinstance(dtype, torch.dtype) else np.finfo(dtype)
    return Tolerances(float(info.eps), float(info.max), float(info.tiny))


def double(x: Array) -> Array:
    """x in double precision: logarithms and sums of growth, whatever the precision of the states."""
    return x.astype(np.float64, copy=False) if namespace(x) is np else x.double()


def floating(name: str, x: Array) -> Array:
    """`x` as an array in single or double precision: all else that is real becomes float64, also half precision, in
    which LAPACK does not compute.

    Raises TypeError if `x` is not made of real numbers, ValueError if it is a masked array with values missing.
    """
    if namespace(x) is not np:
        if x.is_complex():
            raise TypeError(_REAL.format(name, x.dtype))
        return x if x.dtype in (namespace(x).float32, namespace(x).float64) else x.double()
    refuse_masked(name, x)
    x = np.asarray(x)
    if x.dtype.kind not in "fiub":
        raise TypeError(_REAL.format(name, x.dtype))
    return x if x.dtype in (np.float32, np.float64) else x.astype(np.float64)


_REAL = "{} must be an array of real numbers; got dtype {}: of a complex state take its real and imaginary parts"


def refuse_masked(name: str, x: Any) -> None:
    """Raise ValueError if `x`, or an element of such a list or tuple, is a masked array with values missing.

    numpy.asarray would take the fill values for data.
    """
    if np.ma.is_masked(x):
        raise ValueError(
            f"{name} must not be a masked array: {int(np.ma.count_masked(x))} of its {np.ma.size(x)} values are"
            " missing; fill them, x.filled(...) or by interpolation, or split the series where values are missing"
        )
    if isinstance(x, list | tuple):
        for part in x:
            if isinstance(part, list | tuple | np.ma.MaskedArray):
                refuse_masked(name, part)


def require_finite(name: str, x: Array) -> None:
    """Raise ValueError, saying where, if `x` holds a NaN or an infinity, or is masked: see `refuse_masked`."""
    refuse_masked(name, x)
    x = x.data if sparse.issparse(x) else x
    bad = ~namespace(x).isfinite(x)
    if bad.any():
        first = tuple(int(i[0]) for i in bad.nonzero()) if isinstance(bad, np.ndarray) else bad.nonzero()[0]
        raise ValueError(f"{name} must be finite; got {int(bad.sum())} non-finite values, the first at index {first}")


def generator(rng: np.random.Generator | int) -> np.random.Generator:
    """`rng` itself, or the generator seeded by it: the public edge where a seed becomes randomness.

    Raises TypeError for None, which would make a run that nobody can repeat.
    """
    if rng is None:
        raise TypeError("rng must be a numpy Generator or an integer seed; got None")
    return np.random.default_rng(rng)


def like(values: Array, x: Array) -> Array:
    """`values`, a numpy array or one of x's own kind, as an array of x's own kind, dtype and device."""
    if namespace(x) is np:
        return values.astype(x.dtype, copy=False)
    return namespace(x).as_tensor(values, dtype=x.dtype, device=x.device)


def constant(x: Array) -> Array:
    """x, cut off from the graph that torch differentiates."""
    return x if namespace(x) is np else x.detach()


def as_numpy(x: Array) -> np.ndarray:
    """The values of x as a numpy array, wherever they are."""
    return x if namespace(x) is np else x.detach().cpu().numpy()


def take(x: Array, index: Array) -> Array:
    """The elements of x at `index` along the last axis, the others broadcast: a reordering of columns or factors."""
    xp = namespace(x)
    return xp.take_along_axis(x, index, -1) if xp is np else xp.take_along_dim(x, index, -1)


@final
@dataclass(frozen=True, eq=False)
class LowRankUpdate:
    """The matrix gain * base + left @ right, which acts without being formed.

    Shapes: base (*batch, p, n), left (*batch, p, m), right (*batch, m, n), gain (*batch, 1).  A closed loop is
    one: base is the recurrent weight that a whole batch shares, left @ right = input weight @ readout differs
    from point to point.  Formed, it would be one p x n matrix for every member of the batch.
    """

    base: Array
    left: Array
    right: Array
    gain: Array = 1.0

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.base.shape)

    def times(self, x: Array, product: Any, gain: Any) -> Array:
        return gain(self.gain) * product(self.base, x) + product(self.left, product(self.right, x))

    @property
    def transposed(self) -> "LowRankUpdate":
        return LowRankUpdate(transposed(self.base), transposed(self.right), transposed(self.left), self.gain)


@final
@dataclass(frozen=True, eq=False)
class SideBySide:
    """The matrix [left_gain * left | right_gain * right], which acts without being formed.

    Shapes: left (*batch, p, m), right (*batch, p, n), gains (*batch, 1) or numbers.  What a network does to input and
    state together: matrices are shared by a batch whose members differ in their gains.
    """

    left: Array
    right: Array
    left_gain: Array = 1.0
    right_gain: Array = 1.0

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.right.shape[:-1], self.left.shape[-1] + self.right.shape[-1])

    def times(self, x: Array, product: Any, gain: Any) -> Array:
        m = self.left.shape[-1]
        left, right = product(self.left, x[..., :m]), product(self.right, x[..., m:])
        return gain(self.left_gain) * left + gain(self.right_gain) * right

    @property
    def transposed(self) -> "Stacked":
        return Stacked(transposed(self.left), transposed(self.right), self.left_gain, self.right_gain)


@final
@dataclass(frozen=True, eq=False)
class Stacked:
    """The matrix of the rows of top_gain * top, then those of bottom_gain * bottom: a transposed `SideBySide`."""

    top: Array
    bottom: Array
    top_gain: Array = 1.0
    bottom_gain: Array = 1.0

    @property
    def shape(self) -> tuple[int, ...]:
        *batch, p, n = self.bottom.shape
        return (*batch, self.top.shape[-2] + p, n)

    def times(self, x: Array, product: Any, gain: Any) -> Array:
        top, bottom = gain(self.top_gain) * product(self.top, x), gain(self.bottom_gain) * product(self.bottom, x)
        return namespace(x).concatenate([top, bottom], axis=-1)

    @property
    def transposed(self) -> SideBySide:
        return SideBySide(transposed(self.top), transposed(self.bottom), self.top_gain, self.bottom_gain)


Operator = LowRankUpdate | SideBySide | Stacked  # each acts through the product that it is given: `linear` or of rows


def _beside_vectors(gain):
    return gain  # (*batch, 1)


def _beside_rows(gain):
    return gain if is_number(gain) else gain[..., None]


def linear(w: Array | Operator, x: Array) -> Array:
    """w x for w (*batch, p, n) and x (*batch, n): shape (*batch, p)."""
    if isinstance(w, Operator):
        return w.times(x, linear, _beside_vectors)
    if x.ndim == 1 and w.ndim == 2 and namespace(x) is np:
        return w @ x
    if w.ndim == 2 or (x.ndim >= 2 and w.shape[-3] == 1):  # the rows of x meet one and the same matrix
        return _rows_times(w if w.ndim == 2 else w[..., 0, :, :], x)
    return _rows_times(w, x[..., None, :])[..., 0, :]


def linear_block(w: Array | Operator, q: Array) -> Array:
    """w q, column by column, for w (*batch, p, n) and q (*batch, n, k): shape (*batch, p, k)."""
    return _rows_times(w, q.swapaxes(-1, -2)).swapaxes(-1, -2)


def transposed(w: Array | Operator) -> Array | Operator:
    """wᵀ for w (*batch, p, n): shape (*batch, n, p)."""
    if isinstance(w, Operator):
        return w.transposed
    return w.T.tocsr() if sparse.issparse(w) else w.swapaxes(-1, -2)


def linear_pair(w: Array | Operator, x: Array, q: Array) -> tuple[Array, Array]:
    """(w x, w q) in one product where that is quicker, for w (*batch, p, n), x (*batch, n) and q (*batch, n, k)."""
    if q.ndim == 2 and q.shape[-1] == 1 and sparse.issparse(w) and namespace(x) is np:
        return w @ x, w @ q
    xp = namespace(x)
    if x.ndim > 1 and not isinstance(w, Operator) and w.ndim == 2:
        if prod(q.shape[:-2]) > w.shape[0] and not sparse.issparse(w):
            return _columns_times(w, x[..., None])[..., 0], _columns_times(w, q)
        # one matrix for all: each vector of the whole batch in one piece, which is how slopes multiply it quickest
        rows = _rows_times(w, xp.concatenate([x[None], xp.moveaxis(q, -1, 0)], axis=0))
        return rows[0], xp.moveaxis(rows[1:], 0, -1)
    rows = _rows_times(w, xp.concatenate([x[..., None, :], q.swapaxes(-1, -2)], axis=-2))
    return rows[..., 0, :], rows[..., 1:, :].swapaxes(-1, -2)


def _columns_times(w, q):
    """w q for one w (p, n) and so many q (*batch, n, k) that reading w once more is nothing beside copying them.

    In memory the result has the batch last: small matrices meet long rows, and slopes multiply those too.
    """
    xp = namespace(q)
    columns = xp.moveaxis(q, (-2, -1), (0, 1))
    product = (w @ columns.reshape(len(columns), -1)).reshape(len(w), *columns.shape[1:])
    return xp.moveaxis(product, (0, 1), (-2, -1))


def _rows_times(w, rows):
    """w times each of rows (*batch, j, n).  A shared w takes the rows of the whole batch in one matrix product.

    Results keep rows contiguous, which is how the next product and LAPACK want tangent vectors.
    """
    if isinstance(w, Operator):
        return w.times(rows, _rows_times, _beside_rows)
    if sparse.issparse(w):
        if namespace(rows) is not np:
            raise TypeError("a scipy.sparse weight acts on numpy arrays: torch needs torch.as_tensor(weight.toarray())")
        flat = rows.reshape(-1, rows.shape[-1])
        if len(flat) <= ONE_BY_ONE:
            product = np.stack([w @ row for row in flat])
        else:
            product = np.ascontiguousarray((w @ flat.T).T)
        return product.reshape(*rows.shape[:-1], w.shape[0])
    if w.ndim == 2:
        return (rows.reshape(-1, rows.shape[-1]) @ w.T).reshape(*rows.shape[:-1], w.shape[0])
    return rows @ w.swapaxes(-1, -2)
