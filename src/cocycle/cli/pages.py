"""The commands that show an archive in a browser."""

import webbrowser
from argparse import Namespace
from contextlib import suppress

from cocycle.sweeps import Archive


def explore(options: Namespace) -> int:
    """Serve the page of an archive until it is interrupted."""
    from cocycle.explorer.server import served

    other = Archive.open(options.other) if options.other else None
    page = served(Archive.open(options.archive), other, query=options.view, port=options.port)
    print(f"Page: {page.address}\nCtrl-C ends it.", flush=True)
    if not options.no_browser and _has_window():
        webbrowser.open(page.address)
    with suppress(KeyboardInterrupt):
        page.server.io_loop.start()
    return 0


def report(options: Namespace) -> int:
    """Write the page of an archive to one file."""
    from cocycle.explorer.one_file import report as written

    path = written(Archive.open(options.archive), options.output or options.archive.with_suffix(".html"))
    print(f"Report: {path}, {path.stat().st_size / 1e6:.2g} MB; open it in a browser")
    return 0


def _has_window() -> bool:
    """Whether there is a browser with a window of its own: one in the terminal would hide the address."""
    try:
        return not isinstance(webbrowser.get(), webbrowser.GenericBrowser) or isinstance(
            webbrowser.get(), webbrowser.BackgroundBrowser
        )
    except webbrowser.Error:
        return False
