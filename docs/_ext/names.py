"""The interface: the directive `names`, a table of what a page documents, and shapes in signatures."""

import re

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx import addnodes
from sphinx.pycode import ModuleAnalyzer

SHAPES = ("State", "Frame", "Factor", "Trajectory", "Exponents", "Weight")
KINDS = ("class", "function", "exception", "data", "attribute")


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
        cells = (link, nodes.inline(text=_summary(entry)))
        body += nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells))
    columns = (nodes.colspec(colwidth=width) for width in (25, 75))
    return nodes.table("", nodes.tgroup("", *columns, body, cols=2), classes=["names"])


def _shapes() -> dict[str, str]:
    """The shape that each name of `cocycle.arrays` stands for, from its docstring there."""
    documented = ModuleAnalyzer.for_module("cocycle.arrays").find_attr_docs()
    found = {name: re.search(r"\([^()]*, [nk]\)", " ".join(documented["", name])) for name in SHAPES}
    return {place + name: shape[0] for name, shape in found.items() if shape for place in ("", "cocycle.arrays.")}


def _fill(app, doctree: nodes.document) -> None:
    """The tables, and in signatures behind the name of a shape the shape."""
    shapes = _shapes()
    for signature in doctree.findall(addnodes.desc_signature):
        for name in list(signature.findall(addnodes.pending_xref)):
            if name.get("reftarget") in shapes:
                shape = nodes.inline(text=f" {shapes[name['reftarget']]}", classes=["shape"])
                name.parent.insert(name.parent.index(name) + 1, shape)
    for place in list(doctree.findall(NamesTable)):
        place.replace_self(_table(_described(doctree)))


def setup(app) -> dict[str, bool]:
    app.add_node(NamesTable)
    app.add_directive("names", Names)
    app.connect("doctree-read", _fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
