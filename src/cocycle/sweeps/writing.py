"""Who may write an archive: one process, after what a killed one left is counted."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from cocycle.files import remove_leftovers
from cocycle.sweeps import damage, layout
from cocycle.sweeps.locks import locked, opened_to_write
from cocycle.sweeps.records import Status
from cocycle.sweeps.table import Table
from cocycle.sweeps.writer import Writer

if TYPE_CHECKING:
    from cocycle.sweeps.archive import Archive

LOG = logging.getLogger("cocycle")


@contextmanager
def writing(archive: "Archive") -> Iterator[Writer]:
    """The one writer of this archive; what a killed one put down and did not count is counted first.

    Raises BlockingIOError while another process writes it, under whatever name; PermissionError for a file that
    may not be written and on Windows; ValueError for one that was repacked, or replaced by another sweep's.
    """
    with locked(archive.path):
        remove_leftovers(archive.path)
        with writing_new(archive) as writer:
            yield writer


@contextmanager
def writing_new(archive: "Archive") -> Iterator[Writer]:
    """The writer of an archive that no other process can know yet: see `merge.assembled`."""
    with opened_to_write(archive.path) as descriptor:
        now = layout.read(archive.path)
        if now.digest() != archive.contents.digest():
            difference = now.difference(archive.contents) or "the same with other last digits"
            raise ValueError(f"{archive.path} is no longer the archive that was opened, but that of: {difference}")
        with layout.open_to_read(archive.path) as file:
            start = layout.offsets(file, archive.contents)
        writer = Writer(archive.path, descriptor, start, archive.contents)
        writer.require_place()
        left = damage.uncounted(archive)
        is_table = isinstance(archive.contents.grid, Table)
        if np.isin(left.status, (Status.TO_DO, Status.LEFT_OUT)).any() and not is_table:
            LOG.warning("the status of points of %s was not that of their checksums, and is set right", archive.path)
        writer.count(left.points, left.status)
        writer.forget(left.torn)
        yield writer
