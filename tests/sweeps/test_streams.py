"""Random numbers belong to the values of coordinates: a point has its stream wherever it stands, others have others."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cocycle import Archive, Grid, run
from cocycle.sweeps import arguments, merge, refine
from cocycle.sweeps.coordinates import Generators, coordinate, generator, key, stream
from cocycle.sweeps.table import Table
from here import Here

NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63 - 1)
VALUES = NUMBERS | st.booleans() | st.text(max_size=5) | st.none()


def streams_of(grid):
    """The stream of every point, by the words of its coordinates."""
    found = {}
    for block in grid.blocks():
        points = grid.points(block)
        for point, own in zip(points, grid.streams(points), strict=True):
            found[frozenset((name, key(value)) for name, value in grid.values(grid.index(point)).items())] = own
    return found


def axes(kinds=NUMBERS, least=1):
    values = st.lists(kinds, min_size=least, max_size=5, unique_by=key)
    return st.dictionaries(st.sampled_from("abc"), values, min_size=1, max_size=3)


@st.composite
def grids(draw):
    chosen = draw(axes(st.integers(-5, 5)) | axes(st.floats(-2, 2)) | axes(st.sampled_from([None, "x", "y", "1"])))
    names = st.sampled_from(sorted(chosen))
    common = draw(st.sets(names))
    return Grid(chosen, block=draw(st.dictionaries(names, st.integers(1, 3))), common=sorted(common))


@given(grids())
@settings(deadline=None)
def test_points_share_a_stream_if_and_only_if_common_says_so(grid):
    found = streams_of(grid)
    own = {point: frozenset(pair for pair in point if pair[0] not in grid.common) for point in found}
    assert len(set(found.values())) == len(set(own.values())) == grid.independent
    for one, other in pairwise(sorted(found, key=sorted)):
        assert (found[one] == found[other]) == (own[one] == own[other])


@given(grids(), st.data())
@settings(deadline=None)
def test_a_point_has_the_same_stream_everywhere(grid, data):
    """In any order of axes and values, any cut into blocks, any part, or longer axis."""
    truth = streams_of(grid)
    names = data.draw(st.permutations(list(grid.axes)))
    shuffled = {name: data.draw(st.permutations(grid.axes[name].tolist())) for name in names}
    others = [Grid(shuffled, common=grid.common)]
    of = data.draw(st.integers(1, max(-(-len(v) // grid.block.get(n, 1)) for n, v in grid.axes.items())))
    others.append(grid.part(data.draw(st.integers(1, of)), of))
    for other in others:
        assert all(truth[point] == own for point, own in streams_of(other).items())
    longer = Grid({n: [*v.tolist(), "more" if v.dtype.kind in "UO" else 77] for n, v in grid.axes.items()},
                  common=grid.common)  # fmt: skip
    found = streams_of(longer)
    assert all(found[point] == own for point, own in truth.items())


@given(st.lists(VALUES, min_size=2, max_size=6), st.text(max_size=3))
def test_different_values_have_different_keys_and_streams(values, name):
    words = {key(value) for value in values}
    assert len({stream([coordinate(name, value)]) for value in values}) == len(words)
    for value in values:
        for other in values:
            if type(value) is type(other) and isinstance(value, str | bool | int):
                assert (key(value) == key(other)) == (value == other)
    one, other, swapped = ([coordinate(*pair) for pair in pairs] for pairs in (
        [("a", 1), ("b", 2)], [("b", 2), ("a", 1)], [("a", 2), ("b", 1)]))  # fmt: skip
    assert stream(one) == stream(other) != stream(swapped)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (0.3, 0.1 + 0.2, True),
        (0.0, -0.0, True),
        (1, 1.0, True),
        (1, True, False),
        ("1", 1, False),
        ("None", None, False),
        ("True", True, False),
        (10**15, 1e15, True),
        (10**15, 10**15 + 1, False),
        (1e-300, 0.0, False),
        (1.00000000001, 1.0, False),
        (1.000000000001, 1.0, True),
    ],
)
def test_which_values_are_the_same(one, other, same):
    assert (key(one) == key(other)) == same


@pytest.mark.parametrize(("coarse", "fine"), [(11, 101), (21, 41), (41, 401)])
def test_linspaces_agree_where_they_meet(coarse, fine):
    """Their last bits do not: 9 of 11 agree there, 21 of 40 of another pair."""
    few, many = np.linspace(0, 1, coarse), np.linspace(0, 1, fine)[:: (fine - 1) // (coarse - 1)]
    assert [key(value) for value in few.tolist()] == [key(value) for value in many.tolist()]


def test_coordinates_that_coincide_are_refused():
    for values in ([0.3, 0.1 + 0.2], [1.0, 1.0 + 1e-13], [0.0, -0.0], ["a", "a"], [None, None], [True, True]):
        with pytest.raises(ValueError, match="must not repeat a value, to 12 significant digits"):
            Grid({"x": values})


def test_many_points_have_as_many_streams():
    """Of words of 32 bits ten pairs of so many would be the same: P(none) = e^-10."""
    grid = Grid({"a": np.arange(300), "b": np.linspace(0, 1, 1000)})
    assert len(set(grid.streams(np.arange(300_000)))) == 300_000


def test_children_of_a_stream_are_no_points_of_a_grid_with_one_more_axis():
    seed, flat, deep = 3, Grid({"a": [0, 1]}), Grid({"a": [0, 1], "b": [0, 1]})
    children = [child.integers(2**62) for own in flat.streams(np.arange(2)) for child in generator(seed, own).spawn(3)]
    points = [generator(seed, own).integers(2**62) for own in deep.streams(np.arange(4))]
    assert not set(children) & set(points)


def test_generators_of_a_block_are_made_once_when_asked_for():
    made = Generators(5, [stream([coordinate("a", i)]) for i in range(3)])
    assert len(made) == 3
    assert made[1] is made[-2]
    first, second = made[0].normal(), made[0].normal()
    assert first != second
    again = Generators(5, [stream([coordinate("a", i)]) for i in range(3)])
    assert [each.normal() for each in again] == [first, made[1].normal(), made[2].normal()]
    with pytest.raises(IndexError):
        made[3]


def test_common_numbers_are_equal_and_separate():
    grid = Grid({"a": [1, 2], "w": [0.1, 0.2]}, block={"w": 2}, common=["w"])
    made = Generators(1, grid.streams(grid.points(0)))
    assert made[0].normal(size=3).tolist() == made[1].normal(size=3).tolist()


def archive(path, grid, seed=1):
    return Archive.create(path, grid, outputs={"y": ()}, seed=seed)


def noise(point, rng):
    return {"y": rng.normal()}


def noises(points, rngs):
    return {"y": [rng.normal() for rng in rngs]}


def failing_blocks(points, rngs):
    values = noises(points, rngs)
    if len(rngs) > 1:
        raise RuntimeError("not together")
    return values


def test_realisations_that_are_made_later_are_others(tmp_path):
    first = run(noise, archive(tmp_path / "a.h5", Grid({"realisation": range(3)})), Here(), progress=False)
    later = run(noise, archive(tmp_path / "b.h5", Grid({"realisation": range(3, 8)})), Here(), progress=False)
    whole = run(noise, archive(tmp_path / "c.h5", Grid({"realisation": range(8)})), Here(), progress=False)
    assert [*first["y"], *later["y"]] == whole["y"].tolist()
    assert len(set(whole["y"])) == 8
    merged = merge([later, first], tmp_path / "merged.h5")
    assert merged["y"].tolist() == whole["y"].tolist()


@pytest.mark.parametrize("measure", [noises, failing_blocks])
def test_blocks_along_an_axis_do_not_repeat_each_other(tmp_path, measure):
    alone = run(noise, archive(tmp_path / "alone.h5", Grid({"realisation": range(8)})), Here(), progress=False)
    grid = Grid({"realisation": range(8)}, block={"realisation": 4})
    together = run(measure, archive(tmp_path / "block.h5", grid), Here(), progress=False)
    assert together["y"].tolist() == alone["y"].tolist()


def test_a_refined_archive_has_the_numbers_of_a_fine_one(tmp_path):
    def crossing(point, rng):
        return {"y": point["x"] - 0.35 + 1e-3 * rng.normal()}

    coarse = run(crossing, archive(tmp_path / "a.h5", Grid({"x": np.linspace(0, 1, 6)})), Here(), progress=False)
    fine = run(crossing, refine(coarse, tmp_path / "b.h5", "y", level=0.0, factor=4), Here(), progress=False)
    whole = run(crossing, archive(tmp_path / "c.h5", Grid({"x": np.linspace(0, 1, 21)})), Here(), progress=False)
    known = np.isfinite(fine["y"])
    np.testing.assert_allclose(fine["y"][known], whole["y"][known], rtol=0, atol=1e-15)  # of x in the last bit


def test_a_row_of_a_table_has_the_numbers_of_a_point_of_a_grid(tmp_path):
    table = Archive.table(tmp_path / "t.h5", {"b": int, "a": float}, capacity=4, outputs={"y": ()}, seed=1)
    table.append([{"a": 0.5, "b": 2}])
    grid = Grid({"a": [0.1, 0.5], "b": [1, 2]})
    whole = run(noise, archive(tmp_path / "g.h5", grid), Here(), progress=False)
    assert run(noise, table, Here(), progress=False)["y"][0] == whole["y"][1, 1]
    assert isinstance(table.grid, Table)


def test_another_seed_has_other_numbers(tmp_path):
    grid = Grid({"x": [1, 2]})
    one, other = (arguments(archive(tmp_path / f"{s}.h5", grid, s), {"x": 1})[1] for s in (1, 2**100))
    assert one.normal() != other.normal()


def test_shared_numbers_are_counted(tmp_path):
    grid = Grid({"realisation": range(3), "w": [0.1, 0.2]}, common=["w"])
    assert grid.independent == 3
    assert Archive.open(archive(tmp_path / "a.h5", grid).path).grid == grid
    assert "common: () against ('w',)" in Grid(grid.axes).difference(grid)


def one_for_all(points, rngs):
    return {"y": points["w"] * rngs[0].normal()}


def test_numbers_that_are_taken_for_common_and_are_not_declared(tmp_path, caplog):
    """A block would give its points the numbers of its first one: values that depend on how blocks are cut."""
    values = {}
    for size in (1, 2, 3):
        grid = Grid({"w": [1.0, 2.0, 3.0, 4.0]}, block={"w": size})
        values[size] = run(one_for_all, archive(tmp_path / f"{size}.h5", grid), Here(), progress=False)["y"].tolist()
        said = "measure used rngs[0] alone for points whose numbers differ" in caplog.text
        assert said == (size > 1)
    assert values[1] == values[2] == values[3]
    caplog.clear()
    grid = Grid({"w": [1.0, 2.0, 3.0, 4.0]}, block={"w": 3}, common=["w"])
    together = run(one_for_all, archive(tmp_path / "common.h5", grid), Here(), progress=False)["y"]
    np.testing.assert_allclose(together / together[0], [1, 2, 3, 4])
    assert not caplog.text
