"""What the commands do: call the package, print, give the exit status."""

import json
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from cocycle import sweeps
from cocycle.cli import doctor as examination
from cocycle.studies import reservoir_constraints, summary
from cocycle.sweeps import AllFail, Archive, Status, dry_run, read_study, run
from cocycle.sweeps.contents import Contents
from cocycle.sweeps.export import exported
from cocycle.sweeps.imports import measure_of
from cocycle.sweeps.jobs import Measure
from cocycle.sweeps.merge import extended
from cocycle.sweeps.records import WITHOUT_RESULT
from cocycle.sweeps.run import cores
from cocycle.sweeps.study_file import given_axes, given_numbers, given_outputs
from cocycle.sweeps.text import cell
from cocycle.systems import validation


class Stopped(OSError):
    """A sweep could not go on; what was done is in its archive."""


def sweep(options: Namespace) -> int:
    """Run a study into its archive; of the built-in one also say what came out, and draw it."""
    _check_workers(options)
    if options.study is None:
        return _built_in(options)
    if options.size or options.seed is not None or options.independent:
        raise ValueError(f"--size, --seed and --independent are of the built-in study; {options.study} says its own")
    chosen = read_study(options.study, _part(options.part))
    if options.dry_run:
        return _dry_run(chosen.measure, chosen.contents, options)
    archive = Archive.resumed(options.output or _default(options.study.stem, options), chosen.contents)
    return _computed(chosen.measure, archive, options)


def resume(options: Namespace) -> int:
    """Compute what an archive lacks, with the measure of a study, or imported from where it was."""
    _check_workers(options)
    archive = Archive.open(options.archive)
    return _computed(_measure(archive, options.study), archive, options)


def _measure(archive: Archive, path: Path | None) -> Measure:
    """The measure of a study, which must be of the same sweep but for its axes; or the one that the archive noted."""
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


def show(options: Namespace) -> int:
    print(sweeps.summary(Archive.open(options.archive)))
    return 0


def watch(options: Namespace) -> int:
    print(sweeps.watch(Archive.open(options.archive)))
    return 0


def plot(options: Namespace) -> int:
    """Draw one result to a file."""
    _draw_to_files()
    archive = Archive.open(options.archive)
    name = options.result or next(iter(archive.outputs))
    path = options.output or options.archive.with_name(f"{options.archive.stem}-{name}.png")
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
    """Say what is damaged; exit status 1 if anything is."""
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
    comparison = sweeps.rerun(archive, point, _measure(archive, options.study))
    print(sweeps.printable(str(comparison)))
    return 0 if comparison.same else 1


def refine(options: Namespace) -> int:
    archive = Archive.open(options.archive)
    print(sweeps.refine(archive, options.output, options.result, level=options.level, factor=options.factor))
    print(_next(options.output))
    return 0


def _next(name: Path | str) -> str:
    return f"`cocycle resume {name}`, or run(measure, Archive.open({str(name)!r})), computes what is to do"


def doctor(options: Namespace) -> int:
    """Print what this installation consists of, and check it."""
    print(f"installed at  {sys.prefix}\n{examination.report()}", flush=True)
    return 0 if examination.self_check() else 1


def validate(options: Namespace) -> int:
    """Print the table of spectra beside the published ones; also write it to a file."""
    if options.output and not options.output.parent.is_dir():
        raise ValueError(f"--output must be in a folder that exists; there is no {options.output.parent}")
    rows = validation.validate(options.systems or None, scale=options.scale, seed=options.seed)
    table = validation.in_words(rows)
    print(table)
    if options.output:
        made = (
            f"Made by `cocycle validate --scale {options.scale:g} --seed {options.seed}`: mean over replicas, in "
            "brackets its standard error in units of the last digits."
        )
        with exported(options.output) as aside:
            aside.write_text(f"# Lyapunov spectra beside the published ones\n\n{made}\n\n{table}\n", "utf-8")
    return 0 if all(row.agrees for row in rows) else 1


def draw(results: Archive, path: Path) -> Path:
    """The figure of the built-in study's archive as a picture at `path`."""
    _draw_to_files()
    from cocycle.plotting import prediction_figure

    axes, fixed = results.grid.axes, results.fixed
    title = (
        f"Lorenz-driven tanh reservoirs, N = {fixed['size']}, {len(axes['realisation'])} networks, "
        f"{fixed['starts']} starts each; line: λ₁ = 0"
    )
    figure = prediction_figure(axes["input_std"], axes["weight_std"], summary.planes(results), title)
    with exported(path) as aside:
        figure.savefig(aside)
    return path


def _built_in(options: Namespace) -> int:
    size = options.size or "small"
    path = options.output or _default(f"lorenz-{size}{'-independent' if options.independent else ''}", options)
    if path.suffix == ".png":
        raise ValueError(f"--output names the archive, the figure beside it gets .png; got {path}")
    seed = 1 if options.seed is None else options.seed
    contents = reservoir_constraints.contents(size, seed, _part(options.part), independent=options.independent)
    if options.dry_run:
        return _dry_run(reservoir_constraints.measure, contents, options)
    results = Archive.resumed(path, contents)
    status = _computed(reservoir_constraints.measure, results, options, "Lorenz-driven reservoirs")
    if status < 2:
        print(summary.in_words(results))
        print(f"\nArchive: {path}\nFigure:  {draw(results, path.with_suffix('.png'))}")
    return status


def _default(stem: str, options: Namespace) -> Path:
    return Path(stem + (f"-{options.part.replace('/', '-of-')}" if options.part else "") + ".h5")


def _dry_run(measure: Measure, contents: Contents, options: Namespace) -> int:
    """Say what a sweep would take; exit status 1 if points failed."""
    try:
        tried = dry_run(measure, contents)
    except RuntimeError as error:
        print(f"cocycle: {error}", file=sys.stderr)
        return 1
    print(tried.summary(options.workers or cores()))
    return 1 if tried.messages else 0


def _computed(measure: Measure, archive: Archive, options: Namespace, title: str = "Sweep") -> int:
    """The exit status of a run, which says what is to do and what failed."""
    missing = (Status.TO_DO, *WITHOUT_RESULT) if options.retry else (Status.TO_DO,)
    states = archive.status
    to_do = int(np.isin(states, missing).sum())
    asked = int((states != Status.LEFT_OUT).sum())
    print(f"{title}: {to_do} of {asked} points to compute, archive {archive.name}", flush=True)
    terminate = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # a queue's way to say that time is up
    try:
        with _executor(options) as executor:
            run(
                measure,
                archive,
                executor,
                workers=options.workers,
                retry=options.retry,
                timeout=options.timeout,
                keep_going=options.keep_going,
            )
    except KeyboardInterrupt:
        done = int((archive.status == Status.DONE).sum())
        print(f"\nInterrupted: {done} of {asked} points are in {archive.name}; the same command goes on from there.")
        return 130
    except AllFail as error:
        print(f"cocycle: {error}", file=sys.stderr)
        return 1
    except (RuntimeError, OSError) as error:
        if isinstance(error, BlockingIOError | PermissionError):
            raise
        raise Stopped(str(error)) from error
    finally:
        signal.signal(signal.SIGTERM, terminate)
    states = archive.status
    failed = int(np.isin(states, WITHOUT_RESULT).sum())
    if failed:
        print(f"cocycle: {failed} points failed: `cocycle show {archive.name}` says why", file=sys.stderr)
    return 1 if failed else 0


@contextmanager
def _executor(options: Namespace) -> Iterator[Executor | None]:
    if options.mpi:
        from mpi4py import MPI
        from mpi4py.futures import MPIPoolExecutor

        if MPI.COMM_WORLD.size > 1 and "mpi4py.futures" not in sys.orig_argv:
            raise ValueError("--mpi must be started as mpiexec -n N python -m mpi4py.futures -m cocycle ...")
        with MPIPoolExecutor(main=False) as pool:  # the measure travels by value
            yield pool
    elif options.dask:
        from distributed import Client

        where = {"scheduler_file": options.dask} if Path(options.dask).is_file() else {"address": options.dask}
        with Client(**where) as client:
            yield client.get_executor()
    else:
        yield None


def _fits(value) -> bool:
    """Whether netCDF has a type for it."""
    return isinstance(value, str | float) or (type(value) is int and abs(value) < 2**63)


def _part(words: str | None) -> tuple[int, int] | None:
    if words is None:
        return None
    number, slash, of = words.partition("/")
    if not (slash and number.isdigit() and of.isdigit()):
        raise ValueError(f"--part must be K/N, such as 2/4; got {words}")
    return int(number), int(of)


def _check_workers(options: Namespace) -> None:
    if options.workers is not None and options.workers < 1:
        raise ValueError(f"--workers must be at least 1; got {options.workers}")


def _draw_to_files() -> None:
    os.environ.setdefault("MPLBACKEND", "Agg")  # a command draws to a file, also where there is no screen
