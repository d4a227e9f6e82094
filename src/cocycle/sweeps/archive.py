"""The archive of a sweep: one HDF5 file, whole from its first moment, in which afterwards only values change."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from cocycle.sweeps import damage, journal, layout
from cocycle.sweeps.contents import OF_POINTS, Contents, described
from cocycle.sweeps.coordinates import labels_of, place, short
from cocycle.sweeps.files import remove_leftovers
from cocycle.sweeps.grid import Grid, Index
from cocycle.sweeps.locks import locked, opened_to_write
from cocycle.sweeps.means import mean_over
from cocycle.sweeps.records import TRIED, WITHOUT_RESULT, Records, Status, in_chunks
from cocycle.sweeps.table import Table
from cocycle.sweeps.writer import Writer
from cocycle.tables import html_table

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure


@final
@dataclass(frozen=True)
class Best:
    """Where an output is best, its mean there, the standard error of that over `count` values, NaN for one.

    It unpacks into the first two: point, value = archive.best("valid_time", over="realisation").
    """

    point: dict[str, Any]
    value: float
    error: float
    count: int

    def __iter__(self):
        return iter((self.point, self.value))


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
    def table(
        cls,
        path: str | os.PathLike,
        parameters: Mapping[str, Any],
        *,
        capacity: int,
        outputs: Mapping[str, Sequence[int] | Mapping[str, int]],
        seed: int,
        fixed: Mapping[str, Any] | None = None,
        units: Mapping[str, str] | None = None,
        long_names: Mapping[str, str] | None = None,
    ) -> "Archive":
        """The table archive at `path` if there is one, else a new one: points without a grid, one row for each.

        `parameters` names the coordinates: float, int, or a list of choices; `append` gives it points, up to
        `capacity`, and `run` computes them: a search proposes points so.  The rest is as in `create`.  Raises as
        `resume` does.
        """
        return cls.resumed(path, described(Table(parameters, capacity), outputs, seed, fixed, units, long_names))

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
            with locked(archive.path), opened_to_write(archive.path):
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
        return Records(np.asarray(points), rows["status"], values, rows["message"], rows["checksum"])

    def rows(self, names: Sequence[str], points: np.ndarray) -> dict[str, np.ndarray]:
        """The rows (n, *event) of some datasets at some points."""

        def read(file, name):
            shape = (len(self.contents.grid), *self.contents.columns.get(name, ()))
            start = file[name].id.get_offset()
            if start is None:  # repacked
                return file[name][...].reshape(shape)[points]
            return np.array(np.memmap(self.path, file[name].dtype, "r", start, shape)[points])  # these pages only

        with layout.in_words(self.path), layout.open_to_read(self.path) as file:
            return {name: read(file, name) for name in names}

    @property
    def history(self) -> list[dict[str, Any]]:
        """Who computed this, when and with what: one entry at the start of each run and one at its end."""
        return layout.journal_of(self.path).entries

    def dataset(self) -> "xarray.Dataset":
        """Results and status as labelled arrays, with units and long names for plots; NaN where a point is not done.

        None among the values of an axis, and what stands beside it, are strings.  Of a table, the rows that are used,
        with their coordinates.

        Raises ImportError without xarray: the extra `notebooks` brings it.
        """
        try:
            import xarray
        except ImportError:
            raise ImportError('labelled arrays need xarray: install cocycle with ".[notebooks]"') from None
        grid, axes = self.grid, list(self.contents.grid.axes)
        coordinates: dict[str, Any] = {name: labels_of(values) for name, values in grid.axes.items()}
        coordinates |= {name: np.arange(n) for name, n in self.contents.events.items()}
        status = self.status  # before the values: what was done then is done now
        variables = {name: ([*axes, *dims], self[name]) for name, dims in self.contents.dims.items()}
        for _, values in variables.values():
            values[status != Status.DONE] = np.nan
        attributes = {"seed": str(self.seed), **{k: str(v) if v is None else v for k, v in self.fixed.items()}}
        made = xarray.Dataset({**variables, "status": (axes, status)}, coordinates, attributes)
        made.status.attrs["meaning"] = ", ".join(f"{s.value} {s.words}" for s in Status)
        for attribute, words in (("units", self.contents.units), ("long_name", self.contents.long_names)):
            for name, word in words.items():
                if name in made.variables:
                    made[name].attrs[attribute] = word
        if isinstance(grid, Table):
            made = made.isel(row=slice(0, grid.used))
            rows = [grid.values((i,)) for i in range(grid.used)]
            made = made.assign_coords({name: ("row", labels_of([row[name] for row in rows])) for name in grid.columns})
        return made

    def plot(self, output: str | None = None) -> "Figure":
        """A figure of one output, the first unless named, over the axes: see `cocycle.plotting.result_figure`.

        Of a table, against each of its coordinates.
        """
        from cocycle.plotting import result_figure, table_figure

        name, grid = output or next(iter(self.outputs)), self.grid
        labels = {key: self._label(key) for key in (name, *grid.axes, *grid.columns)}
        if isinstance(grid, Table):
            rows = [grid.values((i,)) for i in range(grid.used)]
            columns = {key: [row[key] for row in rows] for key in grid.columns}
            return table_figure(self[name][: grid.used], columns, labels.pop(name), labels)
        scattered = bool((self.status == Status.LEFT_OUT).any())
        return result_figure(self[name], grid.axes, labels.pop(name), labels, scattered=scattered)

    def _label(self, name: str) -> str:
        unit = self.contents.units.get(name)
        return self.contents.long_names.get(name, name) + (f" ({unit})" if unit else "")

    def __repr__(self):
        grid, states = self.grid, self.status.ravel()
        table = isinstance(grid, Table)
        counts = np.bincount(states[: grid.used] if table else states, minlength=len(Status))
        words = ", ".join(f"{counts[s]} {s.words}" for s in Status if counts[s] or s <= Status.DONE)
        axes = " × ".join(f"{name} ({len(values)})" for name, values in grid.axes.items())
        points = f"{grid.used} of {len(grid)} rows ({', '.join(grid.columns)})" if table else axes
        return f"Archive {self.name}: {points}; {words}; outputs {', '.join(self.outputs)}"

    def _repr_html_(self):
        counts = np.bincount(self.status.ravel(), minlength=len(Status))
        grid = self.grid
        table = [("table", f"{grid.used} of {len(grid)} rows")] if isinstance(grid, Table) else []
        rows = [
            *(table or (("axis " + name, short(values)) for name, values in grid.axes.items())),
            *(("coordinate", self._label(name)) for name in grid.columns),
            *(("output", self._label(name)) for name in self.outputs),
            *((s.words, counts[s]) for s in Status if counts[s] and not (table and s == Status.LEFT_OUT)),
        ]
        return html_table(f"Archive {self.name}", ("", ""), rows)

    def damage(self) -> list[str]:
        """What of the file is not as it was written, in words: points by their checksums, the journal by its own.

        Empty for a sound one.  Results that the status does not count are damage unless the last run has no end on
        record: its process was killed before it could count them, and the next run does.  Raises ValueError if
        anything else is not as it was made.
        """
        return damage.damage(self)

    def point(self, **coordinates: Any) -> dict[str, Any]:
        """What is known of one point, by its coordinates: every output, NaN if it is not done, `status` and `message`.

        Raises ValueError for a point that is not in the archive.
        """
        record = self.records(np.array([self.contents.grid.number(self.grid.place(coordinates))]))
        status = Status(record.status[0])
        values = {name: record.values[name][0] if status == Status.DONE else np.full(event, np.nan)
                  for name, event in self.outputs.items()}  # fmt: skip
        values = {name: float(value) if np.ndim(value) == 0 else value for name, value in values.items()}
        return {**values, "status": status, "message": record.messages[0].decode(errors="replace")}

    def sel(self, **coordinates: Any) -> "xarray.Dataset":
        """The labelled arrays of `dataset` at these coordinates: a value of an axis, a list of some, or a slice.

        Of numbers the nearest value of an axis is taken, within a millionth.  Raises ValueError for a value that is not
        on its axis, and ImportError without xarray.
        """
        data, axes = self.dataset(), self.contents.grid.axes
        strangers = [name for name in coordinates if name not in (*axes, *self.contents.events)]
        if strangers:
            raise ValueError(f"coordinates must be of {', '.join(axes)}; got {strangers[0]}")
        places: dict[str, Any] = {}
        for name, wanted in coordinates.items():
            values = axes.get(name, np.arange(self.contents.events.get(name, 0)))
            if isinstance(wanted, slice):
                data = data.sel({name: wanted})
            elif np.ndim(wanted):
                places[name] = [place(name, values, value) for value in wanted]
            else:
                places[name] = place(name, values, wanted)
        return data.isel(places)

    def best(self, output: str, over: str | Sequence[str] = (), *, smallest: bool = False) -> Best:
        """Where an output is largest, or smallest, and its value there.

        It is averaged over the axes `over`, such as realisations, and over its event.  `point` has the fixed settings
        too: measure(point, rng), or `arguments(archive, point)` with a value for each axis in `over`.

        Raises KeyError for an unknown output, ValueError for other axes than the archive has and if no point is done.
        """
        names = (over,) if isinstance(over, str) else tuple(over)
        grid = self.grid
        strangers = [name for name in names if name not in grid.axes]
        if strangers or (names and isinstance(grid, Table)):
            raise ValueError(f"over must name axes of {', '.join(grid.axes)}; got {', '.join(names)}")
        values = self[output]
        each = mean_over(values, tuple(range(len(grid.shape), values.ndim)))
        averaged = tuple(i for i, name in enumerate(grid.axes) if name in names)
        mean = mean_over(each, averaged)
        if np.isnan(mean).all():
            raise ValueError(f"no point of {self.name} is done: nothing is best yet")
        flat = int(np.nanargmin(mean) if smallest else np.nanargmax(mean))
        index = list(np.unravel_index(flat, mean.shape))
        whole = [0 if i in averaged else int(index.pop(0)) for i in range(len(grid.shape))]
        point = {name: v for name, v in grid.values(tuple(whole)).items() if name not in names}
        cut = tuple(slice(None) if i in averaged else whole[i] for i in range(len(grid.shape)))
        known = np.ravel(each[cut])
        known = known[~np.isnan(known)]
        error = float(known.std(ddof=1) / np.sqrt(len(known))) if len(known) > 1 else np.nan
        return Best({**self.fixed, **point}, float(mean.flat[flat]), error, len(known))

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

    def append(self, points: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Give a table more rows, to do: a mapping of all parameters for each.  The numbers of the rows, (n,).

        A point that has a row already keeps it.  `run` computes the new ones.  Raises TypeError for a grid,
        ValueError for other parameters or values than the table has, and for more rows than it has room for.
        """
        if not isinstance(self.contents.grid, Table):
            raise TypeError(f"{self.path} has a grid: only a table, see Archive.table, takes more points")
        with self.writer() as writer:
            table = self.grid
            assert isinstance(table, Table)
            stored = table.stored(points)
            keys = [table.words_of(stored, i) for i in range(len(points))]
            rows, new = list(table.rows_of(keys)), {}
            for i, key in enumerate(keys):
                if rows[i] is None:
                    own = new.setdefault(tuple(key.values()), (table.used + len(new), i))
                    rows[i] = own[0]
            if table.used + len(new) > len(table):
                raise ValueError(
                    f"{self.path} has room for {len(table)} rows, {table.used} are used; got {len(new)} new points"
                )
            if new:
                places = np.arange(table.used, table.used + len(new))
                writer.append(places, {k: v[[i for _, i in new.values()]] for k, v in stored.items()})
        return np.array(rows, dtype=int)

    @contextmanager
    def writer(self) -> Iterator[Writer]:
        """The one writer of this archive; what a killed one put down and did not count is counted first.

        Raises BlockingIOError while another process writes it, under whatever name; PermissionError for a file that
        may not be written and on Windows; ValueError for one that was repacked, or replaced by another sweep's.
        """
        with locked(self.path), opened_to_write(self.path) as descriptor:
            remove_leftovers(self.path)
            with self._writing(descriptor) as writer:
                yield writer

    @contextmanager
    def only_writer(self) -> Iterator[Writer]:
        """The writer of an archive that nobody else knows yet: see `merge.assembled`."""
        with opened_to_write(self.path) as descriptor, self._writing(descriptor) as writer:
            yield writer

    @contextmanager
    def _writing(self, descriptor: int) -> Iterator[Writer]:
        now = layout.read(self.path)
        if now.digest() != self.contents.digest():
            difference = now.difference(self.contents) or "the same with other last digits"
            raise ValueError(f"{self.path} is no longer the archive that was opened, but that of: {difference}")
        with layout.open_to_read(self.path) as file:
            start = layout.offsets(file, self.contents)
        writer = Writer(self.path, descriptor, start, self.contents.grid.columns)
        writer.require_place()
        writer.count(*damage.uncounted(self))
        yield writer

    def _has_results(self) -> bool:
        grid = self.grid
        if isinstance(grid, Table) and grid.used:
            return True
        return bool(np.isin(self.status, TRIED).any()) or len(damage.uncounted(self).points) > 0
