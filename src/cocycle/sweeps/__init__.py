"""Sweeps: a grid of parameters, a measure of each point, and an archive of the results in one HDF5 file."""

from cocycle.sweeps.archive import Archive
from cocycle.sweeps.dry_run import dry_run
from cocycle.sweeps.grid import Grid
from cocycle.sweeps.merge import merge
from cocycle.sweeps.records import Status
from cocycle.sweeps.refine import crossings, refine
from cocycle.sweeps.rerun import arguments, rerun
from cocycle.sweeps.run import AllFail, run
from cocycle.sweeps.show import summary, watch
from cocycle.sweeps.study_file import read_study
from cocycle.sweeps.table import Table
from cocycle.sweeps.text import printable
from cocycle.sweeps.views import Best

__all__ = [
    "AllFail",
    "Archive",
    "Best",
    "Grid",
    "Status",
    "Table",
    "arguments",
    "crossings",
    "dry_run",
    "merge",
    "printable",
    "read_study",
    "refine",
    "rerun",
    "run",
    "summary",
    "watch",
]
