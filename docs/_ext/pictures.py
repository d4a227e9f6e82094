"""Pictures of the pages in both themes, and two directives that show pictures of the examples elsewhere.

A figure of an example is drawn twice (dark_figures.py); any other picture stands on white in the dark theme.

`picture` shows the first figure of an example as it was drawn in this build, or the file that is its second argument
where examples are not run; its content is the caption.  `gallery` shows a card for each of its lines: `example
figure.panel caption`, with this panel alone (0: the whole figure), or `study/file.png left,top,right,bottom caption`,
with this box of the file, in parts of its size.
"""

import html
import json
import posixpath
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from dark_figures import KEY
from docutils import nodes
from docutils.parsers.rst import Directive
from PIL import Image
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
WHOLE = (0, 0, 1, 1)
WIDEST = 760  # pixels of a thumbnail: twice the width of a card
MARGIN = 5  # pixels around a panel
EXAMPLES, STUDIES = "generated/examples", "generated"


class Shown(nodes.General, nodes.Element):
    """Cards of a gallery or one picture, as html when the page is written."""


class Gallery(Directive):
    has_content = True

    def run(self) -> list[nodes.Node]:
        return [Shown(cards=[line.split(maxsplit=2) for line in self.content if line.strip()])]


class Picture(Directive):
    has_content, required_arguments = True, 2

    def run(self) -> list[nodes.Node]:
        caption = nodes.caption()
        self.state.nested_parse(self.content, self.content_offset, caption)
        example, file = self.arguments
        return [
            Shown(
                "", nodes.container("", *caption.children, classes=["caption"]), nodes.image(uri=file), example=example
            )
        ]


def _panels(path: Path) -> list[list[float]] | None:
    """The boxes of the panels of a dark picture; None for any other."""
    with Image.open(path) as picture:
        return json.loads(picture.info[KEY]) if KEY in picture.info else None


def _themes(app, doctree: nodes.document) -> None:
    """Each picture gets the class of its theme, or that of a white card."""
    twin = False
    for image in doctree.findall(nodes.image):
        path = Path(app.srcdir, image["uri"].lstrip("/"))
        if path.suffix == ".png" and path.exists() and _panels(path) is not None:
            image["classes"].append("only-dark")
            twin = True
        else:
            image["classes"].append("only-light" if twin else "on-white")
            twin = False
        image["alt"] = image.get("alt") or "figure of the code above"


def drawn(app, example: str) -> list[tuple[Path, Path]]:
    """The light and the dark file of each figure of an example, in the order of the page; none if it was not run."""
    found: dict[str, list[Path]] = {"only-light": [], "only-dark": []}
    for image in app.env.get_doctree(f"{EXAMPLES}/{example}").findall(nodes.image):
        for theme in set(image["classes"]) & set(found):
            found[theme].append(Path(app.srcdir, image["uri"].lstrip("/")))
    return list(zip(*found.values(), strict=True))


def _thumbnails(app, card: list[str]) -> tuple[str, list[tuple[str, Path]]]:
    """The page of a card, and for each theme (or '' for both) its thumbnail, made now."""
    name, part, _ = card
    if name.endswith(".png"):
        study = name.partition("/")[0]
        box = [float(side) for side in part.split(",")]
        return f"{STUDIES}/{study}/index", [("on-white", _cut(app, Path(app.srcdir, STUDIES, name), box, name))]
    figures = drawn(app, name)
    number, panel = (int(digit) for digit in part.split("."))
    if not figures:
        return f"{EXAMPLES}/{name}", []
    light, dark = figures[number - 1]
    box = (_panels(dark) or [])[panel - 1] if panel else WHOLE
    target = f"{name}-{part}"
    return f"{EXAMPLES}/{name}", [
        ("only-light", _cut(app, light, box, f"{target}-light.png")),
        ("only-dark", _cut(app, dark, box, f"{target}-dark.png")),
    ]


def _cut(app, source: Path, box: Sequence[float], name: str) -> Path:
    target = Path(app.outdir, "_static", "thumbnails", name.replace("/", "-"))
    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(source) as picture:
        cut = picture.convert("RGB")
        if box is not WHOLE:
            sizes = 2 * picture.size
            margins = (-MARGIN, -MARGIN, MARGIN, MARGIN)
            sides = (side * size + margin for side, size, margin in zip(box, sizes, margins, strict=True))
            cut = cut.crop([min(max(side, 0), size) for side, size in zip(sides, sizes, strict=True)])
            cut.thumbnail((WIDEST, WIDEST), Image.Resampling.LANCZOS)
        cut.save(target)
    return target


def _image(app, docname: str, classes: str, path: Path, alt: str) -> str:
    """A file of the built site, with its size, so that nothing moves while it loads."""
    here = posixpath.dirname(app.builder.get_target_uri(docname))
    address = quote(posixpath.relpath(path.relative_to(app.outdir).as_posix(), here or "."))
    with Image.open(path) as picture:
        width, height = picture.size
    return f'<img class="{classes}" src="{address}" alt="{html.escape(alt)}" width="{width}" height="{height}">'


def _card(app, docname: str, card: list[str]) -> str:
    page, thumbnails = _thumbnails(app, card)
    made = "".join(_image(app, docname, classes, path, card[2]) for classes, path in thumbnails)
    link = app.builder.get_relative_uri(docname, page)
    return f'<a class="card" href="{link}">{made}<span>{html.escape(card[2])}</span></a>'


def _whole(app, docname: str, node: Shown) -> nodes.container:
    """The figure of an example in both themes, with its caption."""
    caption, file = node.children
    figures = drawn(app, node["example"])
    alt = node.astext().partition(".")[0]
    themes = zip(("only-light", "only-dark"), figures[0], strict=True) if figures else ()
    made = "".join(
        _image(app, docname, classes, _cut(app, path, WHOLE, f"{node['example']}-{classes}.png"), alt)
        for classes, path in themes
    )
    return nodes.container("", nodes.raw("", made, format="html") if made else file, caption, classes=["picture"])


def _resolved(app, doctree: nodes.document, docname: str) -> None:
    for node in list(doctree.findall(Shown)):
        if app.builder.format != "html":
            node.parent.remove(node)
        elif "cards" in node:
            cards = "".join(_card(app, docname, card) for card in node["cards"])
            node.replace_self(nodes.raw("", f'<div class="gallery">{cards}</div>', format="html"))
        else:
            node.replace_self(_whole(app, docname, node))


def setup(app) -> dict[str, bool]:
    app.add_node(Shown)
    app.add_directive("gallery", Gallery)
    app.add_directive("picture", Picture)
    app.connect("doctree-read", _themes)
    app.connect("doctree-resolved", _resolved)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
