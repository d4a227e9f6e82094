"""Sweeps: a grid of parameters, a measure of each point, an archive that survives."""

from cocycle.sweeps.archive import Archive
from cocycle.sweeps.grid import Grid
from cocycle.sweeps.records import Status
from cocycle.sweeps.run import run

__all__ = ["Archive", "Grid", "Status", "run"]
