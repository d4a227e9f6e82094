"""In a browser each page of the built site opens without errors, needs no network, fits a telephone and both themes.

The site is what `python -m sphinx docs docs/_build/html` wrote, or the folder that the variable COCYCLE_SITE names.
Screenshots are written to the folder that the variable COCYCLE_SCREENSHOTS names, if it does.
"""

import importlib
import io
import json
import os
import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from explorer.browser import launched, missing

if missing():
    print(f"the site's tests are skipped: {missing()}")
    pytest.skip(missing(), allow_module_level=True)

SITE = Path(os.environ.get("COCYCLE_SITE", Path(__file__).parents[1] / "docs/_build/html")).resolve()
if not (SITE / "index.html").exists():
    print(f"the site's tests are skipped: it is not built in {SITE}")
    pytest.skip(f"the site is not built in {SITE}", allow_module_level=True)

PAGES = sorted(str(path.relative_to(SITE)) for path in SITE.rglob("*.html") if "_modules" not in path.parts)
PAGES += [str(path.relative_to(SITE)) for path in sorted(SITE.glob("_modules/cocycle/lyapunov/*.html"))[:1]]
LOUD = ("error", "warning")
RAW = re.compile(r"\$\$|\\\(|\\\[|\\[a-z]{2,}|\$[^$\n]*[\\_^][^$\n]*\$")  # TeX as it is written
PROSE = """() => {
    const copy = document.querySelector("article").cloneNode(true)
    copy.querySelectorAll("pre, code, script, style").forEach(one => one.remove())
    return copy.textContent
}"""
PICTURES = """async theme => {
    document.body.dataset.theme = theme
    const pictures = [...document.querySelectorAll("article img:not(.toggler)")]
    const shown = pictures.filter(one => getComputedStyle(one).display != "none")
    shown.forEach(one => { one.loading = "eager" })
    await Promise.all(shown.map(one => one.decode().catch(() => {})))
    return shown.map(one => ({
        source: one.src, natural: one.naturalWidth, width: one.getBoundingClientRect().width, classes: one.className,
        white: getComputedStyle(one).backgroundColor == "rgb(255, 255, 255)",
    }))
}"""
CUT = """() => {
    const limit = document.documentElement.clientWidth
    const scrolls = one => one && (/auto|scroll/.test(getComputedStyle(one).overflowX) || scrolls(one.parentElement))
    const out = [...document.querySelectorAll("article *")].filter(one => one.getBoundingClientRect().right > limit + 1)
    const cut = out.filter(one => !scrolls(one.parentElement)).map(one => one.outerHTML.slice(0, 120))
    return document.documentElement.scrollWidth <= limit ? cut : ["the page", ...cut]
}"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address():
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser():
    with launched() as opened:
        yield opened


@pytest.fixture
def extensions(monkeypatch):
    """What builds the site can be imported."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "docs/_ext")


@pytest.fixture
def watched(browser):
    """A page, on which nothing may have gone wrong at the end, and which may not have asked for anything elsewhere."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    wrong, asked = [], []
    page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
    page.on("console", lambda said: wrong.append(f"{page.url}: {said.text}") if said.type in LOUD else None)
    page.on("response", lambda answer: wrong.append(f"{answer.status}: {answer.url}") if answer.status >= 400 else None)
    page.on("request", lambda request: asked.append(request.url))
    page.set_default_timeout(30_000)
    yield page
    page.close()
    assert wrong == []
    assert [url for url in asked if urlsplit(url).hostname not in ("127.0.0.1", None)] == []


def test_pages(watched, address):
    """Formulas are drawn, pictures are there and suit the theme, nothing is cut on a telephone."""
    raw, broken, cut = [], [], []
    for name in PAGES:
        watched.set_viewport_size({"width": 1280, "height": 900})
        watched.goto(f"{address}/{name}")
        raw += [(name, found[0]) for found in RAW.finditer(watched.evaluate(PROSE))]
        for theme in ("light", "dark"):
            other = "only-dark" if theme == "light" else "only-light"
            for shown in watched.evaluate(PICTURES, theme):
                suits = theme == "light" or "only-dark" in shown["classes"] or shown["white"]
                if min(shown["natural"], shown["width"]) < 50 or other in shown["classes"] or not suits:
                    broken.append((name, theme, shown))
        watched.set_viewport_size({"width": 390, "height": 844})
        cut += [(name, part) for part in watched.evaluate(CUT)]
    assert (raw, broken, cut) == ([], [], [])


def test_formulas_are_mathml_of_some_size(watched, address):
    watched.goto(f"{address}/theory.html")
    sizes = watched.evaluate("[...document.querySelectorAll('math')].map(one => one.getBoundingClientRect().height)")
    assert len(sizes) > 60
    assert min(sizes) > 5


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_search_finds_a_function(watched, address, scheme):
    watched.goto(f"{address}/index.html" if scheme == "http" else (SITE / "index.html").as_uri())
    watched.locator("input.sidebar-search").fill("lyapunov_spectrum")
    watched.locator("input.sidebar-search").press("Enter")
    watched.wait_for_selector("ul.search li a")
    assert watched.url.startswith(scheme)
    assert "lyapunov" in watched.locator("ul.search li a").first.get_attribute("href")


def test_every_card_of_the_gallery_has_a_picture_that_can_be_read(watched, address):
    watched.goto(f"{address}/gallery.html")
    cards = watched.locator("a.card")
    assert cards.count() > 20
    for theme in ("light", "dark"):
        assert len(watched.evaluate(PICTURES, theme)) == cards.count()
    assert min(shown["natural"] for shown in watched.evaluate(PICTURES, "light")) >= 250


def test_the_sections_of_long_tables_open(watched, address):
    watched.goto(f"{address}/generated/network_ftle/index.html")
    table = watched.locator("details table").first
    assert not table.is_visible()
    watched.locator("details summary").first.click()
    assert table.is_visible()


def drawn(figure):
    figure.savefig(file := io.BytesIO())
    return file.getvalue()


def test_a_formula_that_would_not_be_drawn_is_refused(extensions):
    mathml = importlib.import_module("mathml").mathml
    with pytest.raises(ValueError, match=r"no MathML for .*unheard"):
        mathml(r"\unheard{x}")
    assert "<mi>ln</mi><mspace" in mathml(r"\ln \Lambda")


def test_a_figure_drawn_for_the_dark_theme_is_left_as_it_was(extensions):
    figure = Figure()
    ax, plane = figure.subplots(1, 2)
    ax.plot([1, 2], color="black", label="line")
    ax.legend()
    figure.colorbar(plane.pcolormesh([[0.0, 1.0], [2.0, 3.0]]), ax=plane)
    plane.plot([0, 2], [0, 2], color="black")
    before, picture, after = drawn(figure), importlib.import_module("dark_figures").dark_picture(figure), drawn(figure)
    with Image.open(io.BytesIO(picture)) as dark:
        pixels = np.asarray(dark.convert("L"))
        assert len(json.loads(dark.info["cocycle panels"])) == 2
    left, right = np.array_split(pixels, 2, axis=1)
    assert (left[2, 2] < 30, left.max() > 200, right.min()) == (True, True, 0)  # the line on the plane is still black
    assert before == after


@pytest.mark.skipif("COCYCLE_SCREENSHOTS" not in os.environ, reason="COCYCLE_SCREENSHOTS names no folder")
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["index", "gallery", "theory", "api/lyapunov"])
def test_screenshots(browser, address, name, width, theme):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
    page.goto(f"{address}/{name}.html", wait_until="networkidle")
    folder = Path(os.environ["COCYCLE_SCREENSHOTS"])
    page.screenshot(path=folder / f"site-{name.replace('/', '-')}-{width}-{theme}.png")
    page.close()
