"""Who may import whom: the layers of design, held by reading the source."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import cocycle

SOURCE = Path(cocycle.__file__).parent
CORE = {"arrays", "operators", "progress", "results", "threads", "maps", "driven", "trajectories"}
ALLOWED = {
    "arrays": set(),
    "labels": set(),
    "progress": set(),
    "results": {"plotting"},  # one line, when a plot is asked for
    "threads": {"arrays"},
    "files": set(),
    "operators": {"arrays"},
    "maps": {"arrays", "operators"},
    "trajectories": {"arrays", "maps", "progress"},
    "driven": {"arrays", "maps"},
    "adjoint_maps": {"arrays", "maps"},
    "integrators": {"arrays", "formulas"},
    "flows": {"arrays", "maps", "formulas", "integrators", "step_choice"},
    "step_choice": {"arrays", "maps", "refinement", "trajectories"},
    "events": {"maps", "flows", "formulas", "integrators"},
    "invariant_subspaces": {"arrays", "maps", "operators"},
    "stochastic": {"arrays", "maps", "formulas"},
    "return_map": {"maps", "events", "formulas"},
    "forced": {"arrays", "maps", "flows", "formulas", "integrators"},
    "saturation": {"arrays"},
    "normalisations": set(),
    "slopes": {"saturation", "normalisations"},
    "refinement": {"arrays", "maps"},
    "purity": set(),
    "formulas": {"arrays", "files", "maps", "purity"},
    "compiled": {"arrays", "maps", "purity", "formulas"},
    "orbits": {*CORE, "flows", "formulas", "compiled", "lyapunov"},
    "autodiff": {"arrays", "maps", "slopes"},
    "testing": {"arrays", "maps"},
    "networks": {*CORE, "saturation", "slopes", "normalisations", "autodiff"},
    "networks/losses": {*CORE, "networks", "lyapunov"},
    "systems": {*CORE, "flows", "integrators", "formulas", "purity", "compiled", "refinement"},
    "systems/references_of_maps": {*CORE, "events", "flows", "forced", "formulas", "integrators", "return_map"}
    | {"invariant_subspaces"},
    "systems/validation": {*CORE, "flows", "compiled", "lyapunov"},
    "lyapunov": {*CORE, "refinement", "adjoint_maps"},
    "reservoir": {*CORE, "files", "networks"},
    "reservoir/__init__": {"lyapunov"},
    "reservoir/diagnosis": {*CORE, "networks", "lyapunov"},
    "reservoir/exponents": {*CORE, "lyapunov"},
    "interop": {"arrays", "networks", "reservoir"},
    "reservoir/search": {*CORE, "sweeps"},
    "sweeps": {"arrays", "files", "progress", "results"},
    "sweeps/views": {"arrays", "files", "labels", "progress", "results", "explorer"},  # when a page is asked for
    "studies": {*CORE, "flows", "integrators", "lyapunov", "networks", "reservoir", "sweeps", "systems"},
    "plotting": {"arrays", "labels", "results", "lyapunov", "orbits", "networks", "reservoir", "sweeps"},
    "explorer": {"arrays", "progress", "results", "sweeps"},
    "cli": {
        *CORE,
        "compiled",
        "explorer",
        "lyapunov",
        "networks",
        "plotting",
        "reservoir",
        "studies",
        "sweeps",
        "systems",
    },
    "cli/parser": {"__version__", "studies", "sweeps", "systems"},
    "__init__": set(),
    "__main__": {"cli"},
}
OWNERS = {
    "torch": {"autodiff", "slopes", "normalisations", "networks", "studies/network_ftle", "cli/doctor"},
    "bokeh": {"explorer"},
    "h5py": {"sweeps", "reservoir"},
    "matplotlib": {"plotting", "results", "studies/commands"},
}


def parts(path):
    """The file itself, where it has rules of its own, and the folder or file of the root that it belongs to."""
    inner = path.relative_to(SOURCE).with_suffix("")
    return "/".join(inner.parts[:2]), inner.parts[0]


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
    own, folder = parts(path)
    allowed = ALLOWED.get(own, ALLOWED.get(folder, set())) | {folder}
    for name in imported(path):
        top, _, rest = name.partition(".")
        if top == "cocycle":
            assert rest.split(".")[0] in allowed, f"{own} imports {name}"
        if top in OWNERS:
            assert {own, folder} & OWNERS[top], f"{own} imports {top}"


def test_every_folder_and_file_has_a_place_in_the_layers():
    assert {parts(path)[1] for path in FILES} == {name for name in ALLOWED if "/" not in name}


def loops_with_a_tangent(path):
    """The functions that call `.tangent(` in a loop."""
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.FunctionDef):
            for loop in ast.walk(function):
                if isinstance(loop, ast.For | ast.While | ast.comprehension):
                    calls = (n.func for n in ast.walk(loop) if isinstance(n, ast.Call))
                    if any(isinstance(f, ast.Attribute) and f.attr == "tangent" for f in calls):
                        yield function.name


def test_one_loop_pushes_tangent_vectors():
    """The QR loop, the maps that are several maps in one step, and two checks of single tangents."""
    found = {(str(path.relative_to(SOURCE)), name) for path in FILES for name in loops_with_a_tangent(path)}
    assert found == {
        ("lyapunov/qr.py", "_pushed"),
        ("maps.py", "tangent"),
        ("reservoir/layered.py", "tangent"),
        ("networks/modules.py", "require_true_derivative"),
        ("testing.py", "_check_batch"),
    }


def test_one_qr_loop():
    owners = {str(path.relative_to(SOURCE)) for path in FILES if "linalg.qr(" in path.read_text()}
    assert owners == {"lyapunov/qr.py", "reservoir/weights.py"}  # the second draws a random orthogonal matrix


def test_import_loads_nothing_slow():
    slow = {"torch", "matplotlib", "scipy.sparse", "scipy.linalg", "scipy.special", "scipy.stats"}
    code = f"import sys; from cocycle.studies import reservoir_constraints; print({slow} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_every_name_of_the_face_is_there():
    for name in dir(cocycle):
        assert getattr(cocycle, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        cocycle.nothing  # noqa: B018


def test_the_face_itself_loads_nothing():
    code = "import sys, cocycle; print({'numpy', 'scipy', 'h5py', 'tqdm'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_no_module_hides_a_name_of_the_face():
    """`cocycle.adjoint` would be the module once that is imported, if it had the name of the function."""
    assert not set(dir(cocycle)) & {path.stem for path in SOURCE.glob("*.py")} - {"interop", "testing"}


def test_without_torch_the_error_says_how_to_get_it(tmp_path):
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('no', name='torch')")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from cocycle import *; lyapunov_spectrum"
    subprocess.run([sys.executable, "-c", code], check=True)
    for line in ("from cocycle import feedforward", "from cocycle.networks import fit", "from cocycle import Autodiff"):
        code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {line}"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert found.returncode == 1
        assert '-e ".[torch]"' in found.stderr
