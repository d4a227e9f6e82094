"""The look of figures: that of the package, and that of a paper with one or two columns."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

STYLE = Path(__file__).with_name("cocycle.mplstyle")
SMALL = ("xtick.labelsize", "ytick.labelsize", "legend.fontsize")
PAPER: Mapping[str, Any] = {
    "savefig.format": "pdf",
    "savefig.dpi": 300,
    "pdf.fonttype": 42,  # TrueType, which journals ask for
    "ps.fonttype": 42,
    **dict.fromkeys(("font.size", "axes.titlesize", "axes.labelsize", "figure.titlesize"), 8),
    **dict.fromkeys(SMALL, 7),
    **dict.fromkeys(("axes.linewidth", "xtick.major.width", "ytick.major.width"), 0.6),
    **dict.fromkeys(("xtick.minor.width", "ytick.minor.width"), 0.4),
    "lines.linewidth": 1.0,
    "lines.markersize": 3,
}
WIDTHS = {1: 3.375, 2: 7.0}  # inches of one column and of two: Physical Review 86 mm and 178 mm
HEIGHT = 9.0  # inches of a page of a paper, at most
ROW = 1.6  # inches of a row of panels, at least, where it is as high on a screen

_width: ContextVar[float | None] = ContextVar("width", default=None)


@contextmanager
def style(*, columns: int = 1) -> Iterator[None]:
    """Figures for a paper: made and saved within `with style(columns=1):`, they have its width and sizes of fonts.

    One column is 86 mm wide, two are 178 mm; fonts have 8 points, 7 for ticks and legends, at this width, so that the
    figure is included without scaling.  `figure.savefig("name")` writes vector output (PDF) unless the name says
    otherwise, with fonts embedded as TrueType; PNG files, and large planes within vector files, have 300 dpi.  The
    heights of the figures of `plot` follow from the width; axes that you make yourself get the style and the width.

    Raises ValueError for another number of columns.
    """
    if columns not in WIDTHS:
        raise ValueError(f"columns must be 1 or 2; got {columns!r}")
    width = WIDTHS[columns]
    _load_backend()
    token = _width.set(width)
    try:
        with plt.style.context([STYLE, {**PAPER, "figure.figsize": (width, 0.7 * width)}]):
            yield
    finally:
        _width.reset(token)


def own_style() -> AbstractContextManager[None]:
    """The style in which figures are drawn: the package's, or that of the paper where it is in force."""
    _load_backend()
    return plt.style.context(STYLE) if _width.get() is None else nullcontext()


def _load_backend() -> None:
    """The backend of a notebook switches to interactive mode when it is loaded: within the style that would be undone
    at its end, and no later figure would be shown."""
    plt.draw_if_interactive()


def sized(width: float, height: float, rows: int = 1) -> tuple[float, float]:
    """The size in inches of a figure that is width by height on a screen: in a paper of the same shape, as wide as its
    columns, with `rows` that are high enough for its fonts."""
    paper = _width.get()
    if paper is None:
        return width, height
    return paper, min(max(height * paper / width, rows * min(ROW, height / rows)), HEIGHT)


def in_paper() -> bool:
    """Whether figures are for a paper, where fewer panels fit side by side."""
    return _width.get() is not None


def stacked() -> bool:
    """Whether panels stand one above the other: in one column of a paper."""
    return _width.get() == WIDTHS[1]
