"""What is drawn is the forecast and the truth, in Lyapunov times."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from cocycle.plotting import forecast_figure, forecast_lines


def test_lines_are_the_data():
    truth = np.random.default_rng(1).normal(size=(40, 2))
    figure = forecast_figure(truth + 1, truth, lyapunov_time=10.0, valid_time=2.0, names=["x", "y"])
    for i, ax in enumerate(figure.axes):
        true, predicted, valid = ax.lines
        np.testing.assert_allclose(true.get_xdata()[[0, -1]], [0.1, 4.0])
        np.testing.assert_array_equal(true.get_ydata(), truth[:, i])
        np.testing.assert_array_equal(predicted.get_ydata(), truth[:, i] + 1)
        assert valid.get_xdata() == [2.0, 2.0]
    assert [ax.get_ylabel() for ax in figure.axes] == ["x", "y"]
    assert figure.axes[-1].get_xlabel() == "time (Lyapunov times)"
    plt.close(figure)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"shape \(time, m\); got \(5, 2\), \(4, 2\)"):
        forecast_figure(np.ones((5, 2)), np.ones((4, 2)), lyapunov_time=1.0)


def test_one_component_on_axes_of_ones_own():
    _, ax = plt.subplots()
    lines = forecast_lines(ax, np.zeros(5), np.ones(5), lyapunov_time=2.0)
    assert [line.get_label() for line in lines] == ["truth", "forecast"]
    with pytest.raises(ValueError, match=r"shape \(time,\); got \(5,\), \(4,\)"):
        forecast_lines(ax, np.zeros(5), np.ones(4), lyapunov_time=2.0)
    plt.close("all")
