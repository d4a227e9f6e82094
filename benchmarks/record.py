"""A few short timings beside those in record.json: a slower commit shows before the long benchmarks are run again.

    python benchmarks/record.py            # measure and print beside the record; a slow case is no error
    python benchmarks/record.py --write    # measure and replace the record

`ratio` is the time now over that in the record.  `scaled` divides it by the ratio of the reference, a fixed amount of
numpy and Python work, so that the speed of the machine cancels.  On shared cores 0.7 to 1.4 is within the noise.
"""

import argparse
import json
import subprocess
import tempfile
import timeit
from datetime import date
from itertools import repeat
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from cocycle import (
    Archive,
    Compiled,
    Flow,
    Grid,
    Layer,
    Reservoir,
    forecast,
    frame,
    ftle,
    lyapunov_spectrum,
    run,
    train,
)
from cocycle.cli.doctor import report
from cocycle.systems import Lorenz63

RECORD = Path(__file__).with_name("record.json")
REPEATS = 5
SIZE, STEPS = 500, 500


def reference():
    rows, matrix = np.ones((11, SIZE)), np.ones((SIZE, SIZE))
    return [np.tanh(rows @ matrix) for _ in range(STEPS)], sum(i * i for i in range(1000 * STEPS))


def one_orbit():
    flow, x = Compiled(Flow(Lorenz63(), 0.02)), np.ones(3)
    return lyapunov_spectrum(repeat(flow, 20 * STEPS), x, frame(x, 3), every=5)


def batch_of_orbits():
    flow, x = Flow(Lorenz63(), 0.02), Lorenz63().start(np.random.default_rng(0), (SIZE,))
    return lyapunov_spectrum(repeat(flow, STEPS), x, frame(x, 3), every=5)


def driven_reservoir():
    reservoir = Reservoir.gaussian(SIZE, 3, weight_std=0.9, input_std=0.05, rng=1)
    x = reservoir.rest()
    return lyapunov_spectrum(reservoir.driven(Lorenz63().series(STEPS)), x, frame(x, 10))


def trained_reservoir():
    u = Lorenz63().series(6 * STEPS, rng=1)
    model = train(Reservoir.random(SIZE, 3, rng=1), u, ridge=1e-6)
    return forecast(model, u[:200], STEPS)


def field_of_exponents():
    rng = np.random.default_rng(0)
    layers = [Layer(rng.normal(size=(20, inputs)) / inputs**0.5) for inputs in (2, 20, 20, 20, 20, 20)]
    return ftle(layers, rng.uniform(-1, 1, size=(40 * STEPS, 2)))


def empty_points():
    with tempfile.TemporaryDirectory() as folder:
        archive = Archive.create(f"{folder}/run.h5", Grid({"x": np.arange(4.0 * STEPS)}), outputs={"y": ()}, seed=1)
        return run(lambda point, rng: {"y": point["x"]}, archive, workers=2, progress=False)


CASES = (reference, one_orbit, batch_of_orbits, driven_reservoir, trained_reservoir, field_of_exponents, empty_points)


def commit() -> str:
    words = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    return subprocess.run(words, cwd=RECORD.parent, capture_output=True, text=True, check=False).stdout.strip()


def compare(now: dict[str, float], before: dict) -> None:
    print(f"record: commit {before['commit']}, {before['date']}, made by `{before['command']}`")
    print(f"{'case':<20}{'now s':>8}{'record s':>10}{'ratio':>8}{'scaled':>8}")
    machine = now["reference"] / before["seconds"]["reference"]
    for name, value in now.items():
        old = before["seconds"].get(name, float("nan"))
        print(f"{name:<20}{value:>8.3f}{old:>10.3f}{value / old:>8.2f}{value / old / machine:>8.2f}")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="replace the record")
    options = parser.parse_args(arguments)
    with threadpool_limits(1):
        now = {case.__name__: min(timeit.repeat(case, number=1, repeat=REPEATS)) for case in CASES}
    if RECORD.exists():
        compare(now, json.loads(RECORD.read_text()))
    if options.write:
        facts = {"command": "python benchmarks/record.py --write", "date": str(date.today()), "commit": commit()}
        record = {**facts, "machine": report().splitlines(), "seconds": {k: float(f"{v:.4g}") for k, v in now.items()}}
        RECORD.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
