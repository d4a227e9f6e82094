"""Python in a document that shows no output runs too, block after block as one script; doctests are pytest's own.

Axes of ten values have three here: the code is what is tested.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def script(path):
    blocks = re.findall(r"```python\n(.*?)```", path.read_text(), flags=re.DOTALL)
    code = "\n".join(block for block in blocks if ">>>" not in block)
    return re.sub(r"(np\.(?:lin|geom)space\([^()]*, )10\)", r"\g<1>3)", code)


DOCUMENTS = [
    path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/api/*.md")) if script(path)
]


def run(code, folder, *modules):
    """What the code prints, in a process of its own where `modules` are not installed."""
    hidden = "".join(f"import sys; sys.modules[{name!r}] = None\n" for name in modules)
    (folder / "script.py").write_text(hidden + code)
    environment = os.environ | {"MPLBACKEND": "Agg"}
    command = [sys.executable, "-W", "error", "script.py"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_blocks_of_python_run(path, tmp_path):
    run(script(path), tmp_path)


def test_the_first_lines_of_the_readme_print_what_it_quotes_without_torch(tmp_path):
    """Within five standard errors of the exponents: at most 0.06 of those near zero, and 0.2 % of the large ones."""
    readme = (ROOT / "README.md").read_text()
    code, quoted = re.search(r"```python\n(.*?)```.*?```\n(.*?)```", readme, flags=re.DOTALL).groups()
    printed = run(code, tmp_path, "torch", "sklearn", "pandas", "xarray")
    numbers, expected = ([float(number) for number in re.findall(r"-?\d+\.\d*", text)] for text in (printed, quoted))
    assert re.findall("[a-z]+", printed) == re.findall("[a-z]+", quoted) == ["system", "driven", "closed"]
    assert numbers == pytest.approx(expected, rel=0.01, abs=0.3)


def test_messages_that_the_guide_quotes_are_those_of_the_code():
    source = "".join(path.read_text() for path in ROOT.glob("src/**/*.py"))
    source = re.sub(r'"\s+f?"', "", source)  # a message that is written over several lines
    table = (ROOT / "docs/howto.md").read_text().partition("## When something fails")[2]
    quoted = re.findall(r'^\|[^|]*"([^"|]+)"', table, flags=re.MULTILINE)
    parts = [part.strip() for message in quoted for part in message.split("...")]
    assert len(quoted) > 8
    assert [part for part in parts if part not in source] == []


def test_there_are_such_blocks():
    assert {"README.md", "CONTRIBUTING.md"} <= {path.name for path in DOCUMENTS}
