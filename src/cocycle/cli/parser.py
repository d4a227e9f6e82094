"""The command line: parse the arguments, call the command, print errors, return the exit status."""

import argparse
import logging
import sys
from pathlib import Path

from cocycle import __version__, sweeps
from cocycle.cli import archives, commands
from cocycle.studies import dysts_spectra, reservoir_constraints
from cocycle.systems import validation

EPILOG = """exit status: 0 all is done; 1 points failed, an archive is damaged, or numbers disagree; 2 wrong input; 3
the sweep stopped early (executor lost, disk full); 130 or 143 it was interrupted. After 3, 130 and 143 the same command
computes the remaining points."""


def main(arguments: list[str] | None = None) -> int:
    """The `cocycle` command.  Returns the exit status, see EPILOG."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("cocycle").setLevel(logging.INFO)  # and not that of every library
    try:
        return options.command(options)
    except (ValueError, OSError, KeyError, ImportError) as error:
        words = str(error.args[0] if isinstance(error, KeyError) else error)
        print(f"cocycle: {sweeps.printable(words)}", file=sys.stderr)
        return 3 if isinstance(error, commands.Stopped) else 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cocycle", description="Networks as dynamical systems.", epilog=EPILOG)
    parser.add_argument("--version", action="version", version=f"cocycle {__version__}")
    commands_of = parser.add_subparsers(required=True, metavar="command")

    def add(function, **words) -> argparse.ArgumentParser:
        command = commands_of.add_parser(function.__name__, epilog=EPILOG, **words)
        command.set_defaults(command=function)
        return command

    _add_runs(add)
    _add_readers(add)
    _add_makers(add)
    _add_checks(add)
    return parser


def _add_runs(add) -> None:
    command = add(
        commands.sweep,
        help="run a study into its archive",
        description=f"Run the study of a TOML file, or, without one, the built-in one. {reservoir_constraints.__doc__}",
    )
    command.add_argument("study", nargs="?", type=Path, metavar="STUDY.toml", help="described in docs/sweeps.md")
    command.add_argument(
        "--size",
        choices=list(reservoir_constraints.SIZES),
        help="of the built-in study: small takes a minute or two (default), the others longer",
    )
    command.add_argument("--seed", type=int, help="of the built-in study (default: 1)")
    command.add_argument(
        "--independent",
        action="store_true",
        help="of the built-in study: draw a network and a series for each point, instead of rescaling a few",
    )
    command.add_argument("--output", type=Path, metavar="FILE", help="the archive (default: STUDY.h5, here)")
    command.add_argument("--part", metavar="K/N", help="only the K-th of N parts of the grid: see `merge`")
    command.add_argument(
        "--dry-run", action="store_true", help="estimate time and disk space from a few points, write nothing"
    )
    _add_engine(command)
    command = _add_archive(add, commands.resume, "compute the missing points of an archive")
    _add_study(command)
    _add_engine(command)


def _add_engine(command: argparse.ArgumentParser) -> None:
    command.add_argument("--workers", type=int, metavar="N", help="processes (default: one for each core)")
    command.add_argument("--retry", action="store_true", help="compute failed points again")
    command.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="longest time for a point; one that takes longer fails"
    )
    command.add_argument(
        "--keep-going", action="store_true", help="do not stop when the first points all fail with one error"
    )
    engine = command.add_mutually_exclusive_group()
    engine.add_argument("--dask", metavar="SCHEDULER", help="compute on this scheduler: its address or its file")
    engine.add_argument(
        "--mpi", action="store_true", help="start it as mpiexec -n N python -m mpi4py.futures -m cocycle ..."
    )


def _add_study(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "study",
        nargs="?",
        type=Path,
        metavar="STUDY.toml",
        help="the study with the measure (default: imported from its file, if that is unchanged)",
    )


def _add_archive(add, function, words: str, **options) -> argparse.ArgumentParser:
    command = add(function, help=words, **options)
    command.add_argument("archive", type=Path)
    return command


def _add_readers(add) -> None:
    _add_archive(add, archives.show, "axes, progress, failures, provenance")
    _add_archive(add, archives.watch, "follow a sweep that is running")
    command = _add_archive(add, archives.plot, "a figure of one result")
    command.add_argument("--result", metavar="NAME", help="the result to draw (default: the first)")
    command.add_argument("--output", type=Path, metavar="FILE", help="(default: ARCHIVE-NAME.png)")
    add(archives.verify, help="find damage by the checksums").add_argument("archives", type=Path, nargs="+")
    command = _add_archive(add, archives.export, "netCDF or CSV, by the suffix of the output")
    command.add_argument("--output", type=Path, required=True, metavar="FILE.nc|FILE.csv")
    command = _add_archive(add, archives.rerun, "compute one point again and compare")
    _add_study(command)
    command.add_argument("--point", required=True, metavar="NAME=VALUE,...", help="its coordinates")


def _add_makers(add) -> None:
    command = add(archives.merge, help="one archive of several parts of a grid")
    command.add_argument("parts", type=Path, nargs="+")
    command.add_argument("--output", type=Path, required=True, metavar="FILE")
    command = _add_archive(add, archives.extend, "a new archive with longer or finer axes, or more outputs")
    words = "as in a study, such as 'realisation = { count = 8 }'; all its values, the old ones among them"
    command.add_argument("--axis", action="append", default=[], metavar="NAME=VALUES", help=words)
    command.add_argument("--result", action="append", default=[], metavar="NAME=SHAPE", help="a new output")
    words = "of a new output at points that are done, such as valid_time=nan"
    command.add_argument("--default", action="append", default=[], metavar="NAME=NUMBER", help=words)
    command.add_argument("--output", type=Path, metavar="FILE", help="(default: ARCHIVE-extended.h5)")
    command = _add_archive(add, archives.refine, "a finer archive where a result crosses a level, or changes fastest")
    command.add_argument("--result", required=True, metavar="NAME")
    command.add_argument("--level", type=float)
    command.add_argument("--factor", type=int, default=10, help="how many times finer (default: %(default)s)")
    command.add_argument("--output", type=Path, required=True, metavar="FILE")


def _add_checks(add) -> None:
    add(commands.doctor, help="versions, threads, devices, and a self-check of a few seconds")
    command = add(
        commands.validate,
        help="the spectrum of every system beside its reference",
        description=f"{validation.__doc__}  Exit status 1 if one disagrees.",
    )
    command.add_argument("systems", nargs="*", metavar="SYSTEM", help="names as in the table (default: all)")
    command.add_argument("--scale", type=float, default=1.0, help="length of the runs (default: %(default)s)")
    command.add_argument("--output", type=Path, metavar="FILE", help="write the table there too, as markdown")
    command.add_argument("--seed", type=int, default=1, help="seed of all random numbers (default: %(default)s)")
    command = add(
        commands.dysts,
        help="the spectrum of every system of dysts, in an archive and a table",
        description=f"{dysts_spectra.__doc__}  It needs the extra dysts.",
    )
    command.add_argument("systems", nargs="*", metavar="SYSTEM", help="names as in dysts (default: all)")
    command.add_argument("--size", choices=list(dysts_spectra.SIZES), default="full", help="(default: %(default)s)")
    command.add_argument("--seed", type=int, default=1, help="seed of all random numbers (default: %(default)s)")
    command.add_argument("--output", type=Path, metavar="FILE", help="the archive (default: dysts-SIZE.h5, here)")
    _add_engine(command)
