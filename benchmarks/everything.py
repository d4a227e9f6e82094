"""All benchmarks, one after the other, in one run on one machine, written to docs/measured.md with versions.

    python -m pip install lyapax pynamicalsys reservoirpy resdag
    python benchmarks/everything.py

Some forty-five minutes, thirty of them attacks on archives; leave the machine alone meanwhile.  What is not installed
is left out, and said to be.
"""

import os
import subprocess
import sys
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cocycle.cli.doctor import report

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "measured.md"
PEERS = ("lyapax", "jax", "pynamicalsys", "numba", "reservoirpy", "resdag")
PARTS = {
    "spectra": "What a spectrum costs beside its products and QRs, and how it grows",
    "peers": "Spectra beside other packages",
    "orbits": "One long orbit",
    "block": "Points that share a network",
    "series": "Series",
    "reservoirs": "Reservoirs beside other packages",
    "classification": "Labels of series",
    "streaming": "One observation at a time",
    "sparse": "Sparse and dense weights",
    "large": "Ten thousand units",
    "workers": "Two workers",
    "sweeps": "What a sweep costs",
    "explorer": "The page of an archive",
    "fields": "Fields of exponents beside torch.func",
    "losses": "A training step with a loss of exponents",
    "recurrent": "Tangents of recurrent cells beside automatic differentiation",
    "leading": "The largest exponents of large networks",
    "threads": "One thread or all",
    "error_bars": "How often error bars hold",
    "measured_series": "The largest exponent of a measured series",
    "attacks": "Attacks on archives",
}


def versions() -> str:
    lines = []
    for name in PEERS:
        try:
            lines.append(f"{name:<13} {version(name)}")
        except PackageNotFoundError:
            lines.append(f"{name:<13} not installed: left out")
    return "\n".join(lines)


def output(name: str) -> str:
    """What benchmarks/`name`.py prints, on one thread (its worker processes have one each)."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    script = [sys.executable, "-W", "ignore", str(HERE / f"{name}.py")]
    done = subprocess.run(script, env=os.environ | threads, capture_output=True, text=True, check=False)
    if done.returncode:
        return f"failed with status {done.returncode}: {done.stderr.strip().splitlines()[-1]}"
    return done.stdout.rstrip()


def main() -> None:
    machine = f"{report()}\n{versions()}"
    parts = [
        "# Measured in one run",
        f"Made by `python benchmarks/everything.py` on {date.today()}, one benchmark after the other on one machine. "
        "Ratios can be compared from machine to machine, seconds cannot: see [benchmarks.md](benchmarks.md).",
        f"```text\n{machine}\n```",
    ]
    for name, title in PARTS.items():
        print(f"{name}: {title}", flush=True)
        parts += [f"## {title}", f"`python benchmarks/{name}.py`", f"```text\n{output(name)}\n```"]
        PAGE.write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
