"""Ridges of a field over a plane, level lines, and distances between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy
from contourpy import contour_generator

from cocycle.arrays import Array, State, as_numpy, floating, require_finite
from cocycle.results import html_facts

NEIGHBOURS = np.ones((3, 3))  # adjacent grid points, which belong to one curve
UNEVEN = 1e-4  # relative tolerance of grid steps and of unit vectors: above the rounding of single precision
REACH = 0.65  # grid steps from a point to its ridge, at most: with a half, ridges half way between points are lost


@final
@dataclass(frozen=True, eq=False)
class Ridges:
    """Points on the ridges of a field f(x, y), in no particular order: `points` (m, 2) are their coordinates (x, y).

    `normals` (m, 2) are unit vectors across the ridge; `heights` (m,) the values of f; `strengths` (m,) its second
    derivative across the ridge, times -1; `curves` (m,) the number of the connected curve of each point, 0 for the
    longest; `background` is the median of f over the whole plane.
    """

    points: np.ndarray
    normals: np.ndarray
    heights: np.ndarray
    strengths: np.ndarray
    curves: np.ndarray
    background: float

    @property
    def contrasts(self) -> np.ndarray:
        """The heights above the background (m,)."""
        return self.heights - self.background

    def __len__(self):
        return len(self.points)

    def __repr__(self):
        curves = len(np.unique(self.curves))
        words = f", median contrast {np.median(self.contrasts):.4g}" if len(self) else ""
        return f"Ridges: {len(self)} points on {curves} curves{words}"

    def _repr_html_(self):
        rows: list[tuple[str, object]] = [("points", len(self)), ("curves", len(np.unique(self.curves)))]
        rows += [("median contrast", f"{np.median(self.contrasts):.4g}")] if len(self) else []
        return html_facts("Ridges", rows)

    def alignment(self, directions: np.ndarray) -> np.ndarray:
        """|cos| (m,) of the angle between the normals and unit vectors `directions` (m, 2), such as those of maximal
        stretching at the points: 1 where the direction is across the ridge."""
        directions = as_numpy(floating("directions", directions))
        if directions.shape != self.normals.shape:
            raise ValueError(f"directions must have shape {self.normals.shape}; got {directions.shape}")
        if (abs(np.linalg.norm(directions, axis=-1) - 1) > UNEVEN).any():
            raise ValueError(
                f"directions must have length 1; got {np.linalg.norm(directions, axis=-1).max():.6g} at most: divide by"
                " it"
            )
        return overlap(self.normals, directions)


def overlap(first: State, second: State) -> Array:
    """|cos| (*batch,) of the angle between unit vectors (*batch, n), such as directions of maximal stretching."""
    return abs((first * second).sum(-1))


def ridges(x: np.ndarray, y: np.ndarray, values: np.ndarray, *, smoothing: float = 1.0, weakest: float = 0.1) -> Ridges:
    """The ridges of a field with values (len(y), len(x)) on a regular grid, to a fraction of its spacing.

    On a ridge the derivative along the direction of the most negative second derivative is zero (Eberly et al., J.
    Math. Imaging Vision 4, 353, 1994).  Derivatives are those of the field smoothed by a Gaussian of `smoothing` grid
    steps; the position between grid points follows from the expansion to second order (Steger, IEEE PAMI 20, 113,
    1998). Left out are points with a strength below `weakest` times the greatest, points with a higher neighbour
    across, which are at the foot of a step, a border of three smoothings, where derivatives are unknown, and points
    similarly near to places where the exponent is -inf.

    Raises ValueError for a grid that is not regular or less than 9 points wide, and for values that do not fit, are NaN
    or +inf, or -inf everywhere.
    """
    if not smoothing > 0:
        raise ValueError(f"smoothing must be positive; got {smoothing}")
    values = as_numpy(floating("values", values))
    minus_infinite: Any = values == -np.inf
    lowest = np.min(values, where=np.isfinite(values), initial=np.inf)
    x, y, values = _checked(x, y, np.where(minus_infinite, lowest, values))
    steps, border = np.array([x[1] - x[0], y[1] - y[0]]), int(np.ceil(3 * smoothing))
    smooth = scipy.ndimage.gaussian_filter(values, smoothing)
    curvature, normal, move = _across(values, steps, smoothing)
    with np.errstate(invalid="ignore"):
        found: Any = (curvature < 0) & (abs(move) <= REACH * abs(steps)).all(-1)
    inner = np.zeros_like(found)
    inner[border:-border, border:-border] = True
    found &= inner
    if minus_infinite.any():  # the Gaussian filter ends at four smoothings
        found[scipy.ndimage.binary_dilation(minus_infinite, NEIGHBOURS, int(np.ceil(4 * smoothing)) + 1)] = False
    rows, columns = np.nonzero(found)
    points, normal = np.stack([x[columns], y[rows]], -1) + move[found], normal[found]
    step = normal / np.linalg.norm(normal / steps, axis=-1, keepdims=True)  # the length of a grid step
    top, *sides = (_at(smooth, _places(x, y, points + shift * smoothing * step), 1) for shift in (0, 2, -2))
    strengths, rounding = -curvature[found], 1e-9 * np.ptp(values) + 1e-12 * abs(values).max()
    kept = (top > sides[0] + rounding) & (top > sides[1] + rounding)
    kept[kept] &= strengths[kept] >= weakest * strengths[kept].max(initial=0.0)
    found[found] = kept
    points, step = points[kept], step[kept]
    top, left, right = (_at(smooth, _places(x, y, points + shift * step), 3) for shift in (0, -0.5, 0.5))
    share = np.clip((right - left) / np.maximum(2 * top - left - right, rounding), -1, 1) / 4
    points = points + share[:, None] * step  # to the maximum of the parabola through the three values
    labelled: Any = scipy.ndimage.label(found, NEIGHBOURS)
    label = labelled[0][found] - 1
    rank = np.argsort(np.argsort(-np.bincount(label), kind="stable"))
    heights = _at(values, _places(x, y, points), 3)
    background = float(np.median(values))
    return Ridges(points, normal[kept], heights, strengths[kept], rank[label], background)


def _across(values: np.ndarray, steps: np.ndarray, smoothing: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The lowest curvature (rows, columns) at each grid point, its direction (rows, columns, 2), and the displacement
    (rows, columns, 2) along it to where the slope is zero, by the expansion to second order."""
    orders: Any = {"x": (0, 1), "y": (1, 0), "xx": (0, 2), "yy": (2, 0), "xy": (1, 1)}
    d = {name: scipy.ndimage.gaussian_filter(values, smoothing, order) for name, order in orders.items()}
    hessian = np.stack([np.stack([d["xx"], d["xy"]], -1), np.stack([d["xy"], d["yy"]], -1)], -2)
    curvatures, vectors = np.linalg.eigh(hessian / (steps[:, None] * steps))
    curvature, normal = curvatures[..., 0], vectors[..., 0]
    slope = (np.stack([d["x"], d["y"]], -1) / steps * normal).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return curvature, normal, -(slope / curvature)[..., None] * normal


def level_lines(x: np.ndarray, y: np.ndarray, values: np.ndarray, level: float = 0.0) -> list[np.ndarray]:
    """The lines (points, 2) where values (len(y), len(x)) are `level`; of an output they are its decision boundary.

    Raises ValueError as `ridges` does.
    """
    x, y, values = _checked(x, y, values)
    lines: Any = contour_generator(x, y, values).lines(level)
    return lines


def distances(points: np.ndarray, lines: Sequence[np.ndarray]) -> np.ndarray:
    """The distance (m,) of each of the points (m, 2) from the nearest of some polygonal lines (points, 2).

    Raises ValueError if there are no lines.
    """
    parts = [np.stack([line[:-1], line[1:]], 1) for line in lines if len(line) > 1]
    if not parts:
        raise ValueError("lines must hold at least one line of two points; got none")
    starts, ends = np.concatenate(parts).swapaxes(0, 1)
    middles, longest = (starts + ends) / 2, np.linalg.norm(ends - starts, axis=1).max()
    tree, found = scipy.spatial.KDTree(middles), np.empty(len(points))
    for i, (point, nearest) in enumerate(zip(points, tree.query(points)[0], strict=True)):
        near = tree.query_ball_point(point, nearest + longest)  # the middle of the nearest segment is among these
        a, along = starts[near], ends[near] - starts[near]
        share = ((point - a) * along).sum(1) / np.maximum((along**2).sum(1), 1e-300)
        found[i] = np.linalg.norm(a + np.clip(share, 0, 1)[:, None] * along - point, axis=1).min()
    return found


def interpolated(x: np.ndarray, y: np.ndarray, values: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The field at points (m, 2), by cubic splines.  Raises ValueError as `ridges` does, and for points outside the
    grid."""
    x, y, values = _checked(x, y, values)
    rows, columns = _places(x, y, np.asarray(points, dtype=float))
    if not ((rows >= 0) & (rows <= len(y) - 1) & (columns >= 0) & (columns <= len(x) - 1)).all():
        raise ValueError(f"points must lie within the grid, x in {x[0]:g}..{x[-1]:g} and y in {y[0]:g}..{y[-1]:g}")
    return _at(values, np.stack([rows, columns]), 3)


def _at(values: np.ndarray, places: np.ndarray, order: int) -> np.ndarray:
    """values at places, by splines of an order; those of order 1 never exceed the neighbouring grid points."""
    return scipy.ndimage.map_coordinates(values, places, order=order)


def _places(x: np.ndarray, y: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Fractional row and column indices (2, m) of points (m, 2)."""
    return np.stack([(points[:, 1] - y[0]) / (y[1] - y[0]), (points[:, 0] - x[0]) / (x[1] - x[0])])


def _checked(x, y, values) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, y, values = (as_numpy(floating(name, a)).astype(float) for name, a in (("x", x), ("y", y), ("values", values)))
    for name, axis in (("x", x), ("y", y)):
        steps = np.diff(axis)
        if axis.ndim != 1 or len(axis) < 9:
            raise ValueError(f"{name} must be a regular grid of at least 9 points; got shape {axis.shape}")
        if not np.ptp(steps) <= UNEVEN * abs(steps[0]):
            raise ValueError(f"{name} must be a regular grid; got steps from {steps.min():.6g} to {steps.max():.6g}")
    if values.shape != (len(y), len(x)):
        raise ValueError(f"values must have shape (len(y), len(x)) = {(len(y), len(x))}; got {values.shape}")
    require_finite("values", values)
    return x, y, values
