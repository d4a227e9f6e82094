"""The two commands of an experiment: one computes its parts, each an archive, the other draws what is in them."""

import argparse
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cocycle.sweeps import Archive, run
from cocycle.sweeps.jobs import Measure

Part = Callable[[Path, Mapping[str, Any], int], tuple[Measure, Archive]]


def sweeps_command(
    name: str,
    words: str | None,
    parts: Mapping[str, Part],
    sizes: Mapping[str, Mapping[str, Any]],
    arguments: Sequence[str] | None,
) -> None:
    """Compute parts of the experiment `name`, which is described by `words`, or go on with them.

    Each part makes its measure and its archive from a path, one of the sizes, and a seed.
    """
    parser = argparse.ArgumentParser(description=words, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=list(sizes), default=next(iter(sizes)), help="default: %(default)s")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help=f"of the archives (default: {name}-SIZE, here)")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: one for each core)")
    parser.add_argument("--seed", type=int, default=1, help="root of all randomness (default: %(default)s)")
    chosen = _chosen(parser, "PART", "parts", parts)
    options = parser.parse_args(arguments)
    wanted = chosen(options)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("cocycle").setLevel(logging.INFO)
    folder = options.output or Path(f"{name}-{options.size}")
    folder.mkdir(parents=True, exist_ok=True)
    for part in wanted:
        measure, archive = parts[part](folder / f"{part}.h5", sizes[options.size], options.seed)
        print(f"{part}: {len(archive.grid)} points, archive {archive.path}", flush=True)
        run(measure, archive, workers=options.workers, retry=True)


def figures_command(
    name: str, words: str | None, figures: Mapping[str, Callable[[Path], Any]], arguments: Sequence[str] | None
) -> None:
    """Draw figures of the experiment `name` from the archives in a folder, which is what each is given."""
    from matplotlib import pyplot

    parser = argparse.ArgumentParser(description=words, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="small", help="of the sweeps (default: small)")
    parser.add_argument("--input", type=Path, metavar="FOLDER", help=f"of the archives (default: {name}-SIZE, here)")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="of the figures (default: that of the archives)")
    chosen = _chosen(parser, "FIGURE", "figures", figures)
    options = parser.parse_args(arguments)
    wanted = chosen(options)
    source = options.input or Path(f"{name}-{options.size}")
    if not source.is_dir():
        parser.error(f"there is no folder {source}: compute it first, or name another with --input")
    target = options.output or source
    target.mkdir(parents=True, exist_ok=True)
    for figure in wanted:
        path = target / f"{figure}.png"
        drawn = figures[figure](source)
        drawn.savefig(path)
        pyplot.close(drawn)
        print(f"    figure {path}\n", flush=True)


def _chosen(parser: argparse.ArgumentParser, word: str, name: str, known: Mapping[str, Any]):
    """Add an argument that selects some of the known names, all by default; returns the function that reads it."""
    parser.add_argument(name, nargs="*", metavar=word, help=f"of {', '.join(known)} (default: all)")

    def chosen(options: argparse.Namespace) -> list[str]:
        unknown = sorted(set(getattr(options, name)) - set(known))
        if unknown:
            parser.error(f"{word} must be of {', '.join(known)}; got {', '.join(unknown)}")
        return getattr(options, name) or list(known)

    return chosen
