"""In a real browser the report and the live page open, react and stay quiet: no error, nothing asked for elsewhere.

Screenshots are written to the folder that the variable COCYCLE_SCREENSHOTS names, if it does.
"""

import csv
import os
import re
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from archives import computed, empty, grid, measure_behind, of_table, table
from browser import Watched, launched, missing

from cocycle.explorer.one_file import report
from cocycle.explorer.planes import plane
from cocycle.explorer.server import in_background
from cocycle.explorer.view import first_view
from cocycle.studies import reservoir_constraints
from cocycle.sweeps import Status, run

if missing():
    print(f"browser tests are skipped: {missing()}")
    pytest.skip(missing(), allow_module_level=True)

SIZES = (1280, 390)
LOOKED = {"size": 30, "training": 600, "washout": 50, "warm_up": 50, "starts": 2, "horizon": 1.0}


@pytest.fixture(scope="module")
def browser():
    with launched() as opened:
        yield opened


@pytest.fixture(scope="module")
def served(archive):
    page = in_background(archive)
    yield page.address
    page.close()


@pytest.fixture
def watch(browser):
    """Open an address; at the end nothing may have gone wrong."""
    opened = []

    def watched(address, width=1280, *, frame=False):
        opened.append(Watched.opened(browser, address, width, frame=frame))
        return opened[-1]

    yield watched
    for one in opened:
        assert one.wrong == []
        assert one.elsewhere == []
        one.page.close()


def keep(watched, name):
    folder = os.environ.get("COCYCLE_SCREENSHOTS")
    if folder:
        watched.page.wait_for_timeout(500)
        watched.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.mark.parametrize("width", SIZES)
def test_the_report_shows_slices_and_marks_cells(archive, tmp_path, watch, width):
    shown = watch(report(archive, tmp_path / "report.html").as_uri(), width)
    assert shown.fits()
    assert "points failed" in shown.text()
    assert "observed = full" in shown.text()
    keep(shown, f"report-{width}")
    shown.page.locator("select").select_option("second")
    assert "observed = second" in shown.text()
    shown.box(2, -10, -1, 0, 20)
    shown.page.wait_for_timeout(200)
    assert re.search(r"\d+ of 30 cells selected", shown.text())
    keep(shown, f"report-marked-{width}")


@pytest.mark.parametrize("width", SIZES)
def test_values_are_shown_under_the_pointer(served, watch, width):
    shown = watch(served, width)
    shown.page.mouse.move(*shown.place(0, -1.5, 0.92))
    shown.page.wait_for_selector("text=standard error")
    for said in ("0.0316228", "0.92"):  # the coordinate of the cell, not the logarithm at which it stands
        assert shown.page.get_by_text(said, exact=True).is_visible()
    keep(shown, f"hover-{width}")


@pytest.mark.parametrize("width", SIZES)
def test_a_click_shows_the_points_of_a_cell_and_how_to_compute_them_again(served, watch, width):
    shown = watch(served, width)
    shown.click(0, 0.0, 2.0)
    shown.page.wait_for_selector("text=no convergence at weight_std = 2")
    assert "cocycle rerun" in shown.text()
    assert "measure(*arguments(Archive.open(" in shown.text()
    assert shown.fits()
    keep(shown, f"click-{width}")


def test_controls_change_the_view_and_its_address(served, watch, tmp_path):
    shown = watch(served)
    shown.page.get_by_label("observed").select_option(label="second")
    shown.page.wait_for_selector("text=observed = second")
    handle = shown.page.locator(".noUi-handle").first
    handle.focus()
    for _ in range(2):
        handle.press("ArrowRight")
    shown.page.wait_for_selector("text=realisation = 1")
    shown.page.get_by_label("averaged values by their").select_option(label="median")
    shown.page.wait_for_selector("text=median over start")
    shown.page.locator("input[type=checkbox]").first.check()
    shown.page.wait_for_selector("text=no colour on a logarithmic scale")
    shown.page.wait_for_function("location.search.includes('colours=log')")
    again = watch(shown.page.url)
    assert "realisation = 1" in again.text()
    assert "median over start" in again.text()
    assert "no colour on a logarithmic scale" in again.text()
    keep(again, "address")


def test_axes_are_exchanged_and_a_line_is_drawn(served, watch):
    shown = watch(served)
    shown.page.get_by_label("vertical axis").select_option(label="input scale σ_in")
    shown.page.wait_for_function("location.search.includes('x=weight_std&y=input_std')")
    shown.page.get_by_label("vertical axis").select_option(label="none: a line")
    shown.page.wait_for_selector("text=mean over realisation (3 values) and input_std (5 values)")
    keep(shown, "line")


def test_a_box_selects_cells_in_both_planes_and_the_selection_is_saved(served, watch, tmp_path, archive):
    shown = watch(served)
    shown.box(2, -10, 3, 0, 20)
    shown.page.wait_for_selector("text=cells selected")
    keep(shown, "selection")
    with shown.page.expect_download() as download:
        shown.page.get_by_text("save the selection").click()
    rows = list(csv.reader(Path(download.value.path()).read_text().splitlines()))
    assert rows[0][:3] == ["weight_std", "input_std", "observed"]
    assert len(rows) - 1 == int(re.search(r"(\d+) of 30 cells selected", shown.text())[1])
    assert all(float(row[3]) <= 0 and float(row[6]) >= 3 for row in rows[1:])
    point = archive.point(weight_std=float(rows[1][0]), input_std=float(rows[1][1]), observed="full", realisation=0)
    assert point["status"] == 1


def test_the_page_follows_a_running_sweep(watch, tmp_path):
    waiting, gate = empty(tmp_path / "live.h5", grid(rows=4)), tmp_path / "gate"
    slowly = partial(measure_behind, gate=str(gate))
    page = in_background(waiting)
    shown = watch(page.address)
    assert "no process computes them" in shown.text()
    with ThreadPoolExecutor(1) as executor, ThreadPoolExecutor(1) as other:
        done = other.submit(run, slowly, waiting, executor, progress=False)
        shown.page.wait_for_selector("text=running")
        keep(shown, "running")
        gate.touch()
        done.result()
    shown.page.wait_for_selector("text=114 of 120 points done, 6 failed")
    values = shown.page.evaluate("[...Bokeh.documents[0]._all_models.values()].filter(m => m.data?.error).length")
    assert values >= 2
    page.close()


def test_the_page_is_refused_without_its_token(served):
    host = served.partition("/?")[0].rpartition("/")[0]
    for wrong in (f"{host}/", f"{host}/wrong/", f"{host}/static/js/bokeh.min.js"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(wrong)
        assert refused.value.code in (403, 404)
    assert urllib.request.urlopen(served).status == 200


def test_an_address_of_another_archive_says_what_is_wrong(served, watch):
    shown = watch(served.partition("?")[0] + "?output=nothing")
    assert "output must be one of exponent, valid_time; got 'nothing'" in shown.text()


@pytest.mark.filterwarnings("ignore:reference already known")  # of bokeh, where a new button is clicked at once
def test_look_computes_a_point_of_a_study_in_the_page(watch, tmp_path):
    """Of the built-in study: truth beside closed loop, and the running exponent."""
    axes = {"observed": ["full"], "realisation": [0], "weight_std": [0.2, 0.4], "input_std": [0.05, 0.1]}
    looked = reservoir_constraints.sweep(tmp_path / "r.h5", axes, 1, **LOOKED)
    run(reservoir_constraints.measure, looked, workers=1, progress=False)
    page = in_background(looked)
    shown = watch(page.address)
    shown.click(0, -1.3, 0.2)
    shown.page.get_by_text("look: compute it here").click()
    shown.page.wait_for_selector("text=running conditional exponent", timeout=30_000)
    assert "truth and closed loop: component 3" in shown.text()
    assert shown.fits()
    keep(shown, "look")
    page.close()


SELECTS = """() => Object.fromEntries([...Bokeh.documents[0]._all_models.values()]
    .filter(model => model.type == "Select").map(model => [model.title, model.id]))"""


def test_controls_stay_where_others_come_and_go(archive, watch):
    """A value that is chosen in a control while it is replaced would be lost."""
    page = in_background(archive)
    shown = watch(page.address)
    before = shown.page.evaluate(SELECTS)
    shown.page.get_by_label("horizontal axis").select_option(label="realisation")
    shown.page.wait_for_function("location.search.includes('x=realisation')")
    slider = "[...Bokeh.documents[0]._all_models.values()].some(m => m.type == 'Slider' && m.title.startsWith('input'))"
    shown.page.wait_for_function(slider)
    after = shown.page.evaluate(SELECTS)
    assert {"output", "beside it", "horizontal axis", "vertical axis"} <= before.keys() & after.keys()
    assert all(after[name] == number for name, number in before.items() if name in after)
    page.close()


def test_two_archives_are_compared(archive, watch, tmp_path):
    other = computed(tmp_path / "other.h5", grid(rows=11))
    page = in_background(archive, other)
    shown = watch(page.address)
    assert "compared with" in shown.text()
    shown.page.get_by_label("beside it").select_option(label="difference of the archives")
    shown.page.wait_for_selector("text=difference of conditional exponent")
    shown.page.get_by_label("beside it").select_option(label="other archive")
    shown.page.wait_for_selector("text=other.h5: mean over realisation")
    keep(shown, "compared")
    page.close()


def test_a_notebook_shows_the_page_where_a_cell_ends_with_it(served, archive, watch, tmp_path):
    """What explore() returns is a frame with the same page: Jupyter puts this HTML into its own page."""
    page = archive.explore()
    notebook = tmp_path / "notebook.html"
    notebook.write_text(f"<html><body>{page._repr_html_()}</body></html>")
    shown = watch(notebook.as_uri(), frame=True)
    frame = shown.page.frame_locator("iframe")
    frame.get_by_label("observed").select_option(label="second")
    frame.get_by_text("observed = second").first.wait_for()
    keep(shown, "notebook")
    page.close()


@pytest.mark.parametrize("width", SIZES)
def test_a_table_is_shown_as_points(watch, tmp_path, width):
    searched = table(tmp_path / "table.h5", rows=40, done=False)
    page = in_background(searched)
    shown = watch(page.address, width)
    assert "no process computes them" in shown.text()
    with ThreadPoolExecutor(1) as executor:
        run(of_table, searched, executor, progress=False)
    shown.page.wait_for_selector("text=least")
    shown.box(2, -10, 0.5, -1.5, 2)
    shown.page.wait_for_selector("text=of 40 points selected")
    assert shown.fits()
    count = int(re.search(r"(\d+) of 40 points selected", shown.text())[1])
    assert count == (searched["score"][:40] <= -1.5).sum()
    with shown.page.expect_download() as download:
        shown.page.get_by_text("save the selection").click()
    rows = list(csv.DictReader(Path(download.value.path()).read_text().splitlines()))
    assert len(rows) == count
    assert all(float(row["score"]) == searched["score"][int(row["row"])] for row in rows)
    shown.page.get_by_label("vertical axis").select_option(label="none: the output")
    shown.page.wait_for_function("location.search.includes('y=&')")
    assert f"{count} of 40 points selected" in shown.text()
    keep(shown, f"table-{width}")
    page.close()


def test_a_click_on_a_failed_point_shows_why(watch, tmp_path):
    searched = table(tmp_path / "table.h5")
    failed = int(np.flatnonzero(searched.status == Status.FAILED)[0])
    point = searched.grid.values((failed,))
    page = in_background(searched)
    shown = watch(page.address)
    shown.click(0, np.log10(point["ridge"]), point["leak"])
    shown.page.wait_for_selector(f"text=singular at ridge = {point['ridge']:.3g}")
    assert f"--point ridge={point['ridge']}" in shown.text()
    page.close()


@pytest.mark.parametrize("width", SIZES)
def test_the_report_of_a_table_chooses_axes_and_saves_values(watch, tmp_path, width):
    searched = table(tmp_path / "table.h5")
    shown = watch(report(searched, tmp_path / "table.html").as_uri(), width)
    assert "singular at ridge" in shown.text()
    shown.page.get_by_label("horizontal axis").select_option(label="kind")
    drawn = shown.page.evaluate("[...[...Bokeh.documents[0]._all_models.values()].find(m => m.data?.x).data.x]")
    assert set(drawn) == {0.0, 1.0}
    shown.box(2, -10, 0.5, -1.5, 2)
    shown.page.wait_for_selector("text=of 60 points selected")
    rows = saved(shown, "save the values")
    assert len(rows) == (searched["score"] <= -1.5).sum()
    assert all(np.isclose(float(row["score"]), searched["score"][int(row["row"])], rtol=1e-6) for row in rows)
    assert shown.fits()
    keep(shown, f"report-table-{width}")


def test_the_report_saves_the_values_of_selected_cells(archive, tmp_path, watch):
    shown = watch(report(archive, tmp_path / "report.html").as_uri())
    rows = saved(shown, "save the values")
    assert len(rows) == 30
    label = "conditional exponent λ₁ (per step)"
    found = np.array([float(row[label]) for row in rows]).reshape(6, 5)
    np.testing.assert_allclose(found, plane(archive, first_view(archive), "exponent").values, rtol=1e-6)
    assert {row["observed"] for row in rows} == {"full"}
    shown.page.locator("select").select_option("second")
    shown.box(2, -10, -1, 0, 20)
    shown.page.wait_for_selector("text=of 30 cells selected")
    chosen = saved(shown, "save the values")
    assert 0 < len(chosen) < 30
    assert {row["observed"] for row in chosen} == {"second"}
    assert all(float(row[label]) <= 0 for row in chosen)
    shown.page.get_by_text("show the values as text").click()
    shown.page.wait_for_selector(f"text=standard error of {label}")
    keep(shown, "report-text")


def saved(shown, button):
    """The rows of the CSV file that a button saves."""
    with shown.page.expect_download() as download:
        shown.page.get_by_text(button).click()
    return list(csv.DictReader(Path(download.value.path()).read_text().splitlines()))
