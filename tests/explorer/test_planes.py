"""Planes hold what the archive holds: means, errors over independent streams, quantiles, counts, and what failed."""

from dataclasses import replace

import numpy as np
import pytest
from archives import computed, empty, grid

from cocycle.explorer.axes import plane_axis
from cocycle.explorer.planes import compared, plane, planes
from cocycle.explorer.view import DIFFERENCE, NONE, OTHER, View, first_view
from cocycle.sweeps import Archive, Grid, Status


def test_values_and_errors_of_the_first_view(archive):
    found = plane(archive, first_view(archive), "exponent")
    values = archive["exponent"][0]
    np.testing.assert_allclose(found.values, values.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(found.errors, values.std(axis=0, ddof=1) / np.sqrt(3), rtol=1e-12)
    assert (found.counts[~np.isnan(found.values)] == 3).all()
    assert found.values.shape == (6, 5)
    assert found.label == "conditional exponent λ₁ (per step)"


def test_starts_of_one_network_are_not_independent(archive):
    """The error of valid times is that over realisations of their means over starts."""
    found = plane(archive, first_view(archive), "valid_time")
    each = archive["valid_time"][0].mean(axis=-1)
    np.testing.assert_allclose(found.values, each.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(found.errors, each.std(axis=0, ddof=1) / np.sqrt(3), rtol=1e-12)


def test_a_plane_agrees_with_best(archive):
    """The largest mean of a plane, its error and count are those of archive.best."""
    best = archive.best("exponent", over="realisation")
    view = first_view(archive).fixing("observed", list(archive.grid.axes["observed"]).index(best.point["observed"]))
    found = plane(archive, view, "exponent")
    i = np.unravel_index(np.nanargmax(found.values), found.values.shape)
    assert found.values[i] == best.value
    assert found.errors[i] == best.error
    assert found.counts[i] == best.count


def test_points_with_common_numbers_give_no_error(tmp_path):
    archive = computed(tmp_path / "common.h5", grid(common=("observed",)))
    view = View("exponent", "input_std", "weight_std", at={"realisation": 0})
    found = plane(archive, view, "exponent")
    assert np.isnan(found.errors).all()
    assert found.counts.max() == 1
    both = plane(archive, view.fixing("realisation", None), "exponent")
    draws = archive["exponent"].mean(axis=0)
    np.testing.assert_allclose(both.errors, draws.std(axis=0, ddof=1) / np.sqrt(3), rtol=1e-12)


@pytest.mark.filterwarnings("ignore:All-NaN")
def test_quantiles_are_over_all_values_and_have_no_error(archive):
    found = plane(archive, replace(first_view(archive), quantile=0.25), "valid_time")
    np.testing.assert_allclose(found.values, np.nanquantile(archive["valid_time"][0], 0.25, axis=(0, 3)), rtol=1e-13)
    assert np.isnan(found.errors).all()


def test_axes_may_be_exchanged(archive):
    view = first_view(archive)
    a, b = plane(archive, view, "exponent"), plane(archive, view.over("weight_std", "input_std"), "exponent")
    np.testing.assert_array_equal(a.values, b.values.T)
    assert (b.x.name, b.y.name) == ("weight_std", "input_std")


def test_axes_of_words_and_lines(archive):
    view = View("exponent", "observed", "realisation", at={"weight_std": 1, "input_std": 2})
    found = plane(archive, view, "exponent")
    np.testing.assert_array_equal(found.values, archive["exponent"][:, :, 1, 2].T)
    assert found.x.texts == ["full", "second"]
    line = plane(archive, replace(first_view(archive).fixing("input_std", 2).over("weight_std", NONE)), "exponent")
    assert line.is_line
    np.testing.assert_allclose(line.values, archive["exponent"][0, :, :, 2].mean(axis=0)[None], rtol=1e-14)


def test_failed_points_and_points_to_do_are_counted(archive, tmp_path):
    found = plane(archive, first_view(archive), "exponent")
    failed = np.isin(archive.status[0], (Status.FAILED, Status.DIED)).sum(axis=0)
    np.testing.assert_array_equal(found.failed, failed)
    np.testing.assert_array_equal(found.states == Status.FAILED, failed == 3)
    assert (found.states[failed == 0] == Status.DONE).all()
    waiting = empty(tmp_path / "empty.h5")
    nothing = plane(waiting, first_view(waiting), "exponent")
    assert (nothing.to_do == 3).all()
    assert (nothing.states == Status.TO_DO).all()
    assert np.isnan(nothing.values).all()


def test_a_second_output_stands_beside_the_first(archive):
    assert [p.output for p in planes(archive, first_view(archive))] == ["exponent", "valid_time"]
    assert len(planes(archive, replace(first_view(archive), beside=NONE))) == 1
    with pytest.raises(ValueError, match="needs a second archive"):
        planes(archive, replace(first_view(archive), beside=OTHER))


def test_two_archives_are_compared_by_their_coordinates(archive, tmp_path):
    """The other has more values of weight_std: the same points have the same numbers, and a difference of zero."""
    more = computed(tmp_path / "more.h5", grid(rows=11))
    view = replace(first_view(archive), beside=DIFFERENCE)
    first, second = planes(archive, view, more)
    assert second.values.shape == first.values.shape
    np.testing.assert_allclose(
        second.values[np.isfinite(first.values)], 0, atol=1e-11
    )  # coordinates differ by rounding
    back = compared(more, archive, first_view(more))
    assert np.isnan(back.values[1::2]).all()
    assert (back.states[1::2] == Status.LEFT_OUT).all()


def test_an_archive_of_other_axes_is_not_compared(archive, tmp_path):
    other = Archive.create(tmp_path / "other.h5", Grid({"r": np.arange(3.0)}), outputs={"exponent": ()}, seed=1)
    with pytest.raises(ValueError, match="must have the output exponent over the axes observed"):
        compared(archive, other, first_view(archive))


AXES = [np.linspace(0.01, 2, 11), np.geomspace(1e-3, 1, 10), np.arange(5), np.array([1.0, 2.0, 7.0]), np.array([3.0])]
AXES += [np.array(["a", "b"]), np.linspace(2, 1, 4), np.geomspace(1, 2, 30), np.geomspace(1e-9, 1e9, 40)]


@pytest.mark.parametrize("values", AXES)
def test_a_place_belongs_to_the_cell_that_is_there(values):
    axis = plane_axis("a", "a", values)
    assert [axis.cell(place) for place in axis.centres] == list(range(len(values)))
    assert axis.cell(axis.start - 1e-9) is None
    assert axis.cell(axis.end + 1e-9) is None
    assert axis.cell(np.nan) is None
    assert all(axis.start <= place <= axis.end for place in axis.ticks)
    assert len(axis.ticks) <= 10


def test_places_are_values_or_their_logarithms():
    np.testing.assert_allclose(plane_axis("a", "a", AXES[0]).centres, AXES[0], rtol=1e-12)
    np.testing.assert_allclose(10 ** plane_axis("a", "a", AXES[1]).centres, AXES[1], rtol=1e-12)
    ticks = plane_axis("a", "a", AXES[1]).ticks
    assert list(ticks.values()) == ["0.001", "0.003", "0.01", "0.03", "0.1", "0.3", "1"]
    np.testing.assert_allclose(list(ticks), np.log10([float(text) for text in ticks.values()]), atol=1e-12)
