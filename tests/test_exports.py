"""What leaves an archive for other programs is what is in it: CSV without xarray, netCDF and zarr with CF, crates."""

import csv
import hashlib
import json
import subprocess
import sys
import zipfile
from dataclasses import dataclass

import numpy as np
import pytest
import xarray

from cocycle import Archive, Grid, cli, run
from cocycle.sweeps import Status
from cocycle.sweeps.crate import Credits
from cocycle.sweeps.spreadsheet import write_csv


@dataclass
class Measured:
    archive: Archive

    @staticmethod
    def measure(point, rng):
        if point["kind"] == "=bad" and point["scale"] == 1.0:
            raise ValueError("no result here")
        return {"height": np.pi * point["scale"], "last": rng.normal(size=(2, 3)), "other": [1.0, np.nan]}


@pytest.fixture
def archive(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    grid = Grid({"scale": np.linspace(0.0, 1.0, 4), "kind": ["good", "=bad"]})
    made = Archive.create("run.h5", grid, outputs={"height": (), "last": {"start": 2, "step": 3}, "other": {"side": 2}},
                          seed=1, fixed={"size": 5, "names": ["a", "b"]}, units={"height": "m", "scale": "1/s"},
                          long_names={"height": "height above ground"})  # fmt: skip
    return run(Measured.measure, made, workers=1, progress=False)


def table_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_csv_has_a_row_for_each_place_and_every_bit(archive):
    assert cli.main(["export", "run.h5", "--output", "x.csv", "--result", "height", "--result", "last"]) == 0
    rows = table_of("x.csv")
    assert list(rows[0]) == ["scale (1/s)", "kind", "start", "step", "height (m)", "last", "status"]
    assert len(rows) == 4 * 2 * 2 * 3
    bad = archive.status[3, 1]
    assert bad == Status.FAILED
    last = archive["last"]
    for row, (i, j, start, step) in zip(rows, np.ndindex(4, 2, 2, 3), strict=True):
        assert float(row["scale (1/s)"]) == archive.grid.axes["scale"][i]
        assert row["kind"] == ("good", "'=bad")[j]  # no formula for a spreadsheet
        assert (int(row["start"]), int(row["step"])) == (start, step)
        assert int(row["status"]) == archive.status[i, j]
        if (i, j) == (3, 1):
            assert (row["last"], row["height (m)"]) == ("", "")
        else:
            assert float(row["last"]) == last[i, j, start, step]
            assert float(row["height (m)"]) == archive["height"][i, j]


def test_csv_agrees_with_the_labelled_arrays(archive, tmp_path):
    write_csv(archive, tmp_path / "x.csv", ["height", "other"])
    frame = archive.dataset()[["height", "other"]].to_dataframe()
    rows = table_of("x.csv")
    for name, column in (("height (m)", "height"), ("other", "other")):
        got = np.array([float(row[name] or "nan") for row in rows])
        np.testing.assert_array_equal(got, frame[column].to_numpy())


def test_axes_that_do_not_fit_are_refused_with_the_remedy(archive, capsys):
    assert cli.main(["export", "run.h5", "--output", "x.csv"]) == 2
    said = capsys.readouterr().err
    assert "outputs in one table must have the same axes, or none; got last: start, step; other: side" in said
    assert "--result NAME" in said
    assert cli.main(["export", "run.h5", "--output", "x.csv", "--result", "depth"]) == 2
    assert "no output 'depth' in run.h5: there are height, last, other" in capsys.readouterr().err
    assert cli.main(["export", "run.h5", "--output", "x.nc", "--result", "height"]) == 2
    assert "--result chooses columns of a .csv file" in capsys.readouterr().err
    assert cli.main(["export", "run.h5", "--output", "x.csv", "--license", "CC0-1.0"]) == 2
    assert "are written into a crate" in capsys.readouterr().err


def test_a_table_archive_has_its_coordinates(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = Archive.table("t.h5", {"r": float, "kind": ["a", None]}, capacity=50, outputs={"y": ()}, seed=1)
    table.append([{"r": 0.5, "kind": "a"}, {"r": 0.25, "kind": None}])
    run(lambda point, rng: {"y": point["r"] ** 2}, table, workers=1, progress=False)
    assert cli.main(["export", "t.h5", "--output", "t.csv"]) == 0
    rows = table_of("t.csv")
    assert [list(row.values()) for row in rows] == [
        ["0", "0.5", "a", "0.25", "1"],
        ["1", "0.25", "None", "0.0625", "1"],
    ]


def test_csv_needs_no_xarray_and_the_others_say_what_they_need(archive, tmp_path):
    for name in ("xarray", "pandas", "zarr"):
        (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError('no', name={name!r})")
    for output, status, words in (("x.csv", 0, ""), ("x.nc", 2, '".[xarray]"'), ("x.zarr", 2, '".[xarray]"')):
        command = ["export", "run.h5", "--output", output, *(["--result", "height"] if status == 0 else [])]
        code = f"from cocycle import cli; raise SystemExit(cli.main({command}))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == status
        assert words in done.stderr
        assert (tmp_path / output).exists() == (status == 0)


def test_netcdf_has_the_attributes_of_cf(archive):
    assert cli.main(["export", "run.h5", "--output", "x.nc"]) == 0
    with xarray.open_dataset("x.nc", engine="h5netcdf") as data:
        assert data.attrs["Conventions"] == "CF-1.11"
        assert data.attrs["title"] == "height, last, other over scale, kind"
        assert "Measured.measure" in data.attrs["source"]
        assert data.attrs["history"]
        assert (data.attrs["size"], json.loads(data.attrs["names"])) == (5, ["a", "b"])
        assert data.height.attrs == {"units": "m", "long_name": "height above ground"}
        assert all("long_name" in data[name].attrs for name in data.variables)
        assert data.status.attrs["flag_values"].tolist() == [0, 1, 2, 3, 4]
        assert data.status.attrs["flag_meanings"] == "to_do done failed died left_out"
        assert data.status.attrs["flag_values"].dtype == data.status.dtype
        np.testing.assert_array_equal(data["last"], archive["last"])


def test_zarr(archive, capsys):
    pytest.importorskip("zarr")
    assert cli.main(["export", "run.h5", "--output", "x.zarr"]) == 0
    data = xarray.open_zarr("x.zarr")
    for name in archive.outputs:
        np.testing.assert_array_equal(data[name], archive[name])
    assert data.kind.values.tolist() == ["good", "=bad"]
    assert data.attrs["Conventions"] == "CF-1.11"
    assert cli.main(["export", "run.h5", "--output", "x.zarr"]) == 2
    assert "x.zarr exists" in capsys.readouterr().err


WORDS = ["--license", "CC-BY-4.0", "--cite", "10.1000/182", "--author", "A. Physicist,0000-0002-1825-0097",
         "--author", "B. Else"]  # fmt: skip


@pytest.mark.parametrize("place", ["crate", "crate.zip"])
def test_crate_describes_every_file(archive, tmp_path, place):
    """Every entity that is referred to is described, or is an address; every file is there, as its digest says."""
    assert cli.main(["export", "run.h5", "--crate", place, *WORDS]) == 0
    folder = tmp_path / place
    if place.endswith(".zip"):
        with zipfile.ZipFile(folder) as packed:
            packed.extractall(tmp_path / "unpacked")
        folder = tmp_path / "unpacked"
    graph = json.loads((folder / "ro-crate-metadata.json").read_text())["@graph"]
    entities = {entity["@id"]: entity for entity in graph}
    assert len(entities) == len(graph)
    for name in references(graph):
        assert name in entities or name.startswith("https://"), name
    root = entities["./"]
    listed = [part["@id"] for part in root["hasPart"]]
    assert sorted(listed) == sorted(p.name for p in folder.iterdir() if p.name != "ro-crate-metadata.json")
    assert listed == ["run.h5", "run.nc", "test_exports.py"]
    for name in listed:
        content = (folder / name).read_bytes()
        assert entities[name]["sha256"] == hashlib.sha256(content).hexdigest()
        assert entities[name]["contentSize"] == str(len(content))
    assert root["license"] == {"@id": "https://spdx.org/licenses/CC-BY-4.0"}
    assert root["citation"] == {"@id": "https://doi.org/10.1000/182"}
    assert [entities[a["@id"]]["name"] for a in root["author"]] == ["A. Physicist", "B. Else"]
    action = entities["#run-1"]
    assert action["endTime"] >= action["startTime"]
    assert action["result"] == [{"@id": "run.h5"}, {"@id": "run.nc"}]
    assert entities["#variable-height"]["unitText"] == "m"
    copied = Archive.open(folder / "run.h5")
    assert not copied.damage()
    np.testing.assert_array_equal(copied["last"], archive["last"])
    with xarray.open_dataset(folder / "run.nc", engine="h5netcdf") as data:
        assert data.attrs["Conventions"] == "CF-1.11"


def references(thing):
    if isinstance(thing, dict):
        if set(thing) == {"@id"}:
            yield thing["@id"]
        for value in thing.values():
            yield from references(value)
    elif isinstance(thing, list):
        for value in thing:
            yield from references(value)


def test_crates_replace_nothing_and_say_what_is_missing(archive, capsys):
    assert cli.main(["export", "run.h5", "--crate", "crate"]) == 0
    assert "--license, --author, --cite would say more" in capsys.readouterr().out
    assert "all rights are reserved" in (archive.path.parent / "crate" / "ro-crate-metadata.json").read_text()
    assert cli.main(["export", "run.h5", "--crate", "crate"]) == 2
    assert "crate exists" in capsys.readouterr().err
    assert cli.main(["export", "run.h5", "--crate", "no/crate"]) == 2
    assert "there is no folder no" in capsys.readouterr().err
    assert [p.name for p in archive.path.parent.iterdir() if "aside" in p.name] == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"license": "my own"}, "license must be an SPDX name"),
        ({"authors": ["A. B., C."]}, "author must be NAME or NAME,ORCID"),
        ({"cite": "my paper"}, "citation must be a DOI"),
    ],
)
def test_credits_that_nobody_can_read_are_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        Credits(**wrong)
