"""The directive `names`: a table of what a page of the interface documents, and the shapes that its signatures name."""

import re

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx import addnodes
from sphinx.pycode import ModuleAnalyzer

SHAPES = ("State", "Frame", "Factor", "Trajectory", "Exponents", "Weight")
KINDS = {"class": "class", "function": "function", "exception": "error", "data": "value", "attribute": "value"}


class NamesTable(nodes.General, nodes.Element):
    """Where the table stands, until the whole page is read."""


class Names(Directive):
    def run(self) -> list[nodes.Node]:
        return [NamesTable()]


def _described(doctree: nodes.document) -> list[tuple[addnodes.desc, addnodes.desc_signature]]:
    """Names of modules, not of their classes; a name that is documented twice, once."""
    found: dict[str, tuple[addnodes.desc, addnodes.desc_signature]] = {}
    for entry in doctree.findall(addnodes.desc):
        if (
            entry.get("domain") == "py"
            and entry["objtype"] in KINDS
            and not isinstance(entry.parent, addnodes.desc_content)
        ):
            signature = entry[0]
            found.setdefault(signature["fullname"], (entry, signature))
    return list(found.values())


def _summary(entry: addnodes.desc) -> str:
    paragraph = next(iter(entry.findall(nodes.paragraph)), None)
    text = " ".join(paragraph.astext().split()) if paragraph is not None else ""
    return re.split(r"(?<=[a-z)\]²])[.:] +(?=[A-Z])", text, maxsplit=1)[0].rstrip(".,:;")


def _table(entries: list[tuple[addnodes.desc, addnodes.desc_signature]]) -> nodes.table:
    body = nodes.tbody()
    for entry, signature in sorted(entries, key=lambda pair: pair[1]["fullname"].lower()):
        name = signature["fullname"]
        link = nodes.reference("", "", nodes.literal(text=name), internal=True, refid=signature["ids"][0])
        cells = (link, nodes.inline(text=KINDS[entry["objtype"]]), nodes.inline(text=_summary(entry)))
        body += nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells))
    columns = (nodes.colspec(colwidth=width) for width in (25, 10, 65))
    return nodes.table("", nodes.tgroup("", *columns, body, cols=3), classes=["names"])


def _shapes(entries: list[tuple[addnodes.desc, addnodes.desc_signature]]) -> nodes.paragraph | None:
    """What the shapes mean that the signatures of the page name, from the docstrings of `cocycle.arrays`."""
    words = {
        word
        for entry, _ in entries
        for signature in entry.findall(addnodes.desc_signature)
        for word in re.findall(r"\w+", signature.astext())
    }
    documented = ModuleAnalyzer.for_module("cocycle.arrays").find_attr_docs()
    used = [name for name in SHAPES if name in words]
    if not used:
        return None
    line = nodes.paragraph("", "Shapes in signatures: ", classes=["shapes"])
    for i, name in enumerate(used):
        (shape,) = re.findall(r"\(([^()]*, [nk])\)|$", " ".join(documented["", name]))[:1]
        line += [nodes.Text("; " if i else ""), nodes.literal(text=name), nodes.Text(f" ({shape})")]
    return line


def _fill(app, doctree: nodes.document) -> None:
    for place in list(doctree.findall(NamesTable)):
        entries = _described(doctree)
        shapes = _shapes(entries)
        place.replace_self([_table(entries), *([shapes] if shapes else [])])


def setup(app) -> dict[str, bool]:
    app.add_node(NamesTable)
    app.add_directive("names", Names)
    app.connect("doctree-read", _fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
