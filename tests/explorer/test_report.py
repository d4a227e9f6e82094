"""A report is one file with all that it shows: it asks for no other, and text of the archive is no program in it."""

import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from archives import computed, grid

from cocycle.explorer.colours import colours
from cocycle.explorer.one_file import _Slices, failures, report
from cocycle.explorer.planes import plane
from cocycle.explorer.view import first_view
from cocycle.sweeps import Archive, Grid, run

SCRIPT = "<script>alert(1)</script>"


def test_it_is_one_file_that_asks_for_no_other(archive, tmp_path):
    text = report(archive, tmp_path / "report.html").read_text()
    page = re.sub(r"<script[^>]*>.*?</script>", "", text, flags=re.DOTALL)
    assert re.findall(r"(?:src|href)=[\"'](?!data:)", page) == []
    assert re.findall(r"<script[^>]+src", text) == []
    assert "no convergence at weight_std" in text
    assert "conditional exponent" in text


def test_names_and_messages_are_shown_as_text(tmp_path):
    def measure(point, rng):
        if point["word"] == SCRIPT:
            raise ValueError(SCRIPT)
        return {"y": 1.0}

    over = Grid({"x": np.linspace(0, 1, 3), "word": [SCRIPT, "b"]})
    names = {"y": SCRIPT, "x": SCRIPT}
    odd = Archive.create(tmp_path / "odd.h5", over, outputs={"y": ()}, seed=1, long_names=names)
    with ThreadPoolExecutor(1) as executor:
        run(measure, odd, executor, progress=False)
    assert SCRIPT not in failures(odd)
    assert SCRIPT not in report(odd, tmp_path / "odd.html").read_text()


def test_another_ending_and_the_archive_itself_are_refused(archive, tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.html"):
        report(archive, tmp_path / "report.h5")
    hidden = tmp_path / "archive.html"
    hidden.write_bytes(archive.path.read_bytes())
    with pytest.raises(ValueError, match="is an archive"):
        report(archive, hidden)


def test_axes_have_controls_while_the_file_has_room(archive, monkeypatch):
    """Without room for the slices of both values of an axis it is averaged, which the heading says."""
    slices = _Slices.of(archive, ["exponent"])
    assert list(slices.controls) == ["observed"]
    assert [view.at["observed"] for view in slices.views()] == [0, 1]
    monkeypatch.setattr("cocycle.explorer.one_file.LARGEST", 700)
    (averaged,) = _Slices.of(archive, ["exponent"]).views()
    assert "observed" not in averaged.at


def test_no_failures(tmp_path):
    fine = computed(tmp_path / "fine.h5", grid(rows=3).over({"weight_std": [0.2, 0.5, 1.0]}))
    assert "no point failed" in failures(fine)


def test_colours_are_symmetric_about_zero_and_say_what_is_beyond(archive):
    shown = plane(archive, first_view(archive), "exponent")
    scale = colours([shown.values])
    assert scale.diverging
    assert scale.low == -scale.high
    many = np.linspace(-1, 1, 2001)
    assert colours([many]).words == "colours end at -0.99 and 0.99, 20 values are beyond"
    assert "beyond" not in scale.words
    times = colours([plane(archive, first_view(archive), "valid_time").values])
    assert not times.diverging
    assert colours([shown.values], logarithmic=True).words.endswith("values ≤ 0 have no colour on a logarithmic scale")
    assert colours([shown.values], logarithmic=True).low > 0
