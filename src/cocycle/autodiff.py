"""Tangents by automatic differentiation: for maps that are not affine-then-pointwise, and as an oracle in tests."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch.func import jvp, vjp, vmap

from cocycle.arrays import Array, namespace
from cocycle.maps import Dual
from cocycle.slopes import slopes_from_fields

BOTH: Any = (None, -1)  # the value, which is the same for all columns, and the columns


@final
@dataclass(frozen=True, eq=False)
class Autodiff(Dual):
    """Any differentiable torch function (*batch, n) -> (*batch, p) as a map.

    The tangent costs one forward-mode product per column of the frame (`torch.func.jvp`), several times what an
    analytic one does.  Functions that saturate are differentiated from their local fields (`cocycle.slopes`).  numpy
    states come back as numpy; every member of a batch must be treated alone.  The function may work in place: it is
    given copies.

    Raises TypeError for values that are complex or no tensor, ValueError for values of another batch, and for a
    function that is random.
    """

    function: Callable
    dt: float = 1.0

    def __call__(self, x):
        if namespace(x) is np:
            return self(as_tensor(x)).detach().numpy()
        return self._value(x)

    def tangent(self, x: Array, q: Array) -> tuple[Array, Array]:
        if namespace(x) is np:
            y, s = self.tangent(as_tensor(x), as_tensor(q))
            return y.detach().numpy(), s.detach().numpy()

        def pushed(column) -> Any:
            return jvp(self._value, (x,), (column,))

        with _differentiated():
            try:
                return vmap(pushed, in_dims=-1, out_dims=BOTH)(q)
            except (RuntimeError, ValueError) as error:
                _refuse_randomness(error)
                y, jacobian = self._rows(x)
                return y, jacobian @ q

    def cotangent(self, x: Array, p: Array):
        if namespace(x) is np:
            return self.cotangent(as_tensor(x), as_tensor(p)).detach().numpy()
        with _differentiated():
            try:
                pulled = vjp(self._value, x)[1]
                return vmap(pulled, in_dims=-1, out_dims=-1)(p)[0]
            except (RuntimeError, ValueError) as error:
                _refuse_randomness(error)
                return self._rows(x)[1].mT @ p

    def _rows(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """f(x) and the Jacobian (*batch, p, n), one output after the other: for functions with parts that torch cannot
        differentiate forwards, or not for many vectors at once."""
        followed = x.requires_grad and torch.is_grad_enabled()
        with torch.enable_grad():
            x = x if followed else x.detach().requires_grad_()
            y = self._value(x)
            rows = [
                torch.autograd.grad(one.sum(), x, retain_graph=True, create_graph=followed)[0] for one in y.unbind(-1)
            ]
            again = self._value(x)
        if not torch.allclose(y, again, equal_nan=True):
            raise ValueError(_RANDOM)
        jacobian = torch.stack(rows, dim=-2)
        return (y, jacobian) if followed else (y.detach(), jacobian)

    def _value(self, x: torch.Tensor) -> torch.Tensor:
        y = self.function(x.clone())
        if not isinstance(y, torch.Tensor) or not y.is_floating_point():
            got = f"dtype {y.dtype}" if isinstance(y, torch.Tensor) else type(y).__name__
            raise TypeError(f"function must return a tensor of real numbers; got {got}")
        if y.ndim != x.ndim or y.shape[:-1] != x.shape[:-1]:
            raise ValueError(
                f"function must take states (*batch, n) to (*batch, p); it took {tuple(x.shape)} to {tuple(y.shape)}"
            )
        return y


@contextmanager
def _differentiated() -> Iterator[None]:
    with slopes_from_fields(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "There is a performance drop")  # of what torch has no batched formula for
        yield


_RANDOM = "function must not be random, but every call gives other values: make noise an input, seeds a constant"


def _refuse_randomness(error: Exception) -> None:
    if isinstance(error, torch.OutOfMemoryError):
        raise error
    if "called random operation" in str(error):  # torch's own words, from within vmap
        raise ValueError(_RANDOM) from error


def as_tensor(a: np.ndarray) -> torch.Tensor:
    """A tensor over the same memory as the numpy array, or over a copy where torch cannot have that."""
    return torch.from_numpy(a if a.flags.writeable and min(a.strides, default=0) >= 0 else a.copy())
