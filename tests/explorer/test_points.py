"""Points of a table are those of the archive: coordinates at their places, means over events, failures, selections."""

import csv
import io

import numpy as np
from archives import KINDS, table

from cocycle.explorer.look import calls, cell_table
from cocycle.explorer.points import points_of
from cocycle.explorer.scatter import columns
from cocycle.explorer.selections import points_csv, points_words
from cocycle.explorer.view import View, first_view
from cocycle.sweeps import Archive, Status, arguments

OUTPUTS = ["score", "accuracy"]


def test_coordinates_stand_at_values_logarithms_or_in_order(tmp_path):
    searched = table(tmp_path / "table.h5")
    rows = [searched.grid.values((i,)) for i in range(60)]
    points = points_of(searched, first_view(searched), OUTPUTS)
    np.testing.assert_array_equal(points.axes["ridge"].places, np.log10([row["ridge"] for row in rows]))
    np.testing.assert_array_equal(points.axes["leak"].places, [row["leak"] for row in rows])
    assert points.axes["leak"].ticks is None
    for name in ("size", "kind"):
        assert points.axes[name].places.tolist() == [KINDS[name].index(row[name]) for row in rows]
        assert list(points.axes[name].ticks.values()) == [str(kind) for kind in KINDS[name]]


def test_outputs_are_means_or_quantiles_over_their_events(tmp_path):
    searched = table(tmp_path / "table.h5")
    view = first_view(searched)
    each = searched["accuracy"][:60]
    points = points_of(searched, view, OUTPUTS)
    np.testing.assert_allclose(points.outputs["accuracy"], each.mean(-1), rtol=1e-14)
    np.testing.assert_array_equal(points.outputs["score"], searched["score"][:60])
    assert points.words["accuracy"] == "mean over start (2 values)"
    fixed = points_of(searched, view.fixing("start", 1), OUTPUTS)
    np.testing.assert_array_equal(fixed.outputs["accuracy"], each[:, 1])
    largest = points_of(searched, View("accuracy", "ridge", quantile=1.0), ["accuracy"])
    np.testing.assert_array_equal(largest.outputs["accuracy"], each.max(-1))


def test_failed_points_are_crosses_and_points_to_do_dots(tmp_path):
    searched, waiting = table(tmp_path / "table.h5"), table(tmp_path / "waiting.h5", done=False)
    failed = searched.status[:60] == Status.FAILED
    drawn = columns(points_of(searched, first_view(searched), OUTPUTS), "ridge", "leak")
    assert drawn["marker"] == np.where(failed, "x", "circle").tolist()
    assert np.isnan(drawn["output0"][failed]).all()
    assert set(columns(points_of(waiting, first_view(waiting), OUTPUTS), "ridge", "")["marker"]) == {"dot"}
    nothing = table(tmp_path / "nothing.h5", rows=0)
    assert points_of(nothing, first_view(nothing), OUTPUTS).status.size == 0


def test_selected_points_are_written_to_the_last_digit(tmp_path):
    searched = table(tmp_path / "table.h5")
    points = points_of(searched, first_view(searched), OUTPUTS)
    chosen = np.array([0, 3, 7])
    rows = list(csv.DictReader(io.StringIO(points_csv(points, chosen))))
    for row, number in zip(rows, chosen, strict=True):
        coordinates = searched.grid.values((int(number),))
        assert float(row["ridge"]) == coordinates["ridge"]
        assert (row["size"], row["kind"]) == (str(coordinates["size"]), coordinates["kind"])
        assert float(row["score"]) == points.outputs["score"][number] or row["status"] == "failed"
    assert points_words(points, chosen).startswith("3 of 60 points selected; score: mean ")


def test_a_point_of_a_table_is_listed_and_computed_again_by_the_calls_that_are_shown(tmp_path):
    from archives import of_table

    searched = table(tmp_path / "table.h5")
    done = int(np.flatnonzero(searched.status == Status.DONE)[0])
    assert f"<td>{searched['score'][done]:.4g}</td>" in cell_table(searched, [(done,)])
    command, call = calls(searched, (done,)).splitlines()
    found = eval(call, {"measure": of_table, "arguments": arguments, "Archive": Archive})
    assert found["score"] == searched["score"][done]
    pairs = dict(pair.split("=") for pair in command.rpartition(" ")[2].split(","))
    assert searched.index_at(pairs) == (done,)
