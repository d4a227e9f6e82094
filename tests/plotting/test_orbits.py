"""Orbits and return maps: the points drawn are the data."""

import numpy as np
import pytest

from cocycle.plotting import phase_portrait, return_map


def test_two_components_against_each_other(ax):
    series = np.random.default_rng(1).normal(size=(30, 3))
    drawn = phase_portrait(ax, series, (0, 2), names=["x", "y", "z"], color="red")
    np.testing.assert_array_equal(drawn.get_xydata(), series[:, [0, 2]])
    assert (ax.get_xlabel(), ax.get_ylabel(), drawn.get_color()) == ("x", "z", "red")
    assert phase_portrait(ax, series, points=True).get_linestyle() == "None"
    with pytest.raises(ValueError, match=r"components \(0, 3\); got \(30, 3\)"):
        phase_portrait(ax, series, (0, 3))


def test_each_maximum_against_the_one_before(ax):
    drawn = return_map(ax, [1.0, 2.0, 5.0], name="maximum of z")
    np.testing.assert_array_equal(drawn.get_xydata(), [[1, 2], [2, 5]])
    assert ax.get_ylabel() == "next maximum of z"
    with pytest.raises(ValueError, match=r"shape \(m,\), at least two of them; got \(1,\)"):
        return_map(ax, [1.0])
