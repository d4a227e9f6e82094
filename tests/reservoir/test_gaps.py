"""Missing values are left out of the fit, split or bridged as the caller says, and never taken for data."""

import numpy as np
import pytest

from cocycle import Reservoir, forecast, train, trajectory
from cocycle.reservoir import CrossValidated, DelayLine, Design, Polynomial, nrmse, train_online
from cocycle.systems import Lorenz63

SERIES = Lorenz63().series(3000, dt=0.02)
NETWORK = Reservoir.random(60, 3, rng=2)
AS_IT_IS = {"normalise": False, "ridge": 1e-3}


def holed(*holes, components=slice(None), series=SERIES):
    found = series.copy()
    for begin, end in holes:
        found[begin:end, components] = np.nan
    return found


@pytest.mark.parametrize("constant", [True, False])
def test_times_without_a_target_are_left_out_of_the_fit(rng, constant):
    """The weight is the ridge solution on the other rows."""
    target = SERIES[:1500, :2] + rng.normal(size=(1500, 2))
    target[rng.random(1500) < 0.3, 1] = np.nan
    design = Design(constant=constant)
    model = train(NETWORK, SERIES[:1500] / 20, target=target, washout=100, design=design, **AS_IT_IS)
    states = trajectory(NETWORK.driven(SERIES[:1500] / 20), NETWORK.rest())
    kept = np.isfinite(target).all(axis=1) & (np.arange(1500) >= 100)
    r, y = states[kept], target[kept]
    if constant:
        r, y = r - r.mean(0), y - y.mean(0)
    exact = np.linalg.solve(r.T @ r + 1e-3 * np.eye(60), r.T @ y).T
    np.testing.assert_allclose(model.readout.weight, exact, rtol=1e-6, atol=1e-8 * abs(exact).max())


def test_a_mask_is_the_same_as_nan_and_what_is_under_it_does_not_matter(rng):
    hidden = rng.random((1500, 1)) < 0.2
    target = SERIES[:1500, :1]
    masked = np.ma.array(np.where(hidden, 1e9, target), mask=hidden)
    models = [train(NETWORK, SERIES[:1500], target=y) for y in (masked, np.where(hidden, np.nan, target))]
    np.testing.assert_array_equal(models[0].readout.weight, models[1].readout.weight)
    np.testing.assert_array_equal(models[0].outputs.offset, models[1].outputs.offset)


@pytest.mark.parametrize("ridge", [1e-4, CrossValidated((1e-6, 1e-3, 1.0))])
def test_split_is_the_list_of_the_parts(ridge):
    parts = [SERIES[:900], SERIES[910:1000], SERIES[1003:2000], SERIES[2005:]]
    model = train(NETWORK, holed((900, 910), (1000, 1003), (2000, 2005)), gaps="split", ridge=ridge)
    by_hand = train(NETWORK, [part for part in parts if len(part) > 201], ridge=ridge)
    np.testing.assert_array_equal(model.readout.weight, by_hand.readout.weight)
    assert model.settings["gaps"] == "split"


def test_split_takes_target_and_external_along():
    forcing, target = np.sin(np.arange(3000))[:, None], SERIES[:, 2:]
    network, holes = Reservoir.random(60, 3, rng=1), ((1000, 1010),)
    broken = forcing.copy()
    broken[2000] = np.nan
    series = holed(*holes, series=SERIES[:, :2])
    model = train(network, series, target=target, external=broken, gaps="split")
    cuts = (slice(1000), slice(1010, 2000), slice(2001, None))
    several = [[part[cut] for cut in cuts] for part in (SERIES[:, :2], target, forcing)]
    by_hand = train(network, several[0], target=several[1], external=several[2])
    np.testing.assert_array_equal(model.readout.weight, by_hand.readout.weight)


def test_bridged_values_are_the_forecasts_of_the_readout_that_the_parts_give():
    """The readout is the ridge solution on the states that they lead to, at the times whose next value is known."""
    series = holed((1000, 1004), (2000, 2030), series=SERIES / 20)
    model = train(NETWORK, series, gaps="bridge", **AS_IT_IS)
    first = train(NETWORK, series, gaps="split", **AS_IT_IS)
    filled = np.concatenate([series[:1000], forecast(first, series[:1000], 4)])
    filled = np.concatenate([filled, series[1004:2000]])
    filled = np.concatenate([filled, forecast(first, filled, 30), series[2030:]])
    r = trajectory(NETWORK.driven(filled[:-1]), NETWORK.rest())
    kept = np.isfinite(series[1:]).all(axis=1) & (np.arange(len(r)) >= 200)
    r, y = r[kept], series[1:][kept]
    r, y = r - r.mean(0), y - y.mean(0)
    exact = np.linalg.solve(r.T @ r + 1e-3 * np.eye(60), r.T @ y).T
    np.testing.assert_allclose(model.readout.weight, exact, rtol=1e-5, atol=1e-6 * abs(exact).max())
    assert model.settings["gaps"] == "bridge"


@pytest.mark.parametrize(
    ("network", "options"),
    [
        (NETWORK, {"design": Design(direct=True)}),
        (NETWORK, {"design": Design(increment=True)}),
        (DelayLine(3, 3), {"design": Polynomial(9)}),
        (Reservoir.ensemble([Reservoir.random(40, 3, rng=i) for i in range(2)]), {}),
        (Reservoir.random(60, 4), {"external": np.sin(np.arange(3000))[:, None]}),
        (NETWORK, {"target": SERIES[:, 2:]}),
        (NETWORK, {"ridge": CrossValidated((1e-6, 1e-3, 1.0))}),
    ],
)
def test_short_gaps_cost_little(network, options):
    """One-step errors with 3 % of the values missing are near those without gaps, for every kind of network."""
    rng = np.random.default_rng(1)
    series = SERIES.copy()
    for begin in rng.choice(np.arange(250, 2900, 50), 30, replace=False):
        series[begin : begin + 3, rng.integers(3)] = np.nan
    options = {"ridge": 1e-4} | options
    whole, bridged = train(network, SERIES, **options), train(network, series, gaps="bridge", washout=20, **options)
    external, truth = options.get("external"), options.get("target", SERIES[1:])
    errors = [
        nrmse(model.predictions(SERIES, external)[200 : len(truth)], truth[200:], reference=truth)
        for model in (whole, bridged)
    ]
    assert (errors[1] < 1.5 * errors[0] + 1e-3).all()


def test_no_gap_is_no_change():
    models = [train(NETWORK, SERIES, gaps=gaps) for gaps in (None, "split", "bridge")]
    for model in models[1:]:
        np.testing.assert_array_equal(model.readout.weight, models[0].readout.weight)


def test_a_gap_at_the_start_may_be_as_long_as_the_washout():
    late = train(NETWORK, holed((0, 200)), gaps="bridge")
    np.testing.assert_array_equal(late.readout.weight, train(NETWORK, SERIES[200:]).readout.weight)


def test_lists_of_one_dimensional_series_of_unequal_lengths():
    network = Reservoir.random(40, 1)
    pieces = [SERIES[:900, 0], SERIES[900:1600, 0], SERIES[1600:, 0]]
    columns = [piece[:, None] for piece in pieces]
    targets = [piece**2 for piece in pieces]
    for options in ({}, {"target": targets}):
        mine = train(network, pieces, **options)
        theirs = train(network, columns, **{k: [y[:, None] for y in v] for k, v in options.items()})
        np.testing.assert_array_equal(mine.readout.weight, theirs.readout.weight)
    forced = train(Reservoir.random(40, 2), pieces, external=targets)
    theirs = train(Reservoir.random(40, 2), columns, external=[y[:, None] for y in targets])
    np.testing.assert_array_equal(forced.readout.weight, theirs.readout.weight)


def test_no_correction_where_the_target_is_missing():
    """As if the network had seen those inputs without learning: with recursive least squares the ridge regression."""
    target = SERIES[:1200, 2:].copy()
    target[500:600] = np.nan
    found = train_online(NETWORK, SERIES[:1200], target=target, design=Design(constant=False))
    assert len(found.errors) == 1200 - 200 - 100
    batch = train(NETWORK, SERIES[:1200], target=target, design=Design(constant=False), ridge=0.01)
    np.testing.assert_allclose(found.model.readout.weight, batch.readout.weight, rtol=1e-6, atol=1e-8)


def test_forecasts_from_a_warm_up_with_gaps():
    model = train(NETWORK, SERIES[:2500])
    warm_up = holed((100, 102), series=SERIES[2500:2700])
    with pytest.raises(ValueError, match=r'warm_up must be finite; .*: start.series, gaps="bridge". replaces'):
        forecast(model, warm_up, 5)
    found = forecast(model, warm_up, 5, gaps="bridge")
    np.testing.assert_allclose(found, forecast(model, SERIES[2500:2700], 5), atol=0.5)
    live = model.start(warm_up, gaps="bridge")
    np.testing.assert_array_equal(live.forecast(5), found)


EMPTY = np.full((3000, 1), np.nan)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: train(NETWORK, holed((5, 6))), r"series must be finite; got 3 missing values \(NaN\), the first at"),
        (lambda: train(NETWORK, holed((5, 6)), gaps="fill"), "gaps must be 'split' or 'bridge', or None to refuse"),
        (lambda: train(NETWORK, SERIES[:, :2], gaps="split"), r"series must have shape \(time, \*batch, m=3\)"),
        (lambda: train(NETWORK, np.where(holed((5, 6)) > 30, np.inf, SERIES), gaps="split"), "series must be finite"),
        (lambda: train(NETWORK, np.c_[SERIES[:, :2], EMPTY], gaps="split"), "component 2 of the series has no value"),
        (lambda: train(NETWORK, np.c_[SERIES[:, :2], EMPTY], gaps="bridge"), "component 2 of the series has no value"),
        (lambda: train(NETWORK, SERIES, target=np.c_[EMPTY, SERIES]), "component 0 of the target has no value"),
        (
            lambda: train(NETWORK, SERIES, target=np.where(np.arange(3000)[:, None] < 200, SERIES, np.nan)),
            "target must have all its components at some time after the washout of 200",
        ),
        (
            lambda: train(
                NETWORK, SERIES, target=np.ma.array(SERIES, mask=np.arange(3000)[:, None] * np.ones(3) > 100)
            ),
            "or the mask leaves nothing to learn from",
        ),
        (
            lambda: train(NETWORK, holed(*((i, i + 1) for i in range(100, 3000, 100))), gaps="split"),
            "longer than the washout of 200 and one time; the longest has 100 times",
        ),
        (
            lambda: train(NETWORK, holed((0, 201)), gaps="bridge"),
            "no gap at its start that is longer than the washout of 200; its first 201 times are incomplete",
        ),
        (
            lambda: train(Reservoir.random(20, 4), SERIES, external=holed((7, 8))[:, :1], gaps="bridge"),
            'external must be finite with gaps="bridge"',
        ),
        (
            lambda: train(NETWORK, holed((5, 6))[:, None], gaps="bridge"),
            r"takes series of shape \(time, m\); got \(3000, 1, 3\)",
        ),
        (lambda: train_online(NETWORK, holed((5, 6))), "series must be finite"),
        (lambda: train(NETWORK, [SERIES, holed((5, 6))]), "series must be finite"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
