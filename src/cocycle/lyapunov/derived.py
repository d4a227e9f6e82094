"""Quantities derived from a spectrum: dimension, entropy, volume growth, exponents of short windows, with errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cocycle.arrays import Array, as_numpy
from cocycle.lyapunov.dimension import kaplan_yorke_dimension
from cocycle.lyapunov.errors import broadcastable
from cocycle.results import html_table, rounded

if TYPE_CHECKING:
    from cocycle.lyapunov.exponents import Spectrum

SHOWN = 10  # members of a batch in the table of a notebook


class Estimate(NamedTuple):
    """A number, or one for each member of a batch (*batch,), and its standard error."""

    value: np.ndarray
    error: np.ndarray

    def __repr__(self):
        pairs = zip(np.ravel(self.value).tolist(), np.ravel(self.error).tolist(), strict=True)
        return f"Estimate({', '.join(' ± '.join(rounded(*pair)) for pair in pairs)})"

    def _repr_html_(self):
        members = list(np.ndindex(np.shape(self.value)))
        rows = [(" ".join(map(str, i)), *rounded(float(self.value[i]), float(self.error[i]))) for i in members[:SHOWN]]
        rows += [("…", f"{len(members)} in all", "")] if len(members) > SHOWN else []
        return html_table("Estimate", ("member" if np.ndim(self.value) else "", "value", "±"), rows)


def kaplan_yorke(result: Spectrum, neutral: int = 0) -> Estimate:
    """The Kaplan-Yorke dimension j + (λ_1 + ... + λ_j) / |λ_{j+1}| with j the last index where the sum is not negative.

    It depends on the signs of exponents near zero: the `neutral` exponents nearest to zero are set to exactly zero, as
    one exponent of an autonomous flow is.  0 if the first exponent is negative; n if the sum of all n exponents is
    positive; NaN if that of k < n exponents is, because k is then too small.  The error is a jackknife estimate over
    ten consecutive segments. Kaplan & Yorke, Lecture Notes in Math. 730, 204 (1979).

    Raises ValueError for a record of fewer than ten groups, or `neutral` not in 0..k.
    """
    complete = result.growth.shape[-1] == result.x.shape[-1]
    return _jackknife(result, lambda exponents: kaplan_yorke_dimension(_neutralised(exponents, neutral), complete))


def entropy(result: Spectrum, neutral: int = 0) -> Estimate:
    """The sum of the positive exponents, per unit time: the Kolmogorov-Sinai entropy, by Pesin's identity.

    An upper bound in general (Ruelle), equal to the entropy for measures that are smooth along unstable directions. The
    `neutral` exponents nearest to zero are left out, because an estimate of zero may be positive.  The result is too
    small if k is smaller than the number of positive exponents.  Error and exceptions as for `kaplan_yorke`. Eckmann &
    Ruelle, Rev. Mod. Phys. 57, 617 (1985).
    """
    return _jackknife(result, lambda exponents: np.maximum(_neutralised(exponents, neutral), 0).sum(-1))


def volume_growth(result: Spectrum) -> Estimate:
    """The sum of the k exponents, per unit time: the growth rate of the volume spanned by the frame.

    For k = n the mean of ln|det Df|.  Raises ValueError for a record of fewer than ten groups.
    """
    return _jackknife(result, lambda exponents: exponents.sum(-1))


def local_exponents(result: Spectrum, window: int) -> Array:
    """The exponents (windows, *batch, k) of successive windows of `window` groups of maps each.

    Their distribution shows how intermittent the growth is.  Groups after the last full window are left out.  Raises
    ValueError unless 1 <= window <= the number of groups.
    """
    groups = len(result.times)
    if not 1 <= window <= groups:
        raise ValueError(f"window must be in 1..{groups}, the number of groups of maps; got {window}")
    used = groups // window * window
    growth = result.growth[:used].reshape(-1, window, *result.growth.shape[1:]).sum(1)
    times = result.times[:used].reshape(-1, window).sum(1)
    return growth / broadcastable(times, growth)


def _neutralised(exponents: np.ndarray, neutral: int) -> np.ndarray:
    k = exponents.shape[-1]
    if not 0 <= neutral <= k:
        raise ValueError(f"neutral must be in 0..k={k}; got {neutral}")
    rank = abs(exponents).argsort(-1).argsort(-1)
    return np.where(rank < neutral, 0.0, exponents)


def _jackknife(result: Spectrum, quantity: Callable[[np.ndarray], np.ndarray]) -> Estimate:
    """`quantity` of the exponents, and its error from its values with each of ten segments left out in turn."""
    growth, times = (as_numpy(a) for a in result.batches)
    count = len(times)
    left_out = ~np.eye(count, dtype=bool)  # sums over the other segments, because differences of -inf are NaN
    values = np.stack([quantity(growth[others].sum(0) / times[others].sum()) for others in left_out])
    with np.errstate(invalid="ignore"):  # the error is NaN where an exponent is -inf
        squares = ((values - values.mean(0)) ** 2).sum(0)
    return Estimate(quantity(as_numpy(result.exponents)), ((count - 1) / count * squares) ** 0.5)
