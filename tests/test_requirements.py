"""What is promised of versions is what is tested.

constraints.txt pins all that the README's commands install; every lower bound of pyproject.toml is one that CI installs
(.ci/lowest.txt); every command that installs the project keeps to such a file.
"""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
BUILDS = re.compile(r"(nvidia|cuda)-|triton$")  # what PyPI's torch for CUDA brings, pinned by torch itself

if not (ROOT / "constraints.txt").exists():
    pytest.skip("these tests need the project's folder", allow_module_level=True)


def pins(file):
    lines = [line for line in (ROOT / file).read_text().splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []  # no address, no folder
    return {canonicalize_name(name): Version(version) for name, version in (line.split("==") for line in lines)}


def direct(*extras):
    """Requirements of the package and some of its extras, and of the extras in those."""
    found, waiting = [], [*PROJECT["dependencies"], *(text for extra in extras for text in EXTRAS[extra])]
    while waiting:
        requirement = Requirement(waiting.pop())
        if requirement.name == "cocycle":
            waiting += [text for extra in requirement.extras for text in EXTRAS[extra]]
        else:
            found.append(requirement)
    return found


def closure(requirements):
    """The names of installed packages that these need, and what those need."""
    found, seen, waiting = set(), set(), list(requirements)
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if BUILDS.match(name) or (name, frozenset(requirement.extras)) in seen:
            continue
        seen.add((name, frozenset(requirement.extras)))
        try:
            inner = [Requirement(text) for text in distribution(name).requires or []]
        except PackageNotFoundError:
            continue
        found.add(name)
        extras = ["", *requirement.extras]
        waiting += [r for r in inner if not r.marker or any(r.marker.evaluate({"extra": extra}) for extra in extras)]
    return found


def test_every_package_that_is_installed_is_pinned():
    """Of the extra `test`; of the others what is here, which is nothing in the environment of the README's command."""
    needed = closure(direct("test"))
    assert {"numpy", "pandas", "dask", "pluggy", "threadpoolctl"} <= needed
    assert needed - set(pins("constraints.txt")) == set()
    assert closure(direct(*EXTRAS)) - set(pins("constraints.txt")) == set()


def test_every_requirement_has_a_lower_bound_that_the_pinned_version_meets():
    pinned = pins(".ci/dysts.txt") | pins("constraints.txt")
    for requirement in direct(*EXTRAS):
        assert [bound.operator for bound in requirement.specifier] == [">="], requirement
        assert pinned[canonicalize_name(requirement.name)] in requirement.specifier


def test_every_lower_bound_is_one_that_is_tested():
    lowest = pins(".ci/lowest.txt")
    for requirement in direct("test"):
        (bound,) = requirement.specifier
        assert lowest[canonicalize_name(requirement.name)] == Version(bound.version), requirement


def test_every_command_that_installs_the_project_keeps_to_a_file_of_versions():
    documents = [ROOT / ".ci/run", *ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/**/*.md")]
    commands = [line for path in documents for line in re.findall(r"pip install [^`]*?\.\[[^`\n]*", path.read_text())]
    assert len(commands) >= 6
    assert [line for line in commands if " -c " not in line] == []
