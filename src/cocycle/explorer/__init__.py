"""The page on which an archive is looked at: `explore` serves it to a browser here, `report` writes it to a file.

All means, errors and quantiles are computed here, none in the browser.  Raises ImportError without bokeh, which the
extra `explorer` brings.
"""

try:
    import bokeh  # noqa: F401
except ImportError:
    raise ImportError(
        'the page of an archive needs bokeh: install cocycle with the extra explorer, ".[explorer]"'
    ) from None

from cocycle.explorer.one_file import report
from cocycle.explorer.server import Served, explore

__all__ = ["Served", "explore", "report"]
