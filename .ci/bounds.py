"""Print the lower bounds of pyproject.toml, of the package and its extra `test`, as pip constraints."""

import re
import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]


def requirements(extra: str) -> list[str]:
    """Those of an extra, and of the extras in it."""
    found = []
    for requirement in PROJECT["optional-dependencies"][extra]:
        inner = re.fullmatch(r"cocycle\[(.*)\]", requirement)
        found += [r for name in inner[1].split(",") for r in requirements(name)] if inner else [requirement]
    return found


print(*(requirement.replace(">=", "==") for requirement in PROJECT["dependencies"] + requirements("test")), sep="\n")
