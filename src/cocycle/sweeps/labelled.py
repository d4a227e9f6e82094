"""The labelled arrays of an archive in files of other formats, with the attributes of the CF conventions.

CF: NetCDF Climate and Forecast Metadata Conventions, https://cfconventions.org: title, source, history of the file;
units and long_name of each variable; the meanings of the values of `status`.
"""

import importlib.util
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cocycle.sweeps.archive import Archive
from cocycle.sweeps.new_file import require_folder
from cocycle.sweeps.records import Status

if TYPE_CHECKING:
    import xarray

CONVENTIONS = "CF-1.11"


def cf_dataset(archive: Archive) -> "xarray.Dataset":
    """`archive.dataset()` with attributes of CF-1.11, all of which netCDF and zarr can hold.

    Settings of the study keep their names: one that has the name of such an attribute stands in its place.  Units are
    those of the study, which CF wants to be words that UDUNITS knows.  Raises ImportError without xarray.
    """
    data = archive.dataset()
    ours = {
        "Conventions": CONVENTIONS,
        "title": f"{', '.join(archive.outputs)} over {', '.join((*archive.grid.axes, *archive.grid.columns))}",
        "source": _source(archive),
        "history": "\n".join(f"{entry.get('time')}: {entry.get('command')}" for entry in _starts(archive)),
    }
    attributes = {**ours, **data.attrs}
    data.attrs = {name: value if _fits(value) else json.dumps(value) for name, value in attributes.items()}
    for name in data.variables:
        data[name].attrs.setdefault("long_name", str(name))
    data.status.attrs |= {
        "flag_values": np.array([s.value for s in Status], dtype=data.status.dtype),
        "flag_meanings": " ".join(s.name.lower() for s in Status),
    }
    return data


def write_netcdf(archive: Archive, path: Path) -> None:
    """`cf_dataset` as a netCDF file.  Raises ImportError without xarray and h5netcdf."""
    cf_dataset(archive).to_netcdf(path, engine="h5netcdf")


def write_zarr(archive: Archive, path: Path) -> None:
    """`cf_dataset` as a new zarr store, of format 2, which every version of zarr reads, in the folder `path`.

    Raises ImportError without xarray and zarr, FileExistsError if there is something at `path`.
    """
    data = cf_dataset(archive)
    if importlib.util.find_spec("zarr") is None:
        raise ImportError('a zarr store needs zarr: install cocycle with the extra zarr, ".[zarr]"')
    with new_folder(path) as made:
        data.to_zarr(made, zarr_format=2)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to be filled, which gets the name `path` when it is complete; removed otherwise.

    Raises FileExistsError if there is something at `path`, FileNotFoundError if there is no folder to put it in.
    """
    require_folder(path)
    exists = FileExistsError(f"{path} exists: remove it, or choose another name")
    if os.path.lexists(path):
        raise exists
    made = path.with_name(f".{path.name}.{secrets.token_hex(8)}.aside")
    made.mkdir()
    try:
        yield made
        try:
            made.rename(path)  # over an empty folder, if one was made meanwhile, and over nothing else
        except OSError:
            raise exists from None
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _starts(archive: Archive) -> list[dict[str, Any]]:
    return [entry for entry in archive.history if entry.get("event") != "end"]


def _source(archive: Archive) -> str:
    """Which package and measure computed it last."""
    runs = [entry for entry in _starts(archive) if "name" in entry]
    if not runs:
        return "cocycle; never run"
    last = runs[-1]
    return f"cocycle {last.get('cocycle_version')}, measure {last['name']} of {last.get('module')}"


def _fits(value: Any) -> bool:
    """Whether netCDF has a type for it."""
    return isinstance(value, str | float) or (type(value) is int and abs(value) < 2**63)
