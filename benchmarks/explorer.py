"""How long the page of an archive of a million points takes to show another view.

python benchmarks/explorer.py

Seconds, the median of CHANGES changes of one kind.  "here": to read, average and encode what the page gets.  "page":
from the change of a widget in a headless Chromium (playwright, with the system's Chromium; left out without them)
until the browser has drawn the frame that follows.
"""

import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from bokeh.document import Document

from cocycle import Archive, Grid
from cocycle.explorer.page import Page
from cocycle.explorer.server import in_background
from cocycle.explorer.view import View
from cocycle.sweeps.records import Records, in_chunks

sys.path.append(str(Path(__file__).parents[1] / "tests" / "explorer"))
from browser import launched, missing  # type: ignore[import-not-found]

CHANGES = 8
SHAPES = {"1000 x 1000 x 1": (1000, 1000, 1), "100 x 100 x 100": (100, 100, 100)}
MEAN, MEDIAN = ("averaged values by their", ""), ("averaged values by their", "0.5")
CHANGED = """async ([title, value]) => {
    const models = [...Bokeh.documents[0]._all_models.values()]
    const widget = models.find(model => model.title == title)
    const source = models.filter(model => model.type == "GlyphRenderer").map(model => model.data_source)
        .find(source => source.data.error)
    const start = performance.now()
    const come = new Promise(done => source.properties.data.change.connect(done))
    widget.value = value
    if (widget.type == "Slider") widget.value_throttled = value
    await come
    await new Promise(done => setTimeout(done, 0))
    await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))
    await new Promise(done => setTimeout(done, 0))
    return (performance.now() - start) / 1000
}"""


def computed(path, shape, seed=1):
    """An archive of three outputs with noise, written without a sweep."""
    rows, columns, replicas = shape
    axes = {"weight_std": np.linspace(0.02, 2, rows), "input_std": np.geomspace(1e-3, 1, columns)}
    archive = Archive.create(
        path,
        Grid({**axes, "realisation": np.arange(replicas)}),
        outputs={"exponent": (), "valid_time": (), "capacity": ()},
        seed=seed,
    )
    rng, w, u = np.random.default_rng(seed), np.linspace(-1, 1, rows), np.linspace(-1, 1, columns)
    exponent = (w[:, None] - 0.3 * u)[..., None] + 0.1 * rng.normal(size=shape)
    values = {
        "exponent": exponent,
        "valid_time": np.maximum(5 - 3 * abs(exponent) + rng.normal(size=shape) / 5, 0),
        "capacity": 10 - exponent**2 + rng.normal(size=shape),
    }
    with archive.writer() as writer:
        for points in in_chunks(np.arange(exponent.size), archive.contents.row_bytes()):
            writer.commit(Records.done(points, {name: value.ravel()[points] for name, value in values.items()}))
    return archive


def here(archive):
    """Seconds of each kind of change in this process, without a browser."""
    page = Page(Document(), archive, None, "")
    first = View("exponent", "input_std", "weight_std", "valid_time")
    changes = {
        "mean or median": (replace(first, quantile=0.5), first),
        "another output": (replace(first, output="capacity"), first),
        "another axis": (first.over("weight_std", "input_std"), first),
    }
    last = len(archive.grid.axes["realisation"]) - 1
    if last:
        changes["a slider"] = (first.fixing("realisation", 0), first.fixing("realisation", last))
    return {name: timed(page.show, views) for name, views in changes.items()}


def timed(call, arguments):
    """The median time of calls with one of two arguments, in turn."""
    seconds = []
    for i in range(CHANGES):
        start = time.perf_counter()
        call(arguments[i % 2])
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def in_browser(archive, browser):
    """Seconds until the page has opened, and from a change to the frame that shows it."""
    served = in_background(archive)
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    start = time.perf_counter()
    page.goto(served.address)
    page.wait_for_selector(".bk-Figure")
    page.wait_for_function("Bokeh.documents.length && Bokeh.documents[0].is_idle")
    found = {"opened": time.perf_counter() - start}
    changes: dict[str, Any] = {
        "mean or median": (MEDIAN, MEAN),
        "another output": (("output", "capacity"), ("output", "exponent")),
    }
    if len(archive.grid.axes["realisation"]) > 1:
        changes["a slider"] = (("realisation", 0), ("realisation", 1))
    for name, views in changes.items():
        seconds = []
        for i in range(CHANGES):
            page.wait_for_timeout(300)
            seconds.append(page.evaluate(CHANGED, list(views[i % 2])))
        found[name] = statistics.median(seconds)
    page.close()
    served.close()
    return found


def main():
    with tempfile.TemporaryDirectory() as folder:
        archives = {words: computed(Path(folder) / f"{words}.h5", shape) for words, shape in SHAPES.items()}
        rows = {words: {"here": here(archive)} for words, archive in archives.items()}
        if missing():
            print(f"the page is left out: {missing()}")
        else:
            with launched() as browser:
                for words, archive in archives.items():
                    rows[words]["page"] = in_browser(archive, browser)
        for words, found in rows.items():
            for where, seconds in found.items():
                print(f"{words:16} {where:5} " + ", ".join(f"{name} {took:.2f}" for name, took in seconds.items()))


if __name__ == "__main__":
    main()
