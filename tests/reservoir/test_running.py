"""A running forecaster equals the calls for whole series, bit for bit, however the series is divided among updates."""

from dataclasses import replace

import numpy as np
import pytest

from cocycle import Reservoir, forecast, train
from cocycle.networks import Cell
from cocycle.reservoir import (
    Deep,
    DelayLine,
    Design,
    Polynomial,
    RunningForecaster,
    WithSquares,
    load,
    save,
)
from cocycle.systems import Lorenz63

SERIES = Lorenz63().series(1400, dt=0.02)
FORCING = np.sin(0.1 * np.arange(1400))[:, None]
MODELS = {
    "reservoir": (Reservoir.random(40, 3), {}),
    "textbook": (Reservoir.gaussian(40, 3), {"normalise": False, "design": Design(constant=False)}),
    "sparse": (Reservoir.random(220, 3), {}),
    "leaky, squares": (Reservoir.random(40, 3, leak_rate=0.5), {"design": WithSquares()}),
    "direct": (Reservoir.random(40, 3), {"design": Design(direct=True)}),
    "increment": (Reservoir.random(40, 3), {"design": Design(increment=True)}),
    "external": (Reservoir.random(40, 4), {"external": FORCING}),
    "external, direct": (Reservoir.random(40, 4), {"external": FORCING, "design": Design(direct=True)}),
    "deep": (Deep((Reservoir.random(30, 3, rng=1), Reservoir.random(20, 30, input_scaling=0.1, rng=2))), {}),
    "delayed": (Deep((DelayLine(3, 2, 3), Reservoir.random(40, 6, rng=3))), {}),
    "next generation": (DelayLine(3, 2), {"design": Design(Polynomial(6), increment=True)}),
    "ensemble": (Reservoir.ensemble([Reservoir.random(30, 3, rng=i) for i in range(3)]), {}),
    "ensemble, direct": (
        Reservoir.ensemble([Reservoir.random(30, 3, rng=i) for i in range(2)]),
        {"design": Design(direct=True)},
    ),
    "another target": (Reservoir.random(40, 2), {"target": SERIES[:, 2:]}),
}
CLOSED = [name for name in MODELS if name != "another target"]


@pytest.fixture(scope="module")
def models():
    found = {}
    for name, (network, options) in MODELS.items():
        options = {key: value[:1000] if isinstance(value, np.ndarray) else value for key, value in options.items()}
        found[name] = train(network, data(name)[:1000], ridge=1e-4, **options)
    return found


def data(name):
    return SERIES[:, :2] if name == "another target" else SERIES


def given(model, a, b):
    return FORCING[a:b] if model.external else None


@pytest.mark.parametrize("name", MODELS)
def test_observations_in_blocks_and_one_by_one_are_one_series(models, name):
    model, series = models[name], data(name)
    live = model.start(series[1000:1060], given(model, 1000, 1060))
    live.update(series[1060:1110], given(model, 1060, 1110))
    for t in range(1110, 1130):
        live.update(series[t], FORCING[t] if model.external else None)
    whole = model.start(series[1000:1130], given(model, 1000, 1130))
    np.testing.assert_array_equal(live.state, whole.state)
    np.testing.assert_array_equal(live.last_input, whole.last_input)
    assert live.times == 130
    predicted = model.predictions(series[1000:1130], given(model, 1000, 1130))
    np.testing.assert_array_equal(live.one_step, predicted[-1])


@pytest.mark.parametrize("name", CLOSED)
def test_forecasts_are_those_of_whole_series_and_change_nothing(models, name):
    model = models[name]
    external = given(model, 1000, 1160)
    expected = forecast(model, SERIES[1000:1100], 60, external)
    state = model.warmed(SERIES[1000:1100], given(model, 1000, 1100))
    np.testing.assert_array_equal(model.continued(state, 60, given(model, 1100, 1160))[0], expected)
    live = model.start(SERIES[1000:1099], given(model, 1000, 1099))
    live.update(SERIES[1099], FORCING[1099] if model.external else None)
    for _ in range(2):
        np.testing.assert_array_equal(live.forecast(60, given(model, 1100, 1160)), expected)
    np.testing.assert_array_equal(live.one_step, expected[0])


@pytest.mark.parametrize("name", MODELS)
def test_warm_predictions_continue_those_from_rest(models, name):
    model, series = models[name], data(name)
    whole = model.predictions(series[1000:1200], given(model, 1000, 1200))
    live = model.start(series[1000:1080], given(model, 1000, 1080))
    for _ in range(2):
        warm = live.predictions(series[1080:1200], given(model, 1080, 1200))
        np.testing.assert_array_equal(warm, whole[80:])


@pytest.mark.parametrize("name", CLOSED)
def test_a_batch_of_starts_runs_together(models, name):
    model = models[name]
    warm_up = np.stack([SERIES[s : s + 100] for s in (1000, 1100, 1200)], axis=1)
    external = np.stack([FORCING[s : s + 120] for s in (1000, 1100, 1200)], axis=1) if model.external else None
    before, now, after = (None,) * 3 if external is None else (external[:90], external[90:100], external[100:])
    live = model.start(warm_up[:90], before)
    live.update(warm_up[90:95], None if now is None else now[:5])
    for t in range(95, 100):
        live.update(warm_up[t], None if now is None else now[t - 90])
    np.testing.assert_array_equal(live.forecast(20, after), forecast(model, warm_up, 20, external))


@pytest.mark.parametrize("name", MODELS)
def test_copies_go_their_own_way_and_models_stay(models, name):
    model, series = models[name], data(name)
    weights = model.readout.weight.copy()
    live = model.start(series[1000:1080], given(model, 1000, 1080))
    other, state, output = live.copy(), live.state.copy(), live.one_step
    other.update(series[1080:1090], given(model, 1080, 1090))
    np.testing.assert_array_equal(live.state, state)
    np.testing.assert_array_equal(live.one_step, output)
    assert (live.times, other.times) == (80, 90)
    assert abs(other.one_step - output).max() > 0
    live.update(series[1080:1090], given(model, 1080, 1090))
    np.testing.assert_array_equal(live.state, other.state)
    np.testing.assert_array_equal(model.readout.weight, weights)


@pytest.mark.parametrize("name", MODELS)
def test_saved_in_the_middle_and_loaded_it_goes_on(models, tmp_path, name):
    model, series = models[name], data(name)
    live = model.start(series[1000:1080], given(model, 1000, 1080))
    live.save(tmp_path / "live.h5")
    again = load(tmp_path / "live.h5")
    assert isinstance(again, RunningForecaster)
    assert (again.times, again.starts, again.gaps) == (80, 0, None)
    for each in (live, again):
        each.update(series[1080:1090], given(model, 1080, 1090))
    np.testing.assert_array_equal(again.one_step, live.one_step)
    np.testing.assert_array_equal(again.state, live.state)


def test_the_memory_of_a_block_is_not_kept(models):
    live = models["reservoir"].start(SERIES)
    assert live.last_input.base is None


def test_series_in_another_order_of_memory_is_the_same(models):
    model = models["reservoir"]
    whole = model.start(SERIES[1000:1100])
    columns = model.start(np.asfortranarray(SERIES[1000:1050]))
    columns.update(np.asfortranarray(SERIES[1050:1100]))
    np.testing.assert_array_equal(columns.state, whole.state)


def test_torch_networks_run(models):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    model = train(Cell(torch.nn.RNNCell(3, 20).double()), SERIES[:600], ridge=1e-3)
    live = model.start(SERIES[600:650])
    live.update(SERIES[650])
    np.testing.assert_array_equal(live.forecast(10), forecast(model, SERIES[600:651], 10))


def test_missing_components_are_replaced_by_the_forecast_of_them(models):
    model = models["reservoir"]
    live = model.start(SERIES[1000:1100], gaps="bridge")
    plain, expected = live.copy(), live.forecast(5)
    given_to = live.update(np.full((5, 3), np.nan))
    np.testing.assert_allclose(given_to, expected, rtol=1e-9)  # the loop is one product there, two here
    partly = SERIES[1100].copy()
    partly[1] = np.nan
    filled = plain.one_step.copy()
    filled[[0, 2]] = partly[[0, 2]]
    other = plain.copy()
    np.testing.assert_array_equal(plain.update(partly), filled)
    other.update(filled)
    np.testing.assert_array_equal(plain.state, other.state)


def test_each_network_of_an_ensemble_bridges_by_itself(models):
    live = models["ensemble"].start(SERIES[1000:1100], gaps="bridge")
    expected = live.forecast(3)
    np.testing.assert_allclose(live.update(np.full((3, 3), np.nan)), expected, rtol=1e-8)
    live.update(SERIES[1103:1110])
    assert live.forecast(4).shape == (4, 3, 3)


def test_a_masked_value_is_missing_too(models):
    live, masked = (models["reservoir"].start(SERIES[1000:1100], gaps="bridge") for _ in range(2))
    hidden = np.ma.array(SERIES[1100:1104], mask=SERIES[1100:1104] > 20)
    live.update(hidden.filled(np.nan))
    masked.update(hidden)
    np.testing.assert_array_equal(live.state, masked.state)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda live: live.update(SERIES[0, :2]), r"observations must have shape \(time, \*batch, m=3\); got \(1, 2\)"),
        (lambda live: live.update(SERIES[:4, :2]), r"observations must have shape"),
        (lambda live: live.update(SERIES[:0]), "observations must have at least one time"),
        (lambda live: live.update(np.full(3, np.nan)), "observations must be finite"),
        (lambda live: live.update([1.0, np.inf, 0.0]), "observations must be finite"),
        (lambda live: live.update(SERIES[0], FORCING[0]), "external"),
        (lambda live: live.forecast(0), "steps must be an integer of at least 1; got 0"),
        (lambda live: live.model.start(SERIES[:0]), "series must have at least one time"),
        (lambda live: live.model.start(SERIES[:, :2]), r"series must have shape \(time, \*batch, m=3\)"),
        (
            lambda live: live.model.start(SERIES, gaps="fill"),
            "gaps must be 'bridge', or None to refuse them; got 'fill'",
        ),
        (
            lambda live: live.model.start(np.where(np.arange(9)[:, None] < 1, np.nan, SERIES[:9]), gaps="bridge"),
            "series must begin with a complete value",
        ),
    ],
)
def test_bad_observations_are_refused_and_change_nothing(models, call, message):
    live = models["reservoir"].start(SERIES[1000:1050])
    state = live.state
    with pytest.raises(ValueError, match=message):
        call(live)
    assert live.state is state
    assert live.times == 50


def test_a_bridge_needs_a_network_that_forecasts_its_input(models):
    live = models["another target"].start(SERIES[:50, :2], gaps="bridge")
    with pytest.raises(ValueError, match="closed loop"):
        live.update(np.full(2, np.nan))
    with pytest.raises(ValueError, match="closed loop"):
        live.forecast(3)


def test_running_forecasters_with_a_damaged_state_are_refused(models, tmp_path):
    live = models["reservoir"].start(SERIES[:50])
    with pytest.raises(ValueError, match=r"state must have shape \(\*batch, 40\)"):
        replace(live, state=np.zeros(39))
    with pytest.raises(TypeError, match="RunningForecaster"):
        save(live.state, tmp_path / "x.h5")
