"""Values on planes between the points where they are known."""

import numpy as np
from scipy.interpolate import LinearNDInterpolator, PchipInterpolator, interp1d
from scipy.spatial import KDTree, QhullError

from cocycle.sweeps.coordinates import is_geometric

WITHIN = 8  # points between two of an axis
TIES = 0.25, 0.2  # by which a point is nearer to lower indices, so that cells have straight edges
MOST = 800  # points along an axis that is interpolated


def on_scale(values: np.ndarray) -> np.ndarray:
    """The logarithms of a geometric sequence of at least three positive numbers; other values as they are."""
    return np.log(values) if is_geometric(values) else values


def bounded(values: np.ndarray) -> np.ndarray:
    """values with infinities at twice the largest finite modulus, so that contour lines near them are drawn."""
    largest = 2 * np.max(abs(values[np.isfinite(values)]), initial=0.5)
    return np.clip(values, -largest, largest)


def smooth(x: np.ndarray, y: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, y and values (len(y), len(x)) at more points, from monotone cubic polynomials along each axis on its scale.

    They have no extremum between points, so that there is no zero between values of one sign.  NaN in the cells that
    have a corner of NaN.
    """
    lost = np.isnan(values)
    known, at = _of_nearest(values, lost), []
    lost = lost.astype(float)
    for axis, place in ((1, x), (0, y)):
        order = np.argsort(place)
        ordered = place[order]
        u = on_scale(ordered)
        fine = _finer(u)
        known = PchipInterpolator(u, np.take(known, order, axis), axis=axis)(fine)
        lost = interp1d(u, np.take(lost, order, axis), axis=axis)(fine)
        at.append(fine if u is ordered else np.exp(fine))
    return at[0], at[1], np.where(lost > 1e-9, np.nan, known)


def cells(values: np.ndarray, left_out: np.ndarray) -> np.ndarray:
    """values (rows, columns) of a refined plane where each point that was left out, by the mask, has the value of the
    nearest one that was not: the plane is covered by larger cells where it was not refined."""
    return _of_nearest(values, left_out)


def between(values: np.ndarray, left_out: np.ndarray) -> np.ndarray:
    """values (rows, columns) of a refined plane, where those that were left out are interpolated on the triangles of
    the others; NaN where the nearest of these is."""
    nearest, asked = _of_nearest(values, left_out), ~left_out & ~np.isnan(values)
    try:
        found = LinearNDInterpolator(np.argwhere(asked), values[asked])(np.argwhere(left_out))
    except (QhullError, ValueError):  # fewer than three points, or all on one line
        return nearest
    result = nearest.copy()
    result[left_out] = np.where(np.isnan(nearest[left_out]), np.nan, found)
    return result


def _of_nearest(values: np.ndarray, missing: np.ndarray) -> np.ndarray:
    if not missing.any() or missing.all():
        return np.where(missing, np.nan, values) if missing.all() else values
    known, result = np.argwhere(~missing), values.copy()
    places = np.argwhere(missing) - TIES
    nearest = known[KDTree(known).query(places, p=np.inf)[1]]
    result[missing] = values[tuple(nearest.T)]
    return result


def _finer(u: np.ndarray) -> np.ndarray:
    """u (n,) with points between them, that contain u."""
    within = int(np.clip(MOST // len(u), 1, WITHIN))
    places = np.arange((len(u) - 1) * within + 1) / within
    return np.interp(places, np.arange(len(u)), u)
