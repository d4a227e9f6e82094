"""The command line: parse, call, print."""

import argparse
import logging
import os
import sys
from pathlib import Path

from cocycle import study
from cocycle import validate as validation
from cocycle.sweeps import Status, run


def main(arguments: list[str] | None = None) -> int:
    """The `cocycle` command.  Returns the exit status: 0, 1 if something failed or disagrees, 2 for bad input, 130
    after Ctrl-C."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("cocycle").setLevel(logging.INFO)  # and not that of every library
    try:
        return options.command(options)
    except (ValueError, OSError) as error:
        print(f"cocycle: {error}", file=sys.stderr)
        return 2


def sweep(options: argparse.Namespace) -> int:
    """Run the built-in study into its archive, say what came out, draw it."""
    if options.workers is not None and options.workers < 1:
        raise ValueError(f"--workers must be at least 1; got {options.workers}")
    path = options.output or Path(f"lorenz-{options.size}.h5")
    if path.suffix == ".png":
        raise ValueError(f"--output names the archive, the figure beside it gets .png; got {path}")
    results = study.archive(path, options.size, options.seed)
    to_do = int((results.status != Status.DONE).sum())
    print(f"Lorenz-driven reservoirs: {to_do} of {len(results.grid)} points to compute, archive {path}")
    try:
        run(study.measure, results, workers=options.workers, retry=True)
    except KeyboardInterrupt:
        done = int((results.status == Status.DONE).sum())
        print(
            f"\nInterrupted: {done} of {len(results.grid)} points are in {path}; the same command goes on from there."
        )
        return 130
    print(study.in_words(results))
    figure = draw(results, path.with_suffix(".png"))
    print(f"\nArchive: {path}\nFigure:  {figure}")
    failed = int((results.status != Status.DONE).sum())
    if failed:
        print(f"cocycle: {failed} points failed; Archive.open({str(path)!r}).messages() says why", file=sys.stderr)
    return 1 if failed else 0


def validate(options: argparse.Namespace) -> int:
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
        options.output.write_text(f"# Lyapunov spectra beside the published ones\n\n{made}\n\n{table}\n")
    return 0 if all(row.agrees for row in rows) else 1


def draw(results, path: Path) -> Path:
    """The figure of a study's archive as a picture at `path`."""
    os.environ.setdefault("MPLBACKEND", "Agg")  # a command draws to a file, also where there is no screen
    from cocycle.plotting import prediction_figure

    axes, fixed = results.grid.axes, results.fixed
    title = (
        f"Lorenz-driven tanh reservoirs, N = {fixed['size']}, {len(axes['realisation'])} networks, "
        f"{fixed['starts']} starts each; line: λ₁ = 0"
    )
    prediction_figure(axes["input_std"], axes["weight_std"], study.planes(results), title).savefig(path)
    return path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cocycle", description="Networks as dynamical systems.")
    commands = parser.add_subparsers(required=True, metavar="command")
    command = commands.add_parser(
        "sweep", help="where does a reservoir predict the Lorenz system?", description=study.__doc__
    )
    command.add_argument(
        "--size", choices=list(study.SIZES), default="small", help="small: a minute or two; full: hours"
    )
    command.add_argument("--output", type=Path, metavar="FILE", help="the archive (default: lorenz-SIZE.h5, here)")
    command.add_argument("--workers", type=int, metavar="N", help="processes (default: one for each core)")
    command.add_argument("--seed", type=int, default=1, help="root of all randomness (default: %(default)s)")
    command.set_defaults(command=sweep)
    command = commands.add_parser(
        "validate",
        help="the spectrum of every system beside the published one",
        description=f"{validation.__doc__}  Exit status 1 when one disagrees.",
    )
    command.add_argument("systems", nargs="*", metavar="SYSTEM", help="names as in the table (default: all)")
    command.add_argument("--scale", type=float, default=1.0, help="length of the runs (default: %(default)s)")
    command.add_argument("--output", type=Path, metavar="FILE", help="write the table there too, as markdown")
    command.add_argument("--seed", type=int, default=1, help="root of all randomness (default: %(default)s)")
    command.set_defaults(command=validate)
    return parser
