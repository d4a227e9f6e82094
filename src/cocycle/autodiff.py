"""Tangents by automatic differentiation: for maps without analytic tangents, and as a reference in tests."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch.func import jvp, linearize, vjp, vmap

from cocycle.arrays import Frame, State, namespace
from cocycle.maps import Dual, Linearised
from cocycle.slopes import slopes_from_fields

BOTH: Any = (None, -1)  # axes of the columns: the value has none, the pushed vectors the last


@final
@dataclass(frozen=True, eq=False)
class Autodiff(Dual):
    """Any differentiable torch function (*batch, n) -> (*batch, p) as a map.

    The tangent takes one forward-mode product for each column of the frame (`torch.func.jvp`), several times the cost
    of an analytic one.  Functions that saturate are differentiated from their local fields (`cocycle.slopes`).  numpy
    states give numpy results.  The function must treat the members of a batch separately; it may work in place, as it
    gets copies.

    Raises TypeError for values that are complex or no tensor, ValueError for values with another batch shape, and for a
    function that is random.
    """

    function: Callable
    dt: float = 1.0

    def __call__(self, x):
        if namespace(x) is np:
            return self(as_tensor(x)).detach().numpy()
        return self._value(x)

    def tangent(self, x: State, q: Frame) -> tuple[State, Frame]:
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
            try:
                columns = [jvp(self._value, (x,), (column,)) for column in q.unbind(-1)]
                return columns[0][0], torch.stack([column[1] for column in columns], -1)
            except (RuntimeError, ValueError) as error:
                _refuse_randomness(error)
                y, jacobian = self._rows(x)
                return y, jacobian @ q

    def cotangent(self, x: State, p: Frame) -> Frame:
        if namespace(x) is np:
            return self.cotangent(as_tensor(x), as_tensor(p)).detach().numpy()
        with _differentiated():
            try:
                pulled = vjp(self._value, x)[1]
                return vmap(pulled, in_dims=-1, out_dims=-1)(p)[0]
            except (RuntimeError, ValueError) as error:
                _refuse_randomness(error)
                return self._rows(x)[1].mT @ p

    def linearised(self, x: State, memory: float = np.inf) -> Linearised | None:
        """The operations of the derivative at x, traced once: a product takes a quarter of the time of `tangent`.

        What is kept is not known here: maps that know give it (`cocycle.networks`).
        """
        if namespace(x) is np:
            return None
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's notices about the graph that it traces
            try:
                with _differentiated():
                    value, push = linearize(self._value, x)
                    pull = vjp(self._value, x)[1]
            except (RuntimeError, ValueError, NotImplementedError):  # what torch cannot trace: `tangent` computes it
                return None
        return Linearised(value, _for_columns(push), _for_columns(lambda p: pull(p)[0]), memory)

    def _rows(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """f(x) and the Jacobian (*batch, p, n), row by row: for functions with parts that have no forward-mode
        derivative in torch, or none that can be batched."""
        followed = torch.is_grad_enabled() and (x.requires_grad or self._value(x).requires_grad)
        with torch.enable_grad():
            x = x if followed and x.requires_grad else x.detach().requires_grad_()
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
                f"function must map states (*batch, n) to (*batch, p); it mapped {tuple(x.shape)} to {tuple(y.shape)}"
            )
        return y


def _for_columns(product: Callable) -> Callable[[Frame], Frame]:
    """A product with one vector (n,) as one with several (n, k)."""

    def pushed(q: Frame) -> Frame:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "There is a performance drop")
            return product(q[:, 0])[:, None] if q.shape[-1] == 1 else vmap(product, in_dims=-1, out_dims=-1)(q)

    return pushed


def member_by_member(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    """A function of one state (n,) as a function of batches (*batch, n), each member by itself: all at once where torch
    can, else one after the other."""

    def of_batch(x: torch.Tensor) -> torch.Tensor:
        if x.ndim == 1:
            return function(x)
        rows = x.reshape(-1, x.shape[-1])
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "There is a performance drop")
                y = vmap(function)(rows)
        except RuntimeError:  # decisions by values, operations that torch has not for batches
            y = torch.stack([function(row) for row in rows])
        return y.reshape(*x.shape[:-1], -1)

    return of_batch


@contextmanager
def _differentiated() -> Iterator[None]:
    with slopes_from_fields(), warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "There is a performance drop"
        )  # torch's notice about functions without a batched derivative
        yield


_RANDOM = (
    "function must not be random; two calls gave different values: make the noise an input, or its seed a constant"
)


def _refuse_randomness(error: Exception) -> None:
    if isinstance(error, torch.OutOfMemoryError):
        raise error
    if "called random operation" in str(error):  # torch's message from within vmap
        raise ValueError(_RANDOM) from error


def as_tensor(a: np.ndarray) -> torch.Tensor:
    """A tensor that shares the memory of the numpy array, or has a copy where torch cannot share it."""
    return torch.from_numpy(a if a.flags.writeable and min(a.strides, default=0) >= 0 else a.copy())
