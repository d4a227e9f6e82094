"""The one place that knows numpy from torch, and what numbers of a precision can tell."""

import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import Any, final

import numpy as np

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


def is_sparse(a: Any) -> bool:
    """Whether `a` is a matrix of scipy.sparse.  Never imports it: it takes longer than numpy."""
    sparse = sys.modules.get("scipy.sparse")
    return sparse is not None and sparse.issparse(a)


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
    x = x.data if is_sparse(x) else x
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


def is_differentiated(x: Array) -> bool:
    """Whether torch follows x to differentiate what is made of it."""
    return namespace(x) is not np and x.requires_grad


def in_one_piece(x: Array) -> Array:
    """x, or a copy if it is a numpy array with gaps in memory: products with those round differently."""
    return np.ascontiguousarray(x) if isinstance(x, np.ndarray) and not x.flags.forc else x


def as_numpy(x: Array) -> np.ndarray:
    """The values of x as a numpy array, wherever they are."""
    return x if namespace(x) is np else x.detach().cpu().numpy()


def take(x: Array, index: Array) -> Array:
    """The elements of x at `index` along the last axis, the others broadcast: a reordering of columns or factors."""
    xp = namespace(x)
    return xp.take_along_axis(x, index, -1) if xp is np else xp.take_along_dim(x, index, -1)
