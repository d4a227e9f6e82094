"""Progress on anything that takes more than two seconds: a bar at a terminal or in a notebook, a log line elsewhere."""

import logging
import multiprocessing
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from operator import length_hint

from tqdm.auto import tqdm

LOG = logging.getLogger("cocycle")
LOG_EVERY = 30.0  # seconds between lines where there is no terminal

_shown = True


def show_progress(show: bool) -> None:
    """Show progress, as bars at a terminal or in a notebook and as log lines elsewhere, or from now on none of it."""
    global _shown
    _shown = bool(show)


@contextmanager
def progress_bar(total: int | None, label: str, *, initial: int = 0, delay: float = 2.0, show: bool = True):
    """A function `advance(n)` that moves a progress bar of `total` items, `initial` of which are done."""
    started = logged = time.monotonic()
    show = show and _shown and multiprocessing.parent_process() is None  # a worker's bar would fight with its parent's
    # disable=None: only where there is a terminal or a notebook
    with tqdm(total=total, initial=initial, desc=label, delay=delay, disable=None if show else True) as bar:
        done, silent = initial, bar.disable and show

        def advance(n: int) -> None:
            nonlocal done, logged
            done += n
            bar.update(n)
            now = time.monotonic()
            if silent and now - logged > LOG_EVERY:
                logged = now
                LOG.info("%s: %d of %s after %.0f s", label, done, total or "?", now - started)

        yield advance


def tracked(items: Iterable, label: str, total: int | None = None) -> Iterator:
    """`items`, `total` of them if they do not know themselves, with a progress bar once two seconds have passed."""
    total = total or length_hint(items, 0) or None
    with progress_bar(total, label) as advance:
        for item in items:
            yield item
            advance(1)
