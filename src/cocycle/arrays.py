"""Arrays: the shapes that signatures name, the difference between numpy and torch, the thresholds of a precision.

In every shape *batch stands for any number of leading batch axes, also none.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import Any, TypeAlias, final

import numpy as np

Array: TypeAlias = Any
"""A numpy.ndarray or a torch.Tensor of any shape."""

State: TypeAlias = Array
"""States (*batch, n) of a system of dimension n; also inputs of a network."""

Frame: TypeAlias = Array
"""k tangent vectors (*batch, n, k), the columns, at each state; of an adjoint map covectors."""

Factor: TypeAlias = Array
"""Triangular factors (*batch, k, k) of the QR decomposition of a frame: upper triangular, diagonal not negative."""

Trajectory: TypeAlias = Array
"""States at successive times (time, *batch, n)."""

Exponents: TypeAlias = Array
"""k exponents (*batch, k), or a quantity that belongs to each, such as its error."""

Weight: TypeAlias = Array
"""A matrix (p, n), which may be a scipy.sparse array, or one for each member of a batch (*batch, p, n)."""


def namespace(x: Array) -> Any:
    """The module `numpy` or `torch` that `x` belongs to.  Never imports torch."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and isinstance(x, torch.Tensor) else np


def torch_module(name: str) -> ModuleType:
    """The module of that name, which imports torch.  Raises ImportError, with the command to install torch."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ImportError(
            f"{name.rpartition('.')[2]} needs PyTorch: install cocycle with the extra torch, python -m pip install -c"
            ' constraints.txt -e ".[torch]"; on x86-64 Linux choose a build first, see "Which PyTorch" in README.md'
        ) from None


def is_sparse(a: Any) -> bool:
    """Whether `a` is a matrix of scipy.sparse.  Never imports scipy.sparse, which takes longer than numpy."""
    sparse = sys.modules.get("scipy.sparse")
    return sparse is not None and sparse.issparse(a)


def is_number(a: Array | float) -> bool:
    """Whether `a` is a plain number, which has no axes."""
    return isinstance(a, float | int | np.number)


@final
@dataclass(frozen=True)
class Tolerances:
    """Every threshold that depends on the floating-point format, from its rounding `eps` and its range.

    A logarithm of growth with a larger error than UNRELIABLE is called unreliable.
    """

    eps: float
    largest: float
    smallest: float  # normal number: below it digits are lost

    UNRELIABLE = 1e-3

    @property
    def lost_spread(self) -> float:
        """The largest ratio of two stretching factors of one tangent map at which the smaller is known to UNRELIABLE:
        its error is eps times the larger.  4.5e12 in double precision, 8.4e3 in single."""
        return self.UNRELIABLE / self.eps

    @property
    def frame_spread(self) -> float:
        """The ratio of growth in a frame that loses three eighths of the digits: 7.4e5 in double precision, 390 in
        single."""
        return self.eps ** (-3 / 8)

    @property
    def fine_spread(self) -> float:
        """The ratio that loses a quarter of the digits: 8.2e3 in double precision, 54 in single."""
        return self.eps ** (-1 / 4)

    @property
    def independent(self) -> float:
        """A vector is independent of others if a larger part of it than this lies outside their span."""
        return self.eps**0.5

    @property
    def orthonormal(self) -> float:
        """A given frame with a smaller deviation from orthonormality than this is used without change."""
        return self.eps ** (3 / 8)

    @property
    def range(self) -> float:
        """Squares of numbers between 1/range and range, and sums of many, neither overflow nor underflow."""
        return self.largest ** (1 / 3)

    @property
    def difference_step(self) -> float:
        """The step h of a central difference, whose error is of order h² + eps / h."""
        return 10 * self.eps ** (1 / 3)


@lru_cache(maxsize=16)
def tolerances(dtype: Any) -> Tolerances:
    """The thresholds for numbers of a dtype of numpy or torch."""
    torch = sys.modules.get("torch")
    info = torch.finfo(dtype) if torch is not None and isinstance(dtype, torch.dtype) else np.finfo(dtype)
    return Tolerances(float(info.eps), float(info.max), float(info.tiny))


def double(x: Array) -> Array:
    """x in double precision, which logarithms and sums of growth have for states of every precision."""
    return x.astype(np.float64, copy=False) if namespace(x) is np else x.double()


def is_double(x: Array) -> bool:
    """Whether x is in double precision."""
    return x.dtype == namespace(x).float64


def floating(name: str, x: Array) -> Array:
    """`x` as an array in single or double precision; other real numbers become float64, also half precision, for which
    LAPACK has no functions.

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


_REAL = "{} must be an array of real numbers; got dtype {}: split a complex state into its real and imaginary parts"


def refuse_masked(name: str, x: Any) -> None:
    """Raise ValueError if `x`, or an element of such a list or tuple, is a masked array with values missing.

    numpy.asarray would take the values under the mask as data.
    """
    if type(x) is np.ndarray:  # at once: a running forecaster asks at every observation
        return
    if np.ma.is_masked(x):
        raise ValueError(
            f"{name} must not be a masked array: {int(np.ma.count_masked(x))} of its {np.ma.size(x)} values are"
            f" missing: fill them, {name}.filled(...) or by interpolation, or split the series where values are missing"
        )
    if isinstance(x, list | tuple):
        for part in x:
            if isinstance(part, list | tuple | np.ma.MaskedArray):
                refuse_masked(name, part)


def require_finite(name: str, x: Array) -> None:
    """Raise ValueError, with the first index, if `x` holds a NaN or an infinity, or is masked: see `refuse_masked`."""
    refuse_masked(name, x)
    x = x.data if is_sparse(x) else x
    bad = ~namespace(x).isfinite(x)
    if bad.any():
        first = tuple(int(i[0]) for i in bad.nonzero()) if isinstance(bad, np.ndarray) else bad.nonzero()[0]
        raise ValueError(f"{name} must be finite; got {int(bad.sum())} non-finite values, the first at index {first}")


def generator(rng: np.random.Generator | int) -> np.random.Generator:
    """`rng` itself, or a generator with the seed `rng`.

    Raises TypeError for None, with which a run could not be repeated.
    """
    if rng is None:
        raise TypeError(
            "rng must be a numpy Generator or an integer seed; got None: rng=0 gives a run that can be repeated"
        )
    return np.random.default_rng(rng)


def like(values: Array, x: Array) -> Array:
    """`values`, a numpy array or an array of the library of x, as an array of its library, dtype and device."""
    if namespace(x) is np:
        return values.astype(x.dtype, copy=False)
    return namespace(x).as_tensor(values, dtype=x.dtype, device=x.device)


def constant(x: Array) -> Array:
    """x without the graph that torch differentiates."""
    return x if namespace(x) is np else x.detach()


def is_differentiated(x: Array) -> bool:
    """Whether torch records the operations on x to differentiate them."""
    return namespace(x) is not np and x.requires_grad


def without_graph(x: Array) -> AbstractContextManager:
    """A context in which torch records no operations, unless those on x are recorded."""
    torch = sys.modules.get("torch")
    return nullcontext() if torch is None or is_differentiated(x) else torch.no_grad()


def in_one_piece(x: Array) -> Array:
    """x, or a copy if it is a numpy array that is not contiguous: products with those round differently."""
    return np.ascontiguousarray(x) if isinstance(x, np.ndarray) and not x.flags.forc else x


def as_numpy(x: Array) -> np.ndarray:
    """The values of x, on any device, as a numpy array."""
    return x if namespace(x) is np else x.detach().cpu().numpy()


def take(x: Array, index: Array) -> Array:
    """The elements of x at `index` along the last axis, other axes broadcast: a reordering of columns or factors."""
    xp = namespace(x)
    return xp.take_along_axis(x, index, -1) if xp is np else xp.take_along_dim(x, index, -1)


def require_count(name: str, value: Any, least: int) -> None:
    """Raise ValueError unless the argument of that name is an integer of at least so much."""
    if not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}; got {value!r}")
