"""What the commands do, each with examples: the text of `cocycle COMMAND --help`."""

from typing import NamedTuple

EXIT_STATUS = """exit status: 0 all is done; 1 points failed, an archive is damaged, or numbers disagree; 2 wrong
input; 3 the sweep stopped early (executor lost, disk full); 130 or 143 it was interrupted; 141 nobody reads the output.
After 3, 130 and 143 the same command computes the remaining points."""


class Entry(NamedTuple):
    """One line for the list of commands, what the command does, and command lines to try."""

    line: str
    description: str
    examples: tuple[str, ...]


MANUAL = {
    "sweep": Entry(
        "run a study into its archive",
        "Run the study of a TOML file, or, without one, the built-in one, into an archive: one HDF5 file with every"
        " result. A study names a measure (a function of your own), the axes of a grid, and the outputs; docs/sweeps.md"
        " describes it. The same command goes on where a sweep was stopped.",
        (
            "cocycle sweep",
            "cocycle sweep study.toml --dry-run",
            "cocycle sweep study.toml --output run.h5 --workers 4",
        ),
    ),
    "resume": Entry(
        "compute the missing points of an archive",
        "Compute the points of an archive that have no result yet, with the measure that it was begun with. The measure"
        " is imported from the file where it was, if that file is unchanged; otherwise give the study. Failed points"
        " are computed again with --retry only.",
        ("cocycle resume run.h5", "cocycle resume run.h5 study.toml --retry"),
    ),
    "show": Entry(
        "axes, progress, failures, provenance",
        "Print what an archive holds: its axes, outputs and settings, how many points are done, the messages of those"
        " that failed, and who ran it when, with which versions. A sweep may be writing it meanwhile.",
        ("cocycle show run.h5",),
    ),
    "watch": Entry(
        "follow a sweep that is running",
        "Follow a sweep that another process writes, with a progress bar, until no point is to do or no process writes"
        " it any more.",
        ("cocycle watch run.h5",),
    ),
    "plot": Entry(
        "a figure of one result",
        "Draw one result of an archive over its axes, averaged over realisations, to a file: a line with a band, or"
        " planes. --at fixes an axis at one of its values, or the axis of a result at an index; --over names the axes"
        " that are averaged, and all others are then drawn or give panels. The title says what is averaged and fixed.",
        (
            "cocycle plot run.h5",
            "cocycle plot run.h5 --result exponent --output exponent.pdf",
            "cocycle plot run.h5 --result exponent --at leak=0.5 --at observed=full --over realisation",
        ),
    ),
    "explore": Entry(
        "look at an archive in the browser, also while it is computed",
        "Serve a page on which an archive can be looked at, to this machine only, at an address with a random word in"
        " it: choose the axes of the plane, outputs, averages or values of the other axes; errors under the pointer; a"
        " click lists the points of a cell and how to compute them again; a box marks cells and saves them; a running"
        " sweep fills in. The address of the page reproduces the view: after a restart give what it has after its '?'"
        " as --view. A second archive is compared. Of a table it shows the points over two parameters. Needs the extra"
        " explorer.",
        (
            "cocycle explore run.h5",
            "cocycle explore run.h5 other.h5",
            "cocycle explore run.h5 --view 'output=valid_time'",
        ),
    ),
    "report": Entry(
        "one file of HTML that shows an archive",
        "Write one file that shows an archive in any browser, without network and without this package: the planes of"
        " every output with errors and counts, controls for the axes that are not averaged, boxes that mark cells,"
        " whose values can be saved as CSV, the failures, and who computed it with what. Of a table it shows points."
        " Needs the extra explorer.",
        ("cocycle report run.h5", "cocycle report run.h5 --output run.html"),
    ),
    "verify": Entry(
        "find damage by the checksums",
        "Compare every byte of archives that has a meaning with its checksum, and print the damage of each archive, or"
        " that it is sound. Exit status 1 if one is damaged.",
        ("cocycle verify run.h5", "cocycle verify part-1.h5 part-2.h5"),
    ),
    "export": Entry(
        "netCDF, zarr, CSV, or an RO-Crate to publish",
        "Write the results for other programs. --output chooses by its suffix: .nc is netCDF with CF attributes (needs"
        " the extra xarray), .zarr the same for zarr (extra zarr), .csv a table with a row for each point, and for each"
        " place along the axes of its outputs, units in its header. --crate writes an RO-Crate, the form in which"
        " repositories describe research data: the archive, the netCDF file, the text of the measure, who ran it when"
        " and with what, licence and citation, in a new folder or in a .zip file.",
        (
            "cocycle export run.h5 --output run.csv --result exponent",
            "cocycle export run.h5 --output run.nc",
            "cocycle export run.h5 --crate run.zip --license CC-BY-4.0 --author 'A. Physicist' --cite 10.1000/182",
        ),
    ),
    "rerun": Entry(
        "compute one point again and compare",
        "Compute one point of an archive again, with the same random numbers, and print whether every bit of its"
        " results is the same. Exit status 1 if one differs.",
        ("cocycle rerun run.h5 --point weight_std=0.2,realisation=3",),
    ),
    "merge": Entry(
        "one archive of several parts of a grid",
        "Put the archives of the parts of one grid, which `sweep --part` made on several machines, into one new"
        " archive. The parts stay as they are.",
        ("cocycle merge run-1-of-2.h5 run-2-of-2.h5 --output run.h5",),
    ),
    "extend": Entry(
        "a new archive with longer or finer axes, or more outputs",
        "Make a new archive that has what is done in an old one, more values on some axes or more outputs, and the new"
        " points to do. `resume` computes them.",
        (
            "cocycle extend run.h5 --axis 'realisation = { count = 8 }' --output more.h5",
            "cocycle extend run.h5 --result valid_time= --default valid_time=nan --output more.h5",
        ),
    ),
    "refine": Entry(
        "a finer archive where a result crosses a level, or changes fastest",
        "Make a new archive on a finer grid, with points to do only in those cells in which the mean of a result"
        " crosses --level, or, without one, changes most. `resume` computes them.",
        ("cocycle refine run.h5 --result exponent --level 0 --factor 4 --output fine.h5",),
    ),
    "doctor": Entry(
        "versions, threads, devices, and a self-check of a few seconds",
        "Print the versions, threads and devices of this installation, then compute known exponents and write and"
        " verify an archive. Exit status 1 if a check fails. Put the output into a report of a bug.",
        ("cocycle doctor",),
    ),
    "validate": Entry(
        "the spectrum of every system beside its reference",
        "Compute the Lyapunov spectrum of every system of cocycle.systems and print it beside exact, published or"
        " independently computed values. Exit status 1 if one disagrees.",
        ("cocycle validate Lorenz63 Henon --scale 0.1", "cocycle validate --output spectra.md"),
    ),
    "dysts": Entry(
        "the spectrum of every system of dysts, in an archive and a table",
        "Compute the spectra of the systems of the package dysts, which comes with the extra dysts, into an archive,"
        " and write a table of them beside it.",
        ("cocycle dysts Lorenz Henon --size small",),
    ),
}
