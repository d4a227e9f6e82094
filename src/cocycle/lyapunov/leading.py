"""The largest finite-time exponents of maps with many dimensions, such as images, from products with few vectors."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, final

import numpy as np

from cocycle.arrays import (
    Array,
    Exponents,
    Frame,
    State,
    as_numpy,
    floating,
    generator,
    like,
    namespace,
    require_count,
    require_finite,
    tolerances,
    without_graph,
)
from cocycle.lyapunov.lanczos import Leading, is_small, leading_vectors
from cocycle.lyapunov.qr import as_map, check_steps
from cocycle.lyapunov.tangent_products import Product
from cocycle.lyapunov.units import unit_of
from cocycle.maps import Map
from cocycle.progress import tracked
from cocycle.results import Plotted, bracketed, html_table, rounded


@final
@dataclass(frozen=True, eq=False)
class LeadingExponents(Plotted):
    """The largest singular values Λ_1 >= Λ_2 >= ... of the product J of tangent maps, at each input.

    `log_factors` (*batch, k) are ln Λ_i in double precision; the columns of `right` (*batch, n, k) the directions at
    the input that are stretched most, those of `left` (*batch, p, k) their images at the output, J right_i = Λ_i
    left_i, with arbitrary common signs.  `residuals` (*batch, k) are |Jᵀ left_i - Λ_i right_i| / Λ_i: the relative
    error of Λ_i is at most that, and of the order of its square where the next value is apart.  `products` (*batch,)
    counts those with J and Jᵀ.  `time` is that of all maps together, and `unit` that of the exponents, as in a
    `Field`.
    """

    log_factors: Exponents
    right: Frame
    left: Frame
    residuals: np.ndarray
    products: np.ndarray
    time: float
    tolerance: float
    unit: str = "per layer"

    @property
    def exponents(self) -> Exponents:
        """The finite-time exponents ln Λ_i / time (*batch, k)."""
        return self.log_factors / self.time

    @property
    def converged(self) -> np.ndarray:
        """Where (*batch, k) the residual is not above the tolerance; also where Λ_i is zero."""
        return (self.residuals <= self.tolerance) | np.isneginf(as_numpy(self.log_factors))

    @property
    def mean(self) -> np.ndarray:
        """The exponents' mean (k,) over all inputs; those that are not finite are left out."""
        return np.nanmean(self._finite, axis=0)

    @property
    def standard_error(self) -> np.ndarray:
        """The standard error (k,) of the mean over independent inputs; NaN for one input."""
        count = (~np.isnan(self._finite)).sum(0)
        with np.errstate(all="ignore"):
            spread = np.sqrt(((self._finite - self.mean) ** 2).sum(0, where=~np.isnan(self._finite)) / (count - 1))
        return np.where(count > 1, spread / np.sqrt(count), np.nan)

    @property
    def _finite(self) -> np.ndarray:
        found = as_numpy(self.exponents).reshape(-1, self.residuals.shape[-1])
        return np.where(np.isfinite(found), found, np.nan)

    def __repr__(self):
        count, lost = self.products.size, int((~self.converged).sum())
        if count == 1:
            words = ", ".join(f"{value:.4g}" for value in as_numpy(self.exponents).reshape(-1))
        else:
            pairs = zip(self.mean, self.standard_error, strict=True)
            words = (
                ", ".join(bracketed(mean, error, f"{mean:.4g}") for mean, error in pairs) + f", mean of {count} inputs"
            )
        note = f", {lost} of {self.residuals.size} not converged" if lost else ""
        cost = f"{int(self.products.sum())} products, residuals up to {self.residuals.max():.1g}"
        return f"LeadingExponents {words}, over time {self.time:g}; {cost}{note}"

    def _repr_html_(self):
        count = self.products.size
        pairs = zip(self.mean, self.standard_error, self.residuals.reshape(count, -1).max(0), strict=True)
        rows = [
            (i, *rounded(float(mean), float(error)), f"{worst:.1g}") for i, (mean, error, worst) in enumerate(pairs, 1)
        ]
        head = f"LeadingExponents over time {self.time:g}" + (f", mean of {count} inputs" if count > 1 else "")
        return html_table(head, ("i", f"λᵢ {self.unit}", "±", "residual"), rows)


def leading_exponents(
    steps: Iterable[Map],
    x: State,
    k: int = 1,
    *,
    within: Any = slice(None),
    tolerance: float | None = None,
    memory: float = 2**32,
    rng: np.random.Generator | int = 0,
) -> LeadingExponents:
    """The k largest finite-time exponents of the maps at inputs x (*batch, n), with their directions.

    For states of very many dimensions: n = 150,528 for an image, of which `finite_time_exponents` would need all.  Each
    input is computed by itself.  `within` are indices of the components of x that are perturbed, such as those of one
    token or one channel; the directions are 0 outside.  `tolerance` is that of the residuals, by default the square
    root of the rounding error: 1.5e-8 in double precision, 3.5e-4 in single.  Products of large torch networks are
    traced once for each input where that needs at most `memory` bytes, and computed layer by layer otherwise, which
    takes up to four times as long.  rng draws the vector to start from.  Where inputs or outputs are at most 64, J
    itself is computed, also where both are few hundred.

    Warns where a residual is above the tolerance.  Raises ValueError for k that is larger than the number of inputs or
    outputs, x that is not finite or does not fit, and an empty product.
    """
    maps, x, tolerance = _checked(steps, x, k, tolerance)
    (found,) = _results(maps, x, [(len(maps), _indices(x, within))], k, tolerance=tolerance, memory=memory, rng=rng)
    return found


def exponents_by_layer(
    steps: Iterable[Map], x: State, k: int = 1, *, tolerance: float | None = None, memory: float = 2**32
) -> list[LeadingExponents]:
    """The k largest finite-time exponents of the first l maps, for l = 1, 2, ..., at inputs x (*batch, n).

    As `leading_exponents(steps[:l], x, k)`, whose maps are linearised once.  Raises as it does.
    """
    maps, x, tolerance = _checked(steps, x, k, tolerance)
    everything = _indices(x, slice(None))
    jobs = [(count, everything) for count in range(1, len(maps) + 1)]
    return _results(maps, x, jobs, k, tolerance=tolerance, memory=memory)


def exponents_by_group(
    steps: Iterable[Map], x: State, groups: Sequence[Any], k: int = 1, *, memory: float = 2**32
) -> list[LeadingExponents]:
    """The k largest finite-time exponents for perturbations of each group of components of x alone.

    `groups` are indices into the n components, such as those of tokens or channels (`component_groups`).  As
    `leading_exponents(steps, x, k, within=group)`.  Raises as it does.
    """
    maps, x, tolerance = _checked(steps, x, k, None)
    jobs = [(len(maps), _indices(x, group)) for group in groups]
    return _results(maps, x, jobs, k, tolerance=tolerance, memory=memory)


def component_groups(shape: Sequence[int], axis: int, count: int | None = None) -> list[np.ndarray]:
    """The indices of the components of flat states that belong together along an axis of their `shape`.

    For tokens (time, channels): axis 0 gives one group for each token, axis 1 one for each channel; of images
    (channels, height, width) axis 0 gives the channels.  `count` is the number of groups of equal size, by default one
    for each index.  Raises ValueError where the groups would not be equal.
    """
    shape, size = tuple(shape), shape[axis]
    count = size if count is None else count
    require_count("count", count, 1)
    if size % count:
        raise ValueError(f"count must divide the {size} indices of axis {axis}; got count={count}")
    index = np.moveaxis(np.arange(prod(shape)).reshape(shape), axis, 0)
    return [part.reshape(-1) for part in np.split(index, count)]


def _results(
    maps: tuple[Map, ...],
    x: State,
    jobs: Sequence[tuple[int, np.ndarray]],
    k: int,
    *,
    tolerance: float,
    memory: float,
    rng: np.random.Generator | int = 0,
) -> list[LeadingExponents]:
    """The results of several jobs, each with the first so many maps and perturbations of some components, for which the
    maps are linearised once."""
    rows, by_input = x.reshape(-1, x.shape[-1]), []
    seeds = generator(rng).spawn(len(rows))
    with without_graph(x):
        for row, seed in tracked(list(zip(rows, seeds, strict=True)), "exponents"):
            whole = Product.at(maps, row)
            sizes = [(len(index), whole.dimensions[count]) for count, index in jobs]
            for m, p in sizes:
                if k > min(m, p):
                    raise ValueError(f"k must be in 1..{min(m, p)} for {m} inputs and {p} outputs; got k={k}")
            if any(not is_small(m, p, k) for m, p in sizes):
                whole.linearise(memory)
            by_input.append([leading_vectors(whole.first(count), index, k, tolerance, seed) for count, index in jobs])
    of_jobs = zip(*by_input, strict=True)
    results = [_joined(found, x, maps[:count], tolerance) for (count, _), found in zip(jobs, of_jobs, strict=True)]
    for result in results:
        _warn(result)
    return results


def _checked(steps: Iterable[Map], x: Any, k: int, tolerance: float | None) -> tuple[tuple[Map, ...], State, float]:
    check_steps(steps)
    maps = tuple(map(as_map, steps))
    if not maps:
        raise ValueError("steps must hold at least one map; got none")
    x = floating("x", x)
    if x.ndim < 1 or not prod(x.shape):
        raise ValueError(f"x must be inputs of shape (*batch, n), at least one; got {tuple(x.shape)}")
    require_finite("x", x)
    require_count("k", k, 1)
    native = getattr(maps[0], "native", lambda x: x)(x)  # as the maps compute with it
    limit = tolerances(native.dtype).eps ** 0.5 if tolerance is None else float(tolerance)
    if not limit > 0:
        raise ValueError(f"tolerance must be positive; got {tolerance}")
    return maps, x if namespace(x) is np else native, limit


def _indices(x: State, within: Any) -> np.ndarray:
    """Indices of components as an array.  Raises ValueError unless they are different ones, at least one."""
    index = np.arange(x.shape[-1])[within]
    if index.ndim != 1 or not len(index) or len(np.unique(index)) < len(index):
        raise ValueError(
            f"within must be different indices of some of the {x.shape[-1]} components of x; got {within!r}"
        )
    return index


def _joined(found: Sequence[Leading], x: State, maps: Sequence[Map], tolerance: float) -> LeadingExponents:
    batch, time = tuple(x.shape[:-1]), float(sum(f.dt for f in maps))

    def stacked(field: str) -> np.ndarray:
        values = np.stack([getattr(one, field) for one in found])
        return values.reshape((*batch, *values.shape[1:]))

    right, left = like(stacked("right"), x), like(stacked("left"), x)
    logs = stacked("log_factors")
    xp = namespace(x)
    log_factors: Array = logs if xp is np else xp.as_tensor(logs, device=x.device)
    residuals, products = stacked("residuals"), stacked("products")
    return LeadingExponents(log_factors, right, left, residuals, products, time, tolerance, unit_of(maps))


def _warn(result: LeadingExponents) -> None:
    lost = ~result.converged & ~np.isnan(result.residuals)
    if lost.any():
        worst = float(result.residuals[lost].max())
        warnings.warn(
            f"{lost.sum()} of {lost.size} singular values have not converged: residuals up to {worst:.2g}, above the"
            f" tolerance {result.tolerance:.2g}; take more vectors (a larger k), double precision, or a larger"
            " tolerance",
            stacklevel=4,
        )
