"""The commands that read an archive, or make another one of it: each prints its result and returns the exit status."""

import json
import os
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from cocycle import sweeps
from cocycle.sweeps import Archive, read_study
from cocycle.sweeps.export import exported
from cocycle.sweeps.imports import measure_of
from cocycle.sweeps.jobs import Measure
from cocycle.sweeps.merge import extended
from cocycle.sweeps.study_file import given_axes, given_numbers, given_outputs
from cocycle.sweeps.text import cell

PICTURES = (".png", ".pdf", ".svg", ".jpg")


def show(options: Namespace) -> int:
    print(sweeps.summary(Archive.open(options.archive)))
    return 0


def watch(options: Namespace) -> int:
    print(sweeps.watch(Archive.open(options.archive)))
    return 0


def plot(options: Namespace) -> int:
    """Draw one result to a file."""
    draw_to_files()
    archive = Archive.open(options.archive)
    name = options.result or next(iter(archive.outputs))
    path = options.output or options.archive.with_name(f"{options.archive.stem}-{name}.png")
    if path.suffix not in PICTURES:
        raise ValueError(f"--output must end in {', '.join(PICTURES)}; got {path}: the output to draw is --result NAME")
    figure = archive.plot(name)
    with exported(path) as aside:
        figure.savefig(aside)
    print(f"Figure: {path}")
    return 0


def extend(options: Namespace) -> int:
    """A new archive with longer or finer axes, or more outputs."""
    archive = Archive.open(options.archive)
    outputs, defaults = given_outputs(options.result), given_numbers("--default", options.default)
    more = extended(archive, options.output, given_axes(options.axis), outputs, defaults)
    print(f"{more}\n{_next(more.name)}")
    return 0


def merge(options: Namespace) -> int:
    print(sweeps.merge([Archive.open(path) for path in options.parts], options.output))
    return 0


def verify(options: Namespace) -> int:
    """Print the damage of each archive; exit status 1 if any is damaged."""
    sound = True
    for path in options.archives:
        try:
            damage = Archive.open(path).damage()
        except ValueError as error:
            damage = [str(error)]
        print(sweeps.printable(f"{path}: " + ("; ".join(damage) or "sound")))
        sound &= not damage
    return 0 if sound else 1


def export(options: Namespace) -> int:
    """The labelled arrays as netCDF, or as a table: a row for each point, and for each place in the outputs' axes."""
    if options.output.suffix not in (".csv", ".nc"):
        raise ValueError(f"--output must end in .nc or .csv; got {options.output}")
    data = Archive.open(options.archive).dataset()
    with exported(options.output) as aside:
        if options.output.suffix == ".csv":
            table = data.to_dataframe().reset_index()
            table = table.map(lambda value: cell(value) if isinstance(value, str) else value)
            table.rename(columns=cell).to_csv(aside, index=False)
        else:
            data.attrs = {name: value if _fits(value) else json.dumps(value) for name, value in data.attrs.items()}
            data.to_netcdf(aside, engine="h5netcdf")
    print(f"Written: {options.output}")
    return 0


def rerun(options: Namespace) -> int:
    """Compute one point again; exit status 1 if a bit differs."""
    archive = Archive.open(options.archive)
    pairs = (pair.partition("=") for pair in options.point.split(","))
    point = {name.strip(): value.strip() for name, _, value in pairs}
    comparison = sweeps.rerun(archive, point, chosen_measure(archive, options.study))
    print(sweeps.printable(str(comparison)))
    return 0 if comparison.same else 1


def refine(options: Namespace) -> int:
    archive = Archive.open(options.archive)
    print(sweeps.refine(archive, options.output, options.result, level=options.level, factor=options.factor))
    print(_next(options.output))
    return 0


def chosen_measure(archive: Archive, path: Path | None) -> Measure:
    """The measure of a study, which must be of the same sweep but for its axes; or the one named in the archive."""
    if path is None:
        return measure_of(archive.history, archive.name)
    chosen = read_study(path)
    if list(chosen.contents.grid.axes) != list(archive.contents.grid.axes):
        raise ValueError(f"{path} has the axes {', '.join(chosen.contents.grid.axes)}; {archive.name} has others")
    alike = replace(chosen.contents, grid=archive.contents.grid, seed=archive.seed)
    difference = archive.contents.difference(alike)
    if difference:
        raise ValueError(f"{path} is of another sweep than {archive.name}: {difference}")
    return chosen.measure


def draw_to_files() -> None:
    os.environ.setdefault("MPLBACKEND", "Agg")  # a command draws to a file, also where there is no screen


def _next(name: Path | str) -> str:
    return f"`cocycle resume {name}`, or run(measure, Archive.open({str(name)!r})), computes the missing points"


def _fits(value) -> bool:
    """Whether netCDF has a type for it."""
    return isinstance(value, str | float) or (type(value) is int and abs(value) < 2**63)
