"""A formula of very many operations, run on whole arrays: the same calls as a `Program`."""

from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np

from cocycle.arrays import Array
from cocycle.formulas.dual_arrays import DualArray
from cocycle.formulas.program import common_batch
from cocycle.formulas.refused import NotTraceable
from cocycle.purity import Dependencies, random_numbers_unused


@final
class OnArrays:
    """function(state, *parameters) of a state (n,), with its tangent by forward mode on arrays.

    The members of a batch are computed one after the other, and only numpy's arrays.  Raises NotTraceable for a
    function that draws random numbers; clocks and iterators have been refused by the trace before.
    """

    def __init__(self, function: Callable[..., Any], n: int, shapes: Sequence[tuple[int, ...]], owner: object):
        self.function, self.n, self.shapes = function, n, list(shapes)
        self.dependencies = Dependencies([])  # it is run anew at every call
        self.calls, self.size = 0, n
        self.owner = owner

    def __call__(self, x: Array, parameters: Sequence[Any] = ()) -> Array:
        """The results (*batch, p) at x (*batch, n), with parameters (*batch,) each."""
        return self._members(lambda state, given: self._vector(self.function(state, *given)), x, parameters)

    def pushed(self, x: Array, q: Array, parameters: Sequence[Any] = ()) -> tuple[Array, Array]:
        """The results, and the tangents (*batch, p, k) of the vectors q (*batch, n, k)."""
        batch = common_batch(x.shape[:-1], parameters)
        frames = np.broadcast_to(q, (*batch, *q.shape[-2:])).reshape(-1, *q.shape[-2:])
        member = iter(frames)

        def together(state: np.ndarray, given: list[Any]) -> np.ndarray:
            frame = next(member)
            found = self.function(DualArray(state, frame.T.copy()), *given)
            if isinstance(found, np.ndarray) and found.dtype == object:
                found = np.stack(list(found))
            if not isinstance(found, DualArray):
                return np.column_stack([self._vector(found), np.zeros((len(found), q.shape[-1]))])
            return np.column_stack([self._vector(found.value), *found.tangents])

        whole = self._members(together, x, parameters)
        return whole[..., 0], whole[..., 1:]

    def pulled(self, x: Array, p: Array, parameters: Sequence[Any] = ()) -> Array:
        """The covectors (*batch, n, k) at x of those at the results, p (*batch, p, k)."""
        identity = np.broadcast_to(np.eye(self.n), (*x.shape[:-1], self.n, self.n))
        return self.pushed(x, identity, parameters)[1].swapaxes(-1, -2) @ p

    def _vector(self, result: Any) -> np.ndarray:
        found = np.asarray(result, dtype=float)
        if found.ndim != 1:
            raise NotTraceable(f"it must return a vector, np.stack([...]); got shape {found.shape}")
        self.size = len(found)
        return found

    def _members(self, function: Callable[..., np.ndarray], x: Array, parameters: Sequence[Any]) -> np.ndarray:
        if not isinstance(x, np.ndarray):
            raise NotTraceable(
                f"a formula of so many operations is computed with numpy, not with {type(x).__name__}: take Autodiff of"
                " a torch function"
            )
        if not self.calls:
            self._require_pure(x, parameters)
        batch = common_batch(x.shape[:-1], parameters)
        states = np.broadcast_to(x, (*batch, x.shape[-1]))
        columns = [np.broadcast_to(p, batch) for p in parameters]
        found = []
        with np.errstate(all="ignore"):
            for index in np.ndindex(batch):
                given = self._arrays([column[index] for column in columns])
                found.append(function(np.array(states[index], dtype=float), given))
        return np.stack(found).reshape(*batch, *found[0].shape).astype(x.dtype)

    def _require_pure(self, x: np.ndarray, parameters: Sequence[Any]) -> None:
        state = np.array(x[(0,) * (x.ndim - 1)], dtype=float)
        given = self._arrays([np.ravel(p)[0] for p in parameters])
        with random_numbers_unused(self.owner) as unused, np.errstate(all="ignore"):
            first, second = (np.array(self.function(state.copy(), *given)) for _ in range(2))
            if not unused() or not np.array_equal(first, second, equal_nan=True):
                raise NotTraceable("it differs from one call to the next: noise is an input")

    def _arrays(self, numbers: list[Any]) -> list[Any]:
        """The parameters in their shapes."""
        found, rest = [], iter(numbers)
        for shape in self.shapes:
            values = [next(rest) for _ in range(int(np.prod(shape)))]
            found.append(np.array(values, dtype=float).reshape(shape) if shape else float(values[0]))
        return found
