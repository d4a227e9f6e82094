"""Benchmarks that tests take definitions from."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[1]


def loaded(name):
    """benchmarks/`name`.py as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    return benchmark


error_bars = loaded("error_bars")
