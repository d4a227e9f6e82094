"""Common to results: their plot, their table in a notebook, and numbers rounded to the digits of their errors."""

from collections.abc import Iterable, Sequence
from html import escape
from math import floor, inf, isfinite, isnan, log10
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Plotted:
    """A result that `cocycle.plot` can draw."""

    def plot(self, *what: Any, **options: Any) -> "Figure":
        """`cocycle.plot(result, ...)`: its figure, or on given axes, `ax=`."""
        from cocycle.plotting import plot  # here, because importing matplotlib takes long

        return plot(self, *what, **options)


def decimals(error: float) -> int | None:
    """The decimal places at which `error` has two significant digits; None where it is zero, tiny or not finite."""
    return max(1 - floor(log10(error)), 0) if 1e-12 < error < inf else None


def bracketed(value: float, error: float, exact: str) -> str:
    """0.90572(38): the two digits in brackets are the error of the last two digits of the value, which has the format
    `exact` where there is no error to show."""
    places = decimals(error) if isfinite(value) else None
    return f"{value:{exact}}" if places is None else f"{value:.{places}f}({round(error * 10**places)})"


def rounded(value: float, error: float) -> tuple[str, str]:
    """A value and its standard error, both to the decimal places of the error: 0.9056 and 0.0012."""
    places = decimals(error)
    return (f"{value:.6g}", f"{error:.2g}") if places is None else (f"{value:.{places}f}", f"{error:.{places}f}")


def extent(values: Any) -> list[str]:
    """The least value, the median and the largest of an array, those that are not NaN; empty texts without any."""
    known = [value for value in values.ravel().tolist() if not isnan(value)]
    return [f"{of(known):.6g}" for of in (min, median, max)] if known else [""] * 3


def html_facts(caption: str, facts: Iterable[tuple[str, object]]) -> str:
    """An HTML table with a row for each name and what it is."""
    return html_table(caption, ("", ""), facts)


def html_table(caption: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """An HTML table; the contents of cells are shown as text."""

    def line(cells: Sequence[object], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(line(row, "td") for row in rows)
    title = f"<caption>{escape(caption)}</caption>"
    return f"<table>{title}<thead>{line(head, 'th')}</thead><tbody>{body}</tbody></table>"
