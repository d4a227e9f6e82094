"""What is drawn of a spectrum are the estimates, their bands and what was reached."""

from itertools import repeat

import matplotlib.pyplot as plt
import numpy as np
import pytest

from cocycle import Linear, frame, lyapunov_spectrum
from cocycle.plotting import angle_histograms, convergence_figure, running_exponents, spectrum_points
from cocycle.systems import Henon


def test_convergence_of_one_orbit():
    x = Henon().series(1)[0]
    result = lyapunov_spectrum(repeat(Henon(), 500), x, frame(x, 2))
    left, right = result.plot(unit="per iteration").axes
    np.testing.assert_allclose(left.lines[0].get_ydata()[-1], result.exponents[0])
    assert left.get_ylabel() == "running exponents (per iteration)"
    assert right.get_ylabel() == "exponent λᵢ (per iteration)"
    assert len(left.collections) == 2  # the bands
    (points,) = [c for c in right.containers]
    np.testing.assert_allclose(points.lines[0].get_ydata(), result.exponents)
    (bars,) = points.lines[2]
    heights = [np.ptp(segment[:, 1]) for segment in bars.get_segments()]
    np.testing.assert_allclose(heights, 4 * result.standard_error)


def test_a_batch_shows_its_mean_and_scatter():
    x = Henon().start(np.random.default_rng(1), (20,))
    result = lyapunov_spectrum(repeat(Henon(), 300), x, frame(x, 2), transient=50)
    _, (left, right) = plt.subplots(1, 2)
    lines = running_exponents(left, result, most=1)
    assert len(lines) == 1
    np.testing.assert_allclose(lines[0].get_ydata()[-1], result.exponents[:, 0].mean())
    points = spectrum_points(right, result)
    np.testing.assert_allclose(points.lines[0].get_ydata(), result.exponents.mean(0))
    heights = [np.ptp(segment[:, 1]) for segment in points.lines[2][0].get_segments()]
    np.testing.assert_allclose(heights, 4 * result.scatter)


def test_too_short_for_an_error_bar_is_drawn_without():
    result = lyapunov_spectrum(repeat(Linear(np.diag([2.0, 0.5])), 4), np.zeros(2), np.eye(2))
    assert convergence_figure(result).axes


def test_in_a_notebook_a_spectrum_is_a_table():
    result = lyapunov_spectrum(repeat(Linear(np.diag([2.0, 0.5])), 40), np.zeros(2), np.eye(2))
    text = result._repr_html_()
    assert "Spectrum over time 40" in text
    assert "<td>1</td><td>0.693147</td>" in text
    many = lyapunov_spectrum(repeat(Linear(np.diag(np.linspace(1, 2, 50))), 20), np.zeros(50), np.eye(50))
    assert "50 in all" in many._repr_html_()
    assert many._repr_html_().count("<tr>") < 20


def test_angles_are_counted_pair_by_pair():
    angles = np.full((100, 3, 3), np.radians(80.0))
    angles[:, 0, 1] = np.radians(10.0)
    _, ax = plt.subplots()
    lines = angle_histograms(ax, angles, bins=9)
    assert [line.get_label() for line in lines] == ["v1, v2", "v1, v3", "v2, v3"]
    values, edges, _ = lines[0].get_data()
    np.testing.assert_allclose((values * np.diff(edges)).sum(), 1)  # a density
    assert values.argmax() == 1  # 10 to 20 degrees
    with pytest.raises(ValueError, match=r"\(time, k, k\), k at least 2; got \(5, 1, 1\)"):
        angle_histograms(ax, np.zeros((5, 1, 1)))


def test_what_torch_differentiates_is_drawn_too():
    torch = pytest.importorskip("torch")
    weight = torch.tensor([[2.0, 0.0], [0.0, 0.5]], dtype=torch.float64, requires_grad=True)
    x = torch.zeros(2, dtype=torch.float64)
    result = lyapunov_spectrum(repeat(Linear(weight), 30), x, frame(x, 2))
    points = result.plot().axes[1].containers[0].lines[0].get_ydata()
    np.testing.assert_allclose(points, result.exponents.detach().numpy())


def test_exponents_of_minus_infinity_are_marked():
    """A delay line forgets in finite time: its exponents are -inf, and no limits are made of them."""
    result = lyapunov_spectrum(repeat(Linear(np.diag([0.5, 0.0])), 100), np.ones(2), np.eye(2))
    assert np.isneginf(result.exponents[1])
    left, right = convergence_figure(result).axes
    assert [line.get_label() for line in left.lines[:2]] == ["λ1", "λ2, -∞"]
    (below,) = [line for line in right.lines if line.get_marker() == "v"]
    np.testing.assert_array_equal(below.get_xdata(), [2])


def test_both_panels_of_a_spectrum_have_room():
    """An empty line that is not clipped once took the room of the whole figure."""
    x = Henon().series(1)[0]
    figure = lyapunov_spectrum(repeat(Henon(), 500), x, frame(x, 2)).plot()
    figure.canvas.draw()
    assert all(ax.get_position().width > 0.25 for ax in figure.axes)
