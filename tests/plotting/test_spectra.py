"""The figure of a spectrum shows the estimates, their bands and what was reached."""

from itertools import repeat

import matplotlib
import numpy as np

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from cocycle import Linear, frame, spectrum
from cocycle.plotting import convergence_figure
from cocycle.systems import Henon


def test_convergence_of_one_orbit():
    x = Henon().series(1)[0]
    result = spectrum(repeat(Henon(), 500), x, frame(x, 2))
    figure = convergence_figure(result, unit="per iteration")
    left, right = figure.axes
    np.testing.assert_allclose(left.lines[0].get_ydata()[-1], result.exponents[0])
    assert left.get_ylabel() == "running exponents (per iteration)"
    assert len(left.collections) == 2  # the bands
    (points,) = [c for c in right.containers]
    np.testing.assert_allclose(points.lines[0].get_ydata(), result.exponents)
    (bars,) = points.lines[2]
    heights = [np.ptp(segment[:, 1]) for segment in bars.get_segments()]
    np.testing.assert_allclose(heights, 4 * result.standard_error)
    plt.close(figure)


def test_convergence_of_a_batch_shows_its_scatter():
    x = Henon().start(np.random.default_rng(1), (20,))
    result = spectrum(repeat(Henon(), 300), x, frame(x, 2), transient=50)
    figure = convergence_figure(result)
    np.testing.assert_allclose(figure.axes[0].lines[1].get_ydata()[-1], result.exponents[:, 1].mean())
    plt.close(figure)


def test_too_short_for_an_error_bar_is_drawn_without():
    result = spectrum(repeat(Linear(np.diag([2.0, 0.5])), 4), np.zeros(2), np.eye(2))
    plt.close(convergence_figure(result))
