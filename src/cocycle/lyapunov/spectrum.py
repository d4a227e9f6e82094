"""Lyapunov exponents as averages over the QR loop, with the error bar that belongs to them."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import final

import numpy as np

from cocycle.arrays import Array, as_numpy, floating, namespace
from cocycle.lyapunov.qr import QRStep, check_frame, qr_steps
from cocycle.maps import Map
from cocycle.progress import tracked

LOST_SPREAD = 1e10  # of the frame between two orthonormalisations: what is left of the last exponents is six digits
BATCHES = 10  # means of about ten batches give an honest error for anticorrelated growth, where longer lags fail


@final
@dataclass(frozen=True, eq=False)
class Spectrum:
    """What the QR loop found, and where it stopped: pass `x` and `q` to `spectrum` again and add the results.

    growth (groups, *batch, k) is ln diag(r) after each group of maps, times (groups,) the time each took.
    """

    growth: Array
    times: Array
    x: Array
    q: Array

    @property
    def exponents(self) -> Array:
        """(*batch, k), per unit time, in the order of the QR columns: not sorted.  NaN where it diverged."""
        return _total(self.growth) / self.times.sum()

    @property
    def standard_error(self) -> Array:
        """(*batch, k): the scatter of the means of ten consecutive batches, over √10.

        NaN when there are fewer than ten groups.  It measures the error of a finite time average; how much
        realisations of a random network differ is the scatter over the batch, another thing.
        """
        xp, used = namespace(self.growth), len(self.times) // BATCHES * BATCHES
        if used == 0:
            return xp.full_like(self.exponents, np.nan)
        shape = (BATCHES, used // BATCHES)
        growth = self.growth[-used:].reshape(*shape, *self.growth.shape[1:]).sum(1)
        times = self.times[-used:].reshape(shape).sum(1)
        means = growth / times.reshape(-1, *[1] * (growth.ndim - 1))
        with np.errstate(invalid="ignore"):  # an exponent of -inf has no error bar: NaN
            return ((means - means.mean(0)) ** 2).sum(0) ** 0.5 / (BATCHES * (BATCHES - 1)) ** 0.5

    def running(self) -> tuple[Array, Array]:
        """The times (groups,) and the exponents (groups, *batch, k) estimated up to each of them."""
        times = self.times.cumsum(0)
        return times, self.growth.cumsum(0) / times.reshape(-1, *[1] * (self.growth.ndim - 1))

    @property
    def kaplan_yorke(self) -> Array:
        """(*batch,): j + (λ_1 + ... + λ_j) / |λ_{j+1}| with j the last index where the sum is not negative.

        0 if the first exponent is negative, NaN if the sum of all k is positive: then k is too small to tell,
        unless k = n, when the dimension is n.  Kaplan & Yorke, Lecture Notes in Math. 730, 204 (1979).
        """
        exponents = np.asarray(self.exponents)
        return np.apply_along_axis(_kaplan_yorke, -1, exponents, exponents.shape[-1] == self.x.shape[-1])[()]

    def __add__(self, later: "Spectrum") -> "Spectrum":
        """This result and the one that continued it, as one."""
        join = namespace(self.growth).concatenate
        return Spectrum(join([self.growth, later.growth]), join([self.times, later.times]), later.x, later.q)

    def __repr__(self):
        batch, time = self.exponents.shape[:-1], float(self.times.sum())
        head = f"Spectrum over time {time:g}" + (f", batch {tuple(batch)}" if batch else "")
        if batch:
            return f"{head}: exponents of shape {tuple(self.exponents.shape)}"
        pairs = zip(self.exponents, self.standard_error, strict=True)
        return f"{head}: " + ", ".join(f"{value:.6g} ± {error:.2g}" for value, error in pairs)


def _total(growth: Array) -> Array:
    """The sum over axis 0, pairwise as over contiguous memory: term by term, 10⁶ groups cost three digits."""
    rows = namespace(growth).moveaxis(growth, 0, -1)
    return (np.ascontiguousarray(rows) if isinstance(rows, np.ndarray) else rows.contiguous()).sum(-1)


def _kaplan_yorke(exponents: np.ndarray, complete: bool) -> float:
    exponents = np.sort(exponents)[::-1]
    sums = np.cumsum(exponents)
    if np.isnan(sums).any():
        return np.nan
    j = int((sums >= 0).sum())
    if j == len(sums):
        return float(j) if complete else np.nan
    return j + (sums[j - 1] if j else 0.0) / -exponents[j]


class Diverged(ArithmeticError):
    """A state or a tangent vector left every bound at `step`; `result` is the Spectrum of what came before.

    In a batch the other members were carried to the end: `result` has NaN for those that diverged.
    """

    def __init__(self, message: str, step: int, result: Spectrum):
        super().__init__(message)
        self.step, self.result = step, result


def spectrum(steps: Iterable[Map], x: Array, q: Array, *, every: int | str = 1, transient: int = 0) -> Spectrum:
    """The Lyapunov exponents of the product of the tangent maps along the orbit of x (*batch, n).

    `steps` is any iterable of maps and q (*batch, n, k) the frame they push, from `frame(x, k)`.  The frame is
    orthonormalised after every `every` maps, or as its growth demands with every="auto" (see `qr_steps`).  The first
    `transient` maps are run, frame included, and not counted: the state has to settle, then the frame to align.

    Warns when a fixed `every` let the frame spread so much that the last exponents are noise, and says which.

    Raises ValueError for shapes that do not fit, TypeError for arrays that are not numbers, and `Diverged` when a
    state or a vector is no longer finite.
    """
    x, q = floating("x", x), floating("q", q)
    check_frame(x, q)
    if every != "auto" and (not isinstance(every, int) or every < 1):
        raise ValueError(f'every must be an integer of at least 1 or "auto"; got {every!r}')
    if transient < 0:
        raise ValueError(f"transient must not be negative; got {transient}")
    steps = iter(tracked(steps, "exponents"))
    for settled in qr_steps(islice(steps, transient), x, q, every=every):
        x, q = settled.x, settled.q
    result = collect(qr_steps(steps, x, q, every=every))
    if every not in (1, "auto"):  # they spread the frame as little as can be
        _warn_of_spread(result.growth)
    return result


def _warn_of_spread(growth: Array) -> None:
    """Warn of exponents that are noise because too many maps passed between two orthonormalisations.

    QR knows r_ii to about eps max_j r_jj, j <= i, so that a ratio of 1e10 leaves six digits.
    """
    growth = as_numpy(growth)
    finite = np.where(np.isfinite(growth), growth, np.nan)  # an exponent of -inf is exact: a projection
    spread = np.maximum.accumulate(growth, axis=-1) - finite
    lost = np.flatnonzero((spread > np.log(LOST_SPREAD)).any(axis=tuple(range(spread.ndim - 1))))
    if len(lost):
        warnings.warn(
            f"exponents from number {lost[0] + 1} on cannot be trusted: the pushed frame spread by up to "
            f'{np.exp(np.nanmax(spread)):.0e} between two orthonormalisations; take a smaller `every`, or "auto"',
            stacklevel=3,
        )


def collect(loop: Iterable[QRStep]) -> Spectrum:
    """The Spectrum of what the QR loop yields, for a caller who wants to look at its states on the way.

    Raises ValueError when nothing is yielded or a map narrows the state below k, `Diverged` as `spectrum` does.
    """
    growth, times, last, healthy, first = [], [], None, True, None
    for step in loop:
        xp, k = namespace(step.r), step.r.shape[-1]
        if step.r.shape[-2] != k:
            n = step.r.shape[-2]
            raise ValueError(f"a map narrows the state to {n} < k = {k} dimensions: use `stretching`, or smaller k")
        logs = _log(xp, xp.linalg.diagonal(step.r))
        finite = xp.isfinite(step.x).all(-1) & (logs < np.inf).all(-1)
        healthy = healthy & finite
        if not healthy.all():
            first = len(times) if first is None else first
            if not healthy.any():
                break
            logs = xp.where(healthy[..., None], logs, np.nan)
        growth.append(logs)
        times.append(step.time)
        last = step
    return _finished(growth, times, last, healthy, first)


def _log(xp, diagonal):
    if xp is np:
        with np.errstate(divide="ignore", invalid="ignore"):  # a projection has exponent -inf, and that is right
            return np.log(diagonal)
    return xp.log(diagonal)


def _finished(growth, times, last, healthy, first) -> Spectrum:
    if first == 0 and not growth:
        raise ValueError("the first group of steps already gives values that are not finite: check x, q and the maps")
    if not growth:
        raise ValueError("steps must hold at least one map after the transient; got none")
    xp = namespace(growth[0])
    result = Spectrum(xp.stack(growth), _like(xp, growth[0], times), last.x, last.q)
    if first is not None:
        which = "" if healthy.ndim == 0 else f" for {int((~healthy).sum())} of {healthy.size} members of the batch"
        message = f"values are no longer finite after QR step {first}{which}; .result holds what was reached"
        raise Diverged(message, first, result)
    return result


def _like(xp, reference, times):
    return xp.asarray(times, dtype=reference.dtype, device=reference.device)
