"""A headless Chromium of the system, and a page in it that keeps its errors and what it asked for from elsewhere."""

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
FLAGS += " --disable-component-update --disable-sync"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "/usr/bin/chromium"
PLACE = """([number, x, y]) => {
    const models = [...Bokeh.documents[0]._all_models.values()]
    const figures = models.filter(model => model.type == "Figure")
    const drawn = figures.map(model => Bokeh.index.find_one(model)).filter(Boolean)
    const view = drawn.sort((a, b) => {
        const [p, q] = [a, b].map(v => v.el.getBoundingClientRect())
        return Math.round((p.top - q.top) / 50) || p.left - q.left
    })[number]
    view.el.scrollIntoView({block: "center"})
    const [u, v] = [view.frame.x_range, view.frame.y_range].map(({start, end}, i) => {
        const margin = (end - start) / 50
        return Math.min(Math.max(i ? y : x, start + margin), end - margin)
    })
    const {left, top} = view.canvas_view.el.getBoundingClientRect()
    return [left + view.frame.x_scale.compute(u), top + view.frame.y_scale.compute(v)]
}"""


def missing():
    """Why there is no browser, empty if there is one."""
    try:
        import playwright  # noqa: F401
    except ImportError:
        return "playwright is not installed: the extra test brings it"
    return "" if Path(CHROMIUM).exists() else "there is no Chromium: apt-get install chromium"


@contextmanager
def launched():
    """The browser of the system, without a window."""
    from playwright.sync_api import sync_playwright  # here, because it need not be installed: see `missing`

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        yield opened
        opened.close()


@dataclass
class Watched:
    """A page of playwright, with what went wrong on it."""

    page: object
    wrong: list = field(default_factory=list)
    elsewhere: list = field(default_factory=list)

    @classmethod
    def opened(cls, browser, address, width, *, frame=False):
        """A page at an address; with `frame` one that holds the page of an archive, from a server, in a frame."""
        made = cls(browser.new_page(viewport={"width": width, "height": 900}))
        made.page.on("pageerror", lambda error: made.wrong.append(str(error)))
        made.page.on(
            "console", lambda said: made.wrong.append(said.text) if said.type in ("error", "warning") else None
        )
        made.page.on("request", lambda request: made.asked(request.url, address))
        made.page.set_default_timeout(30_000)  # a busy machine is slow; what is asked for comes, or the test fails
        made.page.goto(address)
        if frame:
            made.page.frame_locator("iframe").locator(".bk-Figure").first.wait_for()
            made.elsewhere.clear()
            return made
        made.page.wait_for_selector(".bk-Figure")
        made.page.wait_for_function("Bokeh.documents.length && Bokeh.documents[0].is_idle")
        return made

    def asked(self, url, address):
        own, asked = urlsplit(address), urlsplit(url)
        if asked.scheme not in ("data", "blob") and (asked.scheme.replace("ws", "http"), asked.netloc) != own[:2]:
            self.elsewhere.append(url)

    def place(self, number, x, y):
        """Where on the screen the place (x, y) of a figure is, or the nearest in it, once it stays there.

        It is scrolled into view.
        """
        found, before = self.page.evaluate(PLACE, [number, x, y]), None
        while found != before:  # axes that were exchanged are laid out anew
            self.page.wait_for_timeout(200)
            found, before = self.page.evaluate(PLACE, [number, x, y]), found
        return found

    def click(self, number, x, y):
        self.page.mouse.click(*self.place(number, x, y))

    def box(self, number, x0, y0, x1, y1):
        """Drag a box in a figure with its tool for boxes."""
        start, end = self.place(number, x0, y0), self.place(number, x1, y1)
        assert start == self.place(number, x0, y0)
        self.page.mouse.move(*start)
        self.page.mouse.down()
        for part in (0.3, 0.7, 1.0):
            self.page.mouse.move(*(a + (b - a) * part for a, b in zip(start, end, strict=True)))
        self.page.mouse.up()

    def fits(self):
        """Whether nothing is wider than the window."""
        return self.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")

    def text(self):
        """All the text that can be seen."""
        return "\n".join(self.page.locator(".bk-clearfix").all_inner_texts())
