"""Parts of a grid, computed by machines that do not know of each other, merge into the archive of the whole."""

from concurrent.futures import ThreadPoolExecutor

import measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cocycle import Archive, Grid, run
from cocycle.sweeps import Status, merge
from cocycle.sweeps.records import Records
from here import Here

OUTPUTS = {"product": (), "noise": (2,)}
GRID = Grid({"a": [3.0, 1.0, 2.0, 5.0, 4.0], "b": [10, 20, 30]})


def new(path, grid=GRID, seed=11, fixed=None):
    return Archive.create(path, grid, outputs=OUTPUTS, seed=seed, fixed=fixed or {"shift": 0.5})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return run(measures.product, new(tmp_path_factory.mktemp("whole") / "run.h5"), Here(), progress=False)


def computed(archive):
    with ThreadPoolExecutor(1) as threads:
        return run(measures.product, archive, threads, progress=False)


def test_parts_give_what_the_whole_gives(tmp_path, whole):
    parts = [computed(new(tmp_path / f"{k}.h5", GRID.part(k, 3))) for k in (1, 2, 3)]
    merged = merge(parts[::-1], tmp_path / "merged.h5")
    assert merged.grid == whole.grid
    assert (merged.status == Status.DONE).all()
    assert merged.damage() == []
    for name in OUTPUTS:
        np.testing.assert_array_equal(merged[name], whole[name])
    assert merged.history[-1]["parts"] == [str(part.path) for part in parts[::-1]]


def test_a_missing_part_is_to_do_and_the_merged_archive_goes_on(tmp_path, whole):
    parts = [computed(new(tmp_path / f"{k}.h5", GRID.part(k, 3))) for k in (1, 3)]
    merged = merge(parts, tmp_path / "merged.h5")
    assert merged.grid.shape == (len(parts[0].grid.axes["a"]) + len(parts[1].grid.axes["a"]), 3)
    rest = new(tmp_path / "2.h5", GRID.part(2, 3))
    with rest.writer() as writer:
        writer.commit(Records.without_result(np.array([1]), Status.FAILED, "no luck", rest.outputs))
    again = merge([*parts, rest], tmp_path / "again.h5")
    assert (again.status == Status.TO_DO).sum() == len(rest.grid) - 1
    assert list(again.messages().values()) == ["no luck"]
    run(measures.product, again, Here(), retry=True, progress=False)
    np.testing.assert_array_equal(again["noise"], whole["noise"])


@given(
    lengths=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    block=st.integers(1, 4),
    of=st.integers(1, 6),
)
@settings(max_examples=60, deadline=None)
def test_parts_hold_every_point_once_with_its_stream(lengths, block, of):
    grid = Grid({"a": np.arange(lengths[0]), "b": np.arange(lengths[1])}, block={"b": block})
    most = max(lengths[0], -(-lengths[1] // block))
    if of > most:
        with pytest.raises(ValueError, match="part must be of at most"):
            grid.part(1, of)
        return

    def streams(grid):
        return [stream for b in grid.blocks() for stream in grid.streams(grid.points(b))]

    parts = [grid.part(k, of) for k in range(1, of + 1)]
    assert sum(len(part) for part in parts) == len(grid)
    together = [stream for part in parts for stream in streams(part)]
    assert sorted(together) == sorted(streams(grid))
    assert len(set(together)) == len(grid)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 12}, "different sweeps: seed: 11 against 12"),
        ({"fixed": {"shift": 0.25}}, "different sweeps: fixed: {'shift': 0.5} against {'shift': 0.25}"),
        ({"grid": Grid({"a": [1.0], "c": [10, 20]})}, "of different sweeps: axes"),
        ({"grid": Grid({"a": [7.0], "b": [10, 20, 30]}, common=["b"])}, r"different sweeps: .*common: \(\) against"),
    ],
)
def test_what_does_not_belong_together(tmp_path, whole, change, message):
    other = new(tmp_path / "other.h5", **change)
    with pytest.raises(ValueError, match=message):
        merge([whole, other], tmp_path / "merged.h5")
    assert not (tmp_path / "merged.h5").exists()


def test_different_values_of_one_point_are_refused(tmp_path, whole):
    other = run(measures.another, new(tmp_path / "other.h5"), Here(), progress=False)
    with pytest.raises(ValueError, match=r"have different values at the point \(0, 0\)"):
        merge([whole, other], tmp_path / "merged.h5")
    assert [path.name for path in tmp_path.iterdir() if "merged" in path.name] == []


def test_a_damaged_part_is_refused(tmp_path, whole):
    part = computed(new(tmp_path / "part.h5"))
    with part.writer() as writer:
        writer._write("product", 4, np.array([[1.0]]))
    assert part.damage() == ["the point (1, 1) is damaged"]
    with pytest.raises(ValueError, match=r"part\.h5 is damaged: the point \(1, 1\)"):
        merge([whole, part], tmp_path / "merged.h5")


def test_nothing_is_replaced(tmp_path, whole):
    (tmp_path / "merged.h5").write_text("mine")
    with pytest.raises(FileExistsError, match="remove it, or choose another name"):
        merge([whole], tmp_path / "merged.h5")
    assert (tmp_path / "merged.h5").read_text() == "mine"
    with pytest.raises(TypeError, match=r"parts must be archives, \[Archive.open\(path\), ...\]; got 'run.h5'"):
        merge("run.h5", tmp_path / "other.h5")
    with pytest.raises(ValueError, match="merge takes at least one archive"):
        merge([], tmp_path / "other.h5")
