"""The commands that read an archive, or make another one of it: each prints its result and returns the exit status."""

import os
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from cocycle import sweeps
from cocycle.sweeps import Archive, Status, read_study
from cocycle.sweeps.export import exported
from cocycle.sweeps.imports import measure_of
from cocycle.sweeps.jobs import Measure
from cocycle.sweeps.merge import extended
from cocycle.sweeps.study_file import given_axes, given_numbers, given_outputs

ARCHIVES = (".h5", ".hdf5")
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
    at = _coordinates(archive, options.at)
    figure = archive.plot(name, over=options.over or None, **at)
    with exported(path) as aside:
        figure.savefig(aside)
    more = "--at fixes an axis, --over averages one; --output x.pdf for print"
    print(f"Figure: {path}\nNext:    --result draws another of {', '.join(archive.outputs)}; {more}")
    return 0


def _coordinates(archive: Archive, given: list[str]) -> dict[str, str]:
    """The values that --at gives axes, as text.  Raises ValueError unless each is NAME=VALUE of another axis."""
    known, found = (*archive.grid.axes, *archive.contents.events), dict[str, str]()
    for text in given:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or name not in known:
            raise ValueError(f"--at must be NAME=VALUE with an axis of {', '.join(known)}; got {text!r}")
        if name in found:
            raise ValueError(f"--at must give each axis one value; got {name}={found[name]} and {name}={value}")
        found[name] = value
    return found


def extend(options: Namespace) -> int:
    """A new archive with longer or finer axes, or more outputs."""
    check_archive_name(options.output)
    archive = Archive.open(options.archive)
    outputs, defaults = given_outputs(options.result), given_numbers("--default", options.default)
    more = extended(archive, options.output, given_axes(options.axis), outputs, defaults)
    print(f"Written: {more}\n{_next(more.name)}")
    return 0


def merge(options: Namespace) -> int:
    check_archive_name(options.output)
    merged = sweeps.merge([Archive.open(path) for path in options.parts], options.output)
    to_do = int((merged.status == Status.TO_DO).sum())
    print(f"Written: {merged}\n{_next(merged.name) if to_do else _shown(merged.name)}")
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


def rerun(options: Namespace) -> int:
    """Compute one point again; exit status 1 if a bit differs."""
    archive = Archive.open(options.archive)
    pairs = (pair.partition("=") for pair in options.point.split(","))
    point = {name.strip(): value.strip() for name, _, value in pairs}
    comparison = sweeps.rerun(archive, point, chosen_measure(archive, options.study))
    print(sweeps.printable(str(comparison)))
    return 0 if comparison.same else 1


def refine(options: Namespace) -> int:
    check_archive_name(options.output)
    archive = Archive.open(options.archive)
    finer = sweeps.refine(archive, options.output, options.result, level=options.level, factor=options.factor)
    print(f"Written: {finer}\n{_next(options.output)}")
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


def check_archive_name(path: Path | None) -> None:
    """Raise ValueError for an --output that is to be an archive and has the name of another kind of file."""
    if path is not None and path.suffix not in ARCHIVES:
        raise ValueError(
            f"--output names the archive, and must end in {' or '.join(ARCHIVES)}; got {path}: `cocycle plot` and"
            " `cocycle export` make pictures and tables of an archive"
        )


def _shown(name: Path | str) -> str:
    return f"Next:    `cocycle show {name}` lists what is in it"


def _next(name: Path | str) -> str:
    return (
        f"Next:    `cocycle resume {name}`, or run(measure, Archive.open({str(name)!r})), computes the missing points"
    )
