"""A view is what its address says, every part of it can be changed, and what is averaged is said in words."""

from dataclasses import replace

import numpy as np
import pytest
from archives import empty

from cocycle.explorer.view import (
    DIFFERENCE,
    NONE,
    View,
    address,
    axes_of,
    first_view,
    view_at,
    words,
)
from cocycle.sweeps import Archive, Grid
from cocycle.sweeps.views import plain_label


def test_first_view_shows_the_numbers_and_averages_replicas(archive):
    view = first_view(archive)
    assert (view.output, view.beside, view.y, view.x) == ("exponent", "valid_time", "weight_std", "input_std")
    assert view.at == {"observed": 0}
    assert view.averaged(axes_of(archive)) == ["realisation", "start"]


VIEWS = [
    View("valid_time", "weight_std", "observed", NONE, {"realisation": 2, "input_std": 1}),
    View("exponent", "realisation", NONE, DIFFERENCE, {"weight_std": 5, "start": 3}, 0.25),
    View("exponent", "input_std", "weight_std", "exponent", {"observed": 1}, 1.0, True, False),
]


@pytest.mark.parametrize("view", VIEWS)
def test_an_address_reproduces_its_view(archive, view):
    assert view_at(archive, address(archive, view)) == view


def test_the_first_view_has_the_empty_address(archive):
    assert view_at(archive, "") == first_view(archive)
    assert view_at(archive, address(archive, first_view(archive))) == first_view(archive)


def test_an_address_gives_values_not_positions(archive):
    view = view_at(archive, "axis.observed=second&axis.realisation=2&output=valid_time")
    assert view.at == {"observed": 1, "realisation": 2}
    assert "axis.observed=second" in address(archive, view)


def test_values_and_names_with_special_characters_survive(tmp_path):
    grid = Grid({"a&b=c": np.linspace(0, 1, 4), "word": ["x&y", "ü +%", "average"]})
    archive = Archive.create(tmp_path / "odd.h5", grid, outputs={"axis.result": ()}, seed=1)
    for place in range(3):
        view = View("axis.result", "a&b=c", at={"word": place})
        assert view_at(archive, address(archive, view)) == view


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("output=nothing", "output must be one of exponent, valid_time; got 'nothing'"),
        ("x=start", "x must be one of observed"),
        ("axis.weight_std=77", "weight_std must be one of"),
        ("axis.nothing=1", "an axis must be one of"),
        ("average=nothing", "average must be one of"),
        ("quantile=1.5", "quantile must be a number in 0..1; got '1.5'"),
        ("quantile=nan", "quantile must be a number"),
        ("colours=pink", "colours must be one of linear, log"),
        ("zero=1", "zero must be one of"),
        ("beside=nothing", "beside must be one of"),
    ],
)
def test_an_address_of_another_archive_is_refused(archive, query, said):
    with pytest.raises(ValueError, match=said):
        view_at(archive, query)


def test_an_axis_of_the_plane_is_not_fixed(archive):
    view = first_view(archive).over("observed", "realisation")
    assert (view.x, view.y, view.at) == ("observed", "realisation", {})
    assert view.over("observed", "observed").y == NONE


def test_what_is_averaged_is_said(archive):
    view = first_view(archive)
    assert words(archive, view, "exponent") == "mean over realisation (3 values); observed = full"
    assert (
        words(archive, view, "valid_time") == "mean over realisation (3 values) and start (4 values); observed = full"
    )
    median = replace(view.fixing("start", 2), quantile=0.5)
    assert words(archive, median, "valid_time") == "median over realisation (3 values); observed = full, start = 2"
    tenth = replace(view, quantile=0.1)
    assert words(archive, tenth, "exponent").startswith("0.1 quantile over realisation")
    single = view.fixing("realisation", 1)
    assert words(archive, single, "exponent") == "single values; observed = full, realisation = 1"
    assert words(archive, view.fixing("observed", None), "exponent") == (
        "mean over observed (2 values) and realisation (3 values)"
    )


def test_one_axis_is_a_line_and_none_is_refused(tmp_path):
    line = Archive.create(tmp_path / "line.h5", Grid({"r": np.linspace(0, 1, 4)}), outputs={"y": ()}, seed=1)
    assert first_view(line) == View("y", "r")
    point = Archive.create(tmp_path / "point.h5", Grid({"r": [1.0]}), outputs={"y": ()}, seed=1)
    with pytest.raises(ValueError, match="one point on each axis"):
        first_view(point)


def test_the_axes_of_a_table_are_its_parameters(tmp_path):
    kinds = {"kind": ["a", "b"], "r": float}
    table = Archive.table(tmp_path / "table.h5", kinds, capacity=3, outputs={"y": {"start": 2}}, seed=1)
    assert first_view(table) == View("y", "r", "kind")
    assert axes_of(table).keys() == {"start"}
    view = View("y", "kind", NONE, at={"start": 1})
    assert view_at(table, address(table, view)) == view
    with pytest.raises(ValueError, match="x must be one of kind, r; got 'row'"):
        view_at(table, "x=row")


def test_nothing_is_computed_for_a_view(tmp_path):
    assert first_view(empty(tmp_path / "empty.h5")).output == "exponent"


def test_names_have_no_marks_of_mathematical_text(archive):
    """A figure writes the symbol of input_std as mathematical text, which a page would show as it is."""
    assert plain_label(archive, "input_std") == "input scale σ_in"
    assert plain_label(archive, "exponent") == "conditional exponent λ₁ (per step)"
