"""Planes and straight paths in the space of inputs of a network, such as the plane through three images."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from math import prod
from typing import Any, final, overload

import numpy as np

from cocycle.arrays import State, as_numpy, floating, like, namespace, require_count, require_finite, tolerances

POINTS = 101  # of each axis, unless others are given
OF_DIRECTIONS, OF_INPUTS = (-1.0, 1.0), (-0.5, 1.5)  # the ends of the axes, unless others are given


@final
@dataclass(frozen=True, eq=False)
class Plane:
    """Inputs origin + s a + t b (len(t), len(s), n) on a grid, computed when they are asked for: `plane[i]` are those
    of row i, `points` all of them.

    origin, a, b (n,), which need not be orthogonal or of length 1; s (columns,), t (rows,).  `inputs` are the
    coordinates (m, 2) of the inputs through which the plane was laid, if it was: see `plane_through`.  Raises as
    `plane` does.
    """

    origin: State
    a: State
    _: KW_ONLY
    b: State
    s: np.ndarray
    t: np.ndarray
    inputs: tuple[tuple[float, float], ...] = ()

    def __post_init__(self):
        vectors = _vectors({"origin": self.origin, "a": self.a, "b": self.b})
        _require_independent({"a": vectors[1], "b": vectors[2]})
        axes = _axis("s", self.s), _axis("t", self.t)
        for name, value in zip(("origin", "a", "b", "s", "t"), (*vectors, *axes), strict=True):
            object.__setattr__(self, name, value)

    @property
    def shape(self) -> tuple[int, int, int]:
        """That of `points`, (len(t), len(s), n)."""
        return len(self.t), len(self.s), len(self.origin)

    @property
    def points(self) -> State:
        """All inputs (len(t), len(s), n)."""
        return self[:]

    @property
    def flat(self) -> FlatPlane:
        """The inputs in one sequence, row after row; slices of it are computed when they are asked for."""
        return FlatPlane(self)

    @property
    def directions(self) -> np.ndarray:
        """a and b as columns (n, 2), in double precision."""
        return np.stack([as_numpy(self.a), as_numpy(self.b)], -1).astype(float)

    @property
    def names(self) -> tuple[str, str]:
        """What s and t are, in words."""
        return ("s, from x₀ to x₁", "t, from x₀ to x₂") if self.inputs else ("s, along a", "t, along b")

    @property
    def units(self) -> tuple[str, str]:
        """The lengths in the space of inputs to which one unit of s and of t corresponds."""
        first, second = ("|x₁ - x₀|", "|x₂ - x₀|") if self.inputs else ("|a|", "|b|")
        lengths = np.linalg.norm(self.directions, axis=0)
        return f"{first} = {lengths[0]:.3g}", f"{second} = {lengths[1]:.3g}"

    def at(self, s: np.ndarray | float, t: np.ndarray | float) -> State:
        """The inputs (*batch, n) with coordinates s and t, which are broadcast."""
        s, t = (like(np.asarray(c, dtype=float)[..., None], self.origin) for c in (s, t))
        return self.origin + s * self.a + t * self.b

    def components(self, vectors: State) -> State:
        """The components (*batch, 2) along a and b of the orthogonal projections of vectors (*batch, n) on the plane:
        those for which |c₁ a + c₂ b - vector| is smallest."""
        return vectors @ like(np.linalg.pinv(self.directions).T, vectors)

    def __len__(self):
        return len(self.t)

    def __getitem__(self, rows: int | slice) -> State:
        """The inputs (len(s), n) of a row, or (rows, len(s), n) of several."""
        return self.at(self.s, self.t[rows][..., None])

    def __repr__(self):
        words = f", through {len(self.inputs)} inputs" if self.inputs else ""
        return f"Plane of {len(self.t)} × {len(self.s)} inputs of dimension {len(self.origin)}{words}"


@final
@dataclass(frozen=True, eq=False)
class FlatPlane:
    """The inputs of a plane as one sequence (len(t) len(s), n), row after row."""

    plane: Plane

    def __len__(self):
        return prod(self.plane.shape[:2])

    def __getitem__(self, part: slice) -> State:
        t, s = np.divmod(np.arange(len(self))[part], len(self.plane.s))
        return self.plane.at(self.plane.s[s], self.plane.t[t])


@overload
def plane(x: np.ndarray, y: np.ndarray, /) -> np.ndarray: ...
@overload
def plane(
    origin: State, a: State, b: State, /, *, s: np.ndarray | None = None, t: np.ndarray | None = None
) -> Plane: ...
def plane(
    x: Any, y: Any, b: Any = None, /, *, s: np.ndarray | None = None, t: np.ndarray | None = None
) -> np.ndarray | Plane:
    """plane(x, y): the points of a grid as inputs (len(y), len(x), 2), for a field that can be drawn as an image.

    plane(origin, a, b): the inputs origin + s a + t b of a network with more inputs, a `Plane`, for s and t from -1 to
    1 unless they are given.  Origin and directions are arrays of one shape, (n,) or that of an image, which is
    flattened; numpy arrays or tensors, in the precision of the origin.

    Raises TypeError for directions or an origin of integers, and for numpy arrays among tensors; ValueError for shapes
    that differ, fewer than two inputs, values that are not finite, a direction that is zero, parallel directions, and s
    and t that do not increase.
    """
    if b is not None:
        return Plane(x, y, b=b, s=_given(s, OF_DIRECTIONS), t=_given(t, OF_DIRECTIONS))
    if s is not None or t is not None:
        raise ValueError("s and t must be given with three vectors, plane(origin, a, b, s=...); got two arrays")
    for name, axis in (("x", x), ("y", y)):
        if np.ndim(axis) != 1:
            raise ValueError(f"{name} must be the values of an axis, (points,), in plane(x, y); got {np.shape(axis)}")
    return np.stack(np.meshgrid(np.asarray(x, dtype=float), np.asarray(y, dtype=float)), axis=-1)


def plane_through(
    x0: State, x1: State, x2: State, /, *, s: np.ndarray | None = None, t: np.ndarray | None = None
) -> Plane:
    """The plane x0 + s (x1 - x0) + t (x2 - x0) through three inputs, which are at (s, t) = (0, 0), (1, 0) and (0, 1);
    for s and t from -0.5 to 1.5 unless they are given.

    The inputs are as in `plane`.  Raises as it does, also for inputs that are equal or on one line.
    """
    x0, x1, x2 = _vectors({"x0": x0, "x1": x1, "x2": x2})
    a, b = x1 - x0, x2 - x0
    _require_independent({"x1 - x0": a, "x2 - x0": b})
    inputs = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))
    return Plane(x0, a, b=b, s=_given(s, OF_INPUTS), t=_given(t, OF_INPUTS), inputs=inputs)


def straight_path(x0: State, x1: State, *, points: int = POINTS) -> State:
    """Inputs (points, n) at equal distances on the straight line from x0 to x1, the first and the last.

    Raises as `plane` does, and ValueError for fewer than two points.
    """
    x0, x1 = _vectors({"x0": x0, "x1": x1})
    require_count("points", points, 2)
    share = like(np.linspace(0.0, 1.0, points)[:, None], x0)
    return (1 - share) * x0 + share * x1


def _given(axis: np.ndarray | None, ends: tuple[float, float]) -> np.ndarray:
    return np.linspace(*ends, POINTS) if axis is None else axis


def _vectors(given: dict[str, Any]) -> list[State]:
    """Copies (n,) of inputs of one shape, in the precision and on the device of the first."""
    vectors: list[State] = []
    for name, value in given.items():
        vector = _checked(name, value)
        first, whole = next(iter(given)), vectors[0] if vectors else vector
        if vector.shape != whole.shape:
            raise ValueError(f"{name} must have the shape of {first}, {tuple(whole.shape)}; got {tuple(vector.shape)}")
        if namespace(vector) is not namespace(whole):
            raise TypeError(f"{name} must be a {type(whole).__name__} as {first} is; got a {type(vector).__name__}")
        vectors.append(vector.astype(whole.dtype) if namespace(vector) is np else vector.to(whole))
    return [vector.reshape(-1) + 0 for vector in vectors]


def _checked(name: str, value: Any) -> State:
    """An input as an array of real numbers."""
    given = np.asarray(value) if isinstance(value, list | tuple) else value
    vector = floating(name, given)
    if vector is not given:
        raise TypeError(
            f"{name} must be floating-point numbers, scaled as in the training of the network; got"
            f" {getattr(given, 'dtype', given)}"
        )
    require_finite(name, vector)
    if prod(vector.shape) < 2:
        raise ValueError(f"{name} must be an input of dimension 2 at least; got shape {tuple(vector.shape)}")
    return vector


def _require_independent(directions: dict[str, State]) -> None:
    (first, a), (second, b) = ((name, as_numpy(v).astype(float)) for name, v in directions.items())
    for name, vector in ((first, a), (second, b)):
        if not vector.any():
            raise ValueError(f"{name} must not be zero: it is a direction of the plane")
    least = np.linalg.svd(np.stack([v / np.linalg.norm(v) for v in (a, b)]), compute_uv=False)[-1]
    if least < tolerances(next(iter(directions.values())).dtype).independent:
        raise ValueError(f"{first} and {second} must not be parallel: they are the directions of a plane")


def _axis(name: str, values: Any) -> np.ndarray:
    axis = as_numpy(floating(name, values)).astype(float)
    require_finite(name, axis)
    if axis.ndim != 1 or not len(axis) or not (np.diff(axis) > 0).all():
        raise ValueError(f"{name} must be increasing values of shape (points,); got shape {axis.shape}: {axis}")
    return axis
