"""The command line: parse the arguments, call the command, print errors, return the exit status."""

import argparse
import logging
import os
import shutil
import sys
import textwrap
from pathlib import Path

from cocycle import __version__, sweeps
from cocycle.cli import archives, commands, exports, pages
from cocycle.cli.manual import EXIT_STATUS, MANUAL
from cocycle.studies import dysts_spectra, reservoir_constraints

NO_READER = 141  # as of a process that SIGPIPE ended


def main(arguments: list[str] | None = None) -> int:
    """The `cocycle` command.  Returns the exit status, see EXIT_STATUS."""
    try:
        try:
            return _called(arguments)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # `cocycle show run.h5 | head`: what is left to print goes nowhere, also at the exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_READER


def _called(arguments: list[str] | None) -> int:
    options = parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("cocycle").setLevel(logging.INFO)  # and not that of every library
    try:
        return options.command(options)
    except BrokenPipeError:
        raise
    except (ValueError, OSError, KeyError, ImportError) as error:
        words = str(error.args[0] if isinstance(error, KeyError) else error)
        print(f"cocycle: {sweeps.printable(words)}", file=sys.stderr)
        return 3 if isinstance(error, commands.Stopped) else 2
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    """The parser of all commands, whose help is from MANUAL."""
    made = argparse.ArgumentParser(
        prog="cocycle",
        description="Networks as dynamical systems.  `cocycle COMMAND --help` describes a command, with examples.",
        epilog=EXIT_STATUS,
    )
    made.add_argument("--version", action="version", version=f"cocycle {__version__}")
    commands_of = made.add_subparsers(required=True, metavar="command")

    def add(function) -> argparse.ArgumentParser:
        entry = MANUAL[function.__name__]
        examples = "\n".join(["examples:", *(f"  {example}" for example in entry.examples)])
        command = commands_of.add_parser(
            function.__name__,
            help=entry.line,
            description=_filled(entry.description),
            epilog=f"{examples}\n\n{_filled(EXIT_STATUS)}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(command=function)
        return command

    _add_runs(add)
    _add_readers(add)
    _add_makers(add)
    _add_checks(add)
    return made


def _filled(text: str) -> str:
    """The text in lines as wide as the terminal, as argparse fills it."""
    return textwrap.fill(" ".join(text.split()), shutil.get_terminal_size().columns - 2)


def _add_runs(add) -> None:
    command = add(commands.sweep)
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
    command = _add_archive(add, commands.resume)
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


def _add_archive(add, function) -> argparse.ArgumentParser:
    command = add(function)
    command.add_argument("archive", type=Path)
    return command


def _add_readers(add) -> None:
    _add_archive(add, archives.show)
    _add_archive(add, archives.watch)
    command = _add_archive(add, archives.plot)
    command.add_argument("--result", metavar="NAME", help="the result to draw (default: the first)")
    words = "fix an axis at one of its values; may be given more than once"
    command.add_argument("--at", action="append", default=[], metavar="NAME=VALUE", help=words)
    words = "average over this axis; may be given more than once (default: axes of integers that are not drawn)"
    command.add_argument("--over", action="append", default=[], metavar="NAME", help=words)
    command.add_argument("--output", type=Path, metavar="FILE", help="(default: ARCHIVE-NAME.png)")
    command = _add_archive(add, pages.explore)
    command.add_argument("other", type=Path, nargs="?", help="a second archive, to be compared")
    command.add_argument("--view", default="", metavar="QUERY", help="what an address of the page has after its '?'")
    command.add_argument("--port", type=int, default=0, metavar="N", help="(default: one that is free)")
    command.add_argument("--no-browser", action="store_true", help="print the address only")
    command = _add_archive(add, pages.report)
    command.add_argument("--output", type=Path, metavar="FILE", help="ends in .html (default: ARCHIVE.html)")
    add(archives.verify).add_argument("archives", type=Path, nargs="+")
    command = _add_archive(add, exports.export)
    _add_export(command)
    command = _add_archive(add, archives.rerun)
    _add_study(command)
    command.add_argument("--point", required=True, metavar="NAME=VALUE,...", help="its coordinates")


def _add_export(command: argparse.ArgumentParser) -> None:
    where = command.add_mutually_exclusive_group(required=True)
    where.add_argument("--output", type=Path, metavar="FILE", help="ends in .nc, .csv or .zarr")
    where.add_argument("--crate", type=Path, metavar="PLACE", help="a new folder, or a file that ends in .zip")
    words = "only this output, of a .csv file; may be given more than once (default: all)"
    command.add_argument("--result", action="append", default=[], metavar="NAME", help=words)
    words = "of the data in the crate, by its SPDX name or address (default: none is granted)"
    command.add_argument("--license", metavar="NAME", help=words)
    words = "who made the data in the crate, and their ORCID after a comma; may be given more than once"
    command.add_argument("--author", action="append", default=[], metavar="NAME[,ORCID]", help=words)
    words = "DOI or address of the publication that the crate belongs to"
    command.add_argument("--cite", metavar="DOI", help=words)


def _add_makers(add) -> None:
    command = add(archives.merge)
    command.add_argument("parts", type=Path, nargs="+")
    command.add_argument("--output", type=Path, required=True, metavar="FILE")
    command = _add_archive(add, archives.extend)
    words = "as in a study, such as 'realisation = { count = 8 }'; all its values, the old ones among them"
    command.add_argument("--axis", action="append", default=[], metavar="NAME=VALUES", help=words)
    command.add_argument("--result", action="append", default=[], metavar="NAME=SHAPE", help="a new output")
    words = "of a new output at points that are done, such as valid_time=nan"
    command.add_argument("--default", action="append", default=[], metavar="NAME=NUMBER", help=words)
    command.add_argument("--output", type=Path, metavar="FILE", help="(default: ARCHIVE-extended.h5)")
    command = _add_archive(add, archives.refine)
    command.add_argument("--result", required=True, metavar="NAME")
    command.add_argument("--level", type=float)
    command.add_argument("--factor", type=int, default=10, help="how many times finer (default: %(default)s)")
    command.add_argument("--output", type=Path, required=True, metavar="FILE")


def _add_checks(add) -> None:
    add(commands.doctor)
    command = add(commands.validate)
    command.add_argument("systems", nargs="*", metavar="SYSTEM", help="names as in the table (default: all)")
    command.add_argument("--scale", type=float, default=1.0, help="length of the runs (default: %(default)s)")
    command.add_argument("--output", type=Path, metavar="FILE", help="write the table there too, as markdown")
    command.add_argument("--seed", type=int, default=1, help="seed of all random numbers (default: %(default)s)")
    command = add(commands.dysts)
    command.add_argument("systems", nargs="*", metavar="SYSTEM", help="names as in dysts (default: all)")
    command.add_argument("--size", choices=list(dysts_spectra.SIZES), default="full", help="(default: %(default)s)")
    command.add_argument("--seed", type=int, default=1, help="seed of all random numbers (default: %(default)s)")
    command.add_argument("--output", type=Path, metavar="FILE", help="the archive (default: dysts-SIZE.h5, here)")
    _add_engine(command)
