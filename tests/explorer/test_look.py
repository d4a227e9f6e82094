"""A click shows the points of a cell, the calls that compute one again, and what its study's look computes."""

import numpy as np
import pytest

from cocycle.explorer.look import calls, cell_table, points_of_cell, sights
from cocycle.explorer.sight_panels import sight_panel
from cocycle.explorer.view import first_view
from cocycle.studies import network_ftle, reservoir_constraints
from cocycle.sweeps import run
from cocycle.sweeps.sights import Lines, Surface

SMALL = {"size": 30, "training": 600, "washout": 50, "warm_up": 50, "starts": 2, "horizon": 1.0}


def test_the_points_of_a_cell_are_those_that_are_averaged(archive):
    points = points_of_cell(archive, first_view(archive), 5, 4)
    assert points == [(0, 0, 5, 4), (0, 1, 5, 4), (0, 2, 5, 4)]
    table = cell_table(archive, points)
    assert table.count("no convergence at weight_std = 2") == 3
    values = cell_table(archive, points_of_cell(archive, first_view(archive), 0, 0))
    assert f"{archive['exponent'][0, 1, 0, 0]:.4g}" in values


def test_the_call_in_python_is_that_of_run(archive):
    """The text that is shown computes the archived value to the bit."""
    from archives import measure

    from cocycle.sweeps import Archive, arguments

    text = calls(archive, (1, 2, 3, 1)).splitlines()[1]
    found = eval(text, {"measure": measure, "arguments": arguments, "Archive": Archive})
    assert found["exponent"] == archive["exponent"][1, 2, 3, 1]
    assert "cocycle rerun" in calls(archive, (1, 2, 3, 1))


def test_a_study_without_a_look_is_told(archive):
    with pytest.raises(ValueError, match=r"has no function look|cannot be imported|script or notebook"):
        sights(archive, (0, 0, 0, 0))


def test_a_reservoir_forecasts_beside_the_truth(tmp_path):
    axes = {"observed": ["full"], "realisation": [0], "weight_std": [0.2, 0.4], "input_std": [0.05, 0.1]}
    archive = reservoir_constraints.sweep(tmp_path / "r.h5", axes, 1, **SMALL)
    run(reservoir_constraints.measure, archive, workers=1, progress=False)
    *forecasts, running = sights(archive, (0, 0, 1, 1))
    assert len(forecasts) == 3
    assert all(isinstance(sight, Lines) and len(sight.x) == len(sight.lines["truth"]) for sight in forecasts)
    assert isinstance(running, Lines)
    np.testing.assert_allclose(running.lines["λ₁"][-1], archive["exponent"][0, 0, 1, 1], rtol=1e-9)
    assert sight_panel(running).figure.renderers


def test_a_network_shows_its_field_with_the_ridge(tmp_path):
    settings = {"width": 8, "depth": 2, "epochs": 2}
    archive = network_ftle.sweep(tmp_path / "n.h5", {"realisation": [0, 1]}, 1, **settings)
    run(network_ftle.measure, archive, workers=1, progress=False)
    field, training = sights(archive, (1,))
    assert isinstance(field, Surface)
    assert field.values.shape == (network_ftle.LOOK, network_ftle.LOOK)
    assert training.lines["training"][-1] == archive["training_loss"][1]
    assert sight_panel(field).figure.renderers
