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


def test_there_are_such_blocks():
    assert {"README.md", "CONTRIBUTING.md"} <= {path.name for path in DOCUMENTS}
