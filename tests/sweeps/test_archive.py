"""An archive is whole from the start, says what it is, is read by HDF5 and xarray, and refuses what it is not."""

import json
import multiprocessing
import os
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray

import cocycle
from cocycle import Archive, Grid
from cocycle.files import publish
from cocycle.sweeps import Status, layout, locks, new_file
from cocycle.sweeps import writer as writer_module
from cocycle.sweeps.records import Records

OUTPUTS = {"exponent": (), "valid_time": {"start": 3}}


def grid(**axes):
    return Grid({"weight_std": [0.1, 0.5], "observed": ["full", "second"], **axes})


@pytest.fixture
def archive(tmp_path):
    return Archive.create(
        tmp_path / "run.h5",
        grid(),
        outputs=OUTPUTS,
        seed=7,
        fixed={"size": 5, "dt": 0.02},
        units={"exponent": "1/step"},
    )


def commit(archive, index, exponent=-1.5):
    with archive.writer() as writer:
        writer.commit(result(archive, index, exponent))


def result(archive, index, exponent=-1.5):
    point = np.array([np.ravel_multi_index(index, archive.grid.shape)])
    return Records.done(point, {"exponent": np.array([exponent]), "valid_time": np.arange(3.0)[None]})


def test_a_new_archive_is_all_to_do(archive):
    assert (archive.status == Status.TO_DO).all()
    assert np.isnan(archive["exponent"]).all()
    assert archive["valid_time"].shape == (2, 2, 3)


def test_opening_gives_back_what_was_created(archive):
    again = Archive.open(archive.path)
    assert again.grid == archive.grid
    assert (again.outputs, again.seed, again.fixed) == (
        {"exponent": (), "valid_time": (3,)},
        7,
        archive.fixed,
    )
    assert "0 done" in repr(again)


def test_a_committed_point_is_there_and_no_other(archive):
    commit(archive, (1, 0))
    assert (archive.status == [[0, 0], [1, 0]]).all()
    assert archive["exponent"][1, 0] == -1.5
    np.testing.assert_array_equal(archive["valid_time"][1, 0], [0, 1, 2])
    assert np.isnan(archive["valid_time"]).sum() == 9
    with h5py.File(archive.path) as file:
        row = np.int64(2).tobytes() + bytes([Status.DONE]) + bytes(200)
        payload = row + np.float64(-1.5).tobytes() + np.arange(3.0).tobytes()
        assert file["checksum"][1, 0] == zlib.crc32(payload) ^ archive.contents.mark


def test_values_without_a_status_are_not_results(archive):
    """A writer that dies between values and status has done nothing."""
    with h5py.File(archive.path, "r+") as file:
        file["exponent"][0, 1] = 3.0
    assert np.isnan(archive["exponent"]).all()


def test_xarray_reads_labelled_arrays(archive):
    commit(archive, (0, 1))
    data = xarray.load_dataset(archive.path, engine="h5netcdf")
    assert data.exponent.sel(weight_std=0.1, observed="second") == -1.5
    assert data.valid_time.dims == ("weight_std", "observed", "start")
    assert data.exponent.attrs["units"] == "1/step"


def test_provenance(archive):
    with h5py.File(archive.path) as file:
        assert file.attrs["numpy_version"] == np.__version__
        assert json.loads(file.attrs["fixed"]) == {"size": 5, "dt": 0.02}
        assert {"created", "command", "host", "cocycle_version", "torch_version"} <= set(file.attrs)
        checkout = (Path(cocycle.__file__).parents[2] / ".git").exists()  # not so where it was installed from a wheel
        assert ({"git_commit", "git_dirty"} <= set(file.attrs)) is checkout


def test_the_file_never_changes_its_size(archive):
    before = archive.path.stat().st_size
    commit(archive, (0, 0))
    assert archive.path.stat().st_size == before


def test_resume_makes_one_or_opens_it(tmp_path):
    settings = {"outputs": OUTPUTS, "seed": 7, "fixed": {"size": 5}}
    first = Archive.resume(tmp_path / "run.h5", grid(), **settings)
    commit(first, (0, 0))
    assert Archive.resume(tmp_path / "run.h5", grid(), **settings).status.sum() == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"grid": Grid({"weight_std": [0.1, 0.7], "observed": ["full", "second"]})}, "weight_std: 2 values"),
        ({"seed": 8}, "seed: 7 against 8"),
        ({"fixed": {"size": 6}}, "fixed: {'size': 5} against {'size': 6}"),
        ({"outputs": {"exponent": (2,)}}, "outputs: {.exponent.*against"),
    ],
)
def test_another_sweep_is_refused(tmp_path, change, message):
    settings = {"grid": grid(), "outputs": OUTPUTS, "seed": 7, "fixed": {"size": 5}}
    archive = Archive.create(tmp_path / "run.h5", **settings)
    commit(archive, (0, 1))
    with pytest.raises(ValueError, match=message):
        Archive.resume(tmp_path / "run.h5", **(settings | change))
    assert Archive.open(archive.path)["exponent"][0, 1] == -1.5


def test_a_first_try_without_results_is_replaced(tmp_path):
    settings = {"grid": grid(), "outputs": OUTPUTS, "seed": 7}
    Archive.create(tmp_path / "run.h5", **settings)
    again = Archive.resume(tmp_path / "run.h5", **(settings | {"outputs": {"exponent": (2,)}}))
    assert Archive.open(again.path).outputs == {"exponent": (2,)}
    with again.writer(), pytest.raises(BlockingIOError, match="is being written"):
        Archive.resume(tmp_path / "run.h5", **settings)


def test_create_does_not_overwrite(archive):
    with pytest.raises(FileExistsError, match="exists: remove it, or choose another name"):
        Archive.create(archive.path, grid(), outputs=OUTPUTS, seed=1)


def test_open_refuses_what_is_not_an_archive(tmp_path):
    with pytest.raises(FileNotFoundError, match="no archive at"):
        Archive.open(tmp_path / "missing.h5")
    (tmp_path / "text.h5").write_text("hello")
    for path in (tmp_path / "text.h5", tmp_path):
        with pytest.raises(ValueError, match="is not an HDF5 file"):
            Archive.open(path)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.attrs["schema"] = "cocycle sweep 99"
    with pytest.raises(ValueError, match="schema 'cocycle sweep 3'; got schema 'cocycle sweep 99'"):
        Archive.open(tmp_path / "other.h5")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"outputs": {}}, "at least one output"),
        ({"outputs": {"weight_std": ()}}, "different names; got weight_std twice"),
        ({"outputs": {"status": ()}}, "got status twice"),
        ({"outputs": {"y": {"k": 2}, "z": {"k": 3}}}, "axis 'k' one positive length"),
        ({"fixed": {"rng": object()}}, "must hold numbers"),
        ({"fixed": {"dt": float("nan")}}, "must hold numbers"),
        ({"fixed": {"observed": 1}}, "got observed twice"),
        ({"seed": -1}, "seed must not be negative; got -1"),
        ({"seed": 1.7}, "seed must be an integer; got 1.7"),
        ({"seed": 2**128}, "seed must have at most 128 bits; got 129"),
        ({"outputs": {"a/b": ()}}, "names without '/'"),
        ({"outputs": {"..": ()}}, "which are not '.' or '..'; got '..'"),
        ({"fixed": {"a\nb": 1}}, r"control characters, .* got 'a\\nb'"),
        ({"outputs": {"a\0b": ()}}, r"control characters, .* got 'a\\x00b'"),
    ],
)
def test_bad_settings_leave_no_file(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        Archive.create(tmp_path / "run.h5", grid(), **({"outputs": OUTPUTS, "seed": 1} | settings))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("outputs", "error", "message"),
    [
        (["exponent"], TypeError, r"outputs must map names to shapes.* got \['exponent'\]"),
        ({"exponent": 3}, ValueError, r"outputs\['exponent'\] must be a shape.* got 3"),
        ({"exponent": ("8",)}, ValueError, r"outputs\['exponent'\] must be a shape"),
    ],
)
def test_outputs_are_names_and_shapes(tmp_path, outputs, error, message):
    with pytest.raises(error, match=message):
        Archive.create(tmp_path / "run.h5", grid(), outputs=outputs, seed=1)
    assert list(tmp_path.iterdir()) == []


def test_places_and_grids_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        Archive.resume(tmp_path / "no" / "run.h5", grid(), outputs=OUTPUTS, seed=1)
    with pytest.raises(TypeError, match="grid must be a Grid; got dict"):
        Archive.create(tmp_path / "run.h5", {"weight_std": [0.1]}, outputs=OUTPUTS, seed=1)


def test_unknown_output(archive):
    with pytest.raises(KeyError, match="no output 'lyapunov'"):
        archive["lyapunov"]


def _hold(path, ready, release):
    with Archive.open(path).writer():
        ready.set()
        release.wait(30)


def test_one_writer_at_a_time(archive, monkeypatch):
    monkeypatch.setattr(locks, "WAIT", 0.1)
    context = multiprocessing.get_context("spawn")
    ready, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(archive.path, ready, release))
    other.start()
    try:
        assert ready.wait(30)
        with pytest.raises(BlockingIOError, match="is being written by another process"), archive.writer():
            pass
    finally:
        release.set()
        other.join()
    commit(archive, (0, 0))


def test_a_second_maker_does_not_replace_the_file_of_the_first(archive):
    """Two runs that start together: the later one must not take the file away under the writer of the first."""
    with archive.writer() as writer:
        with pytest.raises(FileExistsError):
            new_file.write(archive.path, archive.contents)
        other = archive.path.with_name("other.h5")
        other.touch()
        with pytest.raises(FileExistsError):
            publish(other, archive.path)
        writer.commit(result(archive, (0, 0)))
    assert archive.status[0, 0] == Status.DONE
    assert not list(archive.path.parent.glob("*.aside*"))


def test_values_are_on_the_disk_before_their_status(archive, monkeypatch):
    events = []
    monkeypatch.setattr(writer_module, "sync", lambda descriptor: events.append("sync"))
    written = writer_module.Writer._write
    monkeypatch.setattr(
        writer_module.Writer, "_write", lambda self, name, *rows: (events.append(name), written(self, name, *rows))
    )
    commit(archive, (1, 1))
    assert events.index("exponent") < events.index("sync") < events.index("status")
    assert set(events[: events.index("sync")]) == {"exponent", "valid_time", "checksum", "message"}


def test_a_new_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    events = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: events.append("fsync"))
    link = os.link
    monkeypatch.setattr(os, "link", lambda a, b: (events.append("link"), link(a, b)))
    Archive.create(tmp_path / "run.h5", grid(), outputs=OUTPUTS, seed=1)
    assert events == ["fsync", "link", "fsync"]  # at last the folder, in which the name is


def test_a_seed_may_have_as_many_bits_as_numpy_makes(tmp_path):
    Archive.create(tmp_path / "run.h5", grid(), outputs=OUTPUTS, seed=2**127 + 3, fixed={"n": np.int64(5)})
    again = Archive.open(tmp_path / "run.h5")
    assert again.seed == 2**127 + 3
    assert again.fixed == {"n": 5}


def test_a_damaged_file_is_refused_in_words(archive):
    whole = archive.path.read_bytes()
    archive.path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="is not an archive, or damaged"):
        Archive.open(archive.path)
    with h5py.File(archive.path, "w") as file:
        file.attrs["schema"] = layout.SCHEMA
    with pytest.raises(ValueError, match="is not an archive, or damaged"):
        Archive.open(archive.path)


def test_a_grid_does_not_change_with_the_array_it_was_made_from():
    values = np.array([1.0, 2.0])
    made = Grid({"a": values}, block={"a": np.int64(2)})
    values[0] = 9.0
    assert made.axes["a"][0] == 1.0
    assert made.block == {"a": 2}


def test_labelled_arrays_say_what_they_are(tmp_path):
    """So that the plots of xarray are labelled; without our code, and by it, where points that are not done are NaN."""
    archive = Archive.create(tmp_path / "run.h5", grid(), outputs=OUTPUTS, seed=7, fixed={"dt": 0.02, "no": None},
                             units={"exponent": "1/step", "start": "1"},
                             long_names={"exponent": "conditional exponent", "weight_std": "scale"})  # fmt: skip
    commit(archive, (1, 0))
    with xarray.open_dataset(archive.path, engine="h5netcdf") as plain:
        assert plain.exponent.attrs == {"units": "1/step", "long_name": "conditional exponent"}
        assert plain.weight_std.attrs["long_name"] == "scale"
        assert plain.valid_time.dims == ("weight_std", "observed", "start")
        assert float(plain.exponent.sel(weight_std=0.5, observed="full")) == -1.5
    data = archive.dataset()
    assert data.exponent.attrs == {"units": "1/step", "long_name": "conditional exponent"}
    assert data.attrs == {"seed": "7", "dt": 0.02, "no": "None"}
    assert int(np.isfinite(data.exponent).sum()) == 1
    assert str(data.status.attrs["meaning"]).startswith("0 to do, 1 done, 2 failed")


def test_settings_of_any_length(tmp_path):
    """Longer than the 64 KiB that old HDF5 files give an attribute."""
    fixed = {"list": list(range(50_000))}
    long = Grid({"a": np.arange(20_000.0)}).part(1, 2)
    path = Archive.create(tmp_path / "run.h5", long, outputs={"y": ()}, seed=7, fixed=fixed).path
    again = Archive.open(path)
    assert again.fixed == fixed
    assert again.grid == long
    assert again.damage() == []
