"""What a user may rely on: runs can be cut, fits repeated, models saved, and nothing changes behind one's back."""

import tracemalloc
from dataclasses import replace
from itertools import repeat

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cases import as_torch
from cocycle import LINEAR, Activation, Reservoir, forecast, frame, lyapunov_spectrum, train, trajectory
from cocycle.networks import Cell
from cocycle.reservoir import (
    Deep,
    DelayLine,
    Design,
    Forecaster,
    HalfSquared,
    Normalisation,
    Polynomial,
    Readout,
    WithSquares,
    cycle,
    delay_line,
    load,
    nrmse,
    save,
    sparse,
)
from cocycle.systems import Lorenz63, Rossler
from cocycle.trajectories import end

DEEP = Deep((Reservoir.random(30, 3, rng=1), Reservoir.random(20, 30, input_scaling=0.1, rng=2)))
DELAYED = Deep((DelayLine(3, 2, 3), Reservoir.random(40, 6, rng=3)))
MODELS = {
    "reservoir": (Reservoir.random(40, 3), None),
    "sparse": (Reservoir.random(220, 3), None),
    "leaky, squares": (Reservoir.random(40, 3, leak_rate=0.5), WithSquares()),
    "half squared": (Reservoir.random(40, 3), HalfSquared()),
    "direct": (Reservoir.random(40, 3), Design(direct=True)),
    "increment": (Reservoir.random(40, 3), Design(increment=True)),
    "deep": (DEEP, None),
    "delayed": (DELAYED, None),
    "next generation": (DelayLine(3, 2), Design(Polynomial(6), increment=True)),
    "ensemble": (Reservoir.ensemble([Reservoir.random(30, 3, rng=i) for i in range(3)]), None),
}


@pytest.fixture(scope="module")
def series():
    return Lorenz63().series(2500, dt=0.02)


@pytest.fixture(scope="module")
def models(series):
    return {
        name: train(network, series[:2000], ridge=1e-4, design=design) for name, (network, design) in MODELS.items()
    }


@pytest.mark.parametrize("name", MODELS)
def test_running_50_steps_and_50_more_is_running_100(models, series, name):
    model = models[name]
    start = model.warmed(series[2000:2200])
    whole, end = model.continued(start, 100)
    first, middle = model.continued(start, 50)
    second, last = model.continued(middle, 50)
    np.testing.assert_array_equal(np.concatenate([first, second]), whole)
    np.testing.assert_array_equal(last, end)


@pytest.mark.parametrize("name", MODELS)
def test_a_forecast_starts_with_the_first_unseen_value(models, series, name):
    """Row 0 is the readout after the last value of the warm-up: nearly the next value, clearly not the last."""
    first = forecast(models[name], series[2000:2200], 1)[0]
    error = abs(first - series[2200]).max(axis=-1)
    assert (error < 0.3 * abs(series[2200] - series[2199]).max()).all()
    np.testing.assert_allclose(first, models[name].predictions(series[2000:2200])[-1], rtol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_fitting_twice_gives_the_same_weights(models, series, name):
    network, design = MODELS[name]
    forecast(models[name], series[2000:2100], 50)  # in between
    again = train(network, series[:2000], ridge=1e-4, design=design)
    np.testing.assert_array_equal(again.readout.weight, models[name].readout.weight)


@pytest.mark.parametrize("name", MODELS)
def test_a_batch_of_starts_is_each_alone(models, series, name):
    warm_up = np.stack([series[s : s + 100] for s in (2000, 2150, 2300)], axis=1)
    together = forecast(models[name], warm_up, 5)
    for s in range(3):
        np.testing.assert_allclose(together[..., s, :], forecast(models[name], warm_up[:, s], 5), rtol=1e-8)


@pytest.mark.parametrize("name", MODELS)
def test_a_saved_model_forecasts_the_same_bits(models, series, tmp_path, name):
    save(models[name], tmp_path / "model.h5")
    again = load(tmp_path / "model.h5")
    np.testing.assert_array_equal(
        forecast(again, series[2000:2200], 100), forecast(models[name], series[2000:2200], 100)
    )
    assert dict(again.settings) == dict(models[name].settings)
    assert again.network.joint.dt == models[name].network.joint.dt


@pytest.mark.parametrize("name", MODELS)
def test_closed_loops_have_exponents(models, series, name):
    """The growth along the closed orbit is that of a small difference, for every kind of network and readout."""
    model = models[name]
    start = model.warmed(series[2000:2200])
    q = frame(start, 1, rng=3)
    result = lyapunov_spectrum(repeat(model.closed, 20), start, q)
    step = 1e-6
    apart = trajectory(repeat(model.closed, 20), start + step * q[..., 0])[-1]
    growth = np.linalg.norm(apart - trajectory(repeat(model.closed, 20), start)[-1], axis=-1) / step
    np.testing.assert_allclose(result.exponents[..., 0] * 20, np.log(growth), atol=1e-3)


def test_a_row_is_the_state_after_its_input(series):
    """states[t] belongs to inputs up to and with u[t]; the readout of row t is trained on u[t+1]."""
    network = Reservoir.random(40, 3, leak_rate=1.0)
    states = trajectory(network.driven(series[:3]), network.rest())
    step = np.tanh(network.weight @ states[1] + network.input_weight @ series[2] + network.bias)
    np.testing.assert_allclose(states[2], step, rtol=1e-13)
    textbook = Design(constant=False)
    model = train(network, series[:1000], ridge=1e-3, washout=0, normalise=False, design=textbook)
    states = trajectory(network.driven(series[:999]), network.rest())
    exact = np.linalg.solve(states.T @ states + 1e-3 * np.eye(40), states.T @ series[1:1000]).T
    np.testing.assert_allclose(model.readout.weight, exact, rtol=1e-6, atol=1e-8)


def test_series_of_unequal_length_train_together(series):
    network = Reservoir.random(30, 3)
    units, textbook = Normalisation.standard(series), Design(constant=False)
    model = train(network, [series[:700], series[900:1300]], ridge=0.1, washout=100, normalise=units, design=textbook)
    rows, wanted = [], []
    for piece in (units.applied(series[:700]), units.applied(series[900:1300])):
        rows.append(trajectory(network.driven(piece[:-1]), network.rest())[100:])
        wanted.append(piece[101:])
    r, y = np.concatenate(rows), np.concatenate(wanted)
    exact = np.linalg.solve(r.T @ r + 0.1 * np.eye(30), r.T @ y).T
    np.testing.assert_allclose(model.readout.weight, exact, rtol=1e-7, atol=1e-9)
    short, long = train(network, [series[:700]], normalise=units), train(network, series[:700], normalise=units)
    np.testing.assert_array_equal(short.readout.weight, long.readout.weight)


def test_normalised_training_is_training_on_normalised_data(series):
    units = Normalisation.standard(series[:2000])
    inside = train(Reservoir.random(40, 3), series[:2000])
    outside = train(Reservoir.random(40, 3), units.applied(series[:2000]), normalise=False)
    np.testing.assert_allclose(inside.readout.weight, outside.readout.weight, rtol=1e-9)
    mine = forecast(inside, series[2000:2100], 20)
    theirs = units.undone(forecast(outside, units.applied(series[2000:2100]), 20))
    np.testing.assert_allclose(mine, theirs, rtol=1e-7)


def test_numpy_and_torch_give_the_same_numbers(series):
    for network, design in ((Reservoir.random(40, 3), None), (Reservoir.random(40, 3, leak_rate=0.5), WithSquares())):
        mine = train(network, series[:1000], ridge=1e-2, design=design)
        theirs = train(as_torch(network), series[:1000], ridge=1e-2, design=design)
        assert isinstance(theirs.readout.weight, torch.Tensor)
        np.testing.assert_allclose(theirs.readout.weight.numpy(), mine.readout.weight, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(
            forecast(theirs, series[2000:2100], 20), forecast(mine, series[2000:2100], 20), rtol=1e-5
        )


def test_an_ensemble_is_its_networks(series):
    networks = [Reservoir.random(30, 3, rng=i) for i in range(2)]
    together = train(Reservoir.ensemble(networks), series[:1000], ridge=1e-2)
    for i, network in enumerate(networks):
        alone = train(network, series[:1000], ridge=1e-2)
        np.testing.assert_allclose(together.readout.weight[i], alone.readout.weight, rtol=1e-6, atol=1e-9)
    with pytest.raises(ValueError, match="agree in size"):
        Reservoir.ensemble([networks[0], Reservoir.random(20, 3)])


@pytest.mark.parametrize("weight", [np.zeros((20, 20)), delay_line(20), sparse(220, 0.05, 1) * 0.0])
def test_no_recurrence_is_allowed(series, weight):
    """Spectral radius 0, also by nilpotence: the network is a feed-forward one, and full observation needs no more."""
    n = weight.shape[0]
    rng = np.random.default_rng(1)
    network = Reservoir(weight, rng.uniform(-0.3, 0.3, size=(n, 3)), bias=rng.uniform(-1, 1, size=n))
    model = train(network, series[:2000])
    assert nrmse(model.predictions(series[2000:2400])[50:-1], series[2051:2400]) < 0.1


def test_a_torch_cell_is_trained_like_a_reservoir(series):
    torch.manual_seed(1)
    cell = Cell(torch.nn.GRUCell(3, 40).double())
    model = train(cell, series[:1500], ridge=1e-4)
    assert nrmse(model.predictions(series[2000:2400])[200:-1], series[2201:2400]) < 0.1
    assert np.isfinite(forecast(model, series[2000:2200], 10)).all()


def test_delays_and_depth_see_what_they_should(series):
    line = DelayLine(3, 3, 2)
    state = trajectory(line.driven(series[:20]), line.rest())[-1]
    np.testing.assert_array_equal(state[line.seen], np.concatenate([series[19], series[17], series[15]]))
    network = Deep((line, Reservoir.random(10, 9)))
    state = trajectory(network.driven(series[:20]), network.rest())[-1]
    alone = network.layers[1]
    past = np.concatenate([series, np.zeros((5, 3))])  # before the first input: rest
    delayed = np.concatenate([past[np.arange(20) - d] for d in (0, 2, 4)], axis=1)
    np.testing.assert_allclose(state[-10:], trajectory(alone.driven(delayed), alone.rest())[-1], rtol=1e-12)
    with pytest.raises(ValueError, match=r"layers\[1\] must take 9 inputs, those seen of layers\[0\]; it takes 3"):
        Deep((line, Reservoir.random(10, 3)))


def test_exponents_of_a_delay_line_and_of_what_it_feeds(series):
    """It forgets in finite time: the conditional exponents are those of the reservoir behind it, then -inf."""
    u = Normalisation.standard(series).applied(series)
    x = DELAYED.rest()
    both = lyapunov_spectrum(DELAYED.driven(u), x, frame(x, 2), transient=50)
    alone = DELAYED.layers[1]
    past = np.concatenate([np.zeros((3, 3)), u])[: len(u)]
    delayed = np.concatenate([u, past], axis=1)
    one = lyapunov_spectrum(alone.driven(delayed), alone.rest(), frame(alone.rest(), 2), transient=50)
    np.testing.assert_allclose(both.exponents, one.exponents, atol=5 * one.standard_error.max())


def test_an_external_input_is_used_and_followed():
    """A driven oscillator: what comes is decided by a force that nobody predicts, which has to be given."""
    rng = np.random.default_rng(5)
    force, x = rng.normal(size=(3000, 1)), np.zeros((3001, 1))
    for t in range(3000):
        x[t + 1] = 0.8 * x[t] + 0.5 * np.tanh(force[t])
    x = x[1:]  # x[t] already holds force[t]; the next value needs force[t+1]
    model = train(Reservoir.random(100, 2, spectral_radius=0.1), x[:2000], external=np.roll(force, -1, axis=0)[:2000])
    later = np.roll(force, -1, axis=0)[2000:2200]
    found = forecast(model, x[2000:2100], 100, external=later)
    np.testing.assert_allclose(found, x[2100:2200], atol=0.1)
    wrong = forecast(model, x[2000:2100], 100, external=np.concatenate([later[:100], later[100:] * 0]))
    assert abs(wrong - x[2100:2200]).max() > 0.2
    with pytest.raises(ValueError, match="external input of 1 components; got none"):
        forecast(model, x[2000:2100], 10)
    with pytest.raises(ValueError, match="is driven: take `closed_with"):
        model.closed  # noqa: B018
    with pytest.raises(ValueError, match="external must have a value for each of the 50 steps"):
        forecast(model, x[2000:2100], 50, external=later)


def test_what_is_not_observed_is_inferred():
    """z of Rössler's system from x and y, to a few per cent; there is no loop to close."""
    series = Rossler().series(6000, dt=0.1)
    model = train(Reservoir.random(200, 2), series[:4000, :2], target=series[:4000, 2:])
    inferred = model.predictions(series[4000:, :2])
    assert nrmse(inferred[300:], series[4300:, 2:]) < 0.1
    with pytest.raises(ValueError, match="trained on another target"):
        model.closed  # noqa: B018


def test_noise_on_the_input_is_noise_on_the_input(series):
    """It costs accuracy on clean data, and comes from the seed."""
    clean = train(Reservoir.random(60, 3), series[:2000])
    noisy = train(Reservoir.random(60, 3), series[:2000], noise=0.1, rng=4)
    scores = [nrmse(m.predictions(series[2000:])[100:-1], series[2101:]) for m in (clean, noisy)]
    assert 10 * scores[0] < scores[1] < 0.3
    again = train(Reservoir.random(60, 3), series[:2000], noise=0.1, rng=4)
    np.testing.assert_array_equal(again.readout.weight, noisy.readout.weight)


def test_an_odd_network_on_centred_data_is_warned_of(series):
    odd = replace(Reservoir.random(40, 3), bias=0.0)
    with pytest.warns(UserWarning, match="this network is odd"):
        train(odd, series)
    for network, options in (
        (Reservoir.random(40, 3), {}),
        (odd, {"normalise": False}),  # the mean of z acts as a bias
        (odd, {"design": WithSquares()}),
        (replace(odd, input_weight=odd.input_weight[:, :1]), {}),  # x alone: the system is as odd as the network
    ):
        train(network, series[:, : network.inputs], **options)  # warnings are errors here


@given(st.integers(1, 4), st.integers(0, 2**31 - 1))
@settings(max_examples=20, deadline=None)
def test_units_of_the_series_do_not_matter(m, seed):
    """Forecasts scale and shift with the series: the network sees the same numbers."""
    rng = np.random.default_rng(seed)
    series = np.cumsum(rng.normal(size=(300, m)), axis=0) * 0.1 + rng.normal(size=(300, m))
    scale, shift = rng.uniform(0.01, 100, size=m), rng.normal(size=m) * 100
    network = Reservoir.random(20, m, rng=seed)
    plain = train(network, series, ridge=1e-2, washout=20)
    moved = train(network, series * scale + shift, ridge=1e-2, washout=20)
    expected = forecast(plain, series[-50:], 5) * scale + shift
    np.testing.assert_allclose(forecast(moved, (series * scale + shift)[-50:], 5), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda m, u: train(Reservoir.random(20, 3), np.where(np.arange(3) == 1, 7.0, u)),
            "component 1 .* is constant",
        ),
        (lambda m, u: train(Reservoir.random(20, 3), [u[:700], u[:150]]), "for a series of 150 times"),
        (lambda m, u: train(Reservoir.random(20, 3), u, target=u[:100]), "target must have as many times"),
        (lambda m, u: train(Reservoir.random(20, 3), [u, u], target=[u]), "one array for each of the 2 series; got 1"),
        (lambda m, u: train(Reservoir.random(20, 3), u, noise=-1.0), "noise must be a finite number >= 0; got -1"),
        (lambda m, u: train(Reservoir.random(20, 3), u, external=u[:, :1]), r"shape \(time, \*batch, m=2\)"),
        (
            lambda m, u: train(Reservoir.random(20, 3), u, target=u, design=Design(increment=True)),
            "increment=True is for the next value",
        ),
        (
            lambda m, u: train(Reservoir(5 * np.eye(20), np.ones((20, 3)), activation=LINEAR), u, normalise=False),
            "the network diverged while it was driven",
        ),
        (lambda m, u: forecast(m, u[:0], 10), "warm_up must have at least one time"),
        (lambda m, u: forecast(m, u[:100], 0), "steps must be an integer of at least 1; got 0"),
        (lambda m, u: forecast(m, u[:100], 10.0), "steps must be an integer of at least 1; got 10.0"),
        (lambda m, u: train(Reservoir.random(20, 3), u, ridge=[1e-6, 1e-4]), r"give CrossValidated\(ridges\)"),
        (
            lambda m, u: train(Reservoir.random(20, 3), u, ridge="a"),
            "ridge must be a finite number >= 0; got 'a'",
        ),
        (lambda m, u: train(Reservoir.random(20, 3), u, noise="a"), "noise must be a finite number >= 0; got 'a'"),
        (
            lambda m, u: train(Reservoir.random(20, 3), u, target=u[:, 0]),
            r"target must have shape \(time, \*batch, k\)",
        ),
        (lambda m, u: train(DelayLine(3, 2), u, design=Polynomial(3)), "takes states of 3 components; got 6"),
        (lambda m, u: Reservoir.random(0, 3), "size must be an integer of at least 1; got 0"),
        (lambda m, u: Reservoir.random(10, 0), "inputs must be an integer of at least 1; got 0"),
        (lambda m, u: Reservoir.random(10.0, 1), "size must be an integer of at least 1; got 10.0"),
        (lambda m, u: forecast(m, u[:100, :2], 10), r"must have shape \(time, \*batch, m=3\)"),
        (lambda m, u: forecast(m, np.nan * u[:100], 10), "must be finite"),
        (lambda m, u: Forecaster(Reservoir.random(30, 3), m.readout), "take the 30 features .* it takes 40"),
        (lambda m, u: Normalisation(0.0, 0.0), "scale must be positive"),
        (lambda m, u: Normalisation(np.nan), "offset must be finite"),
        (lambda m, u: DelayLine(3, 0), "taps must be at least 1; got 0"),
        (lambda m, u: Deep(()), "at least one network"),
        (lambda m, u: Polynomial(3, (-1,)), "degrees must hold at least one number, each >= 0"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_bad_input(models, series, call, message):
    with pytest.raises(ValueError, match=message):
        call(models["reservoir"], series)


def test_things_of_another_kind(models, series):
    with pytest.raises(TypeError, match="model must be a Forecaster, which `train` makes; got Reservoir"):
        forecast(Reservoir.random(20, 3), series[:100], 10)
    with pytest.raises(TypeError, match="normalise must be True, False or a Normalisation; got 'std'"):
        train(Reservoir.random(20, 3), series, normalise="std")
    with pytest.raises(TypeError, match=r"activation must be an Activation, such as cocycle\.TANH; got 'tanh'"):
        Reservoir(np.eye(3), np.ones((3, 1)), activation="tanh")
    with pytest.raises(TypeError, match=r"washout must be an integer; got 100\.5"):
        train(Reservoir.random(20, 3), series, washout=100.5)
    with pytest.raises(TypeError, match="weight must be an array; got list"):
        Reservoir([[1.0]], np.ones((1, 1)))


def test_lists_of_numbers_are_a_series(series):
    model = train(Reservoir.random(20, 3), series[:500].tolist())
    np.testing.assert_array_equal(model.readout.weight, train(Reservoir.random(20, 3), series[:500]).readout.weight)
    assert forecast(model, series[:100].tolist(), 3).shape == (3, 3)


def test_models_are_shown_in_short(models):
    network = "Reservoir(40 units, 3 inputs, tanh, leak_rate 0.5)"
    assert repr(models["reservoir"]) == f"Forecaster of 3 outputs (the next input) from 40 features of {network}"
    assert "leak_rate 0.5" in repr(models["leaky, squares"])
    assert "batch (3,)" in repr(models["ensemble"])
    assert "sparse" in repr(models["sparse"].network)


def test_saving_keeps_what_is_there(models, tmp_path):
    path = tmp_path / "model.h5"
    save(models["reservoir"], path)
    before = path.read_bytes()
    own = Activation("mine", np.sin, np.cos)
    strange = replace(models["reservoir"], network=replace(models["reservoir"].network, activation=own))
    with pytest.raises(TypeError, match="activation cannot be stored: a Activation is none of the package's own"):
        save(strange, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model.h5"]
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["results"] = np.ones(3)
    with pytest.raises(FileExistsError, match="is no saved model: it will not be overwritten"):
        save(models["reservoir"], tmp_path / "other.h5")
    with pytest.raises(ValueError, match="is not a saved model"):
        load(tmp_path / "other.h5")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load(tmp_path / "nothing.h5")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        save(models["reservoir"], tmp_path / "no" / "model.h5")
    with pytest.raises(TypeError, match="model must be a Forecaster"):
        save(models["reservoir"].network, path)


def test_a_readout_may_look_at_part_of_the_state(series):
    model = train(Reservoir(0.9 * cycle(30), np.ones((30, 3)) * 0.1, bias=np.linspace(-1, 1, 30)), series)
    part = Forecaster(model.network, Readout(model.readout.weight[:, :10], slice(10)), model.inputs, model.outputs)
    state = model.warmed(series[:100])
    expected = model.outputs.undone(model.readout.weight[:, :10] @ state[:10])
    np.testing.assert_allclose(part.continued(state, 1)[0][0], expected, rtol=1e-12)


def test_a_warm_up_keeps_one_state():
    """Not all of them, which for 3000 steps would be 12 MB here, and gigabytes for a batch in a sweep."""
    network = Reservoir.random(500, 1)
    model = train(network, np.sin(0.1 * np.arange(400))[:, None], ridge=1e-3)
    series = np.sin(0.1 * np.arange(3000))[:, None]
    tracemalloc.start()
    state = model.warmed(series)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2e6
    np.testing.assert_array_equal(state, trajectory(model.driven(series), network.rest())[-1])
    np.testing.assert_array_equal(end([], state), state)
