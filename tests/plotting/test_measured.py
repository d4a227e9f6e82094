"""Figures of measured series: the lines are the results."""

import numpy as np
import pytest

from cocycle import embedding_delay, embedding_dimension, exponent_from_series, plot
from cocycle.systems import Henon, Lorenz63


@pytest.fixture(scope="module")
def series():
    return Henon().series(3000, rng=1)[:, 0]


def test_the_line_has_the_slope_of_the_exponent(ax, series):
    result = exponent_from_series(series, 0.5, method="kantz")
    assert result.plot(ax=ax) is ax.figure
    *curves, stretch, slope = ax.lines
    assert len(curves) == 3
    np.testing.assert_array_equal(curves[1].get_xydata(), np.stack([result.times, result.curves[1]], axis=1))
    assert (stretch.get_xdata()[0], stretch.get_xdata()[-1]) == result.stretch
    assert slope.get_slope() == result.exponent
    fitted = np.polyfit(stretch.get_xdata(), stretch.get_ydata(), 1)
    assert fitted[0] == pytest.approx(result.exponent, rel=1e-9)
    assert fitted[1] == pytest.approx(slope.get_xy1()[1] - result.exponent * slope.get_xy1()[0], rel=1e-9)
    assert ax.get_xlabel() == "time (units of the system)"
    assert "per unit time" in ax.get_legend().get_texts()[0].get_text()


def test_no_line_without_divergence(ax, rng):
    result = exponent_from_series(rng.normal(size=2000))
    plot(result, ax=ax)
    assert len(ax.lines) == 1
    assert (ax.get_title(), ax.get_xlabel()) == ("no exponential divergence", "time (steps)")


def test_information_and_delay(ax):
    found = embedding_delay(Lorenz63().series(3000, dt=0.05, rng=1)[:, 0])
    found.plot(ax=ax)
    curve, chosen = ax.lines
    np.testing.assert_array_equal(curve.get_ydata(), found.information[1:])
    assert curve.get_xdata()[0] == 1
    assert set(chosen.get_xdata()) == {found.delay}


@pytest.mark.parametrize(("method", "count"), [("cao", 2), ("false neighbours", 1)])
def test_dimensions(ax, series, method, count):
    found = embedding_dimension(series, 1, method=method)
    found.plot(ax=ax)
    *curves, chosen = ax.lines
    assert len(curves) == count
    np.testing.assert_array_equal(curves[0].get_xydata(), np.stack([np.arange(1, 11), found.curve], axis=1))
    assert set(chosen.get_xdata()) == {found.dimension}
