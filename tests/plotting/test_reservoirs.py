"""Results of reservoirs and of training know how to draw themselves, with labels and units."""

from itertools import repeat

import numpy as np
import pytest

from cocycle import Linear, Reservoir, lyapunov_spectrum
from cocycle.networks import accuracy_map, uncertainty
from cocycle.reservoir import Synchronisation, ValidTimes, memory_capacity
from cocycle.reservoir.diagnosis import Diagnosis


def test_valid_times():
    times = ValidTimes(np.array([0.5, 1.5, 1.6, 10.0]), 10.0)
    (ax,) = times.plot().axes
    heights = [bar.get_height() for bar in ax.patches]
    assert sum(heights) == 4
    assert heights[-1] == 1  # still valid at the horizon
    assert ax.lines[0].get_xdata()[0] == times.median
    assert ax.get_xlabel() == "valid time (Lyapunov times)"


def test_synchronisation():
    result = Synchronisation(np.exp(-0.5 * np.arange(80))[:, None] * [1.0, 2.0], 1.0)
    (ax,) = result.plot().axes
    assert ax.get_yscale() == "log"
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), result.distances[:, 1])
    assert "synchronised, rate -0.5 per step" in repr(result)


def test_memory():
    capacity = memory_capacity(Reservoir.random(20, 1, rng=1), delays=6, times=500)
    (ax,) = capacity.plot().axes
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), capacity.by_delay)
    assert ax.get_xlabel() == "delay (steps)"


def diagnosis(closed):
    conditional = lyapunov_spectrum(repeat(Linear(np.array([[0.5]])), 40), np.zeros(1), np.eye(1))
    times = ValidTimes(np.array([1.0, 2.0]), 10.0)
    true = np.array([0.1]) if closed else None
    loop, climate = conditional if closed else None, np.array([0.2])
    return Diagnosis(conditional, loop, 2.0, 0.5, 0.01, 1e-3, times, climate, true, 10.0, 1.0)


@pytest.mark.parametrize("closed", [True, False])
def test_diagnosis(closed):
    panels = diagnosis(closed).plot().axes
    assert panels[0].get_ylabel() == "running exponents (per step)"
    words = [text.get_text() for text in panels[2].texts]
    assert ("the closed loop diverges" in words) is not closed
    assert [bar.get_height() for bar in panels[3].patches] == [0.2]
    assert "<td>conditional exponent</td><td>-0.6931 ± " in diagnosis(closed)._repr_html_()


def test_accuracy_over_entropy_and_information():
    members = np.random.default_rng(1).dirichlet(np.ones(3), size=(4, 200))
    found = uncertainty(members)
    known = accuracy_map(found, np.arange(200) % 2 == 0, bins=5)
    ax, colours = known.plot().axes
    np.testing.assert_array_equal(ax.collections[0].get_array().filled(np.nan), known.accuracy.T)
    assert (ax.get_xlabel(), colours.get_ylabel()) == ("predictive entropy (nats)", "accuracy")


def test_training():
    from cocycle.networks.training import History

    history = History(np.array([1.0, 0.1]), np.array([0.5, 0.0]))
    (ax,) = history.plot().axes
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), history.loss)
    assert np.isnan(ax.lines[1].get_ydata()[1])  # zero is not on a logarithmic axis
    assert repr(History(np.zeros(0), np.zeros(0))) == "History of 0 epochs"
    assert repr(history) == "History of 2 epochs: loss 0.1, held-out error 0"
