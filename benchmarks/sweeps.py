"""What a sweep costs beside its points: to send, write and read them; two workers, wall seconds, in one run.

python benchmarks/sweeps.py
"""

import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from cocycle import Archive, Grid, run
from cocycle.sweeps import Status
from cocycle.sweeps.writer import Writer

WORKERS = 2
TASKS = {0.0: 20_000, 0.02: 1500, 2.0: 16}  # how many points that take so many seconds
TRIVIAL, LARGE = (250, 400), (1000, 1000)


def measure(seconds, point, rng):
    start = time.perf_counter()
    if seconds:
        time.sleep(seconds)
    return {"y": point["a"] - point["b"] + 0.05 * rng.normal(), "seconds": time.perf_counter() - start}


def archive(folder, shape):
    grid = Grid({"a": np.linspace(0.0, 1.0, shape[0]), "b": np.linspace(0.0, 1.0, shape[1])})
    path = Path(folder) / f"{shape[0]}-{shape[1]}-{time.time_ns()}.h5"
    return Archive.create(path, grid, outputs={"y": (), "seconds": ()}, seed=1)


def swept(folder, shape, seconds):
    """The seconds that a sweep takes, those of them in which results are written, and those of the points, each."""
    results = archive(folder, shape)
    with timed(Writer, "commit") as writing:
        start = time.perf_counter()
        run(partial(measure, seconds), results, workers=WORKERS, progress=False)
        took = time.perf_counter() - start
    assert (results.status == Status.DONE).all()
    return took, sum(writing), results["seconds"]


@contextmanager
def timed(owner, name):
    """The seconds of each call of a method."""
    found, method = [], getattr(owner, name)

    def call(*arguments):
        start = time.perf_counter()
        method(*arguments)
        found.append(time.perf_counter() - start)

    setattr(owner, name, call)
    try:
        yield found
    finally:
        setattr(owner, name, method)


def bare(number):
    """A point without us: its own stream, its value."""
    rng = np.random.default_rng(np.random.SeedSequence(1, spawn_key=divmod(number, TRIVIAL[1])))
    return measure(0.0, {"a": 0.0, "b": 0.0}, rng)["y"]


def without_us(count):
    start = time.perf_counter()
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        values = list(pool.map(bare, range(count), chunksize=500))
    assert len(values) == count
    return time.perf_counter() - start


def main():
    with tempfile.TemporaryDirectory() as folder:
        start_up = swept(folder, (1, 2 * WORKERS), 0.0)[0]
        print(f"(a) {WORKERS} workers; a sweep of {2 * WORKERS} empty points, their start: {start_up:.2f} s")
        print("    s a point   points   sweep s   less start   alone   overhead   writing")
        for seconds, count in TASKS.items():
            took, writing, of_points = swept(folder, (1, count), seconds)
            alone = of_points.sum() / WORKERS if seconds else 0.0
            overhead = f"{(took - start_up) / alone - 1:8.1%}" if alone else f"{1e6 * took / count:5.0f} µs"
            print(
                f"    {seconds:9g}   {count:6d}   {took:7.2f}   {took - start_up:10.2f}   {alone:5.1f}   {overhead:>8s}"
                f"   {writing / took:6.2%}"
            )
        count = TRIVIAL[0] * TRIVIAL[1]
        took, other = swept(folder, TRIVIAL, 0.0)[0], without_us(count)
        print(
            f"(b) {count} empty points: {took:.1f} s; the standard library's pool, nothing kept: {other:.1f} s, ",
            end="",
        )
        print(f"ratio {took / other:.2f}")
        read(folder)


def read(folder):
    """A large archive: made, filled by its one writer, opened, drawn."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot

    start = time.perf_counter()
    results = archive(folder, LARGE)
    made = time.perf_counter() - start
    took = swept(folder, LARGE, 0.0)[0]
    (path,) = [
        p for p in Path(folder).glob("*.h5") if p != results.path and p.name.startswith("-".join(map(str, LARGE)))
    ]
    start = time.perf_counter()
    opened = Archive.open(path)
    values = opened["y"]
    reading = time.perf_counter() - start
    opened.plot().savefig(path.with_suffix(".png"))
    drawn = time.perf_counter() - start
    start = time.perf_counter()
    assert opened.damage() == []
    verified = time.perf_counter() - start
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "linux" else 2**30)
    print(
        f"(c) {values.size} points: made in {made:.2f} s, computed in {took:.0f} s; opened and read in {reading:.3f} s,"
    )
    print(
        f"    drawn {drawn:.2f} s after that began; verified in {verified:.2f} s; the most memory so far {most:.2f} GiB"
    )


if __name__ == "__main__":
    main()
