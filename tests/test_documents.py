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


DOCUMENTS = [path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")) if script(path)]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_blocks_of_python_run(path, tmp_path):
    (tmp_path / "script.py").write_text(script(path))
    environment = os.environ | {"MPLBACKEND": "Agg"}
    command = [sys.executable, "-W", "error", "script.py"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


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
