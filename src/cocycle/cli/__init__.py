"""The command line: `cocycle`, and `python -m cocycle`."""

from cocycle.cli.parser import main

__all__ = ["main"]
