"""What the live page shows of an archive below its controls: one of a grid, another of a table."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from bokeh.models import Column

from cocycle.explorer.view import View

if TYPE_CHECKING:
    from cocycle.sweeps.grid import Index


@final
@dataclass(frozen=True)
class Told:
    """Whom a drawing tells what was done in it: `marked` gets what is selected, in words and as a CSV file, or two
    empty texts; `clicked` the indices of points that are to be looked into."""

    marked: Callable[[str, str], None]
    clicked: Callable[[Sequence["Index"]], None]


class Drawing(ABC):
    """The panels of a view, in the column `root`."""

    view: View
    root: Column

    @abstractmethod
    def show(self, view: View) -> None:
        """Show a view; raises ValueError for one that the archive cannot give, and nothing changes."""

    @abstractmethod
    def refresh(self) -> None:
        """Show the same view of the file as it is now."""
