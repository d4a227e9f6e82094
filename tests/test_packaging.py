"""What is built is whole: the wheel holds everything that tests of the core need, the source archive the project."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel, made from the source archive, as `python -m build` does; needs the network for setuptools."""
    pytest.importorskip("build", reason="the extra dev brings it")
    folder = tmp_path_factory.mktemp("dist")
    clone = tmp_path_factory.mktemp("source") / "cocycle"
    subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
    subprocess.run([sys.executable, "-m", "build", "-o", folder, clone], check=True, capture_output=True)
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


@pytest.mark.slow
def test_the_source_archive_holds_the_sources_and_no_more(built):
    with tarfile.open(built[1]) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert {"pyproject.toml", "README.md", "LICENSE", "src/cocycle/py.typed"} <= set(names)
    assert not [name for name in names if name.endswith((".h5", ".pyc"))]


@pytest.mark.slow
def test_the_core_passes_from_the_wheel_alone(built, tmp_path):
    """No checkout: the unpacked wheel, the tests beside it.  `python -m pytest` in such a folder runs all of them."""
    with zipfile.ZipFile(built[0]) as wheel:
        wheel.extractall(tmp_path / "installed")
        assert {"cocycle/py.typed", "cocycle/plotting/cocycle.mplstyle"} <= set(wheel.namelist())
    for name in ("tests", "benchmarks", "pyproject.toml", "conftest.py"):  # tests take definitions from benchmarks
        os.symlink(ROOT / name, tmp_path / name)
    chosen = [
        "tests/test_contract.py",
        "tests/lyapunov",
        "tests/networks",
        "tests/plotting",
        "tests/sweeps/test_archive.py",
    ]
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "installed")}
    look = "import cocycle; print(cocycle.__file__)"
    found = subprocess.run([sys.executable, "-c", look], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert found.stdout.startswith(str(tmp_path))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
