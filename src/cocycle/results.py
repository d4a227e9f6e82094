"""What results have in common: a plot, and a table in a notebook."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Plotted:
    """A result that `cocycle.plot` can draw."""

    def plot(self, *what: Any, **options: Any) -> "Figure":
        """`cocycle.plot(result, ...)`: its figure, or on given axes, `ax=`."""
        from cocycle.plotting import plot  # matplotlib takes its time

        return plot(self, *what, **options)


def html_table(caption: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """An HTML table; whatever the cells hold is shown as text."""

    def line(cells: Sequence[object], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(line(row, "td") for row in rows)
    title = f"<caption>{escape(caption)}</caption>"
    return f"<table>{title}<thead>{line(head, 'th')}</thead><tbody>{body}</tbody></table>"
