"""Records of points of a sweep, one row for each: status, values, message, and a checksum over all of it."""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import final

import numpy as np

from cocycle.results import html_table
from cocycle.sweeps.text import printable

MESSAGE_BYTES = 200
SHOWN = 20  # rows in the table of a notebook
CHUNK = 2**24  # bytes of rows that are looked at together when all of them are read


class Status(IntEnum):
    """What became of a point."""

    TO_DO = 0
    DONE = 1
    FAILED = 2  # its measure raised, or took too long: see `message`
    DIED = 3  # its worker was killed, also when the point was tried alone
    LEFT_OUT = 4  # not asked for: a refinement computes some points of its grid only

    @property
    def words(self) -> str:
        return self.name.lower().replace("_", " ")


WITHOUT_RESULT = (Status.FAILED, Status.DIED)
TRIED = (Status.DONE, *WITHOUT_RESULT)

Columns = Mapping[str, np.ndarray]


@final
@dataclass(frozen=True, eq=False)
class Records:
    """Rows of an archive: points (n,), their numbers in the grid; status (n,); values (n, *event) of each output, NaN
    where the point is not done, and of each coordinate that points have for themselves; messages (n,), UTF-8;
    checksums (n,), made where the values were.

    `tracebacks` are the last frames of failures by the place that ends their message, where they are known.
    """

    points: np.ndarray
    status: np.ndarray
    values: Columns
    messages: np.ndarray
    checksums: np.ndarray
    tracebacks: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def done(cls, points: np.ndarray, values: Columns) -> "Records":
        """Results (n, *event) of every output."""
        values = {name: np.ascontiguousarray(value, "<f8") for name, value in values.items()}
        return _checked(points, Status.DONE, values, "")

    @classmethod
    def without_result(
        cls,
        points: np.ndarray,
        status: Status,
        message: str,
        outputs: Mapping[str, tuple[int, ...]],
        columns: Columns | None = None,
    ) -> "Records":
        """Why there is no result: of the message, the first MESSAGE_BYTES."""
        values = {name: np.full((len(points), *event), np.nan, "<f8") for name, event in outputs.items()}
        return _checked(points, status, {**values, **(columns or {})}, message)

    @classmethod
    def nothing(cls, columns: Mapping[str, tuple[int, ...]]) -> "Records":
        """No rows."""
        return cls.without_result(np.zeros(0, dtype=int), Status.FAILED, "", columns)

    @classmethod
    def joined(cls, parts: Iterable["Records"]) -> "Records":
        """All the rows of the parts, in the order of their points."""
        parts = list(parts)
        points = np.concatenate([part.points for part in parts])
        order = np.argsort(points, kind="stable")

        def column(of):
            return np.concatenate([of(part) for part in parts])[order]

        return cls(
            points[order],
            column(lambda part: part.status),
            {name: column(lambda part, name=name: part.values[name]) for name in parts[0].values},
            column(lambda part: part.messages),
            column(lambda part: part.checksums),
            {place: text for part in reversed(parts) for place, text in part.tracebacks.items()},
        )

    def __len__(self):
        return len(self.points)

    def _repr_html_(self):
        heads = ("point", "status", *self.values, "message")
        rows = [
            (
                self.points[i],
                Status(self.status[i]).words,
                *(np.array2string(np.asarray(value[i]), precision=6, threshold=4) for value in self.values.values()),
                printable(self.messages[i].decode(errors="replace")),
            )
            for i in range(min(len(self), SHOWN))
        ]
        return html_table(f"Records of {len(self)} points" + f", the first {SHOWN}" * (len(self) > SHOWN), heads, rows)

    def __getitem__(self, rows) -> "Records":
        """The rows of a slice or a mask."""
        values = {name: value[rows] for name, value in self.values.items()}
        columns = (self.messages[rows], self.checksums[rows])
        return Records(self.points[rows], self.status[rows], values, *columns, self.tracebacks)

    def moved(self, points: np.ndarray) -> "Records":
        """The same under other numbers."""
        return replace(self, points=points)._with_checksums()

    def with_values(self, values: Columns) -> "Records":
        """The same with more values, (n, *event) each."""
        return replace(self, values={**self.values, **values})._with_checksums()

    @property
    def sound(self) -> np.ndarray:
        """Which rows (n,) have the checksum of what they hold."""
        return self._with_checksums().checksums == self.checksums

    def _with_checksums(self) -> "Records":
        sums = checksums(self.points, self.status, self.values, self.messages)
        return replace(self, checksums=sums)

    @property
    def nbytes(self) -> int:
        """The bytes of all the values."""
        return sum(value.nbytes for value in self.values.values())


def checksums(points: np.ndarray, status: np.ndarray, values: Columns, messages: np.ndarray) -> np.ndarray:
    """CRC-32 (n,) of the record of each point and of its number: a row under another number does not pass either."""
    columns = [points.astype("<i8"), status.astype("u1"), messages, *(values[name] for name in sorted(values))]
    if len(points) == 0:
        return np.zeros(0, "<u4")
    rows = np.hstack([_bytes_of(column) for column in columns])
    return np.array([zlib.crc32(row) for row in rows], "<u4")


def waiting_checksums(points: np.ndarray, status: Status, columns: Columns) -> np.ndarray:
    """CRC-32 (n,) of points without a result, of `status` TO_DO or LEFT_OUT; never 0, which new points have.

    What the outputs of such a point hold does not count: a writer may have been killed while it wrote them.
    """
    none = np.zeros(len(points), "S1")
    return np.maximum(checksums(points, np.full(len(points), status, "u1"), columns, none), 1)


def in_chunks(points: np.ndarray, row_bytes: int) -> Iterable[np.ndarray]:
    """Points in portions of about CHUNK bytes of rows."""
    size = max(1, CHUNK // max(row_bytes, 1))
    return (points[i : i + size] for i in range(0, len(points), size))


def _checked(points, status: Status, values, message: str) -> Records:
    states = np.full(len(points), status, "u1")
    messages = np.full(len(points), clipped(message), f"S{MESSAGE_BYTES}")
    return Records(points, states, values, messages, np.zeros(len(points), "<u4"))._with_checksums()


def _bytes_of(column: np.ndarray) -> np.ndarray:
    """(n, bytes of a row)."""
    return np.ascontiguousarray(column).reshape(len(column), -1).view(np.uint8)


def clipped(message: str, size: int = MESSAGE_BYTES) -> bytes:
    """At most `size` bytes of UTF-8, no character cut in two."""
    whole = message.encode(errors="backslashreplace")  # a message may have half a character of a file name
    return whole[:size].decode(errors="ignore").encode()
