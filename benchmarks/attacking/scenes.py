"""The sweeps that are attacked, and all that an archive says, to be compared."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from cocycle import Archive, Grid, run
from cocycle.sweeps import Status, refine

OUTPUTS: dict[str, tuple[int, ...]] = {"height": (), "noise": (2,)}
SEED = 11


def plane(point, rng):
    """Zero on a circle, so that a refinement has a line to follow; and numbers that depend on the stream."""
    return {"height": np.hypot(point["x"], point["y"]) - point["radius"], "noise": rng.normal(size=2)}


def quick(point, rng):
    time.sleep(0.004)
    return plane(point, rng)


def mixed(point, rng):
    """Fails at every point of a corner."""
    if point["x"] + point["y"] > 1.5:
        raise RuntimeError(f"no result at {point['x']:.3f}")
    return plane(point, rng)


def grid(side: int, first: float = -2.0) -> Grid:
    return Grid({"x": np.linspace(first, 2.0, side), "y": np.linspace(-2.0, 2.0, side)})


def new(path: Path, of: Grid) -> Archive:
    return Archive.create(
        path, of, outputs=OUTPUTS, seed=SEED, fixed={"radius": 1.3}, units={"height": "m"}, long_names={"x": "place"}
    )


def finished(path: Path, side: int = 16) -> Archive:
    """Done and failed points."""
    return run(mixed, new(path, grid(side)), workers=1, progress=False)


def refined(path: Path) -> Archive:
    """Points that were left out among those that are done or failed."""
    coarse = finished(path.with_name("coarse.h5"), 6)
    return run(mixed, refine(coarse, path, "height", level=0.0, factor=3), workers=1, progress=False)


def rows(path: Path) -> Archive:
    """A table: rows that are done or failed, some to do, some unused."""
    names = {"x": float, "y": float, "kind": ["small", "large"]}
    table = Archive.table(path, names, capacity=120, outputs=OUTPUTS, seed=SEED, fixed={"radius": 1.3})
    rng = np.random.default_rng(SEED)
    points = [{"x": float(x), "y": float(y), "kind": "small"} for x, y in rng.uniform(-2, 2, (90, 2))]
    table.append(points[:75])
    run(mixed, table, workers=1, progress=False)
    table.append(points[75:])
    return table


def everything(archive: Archive) -> dict[str, Any]:
    """All that an archive says, by the class that a change of it is of; to be compared with ==."""
    status = archive.status
    now = archive.now()
    values = {name: archive[name].tobytes() for name in archive.outputs}
    rows = np.flatnonzero(status.ravel() != Status.LEFT_OUT)
    columns = {name: column.tobytes() for name, column in now.grid.column_values(rows).items()}
    return {
        "STATUS": (status.shape, status.tobytes()),
        "VALUE": (values, columns),
        "MESSAGE": archive.messages(),
        "SETTING": (now.digest(), now.settings(), {name: v.tobytes() for name, v in now.grid.axes.items()}),
        "HISTORY": (archive.history, archive.tracebacks()),
    }


def results(archive: Archive) -> dict[str, Any]:
    """What of `everything` two archives of one sweep have in common: not when they were made, and by whom."""
    return {name: said for name, said in everything(archive).items() if name != "HISTORY"}


def done(archive: Archive) -> np.ndarray:
    return archive.status == Status.DONE


def differs(archive: Archive, truth: dict[str, np.ndarray]) -> bool:
    """Whether any value of a point that is done is not the true one, to the last bit."""
    here = done(archive)
    return any(archive[name][here].tobytes() != truth[name][here].tobytes() for name in truth)


def hidden(folder: Path) -> list[str]:
    """Files that were being made."""
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))
