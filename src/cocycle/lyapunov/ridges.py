"""Ridges of a field over a plane, and its level lines: where they are, how strong, how far from one another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from contourpy import contour_generator
from scipy import ndimage
from scipy.spatial import KDTree

from cocycle.arrays import as_numpy, floating, require_finite

NEIGHBOURS = np.ones((3, 3))  # grid points that belong to one curve


@final
@dataclass(frozen=True, eq=False)
class Ridges:
    """Points on the ridges of a field f(x, y), in no order: `points` (m, 2), the coordinates (x, y).

    `normals` (m, 2), unit vectors across the ridge; `heights` (m,), f there; `strengths` (m,), -f'' across, per unit of
    length squared; `curves` (m,), which connected curve each point is of, 0, 1, ..., the longest first; `background`,
    the median of f over the whole plane.
    """

    points: np.ndarray
    normals: np.ndarray
    heights: np.ndarray
    strengths: np.ndarray
    curves: np.ndarray
    background: float

    @property
    def contrasts(self) -> np.ndarray:
        """How high the ridge stands above the background (m,)."""
        return self.heights - self.background

    def __len__(self):
        return len(self.points)

    def alignment(self, directions: np.ndarray) -> np.ndarray:
        """|cos| (m,) of the angle between the normals and unit vectors `directions` (m, 2), such as those of maximal
        stretching at the points: 1 where the field stretches across its ridge."""
        directions = as_numpy(floating("directions", directions))
        if directions.shape != self.normals.shape:
            raise ValueError(f"directions must have shape {self.normals.shape}; got {directions.shape}")
        return abs((self.normals * directions).sum(axis=-1))


def ridges(x: np.ndarray, y: np.ndarray, values: np.ndarray, *, smoothing: float = 1.0, weakest: float = 0.1) -> Ridges:
    """The ridges of a field with values (len(y), len(x)) on a regular grid, to a fraction of its spacing.

    A ridge is where the slope across, along the direction in which the Hessian is most negative, is zero (Eberly et
    al., J. Math. Imaging Vision 4, 353, 1994).  Derivatives are those of the field smoothed by a Gaussian of
    `smoothing` grid steps; the place between grid points is from the second-order expansion (Steger, IEEE PAMI 20, 113,
    1998).
    Points whose strength is below `weakest` times the greatest are left out, as is a border three smoothings wide,
    where derivatives are not known.

    Where a network does not react at all its exponent is -inf: that counts as the lowest finite value.

    Raises ValueError for a grid that is not regular or less than 9 points wide, and values that do not fit or are not
    finite otherwise.
    """
    values = as_numpy(floating("values", values))
    reacts = values != -np.inf
    x, y, values = _checked(x, y, np.where(reacts, values, values[reacts].min()) if reacts.any() else values)
    steps = np.array([x[1] - x[0], y[1] - y[0]])
    orders: Any = {"x": (0, 1), "y": (1, 0), "xx": (0, 2), "yy": (2, 0), "xy": (1, 1)}
    d = {name: ndimage.gaussian_filter(values, smoothing, order) for name, order in orders.items()}
    hessian = np.stack([np.stack([d["xx"], d["xy"]], -1), np.stack([d["xy"], d["yy"]], -1)], -2)
    hessian = hessian / (steps[:, None] * steps)
    gradient = np.stack([d["x"], d["y"]], -1) / steps
    curvatures, vectors = np.linalg.eigh(hessian)
    curvature, normal = curvatures[..., 0], vectors[..., 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        move = -((gradient * normal).sum(-1) / curvature)[..., None] * normal
        found = (curvature < 0) & (abs(move) <= 0.5 * abs(steps) + 1e-12).all(-1)
    border = int(np.ceil(3 * smoothing))
    inner = np.zeros_like(found)
    inner[border:-border, border:-border] = True
    found &= inner
    if found.any():
        found &= -curvature >= weakest * -curvature[found].min()
    labelled: Any = ndimage.label(found, NEIGHBOURS)
    rows, columns = np.nonzero(found)
    label = labelled[0][rows, columns] - 1
    rank = np.argsort(np.argsort(-np.bincount(label), kind="stable"))
    points = np.stack([x[columns], y[rows]], -1) + move[found]
    heights = ndimage.map_coordinates(values, _places(x, y, points), order=3)
    return Ridges(points, normal[found], heights, -curvature[found], rank[label], float(np.median(values)))


def level_lines(x: np.ndarray, y: np.ndarray, values: np.ndarray, level: float = 0.0) -> list[np.ndarray]:
    """The lines where values (len(y), len(x)) are `level`, each (points, 2): of an output, its decision boundary.

    Raises ValueError as `ridges` does.
    """
    x, y, values = _checked(x, y, values)
    lines: Any = contour_generator(x, y, values).lines(level)
    return lines


def distances(points: np.ndarray, lines: Sequence[np.ndarray]) -> np.ndarray:
    """How far each of the points (m, 2) is from the nearest of some lines, polygons (points, 2) each: (m,).

    Raises ValueError if there are no lines.
    """
    parts = [np.stack([line[:-1], line[1:]], 1) for line in lines if len(line) > 1]
    if not parts:
        raise ValueError("lines must hold at least one line of two points; got none")
    starts, ends = np.concatenate(parts).swapaxes(0, 1)
    middles, longest = (starts + ends) / 2, np.linalg.norm(ends - starts, axis=1).max()
    tree, found = KDTree(middles), np.empty(len(points))
    for i, (point, nearest) in enumerate(zip(points, tree.query(points)[0], strict=True)):
        near = tree.query_ball_point(point, nearest + longest)  # the nearest segment has its middle among those
        a, along = starts[near], ends[near] - starts[near]
        share = ((point - a) * along).sum(1) / np.maximum((along**2).sum(1), 1e-300)
        found[i] = np.linalg.norm(a + np.clip(share, 0, 1)[:, None] * along - point, axis=1).min()
    return found


def interpolated(x: np.ndarray, y: np.ndarray, values: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The field at points (m, 2), by cubic splines.  Raises ValueError as `ridges` does, and for points outside."""
    x, y, values = _checked(x, y, values)
    rows, columns = _places(x, y, np.asarray(points, dtype=float))
    if ((rows < 0) | (rows > len(y) - 1) | (columns < 0) | (columns > len(x) - 1)).any():
        raise ValueError("points must lie within the grid")
    return ndimage.map_coordinates(values, [rows, columns], order=3)


def _places(x: np.ndarray, y: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Rows and columns (2, m), not whole, of points (m, 2)."""
    return np.stack([(points[:, 1] - y[0]) / (y[1] - y[0]), (points[:, 0] - x[0]) / (x[1] - x[0])])


def _checked(x, y, values) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, y, values = (as_numpy(floating(name, a)).astype(float) for name, a in (("x", x), ("y", y), ("values", values)))
    for name, axis in (("x", x), ("y", y)):
        steps = np.diff(axis)
        if axis.ndim != 1 or len(axis) < 9 or not steps[0] or np.ptp(steps) > 1e-6 * abs(steps[0]):
            raise ValueError(f"{name} must be a regular grid of at least 9 points; got shape {axis.shape}")
    if values.shape != (len(y), len(x)):
        raise ValueError(f"values must have shape (len(y), len(x)) = {(len(y), len(x))}; got {values.shape}")
    require_finite("values", values)
    return x, y, values
