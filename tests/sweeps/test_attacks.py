"""The attacks of benchmarks/attacks.py at a small scale: no count that must be 0 is anything else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_attacks():
    """In a process of its own, which is forked: pytest has threads."""
    command = [sys.executable, str(ROOT / "benchmarks" / "attacks.py"), "--scale", "0.02"]
    paths = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for attack in ("killed: run, MPI", "flipped bits: whole file", "two writers: hard link", "crafted: seals"):
        assert f"| {attack} |" in done.stdout
