"""Points without a grid: one row for each, as a search proposes them."""

from collections.abc import Mapping, Sequence
from copy import copy
from operator import index
from typing import Any, final

import numpy as np

from cocycle.sweeps import coordinates
from cocycle.sweeps.coordinates import Value, key
from cocycle.sweeps.grid import Grid, Index

ROW = "row"  # the one axis


@final
class Table(Grid):
    """Up to `capacity` points with coordinates of their own, on one axis, `row`.

    `parameters` names the coordinates: float, int, or a sequence of choices (strings, bools, numbers, None).  `rows`
    holds the stored coordinates (n,) of the first rows: numbers, of a choice its position.

    A point has the random stream that it would have in a grid: two rows may not have the same coordinates.

    Raises TypeError and ValueError for parameters that are none of these, or a capacity that is no whole number >= 1.
    """

    def __init__(
        self,
        parameters: Mapping[str, Any],
        capacity: int,
        *,
        rows: Mapping[str, np.ndarray] | None = None,
    ):
        if not isinstance(parameters, Mapping) or not parameters:
            raise ValueError(
                f'parameters must map names to float, int or choices, such as {{"ridge": float}}; got {parameters!r}'
            )
        if isinstance(capacity, bool) or not hasattr(capacity, "__index__") or index(capacity) < 1:
            raise ValueError(f"capacity must be an integer of at least 1; got {capacity!r}")
        super().__init__({ROW: np.arange(index(capacity))})
        self.parameters = {name: _kind(name, kind) for name, kind in parameters.items()}
        self._rows = {name: np.zeros(0) for name in self.parameters} if rows is None else dict(rows)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.parameters)

    @property
    def used(self) -> int:
        """How many rows have coordinates."""
        return min((len(values) for values in self._rows.values()), default=0)

    @property
    def independent(self) -> int:
        return self.used

    def column_values(self, points: np.ndarray) -> dict[str, np.ndarray]:
        return {name: values[points] for name, values in self._rows.items()}

    def coordinates(self, points: np.ndarray) -> dict[str, Any]:
        return self._decoded(self.column_values(points[:1]), 0)

    def streams(self, points: np.ndarray) -> list[tuple[int, ...]]:
        stored = self.column_values(points)
        rows = (self._decoded(stored, i) for i in range(len(points)))
        return [coordinates.stream(coordinates.coordinate(name, value) for name, value in row.items()) for row in rows]

    def index_at(self, point: Mapping[str, Any] | Index) -> Index:
        if not isinstance(point, Mapping):
            return super().index_at(point)
        if set(point) != set(self.parameters):
            given = ", ".join(map(str, point)) or "nothing"
            raise ValueError(f"point must give {', '.join(self.parameters)}; got {given}")
        read = {name: _read(kind, point[name]) for name, kind in self.parameters.items()}
        row = self._by_key().get(tuple(key(self._checked(name, value)) for name, value in read.items()))
        if row is None:
            raise ValueError(f"there is no row with {', '.join(f'{name} = {value}' for name, value in point.items())}")
        return (row,)

    def assigned(self, points: Sequence[Mapping[str, Any]]) -> tuple[list[int], dict[str, np.ndarray]]:
        """The row of each point, and the stored coordinates (n,) of those that are new, in the order of their rows.

        Raises ValueError for a coordinate that is missing, unknown, of another kind.
        """
        for point in points:
            if not isinstance(point, Mapping) or set(point) != set(self.parameters):
                raise ValueError(f"a point must give {', '.join(self.parameters)}; got {point!r}")
        stored = {
            name: np.array([self._encoded(name, self._checked(name, point[name])) for point in points], dtype="<f8")
            for name in self.parameters
        }
        keys = [self._key_of(stored, i) for i in range(len(points))]
        rows, new = self._by_key(), []
        for i, own in enumerate(keys):
            if rows.setdefault(own, self.used + len(new)) == self.used + len(new):
                new.append(i)
        return [rows[own] for own in keys], {name: values[new] for name, values in stored.items()}

    def _by_key(self) -> dict[tuple[str, ...], int]:
        """The rows by the keys of their coordinates."""
        return {self._key_of(self._rows, i): i for i in range(self.used)}

    def _key_of(self, stored: Mapping[str, np.ndarray], i: int) -> tuple[str, ...]:
        return tuple(key(value) for value in self._decoded(stored, i).values())

    def values(self, index: Index) -> dict[str, Any]:
        return self._decoded(self._rows, index[0])

    def with_rows(self, rows: Mapping[str, np.ndarray]) -> "Table":
        """This table with the stored coordinates of its first rows."""
        made = copy(self)
        made._rows = dict(rows)
        return made

    def part(self, number: int, of: int) -> Grid:
        raise ValueError("a table has no parts: let each machine have one of its own")

    def over(self, axes: Mapping[str, Any]) -> Grid:
        raise ValueError("a table has no axes to extend: append points to it, or make one of a larger capacity")

    def difference(self, other: Grid) -> str:
        if not isinstance(other, Table):
            return "a table against a grid"
        lines = [f"parameters: {self.parameters} against {other.parameters}"] * (self.parameters != other.parameters)
        lines += [f"capacity: {len(self)} against {len(other)}"] * (len(self) != len(other))
        return "; ".join(lines)

    def __repr__(self):
        return f"Table({', '.join(self.parameters)}: {self.used} of {len(self)} rows)"

    def _decoded(self, stored: Mapping[str, np.ndarray], i: int) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for name, kind in self.parameters.items():
            number = float(stored[name][i])
            found[name] = number if kind is float else int(number) if kind is int else kind[int(number)]
        return found

    def _checked(self, name: str, value: Any) -> Value:
        """A coordinate as it comes back from the file."""
        value = value.item() if isinstance(value, np.generic) else value
        kind = self.parameters[name]
        if isinstance(kind, tuple):
            for choice in kind:
                if key(choice) == (key(value) if isinstance(value, bool | int | float | str | None) else ""):
                    return choice
            raise ValueError(f"{name} must be one of {', '.join(map(repr, kind))}; got {value!r}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
            raise ValueError(f"{name} must be a finite number; got {value!r}")
        if kind is int and (value != int(value) or abs(value) > 2**53):
            raise ValueError(f"{name} must be an integer of at most 53 bits; got {value!r}")
        return kind(value)

    def _encoded(self, name: str, value: Value) -> float:
        kind = self.parameters[name]
        return float(kind.index(value)) if isinstance(kind, tuple) else float(value)  # type: ignore[arg-type]


def _read(kind: Any, value: Any) -> Any:
    """A coordinate that may be text of a command line, such as "0.3" of a number, or "100" of one of the choices."""
    if not isinstance(value, str):
        return value
    if isinstance(kind, tuple):
        return value if value in kind else next((choice for choice in kind if str(choice) == value), value)
    try:
        return kind(value)
    except ValueError:
        return value


def _kind(name: str, kind: Any) -> Any:
    if not isinstance(name, str):
        raise TypeError(f"parameters must have names; got {name!r}")
    if kind in (float, int):
        return kind
    if isinstance(kind, list | tuple | np.ndarray):
        return tuple(coordinates.axis(name, kind).tolist())
    raise ValueError(f"parameter {name!r} must be float, int, or a list of choices; got {kind!r}")
