"""The archive of a sweep: one HDF5 file, created complete; afterwards only values in it change, not its structure."""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np

from cocycle.results import Plotted
from cocycle.sweeps import journal, layout, new_file, views
from cocycle.sweeps.contents import OF_POINTS, Contents, described
from cocycle.sweeps.damage import damage_of, uncounted
from cocycle.sweeps.grid import Grid, Index
from cocycle.sweeps.locks import locked, opened_to_write
from cocycle.sweeps.records import TRIED, WITHOUT_RESULT, Records, Status, in_chunks
from cocycle.sweeps.table import Table
from cocycle.sweeps.writer import writing

LOG = logging.getLogger("cocycle")
ATTEMPTS = 20  # to open or make an archive that others make or replace meanwhile


@final
@dataclass(frozen=True, eq=False)
class Archive(Plotted):
    """A sweep's settings and results in the HDF5 file `path`.  Make one with `create`, `open` or `resume`."""

    path: Path
    contents: Contents

    @classmethod
    def create(
        cls,
        path: str | os.PathLike,
        grid: Grid,
        *,
        outputs: Mapping[str, Sequence[int] | Mapping[str, int]],
        seed: int,
        fixed: Mapping[str, Any] | None = None,
        units: Mapping[str, str] | None = None,
        long_names: Mapping[str, str] | None = None,
    ) -> "Archive":
        """A new archive with every point still to do.

        `outputs` names what the measure returns, with the shape of each value, () for a number; a mapping such as
        {"start": 8} also names the axes.  `fixed` are settings that all points share (numbers, strings, lists);
        `units` and `long_names`, what a plot should call them, are for axes and outputs.

        Raises FileExistsError if there is such a file, OSError if there is no room for all the results, ValueError for
        names that collide or settings that cannot be stored.
        """
        return cls.made(path, described(grid, outputs, seed, fixed, units, long_names))

    @classmethod
    def table(
        cls, path: str | os.PathLike, parameters: Mapping[str, Any], *, capacity: int, **settings: Any
    ) -> "Archive":
        """The table archive at `path` if there is one, else a new one: points without a grid, one row for each.

        `parameters` names the coordinates: float, int, or a list of choices; `append` gives it points, up to
        `capacity`, and `run` computes them: a search proposes points so.  The settings are those of `create`.  Raises
        as `resume` does.
        """
        return cls.resume(path, Table(parameters, capacity), **settings)

    @classmethod
    def made(cls, path: str | os.PathLike, contents: Contents) -> "Archive":
        """A new archive of `contents`.  Raises as `create` does."""
        path = Path(path).resolve()  # whatever folder the process is in later
        new_file.write(path, contents)
        return cls(path, contents)

    @classmethod
    def open(cls, path: str | os.PathLike) -> "Archive":
        """The archive in an existing file.

        Raises FileNotFoundError, and ValueError for a file that is not HDF5, not a sweep, of another schema, or
        damaged.
        """
        path = Path(path).resolve()
        return cls(path, layout.read(path))

    @classmethod
    def resume(
        cls, path: str | os.PathLike, grid: Grid, *, outputs, seed, fixed=None, units=None, long_names=None
    ) -> "Archive":
        """The archive at `path` if there is one, else a new one; the settings are those of `create`.

        One of another sweep that has no results yet is replaced.  Raises ValueError if it has some, and says how the
        sweeps differ.
        """
        return cls.resumed(path, described(grid, outputs, seed, fixed, units, long_names))

    @classmethod
    def resumed(cls, path: str | os.PathLike, contents: Contents) -> "Archive":
        """The archive of `contents` at `path`, made if it is not there.  Raises as `resume` does."""
        for _ in range(ATTEMPTS):  # another process may be about to do the same
            with suppress(FileNotFoundError, FileExistsError):
                return cls._resumed(path, contents) if Path(path).exists() else cls.made(path, contents)
            time.sleep(0.05)
        return cls._resumed(path, contents) if Path(path).exists() else cls.made(path, contents)

    @classmethod
    def _resumed(cls, path: str | os.PathLike, contents: Contents) -> "Archive":
        archive = cls.open(path)
        difference = archive.contents.difference(contents)
        if difference and not archive._has_results():
            with locked(archive.path), opened_to_write(archive.path):
                if not archive._has_results():  # a first try, with nothing in it that could be lost
                    archive.path.unlink()
                    return cls.made(path, contents)
        if difference:
            raise ValueError(
                f"{path} holds another sweep than the one asked for: {difference}.  Take another path or what it was"
                " made with; archive.extended and `cocycle extend` keep what is done and give longer axes, more outputs"
            )
        return archive

    @property
    def name(self) -> str:
        """The path, as one would type it here."""
        return os.path.relpath(self.path) if self.path.is_relative_to(Path.cwd()) else str(self.path)

    @property
    def grid(self) -> Grid:
        """The grid, or the table with the rows that it has now."""
        grid = self.contents.grid
        return layout.rows_of_table(self.path, grid) if isinstance(grid, Table) else grid

    def now(self) -> Contents:
        """The contents with the rows that a table has now."""
        return replace(self.contents, grid=self.grid)

    @property
    def seed(self) -> int:
        return self.contents.seed

    @property
    def fixed(self) -> dict[str, Any]:
        """The settings that all points share."""
        return self.contents.fixed

    @property
    def outputs(self) -> dict[str, tuple[int, ...]]:
        """The shape of what each point has of each output."""
        return self.contents.outputs

    def index_at(self, point: Mapping[str, Any] | Index) -> Index:
        """The index of the point with these coordinates; fixed settings may be among them.

        Raises ValueError for a point that is not in the archive, or another value of a fixed setting.
        """
        return self.grid.index_at(self.coordinates_of(point) if isinstance(point, Mapping) else point)

    def coordinates_of(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """A point without the fixed settings.  Raises ValueError for another value of one."""
        for name in set(point) & set(self.fixed):
            if point[name] != self.fixed[name]:
                raise ValueError(f"{name} is {self.fixed[name]!r} in the whole archive; got {point[name]!r}")
        return {name: value for name, value in point.items() if name not in self.fixed}

    @property
    def status(self) -> np.ndarray:
        """The `Status` of every point, (*grid), as it is in the file now."""
        with layout.open_to_read(self.path) as file:
            return file["status"][...]

    def __getitem__(self, name: str) -> np.ndarray:
        """The values (*grid, *event) of an output as they are in the file now; NaN where the point is not done."""
        if name not in self.outputs:
            raise KeyError(f"no output {name!r} in {self.path}: there are {', '.join(self.outputs)}")
        with layout.open_to_read(self.path) as file:
            done = file["status"][...] == Status.DONE  # before the values: what was done then is done now
            values = file[name][...]
        values[~done] = np.nan
        return values

    def messages(self, limit: int | None = None) -> dict[Index, str]:
        """Why points failed: a message for each index whose status is FAILED or DIED, or for the first `limit`."""
        failed = np.flatnonzero(np.isin(self.status, WITHOUT_RESULT))[:limit]
        index = self.contents.grid.index
        return {
            index(point): message.decode(errors="replace")
            for points in in_chunks(failed, self.contents.row_bytes())
            for point, message in zip(points, self.rows(("message",), points)["message"], strict=True)
        }

    def tracebacks(self) -> dict[str, str]:
        """The last frames of failures, by the place, such as "measure.py, line 3", at the end of their `messages`.

        Of the first point that failed there in the last run that had one; of the first ten places of a run.
        """
        failures = [note for note in layout.journal_of(self.path).notes if note.get("event") == journal.FAILURE]
        return {str(note.get("place")): str(note.get("traceback")) for note in failures}

    def records(self, points: np.ndarray) -> Records:
        """All that the file holds of some points, by their numbers in increasing order, whatever their status is."""
        rows = self.rows((*OF_POINTS, *self.contents.columns), points)
        values = {name: rows[name] for name in self.contents.columns}
        return Records(
            np.asarray(points), rows["status"], values, rows["message"], rows["checksum"] ^ self.contents.mark
        )

    def rows(self, names: Sequence[str], points: np.ndarray) -> dict[str, np.ndarray]:
        """The rows (n, *event) of some datasets at some points."""
        return layout.rows(self.path, self.contents, names, points)

    @property
    def history(self) -> list[dict[str, Any]]:
        """Who computed this, when and with what: one entry at the start of each run and one at its end."""
        return layout.journal_of(self.path).entries

    point, sel, best, dataset, explore = views.point, views.sel, views.best, views.dataset, views.explore
    damage, writer = damage_of, writing
    _repr_html_ = views.html

    def __repr__(self):
        return views.short_text(self)

    def extended(
        self,
        path: str | os.PathLike | None = None,
        /,
        *,
        outputs: Mapping[str, Sequence[int] | Mapping[str, int]] | None = None,
        defaults: Mapping[str, float] | None = None,
        **axes: Any,
    ) -> "Archive":
        """A new archive with more values on some axes, or more outputs: what is done is in it, the rest is to do.

        extended("more.h5", realisation=range(8)) gives the axis all eight values, which must hold the old ones; the
        order is free.  `outputs` are new ones, with `defaults` for the points that are done, such as nan.  Without a
        path it is beside this one, as NAME-extended.h5.

        Raises ValueError for an axis that lacks old values or does not exist, for outputs without a default, if a
        point is damaged, and for a table; FileExistsError if there is something at `path`.
        """
        from cocycle.sweeps.merge import extended

        return extended(self, path, axes, outputs, defaults)

    def append(self, points: Sequence[Mapping[str, Any]] | Mapping[str, Any]) -> np.ndarray:
        """Give a table more rows, to do: a mapping of all parameters for each, or one.  The numbers of the rows, (n,).

        A point that has a row already keeps it.  `run` computes the new ones.  Raises TypeError for a grid,
        ValueError for other parameters or values than the table has, and for more rows than it has room for.
        """
        if not isinstance(self.contents.grid, Table):
            raise TypeError(f"{self.path} has a grid: only a table, see Archive.table, takes more points")
        points = [points] if isinstance(points, Mapping) else points
        with self.writer() as writer:
            table = self.grid
            assert isinstance(table, Table)
            rows, new = table.assigned([self.coordinates_of(point) for point in points])
            used, more = table.used, len(next(iter(new.values())))
            if used + more > len(table):
                raise ValueError(f"{self.path} has room for {len(table)} rows, {used} are used; got {more} new points")
            if more:
                writer.append(np.arange(used, used + more), new)
        return np.array(rows, dtype=int)

    def _has_results(self) -> bool:
        grid = self.grid
        if isinstance(grid, Table) and grid.used:
            return True
        return bool(np.isin(self.status, TRIED).any()) or len(uncounted(self).points) > 0
