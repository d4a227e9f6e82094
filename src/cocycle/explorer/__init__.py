"""The page on which an archive is looked at: `explore` serves it to a browser here, `report` writes it to a file.

It needs bokeh: the extra `explorer`.  All means, errors and quantiles are computed here, none in the browser.
"""
