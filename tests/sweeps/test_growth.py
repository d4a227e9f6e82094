"""Archives that grow: longer axes, more outputs, and tables of points that a search proposes; what is best in them."""

from contextlib import suppress

import numpy as np
import pytest
from scipy.optimize import differential_evolution

from cocycle import Archive, Grid, cli, run
from cocycle.sweeps import Best, Status, arguments, crossings, merge, refine, rerun, summary
from cocycle.sweeps import writer as writer_module
from cocycle.sweeps.table import Table
from here import Here


def here(measure, archive, **settings):
    return run(measure, archive, Here(), progress=False, **settings)


def noisy(point, rng):
    return {"y": point["x"] + 0.1 * rng.normal()}


def grown(path, **axes):
    grid = Grid(axes or {"x": np.linspace(0, 1, 11), "realisation": range(3)})
    return Archive.create(path, grid, outputs={"y": ()}, seed=5, units={"y": "1/step"})


@pytest.fixture
def archive(tmp_path):
    return here(noisy, grown(tmp_path / "run.h5"))


def test_more_realisations(archive, tmp_path):
    more = archive.extended(realisation=range(8))
    assert more.path == tmp_path / "run-extended.h5"
    assert (more.status == Status.DONE).sum() == 33
    np.testing.assert_array_equal(more["y"][:, :3], archive["y"])
    assert (more.status == Status.TO_DO).sum() == 55
    here(noisy, more)
    whole = here(noisy, grown(tmp_path / "whole.h5", x=np.linspace(0, 1, 11), realisation=range(8)))
    np.testing.assert_array_equal(more["y"], whole["y"])
    assert more.damage() == []
    assert "made of" in summary(more)


def test_a_finer_axis_keeps_the_last_digits_of_the_old_one(archive, tmp_path):
    more = archive.extended(tmp_path / "fine.h5", x=np.linspace(0, 1, 101)[::-1])
    assert (more.status == Status.DONE).sum() == 33
    old = archive.grid.axes["x"]
    assert np.isin(old, more.grid.axes["x"]).all()  # to the last bit, where 101 points have others
    here(noisy, more)
    for x in old:
        point, rng = arguments(more, {"x": x, "realisation": 1})
        assert noisy(point, rng)["y"] == more.point(x=x, realisation=1)["y"] == archive.point(x=x, realisation=1)["y"]


def test_more_outputs(archive, tmp_path):
    with archive.writer() as writer:
        writer.forget(np.array([4]))
    more = archive.extended(tmp_path / "more.h5", outputs={"z": {"k": 2}}, defaults={"z": -1}, realisation=range(4))
    assert more.outputs == {"y": (), "z": (2,)}
    assert (more["z"][more.status == Status.DONE] == -1).all()
    here(lambda point, rng: {**noisy(point, rng), "z": [1, 2]}, more)
    assert more.damage() == []
    assert more["z"][0, 3].tolist() == [1, 2]
    assert more["z"][0, 0].tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"realisation": range(2)}, "realisation must keep its 3 values, 1 of them are missing"),
        ({"noise": [1]}, "axes must be among x, realisation; got noise"),
        ({"outputs": {"z": ()}}, "defaults must have, for each new output"),
        ({"outputs": {"y": ()}, "defaults": {"y": 0}}, "outputs must be new ones; got y"),
    ],
)
def test_what_is_no_extension(archive, arguments, message):
    with pytest.raises(ValueError, match=message):
        archive.extended("more.h5", **arguments)


def test_failures_and_what_is_left_out_stay(archive, tmp_path):
    fine = refine(archive, tmp_path / "fine.h5", "y", level=0.55, factor=2)
    more = fine.extended(tmp_path / "more.h5", realisation=range(4))
    left = fine.status == Status.LEFT_OUT
    assert (more.status[:, :3][left] == Status.LEFT_OUT).all()
    assert (more.status[:, 3] == Status.TO_DO).all()
    assert more.damage() == []


def test_the_command_extends(archive, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["extend", "run.h5", "--axis", "realisation = { count = 4 }", "--result", "z = []", "--default", "z = nan"]
    assert cli.main([*words, "--output", "more.h5"]) == 0
    said = capsys.readouterr().out
    assert "11 to do, 33 done; outputs y, z" in said
    assert "`cocycle resume more.h5`, or run(measure, Archive.open('more.h5')), computes the missing points" in said
    assert cli.main(["extend", "run.h5", "--axis", "realisation"]) == 2
    assert "--axis must be as in a study, NAME=VALUE; got realisation" in capsys.readouterr().err


def test_where_it_is_best(archive):
    mean = archive["y"].mean(axis=1)
    best = archive.best("y", over="realisation")
    point, value = best
    assert point == {"x": archive.grid.axes["x"][mean.argmax()]}
    np.testing.assert_allclose(value, mean.max())
    np.testing.assert_allclose(best.error, archive["y"][mean.argmax()].std(ddof=1) / np.sqrt(3))
    assert best.count == 3
    alone = archive.best("y", smallest=True)
    assert alone == Best(alone.point, archive["y"].min(), alone.error, 1)
    assert noisy(*arguments(archive, alone.point))["y"] == alone.value
    one = archive.best("y", realisation=1)
    assert one.value == archive["y"][:, 1].max()
    assert one.point["realisation"] == 1
    kept = archive.best("y", over="realisation", x=archive.grid.axes["x"][2])
    assert kept.value == mean[2]
    with pytest.raises(ValueError, match="values to be kept must be of axes that are not averaged, x; got realisation"):
        archive.best("y", over="realisation", realisation=1)
    with pytest.raises(ValueError, match=r"x must be one of .*; got 17"):
        archive.best("y", x=17.0)
    with pytest.raises(ValueError, match="over must name axes of x, realisation; got noise"):
        archive.best("y", over="noise")
    with pytest.raises(ValueError, match=r"z is nan wherever .* is done: nothing is best yet"):
        archive.extended(outputs={"z": ()}, defaults={"z": np.nan}).best("z")


def test_a_best_point_has_the_settings_too(tmp_path):
    made = Archive.create(tmp_path / "a.h5", Grid({"x": [1.0, 2.0]}), outputs={"y": {"start": 3}}, seed=1,
                          fixed={"gain": 2.0})  # fmt: skip

    def measure(point, rng):
        return {"y": point["gain"] * point["x"] + np.arange(3)}

    here(measure, made)
    point, value = made.best("y")
    assert (point, value) == ({"gain": 2.0, "x": 2.0}, 5.0)
    assert (measure(point, None)["y"] == measure(*arguments(made, point))["y"]).all()
    with pytest.raises(ValueError, match=r"gain is 2\.0 in the whole archive; got 3\.0"):
        arguments(made, point | {"gain": 3.0})


def test_one_point_and_slices(archive):
    pytest.importorskip("xarray")
    assert archive.point(x=0.3, realisation=1) == {"y": archive["y"][3, 1], "status": Status.DONE, "message": ""}
    assert archive.sel(x=0.3).y.values.tolist() == archive["y"][3].tolist()
    assert archive.sel(x=[0.1, 0.2], realisation=slice(0, 1)).y.shape == (2, 2)
    assert archive.sel(x=slice(0.15, 0.5)).y.shape == (4, 3)
    for wrong in ({"x": 0.33}, {"x": 0.3, "z": 1}):
        with pytest.raises(ValueError, match=r"x must be one of|coordinates must be of x, realisation; got z"):
            archive.sel(**wrong)
    with pytest.raises(ValueError, match="point must give x, realisation; got x"):
        archive.point(x=0.3)


# Tables


PARAMETERS = {"x": float, "n": int, "kind": ["a", None, "b"]}


def table(path, capacity=30, **settings):
    return Archive.table(path, PARAMETERS, capacity=capacity, outputs={"y": ()}, seed=5, **settings)


def height(point, rng):
    return {"y": -((point["x"] - 0.3) ** 2) - point["n"] + (point["kind"] is None) + 1e-6 * rng.normal()}


def test_a_table_takes_points_once(tmp_path):
    made = table(tmp_path / "t.h5")
    one, other = {"x": 0.5, "n": 2, "kind": "a"}, {"x": 0.5, "n": 2, "kind": None}
    assert made.append([one, other, one]).tolist() == [0, 1, 0]
    assert made.append([{"kind": None, "n": 2.0, "x": np.float64(0.1 + 0.4)}]).tolist() == [1]
    assert (made.status[:2] == Status.TO_DO).all()
    assert (made.status[2:] == Status.LEFT_OUT).all()
    here(height, made)
    assert made.damage() == []
    again = Archive.open(made.path)
    assert again.grid.used == 2
    assert again.grid.values((1,)) == other
    assert again.point(**other)["y"] == again["y"][1]
    assert height(*arguments(again, one))["y"] == again["y"][0]
    assert rerun(again, other, height).same
    assert again.append([{"x": 0.0, "n": 0, "kind": "b"}]).tolist() == [2]
    assert (here(height, again).status[:3] == Status.DONE).all()
    assert table(tmp_path / "t.h5").grid.used == 3  # the same call opens it


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ({"x": 0.5, "n": 2}, "a point must give x, n, kind; got"),
        ({"x": 0.5, "n": 2, "kind": "c"}, "kind must be one of 'a', None, 'b'; got 'c'"),
        ({"x": np.nan, "n": 2, "kind": "a"}, "x must be a finite number; got nan"),
        ({"x": "0.5", "n": 2, "kind": "a"}, "x must be a finite number; got '0.5'"),
        ({"x": 0.5, "n": 2.5, "kind": "a"}, "n must be an integer of at most 53 bits; got 2.5"),
        ({"x": True, "n": 2, "kind": "a"}, "x must be a finite number; got True"),
    ],
)
def test_points_that_are_none_of_the_table(tmp_path, point, message):
    made = table(tmp_path / "t.h5")
    with pytest.raises(ValueError, match=message):
        made.append([{"x": 1.0, "n": 1, "kind": "a"}, point])
    assert made.grid.used == 0


def test_a_table_that_is_full(tmp_path):
    made = table(tmp_path / "t.h5", 2)
    with pytest.raises(ValueError, match="has room for 2 rows, 0 are used; got 3 new points"):
        made.append([{"x": x, "n": 0, "kind": "a"} for x in (1.0, 2.0, 3.0)])
    made.append([{"x": x, "n": 0, "kind": "a"} for x in (1.0, 2.0)])


def test_tables_that_are_none(tmp_path):
    for parameters, message in (
        ({}, "parameters must map names"),
        ({"x": str}, "parameter 'x' must be float, int, or a list of choices"),
        ({"x": ["a", "a"]}, "axis 'x' must not repeat a value"),
        ({"row": float}, "different names; got row twice"),
        ({"y": float}, "different names; got y twice"),
    ):
        with pytest.raises(ValueError, match=message):
            Archive.table(tmp_path / "t.h5", parameters, capacity=3, outputs={"y": ()}, seed=1)
    with pytest.raises(ValueError, match="capacity must be an integer of at least 1; got 0"):
        table(tmp_path / "t.h5", 0)


def test_what_a_table_has_not(tmp_path, archive):
    made = table(tmp_path / "t.h5")
    made.append([{"x": 0.5, "n": 2, "kind": "a"}])
    for call, message in (
        (lambda: refine(made, tmp_path / "f.h5", "y"), "is a table: append points where they matter"),
        (lambda: merge([made], tmp_path / "m.h5"), "is a table: its rows are points of no grid"),
        (lambda: made.extended(x=[1.0]), "a table has no axes to extend"),
        (lambda: made.contents.grid.part(1, 2), "a table has no parts"),
        (lambda: made.best("y", over="row"), "over must name axes"),
        (lambda: crossings(made, "y"), "along must name axes of numbers"),
        (lambda: Archive.resume(made.path, Grid({"x": [1]}), outputs={"y": ()}, seed=5), "a table against a grid"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(TypeError, match=r"has a grid: only a table, see Archive\.table, takes more points"):
        archive.append([{"x": 1.0}])


def test_an_optimiser_searches_and_goes_on(tmp_path):
    """Interrupted, it is started again, and what is there is not computed again."""
    made = table(tmp_path / "t.h5", 500)

    def objective(x):
        (row,) = made.append([{"x": x[0], "n": 0, "kind": "a"}])
        return -here(height, made)["y"][row]

    found = differential_evolution(objective, [(-1, 1)], rng=3, maxiter=2, polish=False)
    assert abs(found.x[0] - 0.3) < 0.05
    before = made.history
    differential_evolution(objective, [(-1, 1)], rng=3, maxiter=2, polish=False)
    assert made.history == before  # no run had anything to do
    assert made.grid.used == found.nfev > 30
    point, value = made.best("y")
    assert -value == found.fun
    assert abs(point["x"] - 0.3) < 0.05
    assert made.damage() == []


def test_a_table_is_shown_drawn_and_exported(tmp_path, capsys):
    pytest.importorskip("xarray")
    made = table(tmp_path / "t.h5", units={"x": "1/step"})
    made.append([{"x": 10.0**-i, "n": i, "kind": "ab"[i % 2]} for i in range(6)])
    here(height, made)
    assert "table, 6 of 30 rows used\n  x (1/step): float, 1e-05 to 1\n  n: int, 0 to 5\n  kind: one of" in summary(
        made
    )
    assert "6 of 6 points done" in summary(made)
    assert "6 of 30 rows (x, n, kind); 0 to do, 6 done" in repr(made)
    assert "left out" not in made._repr_html_()
    figure = made.plot()
    assert [ax.get_xlabel() for ax in figure.axes] == ["x (per step)", "n", "kind"]
    assert figure.axes[0].get_xscale() == "log"
    assert cli.main(["export", str(made.path), "--output", str(tmp_path / "t.csv")]) == 0
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 7
    data = made.dataset()
    assert data.x.values.tolist() == [10.0**-i for i in range(6)]
    assert data.sizes == {"row": 6}


def test_changed_coordinates_of_a_row_are_found(tmp_path):
    made = table(tmp_path / "t.h5")
    made.append([{"x": float(i), "n": i, "kind": "a"} for i in range(4)])
    here(height, made)
    made.append([{"x": 9.0, "n": 9, "kind": "a"}])
    assert made.damage() == []
    for row in (2, 4):  # done, and to do
        with made.writer() as writer:
            kept = writer._numbers("x", np.array([row]))
            writer._write("x", row, kept + 1)
        assert f"the point ({row},) is damaged" in made.damage()
        with made.writer() as writer:
            writer._write("x", row, kept)
    assert made.damage() == []
    with made.writer() as writer:
        writer._write("status", 4, np.array([Status.LEFT_OUT], "u1"))
    assert made.damage() == ["the point (4,) is said to be left out, and was not"]
    assert made.append([{"x": 10.0, "n": 9, "kind": "a"}]).tolist() == [5]  # the next writer counts it again
    assert made.damage() == []


def test_an_append_cut_at_every_write(tmp_path, monkeypatch):
    """Whatever was written, the rows before are whole, and the next append goes on."""
    points = [{"x": float(i), "n": i, "kind": "a"} for i in range(3)]
    for cut in range(8):
        made = table(tmp_path / f"{cut}.h5")
        made.append([{"x": -1.0, "n": 0, "kind": "b"}])
        left, put = [cut], writer_module.Writer._put

        def written(self, data, name, place, left=left, put=put):
            left[0] -= 1
            if left[0] < 0:
                raise OSError("killed")
            put(self, data, name, place)

        monkeypatch.setattr(writer_module.Writer, "_put", written)
        with suppress(OSError):
            made.append(points)
        monkeypatch.undo()
        assert made.append(points).tolist() == [1, 2, 3]
        assert (here(height, made).status[:4] == Status.DONE).all()
        assert made.damage() == []
        assert isinstance(made.grid, Table)


def test_a_row_that_is_not_there_is_never_computed(tmp_path):
    """Its status is flipped: its coordinates are none."""
    made = Archive.table(tmp_path / "t.h5", {"x": float, "n": int}, capacity=9, outputs={"y": ()}, seed=1)
    made.append([{"x": 1.0, "n": 1}])
    with made.writer() as writer:
        writer._write("status", 5, np.array([Status.TO_DO], "u1"))
    assert made.grid.used == 1
    assert made.damage() == ["the point (5,) is said to be to do, and was left out"]
    assert "1 of 9 rows" in repr(here(noisy, made))
    assert made.damage() == []
    with pytest.raises(ValueError, match=r"the point \(3,\) is left out: the measure is not called there"):
        arguments(made, (3,))


@pytest.mark.parametrize(
    "values", [[None, 1, 2, 3], ["bbbb", "a", "c1", "c2"], [True, False], [3.0, 1.0, 2.0], ["c", None, "b"]]
)
def test_parts_of_any_axis_open_again_and_merge_in_order(tmp_path, values):
    grid = Grid({"x": values})
    parts = []
    for number in (1, 2):
        made = Archive.create(tmp_path / f"{number}.h5", grid.part(number, 2), outputs={"y": ()}, seed=1)
        parts.append(here(lambda point, rng: {"y": rng.normal()}, Archive.open(made.path)))
    whole = Archive.create(tmp_path / "whole.h5", grid, outputs={"y": ()}, seed=1)
    merged = merge(parts[::-1], tmp_path / "merged.h5")
    assert merged.grid == grid
    assert merged["y"].tolist() == here(lambda point, rng: {"y": rng.normal()}, whole)["y"].tolist()


def test_archives_of_other_kinds_do_not_merge(tmp_path):
    made = [grown(tmp_path / f"{i}.h5", x=values) for i, values in enumerate(([1, 2], ["a", "b"], [True, False]))]
    for pair in ((0, 1), (0, 2), (1, 2)):
        with pytest.raises(ValueError, match="of different sweeps: x holds values of different kinds"):
            merge([made[i] for i in pair], tmp_path / "m.h5")


def test_a_refinement_merges_with_what_it_refines_in_any_order(archive, tmp_path):
    fine = here(noisy, refine(archive, tmp_path / "fine.h5", "y", level=0.55, factor=2))
    for i, parts in enumerate(([archive, fine], [fine, archive])):
        assert merge(parts, tmp_path / f"{i}.h5").damage() == []


def test_what_is_best_over_common_numbers_has_the_error_of_the_draws(tmp_path):
    grid = Grid({"w": [1.0, 2.0, 3.0, 4.0], "r": range(3)}, common=["w"])
    made = here(
        lambda point, rng: {"y": rng.normal()}, Archive.create(tmp_path / "a.h5", grid, outputs={"y": ()}, seed=1)
    )
    best = made.best("y", over=("w", "r"))
    assert best.count == 3
    np.testing.assert_allclose(best.error, made["y"][0].std(ddof=1) / np.sqrt(3))


def test_the_best_point_fits_everywhere(tmp_path):
    pytest.importorskip("xarray")
    made = Archive.create(tmp_path / "a.h5", Grid({"x": np.linspace(0, 1, 11)}), outputs={"y": ()}, seed=1,
                          fixed={"n": 3, "list": [1]})  # fmt: skip
    here(noisy, made)
    point, value = made.best("y")
    assert made.point(**point)["y"] == value == float(made.sel(**point).y)
    point["list"].append(2)
    assert made.fixed["list"] == [1]
    arguments(made, (0,))[0]["list"].append(2)
    assert made.fixed["list"] == [1]
    assert made.sel(x=slice(0.1, 0.3)).x.size == 3  # ends that differ in the last bit
    with pytest.raises(ValueError, match="x must be one of"):
        made.point(x=10**400)
