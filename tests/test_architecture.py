"""Who may import whom: the layers of design, held by reading the source."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import cocycle

SOURCE = Path(cocycle.__file__).parent
EVERYTHING = {
    *("study", "summary", "network_study", "experiments", "validate", "diagnosis", "doctor"),
    *("cli", "commands", "__init__", "__main__"),
}
ALLOWED = {
    "arrays": set(),
    "progress": set(),
    "tables": set(),
    "threads": {"arrays"},
    "operators": {"arrays"},
    "maps": {"arrays", "operators", "progress"},
    "driven": {"arrays", "maps"},
    "adjoint": {"arrays", "maps"},
    "flows": {"maps"},
    "saturation": {"arrays"},
    "slopes": {"saturation"},
    "refinement": {"maps"},
    "purity": set(),
    "straightline": {"arrays", "maps", "purity"},
    "autodiff": {"arrays", "maps", "slopes"},
    "testing": {"arrays", "maps"},
    "networks": {"arrays", "operators", "maps", "driven", "saturation", "slopes", "autodiff", "progress", "plotting"},
    "systems": {"arrays", "operators", "maps", "flows", "purity", "straightline", "refinement", "progress"},
    "lyapunov": {
        "arrays",
        "operators",
        "maps",
        "driven",
        "refinement",
        "adjoint",
        "threads",
        "progress",
        "tables",
        "plotting",
    },
    "reservoir": {"arrays", "operators", "maps", "driven", "networks", "threads", "progress", "plotting"},
    "sweeps": {"arrays", "progress", "tables", "plotting"},
    "plotting": {"arrays", "lyapunov"},
}
OWNERS = {
    "torch": {"autodiff", "slopes", "networks", "network_study", "doctor"},
    "h5py": {"sweeps", "reservoir"},
    "matplotlib": {"plotting", "sweeps", "lyapunov", "reservoir", "networks", "diagnosis", "experiments"},
}


def part(path):
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (
                [f"cocycle.{alias.name}" for alias in node.names] if node.module == "cocycle" else [node.module]
            )


FILES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_down_only(path):
    for name in imported(path):
        top, _, rest = name.partition(".")
        if top == "cocycle" and part(path) not in EVERYTHING:
            inner = rest.split(".")[0]
            assert inner == part(path) or inner in ALLOWED[part(path)], f"{part(path)} imports {name}"
        if top in OWNERS:
            assert part(path) in OWNERS[top], f"{part(path)} imports {top}"


def test_one_qr_loop():
    owners = {str(path.relative_to(SOURCE)) for path in FILES if "linalg.qr(" in path.read_text()}
    assert owners == {"lyapunov/qr.py", "reservoir/weights.py"}  # the second draws a random orthogonal matrix


def test_import_loads_nothing_slow():
    slow = {"torch", "matplotlib", "scipy.stats"}
    code = f"import sys, cocycle, cocycle.systems, cocycle.study; print({slow} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_every_name_of_the_face_is_there():
    for name in cocycle.__all__:
        assert getattr(cocycle, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        cocycle.nothing  # noqa: B018


def test_without_torch_the_error_says_how_to_get_it(tmp_path):
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('no', name='torch')")
    for line in ("from cocycle import feedforward", "from cocycle.networks import fit", "from cocycle import Autodiff"):
        code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {line}"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert found.returncode == 1
        assert 'pip install -e ".[torch]"' in found.stderr
