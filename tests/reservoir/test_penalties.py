"""The ridge of a group of features is that of the regression times the group's penalty."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cocycle import Reservoir, train
from cocycle.maps import Linear
from cocycle.reservoir import Design, HalfSquared, HeldOut, Polynomial, RecursiveLeastSquares, WithSquares, train_online
from cocycle.systems import Lorenz63

SERIES = Lorenz63().series(900)
NETWORK = Reservoir.random(6, 3, rng=4)
GROUPS = {
    "states": (None, False, {"state": 6}),
    "direct": (None, True, {"input": 3, "state": 6}),
    "squares": (WithSquares(), True, {"input": 3, "state": 6, "input squared": 3, "state squared": 6}),
    "half squared": (HalfSquared(), False, {"state": 6}),
    "polynomial": (Polynomial(6, (1, 2)), False, {"degree 1": 6, "degree 2": 21}),
    "own map": (Linear(np.arange(24.0).reshape(4, 6) / 24 + np.eye(4, 6)), False, {"features": 4}),
}


@pytest.mark.parametrize("case", GROUPS)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 1000), ridge=st.sampled_from([1e-4, 1.0]))
def test_the_regression_has_the_penalties(case, seed, ridge):
    """(F Fᵀ + ridge diag(penalties)) wᵀ = F Yᵀ about the means, by names, by numbers, and one step at a time."""
    functions, direct, groups = GROUPS[case]
    penalties = dict(zip(groups, 10.0 ** np.random.default_rng(seed).uniform(-2, 2, len(groups)), strict=True))
    each = np.repeat(list(penalties.values()), list(groups.values()))
    model = train(NETWORK, SERIES, ridge=ridge, design=Design(functions, direct, penalties=penalties))
    again = train(NETWORK, SERIES, ridge=ridge, design=Design(functions, direct, penalties=each))
    np.testing.assert_array_equal(again.readout.weight, model.readout.weight)
    u, r, rows = model.inputs.applied(SERIES), NETWORK.rest(), []
    for f, now in zip(NETWORK.driven(u[:-1]), u, strict=False):
        r = f(r)
        rows.append(model.readout.features(model.readout.read(now, r)))
    f, y = np.array(rows)[200:], u[201:]
    f, y = f - f.mean(0), y - y.mean(0)
    exact = np.linalg.solve(f.T @ f + ridge * np.diag(each), f.T @ y).T
    np.testing.assert_allclose(model.readout.weight, exact, rtol=0, atol=1e-6 * abs(exact).max())
    online = train_online(
        NETWORK, SERIES, RecursiveLeastSquares(ridge), design=Design(functions, direct, penalties=penalties)
    )
    np.testing.assert_allclose(online.model.readout.weight, exact, rtol=0, atol=1e-5 * abs(exact).max())


def test_a_large_penalty_leaves_a_group_out():
    """Products of states that are penalised by 1e12 have no weight, and the ridge is chosen as without them."""
    squares = Design(WithSquares(), penalties={"state squared": 1e12})
    found, plain = (
        train(NETWORK, SERIES, design=design, ridge=HeldOut(10.0 ** np.arange(-6, 3))) for design in (squares, None)
    )
    assert abs(found.readout.weight[:, 6:]).max() < 1e-6 * abs(found.readout.weight[:, :6]).max()
    assert found.settings["ridge"] == plain.settings["ridge"]
    np.testing.assert_allclose(found.readout.weight[:, :6], plain.readout.weight, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("penalties", "message"),
    [
        ({"inputs": 1.0}, "penalties must be of these groups of features: input, state; got 'inputs'"),
        ({"input": 0.0}, "penalties must be positive numbers; got 'input': 0.0: 1e-6 is nearly no penalty"),
        ([1.0, 2.0], r"penalties must be a number within 1e-100..1e.100 for each of the 9 features; got \[1.0, 2.0\]"),
        (np.full(9, np.nan), "penalties must be a number within 1e-100..1e.100 for each of the 9 features"),
    ],
)
def test_bad_input(penalties, message):
    with pytest.raises(ValueError, match=message):
        train(NETWORK, SERIES, design=Design(direct=True, penalties=penalties))
