"""The commands write a report, describe themselves, and refuse what has no planes."""

import pytest

from cocycle.cli import main
from cocycle.sweeps import Archive


def test_report_is_written_beside_the_archive(archive, tmp_path, capsys):
    copy = tmp_path / "sweep.h5"
    copy.write_bytes(archive.path.read_bytes())
    assert main(["report", str(copy)]) == 0
    assert f"Report: {tmp_path / 'sweep.html'}" in capsys.readouterr().out
    assert (tmp_path / "sweep.html").stat().st_size > 1e5


@pytest.mark.parametrize("command", ["explore", "report"])
def test_a_table_is_refused(command, tmp_path, capsys):
    table = Archive.table(tmp_path / "table.h5", {"r": float}, capacity=3, outputs={"y": ()}, seed=1)
    assert main([command, str(table.path)]) == 2
    assert "is a table: the page shows grids" in capsys.readouterr().err
