"""The commands that compute: each calls the package, prints the outcome and returns the exit status."""

import shlex
import signal
import sys
from argparse import Namespace
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from cocycle import sweeps
from cocycle.cli import doctor as examination
from cocycle.cli.archives import check_archive_name, chosen_measure, draw_to_files
from cocycle.studies import dysts_spectra, dysts_table, reservoir_constraints, summary
from cocycle.sweeps import AllFail, Archive, Status, dry_run, read_study, run
from cocycle.sweeps.contents import Contents
from cocycle.sweeps.export import exported
from cocycle.sweeps.jobs import Measure
from cocycle.sweeps.records import WITHOUT_RESULT
from cocycle.sweeps.run import cores
from cocycle.systems import validation


class Stopped(OSError):
    """A sweep ended before all points were tried; the results so far are in its archive."""


def sweep(options: Namespace) -> int:
    """Run a study into its archive; of the built-in study also print a summary and draw it."""
    _check_workers(options)
    check_archive_name(options.output)
    if options.study is None:
        return _built_in(options)
    if options.size or options.seed is not None or options.independent:
        raise ValueError(
            f"--size, --seed and --independent apply to the built-in study only: {options.study} sets its own seed"
            " and axes; leave them out"
        )
    chosen = read_study(options.study, _part(options.part))
    if options.dry_run:
        return _dry_run(chosen.measure, chosen.contents, options)
    archive = Archive.resumed(options.output or _default(options.study.stem, options), chosen.contents)
    return _computed(chosen.measure, archive, options)


def resume(options: Namespace) -> int:
    """Compute the missing points of an archive, with the measure of a study, or with the one named in the archive."""
    _check_workers(options)
    archive = Archive.open(options.archive)
    return _computed(chosen_measure(archive, options.study), archive, options)


def doctor(options: Namespace) -> int:
    """Print versions, threads and devices of this installation, and check it."""
    print(f"installed at  {sys.prefix}\n{examination.report()}", flush=True)
    return 0 if examination.self_check() else 1


def validate(options: Namespace) -> int:
    """Print the table of spectra beside their references, and write it to a file if asked to."""
    if options.output and not options.output.parent.is_dir():
        raise ValueError(f"--output must be in an existing folder: there is no {options.output.parent}; make it first")
    rows = validation.validate(options.systems or None, scale=options.scale, seed=options.seed)
    table = validation.in_words(rows)
    print(table)
    if options.output:
        made = (
            f"Made by `cocycle validate --scale {options.scale:g} --seed {options.seed}`: mean over replicas, in "
            "brackets its standard error in units of the last digits."
        )
        with exported(options.output) as aside:
            aside.write_text(f"# Lyapunov spectra beside their references\n\n{made}\n\n{table}\n", "utf-8")
        print(f"\nTable:   {options.output}")
    return 0 if all(row.agrees for row in rows) else 1


def dysts(options: Namespace) -> int:
    """Compute the spectrum of every system of dysts into an archive, and write the table of what is in it."""
    _check_workers(options)
    check_archive_name(options.output)
    contents = dysts_spectra.contents(options.size, options.seed, options.systems or None)
    archive = Archive.resumed(options.output or Path(f"dysts-{options.size}.h5"), contents)
    status = _computed(dysts_spectra.measure, archive, options, "Spectra of dysts")
    if status < 2:
        table, path = dysts_table.in_words(archive), archive.path.with_suffix(".md")
        with exported(path) as aside:
            aside.write_text(table + "\n", "utf-8")
        print(f"{table}\n\nTable:   {path}")
    return status


def draw(results: Archive, path: Path) -> Path:
    """Draw the figure of the built-in study's archive to `path`."""
    draw_to_files()
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
    seed = 1 if options.seed is None else options.seed
    contents = reservoir_constraints.contents(size, seed, _part(options.part), independent=options.independent)
    if options.dry_run:
        return _dry_run(reservoir_constraints.measure, contents, options)
    results = Archive.resumed(path, contents)
    status = _computed(reservoir_constraints.measure, results, options, "Lorenz-driven reservoirs")
    if status < 2:
        print(summary.in_words(results))
        print(f"\nFigure:  {draw(results, path.with_suffix('.png'))}")
    return status


def _default(stem: str, options: Namespace) -> Path:
    return Path(stem + (f"-{options.part.replace('/', '-of-')}" if options.part else "") + ".h5")


def _dry_run(measure: Measure, contents: Contents, options: Namespace) -> int:
    """Print the time and disk space that a sweep would take; exit status 1 if points failed."""
    try:
        tried = dry_run(measure, contents)
    except RuntimeError as error:
        print(f"cocycle: {error}", file=sys.stderr)
        return 1
    print(tried.summary(options.workers or cores()))
    return 1 if tried.messages else 0


def _computed(measure: Measure, archive: Archive, options: Namespace, title: str = "Sweep") -> int:
    """Run a sweep, print what is in its archive before and after, and return the exit status."""
    missing = (Status.TO_DO, *WITHOUT_RESULT) if options.retry else (Status.TO_DO,)
    states = archive.status
    to_do = int(np.isin(states, missing).sum())
    asked = int((states != Status.LEFT_OUT).sum())
    print(f"{title}: {to_do} of {asked} points to compute, archive {archive.name}", flush=True)
    terminate = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # sent by a queue at the time limit
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
        print(f"\nInterrupted: {done} of {asked} points are in {archive.name}; the same command computes the others.")
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
    return _outcome(archive, asked)


def _outcome(archive: Archive, asked: int) -> int:
    """Print where the archive is, how many points are done and failed, and what to do next."""
    states = archive.status
    done, failed = int((states == Status.DONE).sum()), int(np.isin(states, WITHOUT_RESULT).sum())
    name, first = shlex.quote(archive.name), next(iter(archive.outputs))
    counts = f"{done} of {asked} points done, {failed} failed"
    follow = f"`cocycle show {name}` lists axes, settings and failures; `cocycle plot {name}` draws {first}"
    print(sweeps.printable(f"Archive: {archive.name}, {counts}\nNext:    {follow}"))
    if failed:
        words = f"`cocycle show {name}` lists their messages, --retry computes them again"
        print(sweeps.printable(f"cocycle: {failed} points failed: {words}"), file=sys.stderr)
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
