"""The study's sweep with one worker process and with two: throughput, in one run.

python benchmarks/workers.py
"""

import tempfile
import time
from pathlib import Path

from cocycle import run
from cocycle.studies import reservoir_constraints
from cocycle.sweeps import Status

SETTINGS = {"resolution": (8, 10), "realisations": 3, "starts": 8, "size": 400, "training": 6000, "horizon": 8.0}


def seconds(folder, workers):
    archive = reservoir_constraints.archive(Path(folder) / f"{workers}.h5", "benchmark")
    start = time.perf_counter()
    run(reservoir_constraints.measure, archive, workers=workers, progress=False)
    assert (archive.status == Status.DONE).all()
    return time.perf_counter() - start


def main():
    reservoir_constraints.SIZES["benchmark"] = SETTINGS
    with tempfile.TemporaryDirectory() as folder:
        one, two = seconds(folder, 1), seconds(folder, 2)
    print(f"one worker {one:.1f} s, two {two:.1f} s: ratio {one / two:.2f}")


if __name__ == "__main__":
    main()
