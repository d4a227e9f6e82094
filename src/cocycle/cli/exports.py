"""The command that writes an archive for other programs."""

import os
import shutil
import tempfile
from argparse import Namespace
from pathlib import Path

from cocycle.sweeps import Archive, printable
from cocycle.sweeps.crate import METADATA, Credits, write_crate
from cocycle.sweeps.export import exported
from cocycle.sweeps.labelled import new_folder, write_netcdf, write_zarr
from cocycle.sweeps.spreadsheet import write_csv


def export(options: Namespace) -> int:
    """Results as netCDF, zarr or CSV, by the suffix of the output, or an RO-Crate of the whole archive."""
    _check(options)
    archive = Archive.open(options.archive)
    if options.crate:
        return _crate(archive, options)
    path = options.output
    if path.suffix == ".zarr":
        write_zarr(archive, path)
        reader = f"xarray.open_zarr({str(path)!r})"
    elif path.suffix == ".nc":
        with exported(path) as aside:
            write_netcdf(archive, aside)
        reader = f'xarray.load_dataset({str(path)!r}, engine="h5netcdf")'
    else:
        with exported(path) as aside:
            write_csv(archive, aside, options.result)
        reader = f"pandas.read_csv({str(path)!r}), or a spreadsheet,"
    print(printable(f"Written: {path}\nNext:    {reader} reads it"))
    return 0


def _check(options: Namespace) -> None:
    """Raise ValueError for options that do not go together."""
    table = options.output is not None and options.output.suffix == ".csv"
    if options.output is not None and options.output.suffix not in (".csv", ".nc", ".zarr"):
        raise ValueError(f"--output must end in .nc, .zarr or .csv; got {options.output}")
    if options.result and not table:
        raise ValueError(
            f"--result chooses columns of a .csv file; got {options.output or options.crate}: leave it out"
        )
    if options.crate is None and (options.license or options.author or options.cite):
        raise ValueError(f"--license, --author and --cite are written into a crate; got --output {options.output}")


def _crate(archive: Archive, options: Namespace) -> int:
    path, credits = options.crate, Credits(options.license, options.author, options.cite)
    if path.suffix == ".zip":
        with exported(path) as aside, tempfile.TemporaryDirectory(dir=path.parent) as folder:
            inner = Path(folder) / "crate"
            inner.mkdir()
            write_crate(archive, inner, credits)
            os.replace(shutil.make_archive(str(Path(folder) / "packed"), "zip", inner), aside)
    else:
        with new_folder(path) as folder:
            write_crate(archive, folder, credits)
    given = {"--license": options.license, "--author": options.author, "--cite": options.cite}
    missing = [name for name, value in given.items() if not value]
    advice = f"; {', '.join(missing)} would say more about who may use it" if missing else ""
    words = f"{METADATA} in it describes the files: look at it before you upload the crate{advice}"
    print(printable(f"Written: {path}\nNext:    {words}"))
    return 0
