"""Damage of an archive, found by its checksums, and records that a killed writer had written but not counted.

Every point has a checksum, combined with what the sweep is.  Of one that was tried it covers its whole record.
A new point has 0, one that is left out, or a row of a table that is to do, that of its number, its status and its own
coordinates: what stands where its results will be does not count, since a writer may have been killed while it wrote
them.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cocycle.sweeps import layout
from cocycle.sweeps.records import TRIED, Status, checksums, in_chunks, waiting_checksums
from cocycle.sweeps.table import Table

if TYPE_CHECKING:
    from cocycle.sweeps.archive import Archive

CUT_OFF = "has a result that its status does not count"


class Uncounted(NamedTuple):
    """Points (n,) whose records are whole, but do not have the status (n,) that these are of; and points to do of whose
    records a writer that was killed left pieces, `torn`."""

    points: np.ndarray
    status: np.ndarray
    torn: np.ndarray


def damage_of(archive: "Archive") -> list[str]:
    """What of the file is not as it was written: points by their checksums, the journal by its own.

    Empty for a sound one.  Results that the status does not count are damage unless the last run has no end on
    record: its process was killed before it could count them, and the next run does.  Raises ValueError if
    anything else is not as it was made.
    """
    layout.read(archive.path)
    noted = layout.journal_of(archive.path)
    found = [] if noted.whole else ["the journal of the runs is damaged"]
    status = archive.status.ravel()
    contents, killed = archive.contents, noted.running
    if (status == Status.LEFT_OUT).any() and not contents.parent and not isinstance(contents.grid, Table):
        found.append("points are left out, although it is no refinement")
    for points in in_chunks(np.arange(status.size), contents.row_bytes()):
        damaged = _damage_of(archive, points, status[points], killed)
        found += [f"the point {contents.grid.index(point)} {damaged[point]}" for point in sorted(damaged)]
    return found


def uncounted(archive: "Archive") -> Uncounted:
    """Points that are to do or left out, as their status says, but of another status by their checksum.

    As a rule that is what a writer that was killed put down whole, but could not count any more.
    """
    status, found, torn = archive.status.ravel(), {}, [np.zeros(0, dtype=int)]
    for said in (Status.TO_DO, Status.LEFT_OUT):
        for points in in_chunks(np.flatnonzero(status == said), 64):
            as_other, of_none = _compared(archive, points, said)
            found |= as_other
            if said == Status.TO_DO and not archive.contents.grid.columns:  # else its coordinates may have changed
                torn.append(of_none)
    points = np.array(sorted(found), dtype=int)
    states = np.array([found[int(point)] for point in points], dtype="u1")
    return Uncounted(points, states, np.concatenate(torn))


def _damage_of(archive: "Archive", points: np.ndarray, status: np.ndarray, killed: bool) -> dict[int, str]:
    """Of some points, (n,), those that are damaged, and how."""
    tried = points[np.isin(status, TRIED)]
    found = dict.fromkeys(tried[~archive.records(tried).sound].tolist(), "is damaged")
    found |= dict.fromkeys(points[~np.isin(status, list(Status))].tolist(), "has an unknown status")
    as_other, of_none = _compared(archive, points[status == Status.LEFT_OUT], Status.LEFT_OUT)
    found |= dict.fromkeys([*as_other, *of_none.tolist()], "is said to be left out, and was not")
    as_other, of_none = _compared(archive, points[status == Status.TO_DO], Status.TO_DO)
    left_out = [point for point, state in as_other.items() if state == Status.LEFT_OUT]
    if not killed:  # else the next run counts what is whole, and computes the rest
        found |= dict.fromkeys(of_none.tolist(), "is damaged") | dict.fromkeys(as_other, CUT_OFF)
    return found | dict.fromkeys(left_out, "is said to be to do, and was left out")


def _compared(archive: "Archive", points: np.ndarray, said: Status) -> tuple[dict[int, Status], np.ndarray]:
    """Of points that are to do or left out, as their status says: those whose checksum is of another status, with that;
    and those whose checksum is of none."""
    other = Status.LEFT_OUT if said == Status.TO_DO else Status.TO_DO
    points = points[_sums(archive, points) != _expected(archive, points, said)]
    found = _whole(archive, points)
    found |= dict.fromkeys(points[_sums(archive, points) == _expected(archive, points, other)].tolist(), other)
    return found, points[~np.isin(points, list(found))]


def _sums(archive: "Archive", points: np.ndarray) -> np.ndarray:
    return archive.rows(("checksum",), points)["checksum"]


def _expected(archive: "Archive", points: np.ndarray, status: Status) -> np.ndarray:
    """The checksums (n,) in the file of points of a status without a result."""
    columns = archive.contents.grid.columns
    if bool(columns) == (status == Status.LEFT_OUT):  # a new point of a grid, an unused row of a table
        return np.zeros(len(points), "<u4")
    return waiting_checksums(points, status, archive.rows(columns, points)) ^ archive.contents.mark


def _whole(archive: "Archive", points: np.ndarray) -> dict[int, Status]:
    """Which points have the checksum of a result or a failure, and of which."""
    found: dict[int, Status] = {}
    for some in in_chunks(points, archive.contents.row_bytes()):
        rows = archive.records(some)
        for status in TRIED:
            states = np.full(len(some), status, "u1")
            right = checksums(some, states, rows.values, rows.messages) == rows.checksums
            found |= dict.fromkeys(some[right].tolist(), status)
    return found
