"""The commands write a report, describe themselves, and refuse what has no planes."""

from cocycle.cli import main
from cocycle.sweeps import Archive, Grid


def test_report_is_written_beside_the_archive(archive, tmp_path, capsys):
    copy = tmp_path / "sweep.h5"
    copy.write_bytes(archive.path.read_bytes())
    assert main(["report", str(copy)]) == 0
    assert f"Report: {tmp_path / 'sweep.html'}" in capsys.readouterr().out
    assert (tmp_path / "sweep.html").stat().st_size > 1e5


def test_what_has_no_plane_is_refused(tmp_path, capsys):
    point = Archive.create(tmp_path / "point.h5", Grid({"r": [1.0]}), outputs={"y": ()}, seed=1)
    for command in ("explore", "report"):
        assert main([command, str(point.path)]) == 2
        assert "has one point on each axis" in capsys.readouterr().err


def test_tables_are_not_compared(tmp_path, archive, capsys):
    table = Archive.table(tmp_path / "table.h5", {"r": float}, capacity=3, outputs={"y": ()}, seed=1)
    assert main(["explore", str(table.path), str(archive.path)]) == 2
    assert "two grids are compared, no tables; got" in capsys.readouterr().err
