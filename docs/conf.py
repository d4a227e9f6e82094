"""The documentation site.  Nothing is fetched: `sphinx-build -W docs docs/_build/html` needs no network.

The examples are percent scripts: here they are read as notebooks and run, so that the pages show what they print and
draw today, and an example that fails, fails the build.
"""

import os
import re
import shutil
from pathlib import Path

from sphinx.util.inspect import TypeAliasForwardRef

HERE = Path(__file__).parent
ROOT = HERE.parent

project = "cocycle"
author = "The cocycle authors"
project_copyright = author
os.environ |= {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}  # in the kernels
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.viewcode"]
html_theme = "furo"
html_title = "cocycle"
exclude_patterns = ["_build", "conf.py"]

myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_output_stderr = "remove"  # progress bars
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
shapes = ("Array", "State", "Frame", "Factor", "Trajectory", "Exponents", "Weight")
autodoc_type_aliases = {name: f"cocycle.arrays.{name}" for name in shapes}  # shown by these names, not as Any
python_use_unqualified_type_names = True
TypeAliasForwardRef.__repr__ = lambda alias: alias.name.rpartition(".")[2]  # within other types, such as a tuple
autodoc_mock_imports: list[str] = []
default_role = "py:obj"

# What is written elsewhere in the repository and shown here too: copied, because a site is one folder.
GENERATED = HERE / "generated"


def _copied() -> None:
    shutil.rmtree(GENERATED, ignore_errors=True)
    (GENERATED / "examples").mkdir(parents=True)
    for script in sorted((ROOT / "examples").glob("*.py")):
        shutil.copy2(script, GENERATED / "examples")
    for study in ("reservoir_constraints", "network_ftle", "gradient_flossing", "early_stretching"):
        (GENERATED / study).mkdir()
        for picture in (ROOT / "experiments" / study).glob("*.png"):
            shutil.copy2(picture, GENERATED / study)
        _page(ROOT / "experiments" / study / "README.md", GENERATED / study / "index.md")
    for name in ("CONTRIBUTING", "SECURITY", "CHANGELOG"):
        _page(ROOT / f"{name}.md", GENERATED / f"{name.lower()}.md")


def _page(source: Path, target: Path) -> None:
    target.write_text(_linked(source.read_text(), source.parent, target.parent))


def _linked(text: str, source: Path, target: Path) -> str:
    """Links to files that are no pages of the site become plain words, those to the studies lead to their pages."""

    def link(found: re.Match) -> str:
        words, address = found.groups()
        study = re.search(r"experiments/(\w+)", address)
        if study:
            return f"[{words}](/generated/{study[1]}/index.md)"
        if address.startswith("generated/"):
            return found.group()
        kept = address.startswith(("http", "#", "/")) or (target / address.partition("#")[0]).exists()
        inside = HERE in (source / address).resolve().parents
        return found.group() if kept and (inside or target != HERE) else words

    return re.sub(r"(?<!!)\[([^\]]*)\]\(([^)\s]*)\)", link, text)


_copied()


def _plain_text(app, what, name, obj, options, lines: list[str]) -> None:
    """Docstrings are plain text: what reStructuredText would take for markup outside of backquotes is escaped."""
    for i, line in enumerate(lines):
        parts = line.split("`")
        parts[::2] = [re.sub(r"([*|]|_\b)", r"\\\1", part) for part in parts[::2]]
        lines[i] = "`".join(parts)


def _read(app, page: str, source: list[str]) -> None:
    if not page.startswith("generated/"):
        source[0] = _linked(source[0], HERE, HERE)


def setup(app):
    app.connect("source-read", _read)
    app.connect("autodoc-process-docstring", _plain_text)
