"""Fields of the maximal finite-time exponent of a network at very many inputs, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from math import prod
from typing import final

import numpy as np

from cocycle.adjoint_maps import adjoint
from cocycle.arrays import Array, Factor, State, as_numpy, double, floating, like, namespace, tolerances, without_graph
from cocycle.lyapunov.chunks import at_once, bytes_of_one, widths, wrong_input
from cocycle.lyapunov.input_planes import Plane, plane
from cocycle.lyapunov.product_svd import largest_factor, scaled_product
from cocycle.lyapunov.qr import as_map, qr_steps
from cocycle.lyapunov.units import unit_of
from cocycle.maps import Composed, Map, orbit
from cocycle.progress import progress_bar
from cocycle.results import Plotted, html_table
from cocycle.threads import one_thread_if_small

RETAINED = 2**25 - 2**16  # bytes: just below the largest block to which glibc's malloc adapts its thresholds
EVERY = 20  # maps between orthonormalisations; one, where vectors overflow or underflow with 20


@final
@dataclass(frozen=True, eq=False)
class Field(Plotted):
    """Maximal finite-time exponents at inputs `x`: `log_factors` ln Λ_1 and `exponents` (*batch,).

    Λ_1 is the largest singular value of the product of the tangent maps; `directions` (*batch, n) are the unit vectors
    at the input that are stretched by it (any, where Λ_1 is zero), with arbitrary signs.  `time` is that of all maps
    together: for L layers L, so that `log_factors` is L λ_1.  Storm et al., Phys. Rev. Lett. 132, 057301
    (2024).

    Over a `Plane` x is the plane itself, exponents are (len(t), len(s)), and `directions` (len(t), len(s), 2) are the
    components along a and b of the projections of those unit vectors on the plane, `Plane.components`.  `unit` is that
    of the exponents: "per layer", "per step" of one map that is repeated, or "per unit time".
    """

    x: State | Plane
    log_factors: Array
    directions: State
    time: float
    unit: str = "per layer"

    @property
    def exponents(self) -> Array:
        """λ_1 = ln Λ_1 / time (*batch,)."""
        return self.log_factors / self.time

    @property
    def lipschitz(self) -> float:
        """The largest Λ_1 of all inputs, a lower bound of the Lipschitz constant of the map."""
        return float(np.exp(np.nanmax(as_numpy(self.log_factors))))

    @property
    def axes(self) -> tuple[np.ndarray, np.ndarray]:
        """x (columns,) and y (rows,) of a field over a plane, s and t of a `Plane`.

        Raises ValueError if its inputs are not a `plane`.
        """
        if isinstance(self.x, Plane):
            return self.x.s, self.x.t
        points = as_numpy(self.x)
        if points.ndim == 3 and points.shape[-1] == 2:
            x, y = points[0, :, 0], points[:, 0, 1]
            if np.array_equal(points, plane(x, y)):
                return x, y
        raise ValueError(
            f"x must be a grid in two dimensions, as in ftle(steps, plane(x, y)), for a field with axes; got inputs of"
            f" shape {points.shape}"
        )

    def __repr__(self):
        known = as_numpy(self.exponents).ravel()
        known = known[~np.isnan(known)]
        ends = f"λ₁ from {known.min():.4g} to {known.max():.4g}, median" if len(known) else ""
        words = f"{ends} {np.median(known):.4g} {self.unit}" if len(known) else ""
        lost = prod(self.exponents.shape) - len(known)
        return f"Field at inputs {tuple(self.exponents.shape)} over time {self.time:g}: " + ", ".join(
            [*([words] if words else []), *([f"{lost} NaN"] if lost else [])]
        )

    def _repr_html_(self):
        known = as_numpy(self.exponents).ravel()
        known = known[~np.isnan(known)]
        ends = (("least", np.min), ("median", np.median), ("largest", np.max)) if len(known) else ()
        rows = [(f"{word} λ₁ ({self.unit})", f"{of(known):.4g}") for word, of in ends]
        lost = prod(self.exponents.shape) - len(known)
        head = f"Field at inputs {tuple(self.exponents.shape)} over time {self.time:g}"
        return html_table(head, ("", ""), [*rows, *([("NaN", lost)] if lost else [])])


def ftle(steps: Sequence[Map], x: State | Plane, *, memory: float = 2**30) -> Field:
    """The maximal finite-time exponents of the maps `steps` at all inputs x (*batch, n), with their directions; or at
    those of a `Plane`, which are computed a chunk at a time.

    Inputs are computed in chunks, with a progress bar, so that states and tangent vectors take at most `memory` bytes.
    Where the network has fewer outputs than inputs, covectors at the output are pulled back: the singular values are
    the same, at lower cost.  For the field after layer l take steps[:l], for that of one output
    (*steps, Select((i,), dt=0.0)).  NaN where a product is not finite.

    The largest factor is accurate to rounding; for all factors take `finite_time_exponents`.  The maps of `feedforward`
    also take numpy inputs, on every device of the network; the field then consists of numpy arrays.  Memory is bounded
    because torch records nothing for derivatives with respect to weights: for those take `finite_time_exponents`.

    Raises TypeError for inputs of integers, ValueError for x of another shape, no steps, or a memory that does not hold
    one input.
    """
    steps = tuple(map(as_map, steps))
    if not steps:
        raise ValueError("steps must hold at least one map; got none")
    x = x if isinstance(x, Plane) else _checked(x)
    flat = x.flat if isinstance(x, Plane) else x.reshape(-1, x.shape[-1])
    given = flat[:1]
    first, xp = _native(steps[0], given), namespace(given)
    with one_thread_if_small(first), without_graph(given):
        dimensions = widths(steps, first)
    backwards = dimensions[-1] < dimensions[0]
    size = _chunk(dimensions, backwards, memory, first.dtype.itemsize)
    product = partial(_in_range, _pulled if backwards else _pushed, steps)
    whole: list[Array] = []
    _retain_memory()
    most = _native(steps[0], flat[:size])
    small = one_thread_if_small(most, min(dimensions[0], dimensions[-1]), max(dimensions))
    with progress_bar(len(flat), "field") as advance, small, without_graph(given):
        for i in range(0, len(flat), size):
            factors, directions = product(_native(steps[0], flat[i : i + size]))
            directions = x.components(directions) if isinstance(x, Plane) else directions
            part = [as_numpy(a) if xp is np else a for a in (factors, directions)]
            whole = whole or [_empty(len(flat), a) for a in part]  # parts kept one by one would fragment the memory
            for a, values in zip(whole, part, strict=True):
                a[i : i + size] = values
            advance(len(factors))
    factors, directions = whole
    time = float(sum(f.dt for f in steps))
    return Field(x, factors.reshape(x.shape[:-1]), directions.reshape(*x.shape[:-1], -1), time, unit_of(steps))


def _empty(count: int, part: Array) -> Array:
    """An array for `count` inputs like that for a part of them."""
    shape = (count, *part.shape[1:])
    return np.empty(shape, part.dtype) if namespace(part) is np else part.new_empty(shape)


def _checked(x: State) -> State:
    """Inputs as an array of real numbers."""
    given = np.asarray(x) if isinstance(x, list | tuple) else x
    x = floating("x", given)
    if x is not given:
        raise TypeError(
            f"x must be floating-point numbers, scaled as in the training of the network; got {given.dtype}"
        )
    if x.ndim < 1 or not prod(x.shape):
        raise ValueError(f"x must be inputs of shape (*batch, n), at least one; got {tuple(x.shape)}")
    return x


def jacobian_alignment(steps: Sequence[Map], x: State) -> Array:
    """(ln Λ_1(J_L ... J_1) - Σ ln Λ_1(J_l)) / L (*batch,) at inputs x: the alignment of the Jacobians of L layers.

    0 where each layer stretches most the direction into which the layer before it maps its own most stretched one;
    negative otherwise; NaN where the Jacobian of a layer is zero.  Raises as `ftle` does.
    """
    steps = tuple(steps)
    whole = ftle(steps, x)
    with without_graph(whole.x):
        states = chain([whole.x], orbit(steps[:-1], whole.x))
        apart = [ftle([f], state).log_factors for f, state in zip(steps, states, strict=True)]
    return (whole.log_factors - sum(map(as_numpy, apart) if namespace(whole.x) is np else apart)) / len(steps)


def _retain_memory() -> None:
    """Make glibc's malloc keep the memory that a chunk of inputs frees: freeing a block of this size raises its
    threshold.

    Otherwise memory is returned to the system, and new pages take a quarter of the run time.  No effect elsewhere.
    """
    np.empty(RETAINED, dtype=np.uint8)


def _native(f: Map, x: Array) -> Array:
    """Inputs as the type of array that the first map computes with.  Raises ValueError if it fails on them."""
    try:
        return getattr(f, "native", lambda x: x)(x)
    except (RuntimeError, TypeError, ValueError) as error:
        raise wrong_input(x, error) from None


def _chunk(dimensions: list[int], backwards: bool, memory: float, itemsize: int) -> int:
    """The number of inputs computed together."""
    each = bytes_of_one(dimensions, min(dimensions[0], dimensions[-1]), itemsize)
    each += itemsize * sum(dimensions) if backwards else 0
    if each > memory:
        raise ValueError(f"memory must hold the vectors of one input, {each:.3g} bytes; got memory={memory:.3g}")
    return at_once(each, memory)


def _in_range(product: Callable, steps: Sequence[Map], x: Array) -> tuple[Array, Array]:
    """ln Λ_1 and its direction; where a group of maps overflows or underflows, computed map by map."""
    found, direction = product(steps, x, EVERY)
    lost = ~namespace(found).isfinite(found)
    if lost.any():
        again = as_numpy(lost) if namespace(x) is np else lost.to(x.device)
        found[lost], direction[lost] = product(steps, x[again], 1)
    return found, direction


def _grouped(steps: Sequence[Map], size: int) -> list[Map]:
    return [Composed(steps[i : i + size]) for i in range(0, len(steps), size)]


def _pushed(steps: Sequence[Map], x: Array, size: int) -> tuple[Array, Array]:
    """ln Λ_1 and its direction at the input, from vectors pushed forward."""
    n = x.shape[-1]
    identity = like(np.eye(n), x) + 0 * x[..., None]
    found, right = _largest([step.r for step in qr_steps(_grouped(steps, size), x, identity)], size)
    return found, like(right, x)


def _pulled(steps: Sequence[Map], x: Array, size: int) -> tuple[Array, Array]:
    """The same, from covectors pulled back from the output."""
    pulled = adjoint(steps, x)
    y = steps[-1](pulled[0].x)
    identity = like(np.eye(y.shape[-1]), y) + 0 * y[..., None]
    factors, q = [], identity
    for step in qr_steps(_grouped(pulled, size), 0 * y, identity):
        factors.append(step.r)
        q = step.q
    found, left = _largest([r.swapaxes(-1, -2) for r in reversed(factors)], size)
    return found, (q @ like(left, q)[..., None])[..., 0]


def _largest(factors: list[Factor], size: int) -> tuple[Array, Array]:
    """ln of the largest singular value (B,) of the product r_m ... r_1 of factors (B, k, k), and its right vector.

    -inf also where a factor of a group of `size` maps is so small that an underflow within it may have lost digits.
    """
    xp, smallest = namespace(factors[0]), tolerances(factors[0].dtype).smallest
    factors = [double(r) for r in factors]
    with np.errstate(all="ignore"):
        found, right, _ = largest_factor(*scaled_product(factors))
    largest = xp.stack([xp.amax(abs(r), axis=(-2, -1)) for r in factors])
    healthy, lowest = xp.isfinite(largest).all(0), smallest**0.5 if size > 1 else 0.0
    found = xp.where((largest < lowest).any(0), -np.inf, found)
    return xp.where(healthy, found, np.nan), xp.where(healthy[..., None], right, np.nan)
