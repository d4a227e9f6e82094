"""What of an archive is not as it was written, and what a writer that was killed left uncounted.

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
    for said, other in ((Status.TO_DO, Status.LEFT_OUT), (Status.LEFT_OUT, Status.TO_DO)):
        for points in in_chunks(np.flatnonzero(status == said), 64):
            differing = points[_sums(archive, points) != _expected(archive, points, said)]
            found |= _whole(archive, differing)
            found |= dict.fromkeys(
                differing[_sums(archive, differing) == _expected(archive, differing, other)].tolist(), other
            )
            if said == Status.TO_DO and not archive.contents.grid.columns:  # else its coordinates may have changed
                torn.append(differing[~np.isin(differing, list(found))])
    points = np.array(sorted(found), dtype=int)
    states = np.array([found[int(point)] for point in points], dtype="u1")
    return Uncounted(points, states, np.concatenate(torn))


def _damage_of(archive: "Archive", points: np.ndarray, status: np.ndarray, killed: bool) -> dict[int, str]:
    """Of some points, (n,), those that are damaged, and how."""
    tried = points[np.isin(status, TRIED)]
    found = dict.fromkeys(tried[~archive.records(tried).sound].tolist(), "is damaged")
    found |= dict.fromkeys(points[~np.isin(status, list(Status))].tolist(), "has an unknown status")
    to_do, left = points[status == Status.TO_DO], points[status == Status.LEFT_OUT]
    found |= dict.fromkeys(left[_sums(archive, left) != _expected(archive, left, Status.LEFT_OUT)].tolist(),
                           "is said to be left out, and was not")  # fmt: skip
    differing = to_do[_sums(archive, to_do) != _expected(archive, to_do, Status.TO_DO)]
    was_left = differing[_sums(archive, differing) == _expected(archive, differing, Status.LEFT_OUT)]
    found |= dict.fromkeys(was_left.tolist(), "is said to be to do, and was left out")
    if not killed:  # else the next run counts what is whole, and computes the rest
        rest = np.setdiff1d(differing, was_left)
        found |= dict.fromkeys(rest.tolist(), "is damaged") | dict.fromkeys(_whole(archive, rest), CUT_OFF)
    return found


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
