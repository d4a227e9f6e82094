"""Progress of loops of more than two seconds: a bar at a terminal or in a notebook, log lines elsewhere."""

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
    """Switch the display of progress on or off: bars at a terminal or in a notebook, log lines elsewhere."""
    global _shown
    _shown = bool(show)


@contextmanager
def progress_bar(total: int | None, label: str, *, initial: int = 0, delay: float = 2.0, show: bool = True):
    """A function `advance(n)` that adds n to a progress bar of `total` items, of which `initial` are done.

    `advance(n, expected)` also gives another total, where it follows from what is done.  A bar that is left without an
    error ends full: a loop that needs fewer items than expected makes what it did the total.
    """
    started = logged = time.monotonic()
    show = show and _shown and multiprocessing.parent_process() is None  # a worker and its parent would both draw bars
    # disable=None: only where there is a terminal or a notebook
    with tqdm(total=total, initial=initial, desc=label, delay=delay, disable=None if show else True) as bar:
        done, silent = initial, bar.disable and show

        def advance(n: int, expected: int | None = None) -> None:
            nonlocal done, logged, total
            done += n
            if expected is not None:
                bar.total = total = expected
            bar.update(n)
            now = time.monotonic()
            if silent and now - logged > LOG_EVERY:
                logged = now
                LOG.info("%s: %d of %s after %.0f s", label, done, total or "?", now - started)

        yield advance
        bar.total = bar.n


def tracked(items: Iterable, label: str, total: int | None = None) -> Iterator:
    """`items`, with a progress bar after two seconds; `total` is their number, needed where they have no length."""
    total = total or length_hint(items, 0) or None
    with progress_bar(total, label) as advance:
        for item in items:
            try:
                yield item
            finally:  # counted also where the caller takes no further item, as zip and islice do
                advance(1)
