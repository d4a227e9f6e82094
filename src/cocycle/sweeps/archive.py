"""The archive of a sweep: one HDF5 file, whole from its first moment, in which afterwards only values change."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from cocycle.sweeps import layout, provenance
from cocycle.sweeps.contents import Contents, described
from cocycle.sweeps.grid import Grid, Index, short
from cocycle.sweeps.records import TRIED, WITHOUT_RESULT, Records, Status, checksums
from cocycle.sweeps.writer import Writer, locked, opened_to_write
from cocycle.tables import html_table

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

ROWS = 10_000  # points looked at together when all of them are read


@final
@dataclass(frozen=True, eq=False)
class Archive:
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
    def made(cls, path: str | os.PathLike, contents: Contents, status: np.ndarray | None = None) -> "Archive":
        """A new archive of `contents`, its points of `status` (*grid).  Raises as `create` does."""
        path = Path(path).resolve()  # whatever folder the process is in later
        try:
            layout.write(path, contents, status)
        except FileExistsError:
            message = f"{path} exists: open it with Archive.open or Archive.resume, or remove it"
            raise FileExistsError(message) from None
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
        if not Path(path).exists():
            with suppress(FileExistsError):  # another process was quicker: it made the same one, or it is refused below
                return cls.made(path, contents)
        archive = cls.open(path)
        difference = archive.contents.difference(contents)
        if difference and not archive._has_results():
            with locked(archive.path):
                if not archive._has_results():  # a first try, with nothing in it that could be lost
                    archive.path.unlink()
                    return cls.made(path, contents)
        if difference:
            raise ValueError(f"{path} holds another sweep than the one asked for: {difference}")
        return archive

    @property
    def name(self) -> str:
        """The path, as one would type it here."""
        return os.path.relpath(self.path) if self.path.is_relative_to(Path.cwd()) else str(self.path)

    @property
    def grid(self) -> Grid:
        return self.contents.grid

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

    @property
    def status(self) -> np.ndarray:
        """The `Status` of every point, (*grid), as it is in the file now."""
        with layout.open_to_read(self.path) as file:
            return file["status"][...]

    def __getitem__(self, name: str) -> np.ndarray:
        """The values (*grid, *event) of an output as they are in the file now; NaN where the point is not done."""
        if name not in self.outputs:
            raise KeyError(
                f"no output {name!r} in {self.path}: there are {', '.join(self.outputs)}; coordinates are in"
                " archive.grid.axes"
            )
        with layout.open_to_read(self.path) as file:
            done = file["status"][...] == Status.DONE  # before the values: what was done then is done now
            values = file[name][...]
        values[~done] = np.nan
        return values

    def messages(self, limit: int | None = None) -> dict[Index, str]:
        """Why points failed: a message for each index whose status is FAILED or DIED, or for the first `limit`."""
        failed = np.flatnonzero(np.isin(self.status, WITHOUT_RESULT))[:limit]
        rows = (self.records(failed[i : i + ROWS]) for i in range(0, len(failed), ROWS))
        return {
            self.grid.index(point): message.decode(errors="replace")
            for records in rows
            for point, message in zip(records.points, records.messages, strict=True)
        }

    def tracebacks(self) -> dict[str, str]:
        """The last frames of failures, by the place, such as "measure.py, line 3", at the end of their `messages`.

        Of the first point that failed there in the last run that had one; of the first ten places of a run.
        """
        failures = [entry for entry in layout.journal(self.path) if entry.get("event") == layout.FAILURE]
        return {entry["place"]: entry["traceback"] for entry in failures}

    def records(self, points: np.ndarray) -> Records:
        """All that the file holds of some points, by their numbers in increasing order, whatever their status is."""

        def rows(name):
            shape = (len(self.grid), *self.outputs.get(name, ()))
            if start[name] is None:  # repacked
                return file[name][...].reshape(shape)[points]
            dtype = file[name].dtype  # in one piece: only the pages with these rows are read
            return np.array(np.memmap(self.path, dtype, "r", start[name], shape)[points])

        with layout.open_to_read(self.path) as file:
            start = {name: file[name].id.get_offset() for name in (*self.outputs, "status", "message", "checksum")}
            status = rows("status")
            values = {name: rows(name) for name in self.outputs}
            return Records(np.asarray(points), status, values, rows("message"), rows("checksum"))

    @property
    def history(self) -> list[dict[str, Any]]:
        """Who computed this, when and with what: one entry at the start of each run and one at its end."""
        return [entry for entry in layout.journal(self.path) if entry.get("event") != layout.FAILURE]

    def damage(self) -> list[str]:
        """What of the file is not as it was written, in words: points by their checksums, the journal by its own.

        Empty for a sound one.  What is to do, or was left out, has no value that could be wrong.  Raises ValueError if
        anything else is not as it was made.
        """
        found = []
        layout.read(self.path)
        with layout.in_words(self.path), layout.open_to_read(self.path) as file:
            if not provenance.is_whole(file[layout.JOURNAL][()]):
                found.append("the journal of the runs is damaged")
            status = self.status.ravel()
            if (status == Status.LEFT_OUT).any() and not self.contents.parent:
                found.append("points are left out, although it is no refinement")
            known = np.flatnonzero((status != Status.TO_DO) & (status != Status.LEFT_OUT))
            for i in range(0, len(known), ROWS):
                rows = self.records(known[i : i + ROWS])
                right = checksums(rows.points, rows.status, rows.values, rows.messages) == rows.checksums
                found += [f"the point {self.grid.index(point)} is damaged" for point in rows.points[~right]]
        return found

    def dataset(self) -> "xarray.Dataset":
        """Results and status as labelled arrays, with units and long names for plots; NaN where a point is not done.

        Raises ImportError without xarray: the extra `notebooks` brings it.
        """
        try:
            import xarray
        except ImportError:
            raise ImportError('labelled arrays need xarray: install cocycle with ".[notebooks]"') from None
        axes = list(self.grid.axes)
        coordinates = {**self.grid.axes, **{name: np.arange(n) for name, n in self.contents.events.items()}}
        status = self.status  # before the values: what was done then is done now
        variables = {name: ([*axes, *dims], self[name]) for name, dims in self.contents.dims.items()}
        for _, values in variables.values():
            values[status != Status.DONE] = np.nan
        attributes = {"seed": str(self.seed), **{k: str(v) if v is None else v for k, v in self.fixed.items()}}
        made = xarray.Dataset({**variables, "status": (axes, status)}, coordinates, attributes)
        made.status.attrs["meaning"] = ", ".join(f"{s.value} {s.words}" for s in Status)
        for attribute, words in (("units", self.contents.units), ("long_name", self.contents.long_names)):
            for name, word in words.items():
                made[name].attrs[attribute] = word
        return made

    def plot(self, output: str | None = None) -> "Figure":
        """A figure of one output, the first unless named, over the axes: see `cocycle.plotting.result_figure`."""
        from cocycle.plotting import result_figure

        name = output or next(iter(self.outputs))
        labels = {key: self._label(key) for key in (name, *self.grid.axes)}
        scattered = bool((self.status == Status.LEFT_OUT).any())
        return result_figure(self[name], self.grid.axes, labels.pop(name), labels, scattered=scattered)

    def _has_results(self) -> bool:
        return bool(np.isin(self.status, TRIED).any())

    def _label(self, name: str) -> str:
        unit = self.contents.units.get(name)
        return self.contents.long_names.get(name, name) + (f" ({unit})" if unit else "")

    def __repr__(self):
        counts = np.bincount(self.status.ravel(), minlength=len(Status))
        words = ", ".join(f"{counts[s]} {s.words}" for s in Status if counts[s] or s <= Status.DONE)
        axes = " × ".join(f"{name} ({len(values)})" for name, values in self.grid.axes.items())
        return f"Archive {self.name}: {axes}; {words}; outputs {', '.join(self.outputs)}"

    def _repr_html_(self):
        counts = np.bincount(self.status.ravel(), minlength=len(Status))
        rows = [
            *(("axis " + name, short(values)) for name, values in self.grid.axes.items()),
            *(("output", self._label(name)) for name in self.outputs),
            *((s.words, counts[s]) for s in Status if counts[s]),
        ]
        return html_table(f"Archive {self.name}", ("", ""), rows)

    @contextmanager
    def writer(self) -> Iterator[Writer]:
        """The one writer of this archive.

        Raises BlockingIOError while another process has it, PermissionError for a file that may not be written
        and on Windows, ValueError for one that was repacked, or replaced by another sweep's.
        """
        with locked(self.path), opened_to_write(self.path) as descriptor:
            difference = layout.read(self.path).difference(self.contents)
            if difference:
                raise ValueError(f"{self.path} is no longer the archive that was opened, but that of: {difference}")
            with layout.open_to_read(self.path) as file:
                start = layout.offsets(file, self.contents)
            yield Writer(self.path, descriptor, start)
