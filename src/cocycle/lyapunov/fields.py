"""Fields: the largest stretching of a network at very many inputs, in bounded memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, final

import numpy as np

from cocycle.adjoint import adjoint
from cocycle.arrays import Array, as_numpy, floating, like, namespace
from cocycle.lyapunov.finite_time import scaled_product
from cocycle.lyapunov.qr import qr_steps
from cocycle.lyapunov.ridges import ridges
from cocycle.maps import Map, orbit
from cocycle.progress import progress_bar

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CACHE = 2**23  # bytes of the states of a chunk: what fits there is fast
COPIES = 4  # of states and vectors that a map makes on its way
EVERY = 20  # maps between orthonormalisations: one map may stretch by ten decades, and they stay in range


@final
@dataclass(frozen=True, eq=False)
class Field:
    """Maximal finite-time exponents at inputs `x` (*batch, n): `exponents` (*batch,), λ = ln Λ_1 / time.

    Λ_1 is the largest singular value of the product of the tangent maps, `directions` (*batch, n) the direction at the
    input that is stretched by it, of length 1; its sign means nothing.  `time` is what all the maps take: for layers
    their number, so that `log_factors` is L λ_1.  Storm et al., Phys. Rev. Lett. 132, 057301 (2024).
    """

    x: Array
    exponents: Array
    directions: Array
    time: float

    @property
    def log_factors(self) -> Array:
        """ln Λ_1 (*batch,)."""
        return self.exponents * self.time

    @property
    def lipschitz(self) -> float:
        """The largest Λ_1 of all: no Lipschitz constant of the map over these inputs is smaller."""
        return float(np.exp(np.nanmax(as_numpy(self.log_factors))))

    @property
    def axes(self) -> tuple[np.ndarray, np.ndarray]:
        """x (columns,) and y (rows,) of a field over a plane.  Raises ValueError if its inputs are not a `plane`."""
        points = as_numpy(self.x)
        if points.ndim == 3 and points.shape[-1] == 2:
            x, y = points[0, :, 0], points[:, 0, 1]
            if np.array_equal(points, plane(x, y)):
                return x, y
        raise ValueError(
            f"only a field over a grid in two dimensions has axes, ftle(steps, plane(x, y)); got inputs of shape "
            f"{points.shape}"
        )

    def plot(self, outputs: Array | None = None) -> "Figure":
        """The field over a plane, with its ridges, and directions of maximal stretching.

        With `outputs` of the network (rows, columns) or (rows, columns, classes) also its decision boundary.  Axes
        have no units here; `cocycle.plotting.field_figure` takes all of this apart.  Raises ValueError as `axes` does.
        """
        from cocycle.plotting import field_figure

        x, y = self.axes
        exponents = as_numpy(self.exponents)
        outputs = None if outputs is None else as_numpy(outputs)
        return field_figure(x, y, exponents, as_numpy(self.directions), ridges(x, y, exponents), outputs)


def plane(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The inputs (x, y) of a grid: (len(y), len(x), 2), so that a field over it can be drawn as an image."""
    return np.stack(np.meshgrid(np.asarray(x, dtype=float), np.asarray(y, dtype=float)), axis=-1)


def ftle(steps: Sequence[Map], x: Array, *, memory: float = 2**30) -> Field:
    """The maximal finite-time exponents of the maps `steps` at all inputs x (*batch, n), with their directions.

    Chunks of inputs are computed one after the other, so that states and tangent vectors take at most `memory` bytes,
    with a progress bar.  Where the last map has fewer outputs than there are inputs, covectors are pulled back from
    them: the singular values are the same, and the work is less.  A field after layer l is that of steps[:l]; that of
    one output, that of (*steps, Select((i,))).  NaN where a product is not finite.

    The largest factor is good to rounding; for all of them, however far apart, take `stretching`.  What `feedforward`
    makes takes numpy inputs too, and the field is numpy's then, wherever the network is.

    Raises TypeError for inputs of whole numbers, ValueError for x of another shape, no steps, or a memory that does not
    hold one input.
    """
    steps, given = tuple(steps), x
    x = floating("x", x)
    if x is not given and not isinstance(given, list | tuple):
        raise TypeError(f"x must be floating-point numbers, in the range the network was trained on; got {given.dtype}")
    if not steps:
        raise ValueError("steps must hold at least one map; got none")
    if x.ndim < 1 or not prod(x.shape):
        raise ValueError(f"x must be inputs of shape (*batch, n), at least one; got {tuple(x.shape)}")
    rows, xp = x.reshape(-1, x.shape[-1]), namespace(x)
    widths = _widths(steps, rows[:1])
    backwards = widths[-1] < widths[0]
    size = _chunk(widths, backwards, memory, rows.dtype.itemsize)
    product, parts = _pulled if backwards else _pushed, []
    with progress_bar(len(rows), "field") as advance:
        for i in range(0, len(rows), size):
            found = product(steps, rows[i : i + size])
            parts.append(tuple(map(as_numpy, found)) if xp is np else found)
            advance(len(parts[-1][0]))
    factors, directions = (xp.concatenate(part) for part in zip(*parts, strict=True))
    time = float(sum(f.dt for f in steps))
    return Field(x, (factors / time).reshape(x.shape[:-1]), directions.reshape(x.shape), time)


def jacobian_alignment(steps: Sequence[Map], x: Array) -> Array:
    """(ln Λ_1(J_L ... J_1) - Σ ln Λ_1(J_l)) / L (*batch,) at inputs x (*batch, n): how well L layers are aligned.

    0 where the direction that each layer stretches most is the one that the layer before it points to; below that, what
    the product loses by not being so, per layer.  Raises as `ftle` does.
    """
    steps, parts = tuple(steps), []
    whole = ftle(steps, x)
    for f, state in zip(steps, (x, *orbit(steps[:-1], x)), strict=True):
        parts.append(ftle([f], state).exponents * f.dt)
    return (whole.log_factors - sum(parts)) / len(steps)


def _widths(steps: Sequence[Map], x: Array) -> list[int]:
    """The dimensions on the way, found with one input.  Raises ValueError if the maps do not take it."""
    try:
        return [x.shape[-1], *(state.shape[-1] for state in orbit(steps, x))]
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"the maps do not take inputs of shape (..., {x.shape[-1]}) and {x.dtype}: {error}") from None


def _chunk(widths: list[int], backwards: bool, memory: float, itemsize: int) -> int:
    """How many inputs at once."""
    widest, vectors = max(widths), min(widths[0], widths[-1])
    kept = sum(widths) if backwards else 0
    each = itemsize * (COPIES * widest * (1 + vectors) + kept)
    if each > memory:
        raise ValueError(f"memory must hold the vectors of one input, {each:.3g} bytes; got {memory:.3g}")
    return max(1, int(min(memory, max(CACHE, 16 * each)) / each))


def _pushed(steps: Sequence[Map], x: Array) -> tuple[Array, Array]:
    """ln Λ_1 and its direction at the input, from all directions there."""
    n = x.shape[-1]
    identity = like(np.eye(n), x) + 0 * x[..., None]
    return _largest([step.r for step in qr_steps(steps, x, identity, every=EVERY)])


def _pulled(steps: Sequence[Map], x: Array) -> tuple[Array, Array]:
    """The same from all directions at the output."""
    pulled = adjoint(steps, x)
    y = steps[-1](pulled[0].x)
    identity = like(np.eye(y.shape[-1]), y) + 0 * y[..., None]
    factors = []
    for last in qr_steps(pulled, 0 * y, identity, every=EVERY):
        factors.append(last.r)
    left = _largest([r.swapaxes(-1, -2) for r in reversed(factors)])
    return left[0], (last.q @ left[1][..., None])[..., 0]


def _largest(factors: list[Array]) -> tuple[Array, Array]:
    """ln of the largest singular value (B,) of the product r_m ... r_1 of factors (B, k, k), and its right vector."""
    xp = namespace(factors[0])
    with np.errstate(all="ignore"):
        log_scale, rows = scaled_product(factors)
        top = xp.amax(log_scale, axis=-1)
        matrix = rows * xp.exp(log_scale - top[..., None])[..., None]
        matrix = xp.where(xp.isfinite(matrix), matrix, 0.0)
        if matrix.shape[-1] == 2:
            size, right = _largest_of_two(matrix)
        else:
            _, sizes, rights = xp.linalg.svd(matrix)
            size, right = sizes[..., 0], rights[..., 0, :]
        found = top + xp.log(size)
    healthy = xp.stack([xp.isfinite(r).all(-1).all(-1) for r in factors]).all(0)
    return xp.where(healthy, found, np.nan), xp.where(healthy[..., None], right, np.nan)


def _largest_of_two(matrix: Array) -> tuple[Array, Array]:
    """The same of matrices (*batch, 2, 2), at once: a decomposition for each takes longer than the network."""
    xp, first, second = namespace(matrix), matrix[..., 0], matrix[..., 1]
    a, b, d = ((u * v).sum(-1) for u, v in ((first, first), (first, second), (second, second)))
    size = ((a + d) / 2 + xp.hypot((a - d) / 2, b)) ** 0.5
    angle = xp.arctan2(2 * b, a - d) / 2
    return size, xp.stack([xp.cos(angle), xp.sin(angle)], -1)
