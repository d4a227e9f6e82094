"""The command line: parse, call, say what came of it."""

import argparse
import logging
import sys
from pathlib import Path

from cocycle import sweeps
from cocycle.cli import commands
from cocycle.studies import reservoir_constraints
from cocycle.systems import validation

EPILOG = """exit status: 0 all is done; 1 points failed, an archive is damaged, or numbers disagree; 2 bad input; 3 the
sweep was stopped on its way (executor lost, disk full): the same command goes on; 130, 143 interrupted, likewise."""


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
    commands_of = parser.add_subparsers(required=True, metavar="command")

    def add(function, **words) -> argparse.ArgumentParser:
        command = commands_of.add_parser(function.__name__, epilog=EPILOG, **words)
        command.set_defaults(command=function)
        return command

    _add_sweep(add)
    _add_archive_commands(add)
    add(commands.doctor, help="versions, threads, devices, and a self-check of some seconds")
    command = add(
        commands.validate,
        help="the spectrum of every system beside the published one",
        description=f"{validation.__doc__}  Exit status 1 when one disagrees.",
    )
    command.add_argument("systems", nargs="*", metavar="SYSTEM", help="names as in the table (default: all)")
    command.add_argument("--scale", type=float, default=1.0, help="length of the runs (default: %(default)s)")
    command.add_argument("--output", type=Path, metavar="FILE", help="write the table there too, as markdown")
    command.add_argument("--seed", type=int, default=1, help="root of all randomness (default: %(default)s)")
    return parser


def _add_sweep(add) -> None:
    command = add(
        commands.sweep,
        help="run a study into its archive",
        description=f"Run the study of a TOML file, or, without one, the built-in one. {reservoir_constraints.__doc__}",
    )
    command.add_argument("study", nargs="?", type=Path, metavar="STUDY.toml", help="docs/sweeps.md says what it holds")
    command.add_argument(
        "--size",
        choices=list(reservoir_constraints.SIZES),
        help="of the built-in study: small, a minute or two (default), or hours",
    )
    command.add_argument("--seed", type=int, help="of the built-in study (default: 1)")
    command.add_argument(
        "--independent",
        action="store_true",
        help="of the built-in study: a network and a series for each point, instead of some that are rescaled",
    )
    command.add_argument("--output", type=Path, metavar="FILE", help="the archive (default: STUDY.h5, here)")
    command.add_argument("--part", metavar="K/N", help="only the K-th of N parts of the grid: see `merge`")
    command.add_argument("--dry-run", action="store_true", help="say what it would take, from a few timed points")
    _add_engine(command)


def _add_engine(command: argparse.ArgumentParser) -> None:
    command.add_argument("--workers", type=int, metavar="N", help="processes (default: one for each core)")
    command.add_argument("--retry", action="store_true", help="compute again what failed")
    command.add_argument("--timeout", type=float, metavar="SECONDS", help="that a point may take; a later one failed")
    command.add_argument("--keep-going", action="store_true", help="also when the first points all fail with one error")
    engine = command.add_mutually_exclusive_group()
    engine.add_argument("--dask", metavar="SCHEDULER", help="its address, or its scheduler file, instead of processes")
    engine.add_argument("--mpi", action="store_true", help="under mpiexec python -m mpi4py.futures -m cocycle")


def _add_study(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "study",
        nargs="?",
        type=Path,
        metavar="STUDY.toml",
        help="with the measure (default: imported from where it was, if no text changed)",
    )


def _add_archive_commands(add) -> None:
    command = add(commands.resume, help="compute what an archive lacks")
    command.add_argument("archive", type=Path)
    _add_study(command)
    _add_engine(command)
    add(commands.show, help="axes, progress, failures, provenance").add_argument("archive", type=Path)
    add(commands.watch, help="follow a sweep that is running").add_argument("archive", type=Path)
    command = add(commands.plot, help="a figure of one result")
    command.add_argument("archive", type=Path)
    command.add_argument("--result", metavar="NAME", help="which (default: the first)")
    command.add_argument("--output", type=Path, metavar="FILE", help="(default: ARCHIVE-NAME.png)")
    command = add(commands.merge, help="one archive of several parts of a grid")
    command.add_argument("parts", type=Path, nargs="+")
    command.add_argument("--output", type=Path, required=True, metavar="FILE")
    add(commands.verify, help="find damage by the checksums").add_argument("archives", type=Path, nargs="+")
    command = add(commands.export, help="netCDF or CSV, by the name of the output")
    command.add_argument("archive", type=Path)
    command.add_argument("--output", type=Path, required=True, metavar="FILE.nc|FILE.csv")
    command = add(commands.rerun, help="compute one point again and compare")
    command.add_argument("archive", type=Path)
    _add_study(command)
    command.add_argument("--point", required=True, metavar="NAME=VALUE,...", help="the coordinates")
    command = add(commands.extend, help="a new archive with longer or finer axes, or more outputs")
    command.add_argument("archive", type=Path)
    words = "as in a study, such as 'realisation = { count = 8 }'; all its values, the old ones among them"
    command.add_argument("--axis", action="append", default=[], metavar="NAME=VALUES", help=words)
    command.add_argument("--result", action="append", default=[], metavar="NAME=SHAPE", help="a new output")
    words = "of a new output at points that are done, such as valid_time=nan"
    command.add_argument("--default", action="append", default=[], metavar="NAME=NUMBER", help=words)
    command.add_argument("--output", type=Path, metavar="FILE", help="(default: ARCHIVE-extended.h5)")
    command = add(commands.refine, help="a finer archive where a result crosses a level, or changes fastest")
    command.add_argument("archive", type=Path)
    command.add_argument("--result", required=True, metavar="NAME")
    command.add_argument("--level", type=float)
    command.add_argument("--factor", type=int, default=10, help="finer by this (default: %(default)s)")
    command.add_argument("--output", type=Path, required=True, metavar="FILE")
