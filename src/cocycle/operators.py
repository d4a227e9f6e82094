"""Matrices that act without being formed, and the products of a matrix with states and frames."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, final

import numpy as np

from cocycle.arrays import Array, Frame, State, Weight, is_number, is_sparse, namespace

ONE_BY_ONE = 4  # vectors: scipy takes as long for two in one product as for four in single products


@final
@dataclass(frozen=True, eq=False)
class LowRankUpdate:
    """The matrix gain * base + left @ right, which acts without being formed.

    Shapes: base (*batch, p, n), left (*batch, p, m), right (*batch, m, n), gain (*batch, 1).  The weight of a closed
    loop has this form: base is the recurrent weight, one for the whole batch, and left @ right = input weight @ readout
    differs between members.  Formed, it would be one p x n matrix for every member of the batch.
    """

    base: Weight
    left: Weight
    right: Weight
    gain: Array = 1.0

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.base.shape)

    def times(self, x: Array, product: Any, gain: Any) -> Array:
        return gain(self.gain) * product(self.base, x) + product(self.left, product(self.right, x))

    @property
    def transposed(self) -> LowRankUpdate:
        return LowRankUpdate(transposed(self.base), transposed(self.right), transposed(self.left), self.gain)


@final
@dataclass(frozen=True, eq=False)
class SideBySide:
    """The matrix [left_gain * left | right_gain * right], which acts without being formed.

    Shapes: left (*batch, p, m), right (*batch, p, n), gains (*batch, 1) or numbers.  The weight of a network for input
    and state together: a batch whose members differ in their gains shares the matrices.
    """

    left: Weight
    right: Weight
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
    def transposed(self) -> Stacked:
        return Stacked(transposed(self.left), transposed(self.right), self.left_gain, self.right_gain)


@final
@dataclass(frozen=True, eq=False)
class Stacked:
    """The matrix of the rows of top_gain * top, then those of bottom_gain * bottom: a transposed `SideBySide`."""

    top: Weight
    bottom: Weight
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


Operator = LowRankUpdate | SideBySide | Stacked  # `times` takes the product to use: `linear` or `_rows_times`


def _beside_vectors(gain):
    return gain  # (*batch, 1)


def _beside_rows(gain):
    return gain if is_number(gain) else gain[..., None]


def linear(w: Weight | Operator, x: State) -> State:
    """w x: shape (*batch, p)."""
    if isinstance(w, Operator):
        return w.times(x, linear, _beside_vectors)
    if x.ndim == 1 and w.ndim == 2 and namespace(x) is np:
        return w @ x
    if w.ndim == 2 or (x.ndim >= 2 and w.shape[-3] == 1):  # one matrix for all rows of x
        return _rows_times(w if w.ndim == 2 else w[..., 0, :, :], x)
    return _rows_times(w, x[..., None, :])[..., 0, :]


def linear_block(w: Weight | Operator, q: Frame) -> Frame:
    """w q, column by column: shape (*batch, p, k)."""
    return _rows_times(w, q.swapaxes(-1, -2)).swapaxes(-1, -2)


def transposed(w: Weight | Operator) -> Weight | Operator:
    """wᵀ: shape (*batch, n, p)."""
    if isinstance(w, Operator):
        return w.transposed
    return w.T.tocsr() if is_sparse(w) else w.swapaxes(-1, -2)


def linear_pair(w: Weight | Operator, x: State, q: Frame) -> tuple[State, Frame]:
    """(w x, w q) in one product where that is faster: shapes (*batch, p) and (*batch, p, k)."""
    if q.ndim == 2 and q.shape[-1] == 1 and is_sparse(w) and namespace(x) is np:
        return w @ x, w @ q
    xp = namespace(x)
    if x.ndim > 1 and not isinstance(w, Operator) and w.ndim == 2:
        if prod(q.shape[:-2]) > w.shape[0] and not is_sparse(w):
            return _columns_times(w, x[..., None])[..., 0], _columns_times(w, q)
        # one matrix for all: each vector of the whole batch is contiguous, where products with slopes are fastest
        rows = _rows_times(w, xp.concatenate([x[None], xp.moveaxis(q, -1, 0)], axis=0))
        return rows[0], xp.moveaxis(rows[1:], 0, -1)
    rows = _rows_times(w, xp.concatenate([x[..., None, :], q.swapaxes(-1, -2)], axis=-2))
    return rows[..., 0, :], rows[..., 1:, :].swapaxes(-1, -2)


def _columns_times(w, q):
    """w q for one w (p, n) and so many q (*batch, n, k) that a second product with w costs less than copying them.

    In memory the result has the batch last, so that both this product and that with slopes act on long rows.
    """
    xp = namespace(q)
    columns = xp.moveaxis(q, (-2, -1), (0, 1))
    product = (w @ columns.reshape(len(columns), -1)).reshape(len(w), *columns.shape[1:])
    return xp.moveaxis(product, (0, 1), (-2, -1))


def _rows_times(w, rows):
    """w times each of rows (*batch, j, n).  A shared w takes the rows of the whole batch in one matrix product.

    Results keep rows contiguous, as the next product and LAPACK need tangent vectors.
    """
    if isinstance(w, Operator):
        return w.times(rows, _rows_times, _beside_rows)
    if is_sparse(w):
        if namespace(rows) is not np:
            raise TypeError(
                "a scipy.sparse weight must act on numpy arrays; got a torch tensor: take"
                " torch.as_tensor(weight.toarray())"
            )
        flat = rows.reshape(-1, rows.shape[-1])
        if len(flat) <= ONE_BY_ONE:
            product = np.stack([w @ row for row in flat])
        else:
            product = np.ascontiguousarray((w @ flat.T).T)
        return product.reshape(*rows.shape[:-1], w.shape[0])
    if w.ndim == 2:
        return (rows.reshape(-1, rows.shape[-1]) @ w.T).reshape(*rows.shape[:-1], w.shape[0])
    return rows @ w.swapaxes(-1, -2)
