"""Archives that the tests of the page look at, made without a sweep's workers."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from cocycle.sweeps import Archive, Grid, run

NAMES = {"exponent": "conditional exponent λ₁", "valid_time": "valid time", "weight_std": "weight scale"}


def measure(point, rng):
    """An exponent that changes sign, with noise, and valid times of four starts; the corner of large scales fails."""
    w, u = point["weight_std"], point["input_std"]
    if w > 1.7 and u > 0.5:
        raise RuntimeError(f"no convergence at weight_std = {w:.3g}")
    exponent = (
        np.log(w + 0.05) - 0.2 * np.log10(u) + 0.05 * rng.normal() - (0.3 if point["observed"] == "second" else 0)
    )
    return {"exponent": exponent, "valid_time": np.maximum(5 - 3 * abs(exponent) + rng.normal(size=4) / 5, 0)}


def grid(rows=6, columns=5, common=()):
    axes = {
        "observed": ["full", "second"],
        "realisation": np.arange(3),
        "weight_std": np.linspace(0.2, 2.0, rows),
        "input_std": np.geomspace(1e-3, 1, columns),
    }
    return Grid(axes, common=common)


def empty(path, over=None):
    return Archive.create(
        path,
        over or grid(),
        outputs={"exponent": (), "valid_time": {"start": 4}},
        seed=3,
        units={"exponent": "1/step", "valid_time": "Lyapunov times"},
        long_names={name: word for name, word in NAMES.items() if name in ("exponent", "valid_time", "weight_std")},
    )


def computed(path, over=None):
    with ThreadPoolExecutor(1) as executor:
        return run(measure, empty(path, over), executor, progress=False)


def measure_behind(point, rng, *, gate):
    """The same; the second half of the points waits until there is a file `gate`."""
    while point["observed"] == "second" and not Path(gate).exists():
        time.sleep(0.02)
    return measure(point, rng)


def of_table(point, rng):
    """A score that is best near ridge = 1e-4, two accuracies, and a failure where the size is 400 at a small ridge."""
    if point["size"] == 400 and point["ridge"] < 1e-6:
        raise RuntimeError(f"singular at ridge = {point['ridge']:.3g}")
    score = -abs(np.log10(point["ridge"]) + 4) - (0.5 if point["kind"] == "relu" else 0) + point["leak"]
    return {"score": score, "accuracy": np.clip(0.9 + 0.05 * score + rng.normal(size=2) / 50, 0, 1)}


KINDS = {"ridge": float, "leak": float, "size": [100, 200, 400], "kind": ["tanh", "relu"]}


def table(path, rows=60, done=True):
    """A table with random points: a parameter over eight decades, a fraction, two choices."""
    archive = Archive.table(path, KINDS, capacity=100, outputs={"score": (), "accuracy": {"start": 2}}, seed=5)
    rng = np.random.default_rng(1)
    points = [
        {
            "ridge": float(10 ** rng.uniform(-8, 0)),
            "leak": float(rng.uniform(0.1, 1)),
            "size": int(rng.choice(KINDS["size"])),
            "kind": str(rng.choice(KINDS["kind"])),
        }
        for _ in range(rows)
    ]
    archive.append(points)
    if done:
        with ThreadPoolExecutor(1) as executor:
            run(of_table, archive, executor, progress=False)
    return archive
