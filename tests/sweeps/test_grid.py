"""A grid cuts its points into blocks, each point once, and says how it differs from another."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cocycle import Grid


@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.dictionaries(st.integers(0, 2), st.integers(1, 6)))
def test_every_point_is_in_one_block(lengths, sizes):
    names = [f"axis{i}" for i in range(len(lengths))]
    block = {f"axis{i}": size for i, size in sizes.items() if i < len(lengths)}
    grid = Grid({name: np.arange(n) for name, n in zip(names, lengths, strict=True)}, block=block)
    points = [point for block in grid.blocks() for point in grid.points(block)]
    assert sorted(points) == list(range(len(grid)))
    for number in grid.blocks():
        points = grid.points(number)
        assert grid.streams(points) == [stream for point in points for stream in grid.streams(np.array([point]))]
        for name, values in grid.coordinates(points).items():
            assert np.shape(values) == ((len(points),) if name in block else ())


def test_coordinates_line_up_with_the_points():
    grid = Grid({"a": [1.0, 2.0], "name": ["x", "y"], "b": [10, 20, 30]}, block={"a": 2, "b": 2})
    blocks = [grid.points(block) for block in grid.blocks()]
    assert len(blocks) == 4
    assert [grid.index(point) for point in blocks[0]] == [(0, 0, 0), (0, 0, 1), (1, 0, 0), (1, 0, 1)]
    first = grid.coordinates(blocks[0])
    np.testing.assert_array_equal(first["a"], [1, 1, 2, 2])
    np.testing.assert_array_equal(first["b"], [10, 20, 10, 20])
    assert first["name"] == "x"


def test_difference_in_words():
    grid = Grid({"a": [1, 2, 3]})
    assert grid == Grid({"a": np.arange(1, 4)})
    assert "a: 3 values [1, 2, 3] against 2 values [1, 2]" in grid.difference(Grid({"a": [1, 2]}))
    assert grid.difference(Grid({"b": [1, 2, 3]})) == "axes ['a'] against ['b']"
    assert grid.difference(Grid({"a": [1, 2, 3]}, block={"a": 2})) == "block: {} against {'a': 2}"


@pytest.mark.parametrize(
    ("axes", "block", "message"),
    [
        ({}, None, "at least one name"),
        ({"a": []}, None, "axis 'a' must be one-dimensional and not empty"),
        ({"a": 3.0}, None, "axis 'a' must be one-dimensional"),
        ({"a": [1.0, np.nan]}, None, "axis 'a' must be finite"),
        ({"a": [1, 1]}, None, "axis 'a' must not repeat a value"),
        ({"a": [object()]}, None, "axis 'a' must hold numbers or strings or bools"),
        ([1, 2], None, r"axes must map at least one name to values, .*; got \[1, 2\]"),
        ({"a": [1]}, 5, "block must map names of axes to numbers of values, .*; got 5"),
        ({"a": [1]}, {"b": 2}, "block must name axes of the grid, a; got 'b'"),
        ({"a": [1]}, {"a": 0}, r"block\['a'\] must be an integer of at least 1; got 0"),
        ({"a": [1]}, {"a": 1.5}, r"block\['a'\] must be an integer of at least 1; got 1.5"),
        ({"a": [1, "x"]}, None, "axis 'a' must hold numbers or strings or bools"),
        ({"a": [[1], [1, 2]]}, None, "axis 'a' must be one-dimensional"),
    ],
)
def test_bad_grids(axes, block, message):
    with pytest.raises(ValueError, match=message):
        Grid(axes, block=block)
