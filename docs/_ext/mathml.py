"""Formulas as MathML, made when the site is built: browsers draw it themselves, without a script or a network."""

import re
from itertools import pairwise
from xml.etree import ElementTree

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
SPACE = "http://www.w3.org/1998/Math/MathML"
LARGE = {r"\langle": "⟨", r"\rangle": "⟩"}  # latex2mathml writes the commands themselves after \big
BELOW = ("lim", "max", "min", "sup", "inf")  # their condition stands below them where there is room
ElementTree.register_namespace("", SPACE)


def mathml(formula: str, *, display: bool = False) -> str:
    r"""The formula as a <math> element.  ValueError for a command that is left as it is written.

    Letters of \mathrm become one word, and names of functions stand apart from what is beside them, as TeX sets both.
    """
    for command, sign in LARGE.items():
        formula = re.sub(rf"(\\[bB]igg?[lr]?)\{command}(?![a-zA-Z])", rf"\1{sign}", formula)
    made = convert(formula, display="block" if display else "inline")
    made = re.sub(r'(?:<mi mathvariant="normal">[a-zA-Z]</mi>){2,}', _word, made)
    tree = ElementTree.fromstring(made)
    left = [text for text in tree.itertext() if re.search(r"[\\&$]", text)]
    if left:
        raise ValueError(f"no MathML for {', '.join(left)} in the formula {formula}")
    for sign in tree.iter(f"{{{SPACE}}}mo"):
        if sign.text in ("|", "/"):
            sign.attrib |= {"lspace": "0", "rspace": "0"}
    for limit in tree.iter(f"{{{SPACE}}}msub") if display else ():
        if limit[0].text in BELOW:
            limit.tag = f"{{{SPACE}}}munder"
    for row in list(tree.iter(f"{{{SPACE}}}mrow")):
        _set_apart(row)
    return ElementTree.tostring(tree, encoding="unicode")


def _word(letters: re.Match) -> str:
    return f"<mi>{''.join(re.findall('>([a-zA-Z])<', letters[0]))}</mi>"


def _set_apart(row: ElementTree.Element) -> None:
    """Thin spaces between a function's name and letters, numbers and fractions; operators have spaces of their own."""
    children = list(row)
    for first, second in reversed(list(pairwise(children))):
        if any(_is_name(one) for one in (first, second)) and not any(_is_operator(one) for one in (first, second)):
            row.insert(list(row).index(second), ElementTree.Element(f"{{{SPACE}}}mspace", width="0.167em"))


def _base(element: ElementTree.Element) -> ElementTree.Element:
    inner = element.tag.rpartition("}")[2] in ("msub", "msup", "msubsup", "munder", "mrow") and len(element)
    return _base(element[0]) if inner else element


def _is_name(element: ElementTree.Element) -> bool:
    base = _base(element)
    return base.tag.endswith("}mi") and len(base.text or "") > 1


def _is_operator(element: ElementTree.Element) -> bool:
    return _base(element).tag.endswith(("}mo", "}mspace"))


def _written(translator, node: nodes.Element, *, display: bool) -> None:
    try:
        made = mathml(node.astext(), display=display)
    except Exception as error:  # whatever the converter raises, the message must name the page
        LOGGER.warning("%s: %s", type(error).__name__, error, location=node)
        made = translator.encode(node.astext())
    made += translator.encode(node.get("after", ""))
    translator.body.append(f'<div class="math">{made}</div>' if display else f'<span class="math">{made}</span>')
    raise nodes.SkipNode


def _keep_signs(app, doctree: nodes.document) -> None:
    """A comma or a bracket behind a formula belongs to it: no line may begin with it."""
    for formula in doctree.findall(nodes.math):
        place = formula.parent.index(formula) + 1
        after = formula.parent[place] if place < len(formula.parent) else None
        if isinstance(after, nodes.Text) and (signs := re.match(r"[.,;:)]+", after)):
            formula["after"] = signs[0]
            formula.parent.replace(after, nodes.Text(after[signs.end() :]))


def setup(app) -> dict[str, bool]:
    app.add_html_math_renderer(
        "mathml",
        (lambda translator, node: _written(translator, node, display=False), None),
        (lambda translator, node: _written(translator, node, display=True), None),
    )
    app.connect("doctree-read", _keep_signs)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
