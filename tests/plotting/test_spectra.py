"""What is drawn of a spectrum are the estimates, their bands and what was reached."""

from itertools import repeat

import matplotlib.pyplot as plt
import numpy as np
import pytest

from cocycle import Flow, Linear, frame, leading_exponents, lyapunov_spectrum
from cocycle.plotting import angle_histograms, convergence_figure, running_exponents, spectrum_points
from cocycle.systems import Henon, Lorenz63


def test_convergence_of_one_orbit():
    x = Henon().series(1)[0]
    result = lyapunov_spectrum(repeat(Henon(), 500), x, frame(x, 2))
    figure = result.plot(unit="per iteration")
    first, right, second = figure.axes  # 0.4 and -1.6, an axis for each
    for ax, i in ((first, 0), (second, 1)):
        np.testing.assert_allclose(ax.lines[0].get_ydata()[-1], result.exponents[i])
        low, high = ax.get_ylim()
        assert low < result.exponents[i] < high
        assert high - low < 0.5
        assert len(ax.collections) == 1  # the band
    assert [ax.get_ylabel() for ax in (first, second)] == ["λ₁", "λ₂"]
    assert first.get_title() == "running exponents (per iteration)"
    assert second.get_xlabel() == "time (steps)"
    assert right.get_ylabel() == "exponent λᵢ (per iteration)"
    assert "± 2 standard errors" in figure.get_supxlabel()
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
    assert [line.get_label() for line in lines] == ["v₁, v₂", "v₁, v₃", "v₂, v₃"]
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
    assert [line.get_label() for line in left.lines[:2]] == ["λ₁", "λ₂, -∞"]
    (below,) = [line for line in right.lines if line.get_marker() == "v"]
    np.testing.assert_array_equal(below.get_xdata(), [2])


def test_both_panels_of_a_spectrum_have_room():
    """An empty line that is not clipped once took the room of the whole figure."""
    x = Henon().series(1)[0]
    figure = lyapunov_spectrum(repeat(Henon(), 500), x, frame(x, 2)).plot()
    figure.canvas.draw()
    assert all(ax.get_position().width > 0.25 for ax in figure.axes)


def test_many_lines_are_told_apart():
    """Fifty exponents: a legend of ten lines at most, colours in the order of the index, and what is not drawn said."""
    factors = np.linspace(1, 2, 50)[::-1]
    result = lyapunov_spectrum(repeat(Linear(np.diag(factors)), 20), np.zeros(50), np.eye(50))
    figure = convergence_figure(result, most=30)
    left, _ = figure.axes
    assert len(left.lines) == 31
    names = [text.get_text() for text in left.get_legend().get_texts()]
    assert len(names) == 8
    assert (names[0], names[-1]) == ("λ₁", "λ₃₀")
    assert (
        len({line.get_color() if isinstance(line.get_color(), str) else tuple(line.get_color()) for line in left.lines})
        == 31
    )
    assert "the first 30 of 50" in figure.get_supxlabel()
    _, ax = plt.subplots()
    angle_histograms(ax, np.full((10, 8, 8), 1.0))
    assert len(ax.get_legend().get_texts()) == 8


def test_a_batch_says_what_its_bands_are():
    x = Henon().start(np.random.default_rng(1), (20,))
    figure = lyapunov_spectrum(repeat(Henon(), 300), x, frame(x, 2), transient=50).plot()
    assert figure.get_supxlabel() == "lines: mean of 20 members; bands: ± 1, bars: ± 2 standard deviations over them"


def test_units_of_layers_and_of_time(ax):
    layers = [Linear(np.diag([2.0, 0.5])), Linear(np.diag([3.0, 0.5]))]
    assert leading_exponents(layers, np.zeros(2)).unit == "per layer"
    assert leading_exponents(layers[:1] * 3, np.zeros(2)).unit == "per step"
    flow = Flow(Lorenz63(), dt=0.01)
    assert leading_exponents([flow] * 3, np.ones(3)).unit == "per unit time"
    leading_exponents(layers, np.zeros(2)).plot(ax=ax)
    assert ax.get_ylabel() == "exponent λᵢ (per layer)"
