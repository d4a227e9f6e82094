"""The documentation site.  Nothing is fetched: `sphinx-build -W docs docs/_build/html` needs no network.

The examples are percent scripts: here they are read as notebooks and run, so that the pages show what they print and
draw today, and an example that fails, fails the build.
"""

import os
import re
import shutil
import sys
from pathlib import Path

from sphinx.util.inspect import TypeAliasForwardRef
from sphinx.util.parallel import make_chunks

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE / "_ext"))

project = "cocycle"
author = "The cocycle authors"
project_copyright = author
os.environ |= {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}  # in the kernels
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "kernels", "mathml", "names", "pictures"]
html_math_renderer = "mathml"
html_theme = "furo"
html_title = "cocycle"
highlight_language = "none"  # of blocks that name none: what a command prints
html_static_path = ["_static"]
html_favicon = "_static/icon.svg"
html_css_files = ["site.css"]
html_js_files = [("site.js", {"priority": 100})]  # before Sphinx's search
html_copy_source = False
exclude_patterns = ["_build", "_ext", "conf.py", "generated/ipython", "generated/readme"]

myst_enable_extensions = ["dollarmath", "amsmath", "deflist"]
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

# Every figure of the examples is drawn in both themes: the kernels' own profile has one line that asks for it.
GENERATED = HERE / "generated"
os.environ["IPYTHONDIR"] = str(GENERATED / "ipython")
PARTS = {"Two commands": "commands.md", "In a few lines": "few_lines.md", "Which PyTorch": "pytorch.md"}
START = "__import__('runpy').run_path({path!r})['register'](get_ipython())"


def _copied() -> None:
    """What is written elsewhere in the repository and shown here too, because a site is one folder."""
    shutil.rmtree(GENERATED, ignore_errors=True)
    (GENERATED / "examples").mkdir(parents=True)
    startup = GENERATED / "ipython/profile_default/startup"
    startup.mkdir(parents=True)
    (startup / "dark_figures.py").write_text(START.format(path=str(HERE / "_ext/dark_figures.py")))
    for script in sorted((ROOT / "examples").glob("*.py")):
        shutil.copy2(script, GENERATED / "examples")
    for study in ("reservoir_constraints", "network_ftle", "gradient_flossing", "early_stretching"):
        (GENERATED / study).mkdir()
        for picture in (ROOT / "experiments" / study).glob("*.png"):
            shutil.copy2(picture, GENERATED / study)
        _page(ROOT / "experiments" / study / "README.md", GENERATED / study / "index.md")
    for name in ("CONTRIBUTING", "SECURITY", "CHANGELOG"):
        _page(ROOT / f"{name}.md", GENERATED / f"{name.lower()}.md")
    (GENERATED / "readme").mkdir()
    for title, part in PARTS.items():
        _part(title, GENERATED / "readme" / part)


def _page(source: Path, target: Path) -> None:
    target.write_text(_linked(source.read_text(), source.parent, target.parent))


def _part(title: str, target: Path) -> None:
    """A section of the README, which the front page includes: commands and code are written once."""
    sections = re.split(r"^(?=## )", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    (section,) = (section for section in sections if section.startswith(f"## {title}\n"))
    target.write_text(_linked(re.sub(r"\]\(docs/", "](", section), HERE, HERE))


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
        folder = (HERE / page).parent
        source[0] = _linked(source[0], folder, folder)


def _dealt(app, env, docnames: list[str]) -> None:
    """The examples, which run, are dealt out to the processes: each process reads a row of pages of one length."""
    examples = [page for page in docnames if page.startswith("generated/examples/")]
    others = [page for page in docnames if page not in examples]
    length = len(make_chunks(docnames, app.parallel)[0]) if docnames else 0
    docnames.clear()
    for process in range(app.parallel):
        share = examples[process :: app.parallel]
        docnames += share + [others.pop() for _ in range(min(length - len(share), len(others)))]
    docnames += others


def setup(app):
    app.connect("env-before-read-docs", _dealt)
    app.connect("source-read", _read)
    app.connect("autodoc-process-docstring", _plain_text)
